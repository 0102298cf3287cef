/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/san-volume.c - what a server says of the volume that a disk is on.
 *
 * Source: vSphere Web Services API, Datastore.info, VmfsDatastoreInfo.
 *
 * Concurrency: the result does not change.
 */
#include "vsphere/san-volume.h"

#include <string.h>

#include "block/error.h"
#include "block/scsi-id.h"
#include "vsphere/disks.h"
#include "vsphere/inventory.h"
#include "vsphere/properties.h"

#define MAX_UUID 64
/* More than a volume can have. */
#define MAX_EXTENTS 64u

void
vs_san_volume_free(VsSanVolume *volume)
{
    if (!volume)
        return;
    g_free(volume->datastore);
    g_free(volume->uuid);
    g_ptr_array_unref(volume->names);
    g_free(volume);
}

static bool
is_uuid(const char *text)
{
    size_t len = text ? strlen(text) : 0;

    return len > 0 && len <= MAX_UUID &&
           strspn(text, "0123456789abcdefABCDEF-") == len;
}

static bool
take_names(VsSanVolume *volume, const VsXml *vmfs, GError **error)
{
    const VsXml *extent = vs_xml_child(vmfs, "extent");

    volume->nameless = !extent;
    for (unsigned n = 0; extent; extent = vs_xml_next(extent), n++) {
        const char *disk = vs_xml_text(extent, "diskName");
        char *name = disk ? vd_scsi_name_canonical(disk) : NULL;

        if (name)
            g_ptr_array_add(volume->names, name);
        else
            volume->nameless = true;
        if (n == MAX_EXTENTS)
            return vd_throw(error, VD_ERROR_LIMIT,
                            "datastore '%s': more than %u extents",
                            volume->datastore, MAX_EXTENTS);
    }
    return true;
}

/* @info: VmfsDatastoreInfo, or of another kind. */
static bool
take_info(VsSanVolume *volume, const VsXml *info, GError **error)
{
    const VsXml *vmfs = vs_xml_child(info, "vmfs");
    const char *uuid = vs_xml_text(vmfs, "uuid");
    const char *kind = vs_xml_type(info);

    if (!vmfs) {
        g_autofree char *shown = vs_xml_shown(kind ? kind : "unknown");

        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "datastore '%s' is no VMFS but of kind %s",
                        volume->datastore, shown);
    }
    if (!is_uuid(uuid))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "datastore '%s': the server tells no uuid of its "
                        "volume",
                        volume->datastore);
    volume->uuid = g_ascii_strdown(uuid, -1);
    return take_names(volume, vmfs, error);
}

VsSanVolume *
vs_san_volume_fetch(VsSession *session, const VsTarget *target, GError **error)
{
    static const char *const paths[] = {"info", NULL};
    g_autoptr(VsSanVolume) volume = g_new0(VsSanVolume, 1);
    g_autoptr(VsProperties) p = NULL;
    g_autoptr(VsRef) datastore = NULL;
    const char *inside;

    volume->names = g_ptr_array_new_with_free_func(g_free);
    if (!vs_path_split(target->file, &volume->datastore, &inside))
        return vd_throw_null(error, VD_ERROR_INVALID_NAME,
                             "'%s' is no file of a datastore", target->file);
    datastore = vs_inventory_find_datastore(session, target->vm,
                                            volume->datastore, error);
    if (datastore)
        p = vs_properties_fetch(session, datastore, paths, error);
    if (!p || !take_info(volume, vs_properties_get(p, "info"), error))
        return NULL;
    return g_steal_pointer(&volume);
}
