/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/own.c - L2 tables of our own, and entries that change.
 *
 * A table or cluster that an internal snapshot uses, too, is not written to:
 * its COPIED bit is not set, and who changes it takes a copy.
 *
 * Concurrency: one loop.  The range of an entry that changes is locked by the
 * caller.
 */
#include "formats/qcow2/qcow2.h"

static bool
qcow2_co_place_table(Qcow2State *s, uint32_t l1, GError **error)
{
    Qcow2Sliced *sl = s->tables->sliced;
    uint64_t old = qcow2_sliced_table(sl, l1), off;

    if (!qcow2_co_allocate_all(s->refcounts, 1, &off, error))
        return false;
    if (!old) {
        qcow2_sliced_add(sl, l1, off | QCOW2_COPIED);
        return true;
    }
    if (!qcow2_sliced_co_move(sl, l1, off | QCOW2_COPIED, error)) {
        qcow2_give_up(s->refcounts, off, qcow2_cluster_bytes(&s->hdr));
        return false;
    }
    qcow2_give_up(s->refcounts, old, qcow2_cluster_bytes(&s->hdr));
    return true;
}

/* A bit alone is no table, whatever it says. */
static bool
is_own(uint64_t word)
{
    return (word & QCOW2_COPIED) && (word & QCOW2_OFF_MASK);
}

bool
qcow2_co_own_table(Qcow2State *s, uint64_t off, GError **error)
{
    Qcow2Sliced *sl = s->tables->sliced;
    uint32_t l1 = qcow2_l1_of(s->tables, off);
    bool ok = true;

    if (G_LIKELY(is_own(sl->upper[l1])))
        return true;
    vio_co_mutex_lock(&s->table_lock);
    if (!is_own(sl->upper[l1]))
        ok = qcow2_co_place_table(s, l1, error);
    vio_co_mutex_unlock(&s->table_lock);
    return ok;
}

static void
give_up_word(Qcow2State *s, uint64_t word)
{
    uint64_t off = 0;
    uint32_t len = 0;

    qcow2_entry_packed(&s->hdr, word, &off, &len);
    qcow2_give_up_packed(s, off, len);
}

void
qcow2_give_up_entry(Qcow2State *s, const Qcow2Entry *entry)
{
    uint64_t place = entry->word & QCOW2_OFF_MASK;

    if (entry->word & QCOW2_COMPRESSED)
        give_up_word(s, entry->word);
    else if (place && !s->tables->external)
        qcow2_give_up(s->refcounts, place, qcow2_cluster_bytes(&s->hdr));
}

bool
qcow2_co_replace(Qcow2State *s, uint64_t off, const Qcow2Entry *entry,
                 GError **error)
{
    Qcow2Entry old;

    if (!qcow2_tables_co_get(s->tables, off, &old, error) ||
        !qcow2_tables_co_set(s->tables, off, entry, error))
        return false;
    if ((old.word & QCOW2_COMPRESSED) || (entry->word & QCOW2_COMPRESSED) ||
        (old.word & QCOW2_OFF_MASK) != (entry->word & QCOW2_OFF_MASK))
        qcow2_give_up_entry(s, &old);
    return true;
}
