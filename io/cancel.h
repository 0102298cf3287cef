/* SPDX-License-Identifier: BSD-3-Clause */
/* io/cancel.h - a token that asks work to stop.
 *
 * Long operations look at it between requests; sleeps and socket calls wake up
 * on it.  File requests in flight always run to their end.
 */
#pragma once

#include "io/coroutine.h"

#include <glib.h>
#include <stdint.h>

typedef struct VioCancel VioCancel;

VioCancel *vio_cancel_new(void);
/* One of its own that also stops when @parent (NULL = none) does: a deadline
 * for a part of what can be cancelled as a whole. */
VioCancel *vio_cancel_new_child(VioCancel *parent);
VioCancel *vio_cancel_ref(VioCancel *cancel);
void vio_cancel_unref(VioCancel *cancel);

/* Any thread, and signal handlers: ask to stop.  Sticky.  Sleepers are woken
 * by their loop within one wake-up of it. */
void vio_cancel_fire(VioCancel *cancel);

/* 0, -ECANCELED after fire, -ETIMEDOUT after the deadline.  NULL is 0. */
int vio_cancel_check(const VioCancel *cancel);

/* When it fires by itself, whatever is above it included; 0 = never, or NULL.
 */
uint64_t vio_cancel_deadline(const VioCancel *cancel);

/* Fires by itself at this monotonic time (vio_now_ns); 0 = never. */
void vio_cancel_set_deadline(VioCancel *cancel, uint64_t at_ns);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VioCancel, vio_cancel_unref)
