/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/relay.c - who reads the answers of a connection.
 *
 * Concurrency: one loop.
 */
#include "block/proto/relay.h"

/* Those who wait, up to so many. */
static void
relay_wake(VdRelay *relay, guint n)
{
    for (GList *l = relay->awaits.head; l && n > 0; l = l->next) {
        VdAwait *await = l->data;

        if (!await->waiter)
            continue;
        vio_co_wake(g_steal_pointer(&await->waiter));
        n--;
    }
}

void
vd_relay_enter(VdRelay *relay, VdAwait *await)
{
    *await = (VdAwait){.link.data = await};
    g_queue_push_tail_link(&relay->awaits, &await->link);
}

void
vd_relay_leave(VdRelay *relay, VdAwait *await)
{
    g_queue_unlink(&relay->awaits, &await->link);
}

void
vd_await_finish(VdAwait *await)
{
    await->done = true;
    if (await->waiter)
        vio_co_wake(g_steal_pointer(&await->waiter));
}

void
vd_relay_break(VdRelay *relay)
{
    relay->broken = true;
    for (GList *l = relay->awaits.head; l; l = l->next) {
        VdAwait *await = l->data;

        if (!await->done)
            await->lost = true;
    }
    relay_wake(relay, relay->awaits.length);
}

/* For all, until @await has its own. */
static void
relay_co_read(VdRelay *relay, VdAwait *await, bool (*co_read)(void *arg),
              void *arg)
{
    relay->reading = true;
    while (!relay->broken && !await->done)
        if (!co_read(arg))
            break;
    relay->reading = false;
    /* All, who have waited until nobody reads into their memory; or else one,
     * who has to read from now on. */
    relay_wake(relay, relay->broken ? relay->awaits.length : 1);
}

void
vd_relay_co_wait(VdRelay *relay, VdAwait *await, bool (*co_read)(void *arg),
                 void *arg)
{
    while (!await->done && (!await->lost || relay->reading)) {
        if (!relay->reading) {
            relay_co_read(relay, await, co_read, arg);
            continue;
        }
        await->waiter = vio_co_self();
        vio_co_yield();
    }
    if (!await->done)
        await->lost = true;
}
