/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/resize/resize.c - may this disk be resized, and which way?
 *
 * Concurrency: no change of the disk is in flight (block/rw-truncate.c), and
 * under job_lock no other job over the whole of it.
 */
#include "formats/vmdk/resize/resize.h"
#include "formats/vmdk/chain/children.h"
#include "formats/vmdk/extent-files.h"

#include <inttypes.h>

/* A parent and its child must be equally large. */
static bool
resize_co_check_family(VmdkState *s, GError **error)
{
    if (s->takes_over)
        return true; /* its child is the larger one, and about to be merged */
    if (vmdk_has_parent(s))
        return vd_throw(error, VD_ERROR_REFUSED,
                        "%s: cannot be resized: it has a parent, which would "
                        "have to be as large",
                        vd_node_name(s->file));
    return vd_node_env(s->node)->tx ||
           vmdk_children_co_refuse(s, "resized", error);
}

static bool
check_kind(const VmdkState *s, GError **error)
{
    if (s->writer)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: a streamOptimized image cannot be resized",
                        vd_node_name(s->file));
    if (!s->desc)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: an extent without its descriptor cannot be "
                        "resized",
                        vd_node_name(s->file));
    for (unsigned i = 0; i < s->n_extents; i++)
        if (!s->extents[i].ops)
            return vd_throw(error, VD_ERROR_NOT_FOUND,
                            "%s: extent %u is not open", vd_node_name(s->file),
                            i);
    for (unsigned i = 0; i < s->n_extents; i++)
        if (vmdk_extent_is_stream(&s->extents[i]))
            return vd_throw(error, VD_ERROR_READ_ONLY,
                            "%s: a streamOptimized extent cannot be resized in "
                            "place; convert it",
                            vd_node_name(s->file));
    if (vmdk_extents_share_files(s))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: a disk with several extents in one file cannot be "
                        "resized",
                        vd_node_name(s->file));
    return true;
}

static bool
resize_co_locked(VmdkState *s, const VdResize *how, GError **error)
{
    uint64_t old = vd_node_size(s->node);
    uint64_t size = how->size / VMDK_SECTOR * VMDK_SECTOR;

    size += how->size % VMDK_SECTOR ? VMDK_SECTOR : 0;
    if (!size)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: a vmdk image cannot have a size of 0",
                        vd_node_name(s->file));
    if (size == old)
        return true;
    if (!check_kind(s, error) || !resize_co_check_family(s, error))
        return false;
    /* What is pending belongs to the old size. */
    if (!vd_node_co_flush(s->node, error))
        return false;
    return size > old ? vmdk_resize_co_grow(s, size, how, error)
                      : vmdk_resize_co_shrink(s, size, how, error);
}

bool
vmdk_co_resize(VdNode *node, const VdResize *how, GError **error)
{
    VmdkState *s = vd_node_state(node);
    bool ok;

    vio_co_mutex_lock(&s->job_lock);
    ok = resize_co_locked(s, how, error);
    vio_co_mutex_unlock(&s->job_lock);
    return ok;
}
