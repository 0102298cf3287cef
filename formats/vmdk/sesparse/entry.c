/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sesparse/entry.c - entries of the grain directory and the grain
 * tables of a seSparse extent.
 *
 * In the directory the upper half says "there is a table", the lower one which.
 * In a table the uppermost four bits say what the grain is; the number of a
 * stored one is the rest, with its lowest twelve bits in front.
 *
 * Concurrency: pure functions.
 */
#include "formats/vmdk/sesparse/header.h"

#define TABLE_PRESENT UINT64_C(0x10000000)

enum { KIND_ABSENT, KIND_UNMAPPED, KIND_ZERO, KIND_STORED };

#define LOW_BITS 12
#define LOW_MASK UINT64_C(0xfff)
#define HIGH_MASK UINT64_C(0x0000ffffffffffff)

uint32_t
vmdk_se_directory_decode(const VmdkSeHeader *hdr, uint64_t raw,
                         uint64_t file_sectors)
{
    const VmdkSeRegion *tables = &hdr->part[VMDK_SE_TABLES];
    uint64_t end = ((raw & UINT32_MAX) + 1) * VMDK_SE_TABLE_SECTORS;

    if (!raw)
        return VMDK_SE_TABLE_NONE;
    if (raw >> 32 != TABLE_PRESENT || (uint32_t) raw >= VMDK_SE_TABLE_BAD - 1 ||
        end > tables->n || tables->start + end > file_sectors)
        return VMDK_SE_TABLE_BAD;
    return (uint32_t) raw + 1;
}

uint64_t
vmdk_se_directory_encode(uint32_t table_plus_1)
{
    return table_plus_1 ? TABLE_PRESENT << 32 | (table_plus_1 - 1) : 0;
}

static uint64_t
decode_stored(const VmdkSeHeader *hdr, uint64_t raw, uint64_t file_sectors)
{
    const VmdkSeRegion *grains = &hdr->part[VMDK_SE_GRAINS];
    uint64_t index = (raw >> 48 & LOW_MASK) | (raw & HIGH_MASK) << LOW_BITS;

    if (index >=
            (grains->n + VMDK_SE_GRAIN_SECTORS - 1) / VMDK_SE_GRAIN_SECTORS ||
        grains->start + index * VMDK_SE_GRAIN_SECTORS >= file_sectors)
        return VMDK_SE_BAD;
    return grains->start + index * VMDK_SE_GRAIN_SECTORS;
}

/* "Unmapped by the guest" still names the old grain, but reads as zeroes. */
uint64_t
vmdk_se_entry_decode(const VmdkSeHeader *hdr, uint64_t raw,
                     uint64_t file_sectors)
{
    switch (raw >> 60) {
    case KIND_ABSENT:
        return raw ? VMDK_SE_BAD : VMDK_SE_ABSENT;
    case KIND_UNMAPPED:
    case KIND_ZERO:
        return VMDK_SE_ZERO;
    case KIND_STORED:
        return decode_stored(hdr, raw, file_sectors);
    default:
        return VMDK_SE_BAD;
    }
}

uint64_t
vmdk_se_entry_encode(const VmdkSeHeader *hdr, uint64_t entry)
{
    uint64_t index;

    if (entry == VMDK_SE_ABSENT)
        return 0;
    if (entry == VMDK_SE_ZERO)
        return (uint64_t) KIND_ZERO << 60;
    index = (entry - hdr->part[VMDK_SE_GRAINS].start) / VMDK_SE_GRAIN_SECTORS;
    return (uint64_t) KIND_STORED << 60 | (index & LOW_MASK) << 48 |
           index >> LOW_BITS;
}
