/* SPDX-License-Identifier: BSD-3-Clause */
/* io/range-lock.c - byte-range lock, fair.
 *
 * All ranges, held and awaited, stand in one list in order of arrival.  Each
 * counts the earlier ones that it conflicts with and is held once that count
 * is zero; a range that leaves takes itself off the counts of later ones.
 *
 * Concurrency: all users live on one loop.
 */
#include "io/sync.h"

struct VioRange {
    VioRange *next, *prev;
    uint64_t off, end; /* [off, end) */
    bool exclusive;
    unsigned blockers;
    VioCo *waiter; /* NULL once held */
};

struct VioRangeLock {
    VioRange *head, *tail; /* oldest, newest */
    unsigned exclusive;
    VioRange *spare; /* for reuse */
};

VioRangeLock *
vio_range_lock_new(void)
{
    return g_new0(VioRangeLock, 1);
}

void
vio_range_lock_free(VioRangeLock *lock)
{
    g_assert(!lock->head);
    while (lock->spare) {
        VioRange *range = lock->spare;

        lock->spare = range->next;
        g_free(range);
    }
    g_free(lock);
}

static bool
range_conflicts(const VioRange *a, const VioRange *b)
{
    return (a->exclusive || b->exclusive) && a->off < b->end && b->off < a->end;
}

static VioRange *
range_alloc(VioRangeLock *lock)
{
    VioRange *range = lock->spare;

    if (!range)
        return g_new(VioRange, 1);
    lock->spare = range->next;
    return range;
}

static void
range_append(VioRangeLock *lock, VioRange *range)
{
    range->next = NULL;
    range->prev = lock->tail;
    if (lock->tail)
        lock->tail->next = range;
    else
        lock->head = range;
    lock->tail = range;
    lock->exclusive += range->exclusive;
}

static void
range_remove(VioRangeLock *lock, VioRange *range)
{
    if (range->prev)
        range->prev->next = range->next;
    else
        lock->head = range->next;
    if (range->next)
        range->next->prev = range->prev;
    else
        lock->tail = range->prev;
    lock->exclusive -= range->exclusive;
}

VioRange *
vio_range_co_lock(VioRangeLock *lock, uint64_t off, uint64_t len,
                  bool exclusive)
{
    VioRange *range = range_alloc(lock);

    g_assert(len > 0 && len <= UINT64_MAX - off);
    *range = (VioRange){.off = off, .end = off + len, .exclusive = exclusive};
    /* Readers among themselves never conflict: nothing to look for. */
    if (exclusive || lock->exclusive > 0)
        for (VioRange *r = lock->head; r; r = r->next)
            range->blockers += range_conflicts(range, r);
    range_append(lock, range);
    if (range->blockers > 0) {
        range->waiter = vio_co_self();
        vio_co_yield();
    }
    return range;
}

static void
range_unblock(VioRange *range)
{
    if (--range->blockers > 0)
        return;
    vio_co_wake(range->waiter);
    range->waiter = NULL;
}

void
vio_range_unlock(VioRangeLock *lock, VioRange *range)
{
    g_assert(range->blockers == 0);
    if (range->exclusive || lock->exclusive > 0)
        for (VioRange *r = range->next; r; r = r->next)
            if (range_conflicts(range, r))
                range_unblock(r);
    range_remove(lock, range);
    range->next = lock->spare;
    lock->spare = range;
}

bool
vio_range_lock_contended(const VioRangeLock *lock)
{
    return lock->exclusive > 0;
}
