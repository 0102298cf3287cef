/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/compact.h - a disk that is being compacted: what the extents are
 * told and tell. */
#pragma once

#include "formats/vmdk/state.h"

struct VmdkCompact {
    VmdkState *s;
    const VdCompactParams *params;
    VdCompactResult *result;
    VdProgress progress;
    uint64_t bound; /* bytes of work that the present extent may still mean */
};

/* @bytes of work are done. */
void vmdk_compact_tell(VmdkCompact *job, uint64_t bytes);
/* No more than this is left to do for the present extent. */
void vmdk_compact_bound(VmdkCompact *job, uint64_t bytes, const char *phase);
/* False with CANCELLED if the user wants it to end. */
bool vmdk_compact_goes_on(const VmdkCompact *job, GError **error);

/* The driver's operation. */
bool vmdk_co_compact(VdNode *node, const VdCompactParams *params,
                     VdCompactResult *result, GError **error);
