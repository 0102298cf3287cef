/* SPDX-License-Identifier: BSD-3-Clause */
/* io/offload.c - CPU work on the loop's worker threads.
 *
 * Concurrency: called by coroutines of the loop; see io/pool.c.
 */
#include "io/offload.h"

#include "io/loop-internal.h"

void
vio_co_offload(VioLoop *loop, VioFunc fn, void *opaque)
{
    loop->stats.offloads++;
    vio_pool_co_run(&loop->pools[VIO_POOL_CPU], fn, opaque);
}

void
vio_co_offload_brief(VioLoop *loop, VioFunc fn, void *opaque)
{
    vio_op_co_call(loop, fn, opaque);
}
