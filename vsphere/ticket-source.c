/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/ticket-source.c - sessions as sources of tickets for drivers.
 *
 * Concurrency: no state but what a source was made with, which does not change.
 */
#include "vsphere/ticket-source.h"

#include "block/error.h"
#include "vsphere/worker.h"

typedef struct {
    char *session_name;
    VsTicketFunc fetch;
    void *arg;
    GDestroyNotify free_arg;
} Source;

typedef struct {
    const Source *source;
    VdTicket *ticket;
} Fetch;

static void
source_free(void *opaque)
{
    Source *source = opaque;

    source->free_arg(source->arg);
    g_free(source->session_name);
    g_free(source);
}

static bool
fetch_work(void *arg, GError **error)
{
    const Fetch *fetch = arg;
    const Source *source = fetch->source;
    g_autoptr(VsSession) session = vs_session_find(source->session_name);

    return session ? source->fetch(session, source->arg, fetch->ticket, error)
                   : vd_throw(error, VD_ERROR_DISCONNECTED,
                              "the session for the disk has ended");
}

static bool
source_co_get(void *arg, VioLoop *loop, VioCancel *cancel, VdTicket *ticket,
              GError **error)
{
    Fetch fetch = {.source = arg, .ticket = ticket};

    return vs_co_work(loop, fetch_work, &fetch, cancel, error);
}

VdTicketSource *
vs_ticket_source_new(const char *session_name, VsTicketFunc fetch, void *arg,
                     GDestroyNotify free_arg)
{
    Source *source = g_new(Source, 1);

    *source = (Source){
        .session_name = g_strdup(session_name),
        .fetch = fetch,
        .arg = arg,
        .free_arg = free_arg,
    };
    return vd_ticket_source_new(source_co_get, source, source_free);
}
