/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/tickets.h - admission to hosts: to the disks of a virtual machine,
 * and to single files. */
#pragma once

#include "block/tickets.h"
#include "vsphere/session.h"

typedef struct VsDiskAccess {
    const VsRef *vm;
    const VsRef *host; /* to be read from; NULL = the server's choice */
    int disk_key;      /* of the device */
    unsigned port; /* of hosts, whatever their tickets say; 0 = as they say */
    bool write;
} VsDiskAccess;

/* A fresh ticket for an NFC server; blocks. */
bool vs_ticket_fetch(VsSession *session, const VsDiskAccess *access,
                     VdTicket *ticket, GError **error);

/* The same for a driver.  The session is found by the name that it has been
 * published under, so that nobody but who published it keeps it alive. */
VdTicketSource *vs_ticket_source_new(const char *session_name,
                                     const VsDiskAccess *access);

/* For one request of @method ("httpGet", "httpPut") of one URL of a host: value
 * of the cookie "vmware_cgi_ticket" (a secret; g_free), and the thumbprint of
 * that host (g_free), NULL if it was not told. */
char *vs_ticket_fetch_http(VsSession *session, const char *method,
                           const char *url, char **thumbprint, GError **error);
