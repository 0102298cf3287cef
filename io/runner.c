/* SPDX-License-Identifier: BSD-3-Clause */
/* io/runner.c - who runs a loop now.
 *
 * At most one thread is the runner.  A synchronous caller takes the part if it
 * is free and keeps it until its own work is done; callers that come meanwhile
 * post their work and wait.  A leaving runner names the longest waiting thread
 * its successor before it lets go, so a loop with work never stands still.
 *
 * Concurrency: everything under runner->lock.  Loops with a fixed runner have
 * nobody to share with and skip it.
 */
#include "io/runner.h"

#include <errno.h>
#include <time.h>

#include "io/loop-internal.h"

/* One waiting thread.  With work (fn) it waits for that, too. */
struct VioSyncCall {
    VioInboxItem item; /* first: posted to the runner */
    VioSyncCall *next;
    pthread_cond_t cond;
    VioLoop *loop;
    VioCoFunc fn;
    void *opaque;
    bool done;
    bool called; /* to become the runner */
};

static __thread VioRunFrame *runner_frames;

__attribute__((noinline)) VioLoop *
vio_runner_current(void)
{
    return runner_frames ? runner_frames->loop : NULL;
}

static void
frame_push(VioRunFrame *frame, VioLoop *loop)
{
    frame->loop = loop;
    frame->outer = runner_frames;
    runner_frames = frame;
}

static void
frame_pop(VioRunFrame *frame)
{
    g_assert(runner_frames == frame);
    runner_frames = frame->outer;
}

bool
vio_loop_is_runner(VioLoop *loop)
{
    for (VioRunFrame *frame = runner_frames; frame; frame = frame->outer)
        if (frame->loop == loop)
            return true;
    return false;
}

void
vio_runner_init(VioRunner *runner)
{
    (void) pthread_mutex_init(&runner->lock, NULL);
    runner->last = &runner->first;
}

void
vio_runner_clear(VioRunner *runner)
{
    g_assert(!runner->busy && !runner->first);
    (void) pthread_mutex_destroy(&runner->lock);
}

/* -- waiting threads ------------------------------------------------------ */

static void
call_init(VioSyncCall *call, VioLoop *loop)
{
    pthread_condattr_t attr;

    *call = (VioSyncCall){.loop = loop};
    (void) pthread_condattr_init(&attr);
    (void) pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void) pthread_cond_init(&call->cond, &attr);
    (void) pthread_condattr_destroy(&attr);
}

static void
call_append_locked(VioRunner *runner, VioSyncCall *call)
{
    call->next = NULL;
    *runner->last = call;
    runner->last = &call->next;
    __atomic_store_n(&runner->waiting, runner->waiting + 1, __ATOMIC_RELAXED);
}

static void
call_remove_locked(VioRunner *runner, VioSyncCall *call)
{
    VioSyncCall **link = &runner->first;

    while (*link && *link != call)
        link = &(*link)->next;
    if (!*link)
        return; /* was called already */
    *link = call->next;
    if (!*link)
        runner->last = link;
    __atomic_store_n(&runner->waiting, runner->waiting - 1, __ATOMIC_RELAXED);
}

/* Wait to become the runner, or for the call's work.  0 or ETIMEDOUT. */
static int
call_wait_locked(VioRunner *runner, VioSyncCall *call, int64_t timeout_ns)
{
    uint64_t until = vio_now_ns() + (uint64_t) timeout_ns;
    struct timespec ts = {
        .tv_sec = (time_t) (until / 1000000000u),
        .tv_nsec = (long) (until % 1000000000u),
    };
    int ret = 0;

    while (!call->called && !call->done && ret != ETIMEDOUT)
        ret = timeout_ns < 0
                  ? pthread_cond_wait(&call->cond, &runner->lock)
                  : pthread_cond_timedwait(&call->cond, &runner->lock, &ts);
    call_remove_locked(runner, call);
    return call->called || call->done ? 0 : ETIMEDOUT;
}

