/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/latency.c - a log-linear histogram.
 *
 * Cells 0 ... 63 hold one nanosecond each; behind them every power of two is
 * cut in 64 equal steps, up to nearly five hours.  What is longer is counted in
 * the last cell.
 *
 * Concurrency: one thread for each Latency.
 */
#include "tools/latency.h"

#include <math.h>
#include <stddef.h>

#define LATENCY_STEP_BITS 6 /* log2 of LATENCY_STEPS */

const LatencyPercentile latency_percentiles[LATENCY_PERCENTILES] = {
    {"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}};

static size_t
cell_of(uint64_t ns)
{
    if (ns < LATENCY_STEPS)
        return (size_t) ns;
    unsigned power = 63 - (unsigned) __builtin_clzll(ns) - LATENCY_STEP_BITS;
    size_t cell = (size_t) LATENCY_STEPS * power + (size_t) (ns >> power);
    return cell < LATENCY_CELLS ? cell : LATENCY_CELLS - 1;
}

/* The longest time that is counted in @cell. */
static uint64_t
cell_end(size_t cell)
{
    if (cell < LATENCY_STEPS)
        return cell;
    unsigned power = (unsigned) (cell / LATENCY_STEPS) - 1;
    uint64_t step = cell % LATENCY_STEPS + LATENCY_STEPS;
    return ((step + 1) << power) - 1;
}

void
latency_add(Latency *latency, uint64_t ns)
{
    if (latency->count == 0 || ns < latency->min_ns)
        latency->min_ns = ns;
    if (ns > latency->max_ns)
        latency->max_ns = ns;
    latency->count++;
    latency->sum_ns += ns;
    latency->cells[cell_of(ns)]++;
}

void
latency_merge(Latency *to, const Latency *from)
{
    if (from->count == 0)
        return;
    if (to->count == 0 || from->min_ns < to->min_ns)
        to->min_ns = from->min_ns;
    if (from->max_ns > to->max_ns)
        to->max_ns = from->max_ns;
    to->count += from->count;
    to->sum_ns += from->sum_ns;
    for (size_t i = 0; i < LATENCY_CELLS; i++)
        to->cells[i] += from->cells[i];
}

uint64_t
latency_percentile(const Latency *latency, double percent)
{
    double wanted = ceil((double) latency->count * percent / 100);
    uint64_t seen = 0;

    for (size_t i = 0; i < LATENCY_CELLS; i++) {
        seen += latency->cells[i];
        if (latency->cells[i] && (double) seen >= wanted) {
            /* The ends of a cell may lie beyond what was measured. */
            uint64_t ns = cell_end(i);
            if (ns > latency->max_ns || i == LATENCY_CELLS - 1)
                ns = latency->max_ns;
            return ns < latency->min_ns ? latency->min_ns : ns;
        }
    }
    return 0;
}

double
latency_mean(const Latency *latency)
{
    if (latency->count == 0)
        return 0;
    return (double) latency->sum_ns / (double) latency->count;
}
