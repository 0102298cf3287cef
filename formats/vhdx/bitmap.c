/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/bitmap.c - which sectors of a partly present block count.
 *
 * A MiB of bitmap is for 2^23 sectors, a chunk: its entry in the table follows
 * those of the chunk's blocks.  The first sector is the lowest bit.  Only
 * differencing disks have such blocks, and these are only read.
 *
 * Concurrency: one loop; yields to load.
 */
#include "formats/blocks/bits.h"
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
    s->bitmap = g_try_new0(VdTable *, MAX(s->blocks->n, 1));
    if (!s->bitmap)
        return vd_throw(error, VD_ERROR_NO_MEMORY,
                        "%s: no memory for a directory of %" G_GUINT64_FORMAT
                        " bitmaps",
                        vd_node_name(s->file), s->blocks->n);
    s->cache = vd_table_cache_ref(vd_node_loop(s->node));
    return true;
}

void
vhdx_bitmaps_close(VhdxState *s)
{
    for (uint64_t i = 0; s->bitmap && i < s->blocks->n; i++)
        if (s->bitmap[i])
            vd_table_cache_drop(s->cache, s->bitmap[i]);
    g_clear_pointer(&s->bitmap, g_free);
    g_clear_pointer(&s->cache, vd_table_cache_unref);
}

/* -- in memory ------------------------------------------------------------- */

static void
install(VhdxState *s, uint64_t index, const uint8_t *bytes)
{
    uint32_t len = bitmap_bytes(s);

    s->bitmap[index] =
        vd_table_cache_add(s->cache, &s->bitmap, (uint32_t) index, len);
    memcpy(s->bitmap[index]->words, bytes, len);
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
    uint32_t len = bitmap_bytes(s);
    g_autofree uint8_t *bytes = NULL;
    uint64_t off;

    if (!s->bitmap[index]) {
        bytes = g_malloc(len);
        if (!bitmap_co_find(s, index, &off, error) ||
            !vhdx_co_read(s, off, bytes, len, error))
            return vd_prefix_null(error, "reading a bitmap of sectors: ");
        if (!s->bitmap[index]) /* somebody may have been quicker */
            install(s, index, bytes);
    }
    s->bitmap[index]->referenced = true;
    return (const uint8_t *) s->bitmap[index]->words;
}

bool
vhdx_bitmap_co_split(VhdxState *s, uint64_t off, VdRun *run, bool *here,
                     GError **error)
{
    uint64_t within = off & (s->blocks->spec.block_bytes - 1);
    uint32_t sector = s->meta.logical;
    uint64_t first = within / sector;
    uint64_t end = (within + run->len + sector - 1) / sector;
    const uint8_t *bits = bitmap_co_get(s, off >> s->blocks->shift, error);

    if (!bits)
        return false;
    *here = vd_bits_get(bits, first, false);
    end = vd_bits_run_end(bits, first, end, false);
    run->len = MIN(run->len, end * sector - within);
    return true;
}
