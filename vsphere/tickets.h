/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/tickets.h - admission to the disks of a virtual machine, on hosts. */
#pragma once

#include "vsphere/ticket-source.h"

typedef struct VsDiskAccess {
    const VsRef *vm;
    const VsRef *host; /* to be read from; NULL = the server's choice */
    int disk_key;      /* of the device */
    unsigned port; /* of hosts, whatever their tickets say; 0 = as they say */
    bool write;
} VsDiskAccess;

/* Tickets for NFC servers. */
VdTicketSource *vs_disk_tickets_new(const char *session_name,
                                    const VsDiskAccess *access);
