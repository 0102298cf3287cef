/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/header.c - the header of a qcow2 image.
 *
 * Concurrency: never yields.
 */
#include "formats/qcow2/header.h"
#include "io/bytes.h"

#include <inttypes.h>

#define MAGIC UINT32_C(0x514649fb)
#define MAX_REFCOUNT_ORDER 6
#define EXTENDED_L2_MIN_BITS 14 /* 32 subclusters of a sector each */

enum {
    VERSION_AT = 4,
    BACKING_OFF_AT = 8,
    BACKING_LEN_AT = 16,
    CLUSTER_BITS_AT = 20,
    SIZE_AT = 24,
    CRYPT_AT = 32,
    L1_SIZE_AT = 36,
    L1_OFF_AT = 40,
    REFTABLE_OFF_AT = 48,
    REFTABLE_CLUSTERS_AT = 56,
    N_SNAPSHOTS_AT = 60,
    SNAPSHOTS_OFF_AT = 64,
    INCOMPATIBLE_AT = 72,
    COMPATIBLE_AT = 80,
    AUTOCLEAR_AT = 88,
    REFCOUNT_ORDER_AT = 96,
    HEADER_BYTES_AT = 100,
    COMPRESSION_AT = 104,
};

bool
qcow2_header_is_magic(const uint8_t *head, size_t len)
{
    return len >= QCOW2_HEADER_V2_BYTES && vio_get_be32(head) == MAGIC &&
           vio_get_be32(head + VERSION_AT) >= 2;
}

/* -- reading --------------------------------------------------------------- */

static void
take_common(Qcow2Header *hdr, const uint8_t *raw)
{
    *hdr = (Qcow2Header){
        .version = vio_get_be32(raw + VERSION_AT),
        .backing_off = vio_get_be64(raw + BACKING_OFF_AT),
        .backing_len = vio_get_be32(raw + BACKING_LEN_AT),
        .cluster_bits = vio_get_be32(raw + CLUSTER_BITS_AT),
        .size = vio_get_be64(raw + SIZE_AT),
        .crypt_method = vio_get_be32(raw + CRYPT_AT),
        .n_l1 = vio_get_be32(raw + L1_SIZE_AT),
        .l1_off = vio_get_be64(raw + L1_OFF_AT),
        .reftable_off = vio_get_be64(raw + REFTABLE_OFF_AT),
        .reftable_clusters = vio_get_be32(raw + REFTABLE_CLUSTERS_AT),
        .n_snapshots = vio_get_be32(raw + N_SNAPSHOTS_AT),
        .snapshots_off = vio_get_be64(raw + SNAPSHOTS_OFF_AT),
        .refcount_order = 4,
        .header_bytes = QCOW2_HEADER_V2_BYTES,
    };
}

static void
take_version_3(Qcow2Header *hdr, const uint8_t *raw)
{
    hdr->incompatible = vio_get_be64(raw + INCOMPATIBLE_AT);
    hdr->compatible = vio_get_be64(raw + COMPATIBLE_AT);
    hdr->autoclear = vio_get_be64(raw + AUTOCLEAR_AT);
    hdr->refcount_order = vio_get_be32(raw + REFCOUNT_ORDER_AT);
    hdr->header_bytes = vio_get_be32(raw + HEADER_BYTES_AT);
    if (hdr->header_bytes > COMPRESSION_AT)
        hdr->compression = raw[COMPRESSION_AT];
}

static bool
bad(GError **error, VdErrorCode code, const char *name, const char *what,
    uint64_t found, const char *wanted)
{
    return vd_throw(error, code,
                    "%s: %s in the qcow2 header is %" PRIu64 ", not %s", name,
                    what, found, wanted);
}

