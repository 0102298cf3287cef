/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench-lane.c - keeping requests in flight, and their times.
 *
 * A lane warms up, measures, and waits for what is in flight; whether a request
 * counts is settled when it is submitted.  Each slot is a request in flight
 * with a buffer of its own; writes share one, since nobody changes it.
 *
 * Concurrency: a lane belongs to its thread; *stop is atomic.
 */
#include "tools/img/bench-lane.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/signals.h"

#define NS_PER_SEC 1000000000.0
#define LANE_ALIGN 4096  /* enough for any direct I/O */
#define LANE_TURN_MS 100 /* signals are looked for this often */
/* After a signal: how long requests in flight are waited for if nothing is lost
 * with them. */
#define LANE_PATIENCE_NS UINT64_C(2000000000)

struct Work;

typedef struct Slot {
    struct Work *work;
    struct iovec iov;
    BenchRequest req;
    uint64_t start_ns;
    bool measured, flush;
} Slot;

/* A lane at work. */
typedef struct Work {
    BenchLane *lane;
    uint64_t size;
    uint64_t next;  /* number of the next request */
    uint64_t quota; /* how many are to be measured */
    uint64_t start_ns, deadline_ns;
    bool measuring;
    unsigned since_flush; /* requests */
    bool draining;        /* a flush is due and nothing else may begin */
    Slot *slots;
    GPtrArray *free_slots;
    Slot flush_slot;
    bool flush_busy;
    unsigned in_flight; /* flushes too */
    char *buffers;
} Work;

static uint64_t
now_ns(void)
{
    struct timespec t;

    (void) clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail */
    return (uint64_t) t.tv_sec * (uint64_t) NS_PER_SEC + (uint64_t) t.tv_nsec;
}

