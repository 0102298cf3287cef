/* SPDX-License-Identifier: BSD-3-Clause */
/* block/filter/bucket.h - token bucket by virtual time.
 *
 * A rate is kept as the moment at which everything admitted so far is paid
 * for.  Whoever comes reserves his share at once and waits for his turn, so
 * order is that of arrival and no queue is needed.  Clock-free: the caller
 * says what time it is.
 */
#pragma once

#include <stdint.h>

typedef struct VdBucket {
    uint64_t rate;     /* units a second; 0 = no limit */
    uint64_t burst_ns; /* credit that an idle bucket saves up */
    uint64_t paid_ns;  /* up to when the admitted units have used it */
} VdBucket;

/* Admit @units at time @now_ns; returns how many ns the caller has to wait
 * before they may go. */
uint64_t vd_bucket_reserve(VdBucket *bucket, uint64_t units, uint64_t now_ns);
