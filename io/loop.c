/* SPDX-License-Identifier: BSD-3-Clause */
/* io/loop.c - the event loop: life, turns, deferred calls, posting.
 *
 * A step reaps first and runs then.  What coroutines submit at the end of one
 * step goes down in the same system call that the next step waits in.
 *
 * Concurrency: by the runner, but for the calls marked "any thread" in the
 * header, which go through the inbox.
 */
#include "io/loop.h"

#include <errno.h>

#include "io/loop-internal.h"
#include "io/offload.h"

#define LOOP_DISPATCH_STEPS 16
#define LOOP_BUFFER_LIMIT (64u << 20)
#define LOOP_MAX_CPU_WORKERS 16u
#define LOOP_BUFFERED_WORKERS 4u
#define LOOP_WINDOW_WORKERS 2u /* one reads while one writes */
#define LOOP_BLOCKING_WORKERS 32u

/* -- life ----------------------------------------------------------------- */

static unsigned
loop_cpu_workers(const VioLoopParams *params)
{
    unsigned n = params->workers ? params->workers : g_get_num_processors();

    return MIN(n, LOOP_MAX_CPU_WORKERS);
}

static void
loop_free_parts(VioLoop *loop)
{
    vio_runner_clear(&loop->runner);
    vio_waker_unref(loop->waker);
    vio_timers_clear(&loop->timers);
    g_free(loop->deferred_spare);
    g_free(loop);
}

int
vio_loop_new(const VioLoopParams *params, VioLoop **out)
{
    VioLoop *loop = g_new0(VioLoop, 1);
    size_t limit = params->buffer_limit;
    int ret = 0;

    loop->fixed_runner = params->fixed_runner;
    loop->deferred_tail = &loop->deferred;
    loop->resting = true; /* as a new waker is */
    vio_runner_init(&loop->runner);
    loop->waker = vio_waker_new(&ret);
    if (loop->waker)
        ret = vio_engine_open(loop, params);
    if (ret != 0) {
        if (loop->waker)
            vio_waker_unref(loop->waker);
        vio_runner_clear(&loop->runner);
        g_free(loop);
        return ret;
    }
    vio_co_pool_init(loop);
    vio_pool_open(&loop->pools[VIO_POOL_CPU], loop, loop_cpu_workers(params));
    vio_pool_open(&loop->pools[VIO_POOL_BUFFERED], loop, LOOP_BUFFERED_WORKERS);
    vio_pool_open(&loop->pools[VIO_POOL_BLOCKING], loop, LOOP_BLOCKING_WORKERS);
    vio_pool_open(&loop->pools[VIO_POOL_WINDOW], loop, LOOP_WINDOW_WORKERS);
    vio_buffer_pool_open(&loop->buffers, limit ? limit : LOOP_BUFFER_LIMIT);
    *out = loop;
    return 0;
}

void
vio_loop_free(VioLoop *loop)
{
    g_assert(!loop->deferred && !loop->late);
    g_assert(vio_inbox_is_empty(&loop->inbox));
    for (int i = 0; i < VIO_POOL_COUNT; i++)
        vio_pool_close(&loop->pools[i]);
    vio_co_pool_clear(loop);
    vio_buffer_pool_close(&loop->buffers);
    loop->engine->close(loop);
    loop_free_parts(loop);
}

const char *
vio_loop_engine_name(const VioLoop *loop)
{
    return __atomic_load_n(&loop->engine, __ATOMIC_RELAXED)->name;
}

const char *
vio_loop_engine_reason(const VioLoop *loop)
{
    return loop->engine_reason;
}

unsigned
vio_loop_workers(const VioLoop *loop)
{
    return loop->pools[VIO_POOL_CPU].max;
}

void
vio_loop_get_stats(const VioLoop *loop, VioLoopStats *stats)
{
    *stats = loop->stats;
    vio_buffer_pool_stats(&loop->buffers, stats);
}

/* -- turning -------------------------------------------------------------- */

void
vio_loop_start(VioLoop *loop)
{
    if (loop->started)
        return;
    loop->started = true;
    loop->engine->start(loop);
}

