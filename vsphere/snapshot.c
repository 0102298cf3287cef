/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/snapshot.c - snapshots of virtual machines.
 *
 * Concurrency: no state.
 */
#include "vsphere/snapshot.h"

#include "block/error.h"
#include "vsphere/properties.h"
#include "vsphere/reply.h"
#include "vsphere/request.h"

#include <string.h>

void
vs_snapshot_free(VsSnapshot *snapshot)
{
    if (!snapshot)
        return;
    vs_ref_free(snapshot->ref);
    g_free(snapshot->name);
    g_free(snapshot->description);
    g_free(snapshot->create_time);
    g_free(snapshot->state);
    g_free(snapshot);
}

/* -- the tree ---------------------------------------------------------------
 */

static VsSnapshot *
read_snapshot(const VsXml *tree, const VsRef *current, unsigned depth)
{
    VsSnapshot *snapshot = g_new(VsSnapshot, 1);

    *snapshot = (VsSnapshot){
        .ref = vs_ref_from_xml(vs_xml_child(tree, "snapshot")),
        .name = g_strdup(vs_xml_text(tree, "name")),
        .description = g_strdup(vs_xml_text(tree, "description")),
        .create_time = g_strdup(vs_xml_text(tree, "createTime")),
        .state = g_strdup(vs_xml_text(tree, "state")),
        .id = (int) vs_xml_int(tree, "id", 0),
        .depth = depth,
        .quiesced = vs_xml_bool(tree, "quiesced"),
    };
    snapshot->current = vs_ref_equal(snapshot->ref, current);
    return snapshot;
}

/* As deep as the XML may be, which is bounded. */
static void
read_trees(const VsXml *tree, const VsRef *current, unsigned depth,
           GPtrArray *found)
{
    for (; tree; tree = vs_xml_next(tree)) {
        VsSnapshot *snapshot = read_snapshot(tree, current, depth);

        if (!snapshot->ref) {
            vs_snapshot_free(snapshot);
            continue;
        }
        g_ptr_array_add(found, snapshot);
        read_trees(vs_xml_child(tree, "childSnapshotList"), current, depth + 1,
                   found);
    }
}

GPtrArray *
vs_snapshots_list(VsSession *session, const VsRef *vm, GError **error)
{
    static const char *const paths[] = {"snapshot", NULL};
    g_autoptr(VsProperties) p = vs_properties_fetch(session, vm, paths, error);
    g_autoptr(VsRef) current = NULL;
    const VsXml *info;
    GPtrArray *found;

    if (!p)
        return NULL;
    info = vs_properties_get(p, "snapshot");
    current = vs_ref_from_xml(vs_xml_child(info, "currentSnapshot"));
    found = g_ptr_array_new_with_free_func((GDestroyNotify) vs_snapshot_free);
    read_trees(vs_xml_child(info, "rootSnapshotList"), current, 0, found);
    return found;
}

VsRef *
vs_snapshot_find(VsSession *session, const VsRef *vm, const char *which,
                 GError **error)
{
    g_autoptr(GPtrArray) list = vs_snapshots_list(session, vm, error);
    const VsSnapshot *named = NULL;
    unsigned n = 0;

    if (!list)
        return NULL;
    if (g_ascii_strncasecmp(which, "moref=", 6) == 0)
        which += 6;
    for (unsigned i = 0; i < list->len; i++) {
        const VsSnapshot *snapshot = g_ptr_array_index(list, i);

        if (strcmp(snapshot->ref->value, which) == 0)
            return vs_ref_copy(snapshot->ref);
        if (g_strcmp0(snapshot->name, which) == 0) {
            named = snapshot;
            n++;
        }
    }
    if (n == 1)
        return vs_ref_copy(named->ref);
    return vd_throw_null(error, VD_ERROR_SNAPSHOT_NOT_FOUND,
                         n ? "%s: virtual machine '%s' has more than one "
                             "snapshot named '%s'"
                           : "%s: virtual machine '%s' has no snapshot '%s'",
                         vs_session_name(session), vm->value, which);
}

/* -- changes ----------------------------------------------------------------
 */

VsRef *
vs_snapshot_create(VsSession *session, const VsRef *vm,
                   const VsSnapshotSpec *spec, const VsProgress *progress,
                   GError **error)
{
    VsRequest *request = vs_request_new("CreateSnapshot_Task", vm);

    vs_request_text(request, "name", spec->name);
    vs_request_text(request, "description", spec->description);
    vs_request_bool(request, "memory", spec->memory);
    vs_request_bool(request, "quiesce", spec->quiesce);
    return vs_task_run_ref(session, request, progress, error);
}

bool
vs_snapshot_remove(VsSession *session, const VsRef *snapshot, bool children,
                   const VsProgress *progress, GError **error)
{
    VsRequest *request = vs_request_new("RemoveSnapshot_Task", snapshot);

    vs_request_bool(request, "removeChildren", children);
    return vs_task_run(session, request, progress, error);
}
