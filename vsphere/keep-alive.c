/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/keep-alive.c - keeping sessions from expiring.
 *
 * vCenter ends sessions that have been silent for half an hour.  A thread of
 * the session asks for the time every five minutes; through the ordinary way,
 * so that a session which has ended all the same is renewed before it is
 * needed.
 *
 * Concurrency: the thread has the session without a reference of its own: it
 * is stopped before the session goes.
 */
#include "vsphere/reply.h"
#include "vsphere/request.h"
#include "vsphere/session-internal.h"

#define EVERY_MS 300000u

struct VsKeepAlive {
    VsSession *session;
    GThread *thread;
    GMutex lock;
    GCond cond;
    bool stop; /* under lock */
    VioCancel *cancel;
};

static unsigned
interval_ms(void)
{
    const char *text = g_getenv("VDISK_KEEP_ALIVE_MS"); /* for tests */
    guint64 ms;

    if (text && g_ascii_string_to_unsigned(text, 10, 1, EVERY_MS, &ms, NULL))
        return (unsigned) ms;
    return EVERY_MS;
}

static bool
keep_alive_wait(struct VsKeepAlive *k)
{
    gint64 until = g_get_monotonic_time() +
                   (gint64) interval_ms() * G_TIME_SPAN_MILLISECOND;
    bool stop;

    g_mutex_lock(&k->lock);
    while (!k->stop && g_cond_wait_until(&k->cond, &k->lock, until))
        continue;
    stop = k->stop;
    g_mutex_unlock(&k->lock);
    return !stop;
}

static void *
keep_alive_main(void *opaque)
{
    struct VsKeepAlive *k = opaque;
    const VsRef self = {(char *) "ServiceInstance", (char *) "ServiceInstance"};

    vs_session_set_thread_cancel(k->cancel);
    /* A failure is for the next call to find out. */
    while (keep_alive_wait(k))
        (void) vs_session_do(k->session, vs_request_new("CurrentTime", &self),
                             NULL);
    return NULL;
}

static void
keep_alive_free(struct VsKeepAlive *k)
{
    vio_cancel_unref(k->cancel);
    g_mutex_clear(&k->lock);
    g_cond_clear(&k->cond);
    g_free(k);
}

/* Without a thread sessions last as long as servers let them, and are begun
 * again then. */
struct VsKeepAlive *
vs_keep_alive_start(VsSession *session)
{
    struct VsKeepAlive *k = g_new0(struct VsKeepAlive, 1);
    g_autoptr(GError) why = NULL;

    k->session = session;
    k->cancel = vio_cancel_new();
    g_mutex_init(&k->lock);
    g_cond_init(&k->cond);
    k->thread = g_thread_try_new("vdisk-vsphere", keep_alive_main, k, &why);
    if (k->thread)
        return k;
    g_debug("%s: the session is not kept alive: %s", vs_session_name(session),
            why->message);
    keep_alive_free(k);
    return NULL;
}

void
vs_keep_alive_stop(struct VsKeepAlive *k)
{
    if (!k)
        return;
    g_mutex_lock(&k->lock);
    k->stop = true;
    g_cond_signal(&k->cond);
    g_mutex_unlock(&k->lock);
    vio_cancel_fire(k->cancel);
    g_thread_join(k->thread);
    keep_alive_free(k);
}
