/* SPDX-License-Identifier: BSD-3-Clause */
/* block/rw-whole.c - changes of how a disk is stored that leave its contents as
 * they are.
 *
 * Concurrency: changes wait; reads go on.
 */
#include "block/rw-internal.h"

bool
vd_node_co_compact(VdNode *node, const VdCompactParams *params,
                   VdCompactResult *result, GError **error)
{
    VdTracked tracked;
    bool ok;

    if (!node->driver->co_compact)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: image format '%s' cannot be compacted",
                        vd_node_name(node), node->driver->name);
    if (!vd_node_is_writable(node))
        return vd_throw(error, VD_ERROR_READ_ONLY,
                        "%s: compact although opened read-only",
                        vd_node_name(node));
    vd_track_co_begin(&node->writes, &tracked, 0, UINT64_MAX, true);
    ok = node->driver->co_compact(node, params, result, error);
    node->write_gen++;
    vd_track_end(&node->writes, &tracked);
    return ok;
}

bool
vd_node_co_snapshot(VdNode *node, VdSnapshotOp op, const char *name,
                    GError **error)
{
    VdTracked tracked;
    bool ok;

    vd_track_co_begin(&node->writes, &tracked, 0, UINT64_MAX, true);
    ok = node->driver->co_snapshot(node, op, name, error);
    node->write_gen++;
    vd_track_end(&node->writes, &tracked);
    return ok;
}

bool
vd_node_co_change_bitmap(VdNode *node, const VdBitmapChange *change,
                         GError **error)
{
    VdTracked tracked;
    bool ok;

    vd_track_co_begin(&node->writes, &tracked, 0, UINT64_MAX, true);
    ok = node->driver->co_change_bitmap(node, change, error);
    node->write_gen++;
    vd_track_end(&node->writes, &tracked);
    return ok;
}

bool
vd_node_co_amend(VdNode *node, VdOptions *opts, GError **error)
{
    VdTracked tracked;
    bool ok;

    vd_track_co_begin(&node->writes, &tracked, 0, UINT64_MAX, true);
    ok = node->driver->co_amend(node, opts, error);
    node->write_gen++;
    vd_track_end(&node->writes, &tracked);
    return ok;
}

bool
vd_node_co_uncover(VdNode *node, uint64_t off, uint64_t len, uint64_t *bytes,
                   GError **error)
{
    VdTracked tracked;
    bool ok;

    if (!vd_check_write(node, "uncover", off, len, error) ||
        !vd_check_range(node, "uncover", off, len, error))
        return false;
    vd_track_co_begin(&node->writes, &tracked, off, len, true);
    ok = node->driver->co_uncover(node, off, len, bytes, error);
    node->write_gen++;
    vd_track_end(&node->writes, &tracked);
    return ok;
}
