/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sesparse/map.c - where the bytes of a seSparse extent are.
 *
 * Grains are small (4 KiB), so a run is followed as far as it goes: through all
 * tables in memory, and over stretches that have none.
 *
 * Concurrency: yields only to load the first table.
 */
#include "formats/vmdk/sesparse/sesparse.h"

static inline uint64_t
successor(uint64_t entry)
{
    return entry > VMDK_SE_ZERO ? entry + VMDK_SE_GRAIN_SECTORS : entry;
}

/* How far @table goes on, from @pos (of a grain) to below @end, with *@wanted
 * as the next entry; moves that on. */
static uint64_t
follow(const VdTable *table, uint64_t pos, uint64_t end, uint64_t *wanted)
{
    for (uint32_t i = vmdk_se_entry_of(pos); pos < end; i++) {
        if (vmdk_se_table_entry(table, i) != *wanted)
            return pos;
        *wanted = successor(*wanted);
        pos += VMDK_SE_GRAIN_BYTES;
    }
    return end;
}

static uint64_t
find_end(const VmdkSeTables *tables, uint64_t pos, uint64_t end,
         uint64_t wanted)
{
    while (pos < end) {
        uint32_t index = vmdk_se_table_of(pos);
        uint64_t stop = MIN(end, vmdk_se_cover_end(pos));
        const VdTable *table = vmdk_se_tables_peek(tables, index);

        if (!table && (tables->gd[index] || wanted != VMDK_SE_ABSENT))
            return pos;
        pos = table ? follow(table, pos, stop, &wanted) : stop;
        if (pos < stop)
            return pos;
    }
    return end;
}

static void
fill_run(const VmdkExtent *e, uint64_t off, uint64_t entry, VdRun *run)
{
    *run = (VdRun){.kind = VD_RUN_PARENT};
    if (entry == VMDK_SE_ZERO)
        run->kind = VD_RUN_ZERO;
    if (entry <= VMDK_SE_ZERO)
        return;
    run->kind = VD_RUN_DATA;
    run->child = e->file;
    run->child_off = entry * VMDK_SECTOR + (off & (VMDK_SE_GRAIN_BYTES - 1));
}

/* The last grain of the file may be cut short: what it lacks is zero. */
static void
clamp_to_file(VdRun *run)
{
    uint64_t size = vd_node_size(run->child);

    if (run->child_off >= size)
        *run = (VdRun){.kind = VD_RUN_ZERO, .len = run->len};
    else
        run->len = MIN(run->len, size - run->child_off);
}

static bool
refuse_entry(const VmdkExtent *e, uint64_t off, GError **error)
{
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the grain table entry for byte %" G_GUINT64_FORMAT
                    " of the extent means nothing",
                    vd_node_name(e->file), off);
}

bool
vmdk_sesparse_co_lookup(VmdkExtent *e, uint64_t off, uint64_t len, VdRun *run,
                        GError **error)
{
    VmdkSeTables *tables = e->sesparse->tables;
    uint32_t index = vmdk_se_table_of(off);
    uint64_t grain_end = (off | (VMDK_SE_GRAIN_BYTES - 1)) + 1;
    uint64_t entry = VMDK_SE_ABSENT;

    if (tables->gd[index]) {
        const VdTable *table = vmdk_se_tables_co_get(tables, index, error);

        if (!table)
            return false;
        entry = vmdk_se_table_entry(table, vmdk_se_entry_of(off));
    }
    if (entry == VMDK_SE_BAD)
        return refuse_entry(e, off, error);
    fill_run(e, off, entry, run);
    run->len = len;
    if (grain_end < off + len)
        run->len =
            find_end(tables, grain_end, off + len, successor(entry)) - off;
    return true;
}

bool
vmdk_sesparse_co_map(VmdkExtent *e, uint64_t off, uint64_t len, VdRun *run,
                     GError **error)
{
    if (!vmdk_sesparse_co_lookup(e, off, len, run, error))
        return false;
    if (run->kind == VD_RUN_DATA)
        clamp_to_file(run);
    return true;
}
