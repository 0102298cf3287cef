/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/repair.c - making counts and COPIED bits right.
 *
 *   counts in place, or all of them anew where what holds them is damaged
 *   barrier - COPIED bits - barrier - the header's marks
 *
 * Each step leaves every count and bit as it was or right, so wherever it stops
 * the image is no worse.  What an entry that nobody can read was to say is
 * lost; it stays, and so does all that it might have named.
 *
 * Concurrency: nobody changes the image meanwhile.
 */
#include "formats/qcow2/check.h"

#define DIRTY_SLICES_MAX 4096

/* -- counts ---------------------------------------------------------------- */

static bool
refcounts_co_store(Qcow2Refcounts *rc, GError **error)
{
    Qcow2Batch batch;

    qcow2_batch_take(&batch, rc->sliced);
    batch.written = qcow2_batch_co_write_lower(&batch, error);
    qcow2_batch_release(&batch);
    return batch.written;
}

static bool
wants(const Qcow2Survey *survey, unsigned repair, uint64_t count,
      uint64_t users)
{
    if (count > users)
        return !survey->unclear;
    return count < users && (repair & VD_REPAIR_ALL);
}

static bool
counts_co_mend(Qcow2Survey *survey, unsigned repair, GError **error)
{
    Qcow2Refcounts *rc = survey->rc;

    for (uint64_t i = 0; i < survey->n; i++) {
        uint64_t count;

        if (!qcow2_refcount_co_get(rc, i, &count, error))
            return false;
        if (!wants(survey, repair, count, survey->users[i]))
            continue;
        if (!qcow2_refcount_co_set(rc, i, survey->users[i], error) ||
            (rc->sliced->dirty->len > DIRTY_SLICES_MAX &&
             !refcounts_co_store(rc, error)))
            return false;
    }
    return refcounts_co_store(rc, error) &&
           vd_node_co_flush(survey->s->file, error);
}

/* Where the tables do not tell all, what is counted stays so. */
static bool
counts_co_keep(Qcow2Survey *survey, GError **error)
{
    for (uint64_t i = 0; survey->unclear && i < survey->n; i++) {
        uint64_t count = 0;

        if (!qcow2_refcount_co_get(survey->rc, i, &count, error))
            return false;
        if (!survey->users[i] && count)
            survey->users[i] = 1;
    }
    return true;
}

/* Enough for all users there are; images of version 2 have no choice. */
static unsigned
wide_enough(const Qcow2Survey *survey)
{
    unsigned order = survey->s->hdr.refcount_order;
    uint64_t most = 0;

    for (uint64_t i = 0; i < survey->n; i++)
        most = MAX(most, survey->users[i]);
    while (survey->s->hdr.version >= 3 && order < 6 &&
           most > qcow2_refcount_max(order))
        order++;
    return order;
}

/* From the old counts to the new ones. */
static bool
counts_co_switch(Qcow2State *s, const Qcow2Header *hdr, GError **error)
{
    Qcow2Header before = s->hdr;

    s->hdr = *hdr;
    if (qcow2_co_store_header(s, error) && vd_node_co_flush(s->file, error))
        return true;
    s->hdr = before;
    return false;
}

static bool
counts_co_rebuild(Qcow2Survey *survey, GError **error)
{
    Qcow2Header hdr = survey->s->hdr;

    qcow2_survey_count_refcounts(survey, -1);
    return counts_co_keep(survey, error) &&
           qcow2_co_write_refcounts(survey->s, survey, wide_enough(survey),
                                    &hdr, error) &&
           counts_co_switch(survey->s, &hdr, error);
}

/* -- COPIED bits ----------------------------------------------------------- */

static bool
copied_co_mend(Qcow2Survey *survey, GError **error)
{
    Qcow2State *s = survey->s;
    Qcow2Batch batch;

    if (!qcow2_survey_co_copied(survey, true, error))
        return false;
    qcow2_batch_take(&batch, s->tables->sliced);
    batch.written = qcow2_batch_co_write_lower(&batch, error) &&
                    qcow2_batch_co_write_upper(&batch, error) &&
                    vd_node_co_flush(s->file, error);
    qcow2_batch_release(&batch);
    return batch.written;
}

/* -- all of it ------------------------------------------------------------- */

/* Leaks only: COPIED bits are no more than that if all counts are high enough.
 */
static bool
survey_co_mend_leaks(Qcow2Survey *survey, GError **error)
{
    if (survey->rebuild)
        return true;
    return counts_co_mend(survey, VD_REPAIR_LEAKS, error) &&
           (survey->result->corruptions != survey->n_copied ||
            copied_co_mend(survey, error));
}

static bool
survey_co_mend(Qcow2Survey *survey, unsigned repair, GError **error)
{
    if (!(repair & VD_REPAIR_ALL))
        return survey_co_mend_leaks(survey, error);
    return (survey->rebuild ? counts_co_rebuild(survey, error)
                            : counts_co_mend(survey, repair, error)) &&
           copied_co_mend(survey, error);
}

bool
qcow2_co_reopen_refcounts(Qcow2State *s, GError **error)
{
    g_clear_pointer(&s->refcounts, qcow2_refcounts_free);
    s->refcounts = qcow2_refcounts_co_open(s, error);
    if (!s->refcounts)
        s->begun = false; /* nothing is pending, and nobody may write */
    return s->refcounts != NULL;
}

bool
qcow2_survey_co_repair(Qcow2Survey *survey, unsigned repair, GError **error)
{
    Qcow2State *s = survey->s;
    bool had_refcounts = s->refcounts != NULL, ok;

    if (!vd_node_is_writable(s->file))
        return vd_throw(error, VD_ERROR_READ_ONLY, "%s: is open for reading",
                        vd_node_name(s->file));
    ok = survey_co_mend(survey, repair, error);
    if (survey->unclear)
        vd_finding_add(survey->result, VD_FINDING_NOTE, vd_node_name(s->file),
                       0,
                       "entries that name nothing stay as they are; no space "
                       "is given back: it might be theirs");
    return (!had_refcounts ||
            qcow2_co_reopen_refcounts(s, ok ? error : NULL)) &&
           ok;
}

bool
qcow2_co_mark_sound(Qcow2State *s, GError **error)
{
    uint64_t marks =
        s->hdr.incompatible & (QCOW2_INCOMPAT_DIRTY | QCOW2_INCOMPAT_CORRUPT);

    if (!marks)
        return true;
    s->hdr.incompatible &= ~marks;
    if (vd_node_co_flush(s->file, error) && qcow2_co_store_header(s, error) &&
        vd_node_co_flush(s->file, error))
        return true;
    s->hdr.incompatible |= marks;
    return false;
}
