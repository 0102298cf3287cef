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

VdTable **
vhd_bitmaps_new(const VhdState *s, uint64_t n, GError **error)
{
    VdTable **bitmap = g_try_new0(VdTable *, MAX(n, 1));

    if (!bitmap)
        return vd_throw_null(error, VD_ERROR_NO_MEMORY,
                             "%s: no memory for a directory of "
                             "%" G_GUINT64_FORMAT " bitmaps",
                             vd_node_name(s->file), n);
    return bitmap;
}

void
vhd_bitmaps_replace(VhdState *s, VdTable **longer)
{
    memcpy(longer, s->bitmap, s->blocks->n * sizeof(*longer));
    g_free(s->bitmap);
    s->bitmap = longer;
}

bool
vhd_bitmaps_open(VhdState *s, GError **error)
{
    s->bitmap = vhd_bitmaps_new(s, s->blocks->n, error);
    if (!s->bitmap)
        return false;
    s->cache = vd_table_cache_ref(vd_node_loop(s->node));
    return true;
}

void
vhd_bitmaps_close(VhdState *s)
{
    for (uint64_t i = 0; s->bitmap && i < s->blocks->n; i++)
        if (s->bitmap[i])
            vd_table_cache_drop(s->cache, s->bitmap[i]);
    g_clear_pointer(&s->bitmap, g_free);
    g_clear_pointer(&s->cache, vd_table_cache_unref);
}

/* -- in memory ------------------------------------------------------------- */

static void
install(VhdState *s, uint64_t index, const uint8_t *bytes)
{
    if (!s->bitmap[index])
        s->bitmap[index] = vd_table_cache_add(
            s->cache, &s->bitmap, (uint32_t) index, s->blocks->spec.front);
    memcpy(s->bitmap[index]->words, bytes, s->blocks->spec.front);
}

/* The bitmap of block @index, whose bytes begin at @off; until the next
 * yield. */
static const uint8_t *
bitmap_co_get(VhdState *s, uint64_t index, uint64_t off, GError **error)
{
    uint32_t len = s->blocks->spec.front;
    g_autofree uint8_t *bytes = NULL;

    if (!s->bitmap[index]) {
        bytes = g_malloc(len);
        if (!vd_node_co_pread(s->file, off - len, bytes, len, error))
            return vd_prefix_null(error, "reading a bitmap of sectors: ");
        if (!s->bitmap[index]) /* somebody may have been quicker */
            install(s, index, bytes);
    }
    s->bitmap[index]->referenced = true;
    return (const uint8_t *) s->bitmap[index]->words;
}

bool
vhd_bitmap_co_split(VhdState *s, uint64_t off, VdRun *run, bool *here,
                    GError **error)
{
    uint64_t within = off & (s->blocks->spec.block_bytes - 1);
    uint64_t first = within >> SECTOR_SHIFT;
    uint64_t end = (within + run->len + VHD_SECTOR - 1) >> SECTOR_SHIFT;
    const uint8_t *bitmap = bitmap_co_get(s, off >> s->blocks->shift,
                                          run->child_off - within, error);

    if (!bitmap)
        return false;
    *here = vd_bits_get(bitmap, first, true);
    end = vd_bits_run_end(bitmap, first, end, true);
    run->len = MIN(run->len, (end << SECTOR_SHIFT) - within);
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
    install(s, index, ones);
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
