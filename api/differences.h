/* SPDX-License-Identifier: BSD-3-Clause */
/* api/differences.h - ranges that differ, joined and told in ascending order.
 *
 * Those who find ranges take turns in the order of the disk; what they have is
 * told outside of coroutines before the next one has its turn, so that there
 * are never more ranges in memory than one piece of a disk may hold.
 *
 * Concurrency: one loop.
 */
#pragma once

#include "api/context.h"

/* What ranges are measured in. */
#define VD_DIFFERENCE_GRANULE 512

typedef struct VdDifferences {
    VioLoop *loop;
    VdDifferenceFunc func;
    void *opaque;
    GArray *found; /* of VdDifference; the last may still grow */
    size_t n_due;  /* of them, to be told now */
    VioCoQueue told;
} VdDifferences;

void vd_differences_init(VdDifferences *list, VioLoop *loop,
                         VdDifferenceFunc func, void *opaque);
void vd_differences_clear(VdDifferences *list);

/* Ranges of their own, for those whose turn has not come. */
GArray *vd_differences_found_new(void);
/* Append @range, which does not begin in front of the last one of @found; joins
 * them if they touch and are of one kind. */
void vd_differences_append(GArray *found, const VdDifference *range);

/* Where the @len bytes at @a and @b differ first; @len = nowhere.  @b NULL =
 * zeroes. */
size_t vd_differences_first(const uint8_t *a, const uint8_t *b, size_t len);
/* All granules in which they differ.  @off: of the first byte; @size: of the
 * disk, where the last granule ends. */
void vd_differences_find(GArray *found, const uint8_t *a, const uint8_t *b,
                         size_t len, uint64_t off, uint64_t size);

/* Whose turn it is takes @found in, and tells what is complete. */
void vd_differences_co_add(VdDifferences *list, const GArray *found);
/* Tell the rest. */
void vd_differences_co_finish(VdDifferences *list);
