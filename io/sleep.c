/* SPDX-License-Identifier: BSD-3-Clause */
/* io/sleep.c - let time pass.
 *
 * Concurrency: called by coroutines of the loop.
 */
#include "io/op.h"

#include "io/loop-internal.h"

typedef struct Sleep {
    VioTimer timer; /* first */
    VioWatch watch;
    VioLoop *loop;
    VioCo *co;
} Sleep;

static void
sleep_over(VioTimer *timer)
{
    Sleep *s = (Sleep *) timer;

    vio_watch_remove(&s->watch);
    vio_co_wake(s->co);
}

static void
sleep_cancelled(VioWatch *watch)
{
    Sleep *s = (Sleep *) ((char *) watch - offsetof(Sleep, watch));

    vio_timer_stop(&s->loop->timers, &s->timer);
    vio_co_wake(s->co);
}

int
vio_co_sleep(VioLoop *loop, uint64_t ns, VioCancel *cancel)
{
    uint64_t now = vio_now_ns();
    uint64_t until = ns < UINT64_MAX - now ? now + ns : UINT64_MAX;
    Sleep s = {.timer.fn = sleep_over, .loop = loop, .co = vio_co_self()};
    int ret = vio_watch_add(&s.watch, loop, cancel, sleep_cancelled);

    if (ret != 0)
        return ret;
    vio_timer_start(&loop->timers, &s.timer, until);
    vio_co_yield();
    return vio_now_ns() >= until ? 0 : vio_cancel_check(cancel);
}
