/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/l2.h - from guest clusters to host clusters: L1 and L2 tables.
 *
 * The disk has such tables, and each internal snapshot its own.
 */
#pragma once

#include "formats/qcow2/sliced.h"

#define QCOW2_COMPRESSED (UINT64_C(1) << 62)
#define QCOW2_ZERO UINT64_C(1)
#define QCOW2_SUBCLUSTERS 32u

typedef struct Qcow2Tables {
    const Qcow2Header *hdr;
    Qcow2Sliced *sliced;
    bool extended;     /* entries of 16 bytes, with subclusters */
    bool external;     /* clusters are where the guest has them */
    unsigned l2_shift; /* guest bytes of an L2 table, as a power of two */
} Qcow2Tables;

/* One L2 entry. */
typedef struct Qcow2Entry {
    uint64_t word;
    uint64_t bitmap; /* extended entries only: low half allocated, high half
                        reads as zeroes */
} Qcow2Entry;

/* Read the L1 table of @n entries at @off; CORRUPT if it is not in the file. */
Qcow2Tables *qcow2_tables_co_open(VdNode *file, const Qcow2Header *hdr,
                                  uint64_t off, uint32_t n, GError **error);
void qcow2_tables_free(Qcow2Tables *tables);

static inline uint32_t
qcow2_l1_of(const Qcow2Tables *tables, uint64_t off)
{
    return (uint32_t) (off >> tables->l2_shift);
}

static inline uint64_t
qcow2_l2_bytes(const Qcow2Tables *tables)
{
    return UINT64_C(1) << tables->l2_shift;
}

/* The entry of the cluster that holds guest byte @off. */
bool qcow2_tables_co_get(Qcow2Tables *tables, uint64_t off, Qcow2Entry *entry,
                         GError **error);
/* The same if it is in memory: false else. */
bool qcow2_tables_peek(const Qcow2Tables *tables, uint64_t off,
                       Qcow2Entry *entry);
/* The L2 table is there, and nobody else's. */
bool qcow2_tables_co_set(Qcow2Tables *tables, uint64_t off,
                         const Qcow2Entry *entry, GError **error);

/* -- what entries mean (entry.c) ------------------------------------------- */

typedef enum Qcow2Kind {
    QCOW2_ABSENT,
    QCOW2_ZEROES,     /* reads as zeroes */
    QCOW2_ZERO_PLACE, /* the same, with a place of its own */
    QCOW2_DATA,
    QCOW2_PACKED, /* compressed */
    QCOW2_BAD,
} Qcow2Kind;

/* What the part of the cluster around guest byte @off is, and where (@place:
 * of its cluster's first byte; 0 = has none, but in a data file). */
Qcow2Kind qcow2_entry_kind(const Qcow2Tables *tables, const Qcow2Entry *entry,
                           uint64_t off, uint64_t *place);
/* Whether it has a place, whatever its parts are. */
bool qcow2_entry_is_placed(const Qcow2Tables *tables, const Qcow2Entry *entry);
/* Where a compressed cluster is: bytes [*off, *off + *len) of the file. */
void qcow2_entry_packed(const Qcow2Header *hdr, uint64_t word, uint64_t *off,
                        uint32_t *len);
/* Guest bytes that have one kind: a cluster, or a subcluster. */
static inline uint64_t
qcow2_unit_bytes(const Qcow2Tables *tables)
{
    uint64_t cluster = qcow2_cluster_bytes(tables->hdr);

    return tables->extended ? cluster / QCOW2_SUBCLUSTERS : cluster;
}
