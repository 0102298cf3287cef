/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/expand.c - entries without marks for zeroes, as version 2 has
 * them: nothing where nobody shows through, zeroes in a place elsewhere.
 *
 * Concurrency: no change of the image is in flight.
 */
#include "formats/qcow2/qcow2.h"

static bool
entry_co_expand(Qcow2State *s, uint64_t off, Qcow2Entry *entry, GError **error)
{
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);
    uint64_t place = entry->word & QCOW2_OFF_MASK;

    if (!qcow2_has_parent(s)) {
        *entry = (Qcow2Entry){0};
    } else {
        if (!place && !qcow2_co_allocate_all(s->refcounts, 1, &place, error))
            return false;
        if (!vd_node_co_write_zeroes(s->file, place, cluster, 0, error))
            return false;
        *entry = (Qcow2Entry){.word = place | QCOW2_COPIED};
    }
    return qcow2_co_own_table(s, off, error) &&
           qcow2_co_replace(s, off, entry, error);
}

static bool
table_co_expand(Qcow2State *s, uint32_t l1, GError **error)
{
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);
    uint64_t off = (uint64_t) l1 << s->tables->l2_shift;
    uint64_t end = off + qcow2_l2_bytes(s->tables);

    for (; off < end; off += cluster) {
        Qcow2Entry entry;

        if (!qcow2_tables_co_get(s->tables, off, &entry, error))
            return false;
        if (!(entry.word & QCOW2_COMPRESSED) && (entry.word & QCOW2_ZERO) &&
            !entry_co_expand(s, off, &entry, error))
            return false;
    }
    return qcow2_co_relieve(s, error);
}

bool
qcow2_co_expand_zeroes(Qcow2State *s, GError **error)
{
    for (uint32_t i = 0; i < s->tables->sliced->n; i++)
        if (qcow2_sliced_table(s->tables->sliced, i) &&
            !table_co_expand(s, i, error))
            return false;
    return qcow2_co_finish(s->node, error) && qcow2_co_sync(s, error);
}
