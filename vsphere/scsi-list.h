/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/scsi-list.h - the SCSI devices that this machine sees now.
 *
 * All of it blocks: for worker threads.  @root: see vsphere/sys-file.h.
 */
#pragma once

#include "block/error.h"

typedef struct VsScsiDevice {
    char *address; /* "2:0:1:0": host, channel, target, unit */
    unsigned host, channel, target;
    uint64_t lun;
    GPtrArray *names; /* of char *: block/scsi-id.h; may be empty */
    char *serial;     /* NULL = has none */
    char *block;      /* "sdb"; NULL = is no block device, or not yet */
    uint64_t size;    /* bytes; 0 = not known, or not yet */
} VsScsiDevice;

void vs_scsi_device_free(VsScsiDevice *device);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VsScsiDevice, vs_scsi_device_free)

/* Those that are there (VsScsiDevice *); empty on a machine without any.  What
 * cannot be found out of one is left open. */
GPtrArray *vs_scsi_list(const char *root, GError **error);

bool vs_scsi_is_there(const char *root, const char *address);
/* The one with this address, which belongs to @list; NULL = none. */
const VsScsiDevice *vs_scsi_list_find(const GPtrArray *list,
                                      const char *address);

bool vs_scsi_device_has_name(const VsScsiDevice *device, const char *name);

/* Where the node of a block device is: "<root>/dev/sdb". */
char *vs_scsi_node_path(const char *root, const char *block);
/* The numbers that it has, "8:16"; NULL = the kernel does not tell. */
char *vs_scsi_node_number(const char *root, const char *block);

/* -- where they are plugged in --------------------------------------------- */

/* "0000:03:00": domain, bus and device of what is in this slot; NULL = not to
 * be found out. */
char *vs_scsi_slot_address(const char *root, unsigned slot);

typedef enum VsScsiPlace {
    VS_SCSI_PLACE_UNKNOWN,
    VS_SCSI_PLACE_BELOW,     /* the controller at that address is its own */
    VS_SCSI_PLACE_ELSEWHERE, /* another one is */
} VsScsiPlace;

VsScsiPlace vs_scsi_place(const char *root, const VsScsiDevice *device,
                          const char *pci_address);

/* -- asking the kernel ----------------------------------------------------- */

/* Have hosts look for new devices, those whose names are not in @asked (a set
 * of char *), to which they are added.  What refuses is left alone: kernels
 * notice most by themselves. */
void vs_scsi_rescan(const char *root, GHashTable *asked);

/* Have the kernel forget the device. */
bool vs_scsi_delete(const char *root, const char *address, GError **error);
