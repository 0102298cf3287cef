/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhd/header.h - the dynamic header of a VHD file that grows. */
#pragma once

#include "formats/vhd/footer.h"

#define VHD_HEADER_BYTES 1024u
#define VHD_MAX_BLOCK (256u << 20)
#define VHD_LOCATORS 8
#define VHD_ABSENT UINT32_C(0xffffffff) /* value of the table */

typedef struct VhdLocator {
    uint32_t platform; /* four characters */
    uint32_t len;      /* bytes */
    uint64_t off;      /* in the file */
} VhdLocator;

typedef struct VhdHeader {
    uint64_t table_off;
    uint32_t n_entries;
    uint32_t block_bytes;
    uint8_t parent_uuid[VD_UUID_BYTES];
    uint32_t parent_timestamp;
    char *parent_name; /* UTF-8; g_free */
    VhdLocator locator[VHD_LOCATORS];
} VhdHeader;

bool vhd_header_is_magic(const uint8_t *raw, size_t len);
/* CORRUPT with @name and the place @off; @raw: VHD_HEADER_BYTES. */
bool vhd_header_decode(VhdHeader *hdr, const uint8_t *raw, const char *name,
                       uint64_t off, GError **error);
/* Of a dynamic disk: without parent. */
void vhd_header_encode(const VhdHeader *hdr, uint8_t raw[VHD_HEADER_BYTES]);
void vhd_header_set_entries(uint8_t raw[VHD_HEADER_BYTES], uint32_t n);
void vhd_header_clear(VhdHeader *hdr);
