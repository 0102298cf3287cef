/* SPDX-License-Identifier: BSD-3-Clause */
/* block/rw-read.c - reads at the door.
 *
 * The usual read costs two comparisons, two counters and the call of the
 * driver: nothing is allocated and no coroutine started.
 *
 * Concurrency: reads wait for nobody.  A read-modify-write leaves the bytes
 * around it as they are, so a read may overlap it.
 */
#include "block/rw-internal.h"
#include "block/observe.h"

#include "io/trace.h"

#include <inttypes.h>

static bool
read_co_driver(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    uint64_t start;

    if (vd_node_is_leaf(node)) {
        node->stats.reads++;
        node->stats.read_bytes += dst->len;
        node->leaf_stats->leaf_reads++;
        node->leaf_stats->leaf_read_bytes += dst->len;
    }
    start = vd_observe_start(node);
    return vd_observe_done(node, VD_REQUEST_READ, off, dst->len, start,
                           node->driver->co_preadv(node, off, dst, error));
}

static bool
read_co_pieces(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    uint64_t max = vd_max_transfer(node);

    for (size_t done = 0; done < dst->len;) {
        VioVec piece = vio_vec_slice(dst, done, MIN(dst->len - done, max));

        if (!read_co_driver(node, off + done, &piece, error))
            return false;
        done += piece.len;
    }
    return true;
}

bool
vd_read_co_aligned(VdNode *node, uint64_t off, const VioVec *dst,
                   GError **error)
{
    if (!node->driver->co_preadv)
        return vd_runs_co_read(node, off, dst, error);
    if (G_UNLIKELY(dst->len > vd_max_transfer(node)))
        return read_co_pieces(node, off, dst, error);
    return read_co_driver(node, off, dst, error);
}

static bool
read_co_any(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    if (vd_needs_bounce(node, off, dst))
        return vd_align_co_read(node, off, dst, error);
    return vd_read_co_aligned(node, off, dst, error);
}

bool
vd_node_co_preadv(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    unsigned epoch;
    bool ok;

    if (!vd_check_range(node, "read", off, dst->len, error))
        return false;
    if (dst->len == 0)
        return true;
    VIO_TRACE("block.read", "%s off=%" PRIu64 " len=%zu", node->name, off,
              dst->len);
    if (vd_node_is_leaf(node)) /* counts what the driver gets */
        return read_co_any(node, off, dst, error);
    node->stats.reads++;
    node->stats.read_bytes += dst->len;
    epoch = vd_epoch_enter(node->epochs);
    ok = read_co_any(node, off, dst, error);
    vd_epoch_leave(node->epochs, epoch);
    return ok;
}

bool
vd_node_co_pread(VdNode *node, uint64_t off, void *buf, size_t len,
                 GError **error)
{
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, buf, len);

    return vd_node_co_preadv(node, off, &dst, error);
}

bool
vd_node_co_preadv_eof(VdNode *node, uint64_t off, const VioVec *dst,
                      GError **error)
{
    uint64_t left = off < node->size ? node->size - off : 0;
    VioVec inside = vio_vec_slice(dst, 0, MIN(dst->len, left));
    VioVec behind = vio_vec_slice(dst, inside.len, dst->len - inside.len);

    vio_vec_zero(&behind);
    return inside.len == 0 || vd_node_co_preadv(node, off, &inside, error);
}
