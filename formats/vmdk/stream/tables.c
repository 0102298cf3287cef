/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/tables.c - grain tables of a stream being written.
 *
 * In front of the grains every table has its place and the directory names
 * them all, written or not, as VMware's readers want it.  At the end a table
 * stands behind its grains, and the directory has 0 for those without any.
 *
 * Concurrency: entries are set and tables taken without yielding; writes of
 * different tables may overlap.
 */
#include "formats/vmdk/stream/tables.h"

#include "io/bytes.h"

#define GD_CHUNK_BYTES 65536

typedef struct {
    uint64_t index, sector;
} VmdkStreamPlace;

void
vmdk_stream_tables_init(VmdkStreamTables *tables, VdNode *file,
                        const VmdkHeader *hdr)
{
    *tables = (VmdkStreamTables){
        .file = file,
        .hdr = hdr,
        .placed = g_array_new(FALSE, FALSE, sizeof(VmdkStreamPlace)),
    };
}

void
vmdk_stream_tables_clear(VmdkStreamTables *tables)
{
    g_clear_pointer(&tables->open.data, g_free);
    g_clear_pointer(&tables->placed, g_array_unref);
}

size_t
vmdk_stream_table_bytes(const VmdkStreamTables *tables)
{
    return (size_t) vmdk_header_gt_sectors(tables->hdr) * VMDK_SECTOR;
}

static uint64_t
table_index(const VmdkStreamTables *tables, uint64_t off)
{
    return off / vmdk_header_gt_coverage(tables->hdr);
}

bool
vmdk_stream_tables_is_full(const VmdkStreamTables *tables, uint64_t off)
{
    return tables->open.data && tables->open.index != table_index(tables, off);
}

VmdkStreamTable
vmdk_stream_tables_take(VmdkStreamTables *tables)
{
    VmdkStreamTable table = tables->open;

    tables->open.data = NULL;
    table.first = tables->taken;
    if (table.data)
        tables->taken = table.index + 1;
    return table;
}

void
vmdk_stream_tables_set(VmdkStreamTables *tables, uint64_t off, uint64_t sector)
{
    uint64_t grain = off / vmdk_header_grain_bytes(tables->hdr);
    uint64_t entry = grain % tables->hdr->gtes_per_gt;

    g_assert(!vmdk_stream_tables_is_full(tables, off));
    g_assert(sector <= UINT32_MAX);
    if (!tables->open.data) {
        tables->open.index = table_index(tables, off);
        tables->open.data = g_malloc0(vmdk_stream_table_bytes(tables));
    }
    vio_put_le32(tables->open.data + entry * sizeof(uint32_t),
                 (uint32_t) sector);
}

void
vmdk_stream_tables_placed(VmdkStreamTables *tables, uint64_t index,
                          uint64_t sector)
{
    VmdkStreamPlace place = {index, sector};

    g_array_append_val(tables->placed, place);
}

/* -- tables in front ---------------------------------------------------------
 */

/* Bytes [off, end) of the file read as zeroes.  A new file has a hole there;
 * a device may have anything. */
static bool
clear_co_range(VdNode *file, uint64_t off, uint64_t end, GError **error)
{
    end = MIN(end, vd_node_size(file));
    while (off < end) {
        VdRun run;

        if (!vd_node_co_map(file, off, end - off, VD_WANT_ZERO, &run, error))
            return false;
        if (run.kind != VD_RUN_ZERO &&
            !vd_node_co_write_zeroes(file, off, run.len, VD_REQ_MAY_UNMAP,
                                     error))
            return false;
        off += run.len;
    }
    return true;
}

static bool
clear_co_tables(VmdkStreamTables *tables, uint64_t from, uint64_t to,
                GError **error)
{
    const VmdkHeader *hdr = tables->hdr;

    return from >= to ||
           clear_co_range(tables->file,
                          vmdk_header_gt_sector(hdr, from) * VMDK_SECTOR,
                          vmdk_header_gt_sector(hdr, to) * VMDK_SECTOR, error);
}

bool
vmdk_stream_tables_co_write(VmdkStreamTables *tables,
                            const VmdkStreamTable *table, GError **error)
{
    uint64_t sector = vmdk_header_gt_sector(tables->hdr, table->index);

    return clear_co_tables(tables, table->first, table->index, error) &&
           vd_node_co_pwrite(tables->file, sector * VMDK_SECTOR, table->data,
                             vmdk_stream_table_bytes(tables), error);
}

bool
vmdk_stream_tables_co_clear_rest(VmdkStreamTables *tables, GError **error)
{
    uint64_t n = vmdk_header_n_gts(tables->hdr);

    return clear_co_tables(tables, tables->taken, n, error);
}

/* -- directory ---------------------------------------------------------------
 */

/* Sector of table @index as the directory has it.  *@next: cursor in the
 * placed tables, for callers that ask in ascending order. */
static uint64_t
gd_entry(const VmdkStreamTables *tables, uint64_t index, guint *next)
{
    const VmdkStreamPlace *place;

    if (tables->hdr->gd_sector != VMDK_GD_AT_END)
        return vmdk_header_gt_sector(tables->hdr, index);
    if (*next >= tables->placed->len)
        return 0;
    place = &g_array_index(tables->placed, VmdkStreamPlace, *next);
    if (place->index != index)
        return 0;
    (*next)++;
    return place->sector;
}

bool
vmdk_stream_tables_co_write_gd(VmdkStreamTables *tables, uint64_t sector,
                               GError **error)
{
    uint64_t n = vmdk_header_n_gts(tables->hdr), index = 0, done = 0;
    uint64_t total = vmdk_header_gd_sectors(tables->hdr) * VMDK_SECTOR;
    g_autofree uint8_t *chunk = g_malloc(MIN(total, GD_CHUNK_BYTES));
    guint next = 0;

    while (done < total) {
        size_t len = (size_t) MIN(total - done, GD_CHUNK_BYTES);

        memset(chunk, 0, len);
        for (size_t i = 0; i < len && index < n; i += sizeof(uint32_t)) {
            vio_put_le32(chunk + i, (uint32_t) gd_entry(tables, index, &next));
            index++;
        }
        if (!vd_node_co_pwrite(tables->file, sector * VMDK_SECTOR + done, chunk,
                               len, error))
            return false;
        done += len;
    }
    return true;
}
