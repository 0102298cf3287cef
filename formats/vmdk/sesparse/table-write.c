/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sesparse/table-write.c - tables of a new seSparse extent that is
 * being filled.
 *
 * Tables are numbered in the order of their first use.  Changed ones stay in
 * memory until they are written.
 *
 * Concurrency: one loop; one writer at a time (fill.c).
 */
#include "formats/vmdk/sesparse/tables.h"
#include "io/bytes.h"
#include "formats/vmdk/sparse/header.h"

static VdTable *
new_table(VmdkSeTables *tables, uint32_t index)
{
    VdTable *table = vd_table_cache_add(tables->cache, &tables->slot, index,
                                        VMDK_SE_TABLE_BYTES);

    for (uint32_t i = 0; i < VMDK_SE_ENTRIES; i++)
        vmdk_se_table_put(table, i, VMDK_SE_ABSENT);
    tables->slot[index] = table;
    tables->gd[index] = ++tables->next_table;
    if (tables->gd_dirty == tables->gd_behind)
        tables->gd_dirty = tables->gd_behind = index;
    tables->gd_dirty = MIN(tables->gd_dirty, index);
    tables->gd_behind = MAX(tables->gd_behind, index + 1);
    return table;
}

VdTable *
vmdk_se_tables_co_get_rw(VmdkSeTables *tables, uint32_t index, GError **error)
{
    if (!tables->gd[index])
        return new_table(tables, index);
    return vmdk_se_tables_co_get(tables, index, error);
}

void
vmdk_se_tables_set(VmdkSeTables *tables, VdTable *table, uint32_t i,
                   uint64_t entry)
{
    vmdk_se_table_put(table, i, entry);
    if (table->dirty)
        return;
    vd_table_mark(table, true);
    g_ptr_array_add(tables->dirty, table);
}

/* Clean before it is written: what changes meanwhile makes it dirty again. */
static bool
table_co_write(VmdkSeTables *tables, VdTable *table, GError **error)
{
    uint64_t first = tables->hdr.part[VMDK_SE_TABLES].start;
    uint64_t number = tables->gd[table->index] - 1;
    g_autofree uint8_t *raw = g_malloc(VMDK_SE_TABLE_BYTES);
    bool ok;

    for (uint32_t i = 0; i < VMDK_SE_ENTRIES; i++)
        vio_put_le64(
            raw + i * sizeof(uint64_t),
            vmdk_se_entry_encode(&tables->hdr, vmdk_se_table_entry(table, i)));
    table->pins++;
    vd_table_mark(table, false);
    ok = vd_node_co_pwrite(
        tables->file, (first + number * VMDK_SE_TABLE_SECTORS) * VMDK_SECTOR,
        raw, VMDK_SE_TABLE_BYTES, error);
    table->pins--;
    if (!ok && !table->dirty)
        vmdk_se_tables_set(tables, table, 0, vmdk_se_table_entry(table, 0));
    return ok;
}

static bool
directory_co_write(VmdkSeTables *tables, GError **error)
{
    uint64_t at = tables->hdr.part[VMDK_SE_DIRECTORY].start * VMDK_SECTOR;
    uint32_t first = tables->gd_dirty, n = tables->gd_behind - first;
    g_autofree uint8_t *raw = g_malloc(MAX(n, 1) * sizeof(uint64_t));

    for (uint32_t i = 0; i < n; i++)
        vio_put_le64(raw + i * sizeof(uint64_t),
                     vmdk_se_directory_encode(tables->gd[first + i]));
    tables->gd_dirty = tables->gd_behind = 0;
    if (!n || vd_node_co_pwrite(tables->file, at + first * sizeof(uint64_t),
                                raw, n * sizeof(uint64_t), error))
        return true;
    tables->gd_dirty = MIN(first, tables->gd_dirty);
    tables->gd_behind = MAX(first + n, tables->gd_behind);
    return false;
}

bool
vmdk_se_tables_co_write(VmdkSeTables *tables, GError **error)
{
    while (tables->dirty->len) {
        VdTable *table = g_ptr_array_remove_index_fast(tables->dirty,
                                                       tables->dirty->len - 1);

        if (!table_co_write(tables, table, error))
            return false;
    }
    return directory_co_write(tables, error);
}
