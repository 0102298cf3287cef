/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/bitmap.h - dirty bitmaps that are kept in the image.
 *
 * They count as long as autoclear bit 0 says that every writer since has known
 * of them.
 */
#pragma once

#include "formats/qcow2/qcow2.h"

#define QCOW2_BITMAP_IN_USE 1u /* somebody had it open and did not store it */
#define QCOW2_BITMAP_AUTO 2u   /* changes are to be noted */

typedef struct Qcow2Bitmap {
    uint64_t table_off;
    uint32_t n_table; /* entries */
    uint32_t flags;
    unsigned granularity_bits; /* bytes of the disk for a bit, as a power of
                                  two */
    char *name;
} Qcow2Bitmap;

/* The directory, of Qcow2Bitmap; CORRUPT, LIMIT.  Whether they count is not
 * asked. */
GArray *qcow2_bitmaps_co_read(Qcow2State *s, GError **error);
