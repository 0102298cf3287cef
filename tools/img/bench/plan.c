/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/plan.c - from the number of a request to its place and kind.
 *
 * Concurrency: no state.
 */
#include "tools/img/bench/plan.h"

/* Spreads the bits of a counter (the finalizer of splitmix64). */
static uint64_t
bits_mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* 0 ... @n - 1, evenly: the high half of a product has no modulo's bias. */
static uint64_t
bits_below(uint64_t bits, uint64_t n)
{
    return (uint64_t) (((unsigned __int128) bits * n) >> 64);
}

/* How many requests fit from @from to the end; @from + buf_size <= @size. */
static uint64_t
places_from(const BenchPlan *plan, uint64_t size, uint64_t from)
{
    return (size - from - plan->buf_size) / plan->step + 1;
}

static uint64_t
sequential_place(const BenchPlan *plan, uint64_t size, uint64_t n)
{
    uint64_t first_pass = places_from(plan, size, plan->offset);
    /* Later passes begin at the front, in the same alignment. */
    uint64_t front = plan->offset % plan->step;

    if (n < first_pass)
        return plan->offset + n * plan->step;
    n = (n - first_pass) % places_from(plan, size, front);
    return front + n * plan->step;
}

static uint64_t
random_place(const BenchPlan *plan, uint64_t size, uint64_t n)
{
    uint64_t places = places_from(plan, size, plan->offset);
    uint64_t bits = bits_mix(plan->seed ^ bits_mix(n));

    return plan->offset + bits_below(bits, places) * plan->step;
}

static bool
request_writes(const BenchPlan *plan, uint64_t n)
{
    uint64_t bits = bits_mix(~plan->seed ^ bits_mix(n));

    return bits_below(bits, (uint64_t) plan->reads + plan->writes) <
           plan->writes;
}

BenchRequest
bench_plan_request(const BenchPlan *plan, uint64_t size, uint64_t n)
{
    BenchRequest req = {.off = plan->offset, .write = request_writes(plan, n)};

    if (size < plan->buf_size || plan->offset > size - plan->buf_size)
        return req;
    req.off = plan->random ? random_place(plan, size, n)
                           : sequential_place(plan, size, n);
    return req;
}

const char *
bench_plan_kind(const BenchPlan *plan)
{
    if (!plan->writes)
        return "read";
    return plan->reads ? "mixed" : "write";
}

uint64_t
bench_plan_parallel(const BenchPlan *plan)
{
    return (uint64_t) plan->depth * plan->threads;
}