static bool
check_numbers(const Qcow2Header *hdr, const char *name, GError **error)
{
    if (hdr->cluster_bits < QCOW2_MIN_CLUSTER_BITS ||
        hdr->cluster_bits > QCOW2_MAX_CLUSTER_BITS)
        return bad(error, VD_ERROR_CORRUPT, name, "cluster_bits",
                   hdr->cluster_bits, "9 to 21");
    if (hdr->version >= 3 && (hdr->header_bytes < QCOW2_HEADER_V3_BYTES ||
                              hdr->header_bytes > qcow2_cluster_bytes(hdr)))
        return bad(error, VD_ERROR_CORRUPT, name, "the header length",
                   hdr->header_bytes, "104 to one cluster");
    if (hdr->refcount_order > MAX_REFCOUNT_ORDER)
        return bad(error, VD_ERROR_CORRUPT, name, "refcount_order",
                   hdr->refcount_order, "0 to 6");
    if (hdr->size > QCOW2_MAX_DISK_BYTES)
        return bad(error, VD_ERROR_LIMIT, name, "the disk size", hdr->size,
                   "below 2^62");
    if (hdr->compression > QCOW2_ZSTD)
        return bad(error, VD_ERROR_NOT_SUPPORTED, name, "the compression type",
                   hdr->compression, "0 (deflate) or 1 (zstd)");
    return true;
}

static bool
is_cluster(const Qcow2Header *hdr, uint64_t off)
{
    return (off & (qcow2_cluster_bytes(hdr) - 1)) == 0 && off < UINT64_C(1)
                                                                    << 56;
}

static bool
check_places(const Qcow2Header *hdr, const char *name, GError **error)
{
    static const char wanted[] = "a multiple of the cluster size below 2^56";

    if (!is_cluster(hdr, hdr->l1_off))
        return bad(error, VD_ERROR_CORRUPT, name, "the offset of the L1 table",
                   hdr->l1_off, wanted);
    if (!is_cluster(hdr, hdr->reftable_off))
        return bad(error, VD_ERROR_CORRUPT, name,
                   "the offset of the refcount table", hdr->reftable_off,
                   wanted);
    if (!is_cluster(hdr, hdr->snapshots_off))
        return bad(error, VD_ERROR_CORRUPT, name,
                   "the offset of the snapshot table", hdr->snapshots_off,
                   wanted);
    if (hdr->backing_off &&
        (hdr->backing_len > QCOW2_MAX_NAME ||
         hdr->backing_off > qcow2_cluster_bytes(hdr) ||
         hdr->backing_len > qcow2_cluster_bytes(hdr) - hdr->backing_off))
        return bad(error, VD_ERROR_CORRUPT, name,
                   "the length of the backing file's name", hdr->backing_len,
                   "at most 1023 within the first cluster");
    return true;
}

static bool
check_limits(const Qcow2Header *hdr, const char *name, GError **error)
{
    if (hdr->n_l1 > QCOW2_MAX_L1_BYTES / 8)
        return bad(error, VD_ERROR_LIMIT, name, "the number of L1 entries",
                   hdr->n_l1, "at most 4194304 (32 MiB)");
    if (hdr->reftable_clusters >
        MAX(QCOW2_MAX_REFTABLE_BYTES >> hdr->cluster_bits, 1))
        return bad(error, VD_ERROR_LIMIT, name,
                   "the clusters of the refcount table", hdr->reftable_clusters,
                   "at most 8 MiB");
    if (hdr->n_snapshots > QCOW2_MAX_SNAPSHOTS)
        return bad(error, VD_ERROR_LIMIT, name, "the number of snapshots",
                   hdr->n_snapshots, "at most 65536");
    return true;
}

static bool
check_compression(const Qcow2Header *hdr, const char *name, GError **error)
{
    bool marked = hdr->incompatible & QCOW2_INCOMPAT_COMPRESSION;

    return marked == (hdr->compression != QCOW2_DEFLATE) ||
           vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the compression type in the qcow2 header is %d, but "
                    "its incompatible feature bit is %sset",
                    name, (int) hdr->compression, marked ? "" : "not ");
}

