/* SPDX-License-Identifier: BSD-3-Clause */
/* api/snapshot.c - states of a disk inside its image.
 *
 * Concurrency: no state of its own.
 */
#include "api/disk.h"

typedef struct {
    VdDisk *disk;
    GPtrArray *list;
} ListCall;

static bool
snapshot_refuse_format(const VdDisk *disk, GError **error)
{
    return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "image format '%s' has no snapshots inside",
                    vd_disk_format(disk));
}

static bool
snapshot_co_list(void *arg, GError **error)
{
    ListCall *call = arg;
    VdNode *node = call->disk->node;

    vd_disk_enter(call->disk);
    call->list = vd_node_driver(node)->co_list_snapshots(node, error);
    vd_disk_leave(call->disk);
    return call->list != NULL;
}

GPtrArray *
vd_disk_list_snapshots(VdDisk *disk, GError **error)
{
    ListCall call = {.disk = disk};

    if (vd_node_driver(disk->node)->co_list_snapshots == NULL) {
        (void) snapshot_refuse_format(disk, error);
        return NULL;
    }
    return vd_context_run(disk->ctx, snapshot_co_list, &call, error) ? call.list
                                                                     : NULL;
}

/* -- changing them ----------------------------------------------------------
 */

typedef struct {
    VdDisk *disk;
    VdSnapshotOp op;
    const char *name;
} ChangeCall;

static bool
snapshot_co_change(void *arg, GError **error)
{
    ChangeCall *call = arg;
    bool ok;

    vd_disk_enter(call->disk);
    ok = vd_node_co_snapshot(call->disk->node, call->op, call->name, error);
    vd_disk_leave(call->disk);
    return ok;
}

static bool
snapshot_change(VdDisk *disk, VdSnapshotOp op, const char *name, GError **error)
{
    ChangeCall call = {.disk = disk, .op = op, .name = name};

    if (vd_node_driver(disk->node)->co_snapshot == NULL)
        return snapshot_refuse_format(disk, error);
    if (!vd_node_is_writable(disk->node))
        return vd_throw(error, VD_ERROR_READ_ONLY, "%s: is open read-only",
                        vd_node_name(disk->node));
    return vd_context_run(disk->ctx, snapshot_co_change, &call, error);
}

bool
vd_disk_create_snapshot(VdDisk *disk, const char *name, GError **error)
{
    return snapshot_change(disk, VD_SNAPSHOT_CREATE, name, error);
}

bool
vd_disk_apply_snapshot(VdDisk *disk, const char *name, GError **error)
{
    return snapshot_change(disk, VD_SNAPSHOT_APPLY, name, error);
}

bool
vd_disk_delete_snapshot(VdDisk *disk, const char *name, GError **error)
{
    return snapshot_change(disk, VD_SNAPSHOT_DELETE, name, error);
}
