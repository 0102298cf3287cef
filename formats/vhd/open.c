/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhd/open.c - opening a VHD image, and what its table says.
 *
 * The footer at the end counts; a damaged one of a disk that grows is replaced
 * by the copy at the beginning, and where both are damaged the dynamic header
 * behind it is enough to read.
 *
 * Concurrency: one loop.
 */
#include "formats/vhd/vhd.h"

#include "block/open.h"

#include <inttypes.h>

/* Where data of new blocks begin: a multiple of this. */
#define DATA_ALIGN 4096u

/* -- the table ------------------------------------------------------------- */

static VdBlockKind
vhd_decode(const VdBlocks *blocks, uint64_t value, uint64_t *off)
{
    if (value == VHD_ABSENT)
        return VD_BLOCK_ABSENT;
    *off = value * VHD_SECTOR + blocks->spec.front;
    return VD_BLOCK_DATA;
}

static uint64_t
vhd_encode(const VdBlocks *blocks, uint64_t off)
{
    return (off - blocks->spec.front) / VHD_SECTOR;
}

/* Nothing of the disk is in the place of the footer until the table says so,
 * which is behind a barrier: there is a copy at the beginning meanwhile. */
static bool
vhd_co_note_end(VdBlocks *blocks, GError **error)
{
    const VhdState *s = blocks->spec.format;

    blocks->spec.tail = VHD_FOOTER_BYTES;
    return vd_node_co_pwrite(s->file, blocks->end, s->raw, sizeof(s->raw),
                             error);
}

/* A crash may have left footers that are missing or not alike. */
static bool
vhd_co_begin(VdBlocks *blocks, GError **error)
{
    return vhd_footers_co_mend(blocks->spec.format, error);
}

static const VdBlocksOps vhd_blocks_ops = {
    .decode = vhd_decode,
    .encode = vhd_encode,
    .co_begin = vhd_co_begin,
    .co_front = vhd_bitmap_co_front,
    .co_complete = vhd_bitmap_co_complete,
    .co_note_end = vhd_co_note_end,
};

/* -- footers --------------------------------------------------------------- */

static bool
vhd_co_read_end(VhdState *s, uint8_t *raw, GError **error)
{
    uint64_t size = vd_node_size(s->file);
    size_t len = size % VHD_SECTOR == VHD_OLD_FOOTER_BYTES
                     ? VHD_OLD_FOOTER_BYTES
                     : VHD_FOOTER_BYTES;

    memset(raw, 0, VHD_FOOTER_BYTES);
    if (size < len)
        return true;
    if (!vd_node_co_pread(s->file, size - len, raw, len, error))
        return false;
    if (vhd_footer_is_sound(raw, len))
        s->footer_bytes = len;
    return true;
}

/* Both are gone: the disk is as large as its table. */
static bool
vhd_co_make_footer(VhdState *s, GError **error)
{
    const char *name = vd_node_name(s->file);
    uint8_t raw[VHD_HEADER_BYTES] = {0};
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, raw, sizeof(raw));
    VhdHeader hdr;

    if (!vd_node_co_preadv_eof(s->file, VHD_FOOTER_BYTES, &dst, error))
        return false;
    if (!vhd_header_is_magic(raw, sizeof(raw)))
        return vd_throw(error, VD_ERROR_UNKNOWN_FORMAT,
                        "%s: no sound VHD footer (\"conectix\") at the end of "
                        "the file or at its beginning",
                        name);
    if (!vhd_header_decode(&hdr, raw, name, VHD_FOOTER_BYTES, error))
        return false;
    s->footer =
        (VhdFooter){.type = vd_uuid_is_null(hdr.parent_uuid) ? VHD_DYNAMIC
                                                             : VHD_DIFFERENCING,
                    .header_off = VHD_FOOTER_BYTES,
                    .current_size = (uint64_t) hdr.n_entries * hdr.block_bytes,
                    .geometry = {UINT16_MAX, 16, 255}};
    vhd_header_clear(&hdr);
    vd_node_warn(s->node,
                 "%s: both VHD footers are damaged; its header tells of "
                 "%" PRIu64 " bytes at most, which is taken for the size",
                 name, s->footer.current_size);
    if (vd_node_is_writable(s->node))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: both VHD footers are damaged; the disk can only "
                        "be read",
                        name);
    return true;
}

