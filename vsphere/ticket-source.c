/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/ticket-source.c - sessions as sources of tickets for drivers.
 *
 * Concurrency: no state but what a source was made with, which does not change.
 */
#include "vsphere/ticket-source.h"

#include "block/error.h"
#include "io/offload.h"

typedef struct {
    char *session_name;
    VsTicketFunc fetch;
    void *arg;
    GDestroyNotify free_arg;
} Source;

typedef struct {
    const Source *source;
    VioCancel *cancel;
    VdTicket *ticket;
    bool ok;
    GError *error;
} Job;

static void
source_free(void *opaque)
{
    Source *source = opaque;

    source->free_arg(source->arg);
    g_free(source->session_name);
    g_free(source);
}

static void
job_work(void *opaque)
{
    Job *job = opaque;
    const Source *source = job->source;
    g_autoptr(VsSession) session = vs_session_find(source->session_name);

    vs_session_set_thread_cancel(job->cancel);
    job->ok =
        session ? source->fetch(session, source->arg, job->ticket, &job->error)
                : vd_throw(&job->error, VD_ERROR_DISCONNECTED,
                           "the session for the disk has ended");
    vs_session_set_thread_cancel(NULL);
}

static bool
source_co_get(void *arg, VioLoop *loop, VioCancel *cancel, VdTicket *ticket,
              GError **error)
{
    Job job = {.source = arg, .cancel = cancel, .ticket = ticket};

    vio_co_offload(loop, job_work, &job);
    if (!job.ok)
        g_propagate_error(error, job.error);
    return job.ok;
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
