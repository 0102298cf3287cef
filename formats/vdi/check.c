/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vdi/check.c - is a VDI image what it says?
 *
 * Concurrency: yields for pages of the table.
 */
#include "formats/blocks/compact.h"
#include "formats/vdi/vdi.h"

#define ALLOCATED_AT 388
#define OLD_ALLOCATED_AT 368

static uint64_t
count_places(const VdiState *s, const VdBlocksSurvey *survey)
{
    const VdBlocksSpec *spec = &s->blocks->spec;

    return survey->end > spec->first
               ? (survey->end - spec->first + spec->unit - 1) / spec->unit
               : 0;
}

/* Places behind the count would be given away a second time by VirtualBox. */
static void
check_count(const VdiState *s, const VdBlocksSurvey *survey,
            VdCheckResult *result)
{
    uint64_t places = count_places(s, survey);

    if (places > s->hdr.n_allocated)
        vd_finding_add(result, VD_FINDING_CORRUPTION, vd_node_name(s->file),
                       s->hdr.old ? OLD_ALLOCATED_AT : ALLOCATED_AT,
                       "the header counts %u blocks in the file, of which "
                       "entries name %" G_GUINT64_FORMAT,
                       s->hdr.n_allocated, places);
    if (s->hdr.n_allocated > survey->allocated)
        result->leaks += s->hdr.n_allocated - survey->allocated;
}

static bool
count_co_mend(VdiState *s, uint64_t *fixed, GError **error)
{
    VdBlocksSurvey survey = {0};
    uint64_t places;

    if (!vd_blocks_co_survey(s->blocks, &survey, NULL, error))
        return false;
    places = count_places(s, &survey);
    if (places <= s->hdr.n_allocated)
        return true;
    if (!vd_blocks_co_begin(s->blocks, error) ||
        !vdi_co_store_count(s, (uint32_t) places, error) ||
        !vd_node_co_flush(s->file, error))
        return false;
    ++*fixed;
    return true;
}

/* VirtualBox's count tells of leaks at the end, too. */
static bool
leaks_co_mend(VdiState *s, VdCheckResult *result, GError **error)
{
    VdBlocksSurvey survey = {0};
    uint64_t leaks;

    if (!vd_blocks_co_survey(s->blocks, &survey, NULL, error))
        return false;
    leaks = s->hdr.n_allocated - MIN(s->hdr.n_allocated, survey.allocated);
    if (!leaks || survey.bad || survey.shared)
        return true;
    if (!vd_blocks_co_free_leaks(s->blocks, error))
        return false;
    result->leaks_fixed += leaks;
    return true;
}

bool
vdi_co_compact(VdNode *node, const VdCompactParams *params,
               VdCompactResult *result, GError **error)
{
    VdiState *s = vd_node_state(node);

    return vd_blocks_co_compact(s->blocks, params, s->hdr.type == VDI_DYNAMIC,
                                result, error);
}

bool
vdi_co_check(VdNode *node, const VdCheckParams *params, VdCheckResult *result,
             GError **error)
{
    VdiState *s = vd_node_state(node);
    VdBlocksSurvey survey = {0};

    if (!vd_blocks_check_params(node, params, error) ||
        !vd_blocks_co_flush(s->blocks, error))
        return false;
    if ((params->repair & VD_REPAIR_ALL) &&
        (!vd_blocks_co_mend(s->blocks, &result->corruptions_fixed, error) ||
         !count_co_mend(s, &result->corruptions_fixed, error)))
        return false;
    if (params->repair && !leaks_co_mend(s, result, error))
        return false;
    if (!vd_blocks_co_survey(s->blocks, &survey, result, error))
        return false;
    check_count(s, &survey, result);
    vd_blocks_fill_result(s->blocks, &survey, result);
    return true;
}