static bool
loop_has_ready(const VioLoop *loop)
{
    return loop->ready.head || loop->deferred || loop->late;
}

static bool
loop_has_mail(const VioLoop *loop)
{
    return !vio_inbox_is_empty(&loop->inbox) ||
           __atomic_load_n(&loop->waker->check, __ATOMIC_SEQ_CST);
}

/* From here on senders write tokens. */
static void
loop_fall_asleep(VioLoop *loop)
{
    if (loop->resting)
        return;
    loop->resting = true;
    __atomic_store_n(&loop->waker->asleep, 1, __ATOMIC_SEQ_CST);
}

/* Senders need not write tokens any more.  A sender that saw us asleep has
 * written one or is about to: the engine has to swallow exactly those, or a
 * foreign loop would find the descriptor readable for ever. */
static void
loop_wake_up(VioLoop *loop)
{
    if (!loop->resting)
        return;
    loop->resting = false;
    if (__atomic_exchange_n(&loop->waker->asleep, 0, __ATOMIC_SEQ_CST) == 0) {
        loop->tokens_due++;
        loop->stats.wakeups++;
    }
}

/* How long a turn may really wait.  The mail is looked at once more after
 * senders were told to write tokens: none can slip in between. */
static int64_t
loop_prepare_wait(VioLoop *loop, int64_t wait_ns)
{
    int64_t timer_ns;

    if (wait_ns == 0 || loop_has_ready(loop))
        return 0;
    timer_ns = vio_timers_wait_ns(&loop->timers);
    if (timer_ns >= 0 && (wait_ns < 0 || timer_ns < wait_ns))
        wait_ns = timer_ns;
    if (wait_ns == 0)
        return 0;
    loop_fall_asleep(loop);
    return loop_has_mail(loop) ? 0 : wait_ns;
}

static VioDeferred *
deferred_new(VioLoop *loop)
{
    VioDeferred *d = g_steal_pointer(&loop->deferred_spare);

    return d ? d : g_new(VioDeferred, 1);
}

/* Most turns have one at most: it is kept. */
static void
deferred_free(VioLoop *loop, VioDeferred *d)
{
    if (loop->deferred_spare)
        g_free(d);
    else
        loop->deferred_spare = d;
}

static bool
loop_run_deferred(VioLoop *loop)
{
    VioDeferred *d = loop->deferred;

    if (!d)
        return false;
    loop->deferred = NULL;
    loop->deferred_tail = &loop->deferred;
    while (d) {
        VioDeferred *next = d->next;

        d->fn(d->opaque);
        deferred_free(loop, d);
        d = next;
    }
    return true;
}

bool
vio_loop_step(VioLoop *loop, int64_t wait_ns)
{
    bool did = vio_late_run(loop);

    wait_ns = loop_prepare_wait(loop, wait_ns);
    did |= loop->engine->turn(loop, wait_ns);
    loop_wake_up(loop);
    loop->stats.turns++;
    did |= vio_timers_expire(&loop->timers) > 0;
    did |= vio_watches_check(loop) > 0;
    did |= vio_inbox_take(&loop->inbox, loop) > 0;
    did |= loop_run_deferred(loop);
    return vio_co_run_ready(loop) || did;
}

void
vio_loop_rest(VioLoop *loop)
{
    loop_fall_asleep(loop);
    if (loop_has_mail(loop))
        vio_waker_wake(loop->waker);
}

/* The last step does nothing but submit what the one before queued. */
static bool
loop_steps(VioLoop *loop)
{
    bool did = false;

    for (int i = 0; i < LOOP_DISPATCH_STEPS && vio_loop_step(loop, 0); i++)
        did = true;
    return did;
}

bool
vio_loop_dispatch(VioLoop *loop)
{
    VioRunFrame frame;
    bool did;

    if (!vio_runner_enter(loop, &frame, 0))
        return false;
    did = loop_steps(loop);
    vio_runner_leave(loop, &frame);
    return did;
}

/* What needs no waiting does without a turn of the engine.  Mail stays for the
 * next turn, of whoever makes it: leaving wakes those who sleep. */
