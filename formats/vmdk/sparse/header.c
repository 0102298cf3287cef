/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/header.c - the header of a hosted sparse extent (KDMV).
 *
 * Decoding checks every field, since all of them come from outside: versions,
 * flags and sizes here, places against the file in header-layout.c.
 *
 * Concurrency: pure functions.
 * Source: "Virtual Disk Format 5.0" (VMware), Hosted Sparse Extents.
 */
#include "formats/vmdk/sparse/header.h"

#include <inttypes.h>
#include <string.h>

#include "block/node.h"
#include "io/bytes.h"

/* All integers are little-endian and packed. */
enum {
    OFF_MAGIC = 0,
    OFF_VERSION = 4,
    OFF_FLAGS = 8,
    OFF_CAPACITY = 12,
    OFF_GRAIN = 20,
    OFF_DESC = 28,
    OFF_DESC_SIZE = 36,
    OFF_GTES_PER_GT = 44,
    OFF_RGD = 48,
    OFF_GD = 56,
    OFF_OVERHEAD = 64,
    OFF_UNCLEAN = VMDK_HEADER_UNCLEAN_BYTE,
    OFF_NEWLINE = 73,
    OFF_COMPRESS = 77,
};

#define MAX_VERSION 3
#define KNOWN_HIGH_FLAGS (VMDK_FLAG_COMPRESSED | VMDK_FLAG_MARKERS)
#define MAX_SECTOR ((uint64_t) VD_MAX_SIZE / VMDK_SECTOR)

static const uint8_t header_magic[4] = {'K', 'D', 'M', 'V'};
static const uint8_t header_unfinished[4] = {'k', 'd', 'm', 'v'};
/* What a transfer in text mode would change. */
static const uint8_t header_newline[4] = {'\n', ' ', '\r', '\n'};

static bool
is_power_of_two(uint64_t v)
{
    return v != 0 && (v & (v - 1)) == 0;
}

/* -- decoding -------------------------------------------------------------- */

static bool
check_magic(const uint8_t *raw, const char *name, GError **error)
{
    if (memcmp(raw, header_magic, sizeof(header_magic)) == 0)
        return true;
    if (vmdk_header_is_unfinished(raw))
        return vd_throw(
            error, VD_ERROR_CORRUPT,
            "%s: unfinished streamOptimized file (magic 'kdmv' at byte 0, 'KDMV' when complete)",
            name);
    return vd_throw(
        error, VD_ERROR_CORRUPT,
        "%s: no VMDK extent: magic %02x %02x %02x %02x at byte 0, want 4b 44 4d 56 ('KDMV')",
        name, raw[0], raw[1], raw[2], raw[3]);
}

static bool
check_flags(const VmdkHeader *hdr, const char *name, GError **error)
{
    uint32_t unknown = hdr->flags & 0xffff0000u & ~(uint32_t) KNOWN_HIGH_FLAGS;
    bool compressed = hdr->flags & VMDK_FLAG_COMPRESSED;

    if (unknown)
        return vd_throw(
            error, VD_ERROR_NOT_SUPPORTED,
            "%s: header flags 0x%08x: unknown incompatible bits 0x%08x", name,
            hdr->flags, unknown);
    if ((hdr->flags & VMDK_FLAG_MARKERS) && !compressed)
        return vd_throw(
            error, VD_ERROR_CORRUPT,
            "%s: header flags 0x%08x: markers (bit 17) without compressed grains (bit 16)",
            name, hdr->flags);
    if (hdr->compress_algorithm > 1)
        return vd_throw(
            error, VD_ERROR_NOT_SUPPORTED,
            "%s: compression algorithm %u, known are 0 (none) and 1 (deflate)",
            name, hdr->compress_algorithm);
    if (compressed != (hdr->compress_algorithm == 1))
        return vd_throw(
            error, VD_ERROR_CORRUPT,
            "%s: header flags 0x%08x and compression algorithm %u contradict each other",
            name, hdr->flags, hdr->compress_algorithm);
    return true;
}

static bool
check_newline(const VmdkHeader *hdr, const uint8_t *raw, const char *name,
              GError **error)
{
    const uint8_t *nl = raw + OFF_NEWLINE;

    if (!(hdr->flags & VMDK_FLAG_NEWLINE) ||
        memcmp(nl, header_newline, sizeof(header_newline)) == 0)
        return true;
    return vd_throw(
        error, VD_ERROR_CORRUPT,
        "%s: damaged by a transfer in text mode: bytes %02x %02x %02x %02x at byte %d, want 0a 20 0d 0a",
        name, nl[0], nl[1], nl[2], nl[3], OFF_NEWLINE);
}

