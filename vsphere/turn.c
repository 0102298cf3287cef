/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/turn.c - whose turn it is to talk to the server.
 *
 * Calls of a session go one after another, and each may take as long as the
 * server lets it: whoever waits may be stopped, by the same as in a call.  What
 * stops somebody may be a signal, which wakes nobody here, so that is looked at
 * now and then.
 *
 * Concurrency: any thread.
 */
#include "vsphere/session-internal.h"

#include "block/error.h"

#include <errno.h>

#define LOOK_US (50 * G_TIME_SPAN_MILLISECOND)

static __thread VioCancel *thread_cancel;

void
vs_session_set_thread_cancel(VioCancel *cancel)
{
    thread_cancel = cancel;
}

VioCancel *
vs_session_thread_cancel(void)
{
    return thread_cancel;
}

/* 0, or why it has not come: -errno. */
static int
await_locked(VsSession *session)
{
    while (session->taken) {
        int r = vio_cancel_check(thread_cancel);

        if (r != 0)
            return r;
        if (thread_cancel)
            (void) g_cond_wait_until(&session->given, &session->lock,
                                     g_get_monotonic_time() + LOOK_US);
        else
            g_cond_wait(&session->given, &session->lock);
    }
    return 0;
}

bool
vs_turn_take(VsSession *session, GError **error)
{
    int r;

    g_mutex_lock(&session->lock);
    r = await_locked(session);
    if (r == 0)
        session->taken = true;
    g_mutex_unlock(&session->lock);
    return r == 0 ||
           vd_throw(error,
                    r == -ECANCELED ? VD_ERROR_CANCELLED : VD_ERROR_TIMED_OUT,
                    "%s: %s while the server had not answered an earlier "
                    "request",
                    session->name, r == -ECANCELED ? "cancelled" : "timed out");
}

void
vs_turn_give(VsSession *session)
{
    g_mutex_lock(&session->lock);
    session->taken = false;
    g_cond_signal(&session->given);
    g_mutex_unlock(&session->lock);
}
