/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/lane-async.c - keeping requests in flight.
 *
 * Each slot is a request in flight with a buffer of its own; writes share one,
 * since nobody changes it.  In the end what is in flight is waited for.
 *
 * Concurrency: a lane belongs to its thread.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/img/bench/lane-work.h"
#include "tools/signals.h"

#define LANE_TURN_MS 100 /* signals are looked for this often */
/* After a signal: how long requests in flight are waited for if nothing is lost
 * with them. */
#define LANE_PATIENCE_NS UINT64_C(2000000000)

struct Fleet;

typedef struct Slot {
    struct Fleet *fleet;
    struct iovec iov;
    BenchRequest req;
    uint64_t start_ns;
    bool measured;
} Slot;

/* All requests of a lane that are in flight. */
typedef struct Fleet {
    LaneWork work;
    bool draining; /* a flush is due and nothing else may begin */
    Slot *slots;
    GPtrArray *free_slots;
    Slot flush_slot; /* its buffer is what is written */
    bool flush_busy;
    unsigned in_flight; /* flushes too */
    char *buffers;
} Fleet;

static void fleet_fill(Fleet *fleet, uint64_t now);

static void
slot_done(void *opaque, const GError *error)
{
    Slot *slot = opaque;
    Fleet *fleet = slot->fleet;
    BenchLane *lane = fleet->work.lane;
    uint64_t now;

    if (error)
        lane_fail(lane, slot->req.write ? "write" : "read", &slot->req, error);
    now = lane_time_note(lane, slot->req.write ? &lane->write : &lane->read,
                         slot->start_ns, slot->measured && !error);
    fleet->in_flight--;
    g_ptr_array_add(fleet->free_slots, slot);
    fleet_fill(fleet, now);
}

static void
slot_submit(Fleet *fleet, uint64_t now)
{
    VdDisk *disk = fleet->work.lane->disk;
    Slot *slot = g_ptr_array_steal_index_fast(fleet->free_slots,
                                              fleet->free_slots->len - 1);

    slot->measured = fleet->work.measuring;
    slot->req = lane_work_next(&fleet->work);
    slot->start_ns = now;
    fleet->in_flight++;
    if (slot->req.write)
        vd_disk_pwritev_async(disk, &fleet->flush_slot.iov, 1, slot->req.off,
                              (VdReqFlags) 0, slot_done, slot);
    else
        vd_disk_preadv_async(disk, &slot->iov, 1, slot->req.off, slot_done,
                             slot);
}

/* -- flushes -------------------------------------------------------------- */

static void
flush_done(void *opaque, const GError *error)
{
    Slot *slot = opaque;
    Fleet *fleet = slot->fleet;
    BenchLane *lane = fleet->work.lane;
    uint64_t now;

    if (error)
        lane_fail(lane, "flush", NULL, error);
    now = lane_time_note(lane, &lane->flush, slot->start_ns,
                         slot->measured && !error);
    fleet->in_flight--;
    fleet->flush_busy = false;
    fleet->draining = false;
    fleet_fill(fleet, now);
}

/* One at a time: a second one would only wait for the first. */
static void
flush_submit(Fleet *fleet)
{
    LaneWork *work = &fleet->work;
    Slot *slot = &fleet->flush_slot;

    work->since_flush = 0;
    fleet->flush_busy = true;
    fleet->in_flight++;
    slot->measured = work->measuring;
    slot->start_ns = lane_now_ns();
    vd_disk_flush_async(work->lane->disk, flush_done, slot);
}

/* A flush where one is due and may begin; false if requests must wait. */
static bool
flush_take_turn(Fleet *fleet)
{
    if (!lane_flush_due(&fleet->work) && !fleet->draining)
        return true;
    if (fleet->flush_busy)
        return false;
    fleet->draining = !fleet->work.lane->plan->no_drain;
    if (fleet->draining && fleet->in_flight > 0)
        return false;
    flush_submit(fleet);
    return !fleet->draining;
}

/* -- as many as may be ---------------------------------------------------- */

/* @now: the caller has just looked, which costs more than it seems. */
static void
fleet_fill(Fleet *fleet, uint64_t now)
{
    LaneWork *work = &fleet->work;

    while (fleet->free_slots->len > 0) {
        if (lane_work_stopped(work) || !flush_take_turn(fleet))
            return;
        if (!lane_work_goes_on(work, now))
            break;
        slot_submit(fleet, now);
    }
    /* What was written since the last flush gets one, too. */
    if (work->lane->plan->flush_interval && work->since_flush &&
        !fleet->flush_busy && fleet->in_flight == 0 && !lane_work_stopped(work))
        flush_submit(fleet);
}

static bool
patience_over(const Fleet *fleet, uint64_t *since)
{
    if (!signals_stopped() || bench_plan_writes(fleet->work.lane->plan))
        return false;
    if (*since == 0)
        *since = lane_now_ns();
    return lane_now_ns() - *since > LANE_PATIENCE_NS;
}

static void
fleet_wait(Fleet *fleet)
{
    BenchLane *lane = fleet->work.lane;
    VdContext *ctx = vd_disk_context(lane->disk);
    uint64_t since = 0;

    while (fleet->in_flight > 0) {
        (void) vd_context_iterate(ctx, LANE_TURN_MS); /* the count tells */
        if (patience_over(fleet, &since)) {
            lane->abandoned = fleet->in_flight > 0;
            return;
        }
    }
}

/* No more than there can be requests. */
static unsigned
slots_needed(const Fleet *fleet)
{
    const BenchPlan *plan = fleet->work.lane->plan;

    if (plan->warmup > 0)
        return plan->depth;
    return (unsigned) MIN((uint64_t) plan->depth, fleet->work.quota);
}

static bool
slots_new(Fleet *fleet)
{
    const BenchPlan *plan = fleet->work.lane->plan;
    unsigned n = slots_needed(fleet);
    size_t stride = lane_buffer_rounded(plan->buf_size);
    size_t read_len = plan->reads ? stride * n : 0;
    char *at;

    fleet->buffers = lane_buffer_new(stride + read_len, plan->pattern);
    if (!fleet->buffers)
        return false;
    fleet->flush_slot.fleet = fleet;
    fleet->flush_slot.iov = (struct iovec){fleet->buffers, plan->buf_size};
    fleet->slots = g_new0(Slot, n);
    fleet->free_slots = g_ptr_array_sized_new(n);
    at = fleet->buffers + stride;
    for (unsigned i = 0; i < n; i++) {
        Slot *slot = &fleet->slots[i];
        slot->fleet = fleet;
        if (plan->reads)
            slot->iov = (struct iovec){at + stride * i, plan->buf_size};
        g_ptr_array_add(fleet->free_slots, slot);
    }
    return true;
}

static void
fleet_free(Fleet *fleet)
{
    if (fleet->free_slots)
        g_ptr_array_unref(fleet->free_slots);
    g_free(fleet->slots);
    free(fleet->buffers);
    g_free(fleet);
}

void
bench_lane_run(BenchLane *lane)
{
    Fleet *fleet = g_new0(Fleet, 1);

    lane_work_begin(&fleet->work, lane);
    if (slots_new(fleet)) {
        /* Memory is there now: the clock begins anew. */
        lane_work_begin(&fleet->work, lane);
        fleet_fill(fleet, lane_now_ns());
        fleet_wait(fleet);
    } else {
        lane_no_memory(lane);
    }
    if (!lane->abandoned)
        fleet_free(fleet);
}
