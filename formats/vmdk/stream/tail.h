/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/tail.h - the end of a stream's file, whoever wrote it. */
#pragma once

#include "block/rw.h"
#include "formats/vmdk/stream/record.h"

/* A marker at @sector, without what follows it. */
bool vmdk_tail_co_write_marker(VdNode *file, uint64_t sector, VmdkMarker type,
                               uint64_t value, GError **error);
/* No byte from @sector on: importers hash what they read.  A device cannot be
 * cut. */
bool vmdk_tail_co_cut(VdNode *file, uint64_t sector, GError **error);
