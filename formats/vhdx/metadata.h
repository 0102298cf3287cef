/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/metadata.h - what a VHDX file tells about its disk. */
#pragma once

#include "block/error.h"
#include "formats/common/uuid.h"

#include <stddef.h>

#define VHDX_METADATA_TABLE_BYTES 65536u
#define VHDX_METADATA_BYTES (1u << 20) /* region of what we make */
#define VHDX_MIN_BLOCK (1u << 20)
#define VHDX_MAX_BLOCK (256u << 20)
#define VHDX_MAX_SIZE (UINT64_C(64) << 40)
#define VHDX_MAX_ITEM (1u << 20)
#define VHDX_MAX_ITEMS 2047

/* Of a differencing disk; names are UTF-8, NULL = not said. */
typedef struct VhdxLocator {
    char *relative, *volume, *absolute;
    uint8_t linkage[VD_UUID_BYTES];  /* data-write id of the parent */
    uint8_t linkage2[VD_UUID_BYTES]; /* what it may be as well; null = none */
} VhdxLocator;

typedef struct VhdxMetadata {
    uint64_t size; /* bytes of the disk */
    uint32_t block_bytes;
    uint32_t logical, physical; /* bytes of sectors */
    bool leave_allocated;       /* blocks have places from the beginning */
    bool has_parent;
    uint8_t page83[VD_UUID_BYTES];
    VhdxLocator locator;
} VhdxMetadata;

typedef enum VhdxItem {
    VHDX_ITEM_FILE,
    VHDX_ITEM_SIZE,
    VHDX_ITEM_PAGE83,
    VHDX_ITEM_LOGICAL,
    VHDX_ITEM_PHYSICAL,
    VHDX_ITEM_LOCATOR,
    VHDX_N_ITEMS,
} VhdxItem;

/* Where an item is; len 0 = there is none. */
typedef struct VhdxItemPlace {
    uint32_t off, len; /* in the region */
} VhdxItemPlace;

/* The table at the beginning of the region, which has @region_bytes.  CORRUPT,
 * NOT_SUPPORTED with @name. */
bool vhdx_items_decode(VhdxItemPlace places[VHDX_N_ITEMS], const uint8_t *raw,
                       uint64_t region_bytes, const char *name, GError **error);
/* One of them: exactly places[item].len bytes at @raw. */
bool vhdx_item_decode(VhdxMetadata *meta, VhdxItem item, const uint8_t *raw,
                      size_t len, const char *name, GError **error);
/* Does all of it go together? */
bool vhdx_metadata_check(const VhdxMetadata *meta, const char *name,
                         GError **error);
void vhdx_metadata_clear(VhdxMetadata *meta);
/* Table and items of a disk without parent: VHDX_METADATA_USED bytes, the rest
 * of the region is zero. */
#define VHDX_METADATA_USED (VHDX_METADATA_TABLE_BYTES + 4096u)
void vhdx_metadata_encode(const VhdxMetadata *meta, uint8_t *raw);

/* locator.c */
bool vhdx_locator_decode(VhdxLocator *locator, const uint8_t *raw, size_t len,
                         const char *name, GError **error);
void vhdx_locator_clear(VhdxLocator *locator);
