/* SPDX-License-Identifier: BSD-3-Clause */
/* block/rw-open-end.c - nodes whose end is not known yet.
 *
 * Concurrency: one request of these at a time.
 */
#include "block/observe.h"
#include "block/rw-internal.h"

bool
vd_node_co_read_on(VdNode *node, void *buf, size_t len, size_t *got,
                   GError **error)
{
    uint64_t start = vd_observe_start(node);
    bool ok;

    g_assert(node->limits.open_ended);
    node->stats.reads++;
    *got = 0;
    ok = node->driver->co_read_on(node, buf, len, got, error);
    (void) vd_observe_done(node, VD_REQUEST_READ, node->read_on, *got, start,
                           ok);
    node->stats.read_bytes += *got;
    node->read_on += *got;
    return ok;
}

bool
vd_node_co_find_end(VdNode *node, GError **error)
{
    g_assert(node->limits.open_ended);
    if (!node->driver->co_find_end(node, error))
        return false;
    node->limits.open_ended = false;
    return true;
}

bool
vd_node_co_await(VdNode *node, uint64_t size, GError **error)
{
    bool ended = false;

    if (!node->limits.open_ended || node->size >= size)
        return true;
    if (!node->driver->co_await )
        return vd_node_co_find_end(node, error);
    if (!node->driver->co_await (node, size, &ended, error))
        return false;
    node->limits.open_ended = !ended;
    return true;
}
