/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/lane-sync.c - one request after the other.
 *
 * Concurrency: a lane belongs to its thread; its disk is used by others, too.
 */
#include <stdlib.h>

#include "tools/img/bench/lane-work.h"

static void
sync_request(LaneWork *work, char *buffer, uint64_t start)
{
    BenchLane *lane = work->lane;
    g_autoptr(GError) error = NULL;
    uint32_t len = lane->plan->buf_size;
    bool measured = work->measuring;
    BenchRequest req = lane_work_next(work);
    bool ok = req.write
                  ? vd_disk_pwrite(lane->disk, buffer, len, req.off,
                                   (VdReqFlags) 0, &error)
                  : vd_disk_pread(lane->disk, buffer + lane_buffer_rounded(len),
                                  len, req.off, &error);

    if (!ok)
        lane_fail(lane, req.write ? "write" : "read", &req, error);
    (void) lane_time_note(lane, req.write ? &lane->write : &lane->read, start,
                          measured && ok);
}

static void
sync_flush(LaneWork *work)
{
    g_autoptr(GError) error = NULL;
    uint64_t start = lane_now_ns();
    bool ok = vd_disk_flush(work->lane->disk, &error);

    work->since_flush = 0;
    if (!ok)
        lane_fail(work->lane, "flush", NULL, error);
    (void) lane_time_note(work->lane, &work->lane->flush, start,
                          work->measuring && ok);
}

void
bench_lane_run_sync(BenchLane *lane)
{
    size_t stride = lane_buffer_rounded(lane->plan->buf_size);
    char *buffer = lane_buffer_new(2 * stride, lane->plan->pattern);
    LaneWork work = {0};
    uint64_t now;

    if (!buffer) {
        lane_no_memory(lane);
        return;
    }
    lane_work_begin(&work, lane);
    while (now = lane_now_ns(), lane_work_goes_on(&work, now)) {
        sync_request(&work, buffer, now);
        if (lane_flush_due(&work))
            sync_flush(&work);
    }
    if (lane->plan->flush_interval && work.since_flush &&
        !lane_work_stopped(&work))
        sync_flush(&work);
    free(buffer);
}
