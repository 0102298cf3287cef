/* SPDX-License-Identifier: BSD-3-Clause */
/* io/late.h - what is done once, when all coroutines of a turn have run.
 *
 * Whatever many coroutines want to leave together (bytes for one socket) is
 * gathered while they run and goes down in one call, right before the loop
 * waits.  Costs no memory and no turn of its own.
 *
 * Concurrency: everything by the loop's runner.
 */
#pragma once

#include "io/loop.h"

typedef struct VioLate VioLate;
typedef void (*VioLateFunc)(VioLate *late);

/* Lives in what it is about; zero but for @fn is not queued. */
struct VioLate {
    VioLate *next, **link; /* link is NULL while not queued */
    VioLateFunc fn;        /* outside of any coroutine; must not block */
};

/* Nothing if it is queued already. */
void vio_late_add(VioLoop *loop, VioLate *late);
void vio_late_remove(VioLate *late); /* also if it is not queued */

/* The runner: call all that are queued. */
bool vio_late_run(VioLoop *loop);
