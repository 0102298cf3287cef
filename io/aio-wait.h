/* SPDX-License-Identifier: BSD-3-Clause */
/* io/aio-wait.h - a direct write that a worker waits for.
 *
 * Concurrency: any thread.
 */
#pragma once

#include "io/engine.h"

/* Make the long direct write @op and wait for it, without keeping others from
 * the file meanwhile; *@result is what it came to, or -errno.  False: it is no
 * such write, or the kernel does not do it this way; nothing was written. */
bool vio_aio_wait_write(const VioOp *op, int64_t *result);
