/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/sliced.h - a table of two levels: the upper one in memory as a
 * whole, the lower ones (a cluster each) in slices that come and go.
 *
 * So are L1 and L2 tables, and so are the refcount table and its blocks.
 * Changes stay in memory until they are taken (qcow2_sliced_take) and written
 * in the order that flush.c knows.
 */
#pragma once

#include "block/rw.h"
#include "io/bytes.h"
#include "formats/qcow2/header.h"
#include "formats/common/table-cache.h"

#define QCOW2_OFF_MASK UINT64_C(0x00fffffffffffe00)
#define QCOW2_COPIED (UINT64_C(1) << 63)
#define QCOW2_SLICE_BYTES 4096u

typedef struct Qcow2Sliced {
    VdNode *file;
    unsigned cluster_bits;
    unsigned slice_bits; /* bytes of a slice, as a power of two */
    const char *upper_name, *lower_name; /* for messages */
    uint64_t off;                        /* of the upper table in the file */
    uint32_t n;                          /* its entries */
    uint64_t *upper;                     /* host order */
    VdTableCache *cache;
    VdTable ***slices; /* by upper entry, then slice; NULL = not in memory */
    GPtrArray *dirty;  /* of VdTable */
    uint32_t dirty_from, dirty_to; /* upper entries that changed */
    GQueue loads;
} Qcow2Sliced;

/* Read the upper table of @n entries at @off; CORRUPT if it is not in the
 * file. */
Qcow2Sliced *qcow2_sliced_co_open(VdNode *file, const Qcow2Header *hdr,
                                  uint64_t off, uint32_t n,
                                  const char *upper_name,
                                  const char *lower_name, GError **error);
void qcow2_sliced_free(Qcow2Sliced *sl);

/* Where the lower table of entry @i is in the file; 0 = there is none. */
static inline uint64_t
qcow2_sliced_table(const Qcow2Sliced *sl, uint32_t i)
{
    return i < sl->n ? sl->upper[i] & QCOW2_OFF_MASK : 0;
}

/* The slice with byte @at of lower table @i, which exists, if it is in memory;
 * *p is that byte.  Good until the next yield. */
static inline VdTable *
qcow2_sliced_peek(const Qcow2Sliced *sl, uint32_t i, uint32_t at, uint8_t **p)
{
    VdTable *slice = sl->slices[i] ? sl->slices[i][at >> sl->slice_bits] : NULL;

    if (!slice)
        return NULL;
    if (!slice->referenced)
        slice->referenced = true;
    *p = (uint8_t *) slice->words + (at & ((1u << sl->slice_bits) - 1));
    return slice;
}

/* The same, loaded if needed. */
VdTable *qcow2_sliced_co_get(Qcow2Sliced *sl, uint32_t i, uint32_t at,
                             uint8_t **p, GError **error);

/* -- changing -------------------------------------------------------------- */

void qcow2_sliced_mark(Qcow2Sliced *sl, VdTable *slice);
void qcow2_sliced_set_upper(Qcow2Sliced *sl, uint32_t i, uint64_t word);
/* A lower table of zeroes for entry @i, which gets @word; what was in memory of
 * another one is dropped. */
void qcow2_sliced_add(Qcow2Sliced *sl, uint32_t i, uint64_t word);
/* Lower table @i, all of it in memory and changed, is from now on the one that
 * @word names. */
bool qcow2_sliced_co_move(Qcow2Sliced *sl, uint32_t i, uint64_t word,
                          GError **error);
/* Room for @n upper entries, the new ones 0. */
bool qcow2_sliced_grow(Qcow2Sliced *sl, uint32_t n, GError **error);
void qcow2_sliced_drop(Qcow2Sliced *sl, uint32_t i);

static inline bool
qcow2_sliced_is_dirty(const Qcow2Sliced *sl)
{
    return sl->dirty->len || sl->dirty_from < sl->dirty_to;
}

/* -- writing back ---------------------------------------------------------- */

/* What was changed up to now, copied. */
typedef struct Qcow2Batch {
    Qcow2Sliced *sl;
    GPtrArray *slices; /* of VdTable, pinned */
    uint64_t *places;  /* in the file */
    uint8_t *bytes;
    uint64_t off;      /* of the upper table, which may move meanwhile */
    uint32_t n;        /* its entries */
    uint32_t from, to; /* those that changed */
    uint64_t *upper;   /* as on disk; of [from, to) */
    bool written;
} Qcow2Batch;

void qcow2_batch_take(Qcow2Batch *batch, Qcow2Sliced *sl);
bool qcow2_batch_co_write_lower(const Qcow2Batch *batch, GError **error);
bool qcow2_batch_co_write_upper(const Qcow2Batch *batch, GError **error);
/* What was not written is dirty again. */
void qcow2_batch_release(Qcow2Batch *batch);
