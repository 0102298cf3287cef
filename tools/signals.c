/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/signals.c - from signals to cancellation.
 *
 * The handler only notes the number and calls vd_context_cancel(), which may be
 * called from there, or, for the first one, what a server gave.  Twice the same
 * signal is not more urgent: timeout(1) sends it to the process and to its
 * group.  The third one kills.
 *
 * Concurrency: handlers run on any thread; what they touch is atomic.
 */
#include "tools/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#define SIGNALS_PATIENCE 3
/* Sooner than that it is the same wish. */
#define SIGNALS_SAME_NS UINT64_C(1000000000)

static _Atomic(VdContext *) watched;
static void (*_Atomic gently)(void);
static _Atomic(uint64_t) gentle_ns; /* when that was called; 0 = not yet */
static atomic_bool noting;
static atomic_int stopped_by;
static atomic_int stop_count;
static atomic_bool usr1_pending;

static uint64_t
now_ns(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
    return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

/* Was this signal, the @nth, taken care of without cancelling? */
static bool
stop_gently(int nth)
{
    void (*gentle)(void) = atomic_load(&gently);

    if (nth == 1 && gentle) {
        atomic_store(&gentle_ns, now_ns());
        gentle();
        return true;
    }
    return atomic_load(&gentle_ns) > 0 &&
           now_ns() - atomic_load(&gentle_ns) < SIGNALS_SAME_NS;
}

static void
stop_handler(int sig)
{
    VdContext *ctx = atomic_load(&watched);
    bool caught = ctx || atomic_load(&noting);
    int nth = atomic_fetch_add(&stop_count, 1) + 1;
    int saved = errno;

    if (!caught || nth >= SIGNALS_PATIENCE) {
        signal(sig, SIG_DFL);
        raise(sig);
        return;
    }
    atomic_store(&stopped_by, sig);
    if (ctx && !stop_gently(nth))
        vd_context_cancel(ctx);
    errno = saved;
}

static void
usr1_handler(int sig)
{
    atomic_store(&usr1_pending, true);
}

static void
handler_set(int sig, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};

    sigemptyset(&action.sa_mask);
    sigaction(sig, &action, NULL);
}

/* A signal that is ignored from outside (nohup, a shell's background job)
 * stays ignored. */
static void
stop_handler_set(int sig)
{
    struct sigaction old;

    if (sigaction(sig, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        handler_set(sig, stop_handler);
}

static void
handlers_set(void)
{
    stop_handler_set(SIGINT);
    stop_handler_set(SIGTERM);
    stop_handler_set(SIGHUP); /* the terminal went away */
    handler_set(SIGUSR1, usr1_handler);
    /* A reader of our progress that goes away must not end the copy. */
    handler_set(SIGPIPE, SIG_IGN);
}

void
signals_watch(VdContext *ctx)
{
    atomic_store(&watched, ctx);
    if (ctx)
        handlers_set();
}

void
signals_end_gently(void (*end)(void))
{
    atomic_store(&gently, end);
}

void
signals_note(bool on)
{
    atomic_store(&noting, on);
    if (on)
        handlers_set();
}

bool
signals_stopped(void)
{
    return atomic_load(&stopped_by) != 0;
}

int
signals_status(int status)
{
    int sig = atomic_load(&stopped_by);

    return sig && status ? 128 + sig : status;
}

bool
signals_take_usr1(void)
{
    return atomic_exchange(&usr1_pending, false);
}
