/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/blocks/bitmaps.c - the bitmaps of sectors of all blocks of an image,
 * those in memory that were needed lately.
 *
 * Concurrency: one loop; nothing yields. */
#include "formats/blocks/bitmaps.h"

#include <string.h>

#include "formats/blocks/bits.h"

VdTable **
vd_bitmaps_directory(VdNode *file, uint64_t n, GError **error)
{
    VdTable **slot = g_try_new0(VdTable *, MAX(n, 1));

    if (!slot)
        return vd_throw_null(error, VD_ERROR_NO_MEMORY,
                             "%s: no memory for a directory of "
                             "%" G_GUINT64_FORMAT " bitmaps",
                             vd_node_name(file), n);
    return slot;
}

bool
vd_bitmaps_open(VdBitmaps *b, VdNode *file, uint64_t n, uint32_t bytes,
                GError **error)
{
    b->slot = vd_bitmaps_directory(file, n, error);
    if (!b->slot)
        return false;
    b->n = n;
    b->bytes = bytes;
    b->cache = vd_table_cache_ref(vd_node_loop(file));
    return true;
}

void
vd_bitmaps_close(VdBitmaps *b)
{
    for (uint64_t i = 0; b->slot && i < b->n; i++)
        if (b->slot[i])
            vd_table_cache_drop(b->cache, b->slot[i]);
    g_clear_pointer(&b->slot, g_free);
    g_clear_pointer(&b->cache, vd_table_cache_unref);
}

void
vd_bitmaps_grow(VdBitmaps *b, VdTable **longer, uint64_t n)
{
    memcpy(longer, b->slot, b->n * sizeof(*longer));
    g_free(b->slot);
    b->slot = longer;
    b->n = n;
}

const uint8_t *
vd_bitmaps_peek(VdBitmaps *b, uint64_t index)
{
    if (!b->slot[index])
        return NULL;
    b->slot[index]->referenced = true;
    return (const uint8_t *) b->slot[index]->words;
}

void
vd_bitmaps_put(VdBitmaps *b, uint64_t index, const uint8_t *bytes)
{
    if (!b->slot[index])
        b->slot[index] =
            vd_table_cache_add(b->cache, &b->slot, (uint32_t) index, b->bytes);
    memcpy(b->slot[index]->words, bytes, b->bytes);
}

const uint8_t *
vd_bitmaps_offer(VdBitmaps *b, uint64_t index, const uint8_t *bytes)
{
    if (!b->slot[index])
        vd_bitmaps_put(b, index, bytes);
    return vd_bitmaps_peek(b, index);
}

void
vd_bitmap_split(const uint8_t *bits, uint64_t within, unsigned shift,
                bool msb_first, uint64_t *len, bool *here)
{
    uint64_t sector = UINT64_C(1) << shift, first = within >> shift;
    uint64_t end = (within + *len + sector - 1) >> shift;

    *here = vd_bits_get(bits, first, msb_first);
    end = vd_bits_run_end(bits, first, end, msb_first);
    *len = MIN(*len, (end << shift) - within);
}
