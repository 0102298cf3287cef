/* SPDX-License-Identifier: BSD-3-Clause */
/* io/pace.h - may what is nearly always quick be done right here, on the
 * loop's thread, although it may sleep now and then?
 *
 * As long as it is quick.  When it was slow once, others do it for fifty times
 * as long as it took: so the loop sleeps for 2 % of the time at most, whatever
 * the kernel is busy with, and a disk that has recovered is found out soon.
 *
 * Concurrency: the owner's.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* A hand-over to a thread and back takes up to 45 us; being preempted, which
 * looks the same, some milliseconds. */
#define VIO_PACE_SLOW_NS UINT64_C(1000000)
#define VIO_PACE_REST 50u
#define VIO_PACE_REST_MAX_NS UINT64_C(10000000000)

typedef struct VioPace {
    uint64_t rests_until_ns;
} VioPace;

static inline bool
vio_pace_allows(const VioPace *pace, uint64_t now_ns)
{
    return now_ns >= pace->rests_until_ns;
}

static inline void
vio_pace_took(VioPace *pace, uint64_t begin_ns, uint64_t end_ns)
{
    uint64_t took = end_ns - begin_ns;

    if (took < VIO_PACE_SLOW_NS)
        return;
    took = MIN(took, VIO_PACE_REST_MAX_NS / VIO_PACE_REST);
    pace->rests_until_ns = end_ns + took * VIO_PACE_REST;
}
