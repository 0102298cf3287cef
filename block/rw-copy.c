/* SPDX-License-Identifier: BSD-3-Clause */
/* block/rw-copy.c - appending encoded records, and copying leaf to leaf.
 *
 * A copy takes its turn at the target first and looks up the source's place
 * then, inside of the source's epoch: from there to the end of the job the
 * place gets no other meaning.
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

/* -- from leaf to leaf -----------------------------------------------------
 */

/* A copy below two disks. */
typedef struct {
    VdNode *src, *dst; /* the disks; once they are found, their leaves */
    uint64_t src_off, dst_off, len;
    bool share;
    VioWindow *w; /* of a window */
} Copy;

/* The part of the drivers; both ends are leaves of the same one. */
typedef bool (*CopyFunc)(Copy *c, GError **error);

static bool
throw_by_buffers(const VdNode *node, GError **error)
{
    return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: bytes cannot be copied below the disk",
                    vd_node_name(node));
}

/* To where [*@off, *@off + len) of the chain of *@node is stored, if that is
 * one place.  Who reads its bytes itself, as filters do, is not passed by. */
static bool
step_co_down(VdNode **node, uint64_t *off, uint64_t len, GError **error)
{
    VdChainRun found;

    if (!vd_chain_co_map(*node, *off, len, VD_WANT_DEFAULT, &found, error))
        return false;
    if (found.run.kind != VD_RUN_DATA || !found.run.child ||
        found.run.len < len || found.via != found.run.child)
        return throw_by_buffers(*node, error);
    *node = found.run.child;
    *off = found.run.child_off;
    return true;
}

/* Whatever the format, its stored bytes can be read from below. */
static bool
source_co_descend(Copy *c, GError **error)
{
    bool ok = true;

    while (ok && c->src->driver->kind == VD_DRIVER_FORMAT)
        ok = step_co_down(&c->src, &c->src_off, c->len, error);
    return ok;
}

/* Only drivers that have nothing to note may be written below. */
static bool
target_co_descend(Copy *c, GError **error)
{
    bool ok = true;

    while (ok && (c->dst->driver->caps & VD_CAP_RAW))
        ok = vd_is_guarded(c->dst, c->dst_off, c->dst_off + c->len)
                 ? throw_by_buffers(c->dst, error)
                 : step_co_down(&c->dst, &c->dst_off, c->len, error);
    if (ok && (!vd_node_is_leaf(c->dst) ||
               !vd_is_aligned(c->dst, c->dst_off, c->len)))
        return throw_by_buffers(c->dst, error);
    return ok;
}

static bool
copy_co_from_place(Copy *c, CopyFunc func, GError **error)
{
    if (!source_co_descend(c, error))
        return false;
    if (c->src->driver != c->dst->driver ||
        !vd_is_aligned(c->src, c->src_off, c->len))
        return throw_by_buffers(c->dst, error);
    return vd_check_range(c->src, "copy", c->src_off, c->len, error) &&
           func(c, error);
}

static bool
copy_co_in_epoch(Copy *c, CopyFunc func, GError **error)
{
    VdNode *top = c->src;
    unsigned epoch = vd_node_enter(top);
    bool ok = copy_co_from_place(c, func, error);

    vd_node_leave(top, epoch);
    return ok;
}

static bool
copy_co_below(Copy *c, CopyFunc func, GError **error)
{
    VdChange change = {.flags = 0};
    bool ok;

    if (!vd_check_range(c->src, "copy", c->src_off, c->len, error) ||
        !vd_check_write(c->dst, "copy", c->dst_off, c->len, error))
        return false;
    if (c->len == 0)
        return true;
    if (!target_co_descend(c, error))
        return false;
    vd_change_co_begin(c->dst, &change, VD_CHANGE_CONTENT, c->dst_off, c->len);
    /* The disk may have become shorter meanwhile; what is below it would simply
     * grow again. */
    ok = vd_check_range(c->dst, "copy", c->dst_off, c->len, error) &&
         copy_co_in_epoch(c, func, error);
    return vd_change_co_end(c->dst, &change, ok, error);
}

