/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/give-up.c - what becomes of places that were given up
 * (refcount.h).
 *
 * Concurrency: one loop; places move on under the flush lock.
 */
#include "formats/qcow2/qcow2.h"

#include "block/rw.h"

void
qcow2_give_up(Qcow2Refcounts *rc, uint64_t off, uint64_t len)
{
    Qcow2Range range = {.off = off, .len = len};
    Qcow2Range *last = rc->freed->len ? &g_array_index(rc->freed, Qcow2Range,
                                                       rc->freed->len - 1)
                                      : NULL;

    if (last && last->off + last->len == off)
        last->len += len;
    else if (len)
        g_array_append_val(rc->freed, range);
}

void
qcow2_rest(Qcow2Refcounts *rc, const GArray *freed)
{
    uint64_t epoch = vd_node_epoch(rc->s->node);

    for (unsigned i = 0; i < freed->len; i++) {
        Qcow2Range range = g_array_index(freed, Qcow2Range, i);

        range.epoch = epoch;
        g_array_append_val(rc->resting, range);
    }
}

/* The space may go: only advice. */
static void
clusters_co_punch(Qcow2Refcounts *rc, uint64_t first, uint64_t end)
{
    unsigned bits = rc->s->hdr.cluster_bits;
    uint64_t off = first << bits, size = vd_node_size(rc->s->file);

    if (first < end && off < size)
        (void) vd_node_co_discard(rc->s->file, off,
                                  MIN((end - first) << bits, size - off), NULL);
}

/* No further compressed cluster goes to @cluster. */
static void
close_packed(Qcow2State *s, uint64_t cluster)
{
    if (s->packed_at >> s->hdr.cluster_bits == cluster)
        s->packed_at = 0;
}

/* What has no other user; as long as it is counted nobody else gets it. */
static bool
range_co_punch(Qcow2Refcounts *rc, uint64_t first, uint64_t end, GError **error)
{
    uint64_t from = first, count;

    for (uint64_t i = first; i < end; i++) {
        if (!qcow2_refcount_co_get(rc, i, &count, error))
            return false;
        if (count == 1) {
            close_packed(rc->s, i);
            continue;
        }
        clusters_co_punch(rc, from, i);
        from = i + 1;
    }
    clusters_co_punch(rc, from, end);
    return true;
}

bool
qcow2_co_drop(Qcow2Refcounts *rc, uint64_t off, uint64_t len, GError **error)
{
    unsigned bits = rc->s->hdr.cluster_bits;
    uint64_t first = off >> bits, end = first + (len >> bits);

    if (!range_co_punch(rc, first, end, error))
        return false;
    for (uint64_t i = first; i < end; i++)
        if (!qcow2_refcount_co_add(rc, i, -1, error))
            return false;
    rc->cursor = MIN(rc->cursor, first);
    return true;
}

bool
qcow2_co_release(Qcow2Refcounts *rc, GError **error)
{
    uint64_t now = vd_node_epoch(rc->s->node);
    unsigned n = 0;
    bool ok = true;

    /* The oldest come first; new ones are added only by who holds the lock. */
    for (; ok && n < rc->resting->len; n++) {
        Qcow2Range range = g_array_index(rc->resting, Qcow2Range, n);

        if (range.epoch + 2 > now)
            break;
        ok = qcow2_co_drop(rc, range.off, range.len, error);
    }
    g_array_remove_range(rc->resting, 0, n);
    return ok;
}
