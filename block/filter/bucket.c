/* SPDX-License-Identifier: BSD-3-Clause */
/* block/filter/bucket.c - token bucket by virtual time.
 *
 * Concurrency: a value of its owner; nothing yields.
 */
#include "block/filter/bucket.h"

#include <glib.h>

#define NS_PER_S UINT64_C(1000000000)

/* A wait above this (30 years) is as good as any longer one, and sums of two
 * stay far from overflow. */
#define BUCKET_MAX_NS (UINT64_C(1) << 60)

static uint64_t
bucket_cost_ns(const VdBucket *bucket, uint64_t units)
{
    unsigned __int128 ns = (unsigned __int128) units * NS_PER_S / bucket->rate;

    return ns > BUCKET_MAX_NS ? BUCKET_MAX_NS : (uint64_t) ns;
}

uint64_t
vd_bucket_reserve(VdBucket *bucket, uint64_t units, uint64_t now_ns)
{
    uint64_t oldest, wait;

    if (bucket->rate == 0)
        return 0;
    oldest = now_ns > bucket->burst_ns ? now_ns - bucket->burst_ns : 0;
    bucket->paid_ns = MAX(bucket->paid_ns, oldest);
    wait = bucket->paid_ns > now_ns ? bucket->paid_ns - now_ns : 0;
    bucket->paid_ns += bucket_cost_ns(bucket, units);
    bucket->paid_ns = MIN(bucket->paid_ns, BUCKET_MAX_NS);
    return wait;
}
