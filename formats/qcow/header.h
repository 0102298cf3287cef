/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow/header.h - the header of a qcow image, version 1, and what
 * entries of its L2 tables mean.
 *
 * Layout: other-formats dossier, A.9.  Big endian.
 */
#pragma once

#include "block/error.h"

#include <stddef.h>

#define QCOW_HEADER_BYTES 48
#define QCOW_MIN_CLUSTER_BITS 9
#define QCOW_MAX_CLUSTER_BITS 16
#define QCOW_MIN_L2_BITS 6
#define QCOW_MAX_L2_BITS 13
#define QCOW_MAX_L1_BYTES (UINT64_C(32) << 20)
#define QCOW_MAX_NAME 1023u

#define QCOW_COMPRESSED (UINT64_C(1) << 63)

typedef struct QcowHeader {
    uint64_t backing_off; /* 0 = none */
    uint32_t backing_len;
    uint64_t size; /* bytes of the disk */
    unsigned cluster_bits;
    unsigned l2_bits; /* entries of an L2 table, as a power of two */
    uint32_t crypt_method;
    uint64_t l1_off;
    uint32_t n_l1; /* follows from the size */
} QcowHeader;

bool qcow_header_is_magic(const uint8_t *head, size_t len);
/* CORRUPT, LIMIT with @name; @raw: QCOW_HEADER_BYTES, zeroes behind the end of
 * the file. */
bool qcow_header_decode(QcowHeader *hdr, const uint8_t *raw, const char *name,
                        GError **error);

static inline uint64_t
qcow_cluster_bytes(const QcowHeader *hdr)
{
    return UINT64_C(1) << hdr->cluster_bits;
}

/* Guest bytes of an L2 table, as a power of two. */
static inline unsigned
qcow_l2_shift(const QcowHeader *hdr)
{
    return hdr->cluster_bits + hdr->l2_bits;
}

/* Where a compressed cluster is: bytes [*off, *off + *len) of the file. */
static inline void
qcow_entry_packed(const QcowHeader *hdr, uint64_t entry, uint64_t *off,
                  uint32_t *len)
{
    unsigned bits = 63 - hdr->cluster_bits;

    *off = entry & ((UINT64_C(1) << bits) - 1);
    *len = (uint32_t) (entry >> bits & (qcow_cluster_bytes(hdr) - 1));
}
