/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/target.h - which disk is meant, and may it be opened? */
#pragma once

#include "vsphere/session.h"

typedef struct VsTargetSpec {
    const char *vm;       /* vsphere/inventory.h; or NULL with fcd */
    const char *snapshot; /* id or name; NULL = the machine as it is */
    const char *disk;     /* "[ds] dir/x.vmdk", a label ("Hard disk 1"), or
                             NULL: the only one */
    const char *fcd, *fcd_datastore; /* ids, both, instead of vm and disk */
    bool write;
} VsTargetSpec;

typedef struct VsTarget {
    VsRef *vm;              /* NULL = a first class disk that none has */
    VsRef *host, *snapshot; /* may be NULL */
    char *vm_name;          /* NULL if vm is */
    char *file;             /* "[ds] dir/x.vmdk", as the server writes it */
    int disk_key;
    char *place; /* of the device, as leases write it:
                    "ParaVirtualSCSIController0:1"; NULL = it has none */
    bool on_top; /* @file is what the machine, or the snapshot, has in use */
    uint64_t capacity;
    unsigned links;   /* files that make up what it shows */
    bool raw_mapping; /* a LUN behind it */
    bool scsi;        /* and not IDE, SATA ... */
    bool vm_is_on;
} VsTarget;

/* Blocks.  VM_NOT_FOUND, SNAPSHOT_NOT_FOUND, NOT_FOUND; IN_USE if the machine
 * is writing to it, or would not survive that we do. */
VsTarget *vs_target_find(VsSession *session, const VsTargetSpec *spec,
                         GError **error);
/* NOT_IMPLEMENTED, with @why that matters, if no machine has it. */
bool vs_target_need_vm(const VsTarget *target, const char *why, GError **error);
void vs_target_free(VsTarget *target);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VsTarget, vs_target_free)