/* Hand the part to the first in line; it stays busy then. */
static void
runner_pass_locked(VioLoop *loop)
{
    VioRunner *runner = &loop->runner;
    VioSyncCall *call = runner->first;

    runner->sync = false;
    if (call) {
        call_remove_locked(runner, call);
        call->called = true;
        pthread_cond_signal(&call->cond);
        return;
    }
    runner->busy = false;
    vio_loop_rest(loop);
    /* A foreign loop may sleep by a timeout that is out of date.  When it
     * dispatches itself it is awake, and must not be woken again. */
    if (runner->embedded && runner->beside)
        vio_waker_wake(loop->waker);
}

bool
vio_runner_enter(VioLoop *loop, VioRunFrame *frame, int64_t timeout_ns)
{
    VioRunner *runner = &loop->runner;
    bool mine = true;

    if (!loop->fixed_runner) {
        pthread_mutex_lock(&runner->lock);
        if (runner->busy && timeout_ns != 0) {
            VioSyncCall call;

            call_init(&call, loop);
            call_append_locked(runner, &call);
            mine = call_wait_locked(runner, &call, timeout_ns) == 0;
            (void) pthread_cond_destroy(&call.cond);
        } else {
            mine = !runner->busy;
        }
        if (mine) {
            runner->busy = true;
            runner->beside = timeout_ns != 0;
        }
        pthread_mutex_unlock(&runner->lock);
    }
    if (mine) {
        frame_push(frame, loop);
        vio_loop_start(loop);
    }
    return mine;
}

void
vio_runner_leave(VioLoop *loop, VioRunFrame *frame)
{
    (void) vio_late_run(loop); /* the next turn may be long in coming */
    frame_pop(frame);
    if (loop->fixed_runner) {
        loop->runner.sync = false;
        vio_loop_rest(loop);
        return;
    }
    pthread_mutex_lock(&loop->runner.lock);
    runner_pass_locked(loop);
    pthread_mutex_unlock(&loop->runner.lock);
}

/* -- synchronous calls ---------------------------------------------------- */

static void
call_co_main(void *opaque)
{
    VioSyncCall *call = opaque;
    VioRunner *runner = &call->loop->runner;

    call->fn(call->opaque);
    pthread_mutex_lock(&runner->lock);
    call->done = true;
    pthread_cond_signal(&call->cond); /* the call may be gone after unlock */
    pthread_mutex_unlock(&runner->lock);
}

static void
call_take(VioLoop *loop, VioInboxItem *item)
{
    VioSyncCall *call = (VioSyncCall *) item; /* its first member */

    vio_co_start(loop, call_co_main, call);
}

/* The calling thread is the runner: turn the loop until @call is done. */
static void
call_lead(VioLoop *loop, VioSyncCall *call)
{
    VioRunFrame frame;

    frame_push(&frame, loop);
    vio_loop_start(loop);
    loop->runner.sync = true;
    loop->runner.beside = true;
    while (!call->done)
        (void) vio_loop_step(loop, -1);
    vio_runner_leave(loop, &frame);
}

void
vio_loop_run_sync(VioLoop *loop, VioCoFunc fn, void *opaque)
{
    VioRunner *runner = &loop->runner;
    VioSyncCall call;
    bool lead = true;

    g_assert(!vio_loop_is_runner(loop)); /* it would wait for itself */
    call_init(&call, loop);
    call.item.take = call_take;
    call.fn = fn;
    call.opaque = opaque;
    pthread_mutex_lock(&runner->lock);
    if (!runner->busy || loop->fixed_runner) {
        runner->busy = !loop->fixed_runner;
        pthread_mutex_unlock(&runner->lock);
        vio_co_start(loop, call_co_main, &call);
    } else {
        call_append_locked(runner, &call);
        vio_inbox_push(&loop->inbox, &call.item);
        vio_waker_wake(loop->waker);
        (void) call_wait_locked(runner, &call, -1);
        lead = call.called;
        pthread_mutex_unlock(&runner->lock);
    }
    if (lead)
        call_lead(loop, &call);
    (void) pthread_cond_destroy(&call.cond);
}
