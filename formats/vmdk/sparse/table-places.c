/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/table-places.c - what of an extent's file is metadata.
 *
 * All places come from the image.  A grain that lies on a table, or a table
 * that lies on another, would let a guest's write change what the image is; so
 * such grains are not written to, and such images are only read.
 *
 * Concurrency: one loop; nothing here yields.
 */
#include "formats/vmdk/sparse/tables.h"

#include <stdlib.h>

typedef struct {
    uint64_t first, last; /* sectors, last included */
} MetaRange;

static gint
compare_ranges(gconstpointer a, gconstpointer b)
{
    const MetaRange *x = a, *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

static bool
is_placed(uint32_t entry)
{
    return entry > VMDK_GTE_ZERO && entry != VMDK_GTE_BAD;
}

/* A redundant copy in the same place is no second table. */
static bool
has_second(const VmdkTables *tables, uint32_t i)
{
    return tables->rgd && is_placed(tables->rgd[i]) &&
           tables->rgd[i] != tables->gd[i];
}

/* -- metadata among the grains --------------------------------------------- */

static void
note_range(VmdkTables *tables, uint64_t sector, uint64_t n)
{
    MetaRange range = {sector, sector + n - 1};

    if (n && range.last >= tables->hdr.overhead_sectors)
        g_array_append_val(tables->meta, range);
}

void
vmdk_tables_note_meta(VmdkTables *tables)
{
    const VmdkHeader *hdr = &tables->hdr;
    uint64_t gd_sectors = vmdk_header_gd_sectors(hdr);

    tables->meta = g_array_new(FALSE, FALSE, sizeof(MetaRange));
    note_range(tables, hdr->desc_sector, hdr->desc_sectors);
    note_range(tables, hdr->gd_sector, gd_sectors);
    if (tables->rgd)
        note_range(tables, hdr->rgd_sector, gd_sectors);
    for (uint32_t i = 0; i < tables->n_gts; i++) {
        if (is_placed(tables->gd[i]))
            note_range(tables, tables->gd[i], tables->gt_sectors);
        if (has_second(tables, i))
            note_range(tables, tables->rgd[i], tables->gt_sectors);
    }
    g_array_sort(tables->meta, compare_ranges);
}

/* Of ranges that lie on one another some may be missed; then nothing is written
 * anyway. */
bool
vmdk_tables_hits_meta(const VmdkTables *tables, uint64_t first, uint64_t last)
{
    const MetaRange *ranges = (const MetaRange *) (void *) tables->meta->data;
    unsigned lo = 0, hi = tables->meta->len;

    while (lo < hi) {
        unsigned mid = lo + (hi - lo) / 2;

        if (ranges[mid].last < first)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < tables->meta->len && ranges[lo].first <= last;
}

/* -- metadata on metadata -------------------------------------------------- */

static size_t
collect(const VmdkTables *tables, MetaRange *all)
{
    const VmdkHeader *hdr = &tables->hdr;
    uint64_t gd_last = vmdk_header_gd_sectors(hdr) - 1;
    size_t n = 0;

    all[n++] = (MetaRange){0, 0};
    if (hdr->desc_sectors)
        all[n++] = (MetaRange){hdr->desc_sector,
                               hdr->desc_sector + hdr->desc_sectors - 1};
    all[n++] = (MetaRange){hdr->gd_sector, hdr->gd_sector + gd_last};
    if (tables->rgd && hdr->rgd_sector != hdr->gd_sector)
        all[n++] = (MetaRange){hdr->rgd_sector, hdr->rgd_sector + gd_last};
    for (uint32_t i = 0; i < tables->n_gts; i++) {
        uint64_t last = tables->gt_sectors - 1;

        if (is_placed(tables->gd[i]))
            all[n++] =
                (MetaRange){tables->gd[i], (uint64_t) tables->gd[i] + last};
        if (has_second(tables, i))
            all[n++] =
                (MetaRange){tables->rgd[i], (uint64_t) tables->rgd[i] + last};
    }
    return n;
}

bool
vmdk_tables_check_apart(const VmdkTables *tables, GError **error)
{
    const char *name = vd_node_name(tables->file);
    size_t max = 4 + 2 * (size_t) tables->n_gts, n;
    g_autofree MetaRange *all = g_try_new(MetaRange, max);

    if (!all)
        return vd_throw(error, VD_ERROR_NO_MEMORY,
                        "%s: no memory to compare the places of %u grain "
                        "tables",
                        name, tables->n_gts);
    n = collect(tables, all);
    qsort(all, n, sizeof(MetaRange), compare_ranges);
    for (size_t i = 1; i < n; i++)
        if (all[i].first <= all[i - 1].last)
            return vd_throw(error, VD_ERROR_CORRUPT,
                            "%s: directories, grain tables or descriptor lie "
                            "on one another at sector %" G_GUINT64_FORMAT
                            "; the image can only be read",
                            name, all[i].first);
    return true;
}
