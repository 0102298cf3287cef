/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/target.c - which disk is meant, and may it be opened?
 *
 * Servers would refuse what is refused here, too, but with less to say.
 *
 * Concurrency: the result does not change.
 */
#include "vsphere/target.h"

#include "block/error.h"
#include "vsphere/disks.h"
#include "vsphere/fcd.h"
#include "vsphere/inventory.h"
#include "vsphere/snapshot.h"
#include "vsphere/vm.h"
#include "vsphere/xml.h"

#include <string.h>

/* Disks in a message. */
#define MAX_LISTED 64u
#define MAX_LISTED_BYTES 4096u /* or one name more */

typedef struct {
    VsSession *session;
    const VsTargetSpec *spec;
    VsVm *vm;
    char *vm_shown; /* its name, for messages */
    VsRef *snapshot;
    VsHardware *hardware; /* of the snapshot if there is one */
} Search;

static void
search_clear(Search *s)
{
    vs_vm_free(s->vm);
    g_free(s->vm_shown);
    vs_ref_free(s->snapshot);
    vs_hardware_free(s->hardware);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Search, search_clear)

void
vs_target_free(VsTarget *target)
{
    if (!target)
        return;
    vs_ref_free(target->vm);
    vs_ref_free(target->host);
    vs_ref_free(target->snapshot);
    g_free(target->vm_name);
    g_free(target->file);
    g_free(target->place);
    g_free(target);
}

/* -- the machine ------------------------------------------------------------
 */

static bool
find_machine(Search *s, VsRef *found, GError **error)
{
    g_autoptr(VsRef) ref = found;

    if (!ref)
        return false;
    s->vm = vs_vm_fetch(s->session, ref, error);
    if (!s->vm)
        return false;
    s->vm_shown = vs_xml_shown(s->vm->name ? s->vm->name : "");
    if (s->spec->snapshot) {
        s->snapshot =
            vs_snapshot_find(s->session, ref, s->spec->snapshot, error);
        if (!s->snapshot)
            return false;
    }
    s->hardware =
        vs_hardware_fetch(s->session, s->snapshot ? s->snapshot : ref, error);
    return s->hardware != NULL;
}

/* -- the disk ---------------------------------------------------------------
 */

static char *
disk_shown(const VsDiskDevice *disk)
{
    const char *name =
        disk->files->len > 0 ? g_ptr_array_index(disk->files, 0) : disk->label;

    return vs_xml_shown(name ? name : "");
}

/* '[ds] a/a.vmdk', 'Hard disk 1', ... */
static char *
list_disks(const VsHardware *hardware)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (unsigned i = 0; i < hardware->disks->len; i++) {
        g_autofree char *shown =
            disk_shown(g_ptr_array_index(hardware->disks, i));

        if (i == MAX_LISTED || text->len > MAX_LISTED_BYTES) {
            g_string_append(text, " ...");
            break;
        }
        g_string_append_printf(text, "%s'%s'", i ? ", " : "", shown);
    }
    return g_strdup(text->len ? text->str : "none");
}

static const VsDiskDevice *
no_disk(const Search *s, const char *problem, GError **error)
{
    g_autofree char *list = list_disks(s->hardware);

    return vd_throw_null(error, VD_ERROR_NOT_FOUND,
                         "%s: virtual machine '%s'%s%s: %s '%s'; its disks: %s",
                         vs_session_name(s->session), s->vm_shown,
                         s->snapshot ? ", snapshot " : "",
                         s->snapshot ? s->snapshot->value : "", problem,
                         s->spec->disk ? s->spec->disk : "", list);
}

static const VsDiskDevice *
find_label(const VsHardware *hardware, const char *label)
{
    for (unsigned i = 0; i < hardware->disks->len; i++) {
        const VsDiskDevice *disk = g_ptr_array_index(hardware->disks, i);

        if (g_strcmp0(disk->label, label) == 0)
            return disk;
    }
    return NULL;
}

static const VsDiskDevice *
find_disk(const Search *s, unsigned *depth, GError **error)
{
    const char *wanted = s->spec->disk;
    const VsDiskDevice *disk;

    *depth = 0;
    if (!wanted) {
        if (s->hardware->disks->len != 1)
            return no_disk(s, "which disk is meant must be said: ", error);
        return g_ptr_array_index(s->hardware->disks, 0);
    }
    disk = vs_hardware_find_disk(s->hardware, wanted, depth);
    if (!disk && *wanted != '[')
        disk = find_label(s->hardware, wanted);
    return disk ? disk : no_disk(s, "there is no disk", error);
}

/* -- may it be opened? ------------------------------------------------------
 */

