/* SPDX-License-Identifier: BSD-3-Clause */
/* block/filter/write-log.c - records of the write log to bytes and back.
 *
 * Concurrency: pure functions.
 */
#include "block/filter/write-log.h"

#include <inttypes.h>
#include <string.h>

#define WRITE_LOG_MAGIC 0x474c4456u /* "VDLG" */

static void
put_u16(uint8_t *to, uint16_t v)
{
    v = GUINT16_TO_LE(v);
    memcpy(to, &v, sizeof(v));
}

static void
put_u32(uint8_t *to, uint32_t v)
{
    v = GUINT32_TO_LE(v);
    memcpy(to, &v, sizeof(v));
}

static void
put_u64(uint8_t *to, uint64_t v)
{
    v = GUINT64_TO_LE(v);
    memcpy(to, &v, sizeof(v));
}

static uint16_t
get_u16(const uint8_t *from)
{
    uint16_t v;

    memcpy(&v, from, sizeof(v));
    return GUINT16_FROM_LE(v);
}

static uint32_t
get_u32(const uint8_t *from)
{
    uint32_t v;

    memcpy(&v, from, sizeof(v));
    return GUINT32_FROM_LE(v);
}

static uint64_t
get_u64(const uint8_t *from)
{
    uint64_t v;

    memcpy(&v, from, sizeof(v));
    return GUINT64_FROM_LE(v);
}

void
vd_write_log_encode(const VdWriteLogRecord *record,
                    uint8_t out[VD_WRITE_LOG_HEADER])
{
    bool has_data = record->type == VD_WRITE_LOG_WRITE;

    put_u32(out, WRITE_LOG_MAGIC);
    put_u16(out + 4, (uint16_t) record->type);
    put_u16(out + 6, record->tag);
    put_u64(out + 8, record->id);
    put_u64(out + 16, record->off);
    put_u64(out + 24, record->len);
    put_u32(out + 32, record->flags);
    put_u32(out + 36, has_data ? (uint32_t) record->len : 0);
}

size_t
vd_write_log_decode(const uint8_t *bytes, size_t size, VdWriteLogRecord *record,
                    GError **error)
{
    uint16_t type;
    uint32_t data;

    if (size < VD_WRITE_LOG_HEADER || get_u32(bytes) != WRITE_LOG_MAGIC) {
        (void) vd_throw(error, VD_ERROR_CORRUPT,
                        "no record of a write log here");
        return 0;
    }
    type = get_u16(bytes + 4);
    data = get_u32(bytes + 36);
    if (type < VD_WRITE_LOG_WRITE || type > VD_WRITE_LOG_FAILED ||
        data > size - VD_WRITE_LOG_HEADER ||
        data != (type == VD_WRITE_LOG_WRITE ? get_u64(bytes + 24) : 0)) {
        (void) vd_throw(error, VD_ERROR_CORRUPT,
                        "write log record of type %u with %" PRIu32
                        " bytes of data, %zu are there",
                        type, data, size - VD_WRITE_LOG_HEADER);
        return 0;
    }
    *record = (VdWriteLogRecord){
        .type = type,
        .tag = get_u16(bytes + 6),
        .id = get_u64(bytes + 8),
        .off = get_u64(bytes + 16),
        .len = get_u64(bytes + 24),
        .flags = get_u32(bytes + 32),
        .data = data > 0 ? bytes + VD_WRITE_LOG_HEADER : NULL,
    };
    return VD_WRITE_LOG_HEADER + data;
}
