/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/own.h - which bytes of the volume are the file system's
 * own. */
#pragma once

#include "block/proto/vmfs/fs.h"

/* Of VmfsOwnRange.  LIMIT if they are in too many pieces. */
GArray *vmfs_own_co_collect(VmfsFs *fs, GError **error);

/* Is one of them in [off, off + len)? */
bool vmfs_own_touches(const GArray *own, uint64_t off, uint64_t len);
