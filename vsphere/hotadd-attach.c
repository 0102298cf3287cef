/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/hotadd-attach.c - attaching a disk to the machine that we run in.
 *
 *   conditions, leftovers of the same disk
 *   our turn on this machine        (two could not tell their devices apart)
 *     what devices there are
 *     entry in the journal: planned
 *     the server attaches it        (again elsewhere if the unit was taken)
 *     entry: attached, with its key
 *     the device appears
 *     entry: with its address
 *
 * Whoever dies on the way leaves an entry; before it is made nothing has been
 * changed.
 *
 * Concurrency: see vsphere/hotadd.c.
 */
#include "vsphere/hotadd-internal.h"

#include <string.h>

#include "io/fd.h"
#include "io/op.h"
#include "block/scsi-id.h"
#include "vsphere/hotadd-plan.h"
#include "vsphere/hotadd-proxy.h"
#include "vsphere/reconfigure.h"

/* Units that others may take between our look and our request. */
#define MAX_TRIES 16

typedef struct {
    const VsHotaddParams *params;
    const VsTarget *target;
    bool writable;
    VsHotadd *h;
    GPtrArray *leftovers; /* VsHotaddFound: of the same disk */
    int turn;             /* descriptor; -1 = somebody else's */

    VsHardware *before; /* of our machine */
    GPtrArray *devices; /* VsScsiDevice: before */
    VsHotaddPlace place;
    char *pci_address; /* of the controller; NULL = not known */
} Attach;

/* -- conditions ------------------------------------------------------------ */

/* Entries of the same disk: those of the dead remain in the list, one of the
 * living is an error. */
static bool
find_leftovers(Attach *a, GError **error)
{
    a->leftovers = vs_hotadd_list_ours(a->h, error);
    for (guint i = a->leftovers ? a->leftovers->len : 0; i-- > 0;) {
        const VsHotaddFound *found = a->leftovers->pdata[i];

        if (!vs_path_equal(found->record->file, a->target->file))
            g_ptr_array_remove_index(a->leftovers, i);
        else if (!found->entry)
            return vd_throw(error, VD_ERROR_IN_USE,
                            "%s: attached to this machine by process %d",
                            a->target->file, (int) found->record->pid);
    }
    return a->leftovers != NULL;
}

static bool
prepare_step(void *arg, GError **error)
{
    Attach *a = arg;

    if (!vs_hotadd_check_kind(a->target, error))
        return false;
    a->h = vs_hotadd_new(a->params, error);
    if (!a->h)
        return false;
    a->h->size = a->target->capacity;
    return find_leftovers(a, error);
}

static bool
attach_co_clear_leftovers(VioLoop *loop, Attach *a, GError **error)
{
    for (guint i = 0; i < a->leftovers->len; i++) {
        vs_hotadd_adopt(a->h, a->leftovers->pdata[i]);
        if (!vs_hotadd_co_take_off(loop, a->h, NULL, error))
            return vd_prefix(error, "left behind by an earlier process: ");
    }
    return true;
}

/* -- our turn -------------------------------------------------------------- */

static bool
turn_step(void *arg, GError **error)
{
    Attach *a = arg;

    return vs_hotadd_journal_try_turn(a->h->dir, &a->turn, error);
}

/* Whoever has it is waiting for his device, which takes no longer than we would
 * wait for ours. */
static bool
attach_co_take_turn(VioLoop *loop, Attach *a, GError **error)
{
    uint64_t until = vio_now_ns() + 2 * a->h->appear_ns;
    int r = 0;

    while (vs_co_work(loop, turn_step, a, a->params->cancel, error)) {
        if (a->turn >= 0)
            return true;
        if (vio_now_ns() >= until)
            return vd_throw(error, VD_ERROR_BUSY,
                            "%s: other processes of this machine attach disks "
                            "all the time",
                            a->target->file);
        r = vio_co_sleep(loop, a->h->interval_ns, a->params->cancel);
        if (r < 0)
            return vd_throw_errno(error, -r, "waiting to attach '%s'",
                                  a->target->file);
    }
    return false;
}

