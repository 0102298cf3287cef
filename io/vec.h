/* SPDX-License-Identifier: BSD-3-Clause */
/* io/vec.h - a view of bytes scattered over an iovec array.
 *
 * A VioVec is a value: slicing makes another view of the same memory and
 * allocates nothing.  The array and the memory belong to the caller and must
 * outlive every request that uses the view.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

typedef struct VioVec {
    const struct iovec *iov; /* first element that holds bytes of the view */
    size_t skip;             /* bytes of iov[0] in front of the view */
    size_t len;              /* bytes in the view */
} VioVec;

/* View of all @niov elements.  Elements may be empty. */
VioVec vio_vec_from_iov(const struct iovec *iov, int niov);

/* One-element view.  @iov is storage that the caller provides. */
static inline VioVec
vio_vec_from_buf(struct iovec *iov, void *buf, size_t len)
{
    *iov = (struct iovec){.iov_base = buf, .iov_len = len};
    return (VioVec){.iov = iov, .skip = 0, .len = len};
}

/* Bytes [@off, @off + @len) of @vec, which must lie inside it. */
VioVec vio_vec_slice(const VioVec *vec, size_t off, size_t len);

/* Write up to @max elements that describe @vec into @out; returns how many.
 * Covers all of @vec unless @max was too small; *@bytes (may be NULL) tells
 * how much was covered. */
int vio_vec_fill(const VioVec *vec, struct iovec *out, int max, size_t *bytes);

/* Number of elements that vio_vec_fill() would need. */
int vio_vec_count(const VioVec *vec);

/* The memory as one piece if the view is contiguous, else NULL. */
void *vio_vec_contiguous(const VioVec *vec);

void vio_vec_zero(const VioVec *vec);
void vio_vec_copy_in(const VioVec *dst, const void *src); /* dst->len bytes */
void vio_vec_copy_out(const VioVec *src, void *dst);      /* src->len bytes */
bool vio_vec_is_zero(const VioVec *vec);
/* Every element (base and length) is a multiple of @mem_align / @len_align. */
bool vio_vec_is_aligned(const VioVec *vec, size_t mem_align, size_t len_align);
