/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/hotadd-detach.c - taking attached disks off again.
 *
 * First the kernel forgets the device, then the server takes it off the
 * machine, then the journal forgets it: whoever dies in between leaves an entry
 * and so something for Cleanup to do.  Files of the disk are never touched.
 *
 * Concurrency: see vsphere/hotadd.c.
 */
#include "vsphere/hotadd-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "io/fd.h"
#include "block/scsi-id.h"
#include "vsphere/hotadd-plan.h"
#include "vsphere/hotadd-proxy.h"
#include "vsphere/reconfigure.h"

typedef struct {
    VsHotadd *h;
    char *address; /* of the device that has to go; NULL = not known */
    bool detached;
} TakeOff;

/* -- the kernel ------------------------------------------------------------ */

/* Mounted, or part of something: not ours to take away.  A device that cannot
 * be opened at all is not used by anybody. */
static bool
is_used(const VsHotadd *h, const VsScsiDevice *device)
{
    g_autofree char *node =
        device->block ? vs_scsi_node_path(h->root, device->block) : NULL;
    VIO_AUTO_FD fd = -1;

    if (!node)
        return false;
    fd = open(node, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 && errno == EBUSY;
}

static const VsScsiDevice *
find_named(const GPtrArray *list, const char *name)
{
    for (guint i = 0; i < list->len; i++)
        if (vs_scsi_device_has_name(list->pdata[i], name))
            return list->pdata[i];
    return NULL;
}

/* An address may be another disk's by now, unless we have it from having found
 * the device ourselves; a name is for good. */
static const VsScsiDevice *
find_device(const VsHotadd *h, const GPtrArray *list, const char *name)
{
    const VsScsiDevice *device = NULL;

    if (h->device)
        device = vs_scsi_list_find(list, h->device->address);
    if (!device && name)
        device = find_named(list, name);
    return device;
}

/* The name by which its device is known here.  NULL: it has none, or another
 * disk of the machine has it, too, as copies of a disk do, and that one's
 * device must not be taken for it. */
static char *
own_name(const VsHardware *hardware, const VsDiskDevice *disk)
{
    g_autofree char *name =
        disk->uuid ? vd_scsi_name_from_uuid(disk->uuid) : NULL;

    for (guint i = 0; name && i < hardware->disks->len; i++) {
        const VsDiskDevice *other = hardware->disks->pdata[i];
        g_autofree char *its =
            other->uuid ? vd_scsi_name_from_uuid(other->uuid) : NULL;

        if (other != disk && g_strcmp0(its, name) == 0)
            return NULL;
    }
    return g_steal_pointer(&name);
}

static bool
delete_device(TakeOff *t, const VsHardware *hardware, const VsDiskDevice *disk,
              GError **error)
{
    VsHotadd *h = t->h;
    g_autofree char *name = own_name(hardware, disk);
    g_autoptr(GPtrArray) list = vs_scsi_list(h->root, error);
    g_autoptr(GError) problem = NULL;
    const VsScsiDevice *device;

    if (!list)
        return false;
    device = find_device(h, list, name);
    if (!device)
        return true;
    if (is_used(h, device))
        return vd_throw(error, VD_ERROR_IN_USE,
                        "%s: /dev/%s, which is this disk, is in use on this "
                        "machine",
                        h->record->file, device->block);
    t->address = g_strdup(device->address);
    /* The kernel finds out by itself, too, only less gently. */
    if (!vs_scsi_delete(h->root, device->address, &problem))
        vs_hotadd_add_warning(h, "%s", problem->message);
    return true;
}

/* -- the server ------------------------------------------------------------ */

/* An answer that was lost does not mean that nothing was done. */
static bool
remove_disk(VsHotadd *h, int key, GError **error)
{
    g_autoptr(VsHardware) hardware = NULL;
    GError *problem = NULL;

    vs_hotadd_at("remove");
    if (vs_reconfigure_remove_disk(h->session, h->proxy, key, &problem))
        return true;
    if (vs_hotadd_settle(h->session, h->proxy, NULL))
        hardware = vs_hardware_fetch(h->session, h->proxy, NULL);
    if (hardware && !vs_hotadd_find_recorded(hardware, h->record)) {
        g_clear_error(&problem);
        return true;
    }
    g_propagate_error(error, problem);
    return vd_prefix(error, "detaching '%s': ", h->record->file);
}

/* A record without a key may be of a request that the server still works on. */
static bool
take_off_step(void *arg, GError **error)
{
    TakeOff *t = arg;
    VsHotadd *h = t->h;
    g_autoptr(VsHardware) hardware = NULL;
    const VsDiskDevice *disk;

    vs_hotadd_at("detach");
    if (h->record->key == 0 && !vs_hotadd_settle(h->session, h->proxy, error))
        return false;
    hardware = vs_hardware_fetch(h->session, h->proxy, error);
    if (!hardware)
        return false;
    disk = vs_hotadd_find_recorded(hardware, h->record);
    if (!disk)
        return true;
    if (!delete_device(t, hardware, disk, error) ||
        !remove_disk(h, disk->key, error))
        return false;
    t->detached = true;
    return true;
}

static bool
forget_step(void *arg, GError **error)
{
    TakeOff *t = arg;

    vs_hotadd_at("forget");
    return vs_hotadd_entry_remove(g_steal_pointer(&t->h->entry), error);
}

/* The server has let go of it: what is late now is the kernel, which nobody can
 * help. */
static void
detach_co_await_end(VioLoop *loop, TakeOff *t)
{
    const VsScsiWait wait = {
        .root = t->h->root,
        .interval_ns = t->h->interval_ns,
        .limit_ns = t->h->vanish_ns,
    };
    g_autoptr(GError) problem = NULL;

    if (t->address && !vs_scsi_co_await_end(loop, &wait, t->address, &problem))
        vs_hotadd_add_warning(t->h, "%s", problem->message);
}

bool
vs_hotadd_co_take_off(VioLoop *loop, VsHotadd *h, bool *detached,
                      GError **error)
{
    TakeOff t = {.h = h};
    bool ok = vs_co_work(loop, take_off_step, &t, NULL, error);

    if (ok) {
        detach_co_await_end(loop, &t);
        ok = vs_co_work(loop, forget_step, &t, NULL, error);
    }
    if (detached)
        *detached = t.detached;
    g_free(t.address);
    return ok;
}

bool
vs_hotadd_co_detach(VioLoop *loop, VsHotadd *h, GError **error)
{
    bool ok = vs_hotadd_co_take_off(loop, h, NULL, error);

    vs_hotadd_warn(h);
    vs_hotadd_co_free(loop, h);
    return ok;
}
