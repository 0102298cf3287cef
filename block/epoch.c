/* SPDX-License-Identifier: BSD-3-Clause */
/* block/epoch.c - letting epochs pass.
 *
 * Concurrency: the loop of the graph.
 */
#include "block/epoch.h"

#include "block/node-internal.h"

uint64_t
vd_node_epoch(VdNode *node)
{
    VdEpochs *epochs = node->epochs;

    for (unsigned steps = 2; steps; steps--) {
        if (epochs->in_flight[(epochs->now + 1) & 1])
            break;
        epochs->now++;
    }
    return epochs->now;
}

unsigned
vd_node_enter(VdNode *node)
{
    return vd_epoch_enter(node->epochs);
}

void
vd_node_leave(VdNode *node, unsigned parity)
{
    vd_epoch_leave(node->epochs, parity);
}

void
vd_node_co_settle(VdNode *node)
{
    uint64_t wanted = vd_node_epoch(node) + 2;

    while (vd_node_epoch(node) < wanted)
        vio_co_queue_wait(&node->epochs->waiters);
}
