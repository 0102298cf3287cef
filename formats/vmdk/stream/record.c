/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/record.c - grain records and markers as bytes.
 *
 * Concurrency: pure functions, any thread.
 * Source: "Virtual Disk Format 5.0" (VMware), Stream-Optimized Compressed
 * Sparse Extents; where real files differ from it, real files.
 */
#include "formats/vmdk/stream/record.h"

#include <string.h>

#include "block/finding.h"
#include "block/codec/codec.h"
#include "io/bytes.h"
#include "formats/vmdk/stream/stream.h"

#define RECORD_HEAD 12
#define RECORD_HEAD_NO_MARKERS 4
/* What we write: 64 KiB grains; a zlib stream of one and its head fit this,
 * see vd_codec_bound(). */
#define WRITE_GRAIN_BYTES (VMDK_GRAIN_SECTORS * VMDK_SECTOR)
#define WRITE_RECORD_BYTES ((VMDK_GRAIN_SECTORS + 1) * VMDK_SECTOR)
/* Payload of the largest directory there may be, in sectors. */
#define MARKER_MAX_VALUE (VMDK_MAX_GD_ENTRIES * sizeof(uint32_t) / VMDK_SECTOR)

static uint64_t
round_to_sector(uint64_t bytes)
{
    return (bytes + VMDK_SECTOR - 1) / VMDK_SECTOR * VMDK_SECTOR;
}

uint64_t
vmdk_record_head_bytes(const VmdkHeader *hdr)
{
    return hdr->flags & VMDK_FLAG_MARKERS ? RECORD_HEAD
                                          : RECORD_HEAD_NO_MARKERS;
}

uint64_t
vmdk_record_max_data(const VmdkHeader *hdr)
{
    /* Tiny grains may grow by more than their size. */
    return MAX(2 * vmdk_header_grain_bytes(hdr), 2 * VMDK_SECTOR);
}

uint64_t
vmdk_record_grain(const VmdkHeader *hdr, uint64_t lba)
{
    return lba < hdr->capacity_sectors && lba % hdr->grain_sectors == 0
               ? lba / hdr->grain_sectors
               : VD_NO_GRAIN;
}

void
vmdk_record_parse(const VmdkHeader *hdr, const uint8_t raw[VMDK_MARKER_HEAD],
                  VmdkRecord *rec)
{
    *rec = (VmdkRecord){
        .head_bytes = (uint32_t) vmdk_record_head_bytes(hdr),
    };
    if (!(hdr->flags & VMDK_FLAG_MARKERS)) {
        rec->data_bytes = vio_get_le32(raw);
        return;
    }
    rec->value = vio_get_le64(raw);
    rec->data_bytes = vio_get_le32(raw + 8);
    if (rec->data_bytes == 0)
        rec->marker = vio_get_le32(raw + 12);
}

uint64_t
vmdk_record_span(const VmdkHeader *hdr, const VmdkRecord *rec)
{
    if (rec->data_bytes > 0)
        return round_to_sector((uint64_t) rec->head_bytes + rec->data_bytes);
    if (!(hdr->flags & VMDK_FLAG_MARKERS) || rec->marker == VMDK_MARKER_EOS)
        return 0;
    if (rec->marker == VMDK_MARKER_PROGRESS)
        return VMDK_SECTOR;
    if (rec->value > MARKER_MAX_VALUE)
        return 0;
    return (1 + rec->value) * VMDK_SECTOR;
}

bool
vmdk_record_has_zlib(const uint8_t *data, size_t len)
{
    return len >= 2 && (data[0] & 0x0f) == 8 &&
           (data[0] << 8 | data[1]) % 31 == 0;
}

bool
vmdk_record_inflate(const uint8_t *data, size_t len, uint8_t *dst,
                    size_t grain_bytes, size_t *used, GError **error)
{
    /* The specification says raw deflate, every product writes zlib.  What
     * has a zlib header is never tried raw: a stream with a wrong checksum
     * must not come back as good data. */
    VdCodecFrame frame =
        vmdk_record_has_zlib(data, len) ? VD_CODEC_ZLIB : VD_CODEC_RAW;
    size_t out = grain_bytes;

    if (!vd_codec_inflate(frame, data, len, dst, &out, error))
        return false;
    memset(dst + out, 0, grain_bytes - out);
    *used = out;
    return true;
}

/* -- writing --------------------------------------------------------------- */

size_t
vmdk_stream_record_bound(void)
{
    return WRITE_RECORD_BYTES;
}

static bool
encode_whole(int level, const void *src, uint8_t *dst, size_t *used,
             GError **error)
{
    *used = WRITE_RECORD_BYTES - RECORD_HEAD;
    return vd_codec_deflate(VD_CODEC_ZLIB, level, src, WRITE_GRAIN_BYTES,
                            dst + RECORD_HEAD, used, error);
}

const VdRecordFormat vmdk_stream_records = {
    .name = "vmdk zlib 65536",
    .unit = VMDK_GRAIN_SECTORS * VMDK_SECTOR,
    .bound = 129 * VMDK_SECTOR,
    .once = true,
};

bool
vmdk_stream_encode(uint64_t off, const void *src, size_t len, int level,
                   void *dst, size_t *dst_len, GError **error)
{
    uint8_t *raw = dst;
    size_t used, total;
    bool ok;

    g_assert(off % WRITE_GRAIN_BYTES == 0);
    g_assert(len > 0 && len <= WRITE_GRAIN_BYTES);
    g_assert(*dst_len >= WRITE_RECORD_BYTES);
    if (len < WRITE_GRAIN_BYTES) {
        g_autofree uint8_t *padded = g_malloc0(WRITE_GRAIN_BYTES);

        memcpy(padded, src, len);
        ok = encode_whole(level, padded, raw, &used, error);
    } else {
        ok = encode_whole(level, src, raw, &used, error);
    }
    if (!ok)
        return false;

    vio_put_le64(raw, off / VMDK_SECTOR);
    vio_put_le32(raw + 8, (uint32_t) used);
    total = round_to_sector(RECORD_HEAD + used);
    memset(raw + RECORD_HEAD + used, 0, total - RECORD_HEAD - used);
    *dst_len = total;
    return true;
}

bool
vmdk_stream_decode(const void *record, size_t len, void *dst, GError **error)
{
    const uint8_t *raw = record;
    uint32_t data_bytes = vio_get_le32(raw + 8);
    size_t used;

    g_assert(len >= RECORD_HEAD && data_bytes <= len - RECORD_HEAD);
    return vmdk_record_inflate(raw + RECORD_HEAD, data_bytes, dst,
                               WRITE_GRAIN_BYTES, &used, error) ||
           vd_prefix(error, "grain of sector %" G_GUINT64_FORMAT ": ",
                     vio_get_le64(raw));
}

void
vmdk_marker_encode(uint8_t raw[VMDK_SECTOR], VmdkMarker type, uint64_t value)
{
    memset(raw, 0, VMDK_SECTOR);
    vio_put_le64(raw, value);
    vio_put_le32(raw + 12, type);
}
