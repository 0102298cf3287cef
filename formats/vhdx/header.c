/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/header.c - the two headers of a VHDX file, of which one counts.
 *
 * Layout: other-formats dossier, C.1.  Little endian.  The sound one with the
 * higher sequence number counts; it is replaced by writing the other one, so
 * that there is always one that is whole.
 *
 * Concurrency: yields for I/O.
 */
#include "formats/vhdx/header.h"
#include "io/bytes.h"
#include "formats/common/crc32c.h"

#include <inttypes.h>

#define SIGNATURE "head"
#define VERSION 1

enum {
    CRC_AT = 4,
    SEQUENCE_AT = 8,
    FILE_WRITE_AT = 16,
    DATA_WRITE_AT = 32,
    LOG_AT = 48,
    LOG_VERSION_AT = 64,
    VERSION_AT = 66,
    LOG_BYTES_AT = 68,
    LOG_OFF_AT = 72,
};

/* -- bytes ----------------------------------------------------------------- */

const char *
vhdx_header_decode(VhdxHeader *hdr, const uint8_t raw[VHDX_HEADER_BYTES])
{
    if (memcmp(raw, SIGNATURE, 4) != 0)
        return "has no signature \"head\"";
    if (vio_get_le32(raw + CRC_AT) !=
        vd_crc32c_around(raw, VHDX_HEADER_BYTES, CRC_AT))
        return "has a wrong checksum";
    if (vio_get_le16(raw + VERSION_AT) != VERSION)
        return "has a version that is not 1";
    *hdr = (VhdxHeader){.sequence = vio_get_le64(raw + SEQUENCE_AT),
                        .log_version = vio_get_le16(raw + LOG_VERSION_AT),
                        .log_off = vio_get_le64(raw + LOG_OFF_AT),
                        .log_bytes = vio_get_le32(raw + LOG_BYTES_AT)};
    memcpy(hdr->file_write, raw + FILE_WRITE_AT, VD_UUID_BYTES);
    memcpy(hdr->data_write, raw + DATA_WRITE_AT, VD_UUID_BYTES);
    memcpy(hdr->log, raw + LOG_AT, VD_UUID_BYTES);
    return NULL;
}

void
vhdx_header_encode(const VhdxHeader *hdr, uint8_t raw[VHDX_HEADER_BYTES])
{
    memset(raw, 0, VHDX_HEADER_BYTES);
    memcpy(raw, SIGNATURE, 4);
    vio_put_le64(raw + SEQUENCE_AT, hdr->sequence);
    memcpy(raw + FILE_WRITE_AT, hdr->file_write, VD_UUID_BYTES);
    memcpy(raw + DATA_WRITE_AT, hdr->data_write, VD_UUID_BYTES);
    memcpy(raw + LOG_AT, hdr->log, VD_UUID_BYTES);
    vio_put_le16(raw + LOG_VERSION_AT, hdr->log_version);
    vio_put_le16(raw + VERSION_AT, VERSION);
    vio_put_le32(raw + LOG_BYTES_AT, hdr->log_bytes);
    vio_put_le64(raw + LOG_OFF_AT, hdr->log_off);
    vio_put_le32(raw + CRC_AT, vd_crc32c(0, raw, VHDX_HEADER_BYTES));
}

/* -- the pair -------------------------------------------------------------- */

static bool
header_co_read(VdNode *file, unsigned i, uint8_t *raw, GError **error)
{
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, raw, VHDX_HEADER_BYTES);

    return vd_node_co_preadv_eof(file, VHDX_HEADER_AT(i), &dst, error);
}

static bool
refuse_both(const VdNode *file, const char *const why[2], GError **error)
{
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the header at byte %" PRIu64 " %s, the one at "
                    "byte %" PRIu64 " %s",
                    vd_node_name(file), VHDX_HEADER_AT(0), why[0],
                    VHDX_HEADER_AT(1), why[1]);
}

/* Some programs write two headers that are the same in every byte. */
static bool
refuse_equal(const VdNode *file, uint64_t sequence, GError **error)
{
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the headers at bytes %" PRIu64 " and %" PRIu64
                    " differ, but both have sequence number %" PRIu64,
                    vd_node_name(file), VHDX_HEADER_AT(0), VHDX_HEADER_AT(1),
                    sequence);
}

bool
vhdx_headers_co_load(VhdxHeaders *headers, VdNode *file, GError **error)
{
    g_autofree uint8_t *raw = g_malloc0(2 * VHDX_HEADER_BYTES);
    const char *why[2];
    VhdxHeader hdr[2] = {{0}};

    for (unsigned i = 0; i < 2; i++) {
        uint8_t *copy = raw + i * VHDX_HEADER_BYTES;

        if (!header_co_read(file, i, copy, error))
            return vd_prefix(error, "reading a VHDX header: ");
        why[i] = vhdx_header_decode(&hdr[i], copy);
        headers->sound[i] = !why[i];
    }
    if (why[0] && why[1])
        return refuse_both(file, why, error);
    if (!why[0] && !why[1] && hdr[0].sequence == hdr[1].sequence &&
        memcmp(raw, raw + VHDX_HEADER_BYTES, VHDX_HEADER_BYTES) != 0)
        return refuse_equal(file, hdr[0].sequence, error);
    headers->current = why[0] || (!why[1] && hdr[1].sequence > hdr[0].sequence);
    headers->now = hdr[headers->current];
    return true;
}

static bool
headers_co_replace_other(VhdxHeaders *headers, VdNode *file,
                         const VhdxHeader *hdr, GError **error)
{
    g_autofree uint8_t *raw = g_malloc(VHDX_HEADER_BYTES);
    unsigned other = !headers->current;
    VhdxHeader next = *hdr;

    next.sequence = headers->now.sequence + 1;
    vhdx_header_encode(&next, raw);
    if (!vd_node_co_flush(file, error) ||
        !vd_node_co_pwrite(file, VHDX_HEADER_AT(other), raw, VHDX_HEADER_BYTES,
                           error))
        return vd_prefix(error, "writing a VHDX header: ");
    headers->now = next;
    headers->current = other;
    headers->sound[other] = true;
    return true;
}

bool
vhdx_headers_co_store(VhdxHeaders *headers, VdNode *file, const VhdxHeader *hdr,
                      GError **error)
{
    return headers_co_replace_other(headers, file, hdr, error) &&
           headers_co_replace_other(headers, file, hdr, error);
}
