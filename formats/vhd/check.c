/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhd/check.c - is a VHD image what it says?
 *
 * Concurrency: yields for pages of the table.
 */
#include "formats/blocks/compact.h"
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

/* -- mending --------------------------------------------------------------- */

static bool
footers_co_write(VhdState *s, uint64_t end, GError **error)
{
    if (!vd_node_co_pwrite(s->file, 0, s->raw, sizeof(s->raw), error) ||
        !vd_node_co_pwrite(s->file, end, s->raw, sizeof(s->raw), error) ||
        !vd_node_co_flush(s->file, error))
        return false;
    s->footer_bytes = VHD_FOOTER_BYTES;
    s->footer_differs = false;
    return true;
}

/* A last block may be short, and belongs to the disk all the same. */
bool
vhd_footers_co_mend(VhdState *s, GError **error)
{
    VdBlocksSurvey survey = {0};
    uint64_t end = vd_node_size(s->file) - s->footer_bytes;

    if (s->footer_bytes && !s->footer_differs)
        return true;
    if (!vd_blocks_co_survey(s->blocks, &survey, NULL, error))
        return false;
    end = MAX(end, survey.end);
    end = (end + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
    if (!footers_co_write(s, end, error))
        return false;
    s->blocks->spec.tail = VHD_FOOTER_BYTES;
    return true;
}

static bool
check_co_mend(VhdState *s, VdCheckResult *result, GError **error)
{
    bool wrong = !s->footer_bytes || s->footer_differs;

    if (!vd_blocks_co_begin(s->blocks, error))
        return false;
    result->corruptions_fixed += wrong;
    return vd_blocks_co_mend(s->blocks, &result->corruptions_fixed, error);
}

/* -- all of it ------------------------------------------------------------- */

bool
vhd_co_compact(VdNode *node, const VdCompactParams *params,
               VdCompactResult *result, GError **error)
{
    VhdState *s = vd_node_state(node);

    if (s->blocks)
        return vd_blocks_co_compact(s->blocks, params, true, result, error);
    result->file_bytes_before = vd_node_size(s->file);
    result->file_bytes_after = result->file_bytes_before;
    return true; /* fixed: nothing to do */
}

bool
vhd_co_check(VdNode *node, const VdCheckParams *params, VdCheckResult *result,
             GError **error)
{
    VhdState *s = vd_node_state(node);
    VdBlocksSurvey survey = {0};

    if (!vd_blocks_check_params(node, params, error))
        return false;
    if (!s->blocks) {
        check_footers(s, result);
        result->image_end_offset = vd_node_size(s->file);
        return true;
    }
    if (!vd_blocks_co_flush(s->blocks, error) ||
        ((params->repair & VD_REPAIR_ALL) &&
         !check_co_mend(s, result, error)) ||
        (params->repair &&
         !vd_blocks_co_mend_leaks(s->blocks, &result->leaks_fixed, error)))
        return false;
    check_footers(s, result);
    if (!vd_blocks_co_survey(s->blocks, &survey, result, error))
        return false;
    result->leaks += survey.leaked;
    vd_blocks_fill_result(s->blocks, &survey, result);
    return true;
}
