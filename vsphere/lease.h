/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/lease.h - disks as streams over HTTPS: exported, or imported.
 *
 * While a lease lasts the server has the disks at URLs, and keeps the machine
 * as it is.  It wants to hear every few seconds that somebody is still there: a
 * thread tells it, and finds out that way when the server has ended it. */
#pragma once

#include "vsphere/fate.h"
#include "vsphere/session.h"

typedef struct VsLeaseDisk {
    char *key;        /* of the device, as the server writes it */
    char *import_key; /* the same, as a machine that is made has it; or NULL */
    char *url;        /* of the stream, a secret; the host is filled in */
    char *thumbprint; /* of that host; or NULL */
    bool on_server;   /* that host is the server itself */
} VsLeaseDisk;

typedef struct VsLease VsLease;

/* Servers are silent for long: where a disk is empty, or when all has come. */
#define VS_LEASE_SILENCE_S "600"

/* By @request (taken over), whose answer is a lease: ExportVm, ImportVApp ...
 * Waits until the server is ready.  @cancel (or NULL) stops what depends on the
 * lease, too. */
VsLease *vs_lease_open(VsSession *session, VsRequest *request,
                       VioCancel *cancel, GError **error);
/* It ends when the server ends it.  Lives as long as the lease. */
VsFate *vs_lease_fate(const VsLease *lease);
/* Asks the server; false: it has ended it, for this reason. */
bool vs_lease_check(VsLease *lease, GError **error);
/* So much of it is done, to be told to the server.  Any thread. */
void vs_lease_set_percent(VsLease *lease, unsigned percent);
/* The disk at @place ("VirtualLsiLogicController0:1"); CORRUPT if there is none
 * or its URL is none.  Lives as long as the lease. */
const VsLeaseDisk *vs_lease_find_disk(const VsLease *lease, const char *place,
                                      GError **error);
/* The only disk, at @place, of a lease for a machine that has no other; CORRUPT
 * if there are others, or it is elsewhere. */
const VsLeaseDisk *vs_lease_only_disk(const VsLease *lease, const char *place,
                                      GError **error);
/* The end: all has been moved; frees it in any case.  A failure means that the
 * server has taken the disks back before. */
bool vs_lease_complete(VsLease *lease, GError **error);
/* The end: it was given up.  NULL is nothing. */
void vs_lease_abort(VsLease *lease);

/* For the lease, and its tests.
 * @url with @host in the place of the host "*"; NULL: it is no URL of a stream:
 * https, and nothing that a URL of a file has no need for. */
char *vs_lease_url(const char *url, const char *host_with_port,
                   const char *host);
/* What may stand in messages for the URL of @disk; g_free. */
char *vs_lease_shown(const VsLeaseDisk *disk);
/* Does @key, "/vm-57/VirtualLsiLogicController0:1", mean @place? */
bool vs_lease_key_is(const char *key, const char *place);