static bool
check_maxima(const VmdkHeader *hdr, const char *name, GError **error)
{
    uint64_t max = hdr->flags & VMDK_FLAG_COMPRESSED
                       ? VMDK_MAX_STREAM_GRAIN_SECTORS
                       : VMDK_MAX_GRAIN_SECTORS;

    if (hdr->grain_sectors > max)
        return vd_throw(
            error, VD_ERROR_LIMIT,
            "%s: Invalid granularity, image may be corrupt: %" PRIu64
            " sectors, at most %" PRIu64,
            name, hdr->grain_sectors, max);
    if (hdr->gtes_per_gt > VMDK_MAX_GTES_PER_GT)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: L2 table size too big: %u entries, at most %u",
                        name, hdr->gtes_per_gt, VMDK_MAX_GTES_PER_GT);
    return true;
}

static bool
check_powers(const VmdkHeader *hdr, const char *name, GError **error)
{
    if (!is_power_of_two(hdr->grain_sectors))
        return vd_throw(
            error, VD_ERROR_CORRUPT,
            "%s: Invalid granularity, image may be corrupt: %" PRIu64
            " sectors, want a power of two",
            name, hdr->grain_sectors);
    if (!is_power_of_two(hdr->gtes_per_gt))
        return vd_throw(
            error, VD_ERROR_CORRUPT,
            "%s: L2 table size invalid: %u entries, want a power of two", name,
            hdr->gtes_per_gt);
    return true;
}

static bool
check_capacity(const VmdkHeader *hdr, const char *name, GError **error)
{
    uint64_t n_gts;

    if (hdr->grain_sectors == 0 || hdr->gtes_per_gt == 0)
        return check_powers(hdr, name, error);
    n_gts = vmdk_header_n_gts(hdr);
    if (n_gts > VMDK_MAX_GD_ENTRIES)
        return vd_throw(
            error, VD_ERROR_LIMIT,
            "%s: L1 size too big: %" PRIu64 " directory entries for %" PRIu64
            " sectors, at most %u entries",
            name, n_gts, hdr->capacity_sectors, VMDK_MAX_GD_ENTRIES);
    if (hdr->capacity_sectors > MAX_SECTOR)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: capacity of %" PRIu64 " sectors, at most %" PRIu64,
                        name, hdr->capacity_sectors, MAX_SECTOR);
    return true;
}

static bool
check_sector(const char *what, uint64_t sector, const char *name,
             GError **error)
{
    if (sector <= MAX_SECTOR)
        return true;
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: %s at sector %" PRIu64 ", at most %" PRIu64, name,
                    what, sector, MAX_SECTOR);
}

static bool
check_places(const VmdkHeader *hdr, const char *name, GError **error)
{
    bool markers = hdr->flags & VMDK_FLAG_MARKERS;

    if (hdr->desc_sectors > VMDK_MAX_DESC_SECTORS)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: descriptor of %" PRIu64 " sectors, at most %d",
                        name, hdr->desc_sectors, VMDK_MAX_DESC_SECTORS);
    if (!check_sector("descriptor", hdr->desc_sector, name, error) ||
        !check_sector("redundant directory", hdr->rgd_sector, name, error) ||
        !check_sector("first grain", hdr->overhead_sectors, name, error))
        return false;
    if (hdr->gd_sector == VMDK_GD_AT_END) {
        if (markers)
            return true;
        return vd_throw(
            error, VD_ERROR_CORRUPT,
            "%s: directory said to be at the end of an extent without markers (flags 0x%08x)",
            name, hdr->flags);
    }
    if (hdr->gd_sector == 0 && hdr->capacity_sectors > 0)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: directory at sector 0, where the header is", name);
    return check_sector("directory", hdr->gd_sector, name, error);
}

static void
decode_fields(const uint8_t *raw, VmdkHeader *hdr)
{
    hdr->version = vio_get_le32(raw + OFF_VERSION);
    hdr->flags = vio_get_le32(raw + OFF_FLAGS);
    hdr->capacity_sectors = vio_get_le64(raw + OFF_CAPACITY);
    hdr->grain_sectors = vio_get_le64(raw + OFF_GRAIN);
    hdr->desc_sector = vio_get_le64(raw + OFF_DESC);
    hdr->desc_sectors = vio_get_le64(raw + OFF_DESC_SIZE);
    hdr->gtes_per_gt = vio_get_le32(raw + OFF_GTES_PER_GT);
    hdr->rgd_sector = vio_get_le64(raw + OFF_RGD);
    hdr->gd_sector = vio_get_le64(raw + OFF_GD);
    hdr->overhead_sectors = vio_get_le64(raw + OFF_OVERHEAD);
    hdr->unclean = raw[OFF_UNCLEAN] != 0;
    hdr->compress_algorithm = vio_get_le16(raw + OFF_COMPRESS);

    /* Fields that mean nothing are made to say so. */
    if (hdr->desc_sector == 0 || hdr->desc_sectors == 0)
        hdr->desc_sector = hdr->desc_sectors = 0;
    if (!(hdr->flags & VMDK_FLAG_REDUNDANT))
        hdr->rgd_sector = 0;
}

