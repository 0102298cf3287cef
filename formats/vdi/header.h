/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vdi/header.h - the header of a VDI file, in both of its versions. */
#pragma once

#include "block/error.h"
#include "block/node.h"
#include "formats/common/uuid.h"

#include <stdbool.h>
#include <stddef.h>

#define VDI_HEADER_BYTES 512u
#define VDI_SECTOR 512u
#define VDI_BLOCK_BYTES (1u << 20) /* of what we make */
#define VDI_ALIGN (1u << 20)       /* of table and data of what we make */

/* Values of the table, beside numbers of blocks. */
#define VDI_ABSENT UINT32_C(0xffffffff)
#define VDI_ZERO UINT32_C(0xfffffffe)

typedef enum VdiType {
    VDI_DYNAMIC = 1,
    VDI_STATIC = 2,
    VDI_UNDO = 3,
    VDI_DIFFERENCING = 4,
} VdiType;

typedef struct VdiHeader {
    bool old; /* version 0: other places for everything */
    VdiType type;
    uint32_t flags;
    uint32_t table_off, data_off; /* bytes */
    uint64_t size;                /* bytes of the disk, as stored */
    uint32_t block_bytes, extra_bytes;
    uint32_t n_blocks, n_allocated;
    uint8_t create[VD_UUID_BYTES], modify[VD_UUID_BYTES];
    uint8_t parent_create[VD_UUID_BYTES], parent_modify[VD_UUID_BYTES];
    char comment[257]; /* UTF-8, or what once was */
} VdiHeader;

bool vdi_header_is_magic(const uint8_t *head, size_t len);
/* CORRUPT, NOT_SUPPORTED with @name; @raw: VDI_HEADER_BYTES. */
bool vdi_header_decode(VdiHeader *hdr, const uint8_t *raw, const char *name,
                       GError **error);

/* A new header (version 1.1). */
void vdi_header_encode(const VdiHeader *hdr, uint8_t raw[VDI_HEADER_BYTES]);
/* Change what changes in the life of an image. */
void vdi_header_set_allocated(const VdiHeader *hdr, uint8_t *raw, uint32_t n);
/* Where things are, and how many; of version 0: how many. */
void vdi_header_set_layout(const VdiHeader *hdr, uint8_t *raw);
void vdi_header_set_modified(const VdiHeader *hdr, uint8_t *raw,
                             const uint8_t uuid[VD_UUID_BYTES]);

const char *vdi_type_name(VdiType type);
