/* SPDX-License-Identifier: BSD-3-Clause */
/* io/loop-internal.h - the insides of loops and coroutines, for io/ only. */
#pragma once

#include "io/buffer-pool.h"
#include "io/cancel-internal.h"
#include "io/engine.h"
#include "io/fiber.h"
#include "io/inbox.h"
#include "io/late.h"
#include "io/pool.h"
#include "io/runner.h"
#include "io/stack.h"
#include "io/switch.h"
#include "io/timer.h"

typedef enum VioCoState {
    VIO_CO_FREE,
    VIO_CO_READY,
    VIO_CO_RUNNING,
    VIO_CO_SUSPENDED,
} VioCoState;

struct VioCo {
    VioCo *next; /* in the ready list or the pool */
    VioLoop *loop;
    VioCoState state;
    VioCoFunc fn; /* NULL: leave for ever */
    void *opaque;
    VioContext context;
    VioFiber fiber;
    void *stack;
};

typedef struct VioCoList {
    VioCo *head, **tail;
} VioCoList;

typedef enum VioPoolKind {
    VIO_POOL_CPU,      /* offload */
    VIO_POOL_BUFFERED, /* local buffered writes: serial in the kernel anyway */
    VIO_POOL_BLOCKING, /* all other blocking calls */
    VIO_POOL_WINDOW,   /* windows of copies */
    VIO_POOL_COUNT,
} VioPoolKind;

typedef struct VioDeferred {
    struct VioDeferred *next;
    VioFunc fn;
    void *opaque;
} VioDeferred;

struct VioLoop {
    VioCo *running;
    VioCoList ready;
    VioDeferred *deferred, **deferred_tail;
    VioDeferred *deferred_spare; /* or NULL */
    VioLate *late;
    VioContext context; /* of the runner, while a coroutine runs */
    VioFiber fiber;

    VioCo *co_pool; /* last used is first out */
    unsigned co_pooled;
    VioStacks stacks;
    VioTimer trim;

    VioTimers timers;
    VioWatch *watches;
    VioInbox inbox;
    VioWaker *waker;
    bool resting;        /* waker->asleep was set and not yet looked at */
    uint64_t tokens_due; /* written to the eventfd, or just about to be */

    const VioEngine *engine;
    void *engine_state;
    unsigned engine_ops; /* bit per VioOpCode that the engine takes */
    unsigned direct_ops; /* ... of files with O_DIRECT */
    bool may_add_aio;    /* see vio_engine_expect_direct() */
    char engine_reason[120];

    VioRunner runner;
    bool fixed_runner;
    bool started;
    VioPool pools[VIO_POOL_COUNT];
    VioBufferPool buffers;
    VioLoopStats stats;
};

/* io/coroutine.c */
void vio_co_pool_init(VioLoop *loop);
void vio_co_pool_clear(VioLoop *loop);
/* Run what is ready, a bounded number of rounds. */
bool vio_co_run_ready(VioLoop *loop);

/* io/loop.c: reap (waiting if nothing is ready), then run. */
bool vio_loop_step(VioLoop *loop, int64_t wait_ns);
/* Whoever sends something from now on writes a token. */
void vio_loop_rest(VioLoop *loop);
void vio_loop_start(VioLoop *loop);
