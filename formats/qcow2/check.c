/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/check.c - do refcounts and COPIED bits say what the tables say?
 *
 * A count above the number of users is a leak, one below it a corruption: the
 * cluster would be given away although it is in use.
 *
 * Concurrency: yields for tables; nobody changes the image meanwhile.
 */
#include "formats/qcow2/check.h"

#include <inttypes.h>

static void
compare(Qcow2Survey *survey, uint64_t cluster, uint64_t count)
{
    Qcow2State *s = survey->s;
    uint32_t users = survey->users[cluster];
    uint64_t off = cluster << s->hdr.cluster_bits;

    if (count == users)
        return;
    vd_finding_add(
        survey->result, count > users ? VD_FINDING_LEAK : VD_FINDING_CORRUPTION,
        vd_node_name(s->file), off,
        "the cluster has %u users and a refcount of %" PRIu64, users, count);
}

static bool
counts_co_compare(Qcow2Survey *survey, GError **error)
{
    uint64_t last = 0;

    for (uint64_t i = 0; i < survey->n; i++) {
        uint64_t count = 0;

        if (!qcow2_refcount_co_get(survey->s->refcounts, i, &count, error))
            return false;
        compare(survey, i, count);
        if (count)
            last = i + 1;
    }
    survey->result->image_end_offset = last << survey->s->hdr.cluster_bits;
    return true;
}

/* -- COPIED ---------------------------------------------------------------- */

/* Set where there is one user, and only there. */
static void
check_copied(Qcow2Survey *survey, uint64_t word, uint64_t at, const char *what)
{
    uint64_t cluster = (word & QCOW2_OFF_MASK) >> survey->s->hdr.cluster_bits;
    bool copied = word & QCOW2_COPIED;

    if (cluster < survey->n && copied != (survey->users[cluster] == 1))
        vd_finding_add(survey->result, VD_FINDING_CORRUPTION,
                       vd_node_name(survey->s->file), at,
                       "the COPIED bit of %s is %d, but the cluster has %u "
                       "users",
                       what, copied, survey->users[cluster]);
}

static bool
table_co_check_copied(Qcow2Survey *survey, uint32_t l1, GError **error)
{
    Qcow2Tables *tables = survey->s->tables;
    uint64_t cluster = qcow2_cluster_bytes(&survey->s->hdr);
    uint64_t off = (uint64_t) l1 << tables->l2_shift;
    uint64_t end = off + qcow2_l2_bytes(tables);

    for (; off < end; off += cluster) {
        Qcow2Entry entry;

        if (!qcow2_tables_co_get(tables, off, &entry, error))
            return false;
        if (!(entry.word & QCOW2_COMPRESSED) && !tables->external &&
            (entry.word & QCOW2_OFF_MASK))
            check_copied(survey, entry.word, off, "an L2 entry");
    }
    return true;
}

static bool
copied_co_check(Qcow2Survey *survey, GError **error)
{
    const Qcow2Sliced *sl = survey->s->tables->sliced;

    for (uint32_t i = 0; i < sl->n; i++) {
        uint64_t place = qcow2_sliced_table(sl, i);

        if (!place || place >> survey->s->hdr.cluster_bits >= survey->n)
            continue;
        check_copied(survey, sl->upper[i], sl->off + i * UINT64_C(8),
                     "an L1 entry");
        if (!table_co_check_copied(survey, i, error))
            return false;
    }
    return true;
}

/* -- all of it ------------------------------------------------------------- */

static bool
survey_co_run(Qcow2Survey *survey, GError **error)
{
    Qcow2State *s = survey->s;
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);

    survey->n = (vd_node_size(s->file) + cluster - 1) / cluster;
    survey->users = g_try_new0(uint32_t, MAX(survey->n, 1));
    if (!survey->users)
        return vd_throw(error, VD_ERROR_NO_MEMORY,
                        "%s: no memory to count the users of %" PRIu64
                        " clusters",
                        vd_node_name(s->file), survey->n);
    return qcow2_survey_co_walk(survey, error) &&
           counts_co_compare(survey, error) && copied_co_check(survey, error);
}

bool
qcow2_co_check(VdNode *node, const VdCheckParams *params, VdCheckResult *result,
               GError **error)
{
    Qcow2State *s = vd_node_state(node);
    Qcow2Survey survey = {.s = s, .result = result};
    bool only_read = !s->refcounts, ok;

    if (params->repair)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "qcow2 images cannot be repaired yet");
    if (s->begun && !qcow2_co_finish(node, error))
        return false;
    if (only_read)
        s->refcounts = qcow2_refcounts_co_open(s, error);
    if (!s->refcounts)
        return false;
    result->total_clusters =
        (s->hdr.size + qcow2_cluster_bytes(&s->hdr) - 1) >> s->hdr.cluster_bits;
    ok = survey_co_run(&survey, error);
    g_free(survey.users);
    if (only_read)
        g_clear_pointer(&s->refcounts, qcow2_refcounts_free);
    return ok;
}
