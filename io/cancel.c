/* SPDX-License-Identifier: BSD-3-Clause */
/* io/cancel.c - a token that asks work to stop.
 *
 * A token keeps a list, which only grows, of the wakers of all loops that ever
 * watched it.  Firing sets a word and wakes those: no lock, no memory, so that
 * signal handlers may do it.
 *
 * Concurrency: the token is all atomics.  Watches belong to their loop.
 */
#include "io/cancel-internal.h"

#include <errno.h>

#include "io/loop-internal.h"

typedef struct CancelTarget {
    struct CancelTarget *next;
    VioWaker *waker;
} CancelTarget;

struct VioCancel {
    int refs;
    int fired;
    uint64_t deadline_ns;
    CancelTarget *targets;
    VioCancel *parent; /* what stops that stops this, too; NULL = none */
};

VioCancel *
vio_cancel_new(void)
{
    VioCancel *cancel = g_new0(VioCancel, 1);

    cancel->refs = 1;
    return cancel;
}

VioCancel *
vio_cancel_new_child(VioCancel *parent)
{
    VioCancel *cancel = vio_cancel_new();

    cancel->parent = parent ? vio_cancel_ref(parent) : NULL;
    return cancel;
}

VioCancel *
vio_cancel_ref(VioCancel *cancel)
{
    __atomic_add_fetch(&cancel->refs, 1, __ATOMIC_RELAXED);
    return cancel;
}

void
vio_cancel_unref(VioCancel *cancel)
{
    CancelTarget *target;

    if (__atomic_sub_fetch(&cancel->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    target = cancel->targets;
    while (target) {
        CancelTarget *next = target->next;

        vio_waker_unref(target->waker);
        g_free(target);
        target = next;
    }
    if (cancel->parent)
        vio_cancel_unref(cancel->parent);
    g_free(cancel);
}

static void
cancel_notify(VioCancel *cancel)
{
    CancelTarget *t = __atomic_load_n(&cancel->targets, __ATOMIC_SEQ_CST);

    for (; t; t = t->next) {
        __atomic_store_n(&t->waker->check, 1, __ATOMIC_SEQ_CST);
        vio_waker_wake(t->waker);
    }
}

void
vio_cancel_fire(VioCancel *cancel)
{
    __atomic_store_n(&cancel->fired, 1, __ATOMIC_SEQ_CST);
    cancel_notify(cancel);
}

void
vio_cancel_set_deadline(VioCancel *cancel, uint64_t at_ns)
{
    __atomic_store_n(&cancel->deadline_ns, at_ns, __ATOMIC_SEQ_CST);
    cancel_notify(cancel);
}

int
vio_cancel_check(const VioCancel *cancel)
{
    uint64_t deadline;

    if (!cancel)
        return 0;
    if (__atomic_load_n(&cancel->fired, __ATOMIC_SEQ_CST))
        return -ECANCELED;
    deadline = __atomic_load_n(&cancel->deadline_ns, __ATOMIC_SEQ_CST);
    if (deadline && vio_now_ns() >= deadline)
        return -ETIMEDOUT;
    return vio_cancel_check(cancel->parent);
}

static void
cancel_add_target(VioCancel *cancel, VioWaker *waker)
{
    CancelTarget *head = __atomic_load_n(&cancel->targets, __ATOMIC_ACQUIRE);
    CancelTarget *target;

    if (cancel->parent)
        cancel_add_target(cancel->parent, waker);
    /* Only this loop's runner adds this waker: it cannot appear meanwhile. */
    for (target = head; target; target = target->next)
        if (target->waker == waker)
            return;
    target = g_new(CancelTarget, 1);
    target->waker = vio_waker_ref(waker);
    do
        target->next = head;
    while (!__atomic_compare_exchange_n(&cancel->targets, &head, target, true,
                                        __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE));
}

/* The earliest of its own and those above it. */
uint64_t
vio_cancel_deadline(const VioCancel *cancel)
{
    uint64_t first = 0;

    for (; cancel; cancel = cancel->parent) {
        uint64_t at = __atomic_load_n(&cancel->deadline_ns, __ATOMIC_SEQ_CST);

        if (at && (!first || at < first))
            first = at;
    }
    return first;
}

static void
watch_arm_deadline(VioWatch *watch)
{
    uint64_t at = vio_cancel_deadline(watch->cancel);

    vio_timer_stop(&watch->loop->timers, &watch->timer);
    if (at)
        vio_timer_start(&watch->loop->timers, &watch->timer, at);
}

static void
watch_timer(VioTimer *timer)
{
    VioWatch *watch = (VioWatch *) timer; /* its first member */
    VioWatchFunc fn = watch->fn;

    if (vio_cancel_check(watch->cancel) == 0) {
        watch_arm_deadline(watch); /* it was put off */
        return;
    }
    vio_watch_remove(watch);
    fn(watch);
}

int
vio_watch_add(VioWatch *watch, VioLoop *loop, VioCancel *cancel,
              VioWatchFunc fn)
{
    int ret;

    *watch = (VioWatch){.timer.fn = watch_timer, .loop = loop, .fn = fn};
    if (!cancel)
        return 0;
    watch->cancel = cancel;
    cancel_add_target(cancel, loop->waker);
    ret = vio_cancel_check(cancel); /* after it became visible */
    if (ret != 0)
        return ret;
    watch->next = loop->watches;
    watch->link = &loop->watches;
    if (watch->next)
        watch->next->link = &watch->next;
    loop->watches = watch;
    watch_arm_deadline(watch);
    return 0;
}

void
vio_watch_remove(VioWatch *watch)
{
    if (!watch->link)
        return;
    vio_timer_stop(&watch->loop->timers, &watch->timer);
    *watch->link = watch->next;
    if (watch->next)
        watch->next->link = watch->link;
    watch->link = NULL;
}

unsigned
vio_watches_check(VioLoop *loop)
{
    VioWatch *next;
    unsigned n = 0;

    if (!__atomic_load_n(&loop->waker->check, __ATOMIC_RELAXED) ||
        !__atomic_exchange_n(&loop->waker->check, 0, __ATOMIC_SEQ_CST))
        return 0;
    for (VioWatch *watch = loop->watches; watch; watch = next) {
        next = watch->next;
        watch_timer(&watch->timer);
        n++;
    }
    return n;
}
