/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/cowd-header.c - the header of a COWD extent.
 *
 * Concurrency: pure functions.
 * Source: "Virtual Disk Format 5.0" (VMware), ESX Server Sparse Extents.
 */
#include "formats/vmdk/sparse/cowd-header.h"

#include <inttypes.h>
#include <string.h>

#include "block/node.h"
#include "io/bytes.h"

/* All integers are little-endian. */
enum {
    OFF_MAGIC = 0,
    OFF_VERSION = 4,
    OFF_FLAGS = 8,
    OFF_CAPACITY = 12,
    OFF_GRAIN = 16,
    OFF_GD = 20,
    OFF_GD_ENTRIES = 24,
    OFF_FREE = VMDK_COWD_FREE_BYTE,
    OFF_PARENT = 32,
    OFF_UNCLEAN = VMDK_COWD_UNCLEAN_BYTE,
};

#define PARENT_BYTES 1024
/* A root keeps its geometry in the place of the name: three small numbers,
 * which pass for two letters at most. */
#define PARENT_MIN 3

#define VERSION 1
#define FLAGS 3
#define LEGACY_VERSION 3
#define LEGACY_FLAGS 0x1b
#define LEGACY_GTES_PER_GT 512

static const uint8_t cowd_magic[4] = {'C', 'O', 'W', 'D'};

bool
vmdk_cowd_is_magic(const uint8_t magic[4])
{
    return memcmp(magic, cowd_magic, sizeof(cowd_magic)) == 0;
}

bool
vmdk_cowd_is_legacy(const VmdkHeader *hdr)
{
    return hdr->cowd && hdr->gtes_per_gt == LEGACY_GTES_PER_GT;
}

/* -- decoding -------------------------------------------------------------- */

static bool
check_kind(VmdkHeader *hdr, uint32_t flags, const char *name, GError **error)
{
    if (hdr->version == VERSION && !(flags & ~(uint32_t) FLAGS))
        hdr->gtes_per_gt = VMDK_COWD_GTES_PER_GT;
    else if (hdr->version == LEGACY_VERSION && flags == LEGACY_FLAGS)
        hdr->gtes_per_gt = LEGACY_GTES_PER_GT;
    else
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: COWD extent of version %u with flags 0x%x; known "
                        "are version %d with 0x%x and version %d with 0x%x",
                        name, hdr->version, flags, VERSION, FLAGS,
                        LEGACY_VERSION, LEGACY_FLAGS);
    return true;
}

static bool
check_grain(const VmdkHeader *hdr, const char *name, GError **error)
{
    uint64_t grain = hdr->grain_sectors;

    if (grain > VMDK_COWD_MAX_GRAIN_SECTORS)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: COWD grains of %" PRIu64 " sectors, at most %d",
                        name, grain, VMDK_COWD_MAX_GRAIN_SECTORS);
    if (!grain || (grain & (grain - 1)))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: COWD grains of %" PRIu64
                        " sectors, want a power of two",
                        name, grain);
    return true;
}

static bool
check_directory(const VmdkHeader *hdr, uint32_t entries, const char *name,
                GError **error)
{
    uint64_t wanted = vmdk_header_n_gts(hdr);

    if (hdr->gd_sector < VMDK_COWD_HEADER_SECTORS)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: directory at sector %" PRIu64
                        ", inside the header of %d sectors",
                        name, hdr->gd_sector, VMDK_COWD_HEADER_SECTORS);
    if (entries < wanted)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: directory of %u entries, %" PRIu64
                        " sectors need %" PRIu64,
                        name, entries, hdr->capacity_sectors, wanted);
    return true;
}

bool
vmdk_cowd_decode(const uint8_t raw[VMDK_COWD_HEADER_BYTES], const char *name,
                 VmdkHeader *hdr, GError **error)
{
    VmdkHeader h = {
        .cowd = true,
        .version = vio_get_le32(raw + OFF_VERSION),
        .capacity_sectors = vio_get_le32(raw + OFF_CAPACITY),
        .grain_sectors = vio_get_le32(raw + OFF_GRAIN),
        .gd_sector = vio_get_le32(raw + OFF_GD),
        .free_sector = vio_get_le32(raw + OFF_FREE),
        .overhead_sectors = VMDK_COWD_HEADER_SECTORS,
        .unclean = vio_get_le32(raw + OFF_UNCLEAN) != 0,
    };

    if (!vmdk_cowd_is_magic(raw))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: no COWD extent: magic %02x %02x %02x %02x at "
                        "byte 0, want 43 4f 57 44",
                        name, raw[0], raw[1], raw[2], raw[3]);
    if (!check_kind(&h, vio_get_le32(raw + OFF_FLAGS), name, error) ||
        !check_grain(&h, name, error) ||
        !check_directory(&h, vio_get_le32(raw + OFF_GD_ENTRIES), name, error))
        return false;
    *hdr = h;
    return true;
}

char *
vmdk_cowd_parent_name(const uint8_t raw[VMDK_COWD_HEADER_BYTES])
{
    const char *name = (const char *) raw + OFF_PARENT;
    size_t len = strnlen(name, PARENT_BYTES);

    if (len < PARENT_MIN || len == PARENT_BYTES ||
        !g_utf8_validate(name, (gssize) len, NULL))
        return NULL;
    for (size_t i = 0; i < len; i++)
        if (g_ascii_iscntrl(name[i]))
            return NULL;
    return g_strndup(name, len);
}

/* -- encoding -------------------------------------------------------------- */

void
vmdk_cowd_patch(const VmdkHeader *hdr, uint8_t *raw)
{
    vio_put_le32(raw + OFF_CAPACITY, (uint32_t) hdr->capacity_sectors);
    vio_put_le32(raw + OFF_GD, (uint32_t) hdr->gd_sector);
    vio_put_le32(raw + OFF_GD_ENTRIES, (uint32_t) vmdk_header_n_gts(hdr));
    vio_put_le32(raw + OFF_FREE, hdr->free_sector);
}

void
vmdk_cowd_encode(const VmdkHeader *hdr, uint8_t raw[VMDK_COWD_HEADER_BYTES])
{
    bool legacy = vmdk_cowd_is_legacy(hdr);

    memset(raw, 0, VMDK_COWD_HEADER_BYTES);
    memcpy(raw + OFF_MAGIC, cowd_magic, sizeof(cowd_magic));
    vio_put_le32(raw + OFF_VERSION, legacy ? LEGACY_VERSION : VERSION);
    vio_put_le32(raw + OFF_FLAGS, legacy ? LEGACY_FLAGS : FLAGS);
    vio_put_le32(raw + OFF_GRAIN, (uint32_t) hdr->grain_sectors);
    vmdk_cowd_patch(hdr, raw);
    vio_put_le32(raw + OFF_UNCLEAN, hdr->unclean);
}

void
vmdk_cowd_layout(VmdkHeader *hdr, uint64_t capacity_sectors,
                 uint64_t grain_sectors)
{
    *hdr = (VmdkHeader){
        .cowd = true,
        .version = VERSION,
        .capacity_sectors = capacity_sectors,
        .grain_sectors = grain_sectors,
        .gtes_per_gt = VMDK_COWD_GTES_PER_GT,
        .gd_sector = VMDK_COWD_HEADER_SECTORS,
        .overhead_sectors = VMDK_COWD_HEADER_SECTORS,
    };
    hdr->free_sector =
        (uint32_t) (hdr->gd_sector + vmdk_header_gd_sectors(hdr));
}
