/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/record.h - one grain record or marker of a stream.
 *
 * A record: u64 LBA, u32 bytes of data, the data (zlib), zeroes up to the next
 * sector.  Streams without markers (flag bit 17 clear) have the u32 only.  A
 * marker: u64 value, u32 zero, u32 type, zeroes up to the next sector; its
 * payload, if any, is in the sectors behind it.
 *
 * Private to formats/vmdk/stream-*.c and their tests.  No I/O.
 */
#pragma once

#include "formats/vmdk/sparse/header.h"

#define VMDK_RECORD_HEAD_MAX 12
#define VMDK_MARKER_HEAD 16 /* what must be read to tell a marker's type */

typedef enum VmdkMarker {
    VMDK_MARKER_EOS = 0,
    VMDK_MARKER_GT = 1,
    VMDK_MARKER_GD = 2,
    VMDK_MARKER_FOOTER = 3,
    VMDK_MARKER_PROGRESS = 4, /* says nothing, has no payload */
} VmdkMarker;

typedef struct VmdkRecord {
    uint64_t value;      /* record: LBA in sectors; marker: its value */
    uint32_t data_bytes; /* 0 = marker */
    uint32_t marker;     /* type, if it is one */
    uint32_t head_bytes; /* where data start */
} VmdkRecord;

/* @raw: VMDK_MARKER_HEAD bytes.  Says what stands there; checks nothing. */
void vmdk_record_parse(const VmdkHeader *hdr,
                       const uint8_t raw[VMDK_MARKER_HEAD], VmdkRecord *rec);

uint64_t vmdk_record_head_bytes(const VmdkHeader *hdr);
/* Most compressed bytes that a grain may have. */
uint64_t vmdk_record_max_data(const VmdkHeader *hdr);
/* Bytes up to the next record: padding, or a marker's payload, included.
 * 0 = none can be told: the end, or a marker whose value is beyond reason. */
uint64_t vmdk_record_span(const VmdkHeader *hdr, const VmdkRecord *rec);

/* The number of the grain that is said to begin at @lba; VD_NO_GRAIN if none of
 * the disk does. */
uint64_t vmdk_record_grain(const VmdkHeader *hdr, uint64_t lba);

/* Inflate @data to exactly one grain at @dst; what the stream lacks is zero.
 * *@used: how much it had.  Any thread. */
bool vmdk_record_inflate(const uint8_t *data, size_t len, uint8_t *dst,
                         size_t grain_bytes, size_t *used, GError **error);
/* Do data start as zlib's (RFC 1950) do?  Else they are raw deflate. */
bool vmdk_record_has_zlib(const uint8_t *data, size_t len);

/* A whole marker sector. */
void vmdk_marker_encode(uint8_t raw[VMDK_SECTOR], VmdkMarker type,
                        uint64_t value);
