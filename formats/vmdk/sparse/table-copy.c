/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/table-copy.c - all tables of an extent to another place.
 *
 * Only those that have entries; the others are the zeroes that are there.
 *
 * Concurrency: nobody changes entries meanwhile.
 */
#include "formats/vmdk/sparse/relayout.h"

#include <string.h>

#define BATCH_BYTES (64u << 10)

typedef struct {
    VmdkExtent *e;
    const VmdkHeader *hdr;
    GHashTable *moved;
    size_t bytes; /* of one table, in whole sectors */
    uint8_t *raw; /* tables [first, first + n) */
    uint32_t first, n, max;
} TableCopy;

static bool
copy_co_put(TableCopy *c, GError **error)
{
    uint64_t first = c->first;
    size_t len = c->n * c->bytes;

    c->n = 0;
    return !len ||
           (vd_node_co_pwrite(
                c->e->file, vmdk_header_rgt_sector(c->hdr, first) * VMDK_SECTOR,
                c->raw, len, error) &&
            vd_node_co_pwrite(
                c->e->file, vmdk_header_gt_sector(c->hdr, first) * VMDK_SECTOR,
                c->raw, len, error));
}

static uint32_t
entry_after_move(const TableCopy *c, uint32_t entry)
{
    gpointer place;

    if (c->moved && entry > VMDK_GTE_ZERO &&
        g_hash_table_lookup_extended(c->moved, GUINT_TO_POINTER(entry), NULL,
                                     &place))
        return GPOINTER_TO_UINT(place);
    return entry;
}

static void
copy_add(TableCopy *c, const VdTable *table, uint32_t n)
{
    uint32_t *raw = (uint32_t *) (void *) (c->raw + c->n * c->bytes);

    memset(raw, 0, c->bytes);
    for (uint32_t i = 0; i < n; i++)
        raw[i] = GUINT32_TO_LE(entry_after_move(c, vmdk_table_entry(table, i)));
    if (!c->n)
        c->first = table->index;
    c->n++;
}

static bool
copy_co_table(VmdkExtent *e, const VdTable *table, uint32_t n, void *arg,
              GError **error)
{
    TableCopy *c = arg;
    uint32_t index = table->index;

    if (!n)
        return true;
    if (c->n == c->max || (c->n && index != c->first + c->n)) {
        const VmdkTables *tables = e->sparse->tables;

        if (!copy_co_put(c, error))
            return false;
        /* The table may be gone after the yield. */
        table = vmdk_tables_co_get(e->sparse->tables, index, error);
        if (!table)
            return false;
        g_assert(tables == e->sparse->tables);
    }
    copy_add(c, table, n);
    return true;
}

bool
vmdk_tables_co_copy(VmdkExtent *e, const VmdkHeader *hdr, GHashTable *moved,
                    GError **error)
{
    TableCopy c = {.e = e, .hdr = hdr, .moved = moved};
    bool ok;

    c.bytes = (size_t) vmdk_header_gt_sectors(hdr) * VMDK_SECTOR;
    c.max = (uint32_t) MAX(BATCH_BYTES / c.bytes, 1);
    c.raw = g_malloc(c.max * c.bytes);
    ok = vmdk_sparse_co_walk(e, copy_co_table, &c, error) &&
         copy_co_put(&c, error);
    g_free(c.raw);
    return ok;
}
