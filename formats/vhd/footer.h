/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhd/footer.h - the footer of a VHD file, which in files that grow has
 * a copy at the beginning.
 */
#pragma once

#include "block/error.h"
#include "formats/common/uuid.h"

#include <stddef.h>

#define VHD_SECTOR 512u
#define VHD_FOOTER_BYTES 512u
/* Of Virtual PC before 2004. */
#define VHD_OLD_FOOTER_BYTES 511u
#define VHD_NO_HEADER UINT64_MAX /* data offset of fixed disks */

typedef enum VhdType {
    VHD_FIXED = 2,
    VHD_DYNAMIC = 3,
    VHD_DIFFERENCING = 4,
} VhdType;

typedef struct VhdGeometry {
    uint16_t cylinders;
    uint8_t heads, sectors;
} VhdGeometry;

typedef struct VhdFooter {
    VhdType type;
    uint64_t header_off; /* of the dynamic header */
    uint32_t timestamp;  /* seconds since 2000-01-01 00:00 UTC */
    char creator[5];
    uint32_t creator_version;
    uint64_t original_size, current_size; /* bytes */
    VhdGeometry geometry;
    uint8_t uuid[VD_UUID_BYTES]; /* as it is written */
    uint8_t saved_state;
} VhdFooter;

/* Is it one, checksum and all? */
bool vhd_footer_is_sound(const uint8_t *raw, size_t len);
/* Does it begin like one? */
bool vhd_footer_is_magic(const uint8_t *raw, size_t len);
/* CORRUPT, NOT_SUPPORTED with @name; @raw is sound. */
bool vhd_footer_decode(VhdFooter *footer, const uint8_t *raw, const char *name,
                       GError **error);
void vhd_footer_encode(const VhdFooter *footer, uint8_t raw[VHD_FOOTER_BYTES]);

/* Size, geometry and creator as @footer has them. */
void vhd_footer_set_size(const VhdFooter *footer,
                         uint8_t raw[VHD_FOOTER_BYTES]);

const char *vhd_type_name(VhdType type);

/* Ones' complement of the sum of @raw, in which the 4 bytes at @at count as
 * zeroes. */
uint32_t vhd_checksum(const uint8_t *raw, size_t len, size_t at);

/* geometry.c */
VhdGeometry vhd_geometry_of(uint64_t sectors);
uint64_t vhd_geometry_sectors(const VhdGeometry *geometry);
