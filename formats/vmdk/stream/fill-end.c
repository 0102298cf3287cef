/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/fill-end.c - a filling begins, is flushed, and ends.
 *
 * The last barrier of a flush is the caller's: vd_node_co_flush() of the disk
 * goes on to the file.
 *
 * Concurrency: one begins, others wait for him; flush and finish under
 * emitting.
 */
#include "formats/vmdk/stream/fill.h"
#include "formats/vmdk/stream/tail.h"

/* The descriptor's writer uses the same bytes. */
static bool
fill_co_write_header(VmdkFill *fill, bool unfinished, GError **error)
{
    VmdkSparse *sp = fill->e->sparse;
    bool ok;

    vio_co_mutex_lock(&sp->flush_lock);
    if (unfinished)
        vmdk_header_mark_unfinished(sp->raw);
    else
        vmdk_header_mark_finished(sp->raw);
    ok = vmdk_sparse_co_store_header(fill->e, 0, error);
    vio_co_mutex_unlock(&sp->flush_lock);
    return ok;
}

bool
vmdk_fill_co_begin(VmdkFill *fill, GError **error)
{
    if (G_LIKELY(fill->begun))
        return true;
    vio_co_mutex_lock(&fill->begin);
    if (!fill->begun) {
        fill->touched = true;
        fill->begun = fill_co_write_header(fill, true, error) &&
                      vd_node_co_flush(fill->e->file, error);
    }
    vio_co_mutex_unlock(&fill->begin);
    return fill->begun;
}

/* All that a reader needs but the header. */
static bool
fill_co_complete(VmdkFill *fill, GError **error)
{
    return vmdk_fill_co_emit_all(fill, error) &&
           vmdk_fill_co_write_tables(fill, true, error) &&
           vmdk_tail_co_write_marker(fill->e->file, fill->next_sector,
                                     VMDK_MARKER_EOS, 0, error);
}

bool
vmdk_fill_co_flush(VmdkExtent *e, GError **error)
{
    VmdkFill *fill = e->sparse->fill;
    bool ok;

    if (!fill->begun)
        return true;
    vio_co_mutex_lock(&fill->emitting);
    ok = fill_co_complete(fill, error);
    vio_co_mutex_unlock(&fill->emitting);
    return ok;
}

/* For want of space it stays as it is, a good disk anyway. */
static bool
fill_co_order(VmdkFill *fill, GError **error)
{
    g_autoptr(GError) local = NULL;
    bool intact;

    if (!fill->disordered || vmdk_fill_co_order(fill, &intact, &local))
        return true;
    if (!intact || !vd_error_is(local, VD_ERROR_NO_SPACE)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return false;
    }
    vd_node_warn(fill->e->state->node,
                 "%s: was not written in ascending order, and there is no "
                 "space to put its grains in order: disk images can be read "
                 "from it, but importers may refuse it (%s)",
                 vd_node_name(fill->e->file), local->message);
    return true;
}

static bool
fill_co_finish(VmdkFill *fill, GError **error)
{
    VdNode *file = fill->e->file;

    /* Before anything is moved all is as safe as it is going to be. */
    return vmdk_fill_co_emit_all(fill, error) &&
           vmdk_fill_co_write_tables(fill, true, error) &&
           fill_co_order(fill, error) && fill_co_complete(fill, error) &&
           vmdk_tail_co_cut(file, fill->next_sector + 1, error) &&
           vd_node_co_flush(file, error) &&
           fill_co_write_header(fill, false, error);
}

bool
vmdk_fill_co_finish(VmdkExtent *e, GError **error)
{
    VmdkFill *fill = e->sparse->fill;
    bool ok;

    if (!fill->touched)
        return true;
    vio_co_mutex_lock(&fill->emitting);
    ok = fill_co_finish(fill, error);
    vio_co_mutex_unlock(&fill->emitting);
    return ok ||
           vd_prefix(error, "%s: stays an unfinished streamOptimized image: ",
                     vd_node_name(e->file));
}
