/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/blocks/new.h - what new images of large blocks have in common. */
#pragma once

#include "formats/blocks/pages.h"

/* A table whose entry i is @first + i * @step; @file is new and is written
 * behind its end if need be.  Zeroes are not written. */
bool vd_blocks_co_fill_table(VdNode *file, const VdPagesLayout *table,
                             uint64_t first, uint64_t step, GError **error);

/* What a table of blocks holds: block i has @first + i * @step. */
typedef struct VdBlocksFill {
    uint64_t first, step;
    uint32_t interleave; /* after so many blocks comes an entry of 0; 0 = never
                          */
} VdBlocksFill;

/* The same for these. */
bool vd_blocks_co_fill_interleaved(VdNode *file, const VdPagesLayout *table,
                                   const VdBlocksFill *fill, GError **error);

/* How many of the blocks of @block_bytes have data in the source of @spec. */
bool vd_blocks_co_count(const VdMeasureSpec *spec, uint64_t block_bytes,
                        uint64_t *n, GError **error);