/* -- ranges ------------------------------------------------------------------
 */

static bool
range_co_copy(Copy *c, GError **error)
{
    const VdDriver *driver = c->dst->driver;
    uint64_t start;

    if (!driver->co_copy_range)
        return throw_by_buffers(c->dst, error);
    start = vd_observe_start(c->dst);
    return vd_observe_done(c->dst, VD_REQUEST_COPY, c->dst_off, c->len, start,
                           driver->co_copy_range(c->src, c->src_off, c->dst,
                                                 c->dst_off, c->len, c->share,
                                                 error));
}

bool
vd_node_co_copy_range(VdNode *src, uint64_t src_off, VdNode *dst,
                      uint64_t dst_off, uint64_t len, bool share,
                      GError **error)
{
    Copy c = {.src = src,
              .dst = dst,
              .src_off = src_off,
              .dst_off = dst_off,
              .len = len,
              .share = share};

    if (!copy_co_below(&c, range_co_copy, error))
        return false;
    return !(dst->flags & VD_OPEN_WRITETHROUGH) || vd_node_co_flush(dst, error);
}

/* -- windows ---------------------------------------------------------------
 */

/* For those who watch it is a read and, zeroes left out, a write. */
static void
window_tell(const Copy *c, uint64_t start)
{
    const VioWindow *w = c->w;

    (void) vd_observe_done(c->src, VD_REQUEST_READ, w->in_off, w->len, start,
                           true);
    if (w->written > 0)
        (void) vd_observe_done(c->dst, VD_REQUEST_WRITE, w->out_off, w->end,
                               start, true);
}

static void
window_count_read(VdNode *node, const VioWindow *w)
{
    node->stats.reads++;
    node->stats.read_bytes += w->len;
}

static void
window_count_written(VdNode *node, const VioWindow *w)
{
    node->stats.writes += w->writes;
    node->stats.written_bytes += w->written;
}

static void
window_count_leaves(const Copy *c)
{
    const VioWindow *w = c->w;

    window_count_read(c->src, w);
    c->src->leaf_stats->leaf_reads++;
    c->src->leaf_stats->leaf_read_bytes += w->len;
    window_count_written(c->dst, w);
    c->dst->leaf_stats->leaf_writes += w->writes;
    c->dst->leaf_stats->leaf_written_bytes += w->written;
}

/* Here, or at any door above. */
static bool
detects_zeroes(const VdNode *leaf)
{
    for (const VdNode *node = leaf; node; node = node->owner) {
        if (node->flags & VD_OPEN_DETECT_ZEROES)
            return true;
    }
    return false;
}

static bool
window_co_copy(Copy *c, GError **error)
{
    const VdDriver *driver = c->dst->driver;
    uint64_t start;

    if (!driver->co_copy_window || detects_zeroes(c->dst))
        return throw_by_buffers(c->dst, error);
    c->w->in_off = c->src_off;
    c->w->out_off = c->dst_off;
    start = vd_observe_start(c->dst);
    if (!driver->co_copy_window(c->src, c->dst, c->w))
        return throw_by_buffers(c->dst, error);
    window_tell(c, start);
    window_count_leaves(c);
    return true;
}

bool
vd_node_co_copy_window(VdNode *src, uint64_t src_off, VdNode *dst,
                       uint64_t dst_off, VioWindow *w)
{
    Copy c = {.src = src,
              .dst = dst,
              .src_off = src_off,
              .dst_off = dst_off,
              .len = w->len,
              .w = w};

    if ((dst->flags & VD_OPEN_WRITETHROUGH) || w->len > vd_max_transfer(dst) ||
        !copy_co_below(&c, window_co_copy, NULL))
        return false;
    if (src != c.src)
        window_count_read(src, w);
    if (dst != c.dst)
        window_count_written(dst, w);
    return true;
}
