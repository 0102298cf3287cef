/* SPDX-License-Identifier: BSD-3-Clause */
/* io/buffer-pool.h - the insides of the buffer pool, for loops. */
#pragma once

#include "io/loop.h"
#include "io/sync.h"

/* Sizes are powers of two from 4 KiB to a whole 2 MiB chunk; what is larger
 * is a row of chunks. */
#define VIO_BUFFER_CLASSES 10

typedef struct VioBufferFree VioBufferFree;
typedef struct VioBufferChunk VioBufferChunk;

typedef struct VioBufferPool {
    size_t limit, used, peak; /* bytes handed out, by class size */
    size_t mapped, pinned;
    bool pin_refused;
    VioBufferFree *free[VIO_BUFFER_CLASSES]; /* last used is first out */
    VioBufferChunk *chunks;
    VioCoQueue waiters; /* first in, first out */
    GQueue wants;       /* of their size, in the same order */
} VioBufferPool;

void vio_buffer_pool_open(VioBufferPool *pool, size_t limit);
void vio_buffer_pool_close(VioBufferPool *pool); /* all buffers are back */
/* The engine holds on to nothing any more. */
void vio_buffer_pool_unpinned(VioBufferPool *pool);
void vio_buffer_pool_stats(const VioBufferPool *pool, VioLoopStats *stats);

/* The number by which the engine knows the memory of @buf, which it is asked to
 * hold on to; 0 if it does not, or if that is not the pool's. */
uint16_t vio_buffer_pin(VioLoop *loop, const void *buf, size_t len);
