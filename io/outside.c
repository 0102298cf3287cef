/* SPDX-License-Identifier: BSD-3-Clause */
/* io/outside.c - leaving the stack of a coroutine for a while.
 *
 * Concurrency: coroutines of the loop.
 */
#include "io/outside.h"

typedef struct Hop {
    VioCo *co;
    VioFunc fn;
    void *arg;
} Hop;

static void
hop_run(void *opaque)
{
    Hop *hop = opaque;

    hop->fn(hop->arg);
    vio_co_wake(hop->co);
}

void
vio_co_outside(VioLoop *loop, VioFunc fn, void *arg)
{
    Hop hop = {.co = vio_co_self(), .fn = fn, .arg = arg};

    vio_loop_defer(loop, hop_run, &hop);
    vio_co_yield();
}
