/* SPDX-License-Identifier: BSD-3-Clause */
/* io/coroutine.c - coroutines: life, ready list, switching.
 *
 *     free --start--> ready --run--> running --yield--> suspended
 *      ^                ^                |                  |
 *      |                +------- wake ---|------------------+
 *      +------------------- fn returns --+
 *
 * A coroutine whose function has returned keeps its stack and waits in the
 * pool, in the middle of co_main(), for the next function.
 *
 * Concurrency: everything by the loop's runner.
 */
#include "io/coroutine.h"

#include "io/loop-internal.h"

#define CO_POOL_KEEP 256u
#define CO_TRIM_NS UINT64_C(1000000000)
#define CO_ROUNDS 16 /* then the kernel has its turn */

static void
co_list_append(VioCoList *list, VioCo *co)
{
    co->next = NULL;
    *list->tail = co;
    list->tail = &co->next;
}

/* -- switching ------------------------------------------------------------ */

static void
co_leave(VioCo *co, bool last)
{
    VioLoop *loop = co->loop;

    vio_fiber_leave(&co->fiber, &loop->fiber, last);
    vio_context_switch(&co->context, &loop->context);
    vio_fiber_arrive(&co->fiber, &loop->fiber);
}

static void
co_main(void *arg)
{
    VioCo *co = arg;

    vio_fiber_arrive(&co->fiber, &co->loop->fiber);
    while (co->fn) {
        co->fn(co->opaque);
        co->state = VIO_CO_FREE;
        co_leave(co, false);
    }
    co_leave(co, true);
    g_assert_not_reached();
}

static void
co_enter(VioLoop *loop, VioCo *co)
{
    loop->running = co;
    co->state = VIO_CO_RUNNING;
    vio_fiber_leave(&loop->fiber, &co->fiber, false);
    vio_context_switch(&loop->context, &co->context);
    vio_fiber_arrive(&loop->fiber, &co->fiber);
    loop->running = NULL;
}

/* -- pool ----------------------------------------------------------------- */

static VioCo *
co_new(VioLoop *loop)
{
    VioCo *co = g_new0(VioCo, 1);

    co->loop = loop;
    co->stack = vio_stack_get(&loop->stacks);
    vio_fiber_init(&co->fiber, co->stack, VIO_STACK_SIZE);
    vio_context_make(&co->context, co->stack, VIO_STACK_SIZE, co_main, co);
    return co;
}

/* Let co_main() come to its end, so that tools see the stack die. */
static void
co_free(VioLoop *loop, VioCo *co)
{
    co->fn = NULL;
    co_enter(loop, co);
    vio_fiber_clear(&co->fiber);
    vio_context_clear(&co->context);
    vio_stack_put(&loop->stacks, co->stack);
    g_free(co);
}

static void
co_pool_trim(VioTimer *timer)
{
    VioLoop *loop = (VioLoop *) ((char *) timer - offsetof(VioLoop, trim));

    vio_fiber_adopt_thread(&loop->fiber);
    while (loop->co_pooled > CO_POOL_KEEP) {
        VioCo *co = loop->co_pool;

        loop->co_pool = co->next;
        loop->co_pooled--;
        co_free(loop, co);
    }
    for (VioCo *co = loop->co_pool; co; co = co->next)
        vio_stack_trim(co->stack);
}

static void
co_pool_put(VioLoop *loop, VioCo *co)
{
    loop->stats.coroutines_alive--;
    co->next = loop->co_pool;
    loop->co_pool = co;
    if (++loop->co_pooled > CO_POOL_KEEP && loop->trim.slot == 0)
        vio_timer_start(&loop->timers, &loop->trim, vio_now_ns() + CO_TRIM_NS);
}

static VioCo *
co_pool_get(VioLoop *loop)
{
    VioCo *co = loop->co_pool;

    if (!co)
        return co_new(loop);
    loop->co_pool = co->next;
    loop->co_pooled--;
    return co;
}

void
vio_co_pool_init(VioLoop *loop)
{
    loop->ready.tail = &loop->ready.head;
    loop->trim.fn = co_pool_trim;
}

void
vio_co_pool_clear(VioLoop *loop)
{
    g_assert(loop->stats.coroutines_alive == 0);
    vio_timer_stop(&loop->timers, &loop->trim);
    vio_fiber_adopt_thread(&loop->fiber);
    while (loop->co_pool) {
        VioCo *co = loop->co_pool;

        loop->co_pool = co->next;
        co_free(loop, co);
    }
    vio_stacks_clear(&loop->stacks);
}

/* -- running -------------------------------------------------------------- */

static void
co_run_list(VioLoop *loop)
{
    VioCo *co = loop->ready.head;

    loop->ready.head = NULL;
    loop->ready.tail = &loop->ready.head;
    while (co) {
        VioCo *next = co->next;

        co_enter(loop, co);
        if (co->state == VIO_CO_FREE)
            co_pool_put(loop, co);
        co = next;
    }
}

bool
vio_co_run_ready(VioLoop *loop)
{
    int round = 0;

    if (!loop->ready.head)
        return false;
    vio_fiber_adopt_thread(&loop->fiber);
    while (loop->ready.head && round++ < CO_ROUNDS)
        co_run_list(loop);
    return true;
}

void
vio_co_start(VioLoop *loop, VioCoFunc fn, void *opaque)
{
    VioCo *co = co_pool_get(loop);
    VioLoopStats *stats = &loop->stats;

    co->fn = fn;
    co->opaque = opaque;
    co->state = VIO_CO_READY;
    co_list_append(&loop->ready, co);
    stats->coroutines_started++;
    if (++stats->coroutines_alive > stats->coroutines_peak)
        stats->coroutines_peak = stats->coroutines_alive;
}

__attribute__((noinline)) VioCo *
vio_co_self(void)
{
    VioLoop *loop = vio_runner_current();

    return loop ? loop->running : NULL;
}

VioLoop *
vio_co_loop(void)
{
    return vio_co_self()->loop;
}

void
vio_co_yield(void)
{
    VioCo *co = vio_co_self();

    g_assert(co);
    co->state = VIO_CO_SUSPENDED;
    co_leave(co, false);
}

void
vio_co_wake(VioCo *co)
{
    g_assert(co->state == VIO_CO_SUSPENDED);
    co->state = VIO_CO_READY;
    co_list_append(&co->loop->ready, co);
}

void
vio_co_reschedule(void)
{
    VioCo *co = vio_co_self();

    g_assert(co);
    co->state = VIO_CO_READY;
    co_list_append(&co->loop->ready, co);
    co_leave(co, false);
}
