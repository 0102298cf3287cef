/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/hotadd-plan.c - may a disk be attached, where, and which one is it
 * then?
 *
 * Concurrency: no state.
 */
#include "vsphere/hotadd-plan.h"

#include "vsphere/reconfigure.h"

#include <string.h>

#define UNITS 16          /* of a SCSI controller that every version has */
#define CONTROLLER_UNIT 7 /* it is its own */
#define BUSES 4

/* -- may it be attached? --------------------------------------------------- */

bool
vs_hotadd_check_kind(const VsTarget *target, GError **error)
{
    if (!target->scsi)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: only SCSI disks can be attached elsewhere",
                        target->file);
    if (target->raw_mapping)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: a mapped LUN cannot be attached elsewhere",
                        target->file);
    if (target->capacity == 0)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the server does not say how large it is",
                        target->file);
    return true;
}

/* -- where? ---------------------------------------------------------------- */

bool
vs_hotadd_is_taken(const VsHardware *proxy, const VsHotaddPlace *place)
{
    for (guint i = 0; i < proxy->devices->len; i++) {
        const VsDevice *device = &g_array_index(proxy->devices, VsDevice, i);

        if (device->controller_key == place->controller_key &&
            device->unit == place->unit)
            return true;
    }
    return false;
}

static bool
find_unit(const VsHardware *proxy, VsHotaddPlace *place)
{
    for (place->unit = 0; place->unit < UNITS; place->unit++)
        if (place->unit != CONTROLLER_UNIT && !vs_hotadd_is_taken(proxy, place))
            return true;
    return false;
}

static bool
is_bus_taken(const VsHardware *proxy, int bus)
{
    for (guint i = 0; i < proxy->controllers->len; i++) {
        const VsController *controller = proxy->controllers->pdata[i];

        if (controller->scsi && controller->bus == bus)
            return true;
    }
    return false;
}

/* Paravirtual ones first: a unit is a target number there, and they take new
 * disks best. */
static bool
find_on_controllers(const VsHardware *proxy, bool paravirtual,
                    VsHotaddPlace *place)
{
    for (guint i = 0; i < proxy->controllers->len; i++) {
        const VsController *controller = proxy->controllers->pdata[i];
        bool is_one =
            controller->kind && strstr(controller->kind, "ParaVirtual");

        if (!controller->scsi || is_one != paravirtual)
            continue;
        place->controller_key = controller->key;
        place->bus = controller->bus;
        if (find_unit(proxy, place))
            return true;
    }
    return false;
}

bool
vs_hotadd_choose_place(const VsHardware *proxy, VsHotaddPlace *place,
                       GError **error)
{
    if (find_on_controllers(proxy, true, place) ||
        find_on_controllers(proxy, false, place))
        return true;
    *place = (VsHotaddPlace){.controller_key = VS_NEW_CONTROLLER};
    while (place->bus < BUSES && is_bus_taken(proxy, place->bus))
        place->bus++;
    return place->bus < BUSES ||
           vd_throw(error, VD_ERROR_NO_SPACE,
                    "all SCSI controllers of the machine that we run in are "
                    "full");
}

/* -- which one? ------------------------------------------------------------ */

bool
vs_hotadd_disk_has(const VsDiskDevice *disk, const char *file)
{
    for (guint i = 0; i < disk->files->len; i++)
        if (vs_path_equal(disk->files->pdata[i], file))
            return true;
    return false;
}

static const VsDiskDevice *
find_key(const VsHardware *hardware, int key)
{
    for (guint i = 0; i < hardware->disks->len; i++) {
        const VsDiskDevice *disk = hardware->disks->pdata[i];

        if (disk->key == key)
            return disk;
    }
    return NULL;
}

const VsDiskDevice *
vs_hotadd_find_added(const VsHardware *after, const VsHardware *before,
                     const char *file)
{
    for (guint i = 0; i < after->disks->len; i++) {
        const VsDiskDevice *disk = after->disks->pdata[i];

        if (!find_key(before, disk->key) && vs_hotadd_disk_has(disk, file))
            return disk;
    }
    return NULL;
}

static bool
is_recorded(const VsDiskDevice *disk, const VsHotaddRecord *record)
{
    if (!vs_hotadd_disk_has(disk, record->file))
        return false;
    if (record->key != 0)
        return disk->key == record->key;
    return disk->unit == record->unit &&
           (record->controller_key < 0 ||
            disk->controller_key == record->controller_key);
}

const VsDiskDevice *
vs_hotadd_find_recorded(const VsHardware *proxy, const VsHotaddRecord *record)
{
    for (guint i = 0; i < proxy->disks->len; i++) {
        const VsDiskDevice *disk = proxy->disks->pdata[i];

        if (is_recorded(disk, record))
            return disk;
    }
    return NULL;
}
