/* SPDX-License-Identifier: BSD-3-Clause */
/* block/rw-copy.c - appending encoded records, and copying leaf to leaf.
 *
 * Concurrency: an append yields the turn by its "placed" call; both ends of a
 * copy belong to one loop.
 */
#include "block/rw-internal.h"

#include "block/chain.h"
#include "block/observe.h"

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

/* To where [*@off, *@off + len) of the chain of *@node is stored, if that is
 * one place. */
static bool
step_co_down(VdNode **node, uint64_t *off, uint64_t len, GError **error)
{
    VdChainRun found;

    if (!vd_chain_co_map(*node, *off, len, VD_WANT_DEFAULT, &found, error))
        return false;
    if (found.run.kind != VD_RUN_DATA || !found.run.child ||
        found.run.len < len)
        return throw_by_buffers(*node, error);
    *node = found.run.child;
    *off = found.run.child_off;
    return true;
}

/* Whatever the format, its stored bytes can be read from below. */
static bool
source_co_descend(VdNode **node, uint64_t *off, uint64_t len, GError **error)
{
    bool ok = true;

    while (ok && (*node)->driver->kind == VD_DRIVER_FORMAT)
        ok = step_co_down(node, off, len, error);
    return ok;
}

/* Only drivers that have nothing to note may be written below. */
static bool
target_co_descend(VdNode **node, uint64_t *off, uint64_t len, GError **error)
{
    bool ok = true;

    while (ok && ((*node)->driver->caps & VD_CAP_RAW))
        ok = vd_is_guarded(*node, *off, *off + len)
                 ? throw_by_buffers(*node, error)
                 : step_co_down(node, off, len, error);
    return ok;
}

static bool
copy_co_leaves(VdNode *src, uint64_t src_off, VdNode *dst, uint64_t dst_off,
               uint64_t len, bool share, GError **error)
{
    VdChange change = {.flags = 0};
    uint64_t start;
    bool ok;

    if (src->driver != dst->driver || !src->driver->co_copy_range ||
        !vd_is_aligned(src, src_off, len) || !vd_is_aligned(dst, dst_off, len))
        return throw_by_buffers(dst, error);
    vd_change_co_begin(dst, &change, VD_CHANGE_CONTENT, dst_off, len);
    start = vd_observe_start(dst);
    ok = vd_check_range(src, "copy", src_off, len, error) &&
         vd_check_write(dst, "copy", dst_off, len, error) &&
         src->driver->co_copy_range(src, src_off, dst, dst_off, len, share,
                                    error);
    (void) vd_observe_done(dst, VD_REQUEST_COPY, dst_off, len, start, ok);
    if (ok && dst->growable)
        dst->size = MAX(dst->size, dst_off + len);
    return vd_change_co_end(dst, &change, ok, error);
}

/* -- windows ---------------------------------------------------------------
 */

/* For those who watch it is a read and, zeroes left out, a write. */
static void
window_tell(VdNode *src, VdNode *dst, const VioWindow *w, uint64_t start)
{
    (void) vd_observe_done(src, VD_REQUEST_READ, w->in_off, w->len, start,
                           true);
    if (w->written > 0)
        (void) vd_observe_done(dst, VD_REQUEST_WRITE, w->out_off, w->end, start,
                               true);
}

static void
window_count(VdNode *src, VdNode *dst, const VioWindow *w)
{
    src->stats.reads++;
    src->stats.read_bytes += w->len;
    src->leaf_stats->leaf_reads++;
    src->leaf_stats->leaf_read_bytes += w->len;
    dst->stats.writes += w->writes;
    dst->stats.written_bytes += w->written;
    dst->leaf_stats->leaf_writes += w->writes;
    dst->leaf_stats->leaf_written_bytes += w->written;
}

static bool
window_co_leaves(VdNode *src, VdNode *dst, VioWindow *w)
{
    VdChange change = {.flags = 0};
    uint64_t start;
    bool ok;

    if (src->driver != dst->driver || !src->driver->co_copy_window ||
        !vd_is_aligned(src, w->in_off, w->len) ||
        !vd_is_aligned(dst, w->out_off, w->len))
        return false;
    vd_change_co_begin(dst, &change, VD_CHANGE_CONTENT, w->out_off, w->len);
    start = vd_observe_start(dst);
    ok = vd_check_range(src, "copy", w->in_off, w->len, NULL) &&
         vd_check_write(dst, "copy", w->out_off, w->len, NULL) &&
         src->driver->co_copy_window(src, dst, w);
    if (ok) {
        window_tell(src, dst, w, start);
        window_count(src, dst, w);
    }
    if (ok && dst->growable)
        dst->size = MAX(dst->size, w->out_off + w->end);
    return vd_change_co_end(dst, &change, ok, NULL);
}

bool
vd_node_co_copy_window(VdNode *src, uint64_t src_off, VdNode *dst,
                       uint64_t dst_off, VioWindow *w)
{
    if ((dst->flags & VD_OPEN_WRITETHROUGH) || w->len > vd_max_transfer(dst) ||
        !vd_check_range(src, "copy", src_off, w->len, NULL) ||
        !vd_check_write(dst, "copy", dst_off, w->len, NULL) ||
        !source_co_descend(&src, &src_off, w->len, NULL) ||
        !target_co_descend(&dst, &dst_off, w->len, NULL))
        return false;
    w->in_off = src_off;
    w->out_off = dst_off;
    return window_co_leaves(src, dst, w);
}

bool
vd_node_co_copy_range(VdNode *src, uint64_t src_off, VdNode *dst,
                      uint64_t dst_off, uint64_t len, bool share,
                      GError **error)
{
    bool write_through = dst->flags & VD_OPEN_WRITETHROUGH;
    VdNode *top = dst;

    if (!vd_check_range(src, "copy", src_off, len, error) ||
        !vd_check_write(dst, "copy", dst_off, len, error))
        return false;
    if (len == 0)
        return true;
    if (!source_co_descend(&src, &src_off, len, error) ||
        !target_co_descend(&dst, &dst_off, len, error) ||
        !copy_co_leaves(src, src_off, dst, dst_off, len, share, error))
        return false;
    return !write_through || vd_node_co_flush(top, error);
}
