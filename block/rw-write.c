/* SPDX-License-Identifier: BSD-3-Clause */
/* block/rw-write.c - writes at the door, and what all changes have in common.
 *
 * Concurrency: every change is tracked from begin to end.  Only those that
 * touch bytes outside of the request, or the size, are serialising.
 */
#include "block/rw-internal.h"
#include "block/observe.h"

#include "io/trace.h"

#include <inttypes.h>

/* -- changes --------------------------------------------------------------- */

/* Its last unit reaches over the end, which is put back afterwards: nobody else
 * may move it meanwhile. */
static bool
pads_end(const VdNode *node, uint64_t off, uint64_t end)
{
    uint64_t align = node->limits.request_align;

    return !vd_is_aligned(node, off, end - off) &&
           (end + align - 1) / align * align > node->size;
}

/* The bytes that must not change under a serialising request: whole units,
 * the guarded parts, or all that follows if the end itself moves.  False if
 * the request need not be serialising. */
static bool
serialising_range(const VdNode *node, uint64_t *off, uint64_t *end)
{
    uint64_t align = node->limits.request_align;
    bool pads = pads_end(node, *off, *end);
    bool guarded = vd_is_guarded(node, *off, *end);

    if (vd_is_aligned(node, *off, *end - *off) && !guarded)
        return false;
    *off = guarded ? 0 : *off / align * align;
    *end = (*end + align - 1) / align * align;
    if (guarded)
        *end = MAX(*end, VD_PROBE_BYTES);
    if (pads || (guarded && node->tail_guard))
        *end = UINT64_MAX;
    return true;
}

/* The disk may have become shorter while the request waited for its turn: one
 * that was inside may now pad the end, which takes a turn of its own. */
static void
change_co_track(VdNode *node, VdChange *change, VdChangeKind kind, uint64_t off,
                uint64_t len)
{
    for (;;) {
        uint64_t from = off, to = off + len;
        bool serialising =
            kind != VD_CHANGE_DISCARD && serialising_range(node, &from, &to);

        vd_track_co_begin(&node->writes, &change->tracked, from, to,
                          serialising);
        if (!serialising || to == UINT64_MAX || !pads_end(node, off, off + len))
            return;
        vd_track_end(&node->writes, &change->tracked);
    }
}

void
vd_change_co_begin(VdNode *node, VdChange *change, VdChangeKind kind,
                   uint64_t off, uint64_t len)
{
    if ((node->flags & VD_OPEN_WRITETHROUGH) && kind != VD_CHANGE_DISCARD)
        change->flags |= VD_REQ_FUA;
    change->need_flush = false;
    change_co_track(node, change, kind, off, len);
    /* Whoever waits for its turn has not looked anything up yet. */
    change->epoch = vd_epoch_enter(node->epochs);
}

bool
vd_change_co_end(VdNode *node, VdChange *change, bool ok, GError **error)
{
    node->write_gen++; /* after a failure too: something may have arrived */
    vd_epoch_leave(node->epochs, change->epoch);
    vd_track_end(&node->writes, &change->tracked);
    if (!ok || !change->need_flush)
        return ok;
    return vd_node_co_flush(node, error);
}

/* -- data ------------------------------------------------------------------ */

static bool
write_co_driver(VdNode *node, uint64_t off, const VioVec *src, VdReqFlags flags,
                GError **error)
{
    uint64_t start;

    if (!node->driver->co_pwritev)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: driver '%s' cannot write in place",
                        vd_node_name(node), node->driver->name);
    if (vd_node_is_leaf(node)) {
        node->stats.writes++;
        node->stats.written_bytes += src->len;
        node->leaf_stats->leaf_writes++;
        node->leaf_stats->leaf_written_bytes += src->len;
    }
    start = vd_observe_start(node);
    if (!vd_observe_done(
            node, VD_REQUEST_WRITE, off, src->len, start,
            node->driver->co_pwritev(node, off, src, flags, error)))
        return false;
    if (node->growable)
        vd_node_set_size(node, MAX(node->size, off + src->len));
    return true;
}

bool
vd_write_co_aligned(VdNode *node, uint64_t off, const VioVec *src,
                    VdReqFlags flags, GError **error)
{
    uint64_t max = vd_max_transfer(node);

    flags &= node->data_flags;
    if (G_LIKELY(src->len <= max))
        return write_co_driver(node, off, src, flags, error);
    for (size_t done = 0; done < src->len;) {
        VioVec piece = vio_vec_slice(src, done, MIN(src->len - done, max));

        if (!write_co_driver(node, off + done, &piece, flags, error))
            return false;
        done += piece.len;
    }
    return true;
}

bool
vd_change_co_data(VdNode *node, VdChange *change, uint64_t off,
                  const VioVec *src, GError **error)
{
    change->need_flush |= change->flags & ~node->data_flags & VD_REQ_FUA;
    if (vd_needs_bounce(node, off, src))
        return vd_align_co_write(node, off, src, change->flags, error);
    return vd_write_co_aligned(node, off, src, change->flags, error);
}

/* -- the door -------------------------------------------------------------- */

/* No fallback: whoever asks for it wants to know. */
static bool
check_compressed(const VdNode *node, VdReqFlags flags, GError **error)
{
    if (!(flags & ~node->data_flags & VD_REQ_COMPRESSED))
        return true;
    return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: driver '%s' has no compressed writes",
                    vd_node_name(node), node->driver->name);
}

static bool
is_worth_zeroing(const VdNode *node, const VioVec *src)
{
    return (node->flags & VD_OPEN_DETECT_ZEROES) &&
           node->driver->co_write_zeroes && vio_vec_is_zero(src);
}

static bool
write_co_tracked(VdNode *node, VdChange *change, uint64_t off,
                 const VioVec *src, GError **error)
{
    /* Again: the size may have changed while we waited. */
    if (!vd_check_write(node, "write", off, src->len, error))
        return false;
    if (vd_is_guarded(node, off, off + src->len) &&
        !vd_guard_co_check(node, off, src, src->len, error))
        return false;
    if (!is_worth_zeroing(node, src))
        return vd_change_co_data(node, change, off, src, error);
    if (node->flags & VD_OPEN_UNMAP)
        change->flags |= VD_REQ_MAY_UNMAP;
    return vd_change_co_zeroes(node, change, off, src->len, error);
}

bool
vd_node_co_pwritev(VdNode *node, uint64_t off, const VioVec *src,
                   VdReqFlags flags, GError **error)
{
    VdChange change = {.flags = flags & (VD_REQ_FUA | VD_REQ_COMPRESSED)};
    bool ok;

    if (!vd_check_write(node, "write", off, src->len, error) ||
        !check_compressed(node, flags, error))
        return false;
    if (src->len == 0)
        return true;
    VIO_TRACE("block.write", "%s off=%" PRIu64 " len=%zu", node->name, off,
              src->len);
    if (!vd_node_is_leaf(node)) {
        node->stats.writes++;
        node->stats.written_bytes += src->len;
    }
    vd_change_co_begin(node, &change, VD_CHANGE_CONTENT, off, src->len);
    ok = write_co_tracked(node, &change, off, src, error);
    return vd_change_co_end(node, &change, ok, error);
}

bool
vd_node_co_pwrite(VdNode *node, uint64_t off, const void *buf, size_t len,
                  GError **error)
{
    struct iovec iov;
    VioVec src = vio_vec_from_buf(&iov, (void *) buf, len);

    return vd_node_co_pwritev(node, off, &src, 0, error);
}
