/* SPDX-License-Identifier: BSD-3-Clause */
/* io/sync.h - waiting for other coroutines of the same loop.
 *
 * None of these is a thread lock: all users live on one loop.  Wake-ups are
 * first in, first out, and hand the thing over directly.
 */
#pragma once

#include "io/coroutine.h"

#include <glib.h>
#include <stdint.h>

/* -- queue of waiting coroutines ------------------------------------------ */
typedef struct VioCoQueue {
    GQueue waiters; /* of VioCo; zero-initialised is empty */
} VioCoQueue;

void vio_co_queue_wait(VioCoQueue *queue); /* yields until woken */
bool vio_co_queue_wake_one(VioCoQueue *queue);
void vio_co_queue_wake_all(VioCoQueue *queue);
bool vio_co_queue_is_empty(const VioCoQueue *queue);

/* -- mutex: for metadata updates, never around data transfer -------------- */
typedef struct VioCoMutex {
    VioCo *owner;
    VioCoQueue queue;
} VioCoMutex; /* zero-initialised is unlocked */

void vio_co_mutex_lock(VioCoMutex *mutex); /* may yield */
void vio_co_mutex_unlock(VioCoMutex *mutex);

/* -- byte-range lock ------------------------------------------------------ */
typedef struct VioRangeLock VioRangeLock;
typedef struct VioRange VioRange; /* one held or awaited range */

VioRangeLock *vio_range_lock_new(void);
void vio_range_lock_free(VioRangeLock *lock); /* nothing may be held */
/* Wait until no conflicting range overlaps [off, off+len), then hold it.  Two
 * ranges conflict if they overlap and at least one of them is exclusive.
 * Fair: a range also waits for conflicting ranges that were asked for
 * earlier.  @len > 0. */
VioRange *vio_range_co_lock(VioRangeLock *lock, uint64_t off, uint64_t len,
                            bool exclusive);
void vio_range_unlock(VioRangeLock *lock, VioRange *range);
/* True while any exclusive range is held or awaited. */
bool vio_range_lock_contended(const VioRangeLock *lock);

/* -- group: run several coroutines side by side, then join ---------------- */
typedef struct VioCoGroup VioCoGroup;

/* A member returns true, or false with *error set. */
typedef bool (*VioCoGroupFunc)(void *arg, GError **error);

VioCoGroup *vio_co_group_new(unsigned max_in_flight);
/* Start fn(arg) in a coroutine of its own; frees @arg with @free_arg (may be
 * NULL) when done.  Yields while max_in_flight members run.  After a failure
 * further members are freed without being run. */
void vio_co_group_spawn(VioCoGroup *group, VioCoGroupFunc fn, void *arg,
                        GDestroyNotify free_arg);
/* True once a member has failed: the producer may stop early. */
bool vio_co_group_failed(const VioCoGroup *group);
/* Wait for all members; the error of the first that failed (in order of
 * completion) goes to @error, which may be NULL.  Must be called before free.
 */
bool vio_co_group_join(VioCoGroup *group, GError **error);
void vio_co_group_free(VioCoGroup *group);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VioCoGroup, vio_co_group_free)

/* -- turnstile: let tickets pass in order --------------------------------- */
typedef struct VioTurnstile {
    uint64_t next;       /* ticket that may pass now */
    GHashTable *waiting; /* ticket -> VioCo; made on demand */
} VioTurnstile;          /* zero-initialised lets ticket 0 pass first */

/* Yields until every ticket below @ticket has been released. */
void vio_turnstile_co_enter(VioTurnstile *ts, uint64_t ticket);
/* Let @ticket + 1 pass.  Each ticket is released exactly once, in order. */
void vio_turnstile_release(VioTurnstile *ts, uint64_t ticket);
void vio_turnstile_clear(VioTurnstile *ts);
