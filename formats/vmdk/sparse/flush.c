/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/flush.c - metadata of a sparse extent to disk, in order.
 *
 *   flush:   data - barrier - tables, redundant tables
 *            [ - barrier - redundant directory - barrier - directory ]
 *            [ - barrier - punch what was given up ]
 *   finish:  flush - full length of the file - barrier - clean mark
 *
 * The last barrier of a flush is the caller's: vd_node_co_flush() of the disk
 * goes on to the files.  So a flush costs two, whatever was written; a barrier
 * on a file with nothing new costs nothing (block/rw.c keeps count).
 *
 * Concurrency: one at a time, under flush_lock; data goes on meanwhile.
 */
#include "formats/vmdk/sparse/sparse.h"

#define UNCLEAN_BYTE 72

static bool
sparse_co_barrier(void *arg, GError **error)
{
    VmdkExtent *e = arg;

    return vd_node_co_flush(e->file, error);
}

/* Their entries are durable: the space may go.  Only advice; a file that cannot
 * do it keeps the space. */
static bool
sparse_co_punch(VmdkExtent *e, const GArray *freed, GError **error)
{
    for (unsigned i = 0; i < freed->len; i++) {
        VmdkRange range = g_array_index(freed, VmdkRange, i);
        uint64_t size = vd_node_size(e->file);

        if (range.off >= size)
            continue;
        range.len = MIN(range.len, size - range.off);
        if (!vd_node_co_discard(e->file, range.off, range.len, error))
            return false;
    }
    return true;
}

static bool
sparse_co_flush_locked(VmdkExtent *e, GError **error)
{
    VmdkSparse *sp = e->sparse;
    g_autoptr(GArray) freed = sp->freed;
    bool ok;

    /* Taken together with the tables that let go of them. */
    sp->freed = g_array_new(FALSE, FALSE, sizeof(VmdkRange));
    ok = vmdk_tables_co_write(sp->tables, sparse_co_barrier, e, error);
    if (ok && freed->len)
        ok = sparse_co_barrier(e, error) && sparse_co_punch(e, freed, error);
    else if (freed->len)
        g_array_append_vals(sp->freed, freed->data, freed->len);
    return ok;
}

static bool
is_untouched(const VmdkSparse *sp)
{
    return !sp->marked && !sp->tables->dirty->len && !sp->tables->gd_dirty;
}

bool
vmdk_sparse_co_flush(VmdkExtent *e, GError **error)
{
    VmdkSparse *sp = e->sparse;
    bool ok;

    if (is_untouched(sp))
        return true; /* nothing was ever changed, nor is a crash made good */
    if (!vmdk_sparse_co_mark_unclean(e, error))
        return false;
    vio_co_mutex_lock(&sp->flush_lock);
    ok = sparse_co_flush_locked(e, error);
    vio_co_mutex_unlock(&sp->flush_lock);
    return ok;
}

/* The last grain is a whole one, though its end may never have been written. */
static bool
sparse_co_complete_last_grain(VmdkExtent *e, GError **error)
{
    VmdkSparse *sp = e->sparse;

    return !sp->grown || vd_node_size(e->file) >= sp->next ||
           vd_node_co_truncate(e->file, sp->next, VD_PREALLOC_OFF, error);
}

bool
vmdk_sparse_co_finish(VmdkExtent *e, GError **error)
{
    VmdkSparse *sp = e->sparse;

    if (is_untouched(sp))
        return true;
    if (!vmdk_sparse_co_flush(e, error) ||
        !sparse_co_complete_last_grain(e, error) ||
        !sparse_co_barrier(e, error))
        return false;
    sp->raw[UNCLEAN_BYTE] = 0;
    if (!vd_node_co_pwrite(e->file, 0, sp->raw, sizeof(sp->raw), error))
        return vd_prefix(error,
                         "%s: marking as closed: ", vd_node_name(e->file));
    sp->marked = false;
    return true;
}
