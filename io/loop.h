/* SPDX-License-Identifier: BSD-3-Clause */
/* io/loop.h - the event loop: ready list, timers, inbox, engine.
 *
 * One thread at a time runs a loop (its runner).  Everything here is for the
 * runner unless marked "any thread".  A loop can be run in three ways:
 *   - blocking: vio_loop_iterate(), vio_loop_run_sync()
 *   - inside a foreign loop: fd, timeout, dispatch
 *   - inside GLib: vio_loop_source_new()
 *
 * One turn: run the ready list (submissions gather meanwhile), submit and
 * reap in one system call, expire timers, take the inbox.  Completions append
 * to the ready list and never run user code themselves.
 */
#pragma once

#include "io/coroutine.h"

#include <glib.h>
#include <stdint.h>

typedef enum VioEngineKind {
    VIO_ENGINE_AUTO, /* VDISK_ENGINE, else the best that works here */
    VIO_ENGINE_URING,
    VIO_ENGINE_THREADS,
    VIO_ENGINE_AIO, /* threads, and Linux AIO for files with O_DIRECT */
} VioEngineKind;

typedef struct VioLoopParams {
    VioEngineKind engine;
    bool fixed_runner;     /* one thread will run it for life: allows
                              SINGLE_ISSUER and DEFER_TASKRUN */
    unsigned workers;      /* offload workers; 0 = number of CPUs, <= 16 */
    size_t buffer_limit;   /* bytes the buffer pool may hand out; 0 = 64 MiB */
    unsigned ring_entries; /* io_uring submission entries; 0 = 256 */
} VioLoopParams;

/* Returns 0 or -errno.  With VIO_ENGINE_AUTO a forbidden io_uring falls back
 * silently; an engine asked for by name (argument or VDISK_ENGINE) that does
 * not work is an error (-ENOSYS, -EPERM, ...); a VDISK_ENGINE that names no
 * engine is -EINVAL. */
int vio_loop_new(const VioLoopParams *params, VioLoop **loop);

/* The loop must be idle: no coroutine left, no request in flight. */
void vio_loop_free(VioLoop *loop);

/* "uring", "threads" or "aio"; and why it was chosen, for statistics.  A loop
 * that has "threads" for want of io_uring gets "aio" with its first file that
 * bypasses the page cache.  Any thread. */
const char *vio_loop_engine_name(const VioLoop *loop);
const char *vio_loop_engine_reason(const VioLoop *loop);

/* -- embedding ------------------------------------------------------------ */

/* Pollable descriptor: readable when vio_loop_dispatch() has work to do, or
 * -errno.  A loop with a fixed runner must be asked before its first request
 * (io_uring needs another kind of ring then).  Completions may interrupt the
 * poll with EINTR, which is nothing but another reason to look again. */
int vio_loop_fd(VioLoop *loop);

/* Milliseconds until dispatch has timer work; 0 = now, -1 = no timer. */
int vio_loop_timeout_ms(VioLoop *loop);

/* Run everything that is ready; never blocks (but for small buffered writes of
 * a loop whose fd nobody has asked for).  True if it did anything. */
bool vio_loop_dispatch(VioLoop *loop);

/* Like dispatch, but waits up to @timeout_ms (-1: for ever) for work. */
bool vio_loop_iterate(VioLoop *loop, int timeout_ms);

/* A GSource that dispatches @loop; attach it to any GMainContext. */
GSource *vio_loop_source_new(VioLoop *loop);

/* -- from other threads --------------------------------------------------- */

/* Any thread: have the runner start a coroutine that calls fn(opaque). */
void vio_loop_post_co(VioLoop *loop, VioCoFunc fn, void *opaque);

/* Any thread: have the runner call fn(opaque), outside of any coroutine. */
void vio_loop_post(VioLoop *loop, VioCoFunc fn, void *opaque);

/* Any thread outside of a coroutine: if nobody runs the loop, call fn(opaque)
 * as its runner, then do what can be done without waiting.  False if somebody
 * does; then nothing has been done. */
bool vio_loop_try_run(VioLoop *loop, VioCoFunc fn, void *opaque);

/* Any thread outside of a coroutine: run fn(opaque) as a coroutine of @loop
 * and return when it has finished.  If nobody runs the loop the caller becomes
 * its runner for that long and no thread is handed over; if another
 * run_sync caller is the runner, the work is posted to it, and one waiter takes
 * over as runner when it leaves. Loops with fixed_runner: owner thread only. */
void vio_loop_run_sync(VioLoop *loop, VioCoFunc fn, void *opaque);

/* True if the calling thread is inside this loop's dispatch or iterate. */
bool vio_loop_is_runner(VioLoop *loop);

/* -- plain callbacks, for code below coroutines --------------------------- */

typedef void (*VioFunc)(void *opaque);

/* Call fn(opaque) from the next turn, outside of any coroutine. */
void vio_loop_defer(VioLoop *loop, VioFunc fn, void *opaque);

/* Monotonic nanoseconds, as the timers see them. */
uint64_t vio_now_ns(void);

typedef struct VioLoopStats {
    uint64_t turns, submits, completions;
    uint64_t inline_reads, inline_misses, inline_writes;
    uint64_t syscalls; /* of operations and of waiting, by any thread; not of
                          locks, memory and signalling */
    uint64_t offloads, coroutines_started, wakeups;
    unsigned coroutines_alive, coroutines_peak;
    uint64_t buffer_bytes, buffer_bytes_peak, buffer_bytes_pinned;
} VioLoopStats;

void vio_loop_get_stats(const VioLoop *loop, VioLoopStats *stats);
