/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/sparse.c - opening a sparse extent.
 *
 * The first bytes tell which kind it is, whatever the descriptor says.
 *
 * Concurrency: open and close only.
 */
#include "formats/vmdk/sparse/relayout.h"
#include "formats/vmdk/stream/fill.h"

static unsigned
log2_of(uint64_t power_of_two)
{
    return (unsigned) __builtin_ctzll(power_of_two);
}

static const VmdkSparseKind hosted_kind = {
    .header_bytes = VMDK_HEADER_BYTES,
    .decode = vmdk_header_decode,
    .patch = vmdk_header_patch,
    .unclean_byte = VMDK_HEADER_UNCLEAN_BYTE,
    .unclean_len = 1,
    .co_relayout = vmdk_sparse_co_relayout,
};

static bool
sparse_co_read_header(VmdkExtent *e, GError **error)
{
    VmdkSparse *sp = e->sparse;
    const char *name = vd_node_name(e->file);
    uint64_t size = vd_node_size(e->file);

    if (!vd_node_co_pread(e->file, 0, sp->raw, MIN(size, sizeof(sp->raw)),
                          error))
        return vd_prefix(error, "%s: reading sparse header: ", name);
    sp->kind = vmdk_cowd_is_magic(sp->raw) ? &vmdk_cowd_kind : &hosted_kind;
    if (size < sp->kind->header_bytes)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: %" G_GUINT64_FORMAT
                        " bytes are too few for a sparse extent",
                        name, size);
    if (e->state->recover && vmdk_header_is_unfinished(sp->raw))
        vmdk_header_mark_finished(sp->raw);
    return sp->kind->decode(sp->raw, name, &sp->hdr, error);
}

static bool
settle_size(VmdkExtent *e, uint64_t line_sectors, GError **error)
{
    uint64_t capacity = e->sparse->hdr.capacity_sectors;

    if (!capacity)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: a sparse extent with a capacity of 0",
                        vd_node_name(e->file));
    return vmdk_extent_settle_size(e, capacity, line_sectors, error);
}

static bool
sparse_co_open_stream(VmdkExtent *e, GError **error)
{
    VmdkSparse *sp = e->sparse;

    if (e->state->writer)
        return true; /* being written: nothing to read yet */
    if (!vmdk_stream_co_locate(e->file, &sp->hdr, error))
        return false;
    sp->reader = vmdk_stream_reader_new(e->file, &sp->hdr);
    return true;
}

/* Tables whose redundant copy a crash has left behind are written again with
 * the next flush: their primary copies have been found good. */
static bool
sparse_co_renew_stale(VmdkExtent *e, const GArray *stale, GError **error)
{
    for (unsigned i = 0; i < stale->len; i++) {
        VdTable *table = vmdk_tables_co_get_rw(
            e->sparse->tables, g_array_index(stale, uint32_t, i), error);

        if (!table)
            return false;
        vmdk_tables_set(table, 0, vmdk_table_entry(table, 0));
    }
    return true;
}

static bool
refuse_unclean(const VmdkExtent *e, const VdCheckResult *result, GError **error)
{
    const VdFinding *first = result->findings && result->findings->len
                                 ? result->findings->pdata[0]
                                 : NULL;

    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: was not closed cleanly and needs repair: %s",
                    vd_node_name(e->file),
                    first ? first->detail : "its tables are damaged");
}

static bool
sparse_co_check_unclean(VmdkExtent *e, GError **error)
{
    g_autoptr(GArray) stale = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    VdCheckResult result = {.max_findings = 1};
    bool ok = vmdk_sparse_co_examine(e, &result, stale, error);

    if (ok && (result.corruptions || result.check_errors))
        ok = refuse_unclean(e, &result, error);
    g_clear_pointer(&result.findings, g_ptr_array_unref);
    return ok && sparse_co_renew_stale(e, stale, error);
}

/* With only headers wanted nothing is written to extents, whatever becomes of
 * the descriptor. */
static bool
is_written_to(const VmdkExtent *e)
{
    return e->access == VMDK_ACCESS_RW && vd_node_is_writable(e->state->node) &&
           !(vd_node_flags(e->state->node) & VD_OPEN_NO_IO);
}

/* What would make writing do harm. */
static bool
sparse_co_check_writable(VmdkExtent *e, GError **error)
{
    VmdkSparse *sp = e->sparse;

    if (vd_node_flags(e->state->node) & VD_OPEN_CHECK) {
        /* Nothing is known to be sound: only a repair may write. */
        sp->tables->gd_dirty = false;
        return true;
    }
    if (sp->tables->gd_error) {
        g_propagate_error(error, g_error_copy(sp->tables->gd_error));
        return vd_prefix(error,
                         "%s: can only be read: ", vd_node_name(e->file));
    }
    if (sp->tables->gd_damaged)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the grain directories are damaged; the image can "
                        "only be read",
                        vd_node_name(e->file));
    return vmdk_tables_check_apart(sp->tables, error) &&
           (!sp->hdr.unclean || sparse_co_check_unclean(e, error));
}

