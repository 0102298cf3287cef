/* SPDX-License-Identifier: BSD-3-Clause */
/* io/offload.h - CPU work and blocking calls on the loop's worker threads.
 *
 * For anything over about 20 us: inflate, deflate, hashes, and library calls
 * that block.  A hand-over costs 4 to 45 us, so hand over batches.
 */
#pragma once

#include "io/loop.h"

/* Run fn(opaque) on a worker; yields until it has returned.  Work is started
 * in the order of the calls.  @fn must not touch nodes or the loop. */
void vio_co_offload(VioLoop *loop, VioFunc fn, void *opaque);

/* The same for what takes less than a hand-over, with little stack: right here
 * if nobody else could use the time, even if it blocks. */
void vio_co_offload_brief(VioLoop *loop, VioFunc fn, void *opaque);

/* Worker threads this loop may use. */
unsigned vio_loop_workers(const VioLoop *loop);
