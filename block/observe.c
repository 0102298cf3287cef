/* SPDX-License-Identifier: BSD-3-Clause */
/* block/observe.c - requests of leaves, for who watches them.
 *
 * Concurrency: by the loop of the node.
 */
#include "block/observe.h"

void
vd_observe_tell(const VdNode *node, const VdRequest *request, bool ok)
{
    VdRequest told = *request;

    if (!vd_node_is_leaf(node))
        return;
    told.failed = !ok;
    told.file = g_intern_string(vd_node_name(node));
    told.time_ns = vio_now_ns() - told.start_ns;
    node->env->observe(&told, node->env->observe_opaque);
}
