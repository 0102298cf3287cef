/* SPDX-License-Identifier: BSD-3-Clause */
/* io/buffer.h - aligned I/O buffers from a bounded pool.
 *
 * Buffers come from 2 MiB-aligned huge-page chunks, are reused last in, first
 * out, and are aligned to 4096 bytes, enough for any O_DIRECT.
 */
#pragma once

#include "io/loop.h"

/* At least @len bytes, contents undefined.  Yields while the pool's byte limit
 * is used up, first in, first out; one buffer is always granted, so a request
 * larger than the limit waits until the pool is otherwise idle.  Never NULL.
 * A coroutine that holds a buffer must not ask for a second one unless it
 * would be content to wait for ever: take what you need in one piece. */
void *vio_co_buffer_get(VioLoop *loop, size_t len);

/* The same without waiting: NULL if the limit is used up. */
void *vio_buffer_try_get(VioLoop *loop, size_t len);

/* @len as it was asked for. */
void vio_buffer_put(VioLoop *loop, void *buf, size_t len);

/* Bytes that a buffer of @len really takes. */
size_t vio_buffer_size(size_t len);
/* The longest buffer that takes no more than @room; 0 = none does. */
size_t vio_buffer_longest(size_t room);
