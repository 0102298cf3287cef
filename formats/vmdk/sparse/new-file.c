/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/new-file.c - the metadata of an extent as a header lays
 * them out.
 *
 * Small as a rule: a header, two directories, and a hole where the tables are.
 * A preallocated extent has all of its grains, in the order of the disk, so its
 * tables are a row of numbers.
 *
 * Concurrency: nobody else uses the file.
 */
#include "formats/vmdk/sparse/new-file.h"

#define CHUNK_BYTES (UINT64_C(1) << 20)

/* -- directories
 * ------------------------------------------------------------------- */

typedef uint64_t (*TableSector)(const VmdkHeader *hdr, uint64_t i);

static bool
layout_co_write_directory(VdNode *file, const VmdkHeader *hdr, uint64_t sector,
                          TableSector table_sector, GError **error)
{
    uint64_t n = vmdk_header_n_gts(hdr);
    g_autofree uint32_t *gd = g_new(uint32_t, n);

    for (uint64_t i = 0; i < n; i++)
        gd[i] = GUINT32_TO_LE((uint32_t) table_sector(hdr, i));
    return vd_node_co_pwrite(file, sector * VMDK_SECTOR, gd,
                             n * sizeof(uint32_t), error);
}

bool
vmdk_layout_co_write_directories(VdNode *file, const VmdkHeader *hdr,
                                 GError **error)
{
    return layout_co_write_directory(file, hdr, hdr->rgd_sector,
                                     vmdk_header_rgt_sector, error) &&
           layout_co_write_directory(file, hdr, hdr->gd_sector,
                                     vmdk_header_gt_sector, error);
}

/* -- all grains
 * -------------------------------------------------------------------- */

static uint64_t
count_grains(const VmdkHeader *hdr)
{
    return hdr->capacity_sectors / hdr->grain_sectors +
           (hdr->capacity_sectors % hdr->grain_sectors != 0);
}

static bool
check_room(VdNode *file, const VmdkHeader *hdr, GError **error)
{
    uint64_t end =
        hdr->overhead_sectors + count_grains(hdr) * hdr->grain_sectors;

    return end <= UINT32_MAX ||
           vd_throw(error, VD_ERROR_LIMIT,
                    "%s: %" G_GUINT64_FORMAT
                    " sectors with all grains would exceed the 2 TiB that a "
                    "sparse extent's file may have",
                    vd_node_name(file), hdr->capacity_sectors);
}

/* Entries [first, first + n) of the disk, which has @total grains. */
static void
fill_entries(const VmdkHeader *hdr, uint32_t *raw, uint64_t first, uint64_t n,
             uint64_t total)
{
    for (uint64_t i = 0; i < n; i++)
        raw[i] =
            first + i < total
                ? GUINT32_TO_LE((uint32_t) (hdr->overhead_sectors +
                                            (first + i) * hdr->grain_sectors))
                : 0;
}

/* One copy of all tables, the first of which is at @sector. */
static bool
layout_co_write_tables(VdNode *file, const VmdkHeader *hdr, uint64_t sector,
                       GError **error)
{
    uint64_t total = count_grains(hdr), off = sector * VMDK_SECTOR;
    uint64_t per_table = hdr->gtes_per_gt, n_gts = vmdk_header_n_gts(hdr);
    uint64_t bytes = vmdk_header_gt_sectors(hdr) * VMDK_SECTOR;
    uint64_t step = MAX(CHUNK_BYTES / bytes, 1);
    g_autofree uint8_t *raw = g_malloc0(step * bytes);

    for (uint64_t i = 0, n; i < n_gts; i += n) {
        n = MIN(step, n_gts - i);
        for (uint64_t k = 0; k < n; k++)
            fill_entries(hdr, (uint32_t *) (void *) (raw + k * bytes),
                         (i + k) * per_table, per_table, total);
        if (!vd_node_co_pwrite(file, off + i * bytes, raw, n * bytes, error))
            return false;
    }
    return true;
}

static bool
layout_co_preallocate(VdNode *file, const VmdkHeader *hdr, VdPrealloc prealloc,
                      GError **error)
{
    uint64_t end =
        (hdr->overhead_sectors + count_grains(hdr) * hdr->grain_sectors) *
        VMDK_SECTOR;

    if (prealloc == VD_PREALLOC_METADATA) /* the file keeps its hole */
        prealloc = VD_PREALLOC_OFF;
    return vd_node_co_truncate(file, end, prealloc, error) &&
           layout_co_write_tables(file, hdr, vmdk_header_rgt_sector(hdr, 0),
                                  error) &&
           layout_co_write_tables(file, hdr, vmdk_header_gt_sector(hdr, 0),
                                  error);
}

/* -- new extents
 * ------------------------------------------------------------------- */

static bool
layout_co_write_header(VdNode *file, const VmdkHeader *hdr, GError **error)
{
    uint8_t raw[VMDK_HEADER_BYTES];

    vmdk_header_encode(hdr, raw);
    return vd_node_co_pwrite(file, 0, raw, sizeof(raw), error);
}

bool
vmdk_layout_co_write_new(VdNode *file, const VmdkHeader *hdr,
                         VdPrealloc prealloc, GError **error)
{
    bool all = prealloc != VD_PREALLOC_OFF;

    return (!all || check_room(file, hdr, error)) &&
           vd_node_co_truncate(file, hdr->overhead_sectors * VMDK_SECTOR,
                               VD_PREALLOC_OFF, error) &&
           (!all || layout_co_preallocate(file, hdr, prealloc, error)) &&
           vmdk_layout_co_write_directories(file, hdr, error) &&
           layout_co_write_header(file, hdr, error);
}
