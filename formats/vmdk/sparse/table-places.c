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

/* 128 MiB of them: what a directory of the largest size can make of a disk
 * that is not laid out in order. */
#define MAX_RANGES (8u << 20)

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

/* Tables that lie behind one another become one range, so that the millions of
 * a large disk are a few.  @open: 1 + index of the one that may be continued.
 */
static void
append_table(GArray *ranges, uint64_t sector, uint64_t n, guint *open)
{
    MetaRange range = {sector, sector + n - 1};
    MetaRange *last =
        *open ? &g_array_index(ranges, MetaRange, *open - 1) : NULL;

    if (last && last->last + 1 == sector) {
        last->last = range.last;
        return;
    }
    g_array_append_val(ranges, range);
    *open = ranges->len;
}

/* -- metadata among the grains --------------------------------------------- */

static void
note_range(VmdkTables *tables, uint64_t sector, uint64_t n)
{
    MetaRange range = {sector, sector + n - 1};

    if (n && range.last >= tables->hdr.overhead_sectors)
        g_array_append_val(tables->meta, range);
}

static void
note_table(VmdkTables *tables, uint64_t sector, guint *open)
{
    if (sector + tables->gt_sectors > tables->hdr.overhead_sectors)
        append_table(tables->meta, sector, tables->gt_sectors, open);
}

void
vmdk_tables_note_meta(VmdkTables *tables)
{
    const VmdkHeader *hdr = &tables->hdr;
    uint64_t gd_sectors = vmdk_header_gd_sectors(hdr);
    guint first = 0, second = 0; /* ranges that may be continued */

    g_clear_pointer(&tables->meta, g_array_unref);
    tables->meta = g_array_new(FALSE, FALSE, sizeof(MetaRange));
    note_range(tables, hdr->desc_sector, hdr->desc_sectors);
    note_range(tables, hdr->gd_sector, gd_sectors);
    if (tables->rgd)
        note_range(tables, hdr->rgd_sector, gd_sectors);
    for (uint32_t i = 0; i < tables->n_gts; i++) {
        if (is_placed(tables->gd[i]))
            note_table(tables, tables->gd[i], &first);
        if (has_second(tables, i))
            note_table(tables, tables->rgd[i], &second);
    }
    g_array_sort(tables->meta, compare_ranges);
}

/* New tables lie behind all others, so that the order is kept. */
void
vmdk_tables_note_table(VmdkTables *tables, uint32_t index)
{
    note_range(tables, tables->gd[index], tables->gt_sectors);
    if (has_second(tables, index))
        note_range(tables, tables->rgd[index], tables->gt_sectors);
}

static const MetaRange *
meta_range(const VmdkTables *tables, unsigned i)
{
    return &g_array_index(tables->meta, MetaRange, i);
}

/* Those are sorted by where they begin, and lie apart in what can be written.
 */
uint64_t
vmdk_tables_meta_end(const VmdkTables *tables)
{
    unsigned n = tables->meta->len;

    return MAX(tables->hdr.overhead_sectors,
               n ? meta_range(tables, n - 1)->last + 1 : 0);
}

bool
vmdk_tables_gap(const VmdkTables *tables, unsigned i, uint64_t *first,
                uint64_t *n)
{
    uint64_t from = tables->hdr.overhead_sectors, to;

    if (i >= tables->meta->len)
        return false;
    if (i)
        from = MAX(from, meta_range(tables, i - 1)->last + 1);
    to = meta_range(tables, i)->first;
    *first = from;
    *n = to > from ? to - from : 0;
    return true;
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

static GArray *
collect(const VmdkTables *tables)
{
    const VmdkHeader *hdr = &tables->hdr;
    uint64_t gd_last = vmdk_header_gd_sectors(hdr) - 1;
    GArray *all = g_array_new(FALSE, FALSE, sizeof(MetaRange));
    guint first = 0, second = 0; /* ranges that may be continued */
    MetaRange fixed[] = {
        {0, vmdk_header_sectors(hdr) - 1},
        {hdr->gd_sector, hdr->gd_sector + gd_last},
        {hdr->desc_sector, hdr->desc_sector + hdr->desc_sectors - 1},
        {hdr->rgd_sector, hdr->rgd_sector + gd_last},
    };

    g_array_append_vals(all, fixed, 2);
    if (hdr->desc_sectors)
        g_array_append_val(all, fixed[2]);
    if (tables->rgd && hdr->rgd_sector != hdr->gd_sector)
        g_array_append_val(all, fixed[3]);
    for (uint32_t i = 0; i < tables->n_gts && all->len < MAX_RANGES; i++) {
        if (is_placed(tables->gd[i]))
            append_table(all, tables->gd[i], tables->gt_sectors, &first);
        if (has_second(tables, i))
            append_table(all, tables->rgd[i], tables->gt_sectors, &second);
    }
    return all;
}

bool
vmdk_tables_check_apart(const VmdkTables *tables, GError **error)
{
    const char *name = vd_node_name(tables->file);
    g_autoptr(GArray) ranges = collect(tables);
    const MetaRange *all = (const MetaRange *) (void *) ranges->data;

    if (ranges->len >= MAX_RANGES)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: the grain tables lie in more than %u pieces; the "
                        "image can only be read",
                        name, MAX_RANGES);
    g_array_sort(ranges, compare_ranges);
    for (guint i = 1; i < ranges->len; i++)
        if (all[i].first <= all[i - 1].last)
            return vd_throw(error, VD_ERROR_CORRUPT,
                            "%s: directories, grain tables or descriptor lie "
                            "on one another at sector %" G_GUINT64_FORMAT
                            "; the image can only be read",
                            name, all[i].first);
    return true;
}
