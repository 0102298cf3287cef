/* SPDX-License-Identifier: BSD-3-Clause */
/* block/filter/filter.c - what every filter does alike.
 *
 * A filter announces all request flags and leaves it to its child's door to
 * emulate what the child lacks; it needs no flush entry, since the door
 * flushes children by itself.
 *
 * Concurrency: nothing is kept here; requests overlap freely.
 */
#include "block/filter/filter.h"

#include "block/open.h"

bool
filter_co_open_child(VdNode *node, VdOptions *opts, VdOpenFlags flags,
                     GError **error)
{
    VdNode *child =
        vd_node_co_open_child(node, "file", NULL, opts, flags, error);

    if (!child)
        return false;
    *vd_node_limits(node) = *vd_node_limits(child);
    vd_node_set_size(node, vd_node_size(child));
    vd_node_set_name(node, vd_node_name(child));
    vd_node_set_write_flags(node, VD_REQ_FUA | VD_REQ_COMPRESSED,
                            VD_REQ_FUA | VD_REQ_MAY_UNMAP | VD_REQ_NO_FALLBACK);
    return true;
}

bool
filter_co_preadv(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    return vd_node_co_preadv(filter_child(node), off, dst, error);
}

/* The child may have grown. */
static bool
filter_follow_size(VdNode *node, bool ok)
{
    uint64_t size = vd_node_size(filter_child(node));

    if (size != vd_node_size(node))
        vd_node_set_size(node, size);
    return ok;
}

bool
filter_co_pwritev(VdNode *node, uint64_t off, const VioVec *src,
                  VdReqFlags flags, GError **error)
{
    return filter_follow_size(
        node, vd_node_co_pwritev(filter_child(node), off, src, flags, error));
}

bool
filter_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len,
                       VdReqFlags flags, GError **error)
{
    return filter_follow_size(
        node,
        vd_node_co_write_zeroes(filter_child(node), off, len, flags, error));
}

bool
filter_co_discard(VdNode *node, uint64_t off, uint64_t len, GError **error)
{
    return vd_node_co_discard(filter_child(node), off, len, error);
}

bool
filter_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc,
                   GError **error)
{
    return filter_follow_size(
        node, vd_node_co_truncate(filter_child(node), size, prealloc, error));
}
