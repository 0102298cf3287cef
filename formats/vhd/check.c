/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhd/check.c - is a VHD image what it says?
 *
 * Concurrency: yields for pages of the table.
 */
#include "formats/vhd/vhd.h"

static void
check_footers(const VhdState *s, VdCheckResult *result)
{
    uint64_t size = vd_node_size(s->file);

    if (!s->footer_bytes)
        vd_finding_add(result, VD_FINDING_CORRUPTION, vd_node_name(s->file),
                       size - MIN(size, VHD_FOOTER_BYTES),
                       "there is no sound footer at the end of the file");
    else if (s->footer_differs)
        vd_finding_add(result, VD_FINDING_CORRUPTION, vd_node_name(s->file), 0,
                       "the footer at the beginning is not the one at the end");
}

bool
vhd_co_check(VdNode *node, const VdCheckParams *params, VdCheckResult *result,
             GError **error)
{
    VhdState *s = vd_node_state(node);
    VdBlocksSurvey survey = {0};

    if (params->repair)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "VHD images cannot be repaired");
    check_footers(s, result);
    if (!s->blocks) {
        result->image_end_offset = vd_node_size(s->file);
        return true;
    }
    if (!vd_blocks_co_flush(s->blocks, error) ||
        !vd_blocks_co_survey(s->blocks, &survey, result, error))
        return false;
    result->total_clusters = s->blocks->n;
    result->allocated_clusters = survey.allocated;
    result->fragmented_clusters = survey.fragmented;
    result->image_end_offset = survey.end;
    return true;
}
