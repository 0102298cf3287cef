/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vdi/check.c - is a VDI image what it says?
 *
 * Concurrency: yields for pages of the table.
 */
#include "formats/vdi/vdi.h"

#define ALLOCATED_AT 388
#define OLD_ALLOCATED_AT 368

/* Places behind the count would be given away a second time by VirtualBox. */
static void
check_count(const VdiState *s, const VdBlocksSurvey *survey,
            VdCheckResult *result)
{
    const VdBlocksSpec *spec = &s->blocks->spec;
    uint64_t places =
        survey->end > spec->first
            ? (survey->end - spec->first + spec->unit - 1) / spec->unit
            : 0;

    if (places > s->hdr.n_allocated)
        vd_finding_add(result, VD_FINDING_CORRUPTION, vd_node_name(s->file),
                       s->hdr.old ? OLD_ALLOCATED_AT : ALLOCATED_AT,
                       "the header counts %u blocks in the file, of which "
                       "entries name %" G_GUINT64_FORMAT,
                       s->hdr.n_allocated, places);
    if (s->hdr.n_allocated > survey->allocated)
        result->leaks += s->hdr.n_allocated - survey->allocated;
}

bool
vdi_co_check(VdNode *node, const VdCheckParams *params, VdCheckResult *result,
             GError **error)
{
    VdiState *s = vd_node_state(node);
    VdBlocksSurvey survey;

    if (params->repair)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "VDI images cannot be repaired");
    if (!vd_blocks_co_flush(s->blocks, error) ||
        !vd_blocks_co_survey(s->blocks, &survey, result, error))
        return false;
    check_count(s, &survey, result);
    result->total_clusters = s->blocks->n;
    result->allocated_clusters = survey.allocated;
    result->fragmented_clusters = survey.fragmented;
    result->image_end_offset = survey.end;
    return true;
}
