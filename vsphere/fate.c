/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/fate.c - whether something that a server has promised still holds.
 *
 * Who watches over it and who depends on it are different threads, and either
 * may be gone first.
 *
 * Concurrency: any thread; the reason under a lock that is held for moments.
 */
#include "vsphere/fate.h"

struct VsFate {
    int refs;
    VioCancel *cancel;
    GMutex lock;
    GError *why; /* NULL = it holds */
};

VsFate *
vs_fate_new(VioCancel *above)
{
    VsFate *fate = g_new0(VsFate, 1);

    fate->refs = 1;
    fate->cancel = vio_cancel_new_child(above);
    g_mutex_init(&fate->lock);
    return fate;
}

VsFate *
vs_fate_ref(VsFate *fate)
{
    __atomic_add_fetch(&fate->refs, 1, __ATOMIC_RELAXED);
    return fate;
}

void
vs_fate_unref(VsFate *fate)
{
    if (!fate || __atomic_sub_fetch(&fate->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    vio_cancel_unref(fate->cancel);
    g_mutex_clear(&fate->lock);
    g_clear_error(&fate->why);
    g_free(fate);
}

void
vs_fate_end(VsFate *fate, GError *why)
{
    g_mutex_lock(&fate->lock);
    if (!fate->why)
        fate->why = g_steal_pointer(&why);
    g_mutex_unlock(&fate->lock);
    g_clear_error(&why);
    vio_cancel_fire(fate->cancel);
}

bool
vs_fate_check(VsFate *fate, GError **error)
{
    GError *why;

    g_mutex_lock(&fate->lock);
    why = fate->why ? g_error_copy(fate->why) : NULL;
    g_mutex_unlock(&fate->lock);
    if (!why)
        return true;
    g_propagate_error(error, why);
    return false;
}

VioCancel *
vs_fate_cancel(const VsFate *fate)
{
    return fate->cancel;
}
