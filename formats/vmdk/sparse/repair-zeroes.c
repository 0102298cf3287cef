/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/repair-zeroes.c - a table in the place of a directory
 * entry that means zeroes.
 *
 * Redo logs have no mark for a grain of zeroes, so above a parent the first
 * write would show the parent's bytes around it: the disk can only be read
 * there.  A table that names grains in a hole of the file reads the same.
 *
 * Concurrency: nobody may write meanwhile.
 */
#include "formats/vmdk/sparse/repair.h"

#include "io/bytes.h"

static bool
may_stay(const VmdkRepair *r, uint32_t gde)
{
    return gde != VMDK_GTE_ZERO || r->tables->zero_gte ||
           !vmdk_has_parent(r->e->state);
}

/* The table at @place, its grains behind it: @n of them. */
static bool
repair_co_put(VmdkRepair *r, uint64_t place, uint32_t n, GError **error)
{
    const VmdkTables *t = r->tables;
    uint64_t len = (uint64_t) t->gt_sectors * VMDK_SECTOR;
    uint64_t grain = t->hdr.grain_sectors, sector = (place + len) / VMDK_SECTOR;
    uint64_t end = place + len + n * grain * VMDK_SECTOR;
    g_autofree uint8_t *raw = g_malloc0(len);
    static const uint8_t zeroes[VMDK_SECTOR];

    for (uint32_t i = 0; i < n; i++)
        vio_put_le32(raw + (size_t) i * sizeof(uint32_t),
                     (uint32_t) (sector + i * grain));
    /* The last sector, so that the file reaches this far. */
    return vd_node_co_pwrite(r->e->file, place, raw, len, error) &&
           vd_node_co_pwrite(r->e->file, end - VMDK_SECTOR, zeroes, VMDK_SECTOR,
                             error);
}

bool
vmdk_repair_co_zero_table(VmdkRepair *r, uint32_t index, uint32_t *gde,
                          GError **error)
{
    const VmdkTables *t = r->tables;
    uint64_t grain = t->hdr.grain_sectors, place = 0;
    uint32_t n = vmdk_tables_entries_in_use(t, index);

    if (may_stay(r, *gde))
        return true;
    /* The last grain may end behind the file. */
    r->next = MAX(r->next, (r->file_sectors + grain) * VMDK_SECTOR);
    if (!vmdk_repair_reserve(r, (t->gt_sectors + n * grain) * VMDK_SECTOR,
                             &place, error) ||
        !repair_co_put(r, place, n, error))
        return vd_prefix(error, "making a table of zeroes: ");
    *gde = (uint32_t) (place / VMDK_SECTOR);
    g_hash_table_add(r->zeroes, GSIZE_TO_POINTER((gsize) index));
    return true;
}
