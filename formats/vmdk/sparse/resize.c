/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/resize.c - a sparse extent for more bytes, or for fewer.
 *
 * Growing never changes what the disk is: the descriptor's line decides, and
 * an extent may have a larger capacity than that.
 *
 * Concurrency: no change of the disk is in flight; reads are.
 */
#include "formats/vmdk/sparse/relayout.h"

static uint64_t
round_up(const VmdkSparse *sp, uint64_t off)
{
    return (off + sp->grain_bytes - 1) & ~(sp->grain_bytes - 1);
}

/* -- making ready
 * ------------------------------------------------------------------ */

/* Everything durable, nothing dirty, and known where the file ends. */
static bool
resize_co_prepare(VmdkExtent *e, GError **error)
{
    return vmdk_sparse_co_find_end(e, error) &&
           vmdk_sparse_co_mark_unclean(e, error) &&
           vmdk_sparse_co_flush(e, error);
}

/* What the last grain has behind the end of the disk. */
static bool
resize_co_clear_tail(VmdkExtent *e, GError **error)
{
    VmdkSparse *sp = e->sparse;
    uint64_t in_grain = e->len & (sp->grain_bytes - 1), from, end;
    VdRun run;

    if (!in_grain)
        return true;
    if (!vmdk_sparse_co_lookup(e, e->len - in_grain, in_grain, &run, error))
        return false;
    if (run.kind != VD_RUN_DATA)
        return true;
    if (!vmdk_sparse_co_check_trust(e, e->len - in_grain, in_grain, error))
        return false;
    from = run.child_off + in_grain;
    end = MIN(run.child_off + sp->grain_bytes, vd_node_size(e->file));
    return from >= end ||
           vd_node_co_write_zeroes(e->file, from, end - from, 0, error);
}

/* Entries behind the end of the disk, which other tools and unfinished resizes
 * leave, go; and their places, but for those that are somebody else's too. */
typedef struct {
    VmdkExtent *e;
    uint64_t first;   /* grain */
    VmdkPlaces *used; /* NULL: nobody knows, nothing is given up */
    bool found;
} Drop;

static void
drop_entry(Drop *d, uint32_t entry)
{
    const VmdkSparse *sp = d->e->sparse;
    uint64_t off = (uint64_t) entry * VMDK_SECTOR;

    if (d->used && entry >= sp->hdr.overhead_sectors &&
        off % sp->place_unit == 0 && off < vd_node_size(d->e->file) &&
        vmdk_places_add(d->used, off >> sp->place_shift,
                        sp->grain_bytes >> sp->place_shift))
        vmdk_sparse_give_up(d->e, (uint64_t) entry * VMDK_SECTOR,
                            sp->grain_bytes);
}

static bool
drop_co_table(Drop *d, uint32_t index, GError **error)
{
    VmdkSparse *sp = d->e->sparse;
    VdTable *table = vmdk_tables_co_get(sp->tables, index, error);
    uint64_t before = (uint64_t) index * sp->hdr.gtes_per_gt;
    uint32_t i = (uint32_t) (d->first - MIN(d->first, before));

    /* Marks without a table stay: they say zeroes. */
    if (!table || table == sp->tables->empty ||
        vmdk_tables_is_missing(sp->tables, index))
        return table != NULL;
    for (; i < sp->hdr.gtes_per_gt; i++) {
        uint32_t entry = vmdk_table_entry(table, i);

        if (entry == VMDK_GTE_ABSENT)
            continue;
        table = vmdk_tables_co_get_rw(sp->tables, index, error);
        if (!table)
            return false;
        vmdk_tables_set(table, i, VMDK_GTE_ABSENT);
        if (entry > VMDK_GTE_ZERO)
            drop_entry(d, entry);
        d->found = true;
    }
    return vmdk_sparse_co_relieve(d->e, error);
}

static bool
drop_co_tables(Drop *d, GError **error)
{
    VmdkSparse *sp = d->e->sparse;
    VmdkTables *tables = sp->tables;
    uint64_t first = d->first / sp->hdr.gtes_per_gt;

    for (uint64_t i = first; i < tables->n_gts;) {
        uint32_t index = (uint32_t) i;
        uint32_t hole = tables->slot[index]
                            ? 0
                            : vmdk_tables_co_count_hole(tables, index, false);

        if (!hole && !drop_co_table(d, index, error))
            return false;
        i += MAX(hole, 1);
    }
    return !d->found || vmdk_sparse_co_flush(d->e, error);
}

static bool
resize_co_drop_entries(VmdkExtent *e, GError **error)
{
    Drop d = {.e = e,
              .first = round_up(e->sparse, e->len) >> e->sparse->grain_shift,
              .used = vmdk_places_new()};
    bool ok;

    if (!vmdk_sparse_co_survey(e, d.used, NULL))
        g_clear_pointer(&d.used, vmdk_places_free);
    ok = drop_co_tables(&d, error);
    g_clear_pointer(&d.used, vmdk_places_free);
    return ok;
}

/* -- growing
 * ----------------------------------------------------------------------- */