static bool
vhd_co_take_footer(VhdState *s, GError **error)
{
    uint8_t end[VHD_FOOTER_BYTES];
    struct iovec iov;
    VioVec head = vio_vec_from_buf(&iov, s->raw, sizeof(s->raw));
    bool copy;

    if (!vhd_co_read_end(s, end, error) ||
        !vd_node_co_preadv_eof(s->file, 0, &head, error))
        return false;
    copy = vhd_footer_is_sound(s->raw, sizeof(s->raw));
    s->footer_differs = copy != (s->footer_bytes != 0) ||
                        (copy && memcmp(end, s->raw, sizeof(end)) != 0);
    if (!s->footer_bytes && !copy)
        return vhd_co_make_footer(s, error);
    if (s->footer_bytes)
        memcpy(s->raw, end, sizeof(end));
    return vhd_footer_decode(&s->footer, s->raw, vd_node_name(s->file), error);
}

/* -- the size -------------------------------------------------------------- */

static const char *const size_rules[] = {"auto", "chs", "current_size", NULL};
enum { SIZE_AUTO, SIZE_CHS };

/* Virtual PC shows what cylinders, heads and sectors give, and QEMU long did;
 * all others show the size. */
bool
vhd_shows_geometry(const VhdFooter *footer)
{
    const VhdGeometry *g = &footer->geometry;

    if (g->cylinders == UINT16_MAX && g->heads == 16 && g->sectors == 255)
        return false;
    return !strcmp(footer->creator, "vpc ") || !strcmp(footer->creator, "qemu");
}

/* Where geometry cannot be exact it is less than a cylinder too small. */
static void
warn_of_geometry(const VhdState *s, uint64_t chs)
{
    const VhdGeometry *g = &s->footer.geometry;
    uint64_t cylinder = (uint64_t) g->heads * g->sectors * VHD_SECTOR;
    uint64_t size = s->footer.current_size;

    if (chs <= size && size - chs < MAX(cylinder, 1))
        return;
    vd_node_warn(s->node,
                 "%s: the VHD footer tells a size of %" PRIu64 " bytes and a "
                 "geometry of %" PRIu64 ", which counts, since the creator is "
                 "'%s'; the option force_size_calc=current_size takes the size",
                 vd_node_name(s->file), size, chs, s->footer.creator);
}

static bool
take_size(VhdState *s, VdOptions *opts, GError **error)
{
    const VhdFooter *footer = &s->footer;
    uint64_t chs = vhd_geometry_sectors(&footer->geometry) * VHD_SECTOR;
    uint64_t size = footer->current_size;
    unsigned rule = SIZE_AUTO;

    if (!vd_options_take_enum(opts, "force_size_calc", size_rules, &rule,
                              error))
        return false;
    if (rule == SIZE_AUTO && vhd_shows_geometry(footer))
        warn_of_geometry(s, chs);
    if (rule == SIZE_AUTO ? vhd_shows_geometry(footer) : rule == SIZE_CHS)
        size = chs;
    if (size % VHD_SECTOR || size > (uint64_t) VD_MAX_SIZE)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the VHD footer tells a size of %" PRIu64
                        " bytes, which is no number of sectors",
                        vd_node_name(s->file), size);
    vd_node_set_size(s->node, size);
    return true;
}

/* -- opening --------------------------------------------------------------- */

static bool
open_fixed(VhdState *s, GError **error)
{
    uint64_t have = vd_node_size(s->file) - s->footer_bytes;

    s->footer_differs = false;
    if (vd_node_size(s->node) <= have)
        return true;
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: a fixed disk of %" PRIu64 " bytes in a file that has "
                    "%" PRIu64 " in front of the footer",
                    vd_node_name(s->file), vd_node_size(s->node), have);
}