/* Streams are written only from the beginning. */
static bool
sparse_co_open_fill(VmdkExtent *e, GError **error)
{
    return (vd_node_flags(e->state->node) & VD_OPEN_CHECK) ||
           vmdk_fill_co_open(e, error);
}

static bool
sparse_co_open_tables(VmdkExtent *e, GError **error)
{
    VmdkSparse *sp = e->sparse;
    bool writable = is_written_to(e);

    sp->grain_bytes = vmdk_header_grain_bytes(&sp->hdr);
    sp->grain_shift = log2_of(sp->grain_bytes);
    sp->table_shift = sp->grain_shift + log2_of(sp->hdr.gtes_per_gt);
    sp->tables = vmdk_tables_co_open(e->file, &sp->hdr, error);
    if (!sp->tables)
        return false;
    sp->slot = sp->tables->slot;
    sp->empty = sp->tables->empty;
    sp->entry_mask = sp->hdr.gtes_per_gt - 1;
    sp->place_unit = sp->hdr.cowd ? VMDK_SECTOR : sp->grain_bytes;
    sp->place_shift = log2_of(sp->place_unit);
    sp->grain_sectors = (uint32_t) sp->hdr.grain_sectors;
    sp->allocating = vio_range_lock_new();
    sp->freed = g_array_new(FALSE, FALSE, sizeof(VmdkRange));
    sp->resting = g_array_new(FALSE, FALSE, sizeof(VmdkRange));
    sp->free = vmdk_places_new();
    if (sp->hdr.unclean && !writable)
        vd_node_warn(e->state->node, "%s: was not closed cleanly",
                     vd_node_name(e->file));
    if (!writable)
        return true;
    return sp->reader ? sparse_co_open_fill(e, error)
                      : sparse_co_check_writable(e, error);
}

/* Kinds that are only read. */
static bool
check_kind_is_writable(const VmdkExtent *e, GError **error)
{
    const VmdkHeader *hdr = &e->sparse->hdr;

    if (!is_written_to(e) || (vd_node_flags(e->state->node) & VD_OPEN_CHECK))
        return true;
    if (vmdk_cowd_is_legacy(hdr))
        return vd_throw(error, VD_ERROR_READ_ONLY,
                        "%s: a COWD extent of version %u can only be read; "
                        "convert it",
                        vd_node_name(e->file), hdr->version);
    return true;
}

bool
vmdk_sparse_co_open(VmdkExtent *e, uint64_t line_sectors, GError **error)
{
    e->sparse = g_new0(VmdkSparse, 1);
    e->ops = &vmdk_sparse_ops;
    if (!sparse_co_read_header(e, error) ||
        !settle_size(e, line_sectors, error) ||
        !check_kind_is_writable(e, error))
        return false;
    if ((e->sparse->hdr.flags & VMDK_FLAG_COMPRESSED) && e->state->recover)
        return vmdk_stream_co_recover(e, error);
    if (e->state->in_order)
        return vmdk_stream_co_arrive(e, error);
    if (e->sparse->hdr.flags & VMDK_FLAG_COMPRESSED) {
        e->ops = &vmdk_stream_ops;
        if (!sparse_co_open_stream(e, error))
            return false;
    }
    return sparse_co_open_tables(e, error);
}

void
vmdk_sparse_free(VmdkExtent *e)
{
    VmdkSparse *sp = g_steal_pointer(&e->sparse);

    if (!sp)
        return;
    g_clear_pointer(&sp->fill, vmdk_fill_free);
    g_clear_pointer(&sp->reader, vmdk_stream_reader_co_free);
    vmdk_stream_recover_free(sp);
    vmdk_stream_arrive_free(sp);
    g_clear_pointer(&sp->tables, vmdk_tables_free);
    g_clear_pointer(&sp->allocating, vio_range_lock_free);
    g_clear_pointer(&sp->freed, g_array_unref);
    g_clear_pointer(&sp->resting, g_array_unref);
    g_clear_pointer(&sp->free, vmdk_places_free);
    g_free(sp);
}

const VmdkExtentOps vmdk_sparse_ops = {
    .co_map = vmdk_sparse_co_map,
    .co_write = vmdk_sparse_co_write,
    .co_write_zeroes = vmdk_sparse_co_write_zeroes,
    .co_discard = vmdk_sparse_co_discard,
    .co_uncover = vmdk_sparse_co_uncover,
    .co_flush = vmdk_sparse_co_flush,
    .co_finish = vmdk_sparse_co_finish,
    .co_check = vmdk_sparse_co_check,
    .co_repair = vmdk_sparse_co_repair,
    .co_grow = vmdk_sparse_co_grow,
    .co_used_end = vmdk_sparse_co_used_end,
    .co_shrink = vmdk_sparse_co_shrink,
    .co_compact = vmdk_sparse_co_compact,
    .co_make_empty = vmdk_sparse_co_make_empty,
    .free = vmdk_sparse_free,
};
