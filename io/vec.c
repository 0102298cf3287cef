/* SPDX-License-Identifier: BSD-3-Clause */
/* io/vec.c - views of scattered memory: slicing, copying, comparing.
 *
 * Concurrency: pure functions over memory of the caller.
 */
#include "io/vec.h"

#include <string.h>

#include "io/zero.h"

/* One contiguous stretch of a view. */
typedef struct VecPiece {
    uint8_t *base;
    size_t len;
} VecPiece;

/* Take the next non-empty stretch off the front of @rest.  False at the end. */
static bool
vec_next(VioVec *rest, VecPiece *piece)
{
    size_t avail;

    if (rest->len == 0)
        return false;
    while (rest->iov->iov_len == rest->skip) {
        rest->iov++;
        rest->skip = 0;
    }
    avail = rest->iov->iov_len - rest->skip;
    piece->base = (uint8_t *) rest->iov->iov_base + rest->skip;
    piece->len = avail < rest->len ? avail : rest->len;
    rest->skip += piece->len;
    rest->len -= piece->len;
    return true;
}

VioVec
vio_vec_from_iov(const struct iovec *iov, int niov)
{
    VioVec vec = {.iov = iov};

    for (int i = 0; i < niov; i++)
        vec.len += iov[i].iov_len;
    while (vec.len > 0 && vec.iov->iov_len == 0)
        vec.iov++;
    return vec;
}

VioVec
vio_vec_slice(const VioVec *vec, size_t off, size_t len)
{
    VioVec out = {.iov = vec->iov, .skip = vec->skip, .len = len};

    /* An empty view must not look for its first byte: there may be no
     * element after the last one. */
    if (len == 0)
        return out;
    while (off >= out.iov->iov_len - out.skip) {
        off -= out.iov->iov_len - out.skip;
        out.iov++;
        out.skip = 0;
    }
    out.skip += off;
    return out;
}

int
vio_vec_fill(const VioVec *vec, struct iovec *out, int max, size_t *bytes)
{
    VioVec rest = *vec;
    VecPiece piece;
    int n = 0;

    while (n < max && vec_next(&rest, &piece)) {
        out[n].iov_base = piece.base;
        out[n++].iov_len = piece.len;
    }
    if (bytes)
        *bytes = vec->len - rest.len;
    return n;
}

int
vio_vec_count(const VioVec *vec)
{
    VioVec rest = *vec;
    VecPiece piece;
    int n = 0;

    while (vec_next(&rest, &piece))
        n++;
    return n;
}

void *
vio_vec_contiguous(const VioVec *vec)
{
    VioVec rest = *vec;
    VecPiece first, next;

    if (!vec_next(&rest, &first))
        return NULL;
    while (vec_next(&rest, &next)) {
        if (next.base != first.base + first.len)
            return NULL;
        first.len += next.len;
    }
    return first.base;
}

void
vio_vec_zero(const VioVec *vec)
{
    VioVec rest = *vec;
    VecPiece piece;

    while (vec_next(&rest, &piece))
        memset(piece.base, 0, piece.len);
}

void
vio_vec_copy_in(const VioVec *dst, const void *src)
{
    const uint8_t *from = src;
    VioVec rest = *dst;
    VecPiece piece;

    while (vec_next(&rest, &piece)) {
        memcpy(piece.base, from, piece.len);
        from += piece.len;
    }
}

void
vio_vec_copy_out(const VioVec *src, void *dst)
{
    uint8_t *to = dst;
    VioVec rest = *src;
    VecPiece piece;

    while (vec_next(&rest, &piece)) {
        memcpy(to, piece.base, piece.len);
        to += piece.len;
    }
}

bool
vio_vec_is_zero(const VioVec *vec)
{
    VioVec rest = *vec;
    VecPiece piece;

    while (vec_next(&rest, &piece))
        if (!vio_is_zero(piece.base, piece.len))
            return false;
    return true;
}

bool
vio_vec_is_aligned(const VioVec *vec, size_t mem_align, size_t len_align)
{
    VioVec rest = *vec;
    VecPiece piece;

    while (vec_next(&rest, &piece))
        if ((uintptr_t) piece.base % mem_align || piece.len % len_align)
            return false;
    return true;
}
