/* SPDX-License-Identifier: BSD-3-Clause */
/* block/rw-zero.c - writing zeroes.
 *
 * Whole units of zeroes_align go to the driver; what it cannot do, and the
 * partial units at both ends, are written as data from one shared buffer,
 * except where the disk reads as zeroes already.
 *
 * Concurrency: as all changes; the pieces of one request follow one another.
 */
#include "block/rw-internal.h"
#include "block/observe.h"

#include "block/chain.h"

#include <sys/mman.h>

static gpointer
map_zero_buffer(gpointer unused)
{
    void *mem = mmap(NULL, VD_ZERO_BUFFER_BYTES, PROT_READ,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    g_assert(mem != MAP_FAILED);
    return mem;
}

void *
vd_zero_buffer(void)
{
    static GOnce once = G_ONCE_INIT;

    return g_once(&once, map_zero_buffer, NULL);
}

/* -- as data --------------------------------------------------------------- */

/* How much of [off, off+len) can be taken in one step, and whether it reads
 * as zeroes already. */
static bool
zero_co_look(VdNode *node, uint64_t off, uint64_t len, uint64_t *step,
             bool *is_zero, GError **error)
{
    VdChainRun run;

    *step = len;
    *is_zero = false;
    if (!node->driver->co_map || vd_node_is_leaf(node) || off >= node->size)
        return true;
    len = MIN(len, node->size - off);
    if (!vd_chain_co_map(node, off, len, VD_WANT_DEFAULT, &run, error))
        return false;
    *step = run.run.len;
    *is_zero = run.run.kind == VD_RUN_ZERO && !run.parent_missing;
    return true;
}

static bool
zero_co_as_data(VdNode *node, VdChange *change, uint64_t off, uint64_t len,
                GError **error)
{
    while (len > 0) {
        struct iovec iov;
        VioVec src;
        uint64_t step;
        bool is_zero;

        if (vd_throw_if_cancelled(node, error))
            return false;
        if (!zero_co_look(node, off, len, &step, &is_zero, error))
            return false;
        if (!is_zero) {
            step = MIN(step, VD_ZERO_BUFFER_BYTES);
            src = vio_vec_from_buf(&iov, vd_zero_buffer(), step);
            if (!vd_change_co_data(node, change, off, &src, error))
                return false;
        } else {
            /* Why it is zero may not be on disk yet. */
            change->need_flush |= change->flags & VD_REQ_FUA;
        }
        off += step;
        len -= step;
    }
    return true;
}

/* -- by the driver --------------------------------------------------------- */

static bool
zero_co_driver(VdNode *node, VdChange *change, uint64_t off, uint64_t len,
               GError **error)
{
    VdReqFlags flags = change->flags & (node->zero_flags | VD_REQ_NO_FALLBACK);
    uint64_t start;

    if (!node->driver->co_write_zeroes)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: driver '%s' cannot write zeroes",
                        vd_node_name(node), node->driver->name);
    if (vd_node_is_leaf(node)) {
        node->stats.zeroes++;
        node->stats.zeroed_bytes += len;
    }
    start = vd_observe_start(node);
    if (!vd_observe_done(
            node, VD_REQUEST_ZEROES, off, len, start,
            node->driver->co_write_zeroes(node, off, len, flags, error)))
        return false;
    if (node->growable)
        node->size = MAX(node->size, off + len);
    change->need_flush |= change->flags & ~node->zero_flags & VD_REQ_FUA;
    return true;
}

static bool
zero_co_whole(VdNode *node, VdChange *change, uint64_t off, uint64_t len,
              GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (zero_co_driver(node, change, off, len, &cause))
        return true;
    if (!vd_error_is(cause, VD_ERROR_NOT_SUPPORTED) ||
        (change->flags & VD_REQ_NO_FALLBACK)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    return zero_co_as_data(node, change, off, len, error);
}

/* -- splitting ------------------------------------------------------------- */

/* Length of the next piece at @off; *@whole tells that the driver may have
 * it.  The end of the disk counts as the end of a unit. */
static uint64_t
next_piece(const VdNode *node, uint64_t off, uint64_t end, bool *whole)
{
    uint64_t align =
        MAX(node->limits.zeroes_align, (uint64_t) node->limits.request_align);
    uint64_t into = off % align;

    if (into > 0) {
        *whole = false;
        return MIN(align - into, end - off);
    }
    *whole = true;
    if (end >= node->size && vd_is_aligned(node, off, end - off))
        return end - off;
    if (end - off >= align)
        return (end - off) / align * align;
    *whole = false;
    return end - off;
}

static bool
zero_co_pieces(VdNode *node, VdChange *change, uint64_t off, uint64_t end,
               GError **error)
{
    while (off < end) {
        bool whole;
        uint64_t len = next_piece(node, off, end, &whole);
        bool ok = whole ? zero_co_whole(node, change, off, len, error)
                        : zero_co_as_data(node, change, off, len, error);

        if (!ok)
            return false;
        off += len;
    }
    return true;
}

/* All of the request suits the driver. */
static bool
is_whole(const VdNode *node, uint64_t off, uint64_t end)
{
    bool whole;

    return next_piece(node, off, end, &whole) == end - off && whole;
}

bool
vd_change_co_zeroes(VdNode *node, VdChange *change, uint64_t off, uint64_t len,
                    GError **error)
{
    if ((change->flags & VD_REQ_NO_FALLBACK) && !is_whole(node, off, off + len))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: zeroes of partial units would have to be written "
                        "as data",
                        vd_node_name(node));
    return zero_co_pieces(node, change, off, off + len, error);
}

static bool
zero_co_tracked(VdNode *node, VdChange *change, uint64_t off, uint64_t len,
                GError **error)
{
    /* Again: the size may have changed while we waited. */
    if (!vd_check_write(node, "write of zeroes", off, len, error))
        return false;
    if (vd_is_guarded(node, off, off + len) &&
        !vd_guard_co_check(node, off, NULL, len, error))
        return false;
    return vd_change_co_zeroes(node, change, off, len, error);
}

bool
vd_node_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len,
                        VdReqFlags flags, GError **error)
{
    VdChange change = {.flags = flags};
    bool ok;

    if (!vd_check_write(node, "write of zeroes", off, len, error))
        return false;
    if (len == 0)
        return true;
    if (!(node->flags & VD_OPEN_UNMAP))
        change.flags &= ~VD_REQ_MAY_UNMAP;
    if (!vd_node_is_leaf(node)) {
        node->stats.zeroes++;
        node->stats.zeroed_bytes += len;
    }
    vd_change_co_begin(node, &change, VD_CHANGE_CONTENT, off, len);
    ok = zero_co_tracked(node, &change, off, len, error);
    return vd_change_co_end(node, &change, ok, error);
}
