/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/fcd.h - first class disks: disks that are objects of their own. */
#pragma once

#include "vsphere/session.h"

typedef struct VsFcd {
    char *name;
    char *path;        /* "[ds] fcd/x.vmdk" */
    char *consumer;    /* uuid of the virtual machine that has it; or NULL */
    uint64_t capacity; /* bytes */
} VsFcd;

/* @datastore: id ("datastore-12").  NOT_FOUND. */
VsFcd *vs_fcd_fetch(VsSession *session, const char *id, const char *datastore,
                    GError **error);
void vs_fcd_free(VsFcd *fcd);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VsFcd, vs_fcd_free)

/* The virtual machine to which it is attached, which it must be. */
VsRef *vs_fcd_find_vm(VsSession *session, const VsFcd *fcd, GError **error);
