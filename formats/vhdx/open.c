/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/open.c - opening a VHDX image, and what its table says.
 *
 *   file id - headers - log - region table - metadata
 *
 * A log with changes in it is replayed first: into the file by who opens the
 * image for writing, in memory by who only reads.
 *
 * Concurrency: one loop.
 */
#include "formats/vhdx/vhdx.h"

#include "block/open.h"
#include "formats/common/utf16.h"

#include <inttypes.h>

#define CREATOR_BYTES 512
#define ENTRY_BYTES 8
#define ENTRIES_OF_PAGE (VD_PAGE_BYTES / ENTRY_BYTES)

/* -- the table ------------------------------------------------------------- */

uint32_t
vhdx_chunk_ratio(const VhdxMetadata *meta)
{
    return (uint32_t) (((uint64_t) meta->logical << 23) / meta->block_bytes);
}

uint64_t
vhdx_table_entries(const VhdxMetadata *meta)
{
    uint64_t n = (meta->size + meta->block_bytes - 1) / meta->block_bytes;
    uint64_t ratio = vhdx_chunk_ratio(meta);

    if (meta->has_parent)
        return (n + ratio - 1) / ratio * (ratio + 1);
    return n ? n + (n - 1) / ratio : 0;
}

static VdBlockKind
vhdx_decode(const VdBlocks *blocks, uint64_t value, uint64_t *off)
{
    const VhdxState *s = blocks->spec.format;

    *off = value & VHDX_PLACE_MASK;
    switch (value & VHDX_STATE_MASK) {
    case VHDX_NOT_PRESENT:
        return VD_BLOCK_ABSENT;
    case VHDX_UNDEFINED:
    case VHDX_ZERO:
    case VHDX_UNMAPPED:
    case VHDX_UNMAPPED_DRAFT:
        return VD_BLOCK_ZERO;
    case VHDX_PARTLY_PRESENT:
        if (!s->meta.has_parent)
            return VD_BLOCK_BAD;
        /* fall through */
    case VHDX_PRESENT:
        if (vhdx_regions_touch(&s->regions, *off, s->meta.block_bytes))
            return VD_BLOCK_BAD;
        return (value & VHDX_STATE_MASK) == VHDX_PRESENT ? VD_BLOCK_DATA
                                                         : VD_BLOCK_PARTLY;
    default:
        return VD_BLOCK_BAD;
    }
}

static uint64_t
vhdx_encode(const VdBlocks *blocks, uint64_t off)
{
    return off | VHDX_PRESENT;
}

static const VdBlocksOps vhdx_blocks_ops = {
    .decode = vhdx_decode,
    .encode = vhdx_encode,
    .co_begin = vhdx_co_begin,
    .co_note_end = vhdx_co_note_end,
    .co_before_cut = vhdx_co_empty_log,
    .co_put = vhdx_co_put,
};

/* -- the file -------------------------------------------------------------- */

static bool
file_co_read(VdNode *file, uint64_t off, void *buf, size_t len, GError **error)
{
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, buf, len);

    return vd_node_co_preadv_eof(file, off, &dst, error);
}

bool
vhdx_co_read(void *arg, uint64_t off, void *buf, size_t len, GError **error)
{
    const VhdxState *s = arg;
    uint8_t *p = buf;
    VhdxPatch patch;

    for (uint64_t n; len; off += n, p += n, len -= n) {
        n = len;
        if (!s->replay.patches ||
            !vhdx_patches_find(s->replay.patches, off, len, &n, &patch)) {
            if (!file_co_read(s->file, off, p, n, error))
                return false;
        } else if (patch.bytes) {
            memcpy(p, patch.bytes, n);
        } else {
            memset(p, 0, n);
        }
    }
    return true;
}

