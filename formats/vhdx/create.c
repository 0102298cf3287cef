/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/create.c - new VHDX images.
 *
 *   0        file id, headers, region tables
 *   1 MiB    log, empty
 *   ...      table of blocks
 *   ...      metadata, 1 MiB
 *   ...      blocks
 *
 * A fixed image has all of its blocks in order from the beginning.  Headers are
 * written last: before, the file is no image.
 *
 * Concurrency: create only.
 */
#include "formats/vhdx/vhdx.h"

#include "block/file-hints.h"
#include "block/transaction.h"
#include "formats/blocks/new.h"

#include <inttypes.h>

#define CREATOR "vdisk"
#define PHYSICAL_SECTOR 4096
#define MAX_LOG VHDX_MAX_LOG

static const char *const prealloc_names[] = {"off", "falloc", "full", NULL};
static const VdPrealloc preallocs[] = {VD_PREALLOC_OFF, VD_PREALLOC_FALLOC,
                                       VD_PREALLOC_FULL};
static const char *const subformat_names[] = {"dynamic", "fixed", NULL};

const VdOptionSpec vhdx_create_options[] = {
    {"size", VD_OPTION_SIZE, NULL, "Virtual disk size; max of 64TB.", NULL},
    {"log_size", VD_OPTION_SIZE, "1048576", "Log size; min 1MB.", NULL},
    {"block_size", VD_OPTION_SIZE, "0",
     "Block Size; min 1MB, max 256MB. 0 means auto-calculate based on image "
     "size.",
     NULL},
    {"logical_sector_size", VD_OPTION_SIZE, NULL,
     "Bytes of a sector as the guest sees it: 512 (default) or 4096", NULL},
    {"subformat", VD_OPTION_ENUM, NULL,
     "VHDX format type, can be either 'dynamic' or 'fixed'. Default is "
     "'dynamic'.",
     subformat_names},
    {"block_state_zero", VD_OPTION_BOOL, NULL,
     "Accepted for compatibility: blocks that are not there read as zeroes "
     "anyway",
     NULL},
    {"preallocation", VD_OPTION_ENUM, NULL,
     "Preallocation mode (allowed values: off, falloc, full)", prealloc_names},
    VD_NO_COW_ROW,
    VD_EXTENT_SIZE_ROW,
    {NULL},
};

typedef struct {
    VhdxMetadata meta;
    VhdxHeader hdr;
    VhdxRegions regions;
    VdPrealloc prealloc;
    uint64_t block_size, log_size, logical; /* as asked for */
} VhdxNew;

/* -- options --------------------------------------------------------------- */

static bool
take_options(VhdxNew *new, VdOptions *opts, GError **error)
{
    unsigned prealloc = 0, subformat = 0;
    bool zero = true;

    if (!vd_options_take_bool(opts, "block_state_zero", &zero, error) ||
        !vd_options_take_size(opts, "block_size", &new->block_size, error) ||
        !vd_options_take_size(opts, "log_size", &new->log_size, error) ||
        !vd_options_take_size(opts, "logical_sector_size", &new->logical,
                              error) ||
        !vd_options_take_enum(opts, "subformat", subformat_names, &subformat,
                              error) ||
        !vd_options_take_enum(opts, "preallocation", prealloc_names, &prealloc,
                              error))
        return false;
    new->prealloc = preallocs[prealloc];
    new->meta.leave_allocated = subformat != 0;
    if (!subformat && prealloc)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "preallocation=%s is for subformat=fixed",
                        prealloc_names[prealloc]);
    return true;
}

/* Small blocks keep thin files thin; tables of large disks stay small. */
static uint32_t
pick_block_size(uint64_t size)
{
    if (size <= UINT64_C(1) << 40)
        return 1u << 20;
    return size <= UINT64_C(16) << 40 ? 8u << 20 : 32u << 20;
}

static bool
take_sizes(VhdxNew *new, GError **error)
{
    uint64_t block = new->block_size, log = new->log_size;

    if (block && (block < VHDX_MIN_BLOCK || block > VHDX_MAX_BLOCK ||
                  (block & (block - 1))))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "block_size %" PRIu64
                        " is no power of two from 1 to 256 MiB",
                        block);
    if (log && (log % VHDX_MIB || log > MAX_LOG))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "log_size %" PRIu64 " is no whole MiB up to %u MiB",
                        log, MAX_LOG >> 20);
    if (new->logical &&new->logical != 512 && new->logical != 4096)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "logical_sector_size %" PRIu64 " is not 512 or 4096",
                        new->logical);
    new->hdr.log_bytes = (uint32_t) (log ? log : VHDX_MIB);
    new->meta.logical = (uint32_t) (new->logical ? new->logical : 512);
    new->meta.physical = PHYSICAL_SECTOR;
    return true;
}

/* -- layout ---------------------------------------------------------------- */

static uint64_t
round_up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static bool
lay_out(VhdxNew *new, uint64_t size, GError **error)
{
    VhdxRange *table = &new->regions.table, *metadata = &new->regions.metadata;

    if (size > VHDX_MAX_SIZE)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "Image size too large; max of 64TB");
    if (!take_sizes(new, error))
        return false;
    new->meta.size = round_up(size, new->meta.logical);
    new->meta.block_bytes =
        new->block_size ? (uint32_t) new->block_size : pick_block_size(size);
    new->hdr.log_off = VHDX_MIB;
    table->off = new->hdr.log_off + new->hdr.log_bytes;
    table->len =
        MAX(round_up(vhdx_table_entries(&new->meta) * 8, VHDX_MIB), VHDX_MIB);
    metadata->off = table->off + table->len;
    metadata->len = VHDX_METADATA_BYTES;
    return true;
}

