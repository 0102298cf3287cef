/* SPDX-License-Identifier: BSD-3-Clause */
/* block/close.c - taking the graph down again.
 *
 * From the top: what a node writes back goes through children that are still
 * open.  Chains are walked in a loop, however long.
 *
 * Concurrency: no request may be in flight.
 */
#include "block/node-internal.h"

#include "block/open.h"

static bool
close_co_children(VdNode *node, GError **error)
{
    bool ok = true;

    for (guint i = 0; i < node->edges->len; i++) {
        VdEdge *edge = g_ptr_array_index(node->edges, i);

        ok = vd_node_co_close(edge->node, ok ? error : NULL) && ok;
    }
    return ok;
}

bool
vd_node_co_close_child(VdNode *node, VdNode *child, GError **error)
{
    for (guint i = 0; i < node->edges->len; i++) {
        VdEdge *edge = g_ptr_array_index(node->edges, i);

        if (edge->node == child) {
            g_ptr_array_remove_index(node->edges, i);
            if (node->file == child)
                node->file = NULL;
            break;
        }
    }
    return vd_node_co_close(child, error);
}

/* Without its parent, and without freeing it. */
static bool
close_co_one(VdNode *node, GError **error)
{
    if (node->driver->co_close)
        node->driver->co_close(node);
    return close_co_children(node, error);
}

/* All links of a chain, as long as the top is there, which they share things
 * with: a parent may be writable, too. */
static bool
close_co_finish(VdNode *top, GError **error)
{
    bool ok = true;

    for (VdNode *node = top; node; node = node->parent)
        if (node->driver->co_finish && vd_node_is_writable(node))
            ok = node->driver->co_finish(node, ok ? error : NULL) && ok;
    return ok;
}

/* Parents that read when they are closed are counted by the top, which
 * therefore goes last. */
bool
vd_node_co_close(VdNode *node, GError **error)
{
    VdNode *top = node;
    bool ok = !node || close_co_finish(node, error);

    while (node) {
        VdNode *parent = node->parent;

        node->parent = NULL;
        ok = close_co_one(node, ok ? error : NULL) && ok;
        if (node != top)
            vd_node_free(node);
        node = parent;
    }
    g_clear_pointer(&top, vd_node_free);
    return ok;
}

void
vd_node_co_discard_failed(VdNode *node, bool opened)
{
    if (opened && node->driver->co_close)
        node->driver->co_close(node);
    (void) close_co_children(node, NULL); /* the open's error counts */
    vd_node_co_close_parent(node);
    vd_node_free(node);
}
