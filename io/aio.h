/* SPDX-License-Identifier: BSD-3-Clause */
/* io/aio.h - Linux AIO, for reads and writes of files opened with O_DIRECT.
 *
 * The part that the engine without io_uring may have in addition.  Containers
 * that forbid io_uring allow these calls, and for direct I/O they are as fast;
 * on any other file they block.
 *
 * Concurrency: everything by the loop's runner.
 */
#pragma once

#include <linux/aio_abi.h>

#include "io/engine.h"

typedef struct VioAio VioAio;

/* NULL and -errno in @err if the kernel does not let us. */
VioAio *vio_aio_new(int *err);
/* Nothing may be in flight. */
void vio_aio_free(VioAio *aio);

/* Has an edge when something may have completed.  It stays readable until
 * vio_aio_take_tokens(). */
int vio_aio_fd(const VioAio *aio);
/* So that a foreign loop, which looks at levels, comes to rest.  Before
 * reaping: what completes in between would be told of no more. */
void vio_aio_take_tokens(VioAio *aio, VioLoopStats *stats);

/* Queue a READV or WRITEV. */
void vio_aio_submit(VioAio *aio, VioOp *op);
/* True if something is queued that could be handed to the kernel. */
bool vio_aio_pending(const VioAio *aio);
/* Hand over what is queued.  What the kernel refuses completes with that. */
void vio_aio_flush(VioAio *aio, VioLoopStats *stats);
/* Complete what is done; true if that was anything. */
bool vio_aio_reap(VioAio *aio, VioLoopStats *stats);

/* What the kernel is told of a READV or WRITEV that blocks and tells nobody.
 * Any thread. */
void vio_aio_describe(struct iocb *block, const VioOp *op);
