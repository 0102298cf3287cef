/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/relay.h - who reads the answers of a connection.
 *
 * Nobody reads while nothing is asked, so that an idle connection has nothing
 * under way in the loop, which its user may leave alone for hours.  Of those
 * who wait for answers one reads for all until its own has come; then it hands
 * that on.  An answer goes straight to the memory of whoever asked for it, so
 * nobody leaves while somebody else reads on a connection that is broken.
 *
 * Concurrency: one loop.
 */
#pragma once

#include "io/coroutine.h"

#include <glib.h>
#include <stdbool.h>

/* One who waits; on its stack. */
typedef struct VdAwait {
    bool done;
    bool lost; /* nobody knows what came of it */
    VioCo *waiter;
    GList link;
} VdAwait;

/* Zero-initialised has nobody. */
typedef struct VdRelay {
    GQueue awaits; /* VdAwait, the first one in front */
    bool reading;
    bool broken; /* nothing more will come */
} VdRelay;

/* Is going to ask.  The relay is not broken. */
void vd_relay_enter(VdRelay *relay, VdAwait *await);
/* Wait until it is done or lost.  @co_read reads one answer, whosever it is,
 * and calls vd_await_finish() if that is over; false: it has broken the relay.
 */
void vd_relay_co_wait(VdRelay *relay, VdAwait *await,
                      bool (*co_read)(void *arg), void *arg);
void vd_relay_leave(VdRelay *relay, VdAwait *await);
/* It has what it has waited for. */
void vd_await_finish(VdAwait *await);
/* All who wait have lost. */
void vd_relay_break(VdRelay *relay);
