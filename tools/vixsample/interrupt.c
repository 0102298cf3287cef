/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/interrupt.c - Ctrl-C.
 *
 * Concurrency: handlers run on any thread; what they touch is atomic.
 */
#include "tools/vixsample/interrupt.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

static atomic_int stopped_by;
static atomic_int watchers; /* regions that look at stopped_by */

static void
handler(int sig)
{
    if (atomic_load(&watchers) > 0 && atomic_exchange(&stopped_by, sig) == 0)
        return;
    signal(sig, SIG_DFL);
    raise(sig);
}

/* What is ignored from outside (nohup) stays ignored. */
static void
watch(int sig)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    struct sigaction old;

    sigemptyset(&action.sa_mask);
    if (sigaction(sig, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        sigaction(sig, &action, NULL);
}

void
interrupt_watch(void)
{
    watch(SIGINT);
    watch(SIGTERM);
    watch(SIGHUP);
    signal(SIGPIPE, SIG_IGN); /* stdout's error is looked at instead */
    signal(SIGXFSZ, SIG_IGN);
}

void
interrupt_begin(void)
{
    atomic_fetch_add(&watchers, 1);
}

void
interrupt_end(void)
{
    atomic_fetch_sub(&watchers, 1);
}

bool
interrupt_pending(void)
{
    return atomic_load(&stopped_by) != 0;
}

int
interrupt_status(int status)
{
    int sig = atomic_load(&stopped_by);

    return sig ? 128 + sig : status;
}
