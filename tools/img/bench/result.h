/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/result.h - what a benchmark has measured. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "tools/latency.h"

typedef struct BenchResult {
    const char *engine; /* "uring", "threads", "aio" */
    char *format;
    uint64_t size;            /* of the disk */
    uint64_t requests, bytes; /* answered, without those of the warm-up */
    double seconds;
    double cpu_seconds; /* of all threads together */
    Latency read, write, flush;
    bool interrupted; /* by a signal */
    bool abandoned;   /* and requests are still in flight: end the process */
} BenchResult;

BenchResult *bench_result_new(void);
void bench_result_free(BenchResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BenchResult, bench_result_free)

/* Where requests of a run are still in flight after a signal nothing can be
 * closed: ends the process with the signal's exit code. */
void bench_leave_if_abandoned(const BenchResult *result);

double bench_result_iops(const BenchResult *result);
/* Bytes a second. */
double bench_result_throughput(const BenchResult *result);
/* Reads and writes together; belongs to the caller. */
Latency *bench_result_latency(const BenchResult *result);
