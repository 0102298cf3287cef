/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/extents.h - what the sectors of a disk are. */
#pragma once

#include "vix/disk.h"

/* What @start is, and as many sectors behind it as are known to be the same; at
 * most @count (> 0), at least one.  The calling thread is inside, the range
 * lies in the disk.  False and *@err, which is logged and no warning: programs
 * ask whether this works at all. */
bool vix_extent_at(const char *function, VixDisk *disk,
                   VixDiskLibSectorType start, VixDiskLibSectorType count,
                   VixDiskLibExtExtent *extent, VixError *err);
