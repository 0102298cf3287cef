/* SPDX-License-Identifier: BSD-3-Clause */
/* block/filter/write-log.h - the binary log of what changed storage.
 *
 * A file of records, each a header of VD_WRITE_LOG_HEADER bytes (little
 * endian) and, for WRITE, the data.  A change is logged twice: before it goes
 * down, and (DONE or FAILED with the same id) after it came back.  From that a
 * reader knows for each moment what may have reached the storage and what must
 * have: a change must be there once a FLUSH that was logged after its DONE is
 * itself DONE, or once it is DONE if it carried FUA.
 *
 * Several nodes may append to one log; the tag tells them apart.
 *
 *   0 u32 magic    8 u64 id     24 u64 len
 *   4 u16 type    16 u64 off    32 u32 flags (VdReqFlags)
 *   6 u16 tag                   36 u32 bytes of data that follow
 */
#pragma once

#include "block/error.h"

#define VD_WRITE_LOG_HEADER 40

typedef enum VdWriteLogType {
    VD_WRITE_LOG_WRITE = 1,
    VD_WRITE_LOG_ZEROES,
    VD_WRITE_LOG_DISCARD,
    VD_WRITE_LOG_TRUNCATE, /* len is the new size */
    VD_WRITE_LOG_FLUSH,
    VD_WRITE_LOG_DONE,
    VD_WRITE_LOG_FAILED,
} VdWriteLogType;

typedef struct VdWriteLogRecord {
    VdWriteLogType type;
    uint16_t tag;
    uint64_t id;
    uint64_t off, len;
    uint32_t flags;
    const uint8_t *data; /* WRITE: len bytes */
} VdWriteLogRecord;

/* The header of @record; WRITE: the caller puts record->len bytes behind it. */
void vd_write_log_encode(const VdWriteLogRecord *record,
                         uint8_t out[VD_WRITE_LOG_HEADER]);

/* The record at @bytes, of which @size are there; record->data points into
 * them.  Returns its whole length, or 0 with @error set: VD_ERROR_CORRUPT. */
size_t vd_write_log_decode(const uint8_t *bytes, size_t size,
                           VdWriteLogRecord *record, GError **error);
