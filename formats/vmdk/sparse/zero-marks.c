/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/zero-marks.c - may entries say "a grain of zeroes"?
 *
 *   on:   barrier - header: version 2, flag - barrier
 *   off:  entries that say so become absent, or above a parent name new grains
 *         that are holes - flush - barrier - header: version 1, no flag -
 *         barrier
 *
 * The header is one sector, and until it changes marks are allowed; so after a
 * crash the extent allows them or has none, and shows the same either way.
 *
 * Concurrency: no change of the disk is in flight; reads are.
 */
#include "formats/vmdk/sparse/relayout.h"

#include "block/open.h"

/* -- allowing ---------------------------------------------------------------
 */

static bool
nothing_to_see(VmdkExtent *e, const VdTable *table, uint32_t n, void *arg,
               GError **error)
{
    return true;
}

/* Entries that are 1 without leave are damage, which must not become zeroes:
 * the walk refuses them. */
static bool
marks_co_check_tables(VmdkExtent *e, GError **error)
{
    return vmdk_sparse_co_walk_all(e, nothing_to_see, NULL, error);
}

static bool
marks_co_switch(VmdkExtent *e, bool on, GError **error)
{
    VmdkSparse *sp = e->sparse;
    VmdkHeader hdr = sp->hdr;
    bool ok;

    /* 3 announces change tracking and goes with that. */
    if (hdr.version < 3)
        hdr.version = on ? 2 : 1;
    hdr.flags &= ~(uint32_t) VMDK_FLAG_ZEROED_GTE;
    hdr.flags |= on ? VMDK_FLAG_ZEROED_GTE : 0;
    vio_co_mutex_lock(&sp->flush_lock);
    ok = vmdk_sparse_co_switch_header(e, &hdr, error);
    vio_co_mutex_unlock(&sp->flush_lock);
    if (!ok)
        return vd_prefix(error, "%s: the header: ", vd_node_name(e->file));
    sp->tables->hdr.version = hdr.version;
    sp->tables->hdr.flags = hdr.flags;
    sp->tables->zero_gte = sp->tables->zero_gde = on;
    return true;
}

/* -- removing ---------------------------------------------------------------
 */

/* The first run of marks among the entries of @table from *@i on. */
static uint32_t
next_marks(const VdTable *table, uint32_t *i, uint32_t n)
{
    uint32_t first = *i, end;

    while (first < n && vmdk_table_entry(table, first) != VMDK_GTE_ZERO)
        first++;
    for (end = first; end < n && vmdk_table_entry(table, end) == VMDK_GTE_ZERO;)
        end++;
    *i = first;
    return end - first;
}

/* @n entries of table @index, from @i on, are marks. */
static bool
marks_co_clear_run(VmdkExtent *e, uint32_t index, uint32_t i, uint32_t n,
                   GError **error)
{
    VdTable *table = vmdk_tables_co_get_rw(e->sparse->tables, index, error);

    if (!table)
        return false;
    for (; n; n--, i++)
        vmdk_tables_set(table, i, VMDK_GTE_ABSENT);
    return true;
}

static bool
marks_co_store_run(VmdkExtent *e, uint32_t index, uint32_t i, uint32_t n,
                   GError **error)
{
    VmdkSparse *sp = e->sparse;
    uint64_t off = ((uint64_t) index << sp->table_shift) +
                   ((uint64_t) i << sp->grain_shift);
    uint64_t len = (uint64_t) n << sp->grain_shift;
    VioRange *range = vio_range_co_lock(sp->allocating, off, len, true);
    bool ok = vmdk_sparse_co_allocate_zero(e, off, len, error);

    vio_range_unlock(sp->allocating, range);
    return ok;
}

/* Entries of table @index that belong to the disk; others show nothing. */
static uint32_t
entries_of_disk(const VmdkExtent *e, uint32_t index)
{
    const VmdkSparse *sp = e->sparse;
    uint64_t before = (uint64_t) index * sp->hdr.gtes_per_gt;
    uint64_t all = (e->len + sp->grain_bytes - 1) >> sp->grain_shift;

    return (uint32_t) MIN(all - MIN(all, before), sp->hdr.gtes_per_gt);
}

/* Marks in the place of a table: one is made. */
static bool
marks_co_have_table(VmdkExtent *e, uint32_t index, GError **error)
{
    VmdkSparse *sp = e->sparse;

    return !vmdk_tables_is_missing(sp->tables, index) ||
           vmdk_sparse_co_place_tables(e, (uint64_t) index << sp->table_shift,
                                       sp->grain_bytes, error);
}

static bool
marks_co_clear_table(VmdkExtent *e, uint32_t index, GError **error)
{
    VmdkSparse *sp = e->sparse;
    VdTable *table = vmdk_tables_co_get(sp->tables, index, error);
    uint32_t mine = entries_of_disk(e, index), i = 0, n;

    while (table && table != sp->empty) {
        bool inside = i < mine && vmdk_has_parent(e->state);

        n = next_marks(table, &i, inside ? mine : sp->hdr.gtes_per_gt);
        if (!n && !inside)
            return vmdk_sparse_co_relieve(e, error);
        if (n && (!marks_co_have_table(e, index, error) ||
                  !(inside ? marks_co_store_run(e, index, i, n, error)
                           : marks_co_clear_run(e, index, i, n, error))))
            return false;
        i += n;
        table = vmdk_tables_co_get(sp->tables, index, error);
    }
    return table != NULL;
}

static bool
marks_goes_on(const VmdkExtent *e, GError **error)
{
    int r = vio_cancel_check(vd_node_env(e->state->node)->cancel);

    return r == 0 || vd_throw_errno(error, -r, "%s", vd_node_name(e->file));
}

static bool
marks_co_clear_tables(VmdkExtent *e, GError **error)
{
    VmdkTables *tables = e->sparse->tables;

    for (uint32_t i = 0; i < tables->n_gts;) {
        uint32_t hole =
            tables->slot[i] ? 0 : vmdk_tables_co_count_hole(tables, i, false);

        if (!marks_goes_on(e, error) ||
            (!hole && !marks_co_clear_table(e, i, error)))
            return false;
        i += MAX(hole, 1);
    }
    return true;
}

static bool
marks_co_clear(VmdkExtent *e, GError **error)
{
    return vmdk_sparse_co_find_end(e, error) &&
           vmdk_sparse_co_mark_unclean(e, error) &&
           marks_co_clear_tables(e, error) && vmdk_sparse_co_flush(e, error);
}

bool
vmdk_sparse_co_set_zero_marks(VmdkExtent *e, bool on, GError **error)
{
    const VmdkHeader *hdr = &e->sparse->hdr;
    bool flag = hdr->flags & VMDK_FLAG_ZEROED_GTE;

    if (on)
        return (flag && hdr->version >= 2) ||
               ((e->sparse->tables->zero_gte ||
                 marks_co_check_tables(e, error)) &&
                marks_co_switch(e, true, error));
    return !e->sparse->tables->zero_gte ||
           (marks_co_clear(e, error) && marks_co_switch(e, false, error));
}
