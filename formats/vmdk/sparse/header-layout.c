/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/header-layout.c - where the parts of a sparse extent lie.
 *
 * Sizes that follow from a header, its places held against the file, and the
 * layouts that we write.
 *
 * Concurrency: pure functions.
 * Source: "Virtual Disk Format 5.0" (VMware); checked against real files.
 */
#include "formats/vmdk/sparse/header.h"

#include "formats/vmdk/sparse/cowd-header.h"

#include <inttypes.h>

/* -- sizes and places ------------------------------------------------------ */

static uint64_t
div_round_up(uint64_t n, uint64_t d)
{
    return n / d + (n % d != 0);
}

uint64_t
vmdk_header_sectors(const VmdkHeader *hdr)
{
    return hdr->cowd ? VMDK_COWD_HEADER_SECTORS : 1;
}

uint64_t
vmdk_header_grain_bytes(const VmdkHeader *hdr)
{
    return hdr->grain_sectors * VMDK_SECTOR;
}

uint64_t
vmdk_header_gt_coverage(const VmdkHeader *hdr)
{
    return vmdk_header_grain_bytes(hdr) * hdr->gtes_per_gt;
}

uint64_t
vmdk_header_n_gts(const VmdkHeader *hdr)
{
    return div_round_up(hdr->capacity_sectors,
                        hdr->grain_sectors * hdr->gtes_per_gt);
}

uint64_t
vmdk_header_gt_sectors(const VmdkHeader *hdr)
{
    return div_round_up(hdr->gtes_per_gt * sizeof(uint32_t), VMDK_SECTOR);
}

uint64_t
vmdk_header_gd_sectors(const VmdkHeader *hdr)
{
    return div_round_up(vmdk_header_n_gts(hdr) * sizeof(uint32_t), VMDK_SECTOR);
}

uint64_t
vmdk_header_gt_sector(const VmdkHeader *hdr, uint64_t i)
{
    return hdr->gd_sector + vmdk_header_gd_sectors(hdr) +
           i * vmdk_header_gt_sectors(hdr);
}

uint64_t
vmdk_header_rgt_sector(const VmdkHeader *hdr, uint64_t i)
{
    return hdr->rgd_sector + vmdk_header_gd_sectors(hdr) +
           i * vmdk_header_gt_sectors(hdr);
}

/* -- checking against the file --------------------------------------------- */

typedef struct {
    const char *what;
    uint64_t start, sectors; /* at most MAX_SECTOR + what a header may say */
} HeaderArea;

static bool
check_inside(const HeaderArea *area, uint64_t file_bytes, const char *name,
             GError **error)
{
    uint64_t end = (area->start + area->sectors) * VMDK_SECTOR;

    if (end <= file_bytes)
        return true;
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: File truncated, expecting at least %" PRIu64
                    " bytes for the %s at byte %" PRIu64 ", found %" PRIu64,
                    name, end, area->what, area->start * VMDK_SECTOR,
                    file_bytes);
}

static bool
check_apart(const HeaderArea *a, const HeaderArea *b, const char *name,
            GError **error)
{
    if (a->sectors == 0 || b->sectors == 0 ||
        a->start + a->sectors <= b->start || b->start + b->sectors <= a->start)
        return true;
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: %s (sectors %" PRIu64 " to %" PRIu64
                    ") overlaps %s (sectors %" PRIu64 " to %" PRIu64 ")",
                    name, a->what, a->start, a->start + a->sectors - 1, b->what,
                    b->start, b->start + b->sectors - 1);
}

bool
vmdk_header_check_file(const VmdkHeader *hdr, uint64_t file_bytes,
                       const char *name, GError **error)
{
    uint64_t gd_sectors = vmdk_header_gd_sectors(hdr);
    bool has_gd = hdr->gd_sector != VMDK_GD_AT_END;
    const HeaderArea areas[] = {
        {"header", 0, vmdk_header_sectors(hdr)},
        {"descriptor", hdr->desc_sector, hdr->desc_sectors},
        {"directory", has_gd ? hdr->gd_sector : 0, has_gd ? gd_sectors : 0},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(areas); i++) {
        if (!check_inside(&areas[i], file_bytes, name, error))
            return false;
        for (size_t j = 0; j < i; j++)
            if (!check_apart(&areas[i], &areas[j], name, error))
                return false;
    }
    return true;
}

/* -- layouts of new files -------------------------------------------------- */

static uint64_t
round_up(uint64_t n, uint64_t to)
{
    return div_round_up(n, to) * to;
}

void
vmdk_header_place_tables(VmdkHeader *hdr, uint64_t first)
{
    hdr->rgd_sector = first;
    hdr->gd_sector = vmdk_header_rgt_sector(hdr, vmdk_header_n_gts(hdr));
}

/* First sector behind all tables. */
static uint64_t
tables_end(const VmdkHeader *hdr)
{
    return vmdk_header_gt_sector(hdr, vmdk_header_n_gts(hdr));
}

void
vmdk_header_relayout(VmdkHeader *hdr, uint64_t capacity_sectors)
{
    uint64_t desc = 1; /* where it is, or should be */

    if (hdr->desc_sector && hdr->desc_sector < hdr->overhead_sectors)
        desc = hdr->desc_sector;
    hdr->flags |= VMDK_FLAG_REDUNDANT;
    hdr->capacity_sectors = capacity_sectors;
    vmdk_header_place_tables(hdr, desc + hdr->desc_sectors);
    hdr->overhead_sectors = round_up(tables_end(hdr), hdr->grain_sectors);
}

void
vmdk_header_layout_sparse(VmdkHeader *hdr, uint64_t capacity_sectors,
                          uint64_t grain_sectors, bool embedded)
{
    *hdr = (VmdkHeader){
        .version = 1,
        .flags = VMDK_FLAG_NEWLINE | VMDK_FLAG_REDUNDANT,
        .capacity_sectors = capacity_sectors,
        .grain_sectors = grain_sectors,
        .desc_sector = embedded ? 1 : 0,
        .desc_sectors = embedded ? VMDK_DESC_SECTORS : 0,
        .gtes_per_gt = VMDK_GTES_PER_GT,
    };
    vmdk_header_place_tables(hdr, 1 + hdr->desc_sectors);
    hdr->overhead_sectors = round_up(tables_end(hdr), grain_sectors);
}

void
vmdk_header_layout_stream(VmdkHeader *hdr, uint64_t capacity_sectors,
                          bool gd_at_end)
{
    *hdr = (VmdkHeader){
        .version = 3, /* importers refuse less in a compressed extent */
        .flags = VMDK_FLAG_NEWLINE | VMDK_FLAG_COMPRESSED | VMDK_FLAG_MARKERS,
        .capacity_sectors = capacity_sectors,
        .grain_sectors = VMDK_GRAIN_SECTORS,
        .desc_sector = 1,
        .desc_sectors = VMDK_DESC_SECTORS,
        .gtes_per_gt = VMDK_GTES_PER_GT,
        .gd_sector = 1 + VMDK_DESC_SECTORS,
        .compress_algorithm = 1,
    };
    hdr->overhead_sectors = round_up(
        vmdk_header_gt_sector(hdr, vmdk_header_n_gts(hdr)), VMDK_GRAIN_SECTORS);
    if (gd_at_end) {
        hdr->gd_sector = VMDK_GD_AT_END;
        hdr->overhead_sectors = VMDK_GRAIN_SECTORS;
    }
}
