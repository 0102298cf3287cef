/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/pulse.c - a thread that calls a server now and then.
 *
 * Concurrency: what is beaten for belongs to who starts the pulse, and outlives
 * it.
 */
#include "vsphere/pulse.h"

#include "block/error.h"
#include "vsphere/session.h"

struct VsPulse {
    void (*beat)(void *arg);
    void *arg;
    unsigned ms;
    GThread *thread;
    GMutex lock;
    GCond cond;
    bool stop; /* under lock */
    VioCancel *cancel;
};

static bool
pulse_wait(VsPulse *p)
{
    gint64 until =
        g_get_monotonic_time() + (gint64) p->ms * G_TIME_SPAN_MILLISECOND;
    bool stop;

    g_mutex_lock(&p->lock);
    while (!p->stop && g_cond_wait_until(&p->cond, &p->lock, until))
        continue;
    stop = p->stop;
    g_mutex_unlock(&p->lock);
    return !stop;
}

static void *
pulse_main(void *opaque)
{
    VsPulse *p = opaque;

    vs_session_set_thread_cancel(p->cancel);
    while (pulse_wait(p))
        p->beat(p->arg);
    return NULL;
}

static void
pulse_free(VsPulse *p)
{
    vio_cancel_unref(p->cancel);
    g_mutex_clear(&p->lock);
    g_cond_clear(&p->cond);
    g_free(p);
}

VsPulse *
vs_pulse_start(unsigned ms, void (*beat)(void *arg), void *arg, GError **error)
{
    VsPulse *p = g_new0(VsPulse, 1);
    g_autoptr(GError) why = NULL;

    p->beat = beat;
    p->arg = arg;
    p->ms = ms;
    p->cancel = vio_cancel_new();
    g_mutex_init(&p->lock);
    g_cond_init(&p->cond);
    p->thread = g_thread_try_new("vdisk-vsphere", pulse_main, p, &why);
    if (p->thread)
        return p;
    pulse_free(p);
    return vd_throw_null(error, VD_ERROR_NO_MEMORY, "%s", why->message);
}

void
vs_pulse_stop(VsPulse *p)
{
    if (!p)
        return;
    g_mutex_lock(&p->lock);
    p->stop = true;
    g_cond_signal(&p->cond);
    g_mutex_unlock(&p->lock);
    vio_cancel_fire(p->cancel);
    g_thread_join(p->thread);
    pulse_free(p);
}
