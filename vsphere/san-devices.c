/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/san-devices.c - devices of this machine that a volume may be on.
 *
 * Whether it is: the driver vmfs looks.  A device that has another name is not
 * even looked at, for it may be a copy that an array has made of the right one,
 * with the same volume as it was some time ago.
 *
 * Concurrency: no state; any thread that may block.
 */
#include "vsphere/san-devices.h"

#include "vsphere/scsi-list.h"
#include "vsphere/sys-file.h"

/* As many extents as the driver vmfs takes. */
#define MAX_DEVICES 32u

static bool
may_be(const VsScsiDevice *device, const VsSanVolume *volume)
{
    if (!device->block)
        return false;
    for (guint i = 0; i < volume->names->len; i++)
        if (vs_scsi_device_has_name(device, volume->names->pdata[i]))
            return true;
    return device->names->len == 0;
}

static GPtrArray *
find_local(const VsSanVolume *volume, guint *seen, GError **error)
{
    const char *root = vs_sys_root();
    g_autoptr(GPtrArray) devices = vs_scsi_list(root, error);
    GPtrArray *found;

    if (!devices)
        return NULL;
    *seen = devices->len;
    found = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < devices->len; i++) {
        const VsScsiDevice *device = devices->pdata[i];

        if (may_be(device, volume))
            g_ptr_array_add(found, vs_scsi_node_path(root, device->block));
    }
    return found;
}

static GPtrArray *
split_list(const char *listed)
{
    g_auto(GStrv) parts = g_strsplit(listed, ";", -1);
    GPtrArray *found = g_ptr_array_new_with_free_func(g_free);

    for (char **part = parts; *part; part++)
        if (*g_strstrip(*part))
            g_ptr_array_add(found, g_strdup(*part));
    return found;
}

/* "naa.1, naa.2" */
static char *
list_names(const VsSanVolume *volume)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < volume->names->len; i++)
        g_string_append_printf(text, "%s%s", i ? ", " : "",
                               (const char *) volume->names->pdata[i]);
    return g_string_free(text, FALSE);
}

static bool
check_number(const GPtrArray *found, const VsSanVolume *volume, guint seen,
             GError **error)
{
    g_autofree char *names = list_names(volume);

    if (found->len == 0)
        return vd_throw(error, VD_ERROR_NOT_FOUND,
                        "datastore '%s', volume %s, is on %s: none of the %u "
                        "SCSI devices of this machine, and san.devices names "
                        "no other",
                        volume->datastore, volume->uuid,
                        *names ? names : "a disk of a host", seen);
    return found->len <= MAX_DEVICES ||
           vd_throw(error, VD_ERROR_LIMIT,
                    "datastore '%s': it may be on %u devices, but no more than "
                    "%u are looked at: name them in san.devices",
                    volume->datastore, found->len, MAX_DEVICES);
}

GPtrArray *
vs_san_devices(const VsSanVolume *volume, const char *listed, GError **error)
{
    guint seen = 0;
    g_autoptr(GPtrArray) found =
        listed ? split_list(listed) : find_local(volume, &seen, error);

    if (!found || !check_number(found, volume, seen, error))
        return NULL;
    return g_steal_pointer(&found);
}
