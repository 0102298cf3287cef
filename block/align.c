/* SPDX-License-Identifier: BSD-3-Clause */
/* block/align.c - requests that do not suit the driver's alignment.
 *
 * They go through a bounce buffer, piece by piece.  A write that does not
 * fill its first or last unit reads that unit first; if the read fails, so
 * does the write: writing back something else than was there would damage a
 * neighbour.
 *
 * Concurrency: writes of partial units are serialising (track.h), so that no
 * other write to the same unit falls between the read and the write.
 */
#include "block/rw-internal.h"

#include "io/buffer.h"

#include <inttypes.h>
#include <stdlib.h>

#define BOUNCE_BYTES ((uint64_t) 1 << 20)

typedef struct {
    VioLoop *loop;
    uint8_t *mem;
    size_t len;
    bool pooled;
} Bounce;

/* Never waits for memory: whoever calls us may hold pool buffers. */
static bool
bounce_init(Bounce *b, const VdNode *node, size_t len, GError **error)
{
    b->loop = vd_node_loop(node);
    b->len = len;
    b->mem = vio_buffer_try_get(b->loop, len);
    b->pooled = b->mem != NULL;
    if (!b->mem)
        b->mem = aligned_alloc(4096, (len + 4095) / 4096 * 4096);
    if (!b->mem)
        return vd_throw(error, VD_ERROR_NO_MEMORY,
                        "%s: no memory for a buffer of %zu bytes",
                        vd_node_name(node), len);
    return true;
}

static void
bounce_clear(Bounce *b)
{
    if (b->pooled)
        vio_buffer_put(b->loop, b->mem, b->len);
    else
        free(b->mem);
}

/* A part of a request, widened to whole units. */
typedef struct {
    uint64_t off; /* first byte of the first unit */
    size_t len;   /* whole units */
    size_t skip;  /* bytes in front of the request's */
    size_t data;  /* bytes of the request */
} Piece;

static uint64_t
piece_max(const VdNode *node)
{
    uint64_t max = MIN(BOUNCE_BYTES, vd_max_transfer(node));

    return MAX(max - max % node->limits.request_align,
               node->limits.request_align);
}

static Piece
piece_at(const VdNode *node, uint64_t off, uint64_t len)
{
    uint64_t align = node->limits.request_align;
    Piece p = {.off = off / align * align, .skip = off % align};
    uint64_t span = (p.skip + len + align - 1) / align * align;

    p.len = MIN(span, piece_max(node));
    p.data = MIN(len, p.len - p.skip);
    return p;
}

static bool
piece_co_read(VdNode *node, uint64_t off, void *buf, size_t len, GError **error)
{
    struct iovec iov;
    VioVec vec = vio_vec_from_buf(&iov, buf, len);

    return vd_read_co_aligned(node, off, &vec, error);
}

bool
vd_align_co_read(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    Piece p = piece_at(node, off, dst->len);
    Bounce b;
    bool ok;

    if (!bounce_init(&b, node, p.len, error))
        return false;
    for (size_t done = 0;; p = piece_at(node, off + done, dst->len - done)) {
        VioVec part = vio_vec_slice(dst, done, p.data);

        ok = piece_co_read(node, p.off, b.mem, p.len, error);
        if (ok)
            vio_vec_copy_in(&part, b.mem + p.skip);
        done += p.data;
        if (!ok || done == dst->len)
            break;
    }
    bounce_clear(&b);
    return ok;
}

/* Bring in the units that @p does not fill: the first, the last, or both,
 * with one read if they touch. */
static bool
piece_co_fill(VdNode *node, const Piece *p, uint8_t *mem, GError **error)
{
    size_t align = node->limits.request_align;
    bool head = p->skip > 0;
    bool tail = p->skip + p->data < p->len;
    size_t last = p->len - align;

    if (head && tail && p->len <= 2 * align)
        return piece_co_read(node, p->off, mem, p->len, error);
    if (head && !piece_co_read(node, p->off, mem, align, error))
        return false;
    return !tail ||
           piece_co_read(node, p->off + last, mem + last, align, error);
}

/* The last unit pushed the end of a file to a whole unit. */
static bool
piece_co_restore_end(VdNode *node, const Piece *p, GError **error)
{
    uint64_t want = node->padded_size;
    bool ok = node->driver->co_truncate(node, want, VD_PREALLOC_OFF, error);

    node->padded_size = 0;
    if (ok)
        node->size = want;
    else if (node->growable)
        node->size = MAX(node->size, p->off + p->len); /* so it stays */
    return ok;
}

/* A write of the last unit that reaches over the end is alone there (see
 * rw-write.c), so what the end moves by is its own, and nobody sees more of
 * it than the request asked for: neither reads, who wait for nobody, nor
 * those who ask for the size to know where to go on. */
static bool
piece_co_write(VdNode *node, const Piece *p, uint8_t *mem, VdReqFlags flags,
               GError **error)
{
    uint64_t want = MAX(node->size, p->off + p->skip + p->data);
    struct iovec iov;
    VioVec vec = vio_vec_from_buf(&iov, mem, p->len);

    if (p->off + p->len <= want || !vd_node_is_leaf(node) ||
        !node->driver->co_truncate)
        return vd_write_co_aligned(node, p->off, &vec, flags, error);
    g_assert(!node->padded_size);
    node->padded_size = want;
    if (vd_write_co_aligned(node, p->off, &vec, flags, error))
        return piece_co_restore_end(node, p, error);
    node->padded_size = 0;
    return false;
}

bool
vd_align_co_write(VdNode *node, uint64_t off, const VioVec *src,
                  VdReqFlags flags, GError **error)
{
    Piece p = piece_at(node, off, src->len);
    Bounce b;
    bool ok;

    if (!bounce_init(&b, node, p.len, error))
        return false;
    for (size_t done = 0;; p = piece_at(node, off + done, src->len - done)) {
        VioVec part = vio_vec_slice(src, done, p.data);

        ok = piece_co_fill(node, &p, b.mem, error) ||
             vd_prefix(
                 error,
                 "reading around %zu bytes to be written at offset %" PRIu64
                 ": ",
                 part.len, off + done);
        if (ok) {
            vio_vec_copy_out(&part, b.mem + p.skip);
            ok = piece_co_write(node, &p, b.mem, flags, error);
        }
        done += p.data;
        if (!ok || done == src->len)
            break;
    }
    bounce_clear(&b);
    return ok;
}
