/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/fill.c - requests to a stream that is being filled.
 *
 * Where a grain is may change with every yield, but only downwards: window,
 * leaving, tables.  Who changes one holds its range (VmdkSparse.allocating), so
 * it does not come into the window behind his back.  An answer of the map says
 * only that there is something: decoding looks again.
 *
 * Concurrency: requests overlap freely.
 */
#include "formats/vmdk/stream/fill.h"

#include <string.h>

/* -- reading ---------------------------------------------------------------
 */

/* @run ends at the first grain behind @off that is in memory. */
static void
clamp_run(GTree *grains, unsigned shift, uint64_t off, VdRun *run)
{
    const VmdkFillGrain *next = vmdk_fill_next(grains, (off >> shift) + 1);

    if (next && next->number << shift < off + run->len)
        run->len = (next->number << shift) - off;
}

bool
vmdk_fill_co_map(VmdkExtent *e, uint64_t off, uint64_t len, VdRun *run,
                 GError **error)
{
    const VmdkSparse *sp = e->sparse;
    VmdkFill *fill = sp->fill;

    if (!vmdk_sparse_co_map(e, off, len, run, error))
        return false;
    if (vmdk_fill_find_any(fill, vmdk_fill_grain_of(fill, off))) {
        uint64_t rest = sp->grain_bytes - (off & (sp->grain_bytes - 1));

        *run = (VdRun){.kind = VD_RUN_ENCODED, .len = MIN(len, rest)};
        return true;
    }
    clamp_run(fill->window, sp->grain_shift, off, run);
    clamp_run(fill->leaving, sp->grain_shift, off, run);
    return true;
}

/* @dst lies inside one grain. */
static bool
fill_co_read(VmdkFill *fill, uint64_t off, const VioVec *dst, GError **error)
{
    const VmdkSparse *sp = fill->e->sparse;
    uint64_t number = vmdk_fill_grain_of(fill, off);
    size_t skip = (size_t) (off & (sp->grain_bytes - 1));
    const VmdkFillGrain *grain;
    VdRun run;

    if (!vmdk_sparse_co_lookup(fill->e, off, dst->len, &run, error))
        return false;
    grain = vmdk_fill_find_any(fill, number);
    if (grain)
        vio_vec_copy_in(dst, grain->data + skip);
    else if (run.kind == VD_RUN_ENCODED)
        return vmdk_stream_co_read(sp->reader, run.child_off, number, skip, dst,
                                   error);
    else
        vio_vec_zero(dst);
    return true;
}

bool
vmdk_fill_co_decode(VmdkExtent *e, uint64_t off, const VdRun *run,
                    const VioVec *dst, GError **error)
{
    return fill_co_read(e->sparse->fill, off, dst, error);
}

/* -- writing ---------------------------------------------------------------
 */

/* Grain @number in the window, as it is; its range is held. */
static VmdkFillGrain *
fill_co_gather(VmdkFill *fill, uint64_t number, bool overwritten,
               GError **error)
{
    size_t bytes = (size_t) fill->e->sparse->grain_bytes;
    VmdkFillGrain *grain = vmdk_fill_find(fill->window, number);
    g_autofree uint8_t *data = NULL;
    struct iovec iov;
    VioVec dst;

    if (grain)
        return grain;
    data = g_malloc(bytes);
    dst = vio_vec_from_buf(&iov, data, bytes);
    if (!overwritten && !fill_co_read(fill, number * bytes, &dst, error))
        return NULL;
    /* Reading may have waited for an attempt to write it, in vain: then it is
     * here again. */
    grain = vmdk_fill_find(fill->window, number);
    return grain ? grain
                 : vmdk_fill_put(fill->window, number, g_steal_pointer(&data));
}

