/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/transports.h - ways on which the bytes of a disk come here. */
#pragma once

#include "block/options.h"
#include "vsphere/target.h"
#include "vsphere/tickets.h"

/* What is needed as long as a disk is open that way. */
typedef struct VsAttachment {
    VdTicketSource *tickets; /* NULL = none */
} VsAttachment;

typedef struct VsTransport {
    const char *name; /* "nbdssl" */
    /* Blocks: prepares what is to be opened, and says it: options of a driver.
     * What it leaves in @attachment is let go of by vs_transport_release(). */
    VdOptions *(*prepare)(VsSession *session, const char *session_name,
                          const VsTarget *target, bool write,
                          VsAttachment *attachment, GError **error);
} VsTransport;

/* All that there are, in the order in which they are tried; to a NULL name. */
extern const VsTransport vs_transports[];
/* NULL = no such one. */
const VsTransport *vs_transport_find(const char *name);

/* Blocks.  Nobody has the disk open any more. */
bool vs_transport_release(VsAttachment *attachment, GError **error);
