/* SPDX-License-Identifier: BSD-3-Clause */
/* io/coroutine.h - stackful coroutines that belong to one loop.
 *
 * A coroutine is only ever entered from its loop's ready list, so nesting is
 * one deep and no completion handler runs user code.  Whatever thread runs the
 * loop runs its coroutines; that thread may change between two entries, so no
 * thread-local value or address may be kept across a yield.
 *
 * Stacks are 128 KiB with a guard page.  Locals over 4 KiB, alloca and
 * third-party code of unknown depth do not belong on them: see io/offload.h.
 */
#pragma once

#include <stdbool.h>

typedef struct VioCo VioCo;
typedef struct VioLoop VioLoop;

typedef void (*VioCoFunc)(void *opaque);

/* Make a coroutine that will call fn(opaque) and append it to the ready list
 * of @loop.  It never runs before this returns.  Loop thread only; from other
 * threads use vio_loop_post_co(). */
void vio_co_start(VioLoop *loop, VioCoFunc fn, void *opaque);

/* The running coroutine; NULL outside of one.  Not inlined on purpose. */
VioCo *vio_co_self(void);

/* The loop that the running coroutine belongs to. */
VioLoop *vio_co_loop(void);

/* Suspend the running coroutine until vio_co_wake().  A wake that came first
 * is not lost only if both happen on the loop's thread in that order: whoever
 * arms a wake-up does so before it yields and re-checks its condition after. */
void vio_co_yield(void);

/* Append @co, which is suspended in vio_co_yield(), to the ready list.  Loop
 * thread only.  Waking a coroutine that is not suspended is a bug. */
void vio_co_wake(VioCo *co);

/* Let everything that is ready run first, then go on.  Yields. */
void vio_co_reschedule(void);
