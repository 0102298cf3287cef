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
#include "vsphere/session-internal.h"

#define EVERY_MS 300000u

static unsigned
interval_ms(void)
{
    const char *text = g_getenv("VDISK_KEEP_ALIVE_MS"); /* for tests */
    guint64 ms;

    if (text && g_ascii_string_to_unsigned(text, 10, 1, EVERY_MS, &ms, NULL))
        return (unsigned) ms;
    return EVERY_MS;
}

/* A failure is for the next call to find out. */
static void
keep_alive_beat(void *session)
{
    (void) vs_session_touch(session, NULL);
}

/* Without a thread sessions last as long as servers let them, and are begun
 * again then. */
VsPulse *
vs_keep_alive_start(VsSession *session)
{
    g_autoptr(GError) why = NULL;
    VsPulse *pulse =
        vs_pulse_start(interval_ms(), keep_alive_beat, session, &why);

    if (!pulse)
        g_debug("%s: the session is not kept alive: %s",
                vs_session_name(session), why->message);
    return pulse;
}
