/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/plan.h - what a benchmark does: the Nth of its requests.
 *
 * Each request is a function of its number, so that what is asked for does not
 * depend on threads, depth or timing, and a seed makes the same run again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct BenchPlan {
    unsigned count;          /* requests to measure; 0 and a time = unlimited */
    double seconds;          /* measure for so long; 0 = until @count */
    double warmup;           /* seconds before that */
    unsigned depth;          /* in parallel, in each thread */
    unsigned threads;        /* at least 1 */
    bool disks;              /* each thread has a disk of its own */
    uint32_t buf_size;       /* bytes of a request, > 0 */
    uint32_t step;           /* bytes from one request to the next, > 0 */
    uint64_t offset;         /* of the first request */
    bool random;             /* places at random, @step apart */
    uint64_t seed;           /* for places and for what is written */
    unsigned reads, writes;  /* their shares */
    uint8_t pattern;         /* byte that is written */
    unsigned flush_interval; /* requests; 0 = no flushes */
    bool no_drain;           /* flushes do not wait for what is in flight */
} BenchPlan;

typedef struct BenchRequest {
    uint64_t off;
    bool write;
} BenchRequest;

/* Request @n on a disk of @size bytes.  Sequential ones begin anew at the front
 * when the next would reach over the end.  Where not even one fits the result
 * is the offset of the plan. */
BenchRequest bench_plan_request(const BenchPlan *plan, uint64_t size,
                                uint64_t n);

static inline bool
bench_plan_writes(const BenchPlan *plan)
{
    return plan->writes > 0;
}

/* An image can be open for writing only once: threads that write share it. */
static inline bool
bench_plan_shares(const BenchPlan *plan)
{
    return plan->threads > 1 && bench_plan_writes(plan) && !plan->disks;
}

/* "read", "write" or "mixed". */
const char *bench_plan_kind(const BenchPlan *plan);
/* Requests in flight at once, all threads together. */
uint64_t bench_plan_parallel(const BenchPlan *plan);
