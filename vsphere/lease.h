/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/lease.h - exporting disks as streams over HTTPS.
 *
 * While a lease lasts the server keeps the disks readable at URLs, and the
 * machine as it is.  It wants to hear every few seconds that somebody is still
 * there: a thread tells it. */
#pragma once

#include "vsphere/session.h"

typedef struct VsLeaseDisk {
    char *key;        /* of the device, as the server writes it */
    char *url;        /* of the stream, a secret; the host is filled in */
    char *thumbprint; /* of that host; or NULL */
    bool on_server;   /* that host is the server itself */
} VsLeaseDisk;

typedef struct VsLease VsLease;

/* @object: a VirtualMachine that is off, or a VirtualMachineSnapshot.  Waits
 * until the server is ready. */
VsLease *vs_lease_export(VsSession *session, const VsRef *object,
                         GError **error);
/* The disk at @place ("VirtualLsiLogicController0:1"); CORRUPT if there is none
 * or its URL is none.  Lives as long as the lease. */
const VsLeaseDisk *vs_lease_find_disk(const VsLease *lease, const char *place,
                                      GError **error);
/* The end: all has been read; frees it in any case.  A failure means that the
 * server has taken the disks back before. */
bool vs_lease_complete(VsLease *lease, GError **error);
/* The end: it was given up.  NULL is nothing. */
void vs_lease_abort(VsLease *lease);

/* For the lease, and its tests.
 * @url with @host in the place of the host "*"; NULL: it is no URL of a stream:
 * https, and nothing that a URL of a file has no need for. */
char *vs_lease_url(const char *url, const char *host_with_port,
                   const char *host);
/* Does @key, "/vm-57/VirtualLsiLogicController0:1", mean @place? */
bool vs_lease_key_is(const char *key, const char *place);
