/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/bitmap.h - which blocks of the volume are in use. */
#pragma once

#include "block/proto/vmfs/fs.h"

typedef struct VmfsBitmap VmfsBitmap;

/* *@bitmap: NULL if the volume is one whose bitmap is not understood. */
bool vmfs_bitmap_co_open(VmfsFs *fs, VmfsBitmap **bitmap, GError **error);
void vmfs_bitmap_free(VmfsBitmap *bitmap);

/* CORRUPT if a block with bytes of [off, off + len) of the volume is free. */
bool vmfs_bitmap_co_check(VmfsFs *fs, VmfsBitmap *bitmap, uint64_t off,
                          uint64_t len, GError **error);
/* What has been read may not hold any more. */
void vmfs_bitmap_forget(VmfsBitmap *bitmap);