bool
vio_loop_try_run(VioLoop *loop, VioCoFunc fn, void *opaque)
{
    VioRunFrame frame;

    if (!vio_runner_enter(loop, &frame, 0))
        return false;
    loop->runner.beside = true;
    fn(opaque);
    (void) vio_co_run_ready(loop);
    (void) loop_run_deferred(loop);
    (void) vio_late_run(loop);
    if (loop_has_ready(loop) || loop->engine->pending(loop))
        (void) loop_steps(loop);
    vio_runner_leave(loop, &frame);
    return true;
}

bool
vio_loop_iterate(VioLoop *loop, int timeout_ms)
{
    int64_t wait_ns = timeout_ms < 0 ? -1 : (int64_t) timeout_ms * 1000000;
    VioRunFrame frame;
    bool did;

    if (!vio_runner_enter(loop, &frame, wait_ns))
        return false;
    did = vio_loop_step(loop, wait_ns);
    vio_runner_leave(loop, &frame);
    return did;
}

/* -- embedding ------------------------------------------------------------ */

int
vio_loop_fd(VioLoop *loop)
{
    VioRunFrame frame;
    int fd;

    if (vio_loop_is_runner(loop)) {
        loop->runner.embedded = true;
        return loop->engine->fd(loop);
    }
    (void) vio_runner_enter(loop, &frame, -1); /* waits, so it cannot fail */
    loop->runner.embedded = true;
    fd = loop->engine->fd(loop);
    vio_runner_leave(loop, &frame);
    return fd;
}

static int
loop_timeout_ms(VioLoop *loop)
{
    int64_t ns;

    if (loop_has_ready(loop) || loop->engine->pending(loop) ||
        loop_has_mail(loop))
        return 0;
    ns = vio_timers_wait_ns(&loop->timers);
    if (ns < 0)
        return -1;
    return (int) MIN((ns + 999999) / 1000000, (int64_t) G_MAXINT);
}

int
vio_loop_timeout_ms(VioLoop *loop)
{
    int ms = -1; /* another thread runs the loop: it wakes us when it leaves */

    if (loop->fixed_runner)
        return loop_timeout_ms(loop);
    pthread_mutex_lock(&loop->runner.lock);
    if (!loop->runner.busy)
        ms = loop_timeout_ms(loop);
    pthread_mutex_unlock(&loop->runner.lock);
    return ms;
}

/* -- deferred and posted work --------------------------------------------- */

void
vio_loop_defer(VioLoop *loop, VioFunc fn, void *opaque)
{
    VioDeferred *d = deferred_new(loop);

    *d = (VioDeferred){.fn = fn, .opaque = opaque};
    *loop->deferred_tail = d;
    loop->deferred_tail = &d->next;
}

typedef struct LoopPost {
    VioInboxItem item; /* first */
    VioCoFunc fn;
    void *opaque;
} LoopPost;

static void
post_take_co(VioLoop *loop, VioInboxItem *item)
{
    LoopPost *post = (LoopPost *) item;

    vio_co_start(loop, post->fn, post->opaque);
    g_free(post);
}

static void
post_take(VioLoop *loop, VioInboxItem *item)
{
    LoopPost *post = (LoopPost *) item;

    post->fn(post->opaque);
    g_free(post);
}

static void
loop_post(VioLoop *loop, VioInboxFunc take, VioCoFunc fn, void *opaque)
{
    LoopPost *post = g_new(LoopPost, 1);
    /* What is posted may end, and the loop with it, before we have woken it. */
    VioWaker *waker = vio_waker_ref(loop->waker);

    *post = (LoopPost){.item.take = take, .fn = fn, .opaque = opaque};
    vio_inbox_push(&loop->inbox, &post->item);
    vio_waker_wake(waker);
    vio_waker_unref(waker);
}

void
vio_loop_post_co(VioLoop *loop, VioCoFunc fn, void *opaque)
{
    loop_post(loop, post_take_co, fn, opaque);
}

void
vio_loop_post(VioLoop *loop, VioCoFunc fn, void *opaque)
{
    loop_post(loop, post_take, fn, opaque);
}
