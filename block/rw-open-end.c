/* SPDX-License-Identifier: BSD-3-Clause */
/* block/rw-open-end.c - nodes whose end is not known yet.
 *
 * Concurrency: one request of these at a time.
 */
#include "block/rw-internal.h"

bool
vd_node_co_read_on(VdNode *node, void *buf, size_t len, size_t *got,
                   GError **error)
{
    g_assert(node->limits.open_ended);
    node->stats.reads++;
    if (!node->driver->co_read_on(node, buf, len, got, error))
        return false;
    node->stats.read_bytes += *got;
    return true;
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
