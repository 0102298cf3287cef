/* SPDX-License-Identifier: BSD-3-Clause */
/* block/rw-internal.h - the rooms behind the one door, for the core itself.
 *
 *   rw-read.c      checks, then one driver call, or the map
 *   rw-runs.c      reads of nodes that have a map
 *   rw-write.c     checks, zero detection, FUA, growing
 *   rw-guard.c     the head of a disk that was guessed to be raw
 *   rw-zero.c      zeroes, and data in their place
 *   rw-discard.c rw-flush.c rw-truncate.c rw-copy.c rw-whole.c
 *   rw-open-end.c
 *   align.c        bounce buffers, checked read-modify-write
 */
#pragma once

#include "block/node-internal.h"
#include "block/rw.h"

/* -- checks (rw-check.c) --------------------------------------------------- */

/* OUT_OF_RANGE unless [off, off+len) lies inside @node. */
bool vd_check_range(const VdNode *node, const char *what, uint64_t off,
                    uint64_t len, GError **error);
/* The same for changes: READ_ONLY too, and a growable node may be exceeded. */
bool vd_check_write(const VdNode *node, const char *what, uint64_t off,
                    uint64_t len, GError **error);

/* For loops that may take long: true with @error set if the user has asked to
 * stop. */
bool vd_throw_if_cancelled(const VdNode *node, GError **error);

static inline bool
vd_is_aligned(const VdNode *node, uint64_t off, uint64_t len)
{
    return ((off | len) & (node->limits.request_align - 1)) == 0;
}

/* The driver cannot take these bytes as they lie in memory. */
static inline bool
vd_needs_bounce(const VdNode *node, uint64_t off, const VioVec *vec)
{
    const VdLimits *l = &node->limits;

    if (G_LIKELY(l->request_align == 1 && l->mem_align == 1))
        return false;
    return !vd_is_aligned(node, off, vec->len) ||
           (l->mem_align > 1 &&
            !vio_vec_is_aligned(vec, l->mem_align, l->request_align));
}

/* -- aligned requests: offset, length and memory suit the driver ----------- */

bool vd_read_co_aligned(VdNode *node, uint64_t off, const VioVec *dst,
                        GError **error);
bool vd_runs_co_read(VdNode *top, uint64_t off, const VioVec *dst,
                     GError **error);
bool vd_write_co_aligned(VdNode *node, uint64_t off, const VioVec *src,
                         VdReqFlags flags, GError **error);

/* -- any alignment (align.c) ----------------------------------------------- */

bool vd_align_co_read(VdNode *node, uint64_t off, const VioVec *dst,
                      GError **error);
/* The caller has made the request serialising if it is not whole units. */
bool vd_align_co_write(VdNode *node, uint64_t off, const VioVec *src,
                       VdReqFlags flags, GError **error);

/* -- changes --------------------------------------------------------------- */

/* A change of [off, off+len) that is under way: from begin to end it is
 * tracked. */
typedef struct VdChange {
    VdTracked tracked;
    unsigned epoch;
    VdReqFlags flags; /* with what the node's mode adds */
    bool need_flush;  /* FUA that the driver could not do: flush at the end */
} VdChange;

typedef enum VdChangeKind {
    VD_CHANGE_CONTENT, /* whole units must be known to be written */
    VD_CHANGE_DISCARD, /* partial units are left alone */
} VdChangeKind;

void vd_change_co_begin(VdNode *node, VdChange *change, VdChangeKind kind,
                        uint64_t off, uint64_t len);
/* @ok: how it went; returns the final result (FUA's flush may fail). */
bool vd_change_co_end(VdNode *node, VdChange *change, bool ok, GError **error);

/* Data inside of a change, any alignment. */
bool vd_change_co_data(VdNode *node, VdChange *change, uint64_t off,
                       const VioVec *src, GError **error);
/* Zeroes inside of a change, any alignment, any length. */
bool vd_change_co_zeroes(VdNode *node, VdChange *change, uint64_t off,
                         uint64_t len, GError **error);

/* -- guard (rw-guard.c) ---------------------------------------------------- */

static inline bool
vd_is_guarded(const VdNode *node, uint64_t off, uint64_t end)
{
    return G_UNLIKELY(node->raw_guessed) &&
           (off < VD_PROBE_BYTES ||
            (node->tail_guard && end + VD_PROBE_TAIL_BYTES > node->size));
}

/* REFUSED if the disk would no longer look raw with @src (NULL = @len zeroes)
 * at @off. */
bool vd_guard_co_check(VdNode *node, uint64_t off, const VioVec *src,
                       uint64_t len, GError **error);

/* -- small things ---------------------------------------------------------- */

/* Zeroes to write from, shared by all; read-only. */
#define VD_ZERO_BUFFER_BYTES ((size_t) 2 << 20)
void *vd_zero_buffer(void);
