/* SPDX-License-Identifier: BSD-3-Clause */
/* block/leaves.c - everything that a disk is stored in.
 *
 * Concurrency: nothing here yields.
 */
#include "block/leaves.h"

#include "block/node-internal.h"

void
vd_node_each_leaf(VdNode *top, VdLeafFunc fn, void *opaque)
{
    for (VdNode *link = top; link; link = link->parent) {
        if (link->edges->len == 0)
            fn(link, opaque);
        for (guint i = 0; i < link->edges->len; i++) {
            VdEdge *edge = g_ptr_array_index(link->edges, i);

            vd_node_each_leaf(edge->node, fn, opaque);
        }
    }
}
