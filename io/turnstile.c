/* SPDX-License-Identifier: BSD-3-Clause */
/* io/turnstile.c - lets tickets pass in order.
 *
 * Concurrency: all users live on one loop.
 */
#include "io/sync.h"

/* On the stack of the one who waits. */
typedef struct TurnstileWaiter {
    gint64 ticket; /* first: the key of the table */
    VioCo *co;
} TurnstileWaiter;

void
vio_turnstile_co_enter(VioTurnstile *ts, uint64_t ticket)
{
    TurnstileWaiter waiter = {.ticket = (gint64) ticket};

    g_assert(ticket >= ts->next);
    if (ticket == ts->next)
        return;
    if (!ts->waiting)
        ts->waiting = g_hash_table_new(g_int64_hash, g_int64_equal);
    waiter.co = vio_co_self();
    g_hash_table_add(ts->waiting, &waiter);
    vio_co_yield();
    g_assert(ts->next == ticket);
}

void
vio_turnstile_release(VioTurnstile *ts, uint64_t ticket)
{
    gint64 next = (gint64) ticket + 1;
    TurnstileWaiter *waiter;

    g_assert(ticket == ts->next);
    ts->next++;
    if (!ts->waiting)
        return;
    waiter = g_hash_table_lookup(ts->waiting, &next);
    if (!waiter)
        return;
    g_hash_table_remove(ts->waiting, &next);
    vio_co_wake(waiter->co);
}

void
vio_turnstile_clear(VioTurnstile *ts)
{
    if (!ts->waiting)
        return;
    g_assert(g_hash_table_size(ts->waiting) == 0);
    g_clear_pointer(&ts->waiting, g_hash_table_unref);
}
