/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/flush.c - metadata of a sparse extent to disk, in order.
 *
 *   flush:   data - barrier - tables, redundant tables
 *            [ - barrier - redundant directory - barrier - directory ]
 *            [ - barrier - punch what was given up, once no request knows it ]
 *            (COWD: every barrier has the header's "free sector" in front, if
 *            it has moved)
 *   finish:  flush - cut off what is free at the end, or give the last grain
 *            its full length - barrier - clean mark
 *
 * The last barrier of a flush is the caller's: vd_node_co_flush() of the disk
 * goes on to the files.  So a flush costs two, whatever was written; a barrier
 * on a file with nothing new costs nothing (block/rw.c keeps count).
 *
 * Concurrency: one at a time, under flush_lock; data goes on meanwhile.
 */
#include "formats/vmdk/sparse/sparse.h"

#include <string.h>

bool
vmdk_sparse_co_store_header(VmdkExtent *e, size_t byte, GError **error)
{
    size_t sector = byte / VMDK_SECTOR * VMDK_SECTOR;

    return vd_node_co_pwrite(e->file, sector, e->sparse->raw + sector,
                             VMDK_SECTOR, error);
}

bool
vmdk_sparse_co_store_mark(VmdkExtent *e, bool unclean, GError **error)
{
    VmdkSparse *sp = e->sparse;
    size_t byte = sp->kind->unclean_byte;

    memset(sp->raw + byte, 0, sp->kind->unclean_len);
    sp->raw[byte] = unclean;
    if (!vmdk_sparse_co_store_header(e, byte, error))
        return vd_prefix(error, "%s: marking as %s: ", vd_node_name(e->file),
                         unclean ? "open" : "closed");
    sp->marked = unclean;
    return true;
}

static bool
sparse_co_barrier(void *arg, GError **error)
{
    VmdkExtent *e = arg;
    const VmdkSparseKind *kind = e->sparse->kind;

    return (!kind->co_note_end || kind->co_note_end(e, error)) &&
           vd_node_co_flush(e->file, error);
}

static bool
sparse_co_flush_locked(VmdkExtent *e, GError **error)
{
    VmdkSparse *sp = e->sparse;
    g_autoptr(GArray) freed = sp->freed;

    /* Taken together with the tables that let go of them. */
    sp->freed = g_array_new(FALSE, FALSE, sizeof(VmdkRange));
    if (!vmdk_tables_co_write(sp->tables, sparse_co_barrier, e, error) ||
        (freed->len && !sparse_co_barrier(e, error))) {
        g_array_append_vals(sp->freed, freed->data, freed->len);
        return false;
    }
    vmdk_sparse_rest(e, freed);
    vmdk_sparse_co_release(e);
    return true;
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
    return vmdk_sparse_co_flush(e, error) && vmdk_sparse_co_trim(e, error) &&
           sparse_co_complete_last_grain(e, error) &&
           sparse_co_barrier(e, error) &&
           vmdk_sparse_co_store_mark(e, false, error);
}