/* @src lies inside one grain. */
static bool
fill_co_write_grain(VmdkFill *fill, uint64_t off, const VioVec *src,
                    GError **error)
{
    VmdkSparse *sp = fill->e->sparse;
    size_t skip = (size_t) (off & (sp->grain_bytes - 1));
    VmdkFillGrain *grain;
    VioRange *range;

    if (!vmdk_fill_co_make_room(fill, error))
        return false;
    range =
        vio_range_co_lock(sp->allocating, off - skip, sp->grain_bytes, true);
    grain = fill_co_gather(fill, vmdk_fill_grain_of(fill, off),
                           src->len == sp->grain_bytes, error);
    if (grain)
        vio_vec_copy_out(src, grain->data + skip);
    vio_range_unlock(sp->allocating, range);
    return grain != NULL;
}

bool
vmdk_fill_co_write(VmdkExtent *e, uint64_t off, const VioVec *src,
                   GError **error)
{
    const VmdkSparse *sp = e->sparse;

    if (!vmdk_fill_co_begin(sp->fill, error))
        return false;
    for (size_t done = 0; done < src->len;) {
        uint64_t pos = off + done;
        size_t rest =
            (size_t) (sp->grain_bytes - (pos & (sp->grain_bytes - 1)));
        VioVec part = vio_vec_slice(src, done, MIN(rest, src->len - done));

        if (!fill_co_write_grain(sp->fill, pos, &part, error))
            return false;
        done += part.len;
    }
    return true;
}

/* -- zeroes ----------------------------------------------------------------
 */

/* What of grains [first, end) is only in memory. */
static void
forget_in_memory(VmdkFill *fill, uint64_t first, uint64_t end)
{
    size_t bytes = (size_t) fill->e->sparse->grain_bytes;
    VmdkFillGrain *grain;

    while ((grain = vmdk_fill_next(fill->window, first)) && grain->number < end)
        vmdk_fill_drop(fill->window, grain->number);
    /* Those have their entries soon: zeroes have to follow. */
    for (uint64_t at = first;
         (grain = vmdk_fill_next(fill->leaving, at)) && grain->number < end;
         at = grain->number + 1)
        vmdk_fill_put(fill->window, grain->number, g_malloc0(bytes));
}

static bool
fill_co_forget_record(VmdkFill *fill, uint64_t off, GError **error)
{
    VmdkSparse *sp = fill->e->sparse;
    VdTable *table =
        vmdk_tables_co_get_rw(sp->tables, vmdk_sparse_table_of(sp, off), error);

    if (!table)
        return false;
    vmdk_tables_set(table, vmdk_sparse_entry_of(sp, off), VMDK_GTE_ABSENT);
    fill->disordered = true;
    return true;
}

/* Whole grains, but that the last one may end with the disk; their range is
 * held. */
static bool
fill_co_forget(VmdkFill *fill, uint64_t off, uint64_t end, GError **error)
{
    uint64_t last = vmdk_fill_grain_of(fill, end - 1);
    VdRun run;

    forget_in_memory(fill, vmdk_fill_grain_of(fill, off), last + 1);
    for (; off < end; off += run.len) {
        if (!vmdk_sparse_co_lookup(fill->e, off, end - off, &run, error))
            return false;
        if (run.kind == VD_RUN_ENCODED &&
            !fill_co_forget_record(fill, off, error))
            return false;
    }
    return true;
}

bool
vmdk_fill_co_write_zeroes(VmdkExtent *e, uint64_t off, uint64_t len,
                          VdReqFlags flags, GError **error)
{
    VmdkSparse *sp = e->sparse;
    VioRange *range;
    bool ok;

    if (!vmdk_fill_co_begin(sp->fill, error))
        return false;
    range = vio_range_co_lock(sp->allocating, off, len, true);
    ok = fill_co_forget(sp->fill, off, off + len, error);
    vio_range_unlock(sp->allocating, range);
    return ok && vmdk_fill_co_make_room(sp->fill, error);
}

/* Whole grains only, and what nobody has written is not worth a mark. */
bool
vmdk_fill_co_discard(VmdkExtent *e, uint64_t off, uint64_t len, GError **error)
{
    uint64_t grain = e->sparse->grain_bytes;

    if (!e->sparse->fill->begun || off % grain != 0 ||
        (len % grain != 0 && off + len != e->len))
        return true;
    return vmdk_fill_co_write_zeroes(e, off, len, 0, error);
}
