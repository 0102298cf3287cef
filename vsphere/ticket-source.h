/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/ticket-source.h - sessions as sources of tickets for drivers. */
#pragma once

#include "block/tickets.h"
#include "vsphere/session.h"

/* What @session lets in with; blocks.  Several may ask at the same time. */
typedef bool (*VsTicketFunc)(VsSession *session, const void *arg,
                             VdTicket *ticket, GError **error);

/* The session is found by the name that it has been published under, so that
 * nobody but who published it keeps it alive.  @arg is freed with @free_arg. */
VdTicketSource *vs_ticket_source_new(const char *session_name,
                                     VsTicketFunc fetch, void *arg,
                                     GDestroyNotify free_arg);
