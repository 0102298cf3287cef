/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/latency.h - how long requests took, in bounded memory.
 *
 * A histogram whose steps grow with the values: a percentile is at most 1/64
 * too high, however many requests there were.
 */
#pragma once

#include <stdint.h>

#define LATENCY_STEPS 64 /* in each power of two */
#define LATENCY_POWERS 38
#define LATENCY_CELLS (LATENCY_STEPS * (LATENCY_POWERS + 1))

typedef struct Latency {
    uint64_t count, sum_ns;
    uint64_t min_ns, max_ns; /* exact; 0 if there is none */
    uint64_t cells[LATENCY_CELLS];
} Latency;

void latency_add(Latency *latency, uint64_t ns);
void latency_merge(Latency *to, const Latency *from);
/* The time that @percent of the requests did not exceed; 0 if there is none. */
uint64_t latency_percentile(const Latency *latency, double percent);
double latency_mean(const Latency *latency);

/* The percentiles that reports name: "p50" ... "p99.9". */
typedef struct LatencyPercentile {
    const char *name;
    double percent;
} LatencyPercentile;

#define LATENCY_PERCENTILES 4
extern const LatencyPercentile latency_percentiles[LATENCY_PERCENTILES];
