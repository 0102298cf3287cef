/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhd/create.c - new VHD images.
 *
 * Fixed: the bytes, then the footer.  Dynamic: copy of the footer, header,
 * table, then blocks whose data begin at multiples of 4 KiB, and the footer.
 *
 * The creator code decides whose size a reader believes: QEMU before version 10
 * takes the geometry's for every code but a few, and "qem2" is one of these few
 * that claims nothing else.  So every reader takes the size as it is.
 *
 * Concurrency: create only.
 */
#include "formats/vhd/vhd.h"

#include "block/file-hints.h"
#include "block/transaction.h"
#include "formats/blocks/new.h"

#include <inttypes.h>

#define BLOCK_BYTES (2u << 20)
#define HEADER_AT VHD_FOOTER_BYTES
#define TABLE_AT (HEADER_AT + VHD_HEADER_BYTES)
#define EPOCH_2000 INT64_C(946684800)
/* A block in its place: bitmap, data, and what aligns the next one. */
#define PLACE_BYTES (BLOCK_BYTES + 4096u)

static const char *const prealloc_names[] = {"off", "falloc", "full", NULL};
static const VdPrealloc preallocs[] = {VD_PREALLOC_OFF, VD_PREALLOC_FALLOC,
                                       VD_PREALLOC_FULL};
static const char *const subformat_names[] = {"dynamic", "fixed", NULL};

const VdOptionSpec vhd_create_options[] = {
    {"size", VD_OPTION_SIZE, NULL, "Virtual disk size", NULL},
    {"subformat", VD_OPTION_ENUM, NULL,
     "Type of virtual hard disk format. Supported formats are {dynamic "
     "(default) | fixed} ",
     subformat_names},
    {"force_size", VD_OPTION_BOOL, NULL,
     "Accepted for compatibility: sizes are never rounded to a geometry", NULL},
    {"preallocation", VD_OPTION_ENUM, NULL,
     "Preallocation mode of fixed disks (allowed values: off, falloc, full)",
     prealloc_names},
    VD_NO_COW_ROW,
    VD_EXTENT_SIZE_ROW,
    {NULL},
};

typedef struct {
    VhdFooter footer;
    VhdHeader hdr;
    VdPrealloc prealloc;
} VhdNew;

static bool
take_options(VhdNew *new, VdOptions *opts, GError **error)
{
    unsigned prealloc = 0, subformat = 0;
    bool force_size = true;

    if (!vd_options_take_bool(opts, "force_size", &force_size, error) ||
        !vd_options_take_enum(opts, "subformat", subformat_names, &subformat,
                              error) ||
        !vd_options_take_enum(opts, "preallocation", prealloc_names, &prealloc,
                              error))
        return false;
    new->prealloc = preallocs[prealloc];
    new->footer.type = subformat ? VHD_FIXED : VHD_DYNAMIC;
    if (new->footer.type == VHD_DYNAMIC &&new->prealloc != VD_PREALLOC_OFF)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "preallocation=%s is for subformat=fixed",
                        prealloc_names[prealloc]);
    return true;
}

static bool
lay_out(VhdNew *new, uint64_t size, GError **error)
{
    uint64_t sectors = (size + VHD_SECTOR - 1) / VHD_SECTOR;

    if (size > (uint64_t) VD_MAX_SIZE || sectors > VHD_MAX_SECTORS)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "a VHD of %" PRIu64 " bytes is above the maximum of "
                        "%" PRIu64,
                        size, VHD_MAX_SECTORS * VHD_SECTOR);
    new->footer.current_size = sectors *VHD_SECTOR;
    new->footer.original_size = new->footer.current_size;
    new->footer.geometry = vhd_geometry_of(sectors);
    new->footer.header_off =
        new->footer.type == VHD_FIXED ? VHD_NO_HEADER : HEADER_AT;
    new->hdr.table_off = TABLE_AT;
    new->hdr.block_bytes = BLOCK_BYTES;
    new->hdr.n_entries =
        (uint32_t) ((new->footer.current_size + BLOCK_BYTES - 1) / BLOCK_BYTES);
    return true;
}

static void
sign(VhdFooter *footer)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC - EPOCH_2000;

    footer->timestamp = (uint32_t) CLAMP(now, 0, UINT32_MAX);
    memcpy(footer->creator, VHD_CREATOR, sizeof(footer->creator));
    footer->creator_version = UINT32_C(0x00010000);
    vd_uuid_new(footer->uuid);
}

/* Where the footer of an empty disk is: tables are whole sectors. */
static uint64_t
front_bytes(const VhdNew *new)
{
    uint64_t table = new->hdr.n_entries *UINT64_C(4);

    if (new->footer.type == VHD_FIXED)
        return new->footer.current_size;
    return TABLE_AT + (table + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
}

static bool
vhd_co_write_growing(VdNode *file, const VhdNew *new, const uint8_t *footer,
                     GError **error)
{
    /* The rest of the last sector is filled, too. */
    VdPagesLayout table = {.off = TABLE_AT,
                           .n = (front_bytes(new) - TABLE_AT) / 4,
                           .entry_bytes = 4,
                           .big_endian = true};
    uint8_t header[VHD_HEADER_BYTES];

    vhd_header_encode(&new->hdr, header);
    return vd_node_co_pwrite(file, 0, footer, VHD_FOOTER_BYTES, error) &&
           vd_node_co_pwrite(file, HEADER_AT, header, sizeof(header), error) &&
           vd_blocks_co_fill_table(file, &table, VHD_ABSENT, 0, error);
}

static bool
vhd_co_write(VdNode *file, const VhdNew *new, GError **error)
{
    uint8_t footer[VHD_FOOTER_BYTES];

    vhd_footer_encode(&new->footer, footer);
    return (new->footer.type == VHD_FIXED ||
            vhd_co_write_growing(file, new, footer, error)) &&
           vd_node_co_pwrite(file, front_bytes(new), footer, sizeof(footer),
                             error);
}

bool
vhd_co_create(VdTransaction *tx, const VdCreateSpec *spec, GError **error)
{
    VhdNew new = {0};
    VdNode *file;

    if (spec->backing_name)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "Backing file not supported for file format 'vpc'");
    if (!take_options(&new, spec->options, error) ||
        !lay_out(&new, spec->size, error))
        return false;
    sign(&new.footer);
    file = vd_tx_co_file(tx, spec->env, spec->filename,
                         front_bytes(&new) + VHD_FOOTER_BYTES, new.prealloc,
                         error);
    if (!file)
        return false;
    if (vhd_co_write(file, &new, error))
        return vd_node_co_close(file, error);
    (void) vd_node_co_close(file, NULL);
    return false;
}

bool
vhd_co_measure(const VdMeasureSpec *spec, VdMeasureResult *result,
               GError **error)
{
    VhdNew new = {0};
    uint64_t n = 0, fixed;

    if (!take_options(&new, spec->options, error) ||
        !lay_out(&new, spec->size, error) ||
        !vd_blocks_co_count(spec, BLOCK_BYTES, &n, error))
        return false;
    fixed = front_bytes(&new) + VHD_FOOTER_BYTES;
    result->required = result->fully_allocated = fixed;
    if (new.footer.type == VHD_FIXED)
        return true;
    result->required += n * PLACE_BYTES;
    result->fully_allocated += (uint64_t) new.hdr.n_entries *PLACE_BYTES;
    return true;
}