bool
vmdk_header_decode(const uint8_t raw[VMDK_HEADER_BYTES], const char *name,
                   VmdkHeader *hdr, GError **error)
{
    VmdkHeader h = {0};

    if (!check_magic(raw, name, error))
        return false;
    decode_fields(raw, &h);
    if (h.version < 1 || h.version > MAX_VERSION)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: Unsupported VMDK version %u, want 1 to %d", name,
                        h.version, MAX_VERSION);
    /* In the order of QEMU, so that its users find its words. */
    if (!check_flags(&h, name, error) || !check_maxima(&h, name, error) ||
        !check_capacity(&h, name, error) || !check_powers(&h, name, error) ||
        !check_places(&h, name, error) || !check_newline(&h, raw, name, error))
        return false;
    *hdr = h;
    return true;
}

/* -- encoding -------------------------------------------------------------- */

void
vmdk_header_encode(const VmdkHeader *hdr, uint8_t raw[VMDK_HEADER_BYTES])
{
    memset(raw, 0, VMDK_HEADER_BYTES);
    memcpy(raw + OFF_MAGIC, header_magic, sizeof(header_magic));
    vio_put_le32(raw + OFF_VERSION, hdr->version);
    vio_put_le32(raw + OFF_FLAGS, hdr->flags);
    vio_put_le64(raw + OFF_CAPACITY, hdr->capacity_sectors);
    vio_put_le64(raw + OFF_GRAIN, hdr->grain_sectors);
    vio_put_le64(raw + OFF_DESC, hdr->desc_sector);
    vio_put_le64(raw + OFF_DESC_SIZE, hdr->desc_sectors);
    vio_put_le32(raw + OFF_GTES_PER_GT, hdr->gtes_per_gt);
    vio_put_le64(raw + OFF_RGD, hdr->rgd_sector);
    vio_put_le64(raw + OFF_GD, hdr->gd_sector);
    vio_put_le64(raw + OFF_OVERHEAD, hdr->overhead_sectors);
    raw[OFF_UNCLEAN] = hdr->unclean;
    memcpy(raw + OFF_NEWLINE, header_newline, sizeof(header_newline));
    raw[OFF_COMPRESS] = (uint8_t) hdr->compress_algorithm;
    raw[OFF_COMPRESS + 1] = (uint8_t) (hdr->compress_algorithm >> 8);
}

void
vmdk_header_patch(const VmdkHeader *hdr, uint8_t raw[VMDK_HEADER_BYTES])
{
    vio_put_le32(raw + OFF_VERSION, hdr->version);
    vio_put_le32(raw + OFF_FLAGS, hdr->flags);
    vio_put_le64(raw + OFF_CAPACITY, hdr->capacity_sectors);
    vio_put_le64(raw + OFF_RGD, hdr->rgd_sector);
    vio_put_le64(raw + OFF_GD, hdr->gd_sector);
    vio_put_le64(raw + OFF_OVERHEAD, hdr->overhead_sectors);
}

void
vmdk_header_patch_descriptor(uint64_t sector, uint64_t n,
                             uint8_t raw[VMDK_HEADER_BYTES])
{
    vio_put_le64(raw + OFF_DESC, sector);
    vio_put_le64(raw + OFF_DESC_SIZE, n);
}

void
vmdk_header_mark_unfinished(uint8_t raw[VMDK_HEADER_BYTES])
{
    memcpy(raw + OFF_MAGIC, header_unfinished, sizeof(header_unfinished));
}

void
vmdk_header_mark_finished(uint8_t raw[VMDK_HEADER_BYTES])
{
    memcpy(raw, header_magic, sizeof(header_magic));
}

bool
vmdk_header_is_unfinished(const uint8_t raw[VMDK_HEADER_BYTES])
{
    return memcmp(raw, header_unfinished, sizeof(header_unfinished)) == 0;
}
