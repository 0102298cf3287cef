/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/end.c - where new grains of a sparse extent go.
 *
 * Behind the end of the file, and behind every grain that an entry names: the
 * last one may end behind the file.  An entry that names a place wholly behind
 * the end tells that the file was cut off (a copy that was interrupted, say).
 * A new grain would come to lie just where a lost one was, and one day both
 * entries would name it; so such an extent gets none.
 *
 * To know that all tables are read, once, when the first new grain is wanted:
 * 64 KiB for a GiB of disk, less what is a hole.  A disk that is just being
 * created is known to be whole.
 *
 * Concurrency: one finds it, others wait for him.
 */
#include "formats/vmdk/sparse/sparse.h"

#include "block/open.h"

/* End of the highest grain of table @index; CORRUPT if its entries cannot be
 * trusted. */
static bool
sparse_co_table_end(VmdkExtent *e, uint32_t index, uint64_t *end_sector,
                    GError **error)
{
    VmdkSparse *sp = e->sparse;
    const VmdkTable *table = vmdk_tables_co_get(sp->tables, index, error);
    uint64_t grains = (e->len + sp->grain_bytes - 1) >> sp->grain_shift;
    uint64_t n = grains - MIN(grains, (uint64_t) index * sp->hdr.gtes_per_gt);
    uint32_t highest = 0;

    if (!table || table == sp->tables->empty)
        return table != NULL;
    if (table->damaged)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: grain table %u at sector %u has entries that name "
                        "no place in the file: it may have been cut off, and "
                        "gets no new grains; check the image",
                        vd_node_name(e->file), index, sp->tables->gd[index]);
    n = MIN(n, sp->hdr.gtes_per_gt);
    for (uint64_t i = 0; i < n; i++)
        highest = MAX(highest, vmdk_table_entry(table, (uint32_t) i));
    if (highest > VMDK_GTE_ZERO)
        *end_sector = MAX(*end_sector, highest + sp->hdr.grain_sectors);
    return true;
}

static bool
sparse_co_scan_tables(VmdkExtent *e, uint64_t *end_sector, GError **error)
{
    VmdkTables *tables = e->sparse->tables;

    for (uint32_t i = 0; i < tables->n_gts;) {
        uint32_t hole =
            tables->slot[i] ? 0 : vmdk_tables_co_count_hole(tables, i, false);

        if (!hole && !sparse_co_table_end(e, i, end_sector, error))
            return false;
        i += MAX(hole, 1);
    }
    return true;
}

static bool
sparse_co_find_end_locked(VmdkExtent *e, GError **error)
{
    VmdkSparse *sp = e->sparse;
    uint64_t size = vd_node_size(e->file);
    uint64_t end = sp->hdr.overhead_sectors;

    if (!vd_node_env(e->state->node)->tx &&
        !sparse_co_scan_tables(e, &end, error))
        return false;
    end = MAX(end * VMDK_SECTOR, size);
    sp->next = (end + sp->grain_bytes - 1) & ~(sp->grain_bytes - 1);
    return true;
}

bool
vmdk_sparse_co_find_end(VmdkExtent *e, GError **error)
{
    VmdkSparse *sp = e->sparse;
    bool ok;

    vio_co_mutex_lock(&sp->flush_lock);
    ok = sp->next || sparse_co_find_end_locked(e, error);
    vio_co_mutex_unlock(&sp->flush_lock);
    return ok;
}
