/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/cmd-bench-async.c - many requests in flight.
 *
 * Concurrency: the main thread submits; callbacks come on any thread, maybe
 * before the submitting call returns, so the lock is not held across calls of
 * the library.
 */
#include <stdlib.h>

#include "tools/vixsample/bench.h"
#include "tools/vixsample/commands.h"
#include "tools/vixsample/report.h"

#define DEPTH 256

typedef struct Async Async;

/* A buffer; idle or in flight. */
typedef struct Slot {
    Async *async;
    uint8 *buffer;
    uint64_t sectors; /* of the request */
} Slot;

struct Async {
    GMutex lock; /* for all below */
    GCond changed;
    Slot *idle[DEPTH];
    unsigned n_idle;
    uint64_t done_sectors;
    VixError error;   /* the first */
    char *error_text; /* and what the library said of it */

    Slot slots[DEPTH];
    unsigned n_slots;
};

static void
async_free(Async *async)
{
    for (unsigned i = 0; i < async->n_slots; i++)
        free(async->slots[i].buffer);
    g_mutex_clear(&async->lock);
    g_cond_clear(&async->changed);
    g_free(async->error_text);
    g_free(async);
}

/* NULL after a message. */
static Async *
async_new(const Bench *bench)
{
    uint64_t calls = (bench->end - bench->at + bench->step - 1) / bench->step;
    Async *async = g_new0(Async, 1);

    g_mutex_init(&async->lock);
    g_cond_init(&async->changed);
    while (async->n_slots < MIN(DEPTH, calls)) {
        Slot *slot = &async->slots[async->n_slots];
        slot->async = async;
        slot->buffer = bench_buffer(bench);
        if (!slot->buffer) {
            async_free(async);
            return NULL;
        }
        async->n_slots++;
        async->idle[async->n_idle++] = slot;
    }
    return async;
}

/* A VixDiskLibCompletionCB.  Once the slot is idle it may be used again, before
 * this has returned. */
static void
request_done(void *data, VixError result)
{
    Slot *slot = data;
    Async *async = slot->async;
    /* The library knows the cause on this thread only. */
    char *text = VIX_FAILED(result) ? report_text(result) : NULL;

    g_mutex_lock(&async->lock);
    if (text && !async->error_text) {
        async->error = result;
        async->error_text = g_steal_pointer(&text);
    }
    if (VIX_SUCCEEDED(result))
        async->done_sectors += slot->sectors;
    async->idle[async->n_idle++] = slot;
    g_cond_signal(&async->changed);
    g_mutex_unlock(&async->lock);
    g_free(text);
}

/* Waits for an idle slot; NULL once a request has failed. */
static Slot *
slot_take(Async *async, uint64_t *done_sectors)
{
    Slot *slot = NULL;

    g_mutex_lock(&async->lock);
    while (async->n_idle == 0)
        g_cond_wait(&async->changed, &async->lock);
    if (!async->error_text)
        slot = async->idle[--async->n_idle];
    *done_sectors = async->done_sectors;
    g_mutex_unlock(&async->lock);
    return slot;
}

static void
slot_give_back(Async *async, Slot *slot)
{
    g_mutex_lock(&async->lock);
    async->idle[async->n_idle++] = slot;
    g_mutex_unlock(&async->lock);
}

static VixError
submit(const Bench *bench, Slot *slot)
{
    if (bench->writes)
        return VIX(VixDiskLib_WriteAsync)(bench->disk, bench->at, slot->sectors,
                                          slot->buffer, request_done, slot);
    return VIX(VixDiskLib_ReadAsync)(bench->disk, bench->at, slot->sectors,
                                     slot->buffer, request_done, slot);
}

/* Only VIX_ASYNC says that the callback will come. */
static bool
submit_checked(const Bench *bench, Slot *slot)
{
    const char *name =
        bench->writes ? "VixDiskLib_WriteAsync" : "VixDiskLib_ReadAsync";
    VixError result = submit(bench, slot);

    if (result == VIX_ASYNC)
        return true;
    slot_give_back(slot->async, slot);
    return report_async_refused(name, result);
}

static bool
submit_all(Bench *bench, Async *async)
{
    uint64_t sectors, done;

    while ((sectors = bench_next(bench)) > 0) {
        Slot *slot = slot_take(async, &done);
        if (!slot)
            return false;
        slot->sectors = sectors;
        meter_update(&bench->meter, done * VIXDISKLIB_SECTOR_SIZE);
        if (!submit_checked(bench, slot))
            return false;
        bench->at += sectors;
    }
    return true;
}

/* Nothing is in flight afterwards. */
static bool
drain(Bench *bench, Async *async)
{
    bool ok = CALL(VixDiskLib_Wait, bench->disk);

    g_mutex_lock(&async->lock);
    while (async->n_idle < async->n_slots)
        g_cond_wait(&async->changed, &async->lock);
    g_mutex_unlock(&async->lock);
    if (async->error_text)
        report_failure(bench->writes ? "VixDiskLib_WriteAsync"
                                     : "VixDiskLib_ReadAsync",
                       async->error, async->error_text);
    meter_update(&bench->meter, async->done_sectors * VIXDISKLIB_SECTOR_SIZE);
    return ok && !async->error_text;
}

static bool
async_loop(Bench *bench)
{
    /* Missing ones should be missed before the first request. */
    (void) VIX(VixDiskLib_Wait);
    Async *async = async_new(bench);

    if (!async)
        return false;
    bool ok = submit_all(bench, async);
    ok &= drain(bench, async);
    async_free(async);
    return ok;
}

bool
cmd_readasyncbench(Session *session, const Options *opts)
{
    return bench_run(session, opts, false, async_loop);
}

bool
cmd_writeasyncbench(Session *session, const Options *opts)
{
    return bench_run(session, opts, true, async_loop);
}
