/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/table-hole.c - tables that lie in a hole of the file.
 *
 * A new disk has all of its tables, which for one of 62 TiB are 4 GiB of
 * nothing, twice.  What the file system calls a hole is not read: one question
 * may answer for all of the disk.  The answer is kept as one range of tables,
 * so that nothing per table has to be touched either.
 *
 * Tables that are dirty end a hole, though the file does not know of them yet.
 *
 * Concurrency: one loop.  A table that is written while the question is on its
 * way makes the answer worthless (hole_changes).
 */
#include "formats/vmdk/sparse/tables.h"

/* Of smaller disks one read brings all tables. */
#define WORTH_ASKING 32

static bool
is_placed(const uint32_t *gd, uint32_t i)
{
    return gd[i] > VMDK_GTE_ZERO && gd[i] != VMDK_GTE_BAD;
}

/* Bytes from table @index on, up to @max tables that lie behind one another. */
static uint64_t
neighbour_bytes(const VmdkTables *tables, const uint32_t *gd, uint32_t index,
                uint32_t max)
{
    uint32_t n = 1;

    while (n < max && gd[index + n] == gd[index + n - 1] + tables->gt_sectors)
        n++;
    return (uint64_t) n * tables->gt_sectors * VMDK_SECTOR;
}

/* How many tables of one copy, at most @max. */
static uint32_t
hole_co_count(const VmdkTables *tables, const uint32_t *gd, uint32_t index,
              uint32_t max)
{
    uint64_t table_bytes = (uint64_t) tables->gt_sectors * VMDK_SECTOR, rest;
    uint64_t off = (uint64_t) gd[index] * VMDK_SECTOR;
    VdRun run;

    if (!is_placed(gd, index) || off >= vd_node_size(tables->file))
        return 0;
    rest = vd_node_size(tables->file) - off;
    if (!vd_node_co_map(tables->file, off, rest, VD_WANT_ZERO, &run, NULL) ||
        run.kind != VD_RUN_ZERO || run.len < table_bytes)
        return 0;
    run.len = MIN(run.len, neighbour_bytes(tables, gd, index, max));
    return (uint32_t) (run.len / table_bytes);
}

uint32_t
vmdk_tables_co_count_hole(VmdkTables *tables, uint32_t index, bool both)
{
    uint32_t n = tables->n_gts - index;

    if (tables->n_gts <= WORTH_ASKING)
        return 0;
    n = hole_co_count(tables, tables->gd, index, n);
    if (n && both && tables->rgd)
        n = hole_co_count(tables, tables->rgd, index, n);
    return n;
}

/* What the file does not have yet is no less there. */
static uint32_t
cut_at_dirty(const VmdkTables *tables, uint32_t index, uint32_t n)
{
    for (unsigned i = 0; i < tables->dirty->len; i++) {
        const VdTable *table = tables->dirty->pdata[i];

        if (table->index - index < n)
            n = table->index - index;
    }
    return n;
}

bool
vmdk_tables_co_note_hole(VmdkTables *tables, uint32_t index)
{
    uint32_t before = tables->hole_changes, n;

    if (tables->writing)
        return false;
    n = vmdk_tables_co_count_hole(tables, index, false);
    if (tables->writing || tables->hole_changes != before)
        return false;
    n = cut_at_dirty(tables, index, n);
    if (!n)
        return false;
    tables->hole_first = index;
    tables->hole_n = n;
    return true;
}

void
vmdk_tables_forget_hole(VmdkTables *tables)
{
    tables->hole_n = 0;
    tables->hole_changes++;
}