static bool
check_extended_l2(const Qcow2Header *hdr, const char *name, GError **error)
{
    return !(hdr->incompatible & QCOW2_INCOMPAT_EXTENDED_L2) ||
           hdr->cluster_bits >= EXTENDED_L2_MIN_BITS ||
           bad(error, VD_ERROR_CORRUPT, name, "cluster_bits", hdr->cluster_bits,
               "at least 14, as extended L2 entries need");
}

uint64_t
qcow2_l1_needed(const Qcow2Header *hdr, uint64_t size)
{
    bool extended = hdr->incompatible & QCOW2_INCOMPAT_EXTENDED_L2;
    unsigned shift = 2 * hdr->cluster_bits - (extended ? 4 : 3);

    return size ? ((size - 1) >> shift) + 1 : 0;
}

static bool
check_l1(const Qcow2Header *hdr, const char *name, GError **error)
{
    return hdr->n_l1 >= qcow2_l1_needed(hdr, hdr->size) ||
           bad(error, VD_ERROR_CORRUPT, name, "the number of L1 entries",
               hdr->n_l1, "enough for the disk");
}

bool
qcow2_header_decode(Qcow2Header *hdr, const uint8_t *raw, const char *name,
                    GError **error)
{
    if (vio_get_be32(raw) != MAGIC)
        return vd_throw(error, VD_ERROR_UNKNOWN_FORMAT,
                        "%s: no qcow2 signature at byte 0", name);
    take_common(hdr, raw);
    if (hdr->version != 2 && hdr->version != 3)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: qcow version %u; versions 2 and 3 are known", name,
                        hdr->version);
    if (hdr->version == 3)
        take_version_3(hdr, raw);
    return check_numbers(hdr, name, error) && check_places(hdr, name, error) &&
           check_limits(hdr, name, error) &&
           check_compression(hdr, name, error) &&
           check_extended_l2(hdr, name, error) && check_l1(hdr, name, error);
}

/* -- writing --------------------------------------------------------------- */

void
qcow2_header_encode(const Qcow2Header *hdr, uint8_t raw[QCOW2_HEADER_BYTES])
{
    memset(raw, 0, QCOW2_HEADER_BYTES);
    vio_put_be32(raw, MAGIC);
    vio_put_be32(raw + VERSION_AT, hdr->version);
    vio_put_be64(raw + BACKING_OFF_AT, hdr->backing_off);
    vio_put_be32(raw + BACKING_LEN_AT, hdr->backing_len);
    vio_put_be32(raw + CLUSTER_BITS_AT, hdr->cluster_bits);
    vio_put_be64(raw + SIZE_AT, hdr->size);
    vio_put_be32(raw + CRYPT_AT, hdr->crypt_method);
    vio_put_be32(raw + L1_SIZE_AT, hdr->n_l1);
    vio_put_be64(raw + L1_OFF_AT, hdr->l1_off);
    vio_put_be64(raw + REFTABLE_OFF_AT, hdr->reftable_off);
    vio_put_be32(raw + REFTABLE_CLUSTERS_AT, hdr->reftable_clusters);
    vio_put_be32(raw + N_SNAPSHOTS_AT, hdr->n_snapshots);
    vio_put_be64(raw + SNAPSHOTS_OFF_AT, hdr->snapshots_off);
    if (hdr->version < 3)
        return;
    vio_put_be64(raw + INCOMPATIBLE_AT, hdr->incompatible);
    vio_put_be64(raw + COMPATIBLE_AT, hdr->compatible);
    vio_put_be64(raw + AUTOCLEAR_AT, hdr->autoclear);
    vio_put_be32(raw + REFCOUNT_ORDER_AT, hdr->refcount_order);
    vio_put_be32(raw + HEADER_BYTES_AT, hdr->header_bytes);
    if (hdr->header_bytes > COMPRESSION_AT)
        raw[COMPRESSION_AT] = (uint8_t) hdr->compression;
}
