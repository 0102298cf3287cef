/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/fate.h - whether something that a server has promised still holds.
 *
 * Concurrency: any thread.
 */
#pragma once

#include "io/cancel.h"

#include <stdbool.h>

typedef struct VsFate VsFate;

/* What stops @above (NULL = nothing) stops what depends on it, too. */
VsFate *vs_fate_new(VioCancel *above);
VsFate *vs_fate_ref(VsFate *fate);
void vs_fate_unref(VsFate *fate);

/* It holds no more, because of @why, which is taken over; the first one counts.
 */
void vs_fate_end(VsFate *fate, GError *why);
/* False: it does not hold any more. */
bool vs_fate_check(VsFate *fate, GError **error);
/* Fires when it ends; lives as long as the fate. */
VioCancel *vs_fate_cancel(const VsFate *fate);
