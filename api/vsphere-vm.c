/* SPDX-License-Identifier: BSD-3-Clause */
/* api/vsphere-vm.c - virtual machines, their snapshots, access to them.
 *
 * Concurrency: as api/vsphere.c.
 */
#include "api/vsphere.h"

#include "block/error.h"
#include "vsphere/access.h"
#include "vsphere/disks.h"
#include "vsphere/inventory.h"
#include "vsphere/snapshot.h"
#include "vsphere/vm.h"

/* -- facts ---------------------------------------------------------------- */

static void
vm_disk_free(void *opaque)
{
    VdVsphereVmDisk *disk = opaque;

    g_free(disk->label);
    g_free(disk->file);
    g_free(disk->mode);
    g_free(disk);
}

static VdVsphereVmDisk *
vm_disk_new(const VsDiskDevice *device)
{
    VdVsphereVmDisk *disk = g_new(VdVsphereVmDisk, 1);

    *disk = (VdVsphereVmDisk){
        .key = device->key,
        .label = g_strdup(device->label),
        .mode = g_strdup(device->mode),
        .size = device->capacity,
        .links = device->files->len,
    };
    if (device->files->len > 0)
        disk->file = g_strdup(g_ptr_array_index(device->files, 0));
    return disk;
}

static VdVsphereVm *
vm_new(VsVm *facts, const VsHardware *hardware)
{
    VdVsphereVm *vm = g_new(VdVsphereVm, 1);

    *vm = (VdVsphereVm){
        .id = g_strdup(facts->ref->value),
        .name = g_steal_pointer(&facts->name),
        .power_state = g_steal_pointer(&facts->power_state),
        .uuid = g_steal_pointer(&facts->uuid),
        .instance_uuid = g_steal_pointer(&facts->instance_uuid),
        .file = g_steal_pointer(&facts->vmx_path),
        .change_tracking = facts->change_tracking,
        .disks = g_ptr_array_new_with_free_func(vm_disk_free),
    };
    for (unsigned i = 0; i < hardware->disks->len; i++)
        g_ptr_array_add(vm->disks,
                        vm_disk_new(g_ptr_array_index(hardware->disks, i)));
    return vm;
}

VdVsphereVm *
vd_vsphere_get_vm(VdVsphere *vsphere, const char *vm, const char *snapshot,
                  GError **error)
{
    VsSession *session = vsphere->session;
    g_autoptr(VsRef) ref = vd_vsphere_find_vm(vsphere, vm, error);
    g_autoptr(VsVm) facts =
        ref != NULL ? vs_vm_fetch(session, ref, error) : NULL;
    g_autoptr(VsRef) then = NULL;
    g_autoptr(VsHardware) hardware = NULL;

    if (facts == NULL)
        return NULL;
    if (snapshot != NULL) {
        then = vs_snapshot_find(session, ref, snapshot, error);
        if (then == NULL)
            return NULL;
    }
    hardware = vs_hardware_fetch(session, then != NULL ? then : ref, error);
    return hardware != NULL ? vm_new(facts, hardware) : NULL;
}

void
vd_vsphere_vm_free(VdVsphereVm *vm)
{
    if (vm == NULL)
        return;
    g_free(vm->id);
    g_free(vm->name);
    g_free(vm->power_state);
    g_free(vm->uuid);
    g_free(vm->instance_uuid);
    g_free(vm->file);
    g_ptr_array_unref(vm->disks);
    g_free(vm);
}

/* -- snapshots ------------------------------------------------------------ */

static void
snapshot_free(void *opaque)
{
    VdVsphereSnapshot *snapshot = opaque;

    g_free(snapshot->id);
    g_free(snapshot->name);
    g_free(snapshot->description);
    g_free(snapshot->create_time);
    g_free(snapshot);
}

static VdVsphereSnapshot *
snapshot_new(const VsSnapshot *from)
{
    VdVsphereSnapshot *snapshot = g_new(VdVsphereSnapshot, 1);

    *snapshot = (VdVsphereSnapshot){
        .id = g_strdup(from->ref->value),
        .name = g_strdup(from->name),
        .description = g_strdup(from->description),
        .create_time = g_strdup(from->create_time),
        .depth = from->depth,
        .quiesced = from->quiesced,
        .current = from->current,
    };
    return snapshot;
}

GPtrArray *
vd_vsphere_list_snapshots(VdVsphere *vsphere, const char *vm, GError **error)
{
    g_autoptr(VsRef) ref = vd_vsphere_find_vm(vsphere, vm, error);
    g_autoptr(GPtrArray) list =
        ref != NULL ? vs_snapshots_list(vsphere->session, ref, error) : NULL;
    GPtrArray *result;

    if (list == NULL)
        return NULL;
    result = g_ptr_array_new_with_free_func(snapshot_free);
    for (unsigned i = 0; i < list->len; i++)
        g_ptr_array_add(result, snapshot_new(g_ptr_array_index(list, i)));
    return result;
}

typedef struct {
    VdVsphereProgress fn;
    void *opaque;
} Progress;

static bool
progress_advance(void *arg, unsigned percent)
{
    const Progress *progress = arg;

    return progress->fn == NULL || progress->fn(percent, progress->opaque);
}

char *
vd_vsphere_create_snapshot(VdVsphere *vsphere, const char *vm,
                           const VdVsphereSnapshotParams *params,
                           GError **error)
{
    const VsSnapshotSpec spec = {
        .name = params->name,
        .description = params->description,
        .memory = params->memory,
        .quiesce = params->quiesce,
    };
    Progress told = {params->progress, params->opaque};
    const VsProgress progress = {progress_advance, &told};
    g_autoptr(VsRef) ref = vd_vsphere_find_vm(vsphere, vm, error);
    g_autoptr(VsRef) made = NULL;

    if (ref == NULL)
        return NULL;
    made = vs_snapshot_create(vsphere->session, ref, &spec, &progress, error);
    return made != NULL ? g_strdup(made->value) : NULL;
}

bool
vd_vsphere_remove_snapshot(VdVsphere *vsphere, const char *vm,
                           const char *snapshot, bool children, GError **error)
{
    g_autoptr(VsRef) ref = vd_vsphere_find_vm(vsphere, vm, error);
    g_autoptr(VsRef) found =
        ref != NULL ? vs_snapshot_find(vsphere->session, ref, snapshot, error)
                    : NULL;

    return found != NULL &&
           vs_snapshot_remove(vsphere->session, found, children, NULL, error);
}

/* -- access --------------------------------------------------------------- */

bool
vd_vsphere_prepare_access(VdVsphere *vsphere, const char *vm,
                          const char *identity, GError **error)
{
    g_autoptr(VsRef) ref = vd_vsphere_find_vm(vsphere, vm, error);

    return ref != NULL &&
           vs_access_prepare(vsphere->session, ref, identity, error);
}

bool
vd_vsphere_end_access(VdVsphere *vsphere, const char *vm, const char *identity,
                      GError **error)
{
    g_autoptr(VsRef) ref = vd_vsphere_find_vm(vsphere, vm, error);

    return ref != NULL && vs_access_end(vsphere->session, ref, identity, error);
}
