/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/fill.h - an empty stream that was opened for writing.
 *
 * Writes are gathered in a window of whole grains in memory, which leave it
 * compressed, the lowest first, when there are too many, at a flush and when
 * the disk is closed.  So whoever writes about upwards, with as many requests
 * in flight as he likes, gets records in the order of the disk.  A grain that
 * comes later than that, or again, goes behind all others; then closing puts
 * the records in order (fill-order.c).  What was closed without an error is
 * complete, ascending and without gaps, however it was written.
 *
 *   first write   header says "unfinished", durable
 *   meanwhile     records, behind one another
 *   flush         all grains, tables, end-of-stream marker, durable
 *   finish        the same, in order; barrier; good header
 *
 * So a crash before the end leaves a file that nobody takes for a disk, from
 * which recover=on and repair --stream get what has been flushed.
 *
 * A grain that cannot be written stays in the window: whoever caused it to
 * leave is told, and the next one tries again.
 *
 * Private to fill-*.c, but for the first part.
 */
#pragma once

#include "formats/vmdk/sparse/sparse.h"

/* Grains of a window, as long as nobody asks for another one. */
#define VMDK_FILL_WINDOW_BYTES (UINT64_C(64) << 20)

typedef struct VmdkFill VmdkFill;

/* fill-open.c */
/* @e has been opened as a stream, its file may be written to: from now on it is
 * being filled.  READ_ONLY with the reason if it has grains already, or is of
 * another shape than we write. */
bool vmdk_fill_co_open(VmdkExtent *e, GError **error);
void vmdk_fill_free(VmdkFill *fill);

/* -- inside ------------------------------------------------------------------
 */

/* A grain is in the window, where it may be changed, or leaving, where it may
 * not; a grain that is written again while it leaves is in both, the newer one
 * in the window.  Then come the tables. */
typedef struct VmdkFillGrain {
    uint64_t number;
    uint8_t *data;
} VmdkFillGrain;

struct VmdkFill {
    VmdkExtent *e;
    GTree *window, *leaving; /* of VmdkFillGrain, by number */
    int max_window;          /* grains; a request may wait above it */
    VioCoMutex emitting;     /* leaving, next_*, tables to the file */
    uint64_t next_sector;    /* where the next record goes */
    uint64_t next_grain;     /* all that were written are below */
    bool disordered;         /* records that are not in the order of the disk,
                                or no longer named by an entry */
    VioCoMutex begin;
    bool touched; /* the header may be marked unfinished */
    bool begun;   /* it is, durably */
};

static inline uint64_t
vmdk_fill_grain_of(const VmdkFill *fill, uint64_t off)
{
    return off >> fill->e->sparse->grain_shift;
}

/* fill-window.c: never yields. */
GTree *vmdk_fill_grains_new(void);
VmdkFillGrain *vmdk_fill_find(GTree *grains, uint64_t number);
/* The first one at or behind @number, NULL = none. */
VmdkFillGrain *vmdk_fill_next(GTree *grains, uint64_t number);
/* @data is taken over, what was there before is freed. */
VmdkFillGrain *vmdk_fill_put(GTree *grains, uint64_t number, uint8_t *data);
void vmdk_fill_drop(GTree *grains, uint64_t number);
/* The newest of what is in memory, NULL = ask the tables. */
VmdkFillGrain *vmdk_fill_find_any(const VmdkFill *fill, uint64_t number);
/* Up to @n grains, the lowest, are leaving now. */
void vmdk_fill_take(VmdkFill *fill, int n);
/* Back to the window, but for those that are newer there. */
void vmdk_fill_give_back(VmdkFill *fill);

/* fill.c */
bool vmdk_fill_co_map(VmdkExtent *e, uint64_t off, uint64_t len, VdRun *run,
                      GError **error);
bool vmdk_fill_co_decode(VmdkExtent *e, uint64_t off, const VdRun *run,
                         const VioVec *dst, GError **error);
bool vmdk_fill_co_write(VmdkExtent *e, uint64_t off, const VioVec *src,
                        GError **error);
bool vmdk_fill_co_write_zeroes(VmdkExtent *e, uint64_t off, uint64_t len,
                               VdReqFlags flags, GError **error);
bool vmdk_fill_co_discard(VmdkExtent *e, uint64_t off, uint64_t len,
                          GError **error);

/* fill-emit.c */
/* There is room for another grain in the window. */
bool vmdk_fill_co_make_room(VmdkFill *fill, GError **error);
/* All grains that are in the window now are in the file.  Holds emitting. */
bool vmdk_fill_co_emit_all(VmdkFill *fill, GError **error);
/* Too many dirty tables, or (@all) any: to the file, not durably.  Holds
 * emitting. */
bool vmdk_fill_co_write_tables(VmdkFill *fill, bool all, GError **error);

/* fill-end.c */
/* Before the first change. */
bool vmdk_fill_co_begin(VmdkFill *fill, GError **error);
bool vmdk_fill_co_flush(VmdkExtent *e, GError **error);
bool vmdk_fill_co_finish(VmdkExtent *e, GError **error);

/* fill-order.c */
/* Records in the order of the disk, and no others.  *@intact: a failure has
 * left all as good as before.  Holds emitting. */
bool vmdk_fill_co_order(VmdkFill *fill, bool *intact, GError **error);
