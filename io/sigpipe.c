/* SPDX-License-Identifier: BSD-3-Clause */
/* io/sigpipe.c - writing without SIGPIPE.
 *
 * Concurrency: any thread; what it blocks is the thread's own.
 */
#include "io/sigpipe.h"

#include <pthread.h>
#include <stddef.h>
#include <time.h>

void
vio_sigpipe_block(VioSigpipe *guard)
{
    sigset_t pending;

    (void) sigemptyset(&guard->sigpipe);
    (void) sigaddset(&guard->sigpipe, SIGPIPE);
    (void) sigpending(&pending);
    guard->pending = sigismember(&pending, SIGPIPE);
    (void) pthread_sigmask(SIG_BLOCK, &guard->sigpipe, &guard->before);
}

/* The signal of a failed write is sent to the writing thread: it is there by
 * now, and nowhere else. */
void
vio_sigpipe_unblock(const VioSigpipe *guard, bool broken)
{
    const struct timespec now = {0};

    if (broken && !guard->pending)
        (void) sigtimedwait(&guard->sigpipe, NULL, &now);
    (void) pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
}
