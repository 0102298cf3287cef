/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/inflate.c - inflating grains on the worker threads.
 *
 * Jobs are queued, whoever they are from, and go to the workers in batches,
 * oldest first.  While workers are idle they share what there is; when all have
 * something to do a batch is as large as may be, and one more than there are
 * workers waits so that none runs dry while the loop is busy.
 */
#include "formats/vmdk/stream/inflate.h"

#include "formats/vmdk/stream/record.h"

#define BATCH_MAX 16

typedef struct {
    VmdkInflater *inflater;
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

static unsigned
inflater_workers(const VmdkInflater *inflater)
{
    return MAX(1, vio_loop_workers(inflater->loop));
}

static unsigned
batch_size(const VmdkInflater *inflater)
{
    unsigned workers = inflater_workers(inflater);
    unsigned idle = MAX(workers, inflater->batches + 1) - inflater->batches;

    return MIN(BATCH_MAX, (inflater->pending.length + idle - 1) / idle);
}

static void inflater_start(VmdkInflater *inflater);

/* Coroutine entry. */
static void
batch_co_main(void *opaque)
{
    InflateBatch *batch = opaque;
    VmdkInflater *inflater = batch->inflater;

    vio_co_offload(inflater->loop, batch_run, batch);
    inflater->batches--;
    for (unsigned i = 0; i < batch->n; i++)
        batch->jobs[i]->done = true;
    g_free(batch);
    inflater_start(inflater);
    vio_co_queue_wake_all(&inflater->turn);
}

static void
inflater_start(VmdkInflater *inflater)
{
    while (inflater->pending.length > 0 &&
           inflater->batches <= inflater_workers(inflater)) {
        InflateBatch *batch = g_new(InflateBatch, 1);
        unsigned n = batch_size(inflater);

        batch->inflater = inflater;
        batch->n = 0;
        while (batch->n < n && inflater->pending.length > 0)
            batch->jobs[batch->n++] = g_queue_pop_head(&inflater->pending);
        inflater->batches++;
        vio_co_start(inflater->loop, batch_co_main, batch);
    }
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
    for (size_t i = 0; i < n; i++) {
        jobs[i].done = false;
        jobs[i].error = NULL;
        g_queue_push_tail(&inflater->pending, &jobs[i]);
    }
    inflater_start(inflater);
    while (!all_done(jobs, n))
        vio_co_queue_wait(&inflater->turn);
}
