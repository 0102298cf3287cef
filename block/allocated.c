/* SPDX-License-Identifier: BSD-3-Clause */
/* block/allocated.c - how much storage a disk takes.
 *
 * Concurrency: may yield; the edges do not change while a node is open.
 */
#include "block/rw-internal.h"

int64_t
vd_node_co_allocated_size(VdNode *node)
{
    int64_t sum = 0;

    if (node->driver->co_allocated_size)
        return node->driver->co_allocated_size(node);
    if (node->edges->len == 0)
        return -1;
    for (guint i = 0; i < node->edges->len; i++) {
        VdEdge *edge = g_ptr_array_index(node->edges, i);
        int64_t size = vd_node_co_allocated_size(edge->node);

        if (size < 0 || sum > INT64_MAX - size)
            return -1;
        sum += size;
    }
    return sum;
}
