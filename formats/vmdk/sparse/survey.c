/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/survey.c - which places of an extent's file are in use?
 *
 * Reads all tables, less what is a hole of the file: 64 KiB for a GiB of disk.
 *
 * Concurrency: entries that others change meanwhile may or may not be seen.
 */
#include "formats/vmdk/sparse/sparse.h"

/* -- walking ----------------------------------------------------------------
 */

/* Entries of table @index below @sectors of the extent. */
static uint32_t
entries_of(const VmdkExtent *e, uint32_t index, uint64_t sectors)
{
    const VmdkHeader *hdr = &e->sparse->hdr;
    uint64_t grains = (sectors + hdr->grain_sectors - 1) / hdr->grain_sectors;
    uint64_t before = (uint64_t) index * hdr->gtes_per_gt;

    return (uint32_t) MIN(grains - MIN(grains, before), hdr->gtes_per_gt);
}

typedef struct {
    VmdkTableFunc fn;
    void *arg;
    uint64_t sectors;
} Walk;

static bool
sparse_co_visit(VmdkExtent *e, uint32_t index, const Walk *walk, GError **error)
{
    VmdkSparse *sp = e->sparse;
    const VdTable *table = vmdk_tables_co_get(sp->tables, index, error);

    if (!table || table == sp->tables->empty)
        return table != NULL;
    if (table->damaged)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: grain table %u at sector %u has entries that name "
                        "no place in the file: it may have been cut off, and "
                        "gets no new grains; check the image",
                        vd_node_name(e->file), index, sp->tables->gd[index]);
    return walk->fn(e, table, entries_of(e, index, walk->sectors), walk->arg,
                    error);
}

static bool
sparse_co_walk_below(VmdkExtent *e, const Walk *walk, GError **error)
{
    VmdkTables *tables = e->sparse->tables;

    for (uint32_t i = 0; i < tables->n_gts;) {
        uint32_t hole =
            tables->slot[i] ? 0 : vmdk_tables_co_count_hole(tables, i, false);

        if (!hole && !sparse_co_visit(e, i, walk, error))
            return false;
        i += MAX(hole, 1);
    }
    return true;
}

bool
vmdk_sparse_co_walk(VmdkExtent *e, VmdkTableFunc fn, void *arg, GError **error)
{
    Walk walk = {fn, arg, (e->len + VMDK_SECTOR - 1) / VMDK_SECTOR};

    return sparse_co_walk_below(e, &walk, error);
}

bool
vmdk_sparse_co_walk_all(VmdkExtent *e, VmdkTableFunc fn, void *arg,
                        GError **error)
{
    Walk walk = {fn, arg, e->sparse->hdr.capacity_sectors};

    return sparse_co_walk_below(e, &walk, error);
}

/* -- places -----------------------------------------------------------------
 */

/* How many entries from @i on name places behind one another. */
static uint32_t
run_of_entries(const VdTable *table, uint32_t i, uint32_t n, uint32_t step)
{
    uint32_t first = vmdk_table_entry(table, i), len = 1;

    while (i + len < n && vmdk_table_entry(table, i + len) ==
                              (uint64_t) first + (uint64_t) len * step)
        len++;
    return len;
}

static bool
survey_table(VmdkExtent *e, const VdTable *table, uint32_t n, void *arg,
             GError **error)
{
    uint32_t grain = e->sparse->grain_sectors;
    uint32_t unit = (uint32_t) (e->sparse->place_unit / VMDK_SECTOR);
    VmdkPlaces *used = arg;

    for (uint32_t i = 0, len; i < n; i += len) {
        uint32_t entry = vmdk_table_entry(table, i);

        len = 1;
        if (entry <= VMDK_GTE_ZERO)
            continue;
        len = run_of_entries(table, i, n, grain);
        if (entry % unit || !vmdk_places_add(used, entry / unit,
                                             (uint64_t) len * (grain / unit)))
            return vd_throw(error, VD_ERROR_CORRUPT,
                            "%s: grain table %u at sector %u names places that "
                            "other entries name too, or that are no multiple "
                            "of the grain size; check the image",
                            vd_node_name(e->file), table->index,
                            e->sparse->tables->gd[table->index]);
    }
    return true;
}

bool
vmdk_sparse_co_survey(VmdkExtent *e, VmdkPlaces *used, GError **error)
{
    return vmdk_sparse_co_walk(e, survey_table, used, error);
}

bool
vmdk_sparse_co_survey_all(VmdkExtent *e, VmdkPlaces *used, GError **error)
{
    return vmdk_sparse_co_walk_all(e, survey_table, used, error);
}
