/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/scsi-list.c - the SCSI devices that this machine sees now.
 *
 * Source: Linux, Documentation/ABI, sysfs-bus-scsi and sysfs-block.
 *
 * Concurrency: no state; any thread that may block.  Devices come and go
 * meanwhile.
 */
#include "vsphere/scsi-list.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "block/scsi-id.h"
#include "vsphere/sys-file.h"

/* More than a machine has, so that a strange tree does not keep us. */
#define MAX_DEVICES 16384
#define MAX_HOSTS 1024
#define MAX_TEXT 4096

#define SECTOR 512
#define PCI_FUNCTION_CHARS strlen("0000:03:00.0")

void
vs_scsi_device_free(VsScsiDevice *device)
{
    if (!device)
        return;
    g_free(device->address);
    g_ptr_array_unref(device->names);
    g_free(device->serial);
    g_free(device->block);
    g_free(device);
}

/* -- one ------------------------------------------------------------------- */

static char *
device_path(const char *root, const char *address, const char *file)
{
    return vs_sys_path(root, "sys/bus/scsi/devices", address, file, NULL);
}

/* "H:C:T:L"; NULL: what is called so is something else, a host or a target. */
static VsScsiDevice *
device_new(const char *address)
{
    g_auto(GStrv) parts = g_strsplit(address, ":", 5);
    guint64 number[4];
    VsScsiDevice *device;

    if (g_strv_length(parts) != G_N_ELEMENTS(number))
        return NULL;
    for (unsigned i = 0; i < G_N_ELEMENTS(number); i++)
        if (!g_ascii_string_to_unsigned(parts[i], 10, 0,
                                        i < 3 ? G_MAXUINT32 : G_MAXUINT64,
                                        &number[i], NULL))
            return NULL;
    device = g_new0(VsScsiDevice, 1);
    device->address = g_strdup(address);
    device->host = (unsigned) number[0];
    device->channel = (unsigned) number[1];
    device->target = (unsigned) number[2];
    device->lun = number[3];
    return device;
}

static uint8_t *
read_page(const char *root, const VsScsiDevice *device, const char *file,
          size_t *len)
{
    g_autofree char *path = device_path(root, device->address, file);

    return (uint8_t *) vs_sys_read(path, VD_SCSI_PAGE_BYTES, len, NULL);
}

/* Its page tells all names, the text that the kernel has made of it the best
 * one; either may be missing. */
static void
take_names(const char *root, VsScsiDevice *device)
{
    g_autofree char *path = device_path(root, device->address, "wwid");
    g_autofree char *text = vs_sys_read(path, MAX_TEXT, NULL, NULL);
    g_autofree char *name = text ? vd_scsi_name_canonical(text) : NULL;
    g_autofree uint8_t *page;
    size_t len = 0;

    page = read_page(root, device, "vpd_pg83", &len);
    device->names = page ? vd_scsi_names_decode(page, len)
                         : g_ptr_array_new_with_free_func(g_free);
    if (name && !vs_scsi_device_has_name(device, name))
        g_ptr_array_add(device->names, g_steal_pointer(&name));
}

static void
take_serial(const char *root, VsScsiDevice *device)
{
    size_t len = 0;
    g_autofree uint8_t *page = read_page(root, device, "vpd_pg80", &len);

    if (page)
        device->serial = vd_scsi_serial_decode(page, len);
}

/* As the kernel names them; "!" stands for a slash in the name of a node, which
 * none of these disks has. */
static bool
is_block_name(const char *name)
{
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789_-") == strlen(name);
}

static uint64_t
read_size(const char *root, const char *block)
{
    g_autofree char *path =
        vs_sys_path(root, "sys/class/block", block, "size", NULL);
    g_autofree char *text = vs_sys_read(path, MAX_TEXT, NULL, NULL);
    guint64 sectors;

    if (!text || !g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT64 / SECTOR,
                                             &sectors, NULL))
        return 0;
    return sectors * SECTOR;
}

static void
take_block(const char *root, VsScsiDevice *device)
{
    g_autofree char *path = device_path(root, device->address, "block");
    g_autoptr(GPtrArray) names = vs_sys_names(path, 1, NULL);

    if (!names || names->len == 0 || !is_block_name(names->pdata[0]))
        return;
    device->block = g_strdup(names->pdata[0]);
    device->size = read_size(root, device->block);
}

/* -- all ------------------------------------------------------------------- */

