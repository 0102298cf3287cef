/* SPDX-License-Identifier: BSD-3-Clause */
/* block/tickets.h - where a driver gets admission to a server from.
 *
 * Tickets work once, and are secrets: they stand in no option, name or message.
 * Who can ask for them (vsphere/) registers a source; a driver gets the name of
 * that, which is random, as an option, and takes a fresh ticket for each
 * connection, or when a server wants to know again who asks.
 *
 * Concurrency: sources are registered, found and let go of by any thread.
 */
#pragma once

#include "block/error.h"
#include "io/cancel.h"
#include "io/loop.h"

/* What is NULL or 0 is up to the driver's options. */
typedef struct VdTicket {
    char *host;
    unsigned port;
    char *service;
    char *session_id;
    char *thumbprint; /* of the host's certificate (io/thumbprint.h) */
    /* For files of web servers. */
    char **headers; /* "Name: value", to go with each request */
    char *url;      /* if that is a secret, too: it stands for the option's */
    VioCancel *cancel; /* fires when what it lets in to has ended, too; from
                          then on the source refuses, and says why */
} VdTicket;

/* Frees what it points to; what is secret is overwritten before. */
void vd_ticket_clear(VdTicket *ticket);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VdTicket, vd_ticket_clear)

typedef struct VdTicketSource VdTicketSource;

/* Fills @ticket in, on a coroutine of @loop; yields.  Ends soon once @cancel
 * (or NULL) says so, which has the deadline, too.  Several may ask at the same
 * time, from several loops. */
typedef bool (*VdTicketFunc)(void *arg, VioLoop *loop, VioCancel *cancel,
                             VdTicket *ticket, GError **error);

/* @arg is freed with @free_arg (may be NULL) once nobody has the source any
 * more, by whichever thread is the last. */
VdTicketSource *vd_ticket_source_new(VdTicketFunc co_get, void *arg,
                                     GDestroyNotify free_arg);
/* For the option; constant. */
const char *vd_ticket_source_name(const VdTicketSource *source);
/* Who made it lets go of it: nobody finds it any more. */
void vd_ticket_source_close(VdTicketSource *source);

/* Another reference, or NULL: there is none of that name (any more). */
VdTicketSource *vd_ticket_source_find(const char *name);
bool vd_ticket_source_co_get(VdTicketSource *source, VioLoop *loop,
                             VioCancel *cancel, VdTicket *ticket,
                             GError **error);
void vd_ticket_source_unref(VdTicketSource *source);
