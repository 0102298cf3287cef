/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/lane-work.c - when a lane begins, goes on and stops.
 *
 * A lane warms up, then measures; whether a request counts is settled when it
 * is submitted.
 *
 * Concurrency: a lane belongs to its thread; *stop is atomic.
 */
#include "tools/img/bench/lane-work.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/signals.h"

#define NS_PER_SEC 1000000000.0
#define LANE_ALIGN 4096 /* enough for any direct I/O */

static uint64_t
clock_ns(clockid_t clock)
{
    struct timespec t;

    (void) clock_gettime(clock, &t); /* cannot fail */
    return (uint64_t) t.tv_sec * (uint64_t) NS_PER_SEC + (uint64_t) t.tv_nsec;
}

uint64_t
lane_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t
lane_cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

void
lane_fail(BenchLane *lane, const char *what, const BenchRequest *req,
          const GError *error)
{
    g_atomic_int_set(lane->stop, 1);
    if (lane->error)
        return;
    lane->error = g_error_copy(error);
    if (req)
        g_prefix_error(&lane->error,
                       "%s of %" PRIu32 " bytes at offset %" PRIu64 ": ", what,
                       lane->plan->buf_size, req->off);
    else
        g_prefix_error(&lane->error, "%s: ", what);
}

/* -- when to begin and when to stop --------------------------------------- */

static void
measuring_begin(LaneWork *work, uint64_t now)
{
    const BenchPlan *plan = work->lane->plan;

    work->measuring = true;
    work->lane->begin_ns = now;
    work->lane->begin_cpu_ns = lane_cpu_ns();
    work->lane->end_ns = now;
    work->deadline_ns = UINT64_MAX;
    if (plan->seconds > 0)
        work->deadline_ns = now + (uint64_t) (plan->seconds * NS_PER_SEC);
}

/* Requests of the lane, of plan->count dealt out to all of them in turn. */
static uint64_t
lane_quota(const BenchLane *lane)
{
    const BenchPlan *plan = lane->plan;

    if (plan->count == 0 && plan->seconds > 0)
        return UINT64_MAX;
    return plan->count / plan->threads +
           (lane->index < plan->count % plan->threads);
}

void
lane_work_begin(LaneWork *work, BenchLane *lane)
{
    uint64_t now = lane_now_ns();

    work->lane = lane;
    work->size = vd_disk_size(lane->disk);
    work->next = lane->index;
    work->quota = lane_quota(lane);
    work->start_ns = now;
    if (lane->plan->warmup <= 0)
        measuring_begin(work, now);
}

bool
lane_work_stopped(const LaneWork *work)
{
    return signals_stopped() || g_atomic_int_get(work->lane->stop);
}

bool
lane_work_goes_on(LaneWork *work, uint64_t now)
{
    const BenchLane *lane = work->lane;

    if (lane_work_stopped(work) || work->quota == 0)
        return false;
    if (!work->measuring &&
        (double) (now - work->start_ns) >= lane->plan->warmup * NS_PER_SEC)
        measuring_begin(work, now);
    if (!work->measuring)
        return true;
    return lane->requests < work->quota && now < work->deadline_ns;
}

BenchRequest
lane_work_next(LaneWork *work)
{
    BenchLane *lane = work->lane;
    BenchRequest req = bench_plan_request(lane->plan, work->size, work->next);

    work->next += lane->plan->threads;
    work->since_flush++;
    if (work->measuring)
        lane->requests++;
    return req;
}

bool
lane_flush_due(const LaneWork *work)
{
    unsigned interval = work->lane->plan->flush_interval;

    return interval && work->since_flush >= interval;
}

uint64_t
lane_time_note(BenchLane *lane, Latency *kind, uint64_t start, bool measured)
{
    uint64_t now = lane_now_ns();

    if (measured) {
        latency_add(kind, now - start);
        lane->end_ns = now;
    }
    return now;
}

/* -- buffers -------------------------------------------------------------- */

char *
lane_buffer_new(size_t len, int byte)
{
    void *buffer = NULL;

    if (posix_memalign(&buffer, LANE_ALIGN, len) != 0)
        return NULL;
    /* Pages that nobody has written to are all the same one: no test of
     * memory. */
    memset(buffer, byte, len);
    return buffer;
}

size_t
lane_buffer_rounded(size_t len)
{
    return (len + LANE_ALIGN - 1) / LANE_ALIGN * LANE_ALIGN;
}

void
lane_no_memory(BenchLane *lane)
{
    g_autoptr(GError) error =
        g_error_new_literal(VD_ERROR, VD_ERROR_NO_MEMORY, "out of memory");

    lane_fail(lane, "buffers", NULL, error);
}
