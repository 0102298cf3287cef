/* SPDX-License-Identifier: BSD-3-Clause */
/* io/cancel-internal.h - watching a cancel token from a loop. */
#pragma once

#include "io/cancel.h"
#include "io/loop.h"
#include "io/timer.h"

typedef struct VioWatch VioWatch;

/* Called once, by the runner, from the loop; never inside vio_watch_add(). */
typedef void (*VioWatchFunc)(VioWatch *watch);

struct VioWatch {
    VioTimer timer; /* first: the deadline */
    VioLoop *loop;
    VioCancel *cancel;
    VioWatchFunc fn;
    VioWatch *next, **link; /* link is NULL while not watching */
};

/* Does nothing and returns 0 for no token; returns what vio_cancel_check()
 * says if the token has fired already, and does not watch then. */
int vio_watch_add(VioWatch *watch, VioLoop *loop, VioCancel *cancel,
                  VioWatchFunc fn);
void vio_watch_remove(VioWatch *watch); /* also if it was not added */

/* Some token that this loop watches has changed: look at all. */
unsigned vio_watches_check(VioLoop *loop);
