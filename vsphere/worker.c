/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/worker.c - what blocks, for coroutines.
 *
 * Concurrency: the caller waits, so what he hands over is the worker's as long
 * as it runs.
 */
#include "vsphere/worker.h"

#include "io/offload.h"
#include "vsphere/session.h"

typedef struct {
    VsWork work;
    void *arg;
    VioCancel *cancel;
    bool ok;
    GError *error;
} Job;

static void
job_run(void *opaque)
{
    Job *job = opaque;

    vs_session_set_thread_cancel(job->cancel);
    job->ok = job->work(job->arg, &job->error);
    vs_session_set_thread_cancel(NULL);
}

bool
vs_co_work(VioLoop *loop, VsWork work, void *arg, VioCancel *cancel,
           GError **error)
{
    Job job = {.work = work, .arg = arg, .cancel = cancel};

    vio_co_offload(loop, job_run, &job);
    if (!job.ok)
        g_propagate_error(error, job.error);
    return job.ok;
}
