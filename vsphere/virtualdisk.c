/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/virtualdisk.c - what the server does with disks by itself.
 *
 * Concurrency: no state.
 */
#include "vsphere/virtualdisk.h"

#include "block/error.h"
#include "vsphere/request.h"

static VsRequest *
manager_request(VsSession *session, const char *op, GError **error)
{
    const VsRef *manager =
        vs_session_need_service(session, "virtualDiskManager", error);

    return manager ? vs_request_new(op, manager) : NULL;
}

/* The two parameters with which nearly all begin. */
static VsRequest *
file_request(VsSession *session, const char *op, const VsDiskFile *file,
             GError **error)
{
    VsRequest *request = manager_request(session, op, error);

    if (!request)
        return NULL;
    vs_request_text(request, "name", file->path);
    vs_request_ref(request, "datacenter", file->datacenter);
    return request;
}

/* Waits; NULL stays a failure. */
static bool
run(VsSession *session, VsRequest *request, const VsProgress *progress,
    GError **error)
{
    return request && vs_task_run(session, request, progress, error);
}

bool
vs_diskfile_create(VsSession *session, const VsDiskFile *file,
                   const VsDiskFileSpec *spec, const VsProgress *progress,
                   GError **error)
{
    VsRequest *request =
        file_request(session, "CreateVirtualDisk_Task", file, error);

    if (!request)
        return false;
    vs_request_open_as(request, "spec", "FileBackedVirtualDiskSpec");
    vs_request_text(request, "diskType", spec->type);
    vs_request_text(request, "adapterType", spec->adapter);
    vs_request_int(request, "capacityKb", (int64_t) (spec->capacity / 1024));
    vs_request_close(request);
    return run(session, request, progress, error);
}

bool
vs_diskfile_delete(VsSession *session, const VsDiskFile *file,
                   const VsProgress *progress, GError **error)
{
    return run(session,
               file_request(session, "DeleteVirtualDisk_Task", file, error),
               progress, error);
}

bool
vs_diskfile_extend(VsSession *session, const VsDiskFile *file,
                   uint64_t capacity, const VsProgress *progress,
                   GError **error)
{
    VsRequest *request =
        file_request(session, "ExtendVirtualDisk_Task", file, error);

    if (request)
        vs_request_int(request, "newCapacityKb", (int64_t) (capacity / 1024));
    return run(session, request, progress, error);
}

bool
vs_diskfile_shrink(VsSession *session, const VsDiskFile *file,
                   const VsProgress *progress, GError **error)
{
    return run(session,
               file_request(session, "ShrinkVirtualDisk_Task", file, error),
               progress, error);
}

bool
vs_diskfile_defragment(VsSession *session, const VsDiskFile *file,
                       const VsProgress *progress, GError **error)
{
    return run(session,
               file_request(session, "DefragmentVirtualDisk_Task", file, error),
               progress, error);
}

/* -- from one place to another ----------------------------------------------
 */

static bool
transfer(VsSession *session, const char *op, const VsDiskFile *const ends[2],
         bool force, const VsProgress *progress, GError **error)
{
    VsRequest *request = manager_request(session, op, error);

    if (!request)
        return false;
    vs_request_text(request, "sourceName", ends[0]->path);
    vs_request_ref(request, "sourceDatacenter", ends[0]->datacenter);
    vs_request_text(request, "destName", ends[1]->path);
    vs_request_ref(request, "destDatacenter", ends[1]->datacenter);
    vs_request_bool(request, "force", force);
    return run(session, request, progress, error);
}

bool
vs_diskfile_move(VsSession *session, const VsDiskFile *from,
                 const VsDiskFile *to, bool force, const VsProgress *progress,
                 GError **error)
{
    const VsDiskFile *const ends[] = {from, to};

    return transfer(session, "MoveVirtualDisk_Task", ends, force, progress,
                    error);
}

bool
vs_diskfile_copy(VsSession *session, const VsDiskFile *from,
                 const VsDiskFile *to, bool force, const VsProgress *progress,
                 GError **error)
{
    const VsDiskFile *const ends[] = {from, to};

    return transfer(session, "CopyVirtualDisk_Task", ends, force, progress,
                    error);
}
