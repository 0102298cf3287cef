/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/lane.h - one thread's part of a benchmark.
 *
 * Of N lanes lane I does the requests I, I + N, I + 2N, ...
 */
#pragma once

#include "tools/latency.h"
#include "tools/img/bench/plan.h"

#include "include/vdisk.h"

typedef struct BenchLane {
    /* given */
    const BenchPlan *plan;
    VdDisk *disk;
    unsigned index;
    gint *stop; /* set by the first lane that fails, for all of them */

    /* found out */
    Latency read, write, flush;
    uint64_t begin_ns, end_ns;         /* of the measurement */
    uint64_t begin_cpu_ns, end_cpu_ns; /* of the process */
    uint64_t requests;                 /* measured */
    GError *error;                     /* the first */
    bool abandoned; /* requests are still in flight: nothing may be freed */
} BenchLane;

/* Keeps plan->depth asynchronous requests in flight and runs the disk's
 * context. */
void bench_lane_run(BenchLane *lane);
/* One synchronous request at a time; others may use the disk as well. */
void bench_lane_run_sync(BenchLane *lane);
