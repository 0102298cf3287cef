/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/header.h - the two headers of a VHDX file, of which one counts.
 */
#pragma once

#include "block/rw.h"
#include "formats/common/uuid.h"

#define VHDX_MIB UINT64_C(0x100000)
#define VHDX_MAGIC "vhdxfile"
#define VHDX_MAGIC_BYTES 8
#define VHDX_HEADER_BYTES 4096u
#define VHDX_HEADER_AT(i) (UINT64_C(65536) * (1 + (i)))

typedef struct VhdxHeader {
    uint64_t sequence;
    uint8_t file_write[VD_UUID_BYTES]; /* changes whenever the file does */
    uint8_t data_write[VD_UUID_BYTES]; /* when what the guest sees does */
    uint8_t log[VD_UUID_BYTES];        /* null = the log is empty */
    uint16_t log_version;
    uint64_t log_off;
    uint32_t log_bytes;
} VhdxHeader;

typedef struct VhdxHeaders {
    VhdxHeader now;
    unsigned current; /* the copy that @now is in */
    bool sound[2];
} VhdxHeaders;

/* What is wrong with @raw, NULL = nothing. */
const char *vhdx_header_decode(VhdxHeader *hdr,
                               const uint8_t raw[VHDX_HEADER_BYTES]);
void vhdx_header_encode(const VhdxHeader *hdr, uint8_t raw[VHDX_HEADER_BYTES]);

bool vhdx_headers_co_load(VhdxHeaders *headers, VdNode *file, GError **error);
/* Both copies shall be as @hdr (but for its sequence); the first of them is
 * durable when the second is written, and everything before is when the first
 * one is: a header may speak of it. */
bool vhdx_headers_co_store(VhdxHeaders *headers, VdNode *file,
                           const VhdxHeader *hdr, GError **error);
