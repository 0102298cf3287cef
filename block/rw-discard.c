/* SPDX-License-Identifier: BSD-3-Clause */
/* block/rw-discard.c - discard: advice that the bytes are not needed.
 *
 * What they read as afterwards is undefined.  Nothing happens unless the node
 * was opened for it, and a driver that cannot is no error.
 *
 * Concurrency: as all changes.
 */
#include "block/rw-internal.h"
#include "block/observe.h"

static bool
discard_co_driver(VdNode *node, uint64_t off, uint64_t len, GError **error)
{
    g_autoptr(GError) cause = NULL;
    uint64_t start = vd_observe_start(node);

    if (vd_observe_done(node, VD_REQUEST_DISCARD, off, len, start,
                        node->driver->co_discard(node, off, len, &cause)))
        return true;
    if (vd_error_is(cause, VD_ERROR_NOT_SUPPORTED))
        return true;
    g_propagate_error(error, g_steal_pointer(&cause));
    return false;
}

/* Partial units of discard_align are asked for on their own: what lies below
 * may be finer.  Partial units of request_align are left out. */
static bool
discard_co_pieces(VdNode *node, uint64_t off, uint64_t end, GError **error)
{
    uint64_t unit = node->limits.request_align;
    uint64_t align = MAX(node->limits.discard_align, unit);

    off = (off + unit - 1) / unit * unit;
    end = end == node->size ? end : end / unit * unit;
    while (off < end) {
        uint64_t into = off % align;
        uint64_t len = end - off;

        if (into > 0)
            len = MIN(len, align - into);
        else if (len > align)
            len -= len % align;
        if (!discard_co_driver(node, off, len, error))
            return false;
        off += len;
    }
    return true;
}

bool
vd_node_co_discard(VdNode *node, uint64_t off, uint64_t len, GError **error)
{
    VdChange change = {.flags = 0};
    bool ok;

    if (!vd_check_write(node, "discard", off, len, error) ||
        !vd_check_range(node, "discard", off, len, error))
        return false;
    if (len == 0 || !(node->flags & VD_OPEN_UNMAP) || !node->driver->co_discard)
        return true;
    node->stats.discards++;
    node->stats.discarded_bytes += len;
    vd_change_co_begin(node, &change, VD_CHANGE_DISCARD, off, len);
    /* Again: the size may have changed while we waited. */
    ok = vd_check_range(node, "discard", off, len, error) &&
         discard_co_pieces(node, off, off + len, error);
    return vd_change_co_end(node, &change, ok, error);
}