static bool
vhd_co_read_header(VhdState *s, GError **error)
{
    uint8_t raw[VHD_HEADER_BYTES] = {0};
    uint64_t off = s->footer.header_off, size = vd_node_size(s->file);

    if (off > size || size - off < sizeof(raw))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the dynamic header at byte %" PRIu64
                        " ends behind the file, which has %" PRIu64 " bytes",
                        vd_node_name(s->file), off, size);
    return vd_node_co_pread(s->file, off, raw, sizeof(raw), error) &&
           vhd_header_decode(&s->hdr, raw, vd_node_name(s->file), off, error);
}

VdBlocks *
vhd_blocks_new(VhdState *s, const VhdHeader *hdr, uint64_t size, GError **error)
{
    uint32_t front = vhd_bitmap_bytes(hdr->block_bytes);
    uint64_t end = hdr->table_off + hdr->n_entries * UINT64_C(4);
    VdBlocksSpec spec = {
        .ops = &vhd_blocks_ops,
        .format = s,
        .table = {.off = hdr->table_off,
                  .n = hdr->n_entries,
                  .entry_bytes = 4,
                  .big_endian = true},
        .size = size,
        .block_bytes = hdr->block_bytes,
        .first = (end + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR,
        .absent = VHD_ABSENT,
        .front = front,
        .tail = (uint32_t) s->footer_bytes,
        .unit = DATA_ALIGN,
        .phase = (DATA_ALIGN - front % DATA_ALIGN) % DATA_ALIGN,
    };

    if (hdr->table_off > INT64_MAX - 4 * UINT64_C(0xffffffff) ||
        spec.size > (uint64_t) hdr->n_entries * hdr->block_bytes)
        return vd_throw_null(error, VD_ERROR_CORRUPT,
                             "%s: a disk of %" PRIu64 " bytes does not fit "
                             "into a table of %u blocks of %u bytes at byte "
                             "%" PRIu64,
                             vd_node_name(s->file), spec.size, hdr->n_entries,
                             hdr->block_bytes, hdr->table_off);
    return vd_blocks_new(s->node, s->file, &spec, error);
}

static bool
open_blocks(VhdState *s, GError **error)
{
    s->blocks = vhd_blocks_new(s, &s->hdr, vd_node_size(s->node), error);
    return s->blocks && vd_bitmaps_open(&s->bitmaps, s->file, s->blocks->n,
                                        s->blocks->spec.front, error);
}

static bool
refuse_differencing_write(const VhdState *s, GError **error)
{
    return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: differencing VHD images are read only",
                    vd_node_name(s->file));
}

static bool
vhd_co_open_growing(VhdState *s, VdOptions *opts, GError **error)
{
    if (!vhd_co_read_header(s, error))
        return false;
    if (s->footer.type == VHD_DIFFERENCING && vd_node_is_writable(s->node))
        return refuse_differencing_write(s, error);
    return open_blocks(s, error) && vhd_parent_co_open(s, opts, error);
}

bool
vhd_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    VhdState *s = vd_node_state(node);

    s->node = node;
    s->file = vd_node_co_open_child(node, "file", NULL, opts,
                                    vd_node_flags(node), error);
    if (!s->file || !vhd_co_take_footer(s, error))
        return false;
    vd_node_set_name(node, vd_node_name(s->file));
    if (!take_size(s, opts, error) ||
        !(s->footer.type == VHD_FIXED ? open_fixed(s, error)
                                      : vhd_co_open_growing(s, opts, error))) {
        vhd_co_close(node);
        return false;
    }
    vd_node_limits(node)->opt_transfer = vd_node_limits(s->file)->opt_transfer;
    vd_node_set_write_flags(node, s->blocks ? 0 : VD_REQ_FUA,
                            VD_REQ_MAY_UNMAP | VD_REQ_NO_FALLBACK);
    return true;
}

void
vhd_co_close(VdNode *node)
{
    VhdState *s = vd_node_state(node);

    if (s->blocks)
        vd_bitmaps_close(&s->bitmaps);
    g_clear_pointer(&s->blocks, vd_blocks_free);
    g_clear_pointer(&s->parent_path, g_free);
    vhd_header_clear(&s->hdr);
}
