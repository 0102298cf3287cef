/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/disks.c - disks and controllers of a virtual machine.
 *
 * Concurrency: the result does not change.
 */
#include "vsphere/disks.h"

#include "block/error.h"
#include "vsphere/properties.h"
#include "vsphere/reply.h"

#include <string.h>

#define DEVICES "config.hardware.device"
/* Links of a chain that a server may tell of. */
#define MAX_LINKS 256u

/* -- names ------------------------------------------------------------------
 */

bool
vs_path_split(const char *path, char **datastore, const char **inside)
{
    const char *close = *path == '[' ? strchr(path, ']') : NULL;

    if (!close || close == path + 1)
        return false;
    *datastore = g_strndup(path + 1, (gsize) (close - path - 1));
    *inside = close + 1;
    while (**inside == ' ' || **inside == '/')
        ++*inside;
    return true;
}

bool
vs_path_equal(const char *a, const char *b)
{
    g_autofree char *a_store = NULL;
    g_autofree char *b_store = NULL;
    const char *a_inside, *b_inside;

    if (!vs_path_split(a, &a_store, &a_inside) ||
        !vs_path_split(b, &b_store, &b_inside))
        return strcmp(a, b) == 0;
    return strcmp(a_store, b_store) == 0 && strcmp(a_inside, b_inside) == 0;
}

/* -- reading ----------------------------------------------------------------
 */

static void
disk_free(void *opaque)
{
    VsDiskDevice *disk = opaque;

    g_ptr_array_unref(disk->files);
    vs_ref_free(disk->datastore);
    g_free(disk->label);
    g_free(disk->backing);
    g_free(disk->mode);
    g_free(disk->uuid);
    g_free(disk->change_id);
    g_free(disk);
}

static void
controller_free(void *opaque)
{
    VsController *controller = opaque;

    g_free(controller->kind);
    g_free(controller);
}

static VsHardware *
hardware_new(void)
{
    VsHardware *hardware = g_new(VsHardware, 1);

    hardware->disks = g_ptr_array_new_with_free_func(disk_free);
    hardware->controllers = g_ptr_array_new_with_free_func(controller_free);
    hardware->devices = g_array_new(FALSE, FALSE, sizeof(VsDevice));
    return hardware;
}

void
vs_hardware_free(VsHardware *hardware)
{
    if (!hardware)
        return;
    g_ptr_array_unref(hardware->disks);
    g_ptr_array_unref(hardware->controllers);
    g_array_unref(hardware->devices);
    g_free(hardware);
}

static int
int_of(const VsXml *element, const char *name)
{
    return (int) CLAMP(vs_xml_int(element, name, -1), G_MININT, G_MAXINT);
}

static uint64_t
capacity_of(const VsXml *device)
{
    int64_t bytes = vs_xml_int(device, "capacityInBytes", -1);
    int64_t kib = vs_xml_int(device, "capacityInKB", -1);

    if (bytes >= 0)
        return (uint64_t) bytes;
    return kib >= 0 && kib <= G_MAXINT64 / 1024 ? (uint64_t) kib * 1024 : 0;
}

static void
read_files(const VsXml *backing, GPtrArray *files)
{
    for (; backing && files->len < MAX_LINKS;
         backing = vs_xml_child(backing, "parent")) {
        const char *name = vs_xml_text(backing, "fileName");

        if (name && strlen(name) > VS_PATH_MAX_BYTES)
            break; /* and no other one in its place */
        if (name && *name)
            g_ptr_array_add(files, g_strdup(name));
    }
}

static VsDiskDevice *
read_disk(const VsXml *device)
{
    const VsXml *backing = vs_xml_child(device, "backing");
    VsDiskDevice *disk = g_new(VsDiskDevice, 1);

    *disk = (VsDiskDevice){
        .key = int_of(device, "key"),
        .label =
            g_strdup(vs_xml_text(vs_xml_child(device, "deviceInfo"), "label")),
        .controller_key = int_of(device, "controllerKey"),
        .unit = int_of(device, "unitNumber"),
        .capacity = capacity_of(device),
        .files = g_ptr_array_new_with_free_func(g_free),
        .backing = g_strdup(vs_xml_type(backing)),
        .mode = g_strdup(vs_xml_text(backing, "diskMode")),
        .uuid = g_strdup(vs_xml_text(backing, "uuid")),
        .change_id = g_strdup(vs_xml_text(backing, "changeId")),
        .datastore = vs_ref_from_xml(vs_xml_child(backing, "datastore")),
    };
    disk->raw_mapping = disk->backing && strstr(disk->backing, "RawDisk");
    read_files(backing, disk->files);
    return disk;
}

static bool
is_scsi(const char *type)
{
    return g_str_has_prefix(type, "VirtualLsiLogic") ||
           g_str_has_prefix(type, "VirtualBusLogic") ||
           strstr(type, "SCSIController") != NULL;
}

static void
read_device(VsHardware *hardware, const VsXml *element)
{
    const char *type = vs_xml_type(element);
    const VsDevice device = {
        .key = int_of(element, "key"),
        .controller_key = int_of(element, "controllerKey"),
        .unit = int_of(element, "unitNumber"),
    };

    g_array_append_val(hardware->devices, device);
    if (!type)
        return;
    if (strcmp(type, "VirtualDisk") == 0) {
        g_ptr_array_add(hardware->disks, read_disk(element));
    } else if (vs_xml_child(element, "busNumber")) {
        VsController *controller = g_new(VsController, 1);

        *controller = (VsController){
            .key = device.key,
            .kind = g_strdup(type),
            .bus = int_of(element, "busNumber"),
            .scsi = is_scsi(type),
        };
        g_ptr_array_add(hardware->controllers, controller);
    }
}

VsHardware *
vs_hardware_fetch(VsSession *session, const VsRef *object, GError **error)
{
    static const char *const paths[] = {DEVICES, NULL};
    g_autoptr(VsProperties) properties =
        vs_properties_fetch(session, object, paths, error);
    VsHardware *hardware;
    const VsXml *list;

    if (!properties)
        return NULL;
    hardware = hardware_new();
    list = vs_properties_get(properties, DEVICES);
    for (const VsXml *e = list ? list->first : NULL; e; e = e->next)
        read_device(hardware, e);
    return hardware;
}

/* -- looking ----------------------------------------------------------------
 */

const VsController *
vs_hardware_controller(const VsHardware *hardware, int key)
{
    for (unsigned i = 0; i < hardware->controllers->len; i++) {
        const VsController *controller =
            g_ptr_array_index(hardware->controllers, i);

        if (controller->key == key)
            return controller;
    }
    return NULL;
}

static bool
disk_has_file(const VsDiskDevice *disk, const char *path, unsigned *depth)
{
    for (unsigned i = 0; i < disk->files->len; i++)
        if (vs_path_equal(g_ptr_array_index(disk->files, i), path)) {
            if (depth)
                *depth = i;
            return true;
        }
    return false;
}

const VsDiskDevice *
vs_hardware_find_disk(const VsHardware *hardware, const char *path,
                      unsigned *depth)
{
    for (unsigned i = 0; i < hardware->disks->len; i++) {
        const VsDiskDevice *disk = g_ptr_array_index(hardware->disks, i);

        if (disk_has_file(disk, path, depth))
            return disk;
    }
    return NULL;
}