GPtrArray *
vs_scsi_list(const char *root, GError **error)
{
    g_autofree char *path = vs_sys_path(root, "sys/bus/scsi/devices", NULL);
    g_autoptr(GPtrArray) entries = vs_sys_names(path, MAX_DEVICES, error);
    GPtrArray *list;

    if (!entries)
        return vd_prefix_null(error, "looking for SCSI devices: ");
    list = g_ptr_array_new_with_free_func((GDestroyNotify) vs_scsi_device_free);
    for (guint i = 0; i < entries->len; i++) {
        VsScsiDevice *device = device_new(entries->pdata[i]);

        if (!device)
            continue;
        take_names(root, device);
        take_serial(root, device);
        take_block(root, device);
        g_ptr_array_add(list, device);
    }
    return list;
}

bool
vs_scsi_is_there(const char *root, const char *address)
{
    g_autofree char *path =
        vs_sys_path(root, "sys/bus/scsi/devices", address, NULL);
    struct stat st;

    return stat(path, &st) == 0;
}

const VsScsiDevice *
vs_scsi_list_find(const GPtrArray *list, const char *address)
{
    for (guint i = 0; i < list->len; i++) {
        const VsScsiDevice *device = list->pdata[i];

        if (strcmp(device->address, address) == 0)
            return device;
    }
    return NULL;
}

bool
vs_scsi_device_has_name(const VsScsiDevice *device, const char *name)
{
    return g_ptr_array_find_with_equal_func(device->names, name, g_str_equal,
                                            NULL);
}

char *
vs_scsi_node_path(const char *root, const char *block)
{
    return vs_sys_path(root, "dev", block, NULL);
}

char *
vs_scsi_node_number(const char *root, const char *block)
{
    g_autofree char *path =
        vs_sys_path(root, "sys/class/block", block, "dev", NULL);

    return vs_sys_read(path, MAX_TEXT, NULL, NULL);
}

/* -- where they are plugged in --------------------------------------------- */

/* Domain, bus and device in hexadecimal, then what follows in @end. */
static bool
is_pci_address(const char *text, char end)
{
    static const char shape[] = "xxxx:xx:xx";

    for (unsigned i = 0; shape[i]; i++)
        if (shape[i] == 'x' ? !g_ascii_isxdigit(text[i]) : text[i] != ':')
            return false;
    return text[strlen(shape)] == end;
}

char *
vs_scsi_slot_address(const char *root, unsigned slot)
{
    g_autofree char *name = g_strdup_printf("%u", slot);
    g_autofree char *path =
        vs_sys_path(root, "sys/bus/pci/slots", name, "address", NULL);
    g_autofree char *text = vs_sys_read(path, MAX_TEXT, NULL, NULL);

    return text && is_pci_address(text, '\0') ? g_steal_pointer(&text) : NULL;
}

/* What the way to a device through the tree of devices says. */
static VsScsiPlace
place_of_path(const char *path, const char *pci_address)
{
    g_autofree char *real = realpath(path, NULL);
    g_auto(GStrv) parts = g_strsplit(real ? real : "", "/", 0);
    VsScsiPlace place = VS_SCSI_PLACE_UNKNOWN;

    for (char **part = parts; *part; part++) {
        if (strlen(*part) != PCI_FUNCTION_CHARS || !is_pci_address(*part, '.'))
            continue;
        if (g_str_has_prefix(*part, pci_address))
            return VS_SCSI_PLACE_BELOW;
        place = VS_SCSI_PLACE_ELSEWHERE;
    }
    return place;
}

VsScsiPlace
vs_scsi_place(const char *root, const VsScsiDevice *device,
              const char *pci_address)
{
    g_autofree char *host = g_strdup_printf("host%u", device->host);
    g_autofree char *by_host =
        vs_sys_path(root, "sys/class/scsi_host", host, NULL);
    g_autofree char *by_device =
        vs_sys_path(root, "sys/bus/scsi/devices", device->address, NULL);
    VsScsiPlace place = place_of_path(by_device, pci_address);

    return place == VS_SCSI_PLACE_UNKNOWN ? place_of_path(by_host, pci_address)
                                          : place;
}

/* -- asking the kernel ----------------------------------------------------- */

void
vs_scsi_rescan(const char *root, GHashTable *asked)
{
    g_autofree char *path = vs_sys_path(root, "sys/class/scsi_host", NULL);
    g_autoptr(GPtrArray) hosts = vs_sys_names(path, MAX_HOSTS, NULL);

    for (guint i = 0; hosts && i < hosts->len; i++) {
        const char *host = hosts->pdata[i];
        g_autofree char *scan = vs_sys_path(path, host, "scan", NULL);

        if (!g_hash_table_contains(asked, host) &&
            vs_sys_write(scan, "- - -", NULL))
            g_hash_table_add(asked, g_strdup(host));
    }
}

bool
vs_scsi_delete(const char *root, const char *address, GError **error)
{
    g_autofree char *path = device_path(root, address, "delete");

    return vs_sys_write(path, "1", error);
}
