/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/end.c - where new grains of a sparse extent go.
 *
 * Behind the end of the file, behind what a COWD header calls the first free
 * sector, and behind every grain that an entry names: the last one may end
 * behind the file.  An entry that names a place wholly behind
 * the end tells that the file was cut off (a copy that was interrupted, say).
 * A new grain would come to lie just where a lost one was, and one day both
 * entries would name it; so such an extent gets none.
 *
 * To know that all tables are read, once, when the first new grain is wanted
 * (survey.c).  A disk that is just being created is known to be whole.
 *
 * Concurrency: one finds it, others wait for him.
 */
#include "formats/vmdk/sparse/sparse.h"

#include "block/open.h"

/* @arg: end of the highest grain, in sectors. */
static bool
table_end(VmdkExtent *e, const VdTable *table, uint32_t n, void *arg,
          GError **error)
{
    uint64_t *end_sector = arg;
    uint32_t highest = 0;

    for (uint32_t i = 0; i < n; i++)
        highest = MAX(highest, vmdk_table_entry(table, i));
    if (highest > VMDK_GTE_ZERO)
        *end_sector =
            MAX(*end_sector, (uint64_t) highest + e->sparse->grain_sectors);
    return true;
}

static bool
sparse_co_find_end_locked(VmdkExtent *e, GError **error)
{
    VmdkSparse *sp = e->sparse;
    uint64_t size = vd_node_size(e->file);
    uint64_t end = MAX(sp->hdr.overhead_sectors, sp->hdr.free_sector);

    if (!vd_node_env(e->state->node)->tx &&
        !vmdk_sparse_co_walk(e, table_end, &end, error))
        return false;
    end = MAX(end * VMDK_SECTOR, size);
    sp->next = (end + sp->place_unit - 1) & ~(sp->place_unit - 1);
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
