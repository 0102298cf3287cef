/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/async.h - the asynchronous requests of a disk. */
#pragma once

#include <glib.h>
#include <pthread.h>
#include <stdbool.h>

#include "include/vixDiskLib.h"

typedef struct VixDiskLibHandleStruct VixDisk;

typedef struct VixAsync {
    pthread_mutex_t lock; /* guards all of this */
    pthread_cond_t work;  /* for the pump */
    pthread_cond_t rest;  /* for those who wait for requests */
    GQueue submitted;     /* not yet known to the context */
    GQueue answered;      /* whose callbacks are due */
    int has_answered;     /* is not empty; atomic */
    GQueue answered_here; /* the same, for the pump alone: without the lock */
    GQueue in_flight;     /* whose callbacks have not returned, oldest first */
    uint64_t epoch;       /* calls of VixDiskLib_Wait() so far */
    unsigned n_handed_over; /* requests in flight that the pump is for */
    GQueue spare;           /* memory for requests */
    pthread_t pump;
    bool has_pump; /* since the first request */
    bool told;     /* the context is going to look at submitted */
    bool stop;
    bool close_later; /* by the pump itself */
} VixAsync;

void vix_async_init(VixDisk *disk);

/* After anything that may have run the context: the pump looks what has been
 * answered meanwhile. */
void vix_async_look_after(VixDisk *disk);

/* Until every callback of the disk has returned.  Not in one of them. */
void vix_async_drain(VixDisk *disk);
/* Ends the pump, if there is one: nobody is inside, nothing is in flight. */
void vix_async_stop(VixDisk *disk);
void vix_async_clear(VixDisk *disk);

/* In a callback its disk, else NULL. */
const VixDisk *vix_async_own_disk(void);
/* True in a callback of @disk, which nobody can enter any more: it is closed
 * and freed once all requests have been answered. */
bool vix_async_close_later(VixDisk *disk);
