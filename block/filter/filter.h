/* SPDX-License-Identifier: BSD-3-Clause */
/* block/filter/filter.h - what every filter does alike: open its one child and
 * hand requests on to it. */
#pragma once

#include "block/driver.h"
#include "block/rw.h"

/* Open child "file" and take over its size, limits and name.  @flags: those
 * of the node, changed where the filter wants it. */
bool filter_co_open_child(VdNode *node, VdOptions *opts, VdOpenFlags flags,
                          GError **error);

static inline VdNode *
filter_child(const VdNode *node)
{
    return vd_node_file(node);
}

/* Vtable entries that pass everything on.  There is none for the map: that of
 * a filter without one is its child's. */
bool filter_co_preadv(VdNode *node, uint64_t off, const VioVec *dst,
                      GError **error);
bool filter_co_pwritev(VdNode *node, uint64_t off, const VioVec *src,
                       VdReqFlags flags, GError **error);
bool filter_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len,
                            VdReqFlags flags, GError **error);
bool filter_co_discard(VdNode *node, uint64_t off, uint64_t len,
                       GError **error);
bool filter_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc,
                        GError **error);
