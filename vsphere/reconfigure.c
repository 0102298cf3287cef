/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/reconfigure.c - adding disks to a machine and taking them away.
 *
 * Nothing here ever says "fileOperation": files are neither made nor removed.
 *
 * Concurrency: no state.
 */
#include "vsphere/reconfigure.h"

#include "vsphere/request.h"
#include "vsphere/task.h"

static const char *const mode_names[] = {
    [VS_DISK_INDEPENDENT_NONPERSISTENT] = "independent_nonpersistent",
    [VS_DISK_PERSISTENT] = "persistent",
};

/* Up to the device itself, which the caller fills in and which change_end()
 * closes. */
static void
change_begin(VsRequest *request, const char *operation, const char *device)
{
    vs_request_open(request, "deviceChange");
    vs_request_text(request, "operation", operation);
    vs_request_open_as(request, "device", device);
}

static void
change_end(VsRequest *request)
{
    vs_request_close(request);
    vs_request_close(request);
}

static void
add_controller(VsRequest *request, const VsAddDisk *disk)
{
    change_begin(request, "add", "ParaVirtualSCSIController");
    vs_request_int(request, "key", disk->controller_key);
    vs_request_int(request, "busNumber", disk->controller_bus);
    vs_request_text(request, "sharedBus", "noSharing");
    change_end(request);
}

static void
add_disk(VsRequest *request, const VsAddDisk *disk)
{
    change_begin(request, "add", "VirtualDisk");
    vs_request_int(request, "key", -1);
    vs_request_open_as(request, "backing", "VirtualDiskFlatVer2BackingInfo");
    vs_request_text(request, "fileName", disk->file);
    vs_request_text(request, "diskMode", mode_names[disk->mode]);
    vs_request_close(request);
    vs_request_int(request, "controllerKey", disk->controller_key);
    vs_request_int(request, "unitNumber", disk->unit);
    vs_request_int(request, "capacityInKB", (int64_t) (disk->capacity / 1024));
    change_end(request);
}

bool
vs_reconfigure_add_disk(VsSession *session, const VsRef *vm,
                        const VsAddDisk *disk, GError **error)
{
    VsRequest *request = vs_request_new("ReconfigVM_Task", vm);

    vs_request_open(request, "spec");
    if (disk->controller_key == VS_NEW_CONTROLLER)
        add_controller(request, disk);
    add_disk(request, disk);
    vs_request_close(request);
    return vs_task_run(session, request, NULL, error);
}

/* The schema wants a capacity; the key is what decides. */
bool
vs_reconfigure_remove_disk(VsSession *session, const VsRef *vm, int device_key,
                           GError **error)
{
    VsRequest *request = vs_request_new("ReconfigVM_Task", vm);

    vs_request_open(request, "spec");
    change_begin(request, "remove", "VirtualDisk");
    vs_request_int(request, "key", device_key);
    vs_request_int(request, "capacityInKB", 0);
    change_end(request);
    vs_request_close(request);
    return vs_task_run(session, request, NULL, error);
}