static uint64_t
front_bytes(const VhdxNew *new)
{
    return new->regions.metadata.off + new->regions.metadata.len;
}

static uint64_t
count_blocks(const VhdxNew *new)
{
    return round_up(new->meta.size, new->meta.block_bytes) /
           new->meta.block_bytes;
}

static uint64_t
file_bytes(const VhdxNew *new, uint64_t n_blocks)
{
    return front_bytes(new) + n_blocks * new->meta.block_bytes;
}

/* -- writing --------------------------------------------------------------- */

static bool
new_co_write_table(VdNode *file, const VhdxNew *new, GError **error)
{
    VdPagesLayout table = {.off = new->regions.table.off,
                           .n = vhdx_table_entries(&new->meta),
                           .entry_bytes = 8};
    VdBlocksFill fill = {.interleave = vhdx_chunk_ratio(&new->meta)};

    if (new->meta.leave_allocated) {
        fill.first = front_bytes(new) | VHDX_PRESENT;
        fill.step = new->meta.block_bytes;
    }
    return vd_blocks_co_fill_interleaved(file, &table, &fill, error);
}

static bool
new_co_write_metadata(VdNode *file, const VhdxNew *new, GError **error)
{
    g_autofree uint8_t *raw = g_malloc(VHDX_METADATA_USED);

    vhdx_metadata_encode(&new->meta, raw);
    return vd_node_co_pwrite(file, new->regions.metadata.off, raw,
                             VHDX_METADATA_USED, error);
}

static bool
new_co_write_regions(VdNode *file, const VhdxNew *new, GError **error)
{
    g_autofree uint8_t *raw = g_malloc(VHDX_REGION_TABLE_BYTES);

    vhdx_region_table_encode(&new->regions, raw);
    return vd_node_co_pwrite(file, VHDX_REGION_TABLE_AT(0), raw,
                             VHDX_REGION_TABLE_BYTES, error) &&
           vd_node_co_pwrite(file, VHDX_REGION_TABLE_AT(1), raw,
                             VHDX_REGION_TABLE_BYTES, error);
}

static bool
new_co_write_headers(VdNode *file, const VhdxNew *new, GError **error)
{
    g_autofree uint8_t *raw = g_malloc(VHDX_HEADER_BYTES);
    VhdxHeader hdr = new->hdr;

    for (unsigned i = 0; i < 2; i++) {
        hdr.sequence++;
        vhdx_header_encode(&hdr, raw);
        if (!vd_node_co_pwrite(file, VHDX_HEADER_AT(i), raw, VHDX_HEADER_BYTES,
                               error))
            return false;
    }
    return true;
}

static bool
new_co_write_id(VdNode *file, GError **error)
{
    static const char text[] = CREATOR;
    uint8_t raw[VHDX_MAGIC_BYTES + 2 * sizeof(text)] = {0};

    memcpy(raw, VHDX_MAGIC, VHDX_MAGIC_BYTES);
    for (unsigned i = 0; text[i]; i++)
        vio_put_le16(raw + VHDX_MAGIC_BYTES + 2 * i, (uint8_t) text[i]);
    return vd_node_co_pwrite(file, 0, raw, sizeof(raw), error);
}

static bool
vhdx_co_write(VdNode *file, const VhdxNew *new, GError **error)
{
    return new_co_write_table(file, new, error) &&
           new_co_write_metadata(file, new, error) &&
           new_co_write_regions(file, new, error) &&
           new_co_write_headers(file, new, error) &&
           new_co_write_id(file, error);
}

bool
vhdx_co_create(VdTransaction *tx, const VdCreateSpec *spec, GError **error)
{
    VhdxNew new = {{0}};
    VdNode *file;

    if (spec->backing_name)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "Backing file not supported for file format 'vhdx'");
    if (!take_options(&new, spec->options, error) ||
        !lay_out(&new, spec->size, error))
        return false;
    vd_uuid_new(new.hdr.file_write);
    vd_uuid_new(new.hdr.data_write);
    vd_uuid_new(new.meta.page83);
    file = vd_tx_co_file(
        tx, spec->env, spec->filename,
        file_bytes(&new, new.meta.leave_allocated ? count_blocks(&new) : 0),
        new.prealloc, error);
    if (!file)
        return false;
    if (vhdx_co_write(file, &new, error))
        return vd_node_co_close(file, error);
    (void) vd_node_co_close(file, NULL);
    return false;
}

bool
vhdx_co_measure(const VdMeasureSpec *spec, VdMeasureResult *result,
                GError **error)
{
    VhdxNew new = {{0}};
    uint64_t n = 0, all;

    if (!take_options(&new, spec->options, error) ||
        !lay_out(&new, spec->size, error) ||
        !vd_blocks_co_count(spec, new.meta.block_bytes, &n, error))
        return false;
    all = count_blocks(&new);
    result->fully_allocated = file_bytes(&new, all);
    result->required = file_bytes(&new, new.meta.leave_allocated ? all : n);
    return true;
}
