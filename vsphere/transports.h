/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/transports.h - ways on which the bytes of a disk come here. */
#pragma once

#include "block/node.h"
#include "block/options.h"
#include "vsphere/hotadd.h"
#include "vsphere/lease.h"
#include "vsphere/san-volume.h"
#include "vsphere/target.h"
#include "vsphere/tickets.h"

/* What is needed as long as a disk is open that way. */
typedef struct VsAttachment {
    VdTicketSource *tickets; /* NULL = none */
    VsHotadd *hotadd;        /* NULL = not attached */
    VsLease *lease;          /* as long as something comes; NULL = none */
    VsSanVolume *volume;     /* that its LUNs make up; NULL = none */
} VsAttachment;

typedef struct VsPrepare {
    VsSession *session;
    const char *session_name; /* under which it is published */
    const VsTarget *target;
    bool write;
    bool in_order; /* it will be read from the first byte to the last */
    const VdOptions *all_said; /* "nfc.KEY", "hotadd.KEY" ... */
    VdOptions *said; /* for the driver; what is taken out it does not get */
    VioCancel *cancel;
} VsPrepare;

typedef struct VsTransport {
    const char *name;   /* "nbdssl" */
    const char *driver; /* "nfc": "nfc.KEY" are its options */
    const char *edge;   /* on which that is below the disk, "file" */
    /* Blocks: prepares what is to be opened, and says it: options of the
     * child "file".  What it leaves in @attachment is let go of by
     * vs_transport_release(). */
    VdOptions *(*prepare)(const VsPrepare *how, VsAttachment *attachment,
                          GError **error);
    /* Is the child "file" of @node, which has been opened, the right disk?
     * NULL = whoever gives it knows. */
    bool (*co_check)(VdNode *node, const VsPrepare *how,
                     const VsAttachment *attachment, GError **error);
} VsTransport;

/* All that there are; to a NULL name. */
extern const VsTransport vs_transports[];
/* NULL = no such one. */
const VsTransport *vs_transport_find(const char *name);
/* What has been said for @driver: "nfc.KEY" as "KEY". */
VdOptions *vs_transport_said(const VdOptions *all_said, const char *driver);
/* The options of @from as "PREFIX.KEY" of @to, over those that are there. */
void vs_transport_move_below(VdOptions *to, const char *prefix,
                             VdOptions *from);

/* Blocks.  Nobody has the disk open any more. */
bool vs_transport_release(VsAttachment *attachment, GError **error);
