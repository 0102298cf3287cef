/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/header.h - the header of a qcow2 image and its extensions.
 *
 * Layout: QEMU's docs/interop/qcow2; other-formats dossier, A.1 and A.2.  Big
 * endian.
 */
#pragma once

#include "block/error.h"

#include <stddef.h>

#define QCOW2_HEADER_BYTES 112 /* of what we write */
#define QCOW2_HEADER_V2_BYTES 72
#define QCOW2_HEADER_V3_BYTES 104
#define QCOW2_MIN_CLUSTER_BITS 9
#define QCOW2_MAX_CLUSTER_BITS 21
#define QCOW2_MAX_L1_BYTES (UINT64_C(32) << 20)
#define QCOW2_MAX_REFTABLE_BYTES (UINT64_C(8) << 20)
#define QCOW2_MAX_SNAPSHOTS 65536u
#define QCOW2_MAX_NAME 1023u
#define QCOW2_MAX_DISK_BYTES ((uint64_t) INT64_MAX / 2)
#define QCOW2_MAX_EXTENSIONS 256u

/* Incompatible: who does not know one must not open the image. */
#define QCOW2_INCOMPAT_DIRTY (UINT64_C(1) << 0)
#define QCOW2_INCOMPAT_CORRUPT (UINT64_C(1) << 1)
#define QCOW2_INCOMPAT_DATA_FILE (UINT64_C(1) << 2)
#define QCOW2_INCOMPAT_COMPRESSION (UINT64_C(1) << 3)
#define QCOW2_INCOMPAT_EXTENDED_L2 (UINT64_C(1) << 4)
#define QCOW2_INCOMPAT_KNOWN ((UINT64_C(1) << 5) - 1)
#define QCOW2_COMPAT_LAZY_REFCOUNTS (UINT64_C(1) << 0)
#define QCOW2_AUTOCLEAR_BITMAPS (UINT64_C(1) << 0)
#define QCOW2_AUTOCLEAR_DATA_FILE_RAW (UINT64_C(1) << 1)

typedef enum Qcow2Compression {
    QCOW2_DEFLATE, /* no header, window of 4 KiB */
    QCOW2_ZSTD,
} Qcow2Compression;

typedef struct Qcow2Header {
    uint32_t version; /* 2 or 3 */
    uint64_t backing_off;
    uint32_t backing_len;
    uint32_t cluster_bits;
    uint64_t size; /* bytes of the disk */
    uint32_t crypt_method;
    uint32_t n_l1;
    uint64_t l1_off;
    uint64_t reftable_off;
    uint32_t reftable_clusters;
    uint32_t n_snapshots;
    uint64_t snapshots_off;
    uint64_t incompatible, compatible, autoclear;
    uint32_t refcount_order;
    uint32_t header_bytes;
    Qcow2Compression compression;
} Qcow2Header;

/* An extension that is kept as it is. */
typedef struct Qcow2Extension {
    uint32_t type, len;
    uint8_t *data;
} Qcow2Extension;

typedef struct Qcow2Extensions {
    char *backing_format; /* NULL = none */
    char *data_file;
    bool has_bitmaps;
    uint32_t n_bitmaps;
    uint64_t bitmaps_bytes, bitmaps_off; /* of the directory */
    uint8_t *features;                   /* table of names, 48 bytes each */
    size_t features_len;
    GArray *others; /* of Qcow2Extension */
} Qcow2Extensions;

bool qcow2_header_is_magic(const uint8_t *head, size_t len);
/* CORRUPT, LIMIT, NOT_SUPPORTED with @name; @raw: QCOW2_HEADER_BYTES, zeroes
 * behind the end of the file.  Unknown feature bits are not judged here. */
bool qcow2_header_decode(Qcow2Header *hdr, const uint8_t *raw, const char *name,
                         GError **error);
/* All of it but extensions; QCOW2_HEADER_BYTES (v3) or QCOW2_HEADER_V2_BYTES
 * are written. */
void qcow2_header_encode(const Qcow2Header *hdr,
                         uint8_t raw[QCOW2_HEADER_BYTES]);

/* @raw: the first cluster, @len bytes of it. */
bool qcow2_extensions_decode(Qcow2Extensions *ext, const Qcow2Header *hdr,
                             const uint8_t *raw, size_t len, const char *name,
                             GError **error);
/* With the end of extensions and all padding; of a version 2 image that has
 * none of them, too. */
uint64_t qcow2_extensions_bytes(const Qcow2Extensions *ext);
void qcow2_extensions_encode(const Qcow2Extensions *ext, uint8_t *raw);
void qcow2_extensions_clear(Qcow2Extensions *ext);
/* What the table of names, or we, call bit @bit of kind @kind (0 incompatible,
 * 1 compatible, 2 autoclear); g_free. */
char *qcow2_feature_name(const Qcow2Extensions *ext, unsigned kind,
                         unsigned bit);

/* L1 entries that a disk of @size bytes needs. */
uint64_t qcow2_l1_needed(const Qcow2Header *hdr, uint64_t size);

static inline uint64_t
qcow2_cluster_bytes(const Qcow2Header *hdr)
{
    return UINT64_C(1) << hdr->cluster_bits;
}
