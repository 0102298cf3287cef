/* SPDX-License-Identifier: BSD-3-Clause */
/* block/rw-copy.c - appending encoded records, and copying leaf to leaf.
 *
 * Concurrency: an append yields the turn by its "placed" call; both ends of a
 * copy belong to one loop.
 */
#include "block/rw-internal.h"

#include <inttypes.h>

bool
vd_node_co_append(VdNode *node, const VdAppend *append, GError **error)
{
    bool ok;

    if (!vd_node_is_writable(node))
        return vd_throw(error, VD_ERROR_READ_ONLY,
                        "%s: append although opened read-only",
                        vd_node_name(node));
    if (!node->driver->co_append)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: driver '%s' does not store compressed data",
                        vd_node_name(node), node->driver->name);
    node->stats.writes++;
    node->stats.written_bytes += append->bytes.len;
    ok = node->driver->co_append(node, append, error);
    node->write_gen++;
    return ok;
}

static bool
throw_by_buffers(const VdNode *node, GError **error)
{
    return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: bytes cannot be copied below the disk",
                    vd_node_name(node));
}

/* Go down from *@node through drivers that pass bytes through. */
static bool
pass_co_through(VdNode **node, uint64_t *off, uint64_t len, GError **error)
{
    while ((*node)->driver->caps & VD_CAP_RAW) {
        VdRun run;

        if (vd_is_guarded(*node, *off))
            return throw_by_buffers(*node, error);
        if (!vd_node_co_map(*node, *off, len, VD_WANT_DEFAULT, &run, error))
            return false;
        if (run.kind != VD_RUN_DATA || !run.child || run.len < len)
            return throw_by_buffers(*node, error);
        *node = run.child;
        *off = run.child_off;
    }
    return true;
}

static bool
copy_co_leaves(VdNode *src, uint64_t src_off, VdNode *dst, uint64_t dst_off,
               uint64_t len, GError **error)
{
    VdChange change = {.flags = 0};
    bool ok;

    if (src->driver != dst->driver || !src->driver->co_copy_range ||
        !vd_is_aligned(src, src_off, len) || !vd_is_aligned(dst, dst_off, len))
        return throw_by_buffers(dst, error);
    vd_change_co_begin(dst, &change, VD_CHANGE_CONTENT, dst_off, len);
    ok = vd_check_range(src, "copy", src_off, len, error) &&
         vd_check_write(dst, "copy", dst_off, len, error) &&
         src->driver->co_copy_range(src, src_off, dst, dst_off, len, error);
    if (ok && dst->growable)
        dst->size = MAX(dst->size, dst_off + len);
    return vd_change_co_end(dst, &change, ok, error);
}

bool
vd_node_co_copy_range(VdNode *src, uint64_t src_off, VdNode *dst,
                      uint64_t dst_off, uint64_t len, GError **error)
{
    bool write_through = dst->flags & VD_OPEN_WRITETHROUGH;
    VdNode *top = dst;

    if (!vd_check_range(src, "copy", src_off, len, error) ||
        !vd_check_write(dst, "copy", dst_off, len, error))
        return false;
    if (len == 0)
        return true;
    if (!pass_co_through(&src, &src_off, len, error) ||
        !pass_co_through(&dst, &dst_off, len, error) ||
        !copy_co_leaves(src, src_off, dst, dst_off, len, error))
        return false;
    return !write_through || vd_node_co_flush(top, error);
}
