/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/entry.c - what an L2 entry means.
 *
 * Bits that must be zero and are not make an entry bad: then nobody knows what
 * it was to say.
 *
 * Concurrency: never yields.
 */
#include "formats/qcow2/l2.h"

/* Of entries that are not compressed. */
#define RESERVED (~(QCOW2_COPIED | QCOW2_COMPRESSED | QCOW2_OFF_MASK))

void
qcow2_entry_packed(const Qcow2Header *hdr, uint64_t word, uint64_t *off,
                   uint32_t *len)
{
    unsigned bits = 62 - (hdr->cluster_bits - 8);
    uint64_t sectors;

    word &= ~(QCOW2_COPIED | QCOW2_COMPRESSED);
    sectors = (word >> bits) + 1;
    *off = word & ((UINT64_C(1) << bits) - 1);
    *len = (uint32_t) (sectors * 512 - *off % 512);
}

static Qcow2Kind
packed_kind(const Qcow2Tables *tables, const Qcow2Entry *entry)
{
    uint64_t off;
    uint32_t len;

    qcow2_entry_packed(tables->hdr, entry->word, &off, &len);
    return tables->external || off >> 56 ? QCOW2_BAD : QCOW2_PACKED;
}

/* In a data file a place may be 0. */
bool
qcow2_entry_is_placed(const Qcow2Tables *tables, const Qcow2Entry *entry)
{
    return !(entry->word & QCOW2_COMPRESSED) &&
           ((entry->word & QCOW2_OFF_MASK) ||
            (tables->external && (entry->word & QCOW2_COPIED)));
}

static Qcow2Kind
subcluster_kind(const Qcow2Tables *tables, const Qcow2Entry *entry,
                uint64_t off, bool placed)
{
    uint64_t within = off & (qcow2_cluster_bytes(tables->hdr) - 1);
    unsigned i = (unsigned) (within / qcow2_unit_bytes(tables));
    bool allocated = entry->bitmap >> i & 1;
    bool zero = entry->bitmap >> (i + QCOW2_SUBCLUSTERS) & 1;

    if (allocated)
        return zero || !placed ? QCOW2_BAD : QCOW2_DATA;
    if (zero)
        return placed ? QCOW2_ZERO_PLACE : QCOW2_ZEROES;
    return QCOW2_ABSENT;
}

Qcow2Kind
qcow2_entry_kind(const Qcow2Tables *tables, const Qcow2Entry *entry,
                 uint64_t off, uint64_t *place)
{
    uint64_t cluster = qcow2_cluster_bytes(tables->hdr), word = entry->word;
    bool zero = word & QCOW2_ZERO, placed;

    if (word & QCOW2_COMPRESSED)
        return packed_kind(tables, entry);
    *place = word & QCOW2_OFF_MASK;
    placed = qcow2_entry_is_placed(tables, entry);
    if ((word & RESERVED & ~QCOW2_ZERO) || (*place & (cluster - 1)) ||
        (zero && (tables->hdr->version < 3 || tables->extended)) ||
        (placed && tables->external && *place != (off & ~(cluster - 1))))
        return QCOW2_BAD;
    if (tables->extended)
        return subcluster_kind(tables, entry, off, placed);
    if (zero)
        return placed ? QCOW2_ZERO_PLACE : QCOW2_ZEROES;
    return placed ? QCOW2_DATA : QCOW2_ABSENT;
}
