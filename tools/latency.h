/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/latency.h - how long requests took, in bounded memory.
 *
 * A histogram whose steps grow with the values: a percentile is at most 1/64
 * too high, however many requests there were.
 */
#pragma once

#include <stdint.h>

#define LATENCY_STEPS 64 /* in each power of two */
#define LATENCY_POWERS 38
#define LATENCY_CELLS (LATENCY_STEPS * (LATENCY_POWERS + 1))

typedef struct BenchLatency {
    uint64_t count, sum_ns;
    uint64_t min_ns, max_ns; /* exact; 0 if there is none */
    uint64_t cells[LATENCY_CELLS];
} BenchLatency;

void bench_latency_add(BenchLatency *latency, uint64_t ns);
void bench_latency_merge(BenchLatency *to, const BenchLatency *from);
/* The time that @percent of the requests did not exceed; 0 if there is none. */
uint64_t bench_latency_percentile(const BenchLatency *latency, double percent);
double bench_latency_mean(const BenchLatency *latency);

/* The percentiles that reports name: "p50" ... "p99.9". */
typedef struct BenchPercentile {
    const char *name;
    double percent;
} BenchPercentile;

#define BENCH_PERCENTILES 4
extern const BenchPercentile bench_percentiles[BENCH_PERCENTILES];
