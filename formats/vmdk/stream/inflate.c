/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/inflate.c - inflating grains on the worker threads.
 *
 * Whoever has a job queues it.  While fewer batches are on their way than
 * there are workers, he takes his share of the queue over himself, oldest
 * first, his own or not; else he waits until a batch is back and looks again.
 */
#include "formats/vmdk/stream/inflate.h"

#include "formats/vmdk/stream/record.h"

#define BATCH_MAX 4

typedef struct {
    VmdkInflateJob *jobs[BATCH_MAX];
    unsigned n;
} InflateBatch;

static void
batch_run(void *opaque)
{
    InflateBatch *batch = opaque;

    for (unsigned i = 0; i < batch->n; i++) {
        VmdkInflateJob *job = batch->jobs[i];

        (void) vmdk_record_inflate(job->src, job->src_len, job->dst,
                                   job->grain_bytes, &job->used, &job->error);
    }
}

static void
batch_co_offload(VmdkInflater *inflater)
{
    unsigned workers = MAX(1, vio_loop_workers(inflater->loop));
    unsigned share = inflater->pending.length / workers + 1;
    InflateBatch batch = {.n = 0};

    while (batch.n < MIN(share, BATCH_MAX) && inflater->pending.length > 0)
        batch.jobs[batch.n++] = g_queue_pop_head(&inflater->pending);
    inflater->batches++;
    vio_co_offload(inflater->loop, batch_run, &batch);
    inflater->batches--;
    for (unsigned i = 0; i < batch.n; i++)
        batch.jobs[i]->done = true;
    vio_co_queue_wake_all(&inflater->turn);
}

static bool
all_done(const VmdkInflateJob *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!jobs[i].done)
            return false;
    return true;
}

void
vmdk_inflater_co_run(VmdkInflater *inflater, VmdkInflateJob *jobs, size_t n)
{
    unsigned workers = MAX(1, vio_loop_workers(inflater->loop));

    for (size_t i = 0; i < n; i++) {
        jobs[i].done = false;
        jobs[i].error = NULL;
        g_queue_push_tail(&inflater->pending, &jobs[i]);
    }
    while (!all_done(jobs, n))
        if (inflater->pending.length > 0 && inflater->batches < workers)
            batch_co_offload(inflater);
        else
            vio_co_queue_wait(&inflater->turn);
}
