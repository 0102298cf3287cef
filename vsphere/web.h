/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/web.h - VMDK files over HTTPS, opened in a session. */
#pragma once

#include "block/options.h"
#include "vsphere/fate.h"
#include "vsphere/ticket-source.h"

typedef struct VsWebFile {
    const char *url;        /* of the file */
    const char *secret_url; /* where to ask instead, if who knows that is let
                               in; NULL = nowhere else */
    const char *thumbprint; /* of the host; NULL = the session's server, or
                               one that is known as that is */
    bool with_cookie;       /* it is let in as the session is */
    VsFate *fate;           /* it is there as long as this holds; NULL = so far
                               as anybody knows */
    const char *timeout;    /* seconds without a byte; NULL = the usual ones */
    const char *header;     /* goes with requests, too; constant; or NULL */
} VsWebFile;

/* Who opens the file is let in by. */
VdTicketSource *vs_web_tickets_new(const char *session_name,
                                   const VsWebFile *file);
/* Options of the drivers "vmdk" and, as its child "file", "https". */
VdOptions *vs_web_options(const VsSession *session, const VsWebFile *file,
                          const VdTicketSource *tickets);
/* The name of a new file, for the driver "https": sent by POST, as @type. */
char *vs_web_new_name(const VsSession *session, const VsWebFile *file,
                      const VdTicketSource *tickets, const char *type);
