/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/check.c - do refcounts say what the tables say?
 *
 * A count above the number of users is a leak, one below it a corruption: the
 * cluster would be given away although it is in use.
 *
 * Concurrency: yields for tables; nobody changes the image meanwhile.
 */
#include "formats/qcow2/check.h"

#include "block/open.h"
#include "io/cancel.h"

#include <inttypes.h>

#define QCOW2_MAX_SURVEY (UINT64_C(1) << 33) /* clusters */

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
    /* No block for it, or no room in it. */
    if (users > qcow2_refcount_max(survey->rc->order) ||
        !qcow2_sliced_table(survey->rc->sliced,
                            (uint32_t) (cluster >> survey->rc->block_shift)))
        survey->rebuild = true;
}

static bool
counts_co_compare(Qcow2Survey *survey, GError **error)
{
    uint64_t last = 0;

    for (uint64_t i = 0; i < survey->n; i++) {
        uint64_t count = 0;

        if (!qcow2_refcount_co_get(survey->rc, i, &count, error))
            return false;
        compare(survey, i, count);
        if (count)
            last = i + 1;
    }
    survey->result->image_end_offset = last << survey->s->hdr.cluster_bits;
    return true;
}

/* -- one look -------------------------------------------------------------- */

static bool
survey_co_open_refcounts(Qcow2Survey *survey, GError **error)
{
    Qcow2State *s = survey->s;
    g_autoptr(GError) problem = NULL;

    survey->rc = qcow2_refcounts_co_open(s, &problem);
    if (survey->rc)
        return true;
    if (!vd_error_is(problem, VD_ERROR_CORRUPT)) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return false;
    }
    survey->rebuild = true;
    vd_finding_add(survey->result, VD_FINDING_CORRUPTION, vd_node_name(s->file),
                   s->hdr.reftable_off, "%s", problem->message);
    survey->rc = qcow2_refcounts_co_open_empty(s, error);
    return survey->rc != NULL;
}

static bool
survey_co_run(Qcow2Survey *survey, GError **error)
{
    Qcow2State *s = survey->s;
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);

    survey->n = (vd_node_size(s->file) + cluster - 1) / cluster;
    if (survey->n > QCOW2_MAX_SURVEY)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: the file has %" PRIu64
                        " clusters, too many to count their users",
                        vd_node_name(s->file), survey->n);
    survey->users = g_try_new0(uint32_t, MAX(survey->n, 1));
    if (!survey->users)
        return vd_throw(error, VD_ERROR_NO_MEMORY,
                        "%s: no memory to count the users of %" PRIu64
                        " clusters",
                        vd_node_name(s->file), survey->n);
    survey->result->total_clusters =
        (s->hdr.size + cluster - 1) >> s->hdr.cluster_bits;
    return survey_co_open_refcounts(survey, error) &&
           qcow2_survey_co_walk(survey, error) &&
           counts_co_compare(survey, error) &&
           qcow2_survey_co_copied(survey, false, error);
}

bool
qcow2_survey_go_on(const Qcow2Survey *survey, GError **error)
{
    int r = vio_cancel_check(vd_node_env(survey->s->node)->cancel);

    return r == 0 ||
           vd_throw_errno(error, -r, "%s", vd_node_name(survey->s->file));
}

void
qcow2_survey_clear(Qcow2Survey *survey)
{
    g_clear_pointer(&survey->rc, qcow2_refcounts_free);
    g_clear_pointer(&survey->users, g_free);
}

bool
qcow2_survey_co_sound(Qcow2Survey *survey, GError **error)
{
    VdCheckResult result = {.max_findings = 1, .findings = vd_findings_new()};
    bool ok;

    survey->result = &result;
    ok = survey_co_run(survey, error);
    g_ptr_array_unref(result.findings);
    survey->result = NULL;
    return ok && (!result.corruptions ||
                  vd_throw(error, VD_ERROR_CORRUPT,
                           "%s: there are errors in the image; it has to be "
                           "repaired first",
                           vd_node_name(survey->s->file)));
}

/* -- one after a repair ---------------------------------------------------- */

static uint64_t
less(uint64_t before, uint64_t after)
{
    return before > after ? before - after : 0;
}

/* How things are now into @result; what was found before stays listed. */
static bool
check_co_again(Qcow2State *s, VdCheckResult *result, GError **error)
{
    VdCheckResult now = {.max_findings = 1, .findings = vd_findings_new()};
    Qcow2Survey survey = {.s = s, .result = &now};
    bool ok = survey_co_run(&survey, error);

    qcow2_survey_clear(&survey);
    g_ptr_array_unref(now.findings);
    if (!ok)
        return false;
    now.findings = result->findings;
    now.max_findings = result->max_findings;
    now.corruptions_fixed = less(result->corruptions, now.corruptions);
    now.leaks_fixed = less(result->leaks, now.leaks);
    *result = now;
    return true;
}

static bool
check_co_run(Qcow2State *s, unsigned repair, VdCheckResult *result,
             GError **error)
{
    Qcow2Survey survey = {.s = s, .result = result};
    bool ok = survey_co_run(&survey, error), again;

    again = ok && repair && (result->corruptions || result->leaks);
    ok = ok && (!again || qcow2_survey_co_repair(&survey, repair, error));
    qcow2_survey_clear(&survey);
    return ok && (!again || check_co_again(s, result, error)) &&
           (!repair || result->corruptions || result->check_errors ||
            qcow2_co_mark_sound(s, error));
}

bool
qcow2_co_mend_dirty(Qcow2State *s, GError **error)
{
    VdCheckResult result = {.max_findings = 1, .findings = vd_findings_new()};
    bool ok = check_co_run(s, VD_REPAIR_ALL, &result, error);

    g_ptr_array_unref(result.findings);
    if (!ok)
        return false;
    if (result.corruptions || result.check_errors)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the image was not closed cleanly, and there are "
                        "errors that its repair has not mended; check it",
                        vd_node_name(s->file));
    vd_node_warn(s->node,
                 "%s: the image was not closed cleanly; its refcounts have "
                 "been mended (%" PRIu64 " errors, %" PRIu64 " leaks)",
                 vd_node_name(s->file), result.corruptions_fixed,
                 result.leaks_fixed);
    return true;
}

bool
qcow2_co_check(VdNode *node, const VdCheckParams *params, VdCheckResult *result,
               GError **error)
{
    Qcow2State *s = vd_node_state(node);

    if (params->profile)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "there are no profiles of qcow2 images");
    if (params->repair & ~(unsigned) (VD_REPAIR_LEAKS | VD_REPAIR_ALL))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "qcow2 images have no parent's id to be taken over");
    if (s->shows_snapshot)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: an image is checked as a whole, not one of its "
                        "snapshots",
                        vd_node_name(s->file));
    if (s->begun && !qcow2_co_finish(node, error))
        return false;
    return check_co_run(s, params->repair, result, error);
}
