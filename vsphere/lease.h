/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/lease.h - exporting disks as streams over HTTPS.
 *
 * While a lease lasts the server keeps the disks readable at URLs; it wants to
 * hear of progress every few seconds. */
#pragma once

#include "vsphere/session.h"

typedef struct VsLeaseDisk {
    char *key;        /* of the device, as the server writes it */
    char *url;        /* of the stream; the host is filled in */
    char *thumbprint; /* of that host; or NULL */
    char *target;     /* name of a file; or NULL */
} VsLeaseDisk;

typedef struct VsLease VsLease;

/* @object: a VirtualMachine that is off, or a VirtualMachineSnapshot.  Waits
 * until the server is ready. */
VsLease *vs_lease_export(VsSession *session, const VsRef *object,
                         GError **error);
/* Of VsLeaseDisk. */
const GPtrArray *vs_lease_disks(const VsLease *lease);
/* To be called every few seconds, whether there was progress or not. */
bool vs_lease_progress(VsLease *lease, unsigned percent, GError **error);
/* The end: all has been read; frees it in any case. */
bool vs_lease_complete(VsLease *lease, GError **error);
/* The end: it was given up.  NULL is nothing. */
void vs_lease_abort(VsLease *lease);
