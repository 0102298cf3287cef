/* SPDX-License-Identifier: BSD-3-Clause */
/* block/rw-flush.c - making what was written durable.
 *
 * A flush of a node: the driver's metadata to the files below, its own
 * storage to disk, then the children that it writes to.  One at a time; those
 * that waited usually find nothing left to do, because every node knows which
 * of its writes are on disk.
 *
 * A failure to reach the disk is remembered for ever: the kernel may have
 * dropped the pages, and the next fdatasync would report success.
 *
 * Concurrency: requests that end while a flush runs are not covered by it.
 */
#include "block/rw-internal.h"
#include "block/observe.h"

#define CHILDREN_IN_FLIGHT 16

static bool
flush_co_child(void *arg, GError **error)
{
    return vd_node_co_flush(arg, error);
}

static bool
write_back_co_child(void *arg, GError **error)
{
    return vd_node_co_write_back(arg, error);
}

/* @fn for every child that is written to, side by side if there are several. */
static bool
flush_co_children(VdNode *node, VioCoGroupFunc fn, GError **error)
{
    g_autoptr(VioCoGroup) group = NULL;
    VdNode *last = NULL;
    bool ok;

    for (guint i = 0; i < node->edges->len; i++) {
        VdEdge *edge = g_ptr_array_index(node->edges, i);

        if (!vd_node_is_writable(edge->node))
            continue;
        if (last && !group)
            group = vio_co_group_new(CHILDREN_IN_FLIGHT);
        if (last)
            vio_co_group_spawn(group, fn, last, NULL);
        last = edge->node;
    }
    ok = !last || fn(last, error);
    return group ? vio_co_group_join(group, ok ? error : NULL) && ok : ok;
}

static bool
write_back_co_own(VdNode *node, GError **error)
{
    return !node->driver->co_flush_to_os ||
           node->driver->co_flush_to_os(node, error);
}

/* The driver's own storage; one caller at a time. */
static bool
flush_co_own(VdNode *node, GError **error)
{
    uint64_t gen = node->write_gen;
    uint64_t start;

    if (gen == node->flushed_gen)
        return true;
    if (node->driver->co_flush_to_disk) {
        if (vd_node_is_leaf(node))
            node->stats.flushes++;
        start = vd_observe_start(node);
        if (!vd_observe_done(
                node, VD_REQUEST_FLUSH, 0, 0, start,
                node->driver->co_flush_to_disk(node, &node->flush_error))) {
            g_propagate_error(error, g_error_copy(node->flush_error));
            return false;
        }
    }
    node->flushed_gen = gen;
    return true;
}

static bool
flush_co_one(VdNode *node, GError **error)
{
    if (node->flush_error) {
        g_propagate_error(error, g_error_copy(node->flush_error));
        return false;
    }
    return write_back_co_own(node, error) && flush_co_own(node, error) &&
           flush_co_children(node, flush_co_child, error);
}

bool
vd_node_co_write_back(VdNode *node, GError **error)
{
    if (!vd_node_is_writable(node))
        return true;
    return write_back_co_own(node, error) &&
           flush_co_children(node, write_back_co_child, error);
}

void
vd_node_co_stop_flushes(VdNode *node)
{
    while (node->flushing)
        vio_co_queue_wait(&node->flush_queue);
    node->flushing = true;
}

void
vd_node_allow_flushes(VdNode *node)
{
    node->flushing = false;
    vio_co_queue_wake_one(&node->flush_queue);
}

bool
vd_node_co_flush(VdNode *node, GError **error)
{
    bool ok;

    if (!vd_node_is_writable(node))
        return true;
    if (!vd_node_is_leaf(node))
        node->stats.flushes++;
    vd_node_co_stop_flushes(node);
    if (node->flags & VD_OPEN_NO_FLUSH)
        ok = vd_node_co_write_back(node, error);
    else
        ok = flush_co_one(node, error);
    vd_node_allow_flushes(node);
    return ok;
}
