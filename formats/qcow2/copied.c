/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/copied.c - the COPIED bits of the disk's tables: who has it may
 * be written to in place, since there is no other user.
 *
 * In the tables of snapshots they mean nothing.
 *
 * Concurrency: yields for tables.
 */
#include "formats/qcow2/check.h"

#include <inttypes.h>

/* Is the bit of @word, at byte @at, not as it must be?  It goes by the count,
 * which may stay above the users that are known; after counts were made anew it
 * is these that were counted. */
static bool
is_co_wrong(Qcow2Survey *survey, uint64_t word, uint64_t at, const char *what,
            bool mend, bool *wrong, GError **error)
{
    uint64_t cluster = (word & QCOW2_OFF_MASK) >> survey->s->hdr.cluster_bits;
    bool copied = word & QCOW2_COPIED;
    uint64_t count = 0;

    *wrong = false;
    if (cluster >= survey->n)
        return true;
    count = survey->users[cluster];
    if (!(mend && survey->rebuild) &&
        !qcow2_refcount_co_get(survey->rc, cluster, &count, error))
        return false;
    *wrong = copied != (count == 1);
    if (mend || !*wrong)
        return true;
    survey->n_copied++;
    vd_finding_add(survey->result, VD_FINDING_CORRUPTION,
                   vd_node_name(survey->s->file), at,
                   "the COPIED bit of %s is %d, but the refcount of its "
                   "cluster is %" PRIu64,
                   what, copied, count);
    return true;
}

static bool
has_bit(const Qcow2Tables *tables, const Qcow2Entry *entry, uint64_t off)
{
    uint64_t place = 0;

    return !(entry->word & QCOW2_COMPRESSED) && !tables->external &&
           (entry->word & QCOW2_OFF_MASK) &&
           qcow2_entry_kind(tables, entry, off, &place) != QCOW2_BAD;
}

static bool
table_co_copied(Qcow2Survey *survey, uint32_t l1, bool mend, GError **error)
{
    Qcow2Tables *tables = survey->s->tables;
    uint64_t cluster = qcow2_cluster_bytes(&survey->s->hdr);
    uint64_t off = (uint64_t) l1 << tables->l2_shift;
    uint64_t end = off + qcow2_l2_bytes(tables);

    for (; off < end; off += cluster) {
        Qcow2Entry entry;
        bool wrong;

        if (!qcow2_tables_co_get(tables, off, &entry, error))
            return false;
        if (!has_bit(tables, &entry, off))
            continue;
        if (!is_co_wrong(survey, entry.word, off, "an L2 entry", mend, &wrong,
                         error))
            return false;
        entry.word ^= QCOW2_COPIED;
        if (wrong && mend && !qcow2_tables_co_set(tables, off, &entry, error))
            return false;
    }
    return true;
}

bool
qcow2_survey_co_copied(Qcow2Survey *survey, bool mend, GError **error)
{
    Qcow2Sliced *sl = survey->s->tables->sliced;

    for (uint32_t i = 0; i < sl->n; i++) {
        bool wrong;

        if (!qcow2_sliced_table(sl, i) ||
            !qcow2_survey_names_table(survey, sl->upper[i]))
            continue;
        if (!is_co_wrong(survey, sl->upper[i], sl->off + i * UINT64_C(8),
                         "an L1 entry", mend, &wrong, error))
            return false;
        if (wrong && mend)
            qcow2_sliced_set_upper(sl, i, sl->upper[i] ^ QCOW2_COPIED);
        if (!qcow2_survey_go_on(survey, error) ||
            !table_co_copied(survey, i, mend, error))
            return false;
    }
    return true;
}
