/* SPDX-License-Identifier: BSD-3-Clause */
/* block/epoch.h - have all requests ended that began before a moment?
 *
 * A read takes the place of its bytes from a map and then reads there; while it
 * is under way the place must not get another meaning.  So each request of a
 * graph belongs to the epoch in which it began.  An epoch ends when nobody of
 * the one before is left, and two counters are enough: requests that began in
 * epoch n are over when epoch n + 2 begins.
 *
 * Concurrency: one graph, one loop.
 */
#pragma once

#include "io/sync.h"

typedef struct VdEpochs {
    uint64_t now;
    unsigned in_flight[2]; /* of this epoch and the one before, by parity */
    VioCoQueue waiters;    /* woken when either becomes zero */
} VdEpochs;                /* zero-initialised is idle */

/* The result goes to leave. */
static inline unsigned
vd_epoch_enter(VdEpochs *epochs)
{
    unsigned parity = (unsigned) epochs->now & 1;

    epochs->in_flight[parity]++;
    return parity;
}

static inline void
vd_epoch_leave(VdEpochs *epochs, unsigned parity)
{
    if (--epochs->in_flight[parity] == 0 &&
        G_UNLIKELY(!vio_co_queue_is_empty(&epochs->waiters)))
        vio_co_queue_wake_all(&epochs->waiters);
}