/* -- the server ------------------------------------------------------------ */

/* A disk of the machine that we run in cannot be a second one, and what
 * somebody else has attached is his. */
static bool
check_not_there(Attach *a, GError **error)
{
    for (guint i = 0; i < a->before->disks->len; i++)
        if (vs_hotadd_disk_has(a->before->disks->pdata[i], a->target->file))
            return vd_throw(error, VD_ERROR_IN_USE,
                            "%s: a disk of the machine that we run in, and not "
                            "attached by us",
                            a->target->file);
    return true;
}

static bool
look_before(Attach *a, GError **error)
{
    VsHotadd *h = a->h;

    g_clear_pointer(&a->before, vs_hardware_free);
    g_clear_pointer(&a->devices, g_ptr_array_unref);
    a->before = vs_hardware_fetch(h->session, h->proxy, error);
    if (!a->before || !check_not_there(a, error) ||
        !vs_hotadd_choose_place(a->before, &a->place, error))
        return false;
    a->devices = vs_scsi_list(h->root, error);
    return a->devices != NULL;
}

static bool
write_plan(Attach *a, GError **error)
{
    VsHotadd *h = a->h;

    vs_hotadd_record_free(h->record);
    h->record = vs_hotadd_record_new();
    h->record->server = g_strdup(vs_session_name(h->session));
    h->record->instance = g_strdup(vs_session_instance(h->session));
    h->record->proxy = g_strdup(h->proxy->value);
    h->record->file = g_strdup(a->target->file);
    h->record->controller_key = a->place.controller_key;
    h->record->unit = a->place.unit;
    vs_hotadd_at("plan");
    h->entry = vs_hotadd_entry_new(h->dir, h->record, error);
    return h->entry != NULL;
}

static bool
request_attach(Attach *a, GError **error)
{
    const VsAddDisk disk = {
        .file = a->target->file,
        .mode = a->writable ? VS_DISK_PERSISTENT
                            : VS_DISK_INDEPENDENT_NONPERSISTENT,
        .capacity = a->h->size,
        .controller_key = a->place.controller_key,
        .controller_bus = a->place.bus,
        .unit = a->place.unit,
    };

    vs_hotadd_at("add");
    return vs_reconfigure_add_disk(a->h->session, a->h->proxy, &disk, error);
}

/* It is attached: as what? */
static bool
take_disk(Attach *a, const VsHardware *after, const VsDiskDevice *disk,
          GError **error)
{
    VsHotadd *h = a->h;
    const VsController *controller =
        vs_hardware_controller(after, disk->controller_key);

    h->record->key = disk->key;
    h->record->controller_key = disk->controller_key;
    h->record->unit = disk->unit;
    h->name = disk->uuid ? vd_scsi_name_from_uuid(disk->uuid) : NULL;
    if (controller)
        a->pci_address = vs_hotadd_pci_address(h->session, h->proxy,
                                               controller->bus, h->root);
    vs_hotadd_at("attached");
    return vs_hotadd_entry_update(h->entry, h->record, error);
}

/* The server did not do it, as far as we know: is that so?  True: it did, or
 * somebody else was quicker and it is worth another try (*@again).  If it
 * cannot be found out the entry stays. */
static bool
look_after_failure(Attach *a, VsHardware **after, GError *problem, bool *again,
                   GError **error)
{
    VsHotadd *h = a->h;
    bool done;

    if (vs_hotadd_settle(h->session, h->proxy, NULL))
        *after = vs_hardware_fetch(h->session, h->proxy, NULL);
    done = *after && vs_hotadd_find_added(*after, a->before, a->target->file);
    *again = *after && !done && a->place.controller_key > 0 &&
             vs_hotadd_is_taken(*after, &a->place);
    if (*after && !done)
        (void) vs_hotadd_entry_remove(g_steal_pointer(&h->entry), NULL);
    if (done || *again) {
        g_error_free(problem);
        return true;
    }
    g_propagate_error(error, problem);
    return false;
}

