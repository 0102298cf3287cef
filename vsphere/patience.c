/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/patience.c - a while longer for what should not be left half-done.
 *
 * A server makes something, and only its answer says how to give it back: who
 * does not wait for that leaves it there.  Servers that are silent are not
 * waited for long.
 *
 * Concurrency: a patience belongs to its thread; a pulse counts the seconds.
 */
#include "vsphere/patience.h"

#include "vsphere/session.h"

#define BEAT_MS 100u
#define BEATS 100u /* ten seconds */

static void
patience_beat(void *opaque)
{
    VsPatience *p = opaque;

    if (vio_cancel_check(p->above) == 0)
        return;
    if (p->left == 0)
        vio_cancel_fire(p->own);
    else
        p->left--;
}

void
vs_patience_begin(VsPatience *p)
{
    *p = (VsPatience){.above = vs_session_thread_cancel(), .left = BEATS};
    if (!p->above)
        return;
    p->own = vio_cancel_new();
    p->pulse = vs_pulse_start(BEAT_MS, patience_beat, p, NULL);
    if (p->pulse)
        vs_session_set_thread_cancel(p->own);
}

void
vs_patience_end(VsPatience *p)
{
    vs_session_set_thread_cancel(p->above);
    vs_pulse_stop(p->pulse);
    if (p->own)
        vio_cancel_unref(p->own);
}
