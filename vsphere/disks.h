/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/disks.h - disks and controllers of a virtual machine, as it is or as
 * it was when a snapshot was taken. */
#pragma once

#include "vsphere/session.h"

/* Of "[ds] dir/x.vmdk", in what servers send. */
#define VS_PATH_MAX_BYTES 2048u

typedef struct VsController {
    int key;
    char *kind; /* "ParaVirtualSCSIController", "VirtualIDEController" ... */
    int bus;
    bool scsi;
} VsController;

typedef struct VsDevice {
    int key;
    int controller_key, unit; /* -1 = none */
} VsDevice;

typedef struct VsDiskDevice {
    int key;
    char *label; /* "Hard disk 1"; may be NULL */
    int controller_key, unit;
    uint64_t capacity; /* bytes */
    GPtrArray *files;  /* char *, "[ds] dir/x.vmdk": the one in use first,
                          then its parents; empty = no file behind it */
    char *backing;     /* "VirtualDiskFlatVer2BackingInfo" ... */
    char *mode;        /* "persistent", "independent_persistent" ...; or NULL */
    char *uuid;        /* of the file in use; or NULL */
    char *change_id;   /* or NULL */
    VsRef *datastore;  /* of the file in use; or NULL */
    bool raw_mapping;  /* a LUN behind it */
} VsDiskDevice;

typedef struct VsHardware {
    GPtrArray *disks;       /* VsDiskDevice */
    GPtrArray *controllers; /* VsController */
    GArray *devices;        /* VsDevice: all, disks included */
} VsHardware;

/* @object: a VirtualMachine, or a VirtualMachineSnapshot. */
VsHardware *vs_hardware_fetch(VsSession *session, const VsRef *object,
                              GError **error);
void vs_hardware_free(VsHardware *hardware);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VsHardware, vs_hardware_free)

const VsController *vs_hardware_controller(const VsHardware *hardware, int key);

/* The disk that has @path as its file or as one of the parents of that;
 * *@depth (may be NULL): how many links above @path.  NULL = none has. */
const VsDiskDevice *vs_hardware_find_disk(const VsHardware *hardware,
                                          const char *path, unsigned *depth);

/* Do both name one file?  "[ds] dir/x.vmdk" with or without the blank. */
bool vs_path_equal(const char *a, const char *b);

/* The name of the datastore (g_free) and the path in it; false = no such
 * form. */
bool vs_path_split(const char *path, char **datastore, const char **inside);
