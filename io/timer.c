/* SPDX-License-Identifier: BSD-3-Clause */
/* io/timer.c - the timers of a loop: a binary heap by time.
 *
 * Timers know their place in the heap, so that stopping one is as cheap as
 * starting it; most deadlines are stopped.
 *
 * Concurrency: one VioTimers belongs to one loop.
 */
#include "io/timer.h"

#include <glib.h>
#include <time.h>

#include "io/loop.h"

uint64_t
vio_now_ns(void)
{
    struct timespec ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail */
    return (uint64_t) ts.tv_sec * UINT64_C(1000000000) + (uint64_t) ts.tv_nsec;
}

static void
heap_put(VioTimers *t, size_t slot, VioTimer *timer)
{
    t->heap[slot] = timer;
    timer->slot = slot;
}

static void
heap_rise(VioTimers *t, size_t slot, VioTimer *timer)
{
    while (slot > 1 && t->heap[slot / 2]->at_ns > timer->at_ns) {
        heap_put(t, slot, t->heap[slot / 2]);
        slot /= 2;
    }
    heap_put(t, slot, timer);
}

static void
heap_sink(VioTimers *t, size_t slot, VioTimer *timer)
{
    for (;;) {
        size_t child = slot * 2;

        if (child < t->used &&
            t->heap[child + 1]->at_ns < t->heap[child]->at_ns)
            child++;
        if (child > t->used || t->heap[child]->at_ns >= timer->at_ns)
            break;
        heap_put(t, slot, t->heap[child]);
        slot = child;
    }
    heap_put(t, slot, timer);
}

void
vio_timer_start(VioTimers *timers, VioTimer *timer, uint64_t at_ns)
{
    g_assert(timer->slot == 0);
    if (timers->used + 1 >= timers->size) {
        timers->size = timers->size ? timers->size * 2 : 16;
        timers->heap = g_renew(VioTimer *, timers->heap, timers->size);
    }
    timer->at_ns = at_ns;
    heap_rise(timers, ++timers->used, timer);
}

void
vio_timer_stop(VioTimers *timers, VioTimer *timer)
{
    size_t slot = timer->slot;
    VioTimer *last;

    if (slot == 0)
        return;
    timer->slot = 0;
    last = timers->heap[timers->used--];
    if (last == timer)
        return;
    /* The last one fills the gap; it may have to go either way. */
    if (slot > 1 && timers->heap[slot / 2]->at_ns > last->at_ns)
        heap_rise(timers, slot, last);
    else
        heap_sink(timers, slot, last);
}

int64_t
vio_timers_wait_ns(const VioTimers *timers)
{
    uint64_t now;

    if (timers->used == 0)
        return -1;
    now = vio_now_ns();
    if (timers->heap[1]->at_ns <= now)
        return 0;
    return (int64_t) MIN(timers->heap[1]->at_ns - now, (uint64_t) INT64_MAX);
}

unsigned
vio_timers_expire(VioTimers *timers)
{
    unsigned n = 0;
    uint64_t now;

    if (timers->used == 0)
        return 0;
    /* One reading of the clock: a timer that restarts itself cannot keep
     * this going. */
    now = vio_now_ns();
    while (timers->used > 0 && timers->heap[1]->at_ns <= now) {
        VioTimer *timer = timers->heap[1];

        vio_timer_stop(timers, timer);
        timer->fn(timer);
        n++;
    }
    return n;
}

void
vio_timers_clear(VioTimers *timers)
{
    g_assert(timers->used == 0);
    g_free(timers->heap);
}
