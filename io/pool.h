/* SPDX-License-Identifier: BSD-3-Clause */
/* io/pool.h - worker threads of a loop.
 *
 * Jobs start in the order of submission.  Threads start on demand and leave
 * after ten idle seconds; none is left after vio_pool_close().
 */
#pragma once

#include <pthread.h>

#include "io/late.h"
#include "io/inbox.h"

typedef struct VioJob VioJob;

struct VioJob {
    VioInboxItem item; /* how it comes back */
    VioJob *next;
    VioFunc fn;
    void *opaque;
    VioCo *co; /* woken when fn has returned */
    bool quick;
};

typedef struct VioWorker VioWorker;

typedef struct VioPool {
    VioLoop *loop;
    /* Quick jobs of this turn; the runner's. */
    VioLate late;
    VioJob *fresh, **fresh_tail;
    unsigned n_fresh;

    pthread_mutex_t lock; /* guards all below */
    VioJob *head, **tail;
    VioWorker *idle; /* last to fall asleep is first to be woken */
    VioWorker *gone; /* have left or are leaving; to be joined */
    unsigned threads, max;
    bool quit;
    pthread_cond_t left;
} VioPool;

void vio_pool_open(VioPool *pool, VioLoop *loop, unsigned max);
void vio_pool_close(VioPool *pool);

/* Run fn(opaque) on a worker; yields until it has returned. */
void vio_pool_co_run(VioPool *pool, VioFunc fn, void *opaque);
/* The same for what takes microseconds, less than a hand-over: it goes to the
 * workers together with the others of this turn, and comes back with them. */
void vio_pool_co_run_quick(VioPool *pool, VioFunc fn, void *opaque);
