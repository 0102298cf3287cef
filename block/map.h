/* SPDX-License-Identifier: BSD-3-Clause */
/* block/map.h - maps, for the core itself. */
#pragma once

#include "block/node-internal.h"

/* The driver's answer, clamped to [off, off+len) and the end; @off < size. */
bool vd_map_co_own(VdNode *node, uint64_t off, uint64_t len, unsigned want,
                   VdRun *run, GError **error);

/* A filter without a map: its child's chain is its map. */
static inline bool
vd_map_is_childs(const VdNode *node)
{
    return node->driver->kind == VD_DRIVER_FILTER && !node->driver->co_map;
}