static void
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
measuring_begin(Work *work, uint64_t now)
{
    const BenchPlan *plan = work->lane->plan;

    work->measuring = true;
    work->lane->begin_ns = now;
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

static void
work_begin(Work *work, BenchLane *lane)
{
    uint64_t now = now_ns();

    work->lane = lane;
    work->size = vd_disk_size(lane->disk);
    work->next = lane->index;
    work->quota = lane_quota(lane);
    work->start_ns = now;
    if (lane->plan->warmup <= 0)
        measuring_begin(work, now);
}

static bool
work_stopped(const Work *work)
{
    return signals_stopped() || g_atomic_int_get(work->lane->stop);
}

/* May a request begin @now? */
static bool
work_goes_on(Work *work, uint64_t now)
{
    const BenchLane *lane = work->lane;

    if (work_stopped(work) || work->quota == 0)
        return false;
    if (!work->measuring &&
        (double) (now - work->start_ns) >= lane->plan->warmup * NS_PER_SEC)
        measuring_begin(work, now);
    if (!work->measuring)
        return true;
    return lane->requests < work->quota && now < work->deadline_ns;
}

static BenchRequest
work_next(Work *work)
{
    BenchLane *lane = work->lane;
    BenchRequest req = bench_plan_request(lane->plan, work->size, work->next);

    work->next += lane->plan->threads;
    work->since_flush++;
    if (work->measuring)
        lane->requests++;
    return req;
}

static bool
flush_due(const Work *work)
{
    unsigned interval = work->lane->plan->flush_interval;

    return interval && work->since_flush >= interval;
}

static void
time_note(BenchLane *lane, BenchLatency *kind, uint64_t start, bool measured)
{
    uint64_t now = now_ns();

    if (!measured)
        return;
    bench_latency_add(kind, now - start);
    lane->end_ns = now;
}

/* -- asynchronous --------------------------------------------------------- */

static void work_fill(Work *work);

static void
slot_done(void *opaque, const GError *error)
{
    Slot *slot = opaque;
    Work *work = slot->work;
    BenchLane *lane = work->lane;

    if (error)
        lane_fail(lane, slot->req.write ? "write" : "read", &slot->req, error);
    time_note(lane, slot->req.write ? &lane->write : &lane->read,
              slot->start_ns, slot->measured && !error);
    work->in_flight--;
    g_ptr_array_add(work->free_slots, slot);
    work_fill(work);
}

static void
slot_submit(Work *work, uint64_t now)
{
    Slot *slot = g_ptr_array_steal_index_fast(work->free_slots,
                                              work->free_slots->len - 1);

    slot->measured = work->measuring;
    slot->req = work_next(work);
    slot->start_ns = now;
    work->in_flight++;
    if (slot->req.write)
        vd_disk_pwritev_async(work->lane->disk, &work->flush_slot.iov, 1,
                              slot->req.off, (VdReqFlags) 0, slot_done, slot);
    else
        vd_disk_preadv_async(work->lane->disk, &slot->iov, 1, slot->req.off,
                             slot_done, slot);
}

static void
flush_done(void *opaque, const GError *error)
{
    Slot *slot = opaque;
    Work *work = slot->work;

    if (error)
        lane_fail(work->lane, "flush", NULL, error);
    time_note(work->lane, &work->lane->flush, slot->start_ns,
              slot->measured && !error);
    work->in_flight--;
    work->flush_busy = false;
    work->draining = false;
    work_fill(work);
}

/* One at a time: a second one would only wait for the first. */
static void
flush_submit(Work *work)
{
    Slot *slot = &work->flush_slot;

    work->since_flush = 0;
    work->flush_busy = true;
    work->in_flight++;
    slot->measured = work->measuring;
    slot->start_ns = now_ns();
    vd_disk_flush_async(work->lane->disk, flush_done, slot);
}

/* A flush where one is due and may begin; false if requests must wait. */
static bool
flush_take_turn(Work *work)
{
    if (!flush_due(work) && !work->draining)
        return true;
    if (work->flush_busy)
        return false;
    work->draining = !work->lane->plan->no_drain;
    if (work->draining && work->in_flight > 0)
        return false;
    flush_submit(work);
    return !work->draining;
}

static void
work_fill(Work *work)
{
    uint64_t now = now_ns();

    while (work->free_slots->len > 0) {
        if (work_stopped(work) || !flush_take_turn(work))
            return;
        if (!work_goes_on(work, now))
            break;
        slot_submit(work, now);
    }
    /* What was written since the last flush gets one, too. */
    if (work->lane->plan->flush_interval && work->since_flush &&
        !work->flush_busy && work->in_flight == 0 && !work_stopped(work))
        flush_submit(work);
}

static bool
patience_over(const Work *work, uint64_t *since)
{
    if (!signals_stopped() || bench_plan_writes(work->lane->plan))
        return false;
    if (*since == 0)
        *since = now_ns();
    return now_ns() - *since > LANE_PATIENCE_NS;
}

static void
work_wait(Work *work)
{
    VdContext *ctx = vd_disk_context(work->lane->disk);
    uint64_t since = 0;

    while (work->in_flight > 0) {
        (void) vd_context_iterate(ctx, LANE_TURN_MS); /* the count tells */
        if (patience_over(work, &since)) {
            work->lane->abandoned = work->in_flight > 0;
            return;
        }
    }
}

/* -- buffers -------------------------------------------------------------- */

static char *
buffer_new(size_t len, int byte)
{
    void *buffer = NULL;

    if (posix_memalign(&buffer, LANE_ALIGN, len) != 0)
        return NULL;
    /* Pages that nobody has written to are all the same one: no test of
     * memory. */
    memset(buffer, byte, len);
    return buffer;
}

static size_t
rounded(size_t len)
{
    return (len + LANE_ALIGN - 1) / LANE_ALIGN * LANE_ALIGN;
}

/* No more than there can be requests. */
static unsigned
slots_needed(const Work *work)
{
    const BenchPlan *plan = work->lane->plan;

    if (plan->warmup > 0)
        return plan->depth;
    return (unsigned) MIN((uint64_t) plan->depth, work->quota);
}

static bool
slots_new(Work *work)
{
    const BenchPlan *plan = work->lane->plan;
    unsigned n = slots_needed(work);
    size_t stride = rounded(plan->buf_size);
    size_t read_len = plan->reads ? stride * n : 0;
    char *at;

    work->buffers = buffer_new(stride + read_len, plan->pattern);
    if (!work->buffers)
        return false;
    work->flush_slot.work = work;
    work->flush_slot.iov = (struct iovec){work->buffers, plan->buf_size};
    work->slots = g_new0(Slot, n);
    work->free_slots = g_ptr_array_sized_new(n);
    at = work->buffers + stride;
    for (unsigned i = 0; i < n; i++) {
        work->slots[i].work = work;
        if (plan->reads)
            work->slots[i].iov =
                (struct iovec){at + stride * i, plan->buf_size};
        g_ptr_array_add(work->free_slots, &work->slots[i]);
    }
    return true;
}

static void
work_free(Work *work)
{
    if (work->free_slots)
        g_ptr_array_unref(work->free_slots);
    g_free(work->slots);
    free(work->buffers);
    g_free(work);
}

static void
no_memory(BenchLane *lane)
{
    g_autoptr(GError) error =
        g_error_new_literal(VD_ERROR, VD_ERROR_NO_MEMORY, "out of memory");

    lane_fail(lane, "buffers", NULL, error);
}

void
bench_lane_run(BenchLane *lane)
{
    Work *work = g_new0(Work, 1);

    work_begin(work, lane);
    if (slots_new(work)) {
        /* Memory is there now: the clock begins anew. */
        work_begin(work, lane);
        work_fill(work);
        work_wait(work);
    } else {
        no_memory(lane);
    }
    if (!lane->abandoned)
        work_free(work);
}

/* -- synchronous ---------------------------------------------------------- */

static void
sync_request(Work *work, char *buffer, uint64_t start)
{
    BenchLane *lane = work->lane;
    g_autoptr(GError) error = NULL;
    uint32_t len = lane->plan->buf_size;
    bool measured = work->measuring;
    BenchRequest req = work_next(work);
    bool ok = req.write ? vd_disk_pwrite(lane->disk, buffer, len, req.off,
                                         (VdReqFlags) 0, &error)
                        : vd_disk_pread(lane->disk, buffer + rounded(len), len,
                                        req.off, &error);

    if (!ok)
        lane_fail(lane, req.write ? "write" : "read", &req, error);
    time_note(lane, req.write ? &lane->write : &lane->read, start,
              measured && ok);
}

static void
sync_flush(Work *work)
{
    g_autoptr(GError) error = NULL;
    uint64_t start = now_ns();
    bool ok = vd_disk_flush(work->lane->disk, &error);

    work->since_flush = 0;
    if (!ok)
        lane_fail(work->lane, "flush", NULL, error);
    time_note(work->lane, &work->lane->flush, start, work->measuring && ok);
}

void
bench_lane_run_sync(BenchLane *lane)
{
    size_t stride = rounded(lane->plan->buf_size);
    char *buffer = buffer_new(2 * stride, lane->plan->pattern);
    Work work = {0};
    uint64_t now;

    if (!buffer) {
        no_memory(lane);
        return;
    }
    work_begin(&work, lane);
    while (now = now_ns(), work_goes_on(&work, now)) {
        sync_request(&work, buffer, now);
        if (flush_due(&work))
            sync_flush(&work);
    }
    if (lane->plan->flush_interval && work.since_flush && !work_stopped(&work))
        sync_flush(&work);
    free(buffer);
}