static bool
try_attach(Attach *a, bool *again, GError **error)
{
    g_autoptr(VsHardware) after = NULL;
    const VsDiskDevice *disk;
    GError *problem = NULL;

    *again = false;
    if (!look_before(a, error) || !write_plan(a, error))
        return false;
    if (!request_attach(a, &problem) &&
        !look_after_failure(a, &after, problem, again, error))
        return false;
    if (*again)
        return true;
    if (!after)
        after = vs_hardware_fetch(a->h->session, a->h->proxy, error);
    if (!after)
        return false;
    disk = vs_hotadd_find_added(after, a->before, a->target->file);
    if (!disk)
        return vd_throw(
            error, VD_ERROR_FAILED,
            "%s: says that it has attached '%s', which is not there",
            vs_session_name(a->h->session), a->target->file);
    return take_disk(a, after, disk, error);
}

static bool
attach_step(void *arg, GError **error)
{
    Attach *a = arg;
    bool again = true;

    for (unsigned tries = 0; again && tries < MAX_TRIES; tries++)
        if (!try_attach(a, &again, error))
            return false;
    return !again || vd_throw(error, VD_ERROR_BUSY,
                              "%s: each free unit was taken by somebody else",
                              a->target->file);
}

/* -- the kernel ------------------------------------------------------------ */

static bool
found_step(void *arg, GError **error)
{
    Attach *a = arg;
    VsHotadd *h = a->h;

    h->record->address = g_strdup(h->device->address);
    vs_hotadd_at("found");
    return vs_hotadd_entry_update(h->entry, h->record, error);
}

static bool
attach_co_find_device(VioLoop *loop, Attach *a, GError **error)
{
    VsHotadd *h = a->h;
    const VsScsiWait wait = {
        .root = h->root,
        .interval_ns = h->interval_ns,
        .limit_ns = h->appear_ns,
        .cancel = a->params->cancel,
    };
    const VsScsiWanted wanted = {
        .name = h->name,
        .pci_address = a->pci_address,
        .unit = (unsigned) h->record->unit,
        .size = h->size,
        .sure = a->writable,
        .before = a->devices,
    };

    h->device = vs_scsi_co_await(loop, &wait, &wanted, error);
    return h->device &&
           vs_co_work(loop, found_step, a, a->params->cancel, error);
}

/* What has failed keeps its reason. */
static void
attach_co_undo(VioLoop *loop, Attach *a, GError **error)
{
    g_autoptr(GError) problem = NULL;

    if (a->h->entry && !vs_hotadd_co_take_off(loop, a->h, NULL, &problem))
        (void) vd_prefix(error, "left attached, for Cleanup to detach (%s): ",
                         problem->message);
}

static bool
attach_co_run(VioLoop *loop, Attach *a, GError **error)
{
    if (!vs_co_work(loop, prepare_step, a, a->params->cancel, error) ||
        !attach_co_clear_leftovers(loop, a, error) ||
        !attach_co_take_turn(loop, a, error))
        return false;
    if (vs_co_work(loop, attach_step, a, a->params->cancel, error) &&
        attach_co_find_device(loop, a, error))
        return true;
    attach_co_undo(loop, a, error);
    return false;
}

static void
attach_clear(Attach *a)
{
    vio_fd_cleanup(&a->turn);
    g_clear_pointer(&a->leftovers, g_ptr_array_unref);
    g_clear_pointer(&a->before, vs_hardware_free);
    g_clear_pointer(&a->devices, g_ptr_array_unref);
    g_free(a->pci_address);
}

VsHotadd *
vs_hotadd_co_attach(VioLoop *loop, const VsHotaddParams *params,
                    const VsTarget *target, bool writable, GError **error)
{
    Attach a = {
        .params = params,
        .target = target,
        .writable = writable,
        .turn = -1,
    };
    bool ok = attach_co_run(loop, &a, error);

    attach_clear(&a);
    if (a.h)
        vs_hotadd_warn(a.h);
    if (ok)
        return a.h;
    vs_hotadd_co_free(loop, a.h);
    return NULL;
}
