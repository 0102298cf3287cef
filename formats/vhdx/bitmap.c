/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/bitmap.c - which sectors of a partly present block count.
 *
 * A MiB of bitmap is for 2^23 sectors, a chunk: its entry in the table follows
 * those of the chunk's blocks.  The first sector is the lowest bit.  Only
 * differencing disks have such blocks, and these are only read.
 *
 * Concurrency: one loop; yields to load.
 */
#include "formats/vhdx/vhdx.h"

/* Of one block: 32 bytes to 64 KiB. */
static uint32_t
bitmap_bytes(const VhdxState *s)
{
    return s->meta.block_bytes / s->meta.logical / 8;
}

bool
vhdx_bitmaps_open(VhdxState *s, GError **error)
{
    return vd_bitmaps_open(&s->bitmaps, s->file, s->blocks->n, bitmap_bytes(s),
                           error);
}

/* Where the bitmap of block @index is in the file. */
static bool
bitmap_co_find(VhdxState *s, uint64_t index, uint64_t *off, GError **error)
{
    uint64_t ratio = s->blocks->spec.interleave, chunk = index / ratio;
    uint64_t entry = chunk * (ratio + 1) + ratio, value = 0;
    const VdPagesLayout *table = &s->blocks->spec.table;

    if (!vd_pages_co_get(s->blocks->pages, entry, &value, error))
        return false;
    *off = value & VHDX_PLACE_MASK;
    if ((value & VHDX_STATE_MASK) == VHDX_PRESENT && *off >= VHDX_MIB &&
        *off < vd_pages_file_bytes(table, s->file) &&
        !vhdx_regions_touch(&s->regions, *off, VHDX_MIB)) {
        *off += index % ratio * bitmap_bytes(s);
        return true;
    }
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: block %" G_GUINT64_FORMAT
                    " is partly present, but the entry of its bitmap at byte "
                    "%" G_GUINT64_FORMAT " is 0x%" G_GINT64_MODIFIER
                    "x, which names no place in the file",
                    vd_node_name(s->file), index,
                    table->off + entry * table->entry_bytes, value);
}

/* The bitmap of block @index; until the next yield. */
static const uint8_t *
bitmap_co_get(VhdxState *s, uint64_t index, GError **error)
{
    const uint8_t *bitmap = vd_bitmaps_peek(&s->bitmaps, index);
    uint32_t len = bitmap_bytes(s);
    g_autofree uint8_t *bytes = NULL;
    uint64_t off;

    if (bitmap)
        return bitmap;
    bytes = g_malloc(len);
    if (!bitmap_co_find(s, index, &off, error) ||
        !vhdx_co_read(s, off, bytes, len, error))
        return vd_prefix_null(error, "reading a bitmap of sectors: ");
    return vd_bitmaps_offer(&s->bitmaps, index, bytes);
}

bool
vhdx_bitmap_co_split(VhdxState *s, uint64_t off, VdRun *run, bool *here,
                     GError **error)
{
    uint64_t within = off & (s->blocks->spec.block_bytes - 1);
    unsigned shift = (unsigned) __builtin_ctz(s->meta.logical);
    const uint8_t *bits = bitmap_co_get(s, off >> s->blocks->shift, error);

    if (!bits)
        return false;
    vd_bitmap_split(bits, within, shift, false, &run->len, here);
    return true;
}