static bool
check_state(const Search *s, const char *file, unsigned depth, GError **error)
{
    const char *server = vs_session_name(s->session);
    bool on = vs_vm_is_on(s->vm);

    if (s->spec->write && on)
        return vd_throw(error, VD_ERROR_IN_USE,
                        "%s: %s: virtual machine '%s' is on: its disks can "
                        "only be read",
                        server, file, s->vm_shown);
    if (s->spec->write && depth > 0)
        return vd_throw(error, VD_ERROR_IN_USE,
                        "%s: %s: other files of virtual machine '%s' build on "
                        "it: only that of a snapshot can be written to, with "
                        "the snapshot named",
                        server, file, s->vm_shown);
    if (on && depth == 0 && !s->snapshot)
        return vd_throw(error, VD_ERROR_IN_USE,
                        "%s: %s: virtual machine '%s' is on and writes to it: "
                        "a snapshot is needed, and must be named",
                        server, file, s->vm_shown);
    return true;
}

static bool
has_file(const Search *s, const VsDiskDevice *disk, GError **error)
{
    g_autofree char *shown = disk_shown(disk);
    g_autofree char *backing = vs_xml_shown(disk->backing ? disk->backing : "");

    return disk->files->len > 0 ||
           vd_throw(error, VD_ERROR_NOT_IMPLEMENTED,
                    "%s: virtual machine '%s': disk '%s' is no file of a "
                    "datastore (%s)",
                    vs_session_name(s->session), s->vm_shown, shown, backing);
}

static char *
place_of(const VsController *controller, const VsDiskDevice *disk)
{
    if (!controller || !controller->kind || disk->unit < 0)
        return NULL;
    return g_strdup_printf("%s%d:%d", controller->kind, controller->bus,
                           disk->unit);
}

static VsTarget *
target_new(const Search *s, const VsDiskDevice *disk, unsigned depth)
{
    const VsController *controller =
        vs_hardware_controller(s->hardware, disk->controller_key);
    VsTarget *target = g_new(VsTarget, 1);

    *target = (VsTarget){
        .vm = vs_ref_copy(s->vm->ref),
        .host = vs_ref_copy(s->vm->host),
        .snapshot = vs_ref_copy(s->snapshot),
        .vm_name = g_strdup(s->vm->name),
        .file = g_strdup(g_ptr_array_index(disk->files, depth)),
        .disk_key = disk->key,
        .place = place_of(controller, disk),
        .on_top = depth == 0,
        .capacity = disk->capacity,
        .links = disk->files->len - depth,
        .raw_mapping = disk->raw_mapping,
        .scsi = controller && controller->scsi,
        .vm_is_on = vs_vm_is_on(s->vm),
    };
    return target;
}

static VsTarget *
find_on_machine(Search *s, VsRef *machine, GError **error)
{
    const VsDiskDevice *disk;
    unsigned depth;

    if (!find_machine(s, machine, error))
        return NULL;
    disk = find_disk(s, &depth, error);
    if (!disk || !has_file(s, disk, error) ||
        !check_state(s, g_ptr_array_index(disk->files, depth), depth, error))
        return NULL;
    return target_new(s, disk, depth);
}

/* One that no machine has: whoever attaches it has it to himself. */
static VsTarget *
target_of_nobody(const VsTargetSpec *spec, const VsFcd *fcd, GError **error)
{
    VsTarget *target;

    if (spec->snapshot)
        return vd_throw_null(error, VD_ERROR_NOT_IMPLEMENTED,
                             "first class disk '%s': it belongs to no virtual "
                             "machine that could have a snapshot '%s'",
                             spec->fcd, spec->snapshot);
    target = g_new(VsTarget, 1);
    *target = (VsTarget){
        .file = g_strdup(fcd->path),
        .capacity = fcd->capacity,
        .links = 1,
        .scsi = true,
    };
    return target;
}

/* A first class disk is one of the machine that has it, if one has. */
static VsTarget *
find_fcd(VsSession *session, const VsTargetSpec *spec, GError **error)
{
    g_autoptr(VsFcd) fcd = NULL;
    VsTargetSpec by_path = *spec;
    g_auto(Search) s = {.session = session, .spec = &by_path};

    fcd = vs_fcd_fetch(session, spec->fcd, spec->fcd_datastore, error);
    if (!fcd)
        return NULL;
    if (!fcd->consumer)
        return target_of_nobody(spec, fcd, error);
    by_path.disk = fcd->path;
    return find_on_machine(&s, vs_fcd_find_vm(session, fcd, error), error);
}

VsTarget *
vs_target_find(VsSession *session, const VsTargetSpec *spec, GError **error)
{
    g_auto(Search) s = {.session = session, .spec = spec};

    if (spec->fcd)
        return find_fcd(session, spec, error);
    return find_on_machine(&s, vs_inventory_find_vm(session, spec->vm, error),
                           error);
}

bool
vs_target_need_vm(const VsTarget *target, const char *why, GError **error)
{
    return target->vm != NULL ||
           vd_throw(error, VD_ERROR_NOT_IMPLEMENTED,
                    "%s: belongs to no virtual machine, and %s", target->file,
                    why);
}
