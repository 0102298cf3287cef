/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/pulse.h - a thread that calls a server now and then. */
#pragma once

#include <glib.h>

typedef struct VsPulse VsPulse;

/* @beat(@arg) every @ms, on a thread of its own, for the first time after the
 * first @ms, until the pulse is stopped.  NULL: there is no thread to be had.
 */
VsPulse *vs_pulse_start(unsigned ms, void (*beat)(void *arg), void *arg,
                        GError **error);
/* Breaks calls of a beat off; there is none any more behind it.  NULL is
 * nothing. */
void vs_pulse_stop(VsPulse *pulse);
