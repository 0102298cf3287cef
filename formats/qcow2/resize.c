/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/resize.c - a longer or shorter disk.
 *
 *   grow:    L1 table for the new size (l1-move.c) - nothing is left behind the
 *            old end - places, if wanted - barrier - the size in the header
 *   shrink:  the size in the header - barrier - what is behind it goes
 *
 * So a crash leaves one size or the other; what a shorter disk has left behind
 * its end is cleared when it grows again.
 *
 * Concurrency: no change of the disk is in flight (block/rw-truncate.c).
 */
#include "formats/qcow2/resize.h"

#include <inttypes.h>

static uint64_t
cluster_up(const Qcow2State *s, uint64_t off)
{
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);

    return (off + cluster - 1) & ~(cluster - 1);
}

/* -- the header ------------------------------------------------------------ */

static bool
resize_co_store_size(Qcow2State *s, uint64_t size, GError **error)
{
    uint64_t before = s->hdr.size;
    bool ok;

    if (!qcow2_co_sync(s, error))
        return false;
    vio_co_mutex_lock(&s->flush_lock);
    s->hdr.size = size;
    ok = qcow2_co_store_header(s, error) && vd_node_co_flush(s->file, error);
    if (!ok) {
        s->hdr.size = before;
        (void) qcow2_co_store_header(s, NULL); /* the first failure counts */
    }
    vio_co_mutex_unlock(&s->flush_lock);
    if (ok)
        vd_node_set_size(s->node, size);
    return ok;
}

/* -- growing --------------------------------------------------------------- */

/* The rest of the last cluster may hold anything, and a longer parent would
 * show there. */
static bool
grow_co_clear_tail(Qcow2State *s, uint64_t old, uint64_t shown, GError **error)
{
    uint64_t end = cluster_up(s, old);
    g_autofree uint8_t *zeroes = NULL;
    struct iovec iov;
    Qcow2Entry entry;
    VioVec src;

    if (end == old)
        return true;
    if (!qcow2_tables_co_get(s->tables, old, &entry, error))
        return false;
    if (!entry.word && !entry.bitmap && shown <= old)
        return true;
    zeroes = g_malloc0(end - old);
    src = vio_vec_from_buf(&iov, zeroes, end - old);
    return qcow2_co_pwritev(s->node, old, &src, 0, error);
}

/* What a longer parent has behind the old end must not come to light.  In
 * version 2 nothing can say so but written zeroes, which follow. */
static bool
grow_co_hide_parent(Qcow2State *s, uint64_t off, uint64_t shown, GError **error)
{
    uint64_t end = cluster_up(s, shown);

    return off >= end || s->hdr.version < 3 ||
           qcow2_co_write_zeroes(s->node, off, end - off, VD_REQ_MAY_UNMAP,
                                 error);
}

static bool
grow_co_clear(Qcow2State *s, uint64_t size, GError **error)
{
    const VdNode *parent = vd_node_parent(s->node);
    uint64_t shown = parent ? MIN(vd_node_size(parent), size) : 0;
    uint64_t old = s->hdr.size, from = cluster_up(s, old);

    return grow_co_clear_tail(s, old, shown, error) &&
           qcow2_co_forget(s, from, qcow2_reach(s), error) &&
           grow_co_hide_parent(s, from, shown, error);
}

static bool
resize_co_grow(Qcow2State *s, uint64_t size, const VdResize *how,
               GError **error)
{
    uint64_t n = qcow2_l1_needed(&s->hdr, size), old = s->hdr.size;

    if (n > QCOW2_MAX_L1_BYTES / 8)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: a disk of %" PRIu64
                        " bytes needs an L1 table of %" PRIu64
                        " entries, more than 32 MiB; use a larger cluster size",
                        vd_node_name(s->file), size, n);
    return (n <= s->hdr.n_l1 || qcow2_co_move_l1(s, (uint32_t) n, error)) &&
           grow_co_clear(s, size, error) &&
           qcow2_co_preallocate(s, cluster_up(s, old), size, how, error) &&
           resize_co_store_size(s, size, error);
}

/* -- shrinking ------------------------------------------------------------- */

static bool
shrink_co_give_back(Qcow2State *s, uint64_t size, GError **error)
{
    return qcow2_co_forget(s, cluster_up(s, size), qcow2_reach(s), error) &&
           qcow2_co_trim(s, error) &&
           (!(s->hdr.autoclear & QCOW2_AUTOCLEAR_DATA_FILE_RAW) ||
            vd_node_co_truncate(s->data, size, VD_PREALLOC_OFF, error));
}

/* It is shorter even if its space stays. */
static bool
resize_co_shrink(Qcow2State *s, uint64_t size, GError **error)
{
    g_autoptr(GError) problem = NULL;

    if (!resize_co_store_size(s, size, error))
        return false;
    if (!shrink_co_give_back(s, size, &problem))
        vd_node_warn(s->node, "the space behind the new end stays: %s",
                     problem->message);
    return true;
}

/* -- all of it ------------------------------------------------------------- */

bool
qcow2_co_resize(VdNode *node, const VdResize *how, GError **error)
{
    Qcow2State *s = vd_node_state(node);
    uint64_t size = (how->size + 511) & ~UINT64_C(511);

    if (s->hdr.version < 3 && s->hdr.n_snapshots)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: a version 2 image that has snapshots cannot be "
                        "resized",
                        vd_node_name(s->file));
    if (size > (uint64_t) VD_MAX_SIZE / 2)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: size %" PRIu64 " is above the maximum",
                        vd_node_name(s->file), size);
    if (!qcow2_co_begin(s, error) || !qcow2_co_sync(s, error))
        return false;
    if (size == s->hdr.size)
        return true;
    return size > s->hdr.size ? resize_co_grow(s, size, how, error)
                              : resize_co_shrink(s, size, error);
}
