/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sesparse/tables.c - grain directory and look-up of grain tables
 * of a seSparse extent.
 *
 * One table covers 16 MiB of disk, and tables stand in the order of their first
 * use: reading them one by one costs little and reading ahead gains nothing.
 *
 * Concurrency: one loop.  Who needs a table that is on its way waits for that
 * read.
 */
#include "formats/vmdk/sesparse/tables.h"
#include "io/bytes.h"
#include "formats/vmdk/sparse/header.h"

#define DIRECTORY_PIECE (1u << 17) /* entries, 1 MiB */

typedef struct {
    uint32_t index;
    VioCoQueue waiters;
} TableLoad;

static uint64_t
file_sectors(const VmdkSeTables *tables)
{
    /* The last grain may be cut short. */
    return (vd_node_size(tables->file) + VMDK_SECTOR - 1) / VMDK_SECTOR;
}

/* -- directory
 * -------------------------------------------------------------------- */

static bool
directory_co_read(VmdkSeTables *tables, GError **error)
{
    uint64_t at = tables->hdr.part[VMDK_SE_DIRECTORY].start * VMDK_SECTOR;
    uint64_t sectors = file_sectors(tables);
    uint32_t piece = MIN(tables->n, DIRECTORY_PIECE);
    g_autofree uint8_t *raw = g_malloc(piece * sizeof(uint64_t));

    for (uint32_t i = 0; i < tables->n; i += piece) {
        uint32_t n = MIN(piece, tables->n - i);

        if (!vd_node_co_pread(tables->file, at + i * sizeof(uint64_t), raw,
                              n * sizeof(uint64_t), error))
            return vd_prefix(error, "reading the grain directory: ");
        for (uint32_t k = 0; k < n; k++)
            tables->gd[i + k] = vmdk_se_directory_decode(
                &tables->hdr, vio_get_le64(raw + k * sizeof(uint64_t)),
                sectors);
    }
    return true;
}

VmdkSeTables *
vmdk_se_tables_co_open(VdNode *file, const VmdkSeHeader *hdr, GError **error)
{
    VmdkSeTables *tables = g_new0(VmdkSeTables, 1);

    tables->file = file;
    tables->hdr = *hdr;
    tables->cache = vd_table_cache_ref(vd_node_loop(file));
    tables->dirty = g_ptr_array_new();
    tables->n = vmdk_se_header_n_tables(hdr);
    tables->gd = g_try_new(uint32_t, tables->n);
    tables->slot = g_try_new0(VdTable *, tables->n);
    if (!tables->gd || !tables->slot)
        (void) vd_throw(error, VD_ERROR_NO_MEMORY,
                        "%s: no memory for a directory of %u grain tables",
                        vd_node_name(file), tables->n);
    if (!tables->gd || !tables->slot || !directory_co_read(tables, error))
        g_clear_pointer(&tables, vmdk_se_tables_free);
    return tables;
}

void
vmdk_se_tables_free(VmdkSeTables *tables)
{
    if (!tables)
        return;
    g_assert(g_queue_is_empty(&tables->loads));
    for (uint32_t i = 0; tables->slot && i < tables->n; i++)
        if (tables->slot[i])
            vd_table_cache_drop(tables->cache, tables->slot[i]);
    vd_table_cache_unref(tables->cache);
    g_ptr_array_unref(tables->dirty);
    g_free(tables->slot);
    g_free(tables->gd);
    g_free(tables);
}

/* -- tables
 * ----------------------------------------------------------------------- */

static TableLoad *
find_load(VmdkSeTables *tables, uint32_t index)
{
    for (GList *l = tables->loads.head; l; l = l->next) {
        TableLoad *load = l->data;

        if (load->index == index)
            return load;
    }
    return NULL;
}

static void
install(VmdkSeTables *tables, uint32_t index, const uint8_t *raw)
{
    VdTable *table = vd_table_cache_add(tables->cache, &tables->slot, index,
                                        VMDK_SE_TABLE_BYTES);
    uint64_t sectors = file_sectors(tables);

    for (uint32_t i = 0; i < VMDK_SE_ENTRIES; i++) {
        uint64_t entry = vio_get_le64(raw + i * sizeof(uint64_t));

        vmdk_se_table_put(table, i,
                          vmdk_se_entry_decode(&tables->hdr, entry, sectors));
    }
    tables->slot[index] = table;
}

static bool
table_co_load(VmdkSeTables *tables, uint32_t index, GError **error)
{
    uint64_t first = tables->hdr.part[VMDK_SE_TABLES].start;
    uint64_t number = tables->gd[index] - 1;
    g_autofree uint8_t *raw = g_malloc(VMDK_SE_TABLE_BYTES);
    TableLoad load = {.index = index};
    bool ok;

    g_queue_push_tail(&tables->loads, &load);
    ok = vd_node_co_pread(
        tables->file, (first + number * VMDK_SE_TABLE_SECTORS) * VMDK_SECTOR,
        raw, VMDK_SE_TABLE_BYTES, error);
    if (ok)
        install(tables, index, raw);
    g_queue_remove(&tables->loads, &load);
    vio_co_queue_wake_all(&load.waiters);
    return ok || vd_prefix(error, "reading grain table %u: ", index);
}

static bool
refuse_bad(const VmdkSeTables *tables, uint32_t index, GError **error)
{
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: entry %u of the grain directory at sector "
                    "%" G_GUINT64_FORMAT " names no table in the file",
                    vd_node_name(tables->file), index,
                    tables->hdr.part[VMDK_SE_DIRECTORY].start);
}

VdTable *
vmdk_se_tables_co_get(VmdkSeTables *tables, uint32_t index, GError **error)
{
    VdTable *table;

    while (!(table = vmdk_se_tables_peek(tables, index))) {
        TableLoad *load = find_load(tables, index);

        if (load) {
            vio_co_queue_wait(&load->waiters);
        } else if (tables->gd[index] == VMDK_SE_TABLE_BAD) {
            refuse_bad(tables, index, error);
            return NULL;
        } else if (!table_co_load(tables, index, error)) {
            return NULL;
        }
    }
    return table;
}
