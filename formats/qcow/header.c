/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow/header.c - the header of a qcow image, version 1.
 *
 * Concurrency: never yields.
 */
#include "formats/qcow/header.h"
#include "io/bytes.h"

#include <inttypes.h>

#define MAGIC UINT32_C(0x514649fb)

enum {
    VERSION_AT = 4,
    BACKING_OFF_AT = 8,
    BACKING_LEN_AT = 16,
    SIZE_AT = 24, /* behind the parent's time, which nobody keeps up */
    CLUSTER_BITS_AT = 32,
    L2_BITS_AT = 33,
    CRYPT_AT = 36,
    L1_OFF_AT = 40,
};

bool
qcow_header_is_magic(const uint8_t *head, size_t len)
{
    return len >= QCOW_HEADER_BYTES && vio_get_be32(head) == MAGIC &&
           vio_get_be32(head + VERSION_AT) == 1;
}

static bool
bad(GError **error, VdErrorCode code, const char *name, const char *what,
    uint64_t found, const char *wanted)
{
    return vd_throw(error, code,
                    "%s: %s in the qcow header is %" PRIu64 ", not %s", name,
                    what, found, wanted);
}

static bool
check_numbers(const QcowHeader *hdr, const char *name, GError **error)
{
    if (hdr->cluster_bits < QCOW_MIN_CLUSTER_BITS ||
        hdr->cluster_bits > QCOW_MAX_CLUSTER_BITS)
        return bad(error, VD_ERROR_CORRUPT, name, "cluster_bits",
                   hdr->cluster_bits, "9 to 16");
    if (hdr->l2_bits < QCOW_MIN_L2_BITS || hdr->l2_bits > QCOW_MAX_L2_BITS)
        return bad(error, VD_ERROR_CORRUPT, name, "l2_bits", hdr->l2_bits,
                   "6 to 13");
    if (hdr->size > INT64_MAX / 2)
        return bad(error, VD_ERROR_LIMIT, name, "the disk size", hdr->size,
                   "below 2^62");
    if (hdr->backing_off && hdr->backing_len > QCOW_MAX_NAME)
        return bad(error, VD_ERROR_CORRUPT, name,
                   "the length of the backing file's name", hdr->backing_len,
                   "at most 1023");
    if (hdr->l1_off > INT64_MAX)
        return bad(error, VD_ERROR_CORRUPT, name, "the offset of the L1 table",
                   hdr->l1_off, "below 2^63");
    return true;
}

static bool
take_l1(QcowHeader *hdr, const char *name, GError **error)
{
    uint64_t n = hdr->size ? ((hdr->size - 1) >> qcow_l2_shift(hdr)) + 1 : 0;

    if (n > QCOW_MAX_L1_BYTES / 8)
        return bad(error, VD_ERROR_LIMIT, name, "the number of L1 entries", n,
                   "at most 4194304 (32 MiB)");
    hdr->n_l1 = (uint32_t) n;
    return true;
}

bool
qcow_header_decode(QcowHeader *hdr, const uint8_t *raw, const char *name,
                   GError **error)
{
    if (!qcow_header_is_magic(raw, QCOW_HEADER_BYTES))
        return vd_throw(error, VD_ERROR_UNKNOWN_FORMAT,
                        "%s: no signature of qcow version 1 at byte 0", name);
    *hdr = (QcowHeader){
        .backing_off = vio_get_be64(raw + BACKING_OFF_AT),
        .backing_len = vio_get_be32(raw + BACKING_LEN_AT),
        .size = vio_get_be64(raw + SIZE_AT),
        .cluster_bits = raw[CLUSTER_BITS_AT],
        .l2_bits = raw[L2_BITS_AT],
        .crypt_method = vio_get_be32(raw + CRYPT_AT),
        .l1_off = vio_get_be64(raw + L1_OFF_AT),
    };
    return check_numbers(hdr, name, error) && take_l1(hdr, name, error);
}
