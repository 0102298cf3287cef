/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/refcount.h - who uses which cluster of the file, and new ones.
 *
 *   freed    no entry in memory names it, one on disk may
 *      | the tables are durable (flush.c)
 *   resting  requests that looked it up before may still be on their way
 *      | they have ended (block/epoch.h)
 *   its count goes down; at 0 the space is given back, and may be had again
 *
 * Counts go up in memory when a place is given away and are in the file before
 * an entry that names the place is.  So a crash leaks, and nothing else.
 */
#pragma once

#include "formats/qcow2/sliced.h"

typedef struct Qcow2State Qcow2State;

typedef struct Qcow2Range {
    uint64_t off, len; /* bytes, whole clusters */
    uint64_t epoch;
} Qcow2Range;

typedef struct Qcow2Refcounts {
    Qcow2State *s;
    Qcow2Sliced *sliced;
    unsigned order;          /* bits of a count, as a power of two */
    unsigned block_shift;    /* clusters that a block counts, likewise */
    uint64_t cursor;         /* nothing is free in front of this cluster */
    GArray *freed, *resting; /* of Qcow2Range */
    VioCoMutex lock;         /* who looks for free clusters */
    uint32_t clusters;       /* that the table has in the file; where these are
                                (sliced->off) the header says after a flush */
    bool placing;            /* a longer one is getting its place */
} Qcow2Refcounts;

Qcow2Refcounts *qcow2_refcounts_co_open(Qcow2State *s, GError **error);
/* The same, as if the table had no entries. */
Qcow2Refcounts *qcow2_refcounts_co_open_empty(Qcow2State *s, GError **error);
void qcow2_refcounts_free(Qcow2Refcounts *rc);

bool qcow2_refcount_co_get(Qcow2Refcounts *rc, uint64_t cluster,
                           uint64_t *count, GError **error);
/* CORRUPT below 0, LIMIT above what the width allows. */
bool qcow2_refcount_co_add(Qcow2Refcounts *rc, uint64_t cluster, int delta,
                           GError **error);

/* The block for @cluster is there; 0 <= @count <= qcow2_refcount_max(). */
bool qcow2_refcount_co_set(Qcow2Refcounts *rc, uint64_t cluster, uint64_t count,
                           GError **error);
uint64_t qcow2_refcount_max(unsigned order);
/* Count number @i of a block in memory. */
void qcow2_refcount_put(uint8_t *block, unsigned order, uint64_t i,
                        uint64_t count);

/* Up to @want free clusters behind one another, counted as used from now on;
 * @got of them begin at byte @off.  They may hold anything, unless they are
 * behind the end of the file. */
bool qcow2_co_allocate(Qcow2Refcounts *rc, uint64_t want, uint64_t *off,
                       uint64_t *got, GError **error);
/* The table has a place for all of its entries, as it has but after a failure.
 */
bool qcow2_refcounts_co_settle(Qcow2Refcounts *rc, GError **error);
/* Exactly @n of them. */
bool qcow2_co_allocate_all(Qcow2Refcounts *rc, uint64_t n, uint64_t *off,
                           GError **error);
/* Cluster @cluster, if it is free: @got. */
bool qcow2_co_allocate_at(Qcow2Refcounts *rc, uint64_t cluster, bool *got,
                          GError **error);

/* One user less, once that is safe. */
void qcow2_give_up(Qcow2Refcounts *rc, uint64_t off, uint64_t len);
/* What was given up before the tables became durable rests from now on. */
void qcow2_rest(Qcow2Refcounts *rc, const GArray *freed);
/* One user less at once: nothing in memory or in the file names it, and no
 * request is on its way there. */
bool qcow2_co_drop(Qcow2Refcounts *rc, uint64_t off, uint64_t len,
                   GError **error);
/* Counts of what has rested long enough go down. */
bool qcow2_co_release(Qcow2Refcounts *rc, GError **error);
