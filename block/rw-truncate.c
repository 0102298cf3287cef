/* SPDX-License-Identifier: BSD-3-Clause */
/* block/rw-truncate.c - changing the size.
 *
 * Concurrency: serialising over all that lies between the old size and the
 * new one and behind, or over everything if the driver may move what it
 * stores; writes that come meanwhile check their range again.
 */
#include "block/rw-internal.h"
#include "block/observe.h"

#include <inttypes.h>

static bool
check_resize(const VdNode *node, uint64_t size, GError **error)
{
    if (!vd_node_is_writable(node))
        return vd_throw(error, VD_ERROR_READ_ONLY,
                        "%s: resize although opened read-only",
                        vd_node_name(node));
    if (size > (uint64_t) VD_MAX_SIZE)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: size %" PRIu64 " is above the maximum %" PRIu64,
                        vd_node_name(node), size, (uint64_t) VD_MAX_SIZE);
    if (!node->driver->co_truncate && !node->driver->co_resize)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "Image format driver does not support resize");
    return true;
}

/* Growing must not let bytes of a longer parent show through. */
static bool
truncate_co_hide_parent(VdNode *node, uint64_t old, GError **error)
{
    VdChange change = {.flags = 0};
    uint64_t end;

    if (!node->parent || node->parent->size <= old || node->size <= old)
        return true;
    end = MIN(node->size, node->parent->size);
    return vd_change_co_zeroes(node, &change, old, end - old, error);
}

static bool
resize_co_driver(VdNode *node, const VdResize *how, GError **error)
{
    uint64_t start;

    if (node->driver->co_resize)
        return node->driver->co_resize(node, how, error);
    start = vd_observe_start(node);
    return vd_observe_done(
        node, VD_REQUEST_TRUNCATE, 0, how->size, start,
        node->driver->co_truncate(node, how->size, how->prealloc, error));
}

static bool
resize_co_tracked(VdNode *node, const VdResize *how, bool growing,
                  GError **error)
{
    uint64_t old = node->size;

    /* Others may have made it longer while we waited: who wants it longer does
     * not want it cut. */
    if (growing && old >= how->size)
        return true;
    if (!resize_co_driver(node, how, error))
        return false;
    if (how->size > old) /* a device keeps its size when less is wanted */
        node->size = MAX(node->size, how->size);
    return truncate_co_hide_parent(node, old, error);
}

/* All that lies behind the old end or the new one, also if the old one has
 * moved while we waited. */
static void
resize_co_track(VdNode *node, uint64_t size, VdTracked *tracked)
{
    for (;;) {
        uint64_t from = node->driver->co_resize ? 0 : MIN(node->size, size);

        vd_track_co_begin(&node->writes, tracked, from, UINT64_MAX, true);
        if (from <= node->size)
            return;
        vd_track_end(&node->writes, tracked);
    }
}

bool
vd_node_co_resize(VdNode *node, const VdResize *how, GError **error)
{
    bool growing = how->size > node->size;
    VdTracked tracked;
    bool ok;

    if (!check_resize(node, how->size, error))
        return false;
    resize_co_track(node, how->size, &tracked);
    ok = resize_co_tracked(node, how, growing, error);
    node->write_gen++;
    vd_track_end(&node->writes, &tracked);
    return ok;
}

bool
vd_node_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc,
                    GError **error)
{
    VdResize how = {.size = size, .prealloc = prealloc, .discard_tail = true};

    return vd_node_co_resize(node, &how, error);
}
