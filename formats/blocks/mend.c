/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/blocks/mend.c - checking, and a table that says what it must not.
 *
 * Concurrency: no change of the disk is in flight.
 */
#include "formats/blocks/blocks.h"

bool
vd_blocks_check_params(const VdNode *node, const VdCheckParams *params,
                       GError **error)
{
    const char *format = vd_node_driver(node)->name;

    if (params->repair & ~(unsigned) (VD_REPAIR_ALL | VD_REPAIR_LEAKS))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "there is no such repair of images of format '%s'",
                        format);
    return !params->profile ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "there is no profile \"%s\" for images of format '%s'",
                    params->profile, format);
}

void
vd_blocks_fill_result(const VdBlocks *blocks, const VdBlocksSurvey *survey,
                      VdCheckResult *result)
{
    result->total_clusters = blocks->n;
    result->allocated_clusters = survey->allocated;
    result->fragmented_clusters = survey->fragmented;
    result->image_end_offset = survey->end;
}

/* -- mending --------------------------------------------------------------- */

static bool
mend_co_forget(VdBlocks *blocks, uint64_t index, GError **error)
{
    return vd_pages_co_set(blocks->pages, vd_blocks_entry_of(blocks, index),
                           blocks->spec.absent, error);
}

/* What both hold is the same from now on, and each can be written. */
static bool
mend_co_part(VdBlocks *blocks, uint64_t index, GError **error)
{
    uint64_t value = 0, off = 0;

    if (!vd_pages_co_get(blocks->pages, vd_blocks_entry_of(blocks, index),
                         &value, error))
        return false;
    (void) blocks->spec.ops->decode(blocks, value, &off); /* DATA, as found */
    return vd_blocks_co_move(blocks, index, off, error);
}

static bool
mend_co_wrong(VdBlocks *blocks, const GArray *wrong, bool shared,
              GError **error)
{
    for (unsigned i = 0; i < wrong->len; i++) {
        const VdBlocksWrong *w = &g_array_index(wrong, VdBlocksWrong, i);

        if (w->shared == shared &&
            !(shared ? mend_co_part(blocks, w->index, error)
                     : mend_co_forget(blocks, w->index, error)))
            return false;
    }
    return true;
}

bool
vd_blocks_co_mend(VdBlocks *blocks, uint64_t *fixed, GError **error)
{
    g_autoptr(GArray) wrong = g_array_new(FALSE, FALSE, sizeof(VdBlocksWrong));
    VdBlocksSurvey survey = {.wrong = wrong};

    if (!vd_blocks_co_survey(blocks, &survey, NULL, error))
        return false;
    if (!wrong->len)
        return true;
    if (!vd_blocks_co_begin(blocks, error) ||
        !mend_co_wrong(blocks, wrong, false, error))
        return false;
    vd_blocks_set_end(blocks, survey.end);
    if (!mend_co_wrong(blocks, wrong, true, error) ||
        !vd_blocks_co_flush(blocks, error) ||
        !vd_node_co_flush(blocks->file, error))
        return false;
    *fixed += wrong->len;
    return true;
}
