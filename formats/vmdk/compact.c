/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/compact.c - shrinking and defragmenting a disk, extent by
 * extent.
 *
 * The contents do not change, and so the content id does not: children stay
 * valid, and so does change tracking.  That is why a disk with children is not
 * refused; one that a child has open is locked anyway.
 *
 * Concurrency: the door keeps changes away; reads go on.
 */
#include "formats/vmdk/compact.h"

#include "block/open.h"

/* -- progress ---------------------------------------------------------------
 */

static void
tell(const VmdkCompact *job)
{
    if (job->params->progress)
        job->params->progress(&job->progress, job->params->progress_opaque);
}

void
vmdk_compact_tell(VmdkCompact *job, uint64_t bytes)
{
    bytes = MIN(bytes, job->bound);
    job->bound -= bytes;
    job->progress.done += bytes;
    tell(job);
}

void
vmdk_compact_bound(VmdkCompact *job, uint64_t bytes, const char *phase)
{
    if (bytes < job->bound) {
        job->progress.total -= job->bound - bytes;
        job->bound = bytes;
    }
    job->progress.phase = phase;
    tell(job);
}

bool
vmdk_compact_goes_on(const VmdkCompact *job, GError **error)
{
    int r = vio_cancel_check(vd_node_env(job->s->node)->cancel);

    return r == 0 ||
           vd_throw_errno(error, -r, "%s", vd_node_name(job->s->node));
}

/* -- extents ----------------------------------------------------------------
 */

static bool
has_grains(const VmdkExtent *e)
{
    return e->ops != &vmdk_flat_ops && e->ops != &vmdk_zero_ops;
}

/* Before anything changes. */
static bool
check_extent(const VmdkExtent *e, GError **error)
{
    const char *name = e->path ? e->path : vd_node_name(e->state->node);

    if (!e->ops)
        return vd_throw(error, VD_ERROR_NOT_FOUND,
                        "%s: the extent at byte %" G_GUINT64_FORMAT
                        " was not opened",
                        name, e->start);
    if (vmdk_extent_is_stream(e))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: the grains of a streamOptimized extent cannot be "
                        "moved; convert it instead",
                        name);
    return !has_grains(e) || e->ops->co_compact ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: extents of this type cannot be compacted", name);
}

/* Each byte of the file may have to be looked at once, and moved once, or twice
 * for a new order. */
static uint64_t
most_work(const VmdkExtent *e, unsigned what)
{
    uint64_t times = (what & VD_COMPACT_DEFRAGMENT) ? 2 : 1;

    if (!has_grains(e))
        return 0;
    return vd_node_size(e->file) * (times + !!(what & VD_COMPACT_SHRINK));
}

static uint64_t
file_bytes(const VmdkState *s)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < s->n_extents; i++)
        if (s->extents[i].file)
            sum += vd_node_size(s->extents[i].file);
    return sum;
}

static bool
compact_co_extent(VmdkCompact *job, VmdkExtent *e, GError **error)
{
    job->bound = most_work(e, job->params->what);
    if (has_grains(e) && e->access == VMDK_ACCESS_RW &&
        !e->ops->co_compact(e, job, error))
        return false;
    vmdk_compact_bound(job, 0, "move");
    return true;
}

bool
vmdk_co_compact(VdNode *node, const VdCompactParams *params,
                VdCompactResult *result, GError **error)
{
    VmdkState *s = vd_node_state(node);
    VmdkCompact job = {.s = s, .params = params, .result = result};
    bool ok = true;

    if (s->writer)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: a streamOptimized image that is being written "
                        "cannot be compacted",
                        vd_node_name(node));
    for (unsigned i = 0; i < s->n_extents; i++) {
        if (!check_extent(&s->extents[i], error))
            return false;
        job.progress.total += most_work(&s->extents[i], params->what);
    }
    result->file_bytes_before = file_bytes(s);
    for (unsigned i = 0; ok && i < s->n_extents; i++)
        ok = compact_co_extent(&job, &s->extents[i], error);
    result->file_bytes_after = file_bytes(s);
    return ok;
}
