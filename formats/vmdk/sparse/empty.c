/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/empty.c - a sparse extent without grains.
 *
 *   all entries absent (COWD: all tables) - flush - what is not metadata cut
 * off or punched
 *
 * For a link whose grains are all in its parent by now, so that it does not
 * matter to a reader which of the entries a crash leaves behind.
 *
 * Concurrency: nobody else uses the disk.
 */
#include "formats/vmdk/sparse/sparse.h"

static bool
has_entries(const VmdkSparse *sp, const VdTable *table)
{
    for (uint32_t i = 0; i < sp->hdr.gtes_per_gt; i++)
        if (vmdk_table_entry(table, i) != VMDK_GTE_ABSENT)
            return true;
    return false;
}

static bool
sparse_co_clear_table(VmdkExtent *e, uint32_t index, GError **error)
{
    VmdkSparse *sp = e->sparse;
    VdTable *table;

    /* Tables that need not be there, and marks in the place of tables, go as
     * they are. */
    if (sp->hdr.cowd || sp->tables->gd[index] == VMDK_GTE_ZERO) {
        vmdk_tables_drop(sp->tables, index);
        return true;
    }
    table = vmdk_tables_co_get(sp->tables, index, error);
    if (!table)
        return false;
    if (table == sp->empty || !has_entries(sp, table))
        return true;
    table = vmdk_tables_co_get_rw(sp->tables, index, error);
    if (!table)
        return false;
    for (uint32_t i = 0; i < sp->hdr.gtes_per_gt; i++)
        vmdk_tables_set(table, i, VMDK_GTE_ABSENT);
    return vmdk_sparse_co_relieve(e, error);
}

static bool
sparse_co_clear_tables(VmdkExtent *e, GError **error)
{
    VmdkSparse *sp = e->sparse;
    VmdkTables *tables = sp->tables;

    for (uint32_t i = 0; i < tables->n_gts;) {
        uint32_t hole = sp->hdr.cowd || tables->slot[i]
                            ? 0
                            : vmdk_tables_co_count_hole(tables, i, false);

        if (!hole && !sparse_co_clear_table(e, i, error))
            return false;
        i += MAX(hole, 1);
    }
    vmdk_tables_note_meta(tables);
    return true;
}

/* No entry names anything between the metadata any more, durably. */
static bool
sparse_co_give_back(VmdkExtent *e, GError **error)
{
    VmdkSparse *sp = e->sparse;
    uint64_t size = vd_node_size(e->file), first, n;
    uint64_t end = vmdk_tables_meta_end(sp->tables) * VMDK_SECTOR;

    for (unsigned i = 0; vmdk_tables_gap(sp->tables, i, &first, &n); i++) {
        uint64_t off = first * VMDK_SECTOR;

        if (n && off < size &&
            !vd_node_co_discard(e->file, off, MIN(n * VMDK_SECTOR, size - off),
                                error))
            return false;
    }
    g_array_set_size(sp->freed, 0);
    g_array_set_size(sp->resting, 0);
    vmdk_places_free(sp->free);
    sp->free = vmdk_places_new();
    sp->grown = false;
    sp->next = 0;
    if (size > end &&
        !vd_node_co_truncate(e->file, end, VD_PREALLOC_OFF, error))
        return false;
    sp->next = (end + sp->place_unit - 1) & ~(sp->place_unit - 1);
    return true;
}

bool
vmdk_sparse_co_make_empty(VmdkExtent *e, GError **error)
{
    return vmdk_sparse_co_mark_unclean(e, error) &&
           vmdk_sparse_co_flush(e, error) && sparse_co_clear_tables(e, error) &&
           vmdk_sparse_co_flush(e, error) && vd_node_co_flush(e->file, error) &&
           sparse_co_give_back(e, error);
}
