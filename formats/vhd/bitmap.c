/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhd/bitmap.c - which sectors of a block count.
 *
 * In front of each block stands a bitmap, the first sector its highest bit.  A
 * sector whose bit is 0 is the parent's, or zero, whatever the block holds
 * there.  We write blocks that count as a whole; one that does not is completed
 * with zeroes before the first change (only disks without parent are written).
 *
 * Concurrency: one loop; completing is done under bitmap_lock.
 */
#include "formats/blocks/bits.h"
#include "formats/vhd/vhd.h"

#define SECTOR_SHIFT 9

uint32_t
vhd_bitmap_bytes(uint32_t block_bytes)
{
    uint32_t bytes = (block_bytes / VHD_SECTOR + 7) / 8;

    return (bytes + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
}

/* The bitmap of block @index, whose bytes begin at @off; until the next
 * yield. */
static const uint8_t *
bitmap_co_get(VhdState *s, uint64_t index, uint64_t off, GError **error)
{
    const uint8_t *bitmap = vd_bitmaps_peek(&s->bitmaps, index);
    uint32_t len = s->blocks->spec.front;
    g_autofree uint8_t *bytes = NULL;

    if (bitmap)
        return bitmap;
    bytes = g_malloc(len);
    if (!vd_node_co_pread(s->file, off - len, bytes, len, error))
        return vd_prefix_null(error, "reading a bitmap of sectors: ");
    return vd_bitmaps_offer(&s->bitmaps, index, bytes);
}

bool
vhd_bitmap_co_split(VhdState *s, uint64_t off, VdRun *run, bool *here,
                    GError **error)
{
    uint64_t within = off & (s->blocks->spec.block_bytes - 1);
    const uint8_t *bitmap = bitmap_co_get(s, off >> s->blocks->shift,
                                          run->child_off - within, error);

    if (!bitmap)
        return false;
    vd_bitmap_split(bitmap, within, SECTOR_SHIFT, true, &run->len, here);
    return true;
}

/* -- making whole ---------------------------------------------------------- */

static bool
bitmap_co_fill(VhdState *s, uint64_t index, uint64_t off, GError **error)
{
    uint32_t len = s->blocks->spec.front;
    g_autofree uint8_t *ones = g_malloc(len);

    memset(ones, 0xff, len);
    if (!vd_node_co_pwrite(s->file, off - len, ones, len, error))
        return false;
    vd_bitmaps_put(&s->bitmaps, index, ones);
    return true;
}

bool
vhd_bitmap_co_front(VdBlocks *blocks, uint64_t index, uint64_t off,
                    GError **error)
{
    return bitmap_co_fill(blocks->spec.format, index, off, error);
}

/* Zeroes where sectors do not count. */
static bool
bitmap_co_blank(VhdState *s, uint64_t index, uint64_t off, GError **error)
{
    uint64_t n = s->blocks->spec.block_bytes >> SECTOR_SHIFT;

    for (uint64_t i = 0, end; i < n; i = end) {
        const uint8_t *bitmap = bitmap_co_get(s, index, off, error);
        bool here;

        if (!bitmap)
            return false;
        here = vd_bits_get(bitmap, i, true);
        end = vd_bits_run_end(bitmap, i, n, true);
        if (!here &&
            !vd_node_co_write_zeroes(s->file, off + (i << SECTOR_SHIFT),
                                     (end - i) << SECTOR_SHIFT, 0, error))
            return false;
    }
    return true;
}

static bool
is_whole(const VhdState *s, const uint8_t *bitmap)
{
    uint64_t n = s->blocks->spec.block_bytes >> SECTOR_SHIFT;

    return vd_bits_get(bitmap, 0, true) &&
           vd_bits_run_end(bitmap, 0, n, true) == n;
}

bool
vhd_bitmap_co_complete(VdBlocks *blocks, uint64_t index, uint64_t off,
                       GError **error)
{
    VhdState *s = blocks->spec.format;
    const uint8_t *bitmap = bitmap_co_get(s, index, off, error);
    bool ok;

    if (!bitmap)
        return false;
    if (G_LIKELY(is_whole(s, bitmap)))
        return true;
    vio_co_mutex_lock(&s->bitmap_lock);
    bitmap = bitmap_co_get(s, index, off, error);
    ok = bitmap &&
         (is_whole(s, bitmap) || (bitmap_co_blank(s, index, off, error) &&
                                  vd_node_co_flush(s->file, error) &&
                                  bitmap_co_fill(s, index, off, error)));
    vio_co_mutex_unlock(&s->bitmap_lock);
    return ok;
}