static bool
check_capacity(const VmdkExtent *e, uint64_t len, GError **error)
{
    uint64_t max = vmdk_header_gt_coverage(&e->sparse->hdr);

    if (e->sparse->hdr.cowd)
        return len / VMDK_SECTOR <= VMDK_COWD_MAX_SECTORS ||
               vd_throw(error, VD_ERROR_LIMIT,
                        "%s: a COWD extent has less than 2 TiB, "
                        "%" G_GUINT64_FORMAT " bytes are wanted",
                        vd_node_name(e->file), len);
    if (!g_uint64_checked_mul(&max, max, VMDK_MAX_GD_ENTRIES))
        return true;
    return len <= max ||
           vd_throw(error, VD_ERROR_LIMIT,
                    "%s: a sparse extent of this grain size can have at most "
                    "%" G_GUINT64_FORMAT " bytes, %" G_GUINT64_FORMAT
                    " are wanted",
                    vd_node_name(e->file), max, len);
}

/* The same tables serve. */
static bool
resize_co_capacity(VmdkExtent *e, uint64_t sectors, GError **error)
{
    VmdkHeader hdr = e->sparse->hdr;

    hdr.capacity_sectors = sectors;
    return vmdk_sparse_co_switch_header(e, &hdr, error);
}

static bool
resize_co_tables_locked(VmdkExtent *e, uint64_t sectors, GError **error)
{
    VmdkSparse *sp = e->sparse;
    VmdkHeader hdr = sp->hdr;

    vmdk_sparse_co_release(e);
    if (!vmdk_sparse_co_trim(e, error))
        return false;
    hdr.capacity_sectors = sectors;
    if (vmdk_header_n_gts(&hdr) != vmdk_header_n_gts(&sp->hdr))
        return sp->kind->co_relayout(e, sectors, error);
    if (!resize_co_capacity(e, sectors, error))
        return false;
    sp->tables->hdr.capacity_sectors = sectors;
    return true;
}

static bool
resize_co_tables(VmdkExtent *e, uint64_t sectors, GError **error)
{
    VmdkSparse *sp = e->sparse;
    bool ok;

    if (sp->hdr.capacity_sectors == sectors)
        return true;
    vd_node_co_settle(e->state->node);
    vio_co_mutex_lock(&sp->flush_lock);
    ok = resize_co_tables_locked(e, sectors, error);
    vio_co_mutex_unlock(&sp->flush_lock);
    return ok;
}

/* A grain for all of [off, end), which has none, behind the end of the file. */
static bool
resize_co_preallocate(VmdkExtent *e, uint64_t off, uint64_t end,
                      VdPrealloc prealloc, GError **error)
{
    VmdkPlace place;

    if (off >= end)
        return true;
    if (!vmdk_sparse_reserve_new(e, end - off, &place, error))
        return false;
    if (prealloc == VD_PREALLOC_METADATA) /* the file keeps its hole */
        prealloc = VD_PREALLOC_OFF;
    if (!vd_node_co_truncate(e->file, place.off + place.len, prealloc, error)) {
        vmdk_sparse_unreserve(e, &place);
        return false;
    }
    return vmdk_sparse_co_assign(e, off, &place, error) &&
           vmdk_sparse_co_flush(e, error) && vd_node_co_flush(e->file, error);
}

bool
vmdk_sparse_co_grow(VmdkExtent *e, uint64_t len, VdPrealloc prealloc,
                    GError **error)
{
    VmdkSparse *sp = e->sparse;
    uint64_t sectors = MAX(len / VMDK_SECTOR, sp->hdr.capacity_sectors);

    if (!check_capacity(e, len, error) || !resize_co_prepare(e, error) ||
        !resize_co_clear_tail(e, error) || !resize_co_drop_entries(e, error) ||
        !resize_co_tables(e, sectors, error))
        return false;
    return prealloc == VD_PREALLOC_OFF ||
           resize_co_preallocate(e, round_up(sp, e->len), round_up(sp, len),
                                 prealloc, error);
}

/* -- shrinking
 * --------------------------------------------------------------------- */

static bool
note_used(VmdkExtent *e, const VdTable *table, uint32_t n, void *arg,
          GError **error)
{
    uint64_t *end = arg;

    for (uint32_t i = n; i-- > 0;)
        if (vmdk_table_entry(table, i) > VMDK_GTE_ZERO) {
            *end = ((uint64_t) table->index << e->sparse->table_shift) +
                   ((uint64_t) (i + 1) << e->sparse->grain_shift);
            break;
        }
    return true;
}

bool
vmdk_sparse_co_used_end(VmdkExtent *e, uint64_t *end, GError **error)
{
    *end = 0;
    if (!vmdk_sparse_co_walk(e, note_used, end, error))
        return false;
    *end = MIN(*end, e->len);
    return true;
}

bool
vmdk_sparse_co_shrink(VmdkExtent *e, GError **error)
{
    return resize_co_prepare(e, error) && resize_co_drop_entries(e, error) &&
           resize_co_tables(e, e->len / VMDK_SECTOR, error);
}