static bool
vhdx_co_take_id(VhdxState *s, GError **error)
{
    g_autofree uint8_t *raw = g_malloc0(VHDX_MAGIC_BYTES + CREATOR_BYTES);

    if (!file_co_read(s->file, 0, raw, VHDX_MAGIC_BYTES + CREATOR_BYTES, error))
        return false;
    if (memcmp(raw, VHDX_MAGIC, VHDX_MAGIC_BYTES) != 0)
        return vd_throw(error, VD_ERROR_UNKNOWN_FORMAT,
                        "%s: no VHDX signature (\"%s\") at byte 0",
                        vd_node_name(s->file), VHDX_MAGIC);
    s->creator = vd_utf16_text(raw + VHDX_MAGIC_BYTES, CREATOR_BYTES, false);
    return true;
}

/* -- the log --------------------------------------------------------------- */

static bool
vhdx_co_replay(VhdxState *s, GError **error)
{
    if (!vhdx_log_co_collect(&s->headers, s->file, &s->replay, error))
        return false;
    if (!vd_node_is_writable(s->node))
        return true;
    if (s->replay.patches) {
        if (!vhdx_log_co_apply(&s->headers, s->file, &s->replay, error))
            return false;
        g_clear_pointer(&s->replay.patches, vhdx_patches_free);
        s->replayed = true;
    }
    return vhdx_log_check_place(&s->headers.now, s->file, error);
}

/* -- regions --------------------------------------------------------------- */

static bool
vhdx_co_take_regions(VhdxState *s, GError **error)
{
    g_autofree uint8_t *raw = g_malloc(VHDX_REGION_TABLE_BYTES);
    const VhdxHeader *hdr = &s->headers.now;
    VhdxRange log = {hdr->log_off, hdr->log_bytes};
    const char *why[2], *name = vd_node_name(s->file);

    for (unsigned i = 2; i-- > 0;) { /* the first one stays */
        g_autofree uint8_t *copy = g_malloc(VHDX_REGION_TABLE_BYTES);

        if (!vhdx_co_read(s, VHDX_REGION_TABLE_AT(i), copy,
                          VHDX_REGION_TABLE_BYTES, error))
            return false;
        why[i] = vhdx_region_table_problem(copy);
        s->regions.sound[i] = !why[i];
        if (!why[i])
            memcpy(raw, copy, VHDX_REGION_TABLE_BYTES);
    }
    if (why[0] && why[1])
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the region table at byte %" PRIu64 " %s, the one "
                        "at byte %" PRIu64 " %s",
                        name, VHDX_REGION_TABLE_AT(0), why[0],
                        VHDX_REGION_TABLE_AT(1), why[1]);
    if (!vhdx_log_check_place(hdr, s->file, NULL))
        log.len = 0; /* and empty, or it would have been refused */
    return vhdx_region_table_decode(
        &s->regions, raw, &log, name,
        VHDX_REGION_TABLE_AT(s->regions.sound[0] ? 0 : 1), error);
}

/* -- metadata -------------------------------------------------------------- */

static bool
vhdx_co_take_item(VhdxState *s, VhdxItem item, const VhdxItemPlace *place,
                  GError **error)
{
    g_autofree uint8_t *raw = g_malloc(place->len);

    return vhdx_co_read(s, s->regions.metadata.off + place->off, raw,
                        place->len, error) &&
           vhdx_item_decode(&s->meta, item, raw, place->len,
                            vd_node_name(s->file), error);
}

static bool
vhdx_co_take_metadata(VhdxState *s, GError **error)
{
    g_autofree uint8_t *raw = g_malloc(VHDX_METADATA_TABLE_BYTES);
    const char *name = vd_node_name(s->file);
    VhdxItemPlace places[VHDX_N_ITEMS];

    if (!vhdx_co_read(s, s->regions.metadata.off, raw,
                      VHDX_METADATA_TABLE_BYTES, error) ||
        !vhdx_items_decode(places, raw, s->regions.metadata.len, name, error))
        return false;
    for (unsigned i = 0; i < VHDX_N_ITEMS; i++)
        if (places[i].len &&
            !vhdx_co_take_item(s, (VhdxItem) i, &places[i], error))
            return false;
    s->size_off = s->regions.metadata.off + places[VHDX_ITEM_SIZE].off;
    if (s->meta.has_parent && !places[VHDX_ITEM_LOCATOR].len)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: a differencing disk without a parent locator",
                        name);
    return vhdx_metadata_check(&s->meta, name, error);
}

