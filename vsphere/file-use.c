/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/file-use.c - does a virtual machine have a file for its disks?
 *
 * Servers keep running machines from losing their files, but not those that are
 * off, and not chains from being changed in the middle.
 *
 * Concurrency: no state.
 */
#include "vsphere/file-use.h"

#include "block/error.h"
#include "vsphere/disks.h"
#include "vsphere/snapshot.h"

/* Of one machine; servers allow a few dozen. */
#define MAX_SNAPSHOTS 512u

typedef enum {
    USE_NONE,
    USE_ON_TOP, /* it writes there, or would if it were on */
    USE_BELOW,  /* another file, or a snapshot, builds on it */
} Use;

/* Independent disks are in a snapshot as they are now: those stay on top. */
static bool
look_at(VsSession *session, const VsRef *object, const char *path, Use *use,
        GError **error)
{
    g_autoptr(VsHardware) hardware = vs_hardware_fetch(session, object, error);
    unsigned depth;

    if (!hardware)
        return false;
    if (!vs_hardware_find_disk(hardware, path, &depth))
        return true;
    if (depth > 0)
        *use = USE_BELOW;
    else if (*use == USE_NONE)
        *use = USE_ON_TOP;
    return true;
}

/* How @vm uses @path, now and in its snapshots. */
static bool
find_use(VsSession *session, const VsRef *vm, const char *path, Use *use,
         GError **error)
{
    g_autoptr(GPtrArray) snapshots = vs_snapshots_list(session, vm, error);
    Use now = USE_NONE, then;

    if (!snapshots || !look_at(session, vm, path, &now, error))
        return false;
    if (snapshots->len > MAX_SNAPSHOTS)
        return vd_throw(error, VD_ERROR_LIMIT, "%s: %s: %u snapshots",
                        vs_session_name(session), vm->value, snapshots->len);
    then = now;
    for (unsigned i = 0; i < snapshots->len && then != USE_BELOW; i++) {
        const VsSnapshot *snapshot = g_ptr_array_index(snapshots, i);

        if (!look_at(session, snapshot->ref, path, &then, error))
            return false;
    }
    /* Only a snapshot has it: it is a branch that the machine has left. */
    *use = now == USE_NONE && then == USE_ON_TOP ? USE_BELOW : then;
    return true;
}

bool
vs_file_use_check(VsSession *session, const VsRef *vm, const char *path,
                  bool on_top, GError **error)
{
    Use use = USE_NONE;

    if (!find_use(session, vm, path, &use, error))
        return false;
    if (use == USE_BELOW)
        return vd_throw(error, VD_ERROR_IN_USE,
                        "%s: %s: snapshots or other files of virtual machine "
                        "%s build on it",
                        vs_session_name(session), path, vm->value);
    return use == USE_NONE || on_top ||
           vd_throw(error, VD_ERROR_IN_USE,
                    "%s: %s: virtual machine %s has it as its disk",
                    vs_session_name(session), path, vm->value);
}
