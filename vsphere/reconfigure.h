/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/reconfigure.h - adding disks to a virtual machine and taking them
 * away again, for HotAdd. */
#pragma once

#include "vsphere/session.h"

typedef enum VsDiskMode {
    VS_DISK_INDEPENDENT_NONPERSISTENT, /* writes are thrown away at the end */
    VS_DISK_PERSISTENT,
} VsDiskMode;

typedef struct VsAddDisk {
    const char *file; /* "[datastore] dir/disk.vmdk", which exists */
    VsDiskMode mode;
    uint64_t capacity;  /* bytes */
    int controller_key; /* of a controller that is there, or, to add a
                           paravirtual SCSI controller in the same step,
                           VS_NEW_CONTROLLER */
    int controller_bus; /* of the new controller, 0 to 3 */
    int unit;           /* free there */
} VsAddDisk;

#define VS_NEW_CONTROLLER (-101)

/* Waits until it is done.  Where the disk came to be: vs_hardware_fetch(). */
bool vs_reconfigure_add_disk(VsSession *session, const VsRef *vm,
                             const VsAddDisk *disk, GError **error);

/* Takes the device off the machine; its files stay. */
bool vs_reconfigure_remove_disk(VsSession *session, const VsRef *vm,
                                int device_key, GError **error);