/* -- blocks ---------------------------------------------------------------- */

/* Pages are whole, so that they fit the sectors of the log; regions are. */
VdBlocks *
vhdx_blocks_new(VhdxState *s, const VhdxMetadata *meta, const VhdxRange *table,
                GError **error)
{
    uint64_t n = vhdx_table_entries(meta);
    VdBlocksSpec spec = {
        .ops = &vhdx_blocks_ops,
        .format = s,
        .table = {.off = table->off,
                  .n = (n + ENTRIES_OF_PAGE - 1) / ENTRIES_OF_PAGE *
                       ENTRIES_OF_PAGE,
                  .entry_bytes = ENTRY_BYTES,
                  .least_bytes = s->replay.file_bytes},
        .size = meta->size,
        .block_bytes = meta->block_bytes,
        .first = VHDX_MIB,
        .unit = VHDX_MIB,
        .spare_front = true, /* QEMU leaves 4 MiB */
        .absent = VHDX_NOT_PRESENT,
        .others = meta->has_parent ? NULL : s->regions.taken,
        .interleave = vhdx_chunk_ratio(meta),
    };

    if (n * ENTRY_BYTES > table->len)
        return vd_throw_null(
            error, VD_ERROR_CORRUPT,
            "%s: a disk of %" PRIu64 " bytes in blocks of %u needs "
            "a table of %" PRIu64 " entries, but its region has "
            "%" PRIu64 " bytes",
            vd_node_name(s->file), meta->size, meta->block_bytes, n,
            table->len);
    if (s->replay.patches) {
        spec.table.co_read = vhdx_co_read;
        spec.table.arg = s;
    }
    return vd_blocks_new(s->node, s->file, &spec, error);
}

static bool
open_blocks(VhdxState *s, GError **error)
{
    s->blocks = vhdx_blocks_new(s, &s->meta, &s->regions.table, error);
    return s->blocks && (!s->meta.has_parent || vhdx_bitmaps_open(s, error));
}

static bool
vhdx_co_take_all(VhdxState *s, VdOptions *opts, GError **error)
{
    if (!vhdx_co_take_id(s, error) ||
        !vhdx_headers_co_load(&s->headers, s->file, error) ||
        !vhdx_co_replay(s, error) || !vhdx_co_take_regions(s, error) ||
        !vhdx_co_take_metadata(s, error))
        return false;
    if (s->meta.has_parent && vd_node_is_writable(s->node))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: differencing VHDX images are read only",
                        vd_node_name(s->file));
    vd_node_set_size(s->node, s->meta.size);
    return open_blocks(s, error) && vhdx_parent_co_open(s, opts, error);
}

bool
vhdx_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    VhdxState *s = vd_node_state(node);

    s->node = node;
    s->file = vd_node_co_open_child(node, "file", NULL, opts,
                                    vd_node_flags(node), error);
    if (!s->file)
        return false;
    vd_node_set_name(node, vd_node_name(s->file));
    if (!vhdx_co_take_all(s, opts, error)) {
        vhdx_co_close(node);
        return false;
    }
    vd_node_limits(node)->opt_transfer = vd_node_limits(s->file)->opt_transfer;
    vd_node_set_write_flags(node, 0, VD_REQ_MAY_UNMAP | VD_REQ_NO_FALLBACK);
    return true;
}

void
vhdx_co_close(VdNode *node)
{
    VhdxState *s = vd_node_state(node);

    if (s->blocks)
        vd_bitmaps_close(&s->bitmaps);
    g_clear_pointer(&s->blocks, vd_blocks_free);
    g_clear_pointer(&s->replay.patches, vhdx_patches_free);
    g_clear_pointer(&s->parent_path, g_free);
    g_clear_pointer(&s->creator, g_free);
    vhdx_regions_clear(&s->regions);
    vhdx_metadata_clear(&s->meta);
}
