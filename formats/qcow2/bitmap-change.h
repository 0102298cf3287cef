/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/bitmap-change.h - a change of the bitmaps under way. */
#pragma once

#include "formats/qcow2/bitmap.h"

typedef struct Qcow2BitmapChange {
    Qcow2State *s;
    bool begun;    /* the image may be written to */
    GArray *list;  /* of Qcow2Bitmap, as it is to be */
    GArray *fresh; /* of Qcow2Range: came in new places */
    GArray *stale; /* of Qcow2Range: is not wanted any more */
} Qcow2BitmapChange;

/* Something new in a place that nobody names. */
bool qcow2_bitmap_change_co_place(Qcow2BitmapChange *change, const void *data,
                                  uint64_t len, uint64_t *off, GError **error);
/* [off, off + len) goes once the change is done. */
void qcow2_bitmap_change_let_go(Qcow2BitmapChange *change, uint64_t off,
                                uint64_t len);
/* @table, in host order, is @bitmap's from now on. */
bool qcow2_bitmap_change_co_set_table(Qcow2BitmapChange *change,
                                      Qcow2Bitmap *bitmap,
                                      const uint64_t *table, GError **error);
/* Its bits are known, and may be changed. */
bool qcow2_bitmap_change_check(const Qcow2BitmapChange *change,
                               const Qcow2Bitmap *bitmap, GError **error);

/* Also dirty is in @bitmap what is in bitmap @name of @source, which has as
 * many bytes (bitmap-merge.c). */
bool qcow2_bitmap_change_co_merge(Qcow2BitmapChange *change,
                                  Qcow2Bitmap *bitmap, VdNode *source,
                                  const char *name, GError **error);
