/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/forget.c - entries that say nothing any more, and the space
 * that comes free with them.
 *
 * Concurrency: no change of the image is in flight.
 */
#include "formats/qcow2/qcow2.h"

uint64_t
qcow2_reach(const Qcow2State *s)
{
    return (uint64_t) s->tables->sliced->n << s->tables->l2_shift;
}

/* Table @l1 goes with all that it names; others may share it, and know nothing
 * of it. */
static bool
table_co_drop(Qcow2State *s, uint32_t l1, GError **error)
{
    Qcow2Sliced *sl = s->tables->sliced;
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);
    uint64_t off = (uint64_t) l1 << s->tables->l2_shift;
    uint64_t end = off + qcow2_l2_bytes(s->tables);
    uint64_t place = qcow2_sliced_table(sl, l1);

    for (; off < end; off += cluster) {
        Qcow2Entry entry;

        if (!qcow2_tables_co_get(s->tables, off, &entry, error))
            return false;
        qcow2_give_up_entry(s, &entry);
    }
    qcow2_sliced_drop(sl, l1);
    qcow2_sliced_set_upper(sl, l1, 0);
    qcow2_give_up(s->refcounts, place, cluster);
    return true;
}

static bool
table_co_forget_part(Qcow2State *s, uint64_t off, uint64_t end, GError **error)
{
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);

    for (; off < end; off += cluster) {
        static const Qcow2Entry nothing = {0};
        Qcow2Entry entry;

        if (!qcow2_tables_co_get(s->tables, off, &entry, error))
            return false;
        if ((entry.word || entry.bitmap) &&
            (!qcow2_co_own_table(s, off, error) ||
             !qcow2_co_replace(s, off, &nothing, error)))
            return false;
    }
    return true;
}

bool
qcow2_co_forget(Qcow2State *s, uint64_t off, uint64_t end, GError **error)
{
    uint64_t table = qcow2_l2_bytes(s->tables);

    end = MIN(end, qcow2_reach(s));
    while (off < end) {
        uint64_t next = (off | (table - 1)) + 1;
        uint32_t l1 = qcow2_l1_of(s->tables, off);
        bool whole =
            (off & (table - 1)) == 0 && (next <= end || (end == s->hdr.size));

        if (qcow2_sliced_table(s->tables->sliced, l1) &&
            !(whole ? table_co_drop(s, l1, error)
                    : table_co_forget_part(s, off, MIN(next, end), error)))
            return false;
        if (!qcow2_co_relieve(s, error))
            return false;
        off = next;
    }
    return true;
}

/* -- space ----------------------------------------------------------------- */

/* Behind the last cluster with a user. */
static bool
file_co_find_end(Qcow2State *s, uint64_t *end, GError **error)
{
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr), count = 0;
    uint64_t n = (vd_node_size(s->file) + cluster - 1) / cluster;

    for (; n && !count; n -= !count)
        if (!qcow2_refcount_co_get(s->refcounts, n - 1, &count, error))
            return false;
    *end = n * cluster;
    return true;
}

bool
qcow2_co_trim(Qcow2State *s, GError **error)
{
    uint64_t end;

    vd_node_co_settle(s->node);
    if (!qcow2_co_finish(s->node, error) || !vd_node_co_flush(s->file, error) ||
        !file_co_find_end(s, &end, error))
        return false;
    s->refcounts->cursor = 0;
    return end >= vd_node_size(s->file) ||
           vd_node_co_truncate(s->file, end, VD_PREALLOC_OFF, error);
}
