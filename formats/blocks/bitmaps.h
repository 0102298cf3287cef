/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/blocks/bitmaps.h - the bitmaps of sectors of all blocks of an image,
 * those in memory that were needed lately.
 *
 * All images of a loop share the bound on memory (table-cache.h).  Where they
 * are in the file, and which bit is the first, is the format's affair.
 *
 * Concurrency: one loop; nothing yields.
 */
#pragma once

#include "block/rw.h"
#include "formats/common/table-cache.h"

typedef struct VdBitmaps {
    VdTableCache *cache;
    VdTable **slot; /* by block; NULL = not in memory */
    uint64_t n;
    uint32_t bytes; /* of one */
} VdBitmaps;

/* For @n blocks of @file's image.  NO_MEMORY for the directory, 8 bytes a
 * block; vd_bitmaps_close() is right then, too. */
bool vd_bitmaps_open(VdBitmaps *b, VdNode *file, uint64_t n, uint32_t bytes,
                     GError **error);
void vd_bitmaps_close(VdBitmaps *b);

/* A longer directory, g_free()d or put in the place of the other. */
VdTable **vd_bitmaps_directory(VdNode *file, uint64_t n, GError **error);
void vd_bitmaps_grow(VdBitmaps *b, VdTable **longer, uint64_t n);

/* That of block @index, until the next yield; NULL: not in memory. */
const uint8_t *vd_bitmaps_peek(VdBitmaps *b, uint64_t index);
/* It has these @bytes from now on. */
void vd_bitmaps_put(VdBitmaps *b, uint64_t index, const uint8_t *bytes);
/* As the one above, but if somebody was quicker that counts.  Returns what
 * counts, until the next yield. */
const uint8_t *vd_bitmaps_offer(VdBitmaps *b, uint64_t index,
                                const uint8_t *bytes);

/* Cuts @len bytes at @within a block to those that are as their first sector,
 * which is @here or not.  Sectors have 2^@shift bytes. */
void vd_bitmap_split(const uint8_t *bits, uint64_t within, unsigned shift,
                     bool msb_first, uint64_t *len, bool *here);
