/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vdi/create.c - new VDI images.
 *
 *   0      header
 *   1 MiB  table
 *   n MiB  blocks
 *
 * A static image has all of its blocks in order from the beginning.
 *
 * Concurrency: create only.
 */
#include "formats/vdi/vdi.h"

#include "block/file-hints.h"
#include "block/transaction.h"
#include "formats/blocks/new.h"

#include <inttypes.h>

static const char *const prealloc_names[] = {"off", "metadata", "falloc",
                                             "full", NULL};
static const VdPrealloc preallocs[] = {VD_PREALLOC_OFF, VD_PREALLOC_METADATA,
                                       VD_PREALLOC_FALLOC, VD_PREALLOC_FULL};

const VdOptionSpec vdi_create_options[] = {
    {"size", VD_OPTION_SIZE, NULL, "Virtual disk size", NULL},
    {"static", VD_OPTION_BOOL, "off", "VDI static (pre-allocated) image", NULL},
    {"preallocation", VD_OPTION_ENUM, NULL,
     "Preallocation mode (allowed values: off, metadata, falloc, full)",
     prealloc_names},
    VD_NO_COW_ROW,
    VD_EXTENT_SIZE_ROW,
    {NULL},
};

typedef struct {
    VdiHeader hdr;
    VdPrealloc prealloc;
} VdiNew;

static bool
take_options(VdiNew *new, VdOptions *opts, GError **error)
{
    unsigned prealloc = 0;
    bool is_static = false;

    if (!vd_options_take_bool(opts, "static", &is_static, error) ||
        !vd_options_take_enum(opts, "preallocation", prealloc_names, &prealloc,
                              error))
        return false;
    new->prealloc = preallocs[prealloc];
    new->hdr.type = is_static || new->prealloc != VD_PREALLOC_OFF ? VDI_STATIC
                                                                  : VDI_DYNAMIC;
    return true;
}

static uint64_t
round_up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Places are counted in 32 bits. */
static bool
lay_out(VdiNew *new, uint64_t size, GError **error)
{
    VdiHeader *hdr = &new->hdr;
    uint64_t rounded = round_up(size, VDI_SECTOR);
    uint64_t n = (rounded + VDI_BLOCK_BYTES - 1) / VDI_BLOCK_BYTES;
    uint64_t data = VDI_ALIGN + round_up(n * 4, VDI_ALIGN);

    if (size > (uint64_t) VD_MAX_SIZE || n >= VDI_ZERO || data > UINT32_MAX)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "Unsupported VDI image size (size is 0x%" PRIx64
                        ", max supported is 0x%" PRIx64 ")",
                        size,
                        (uint64_t) (UINT32_MAX / VDI_ALIGN - 1) * VDI_ALIGN /
                            4 * VDI_BLOCK_BYTES);
    hdr->size = rounded;
    hdr->block_bytes = VDI_BLOCK_BYTES;
    hdr->n_blocks = (uint32_t) n;
    hdr->n_allocated = hdr->type == VDI_STATIC ? (uint32_t) n : 0;
    hdr->table_off = VDI_ALIGN;
    hdr->data_off = (uint32_t) data;
    return true;
}

static uint64_t
file_bytes(const VdiHeader *hdr, uint64_t n_blocks)
{
    return hdr->data_off + n_blocks * hdr->block_bytes;
}

static VdPrealloc
file_prealloc(const VdiNew *new)
{
    return new->prealloc == VD_PREALLOC_METADATA ? VD_PREALLOC_OFF
                                                 : new->prealloc;
}

static bool
vdi_co_write(VdNode *file, const VdiNew *new, GError **error)
{
    const VdiHeader *hdr = &new->hdr;
    VdPagesLayout table = {
        .off = hdr->table_off, .n = hdr->n_blocks, .entry_bytes = 4};
    bool is_static = hdr->type == VDI_STATIC;
    uint8_t raw[VDI_HEADER_BYTES];

    vdi_header_encode(hdr, raw);
    return vd_node_co_pwrite(file, 0, raw, sizeof(raw), error) &&
           vd_blocks_co_fill_table(file, &table, is_static ? 0 : VDI_ABSENT,
                                   is_static, error);
}

bool
vdi_co_create(VdTransaction *tx, const VdCreateSpec *spec, GError **error)
{
    VdiNew new = {0};
    VdNode *file;

    if (spec->backing_name)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "Backing file not supported for file format 'vdi'");
    if (!take_options(&new, spec->options, error) ||
        !lay_out(&new, spec->size, error))
        return false;
    vd_uuid_new(new.hdr.create);
    vd_uuid_new(new.hdr.modify);
    file = vd_tx_co_file(tx, spec->env, spec->filename,
                         file_bytes(&new.hdr, new.hdr.n_allocated),
                         file_prealloc(&new), error);
    if (!file)
        return false;
    if (vdi_co_write(file, &new, error))
        return vd_node_co_close(file, error);
    (void) vd_node_co_close(file, NULL);
    return false;
}

bool
vdi_co_measure(const VdMeasureSpec *spec, VdMeasureResult *result,
               GError **error)
{
    VdiNew new = {0};
    uint64_t n;

    if (!take_options(&new, spec->options, error) ||
        !lay_out(&new, spec->size, error) ||
        !vd_blocks_co_count(spec, VDI_BLOCK_BYTES, &n, error))
        return false;
    result->fully_allocated = file_bytes(&new.hdr, new.hdr.n_blocks);
    result->required =
        file_bytes(&new.hdr, new.hdr.type == VDI_STATIC ? new.hdr.n_blocks : n);
    return true;
}
