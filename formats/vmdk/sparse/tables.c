/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/tables.c - grain directory and look-up of grain tables.
 *
 * Both directories are read when the extent is opened.  An entry of the
 * primary that names no place in the file is taken from the redundant one,
 * counted, and bars the extent from being written.
 *
 * Concurrency: one loop; nothing here yields between looking at a slot and
 * changing it.
 */
#include "formats/vmdk/sparse/tables.h"

#include <string.h>

/* -- directory ---------------------------------------------------------------
 */

/* May entry @e of a directory be used? */
static bool
gde_is_good(const VmdkTables *tables, uint32_t e, uint64_t file_sectors)
{
    if (e == 0 || (e == VMDK_GTE_ZERO && tables->zero_gde))
        return true;
    return e > 1 && (uint64_t) e + tables->gt_sectors <= file_sectors;
}

static uint32_t *
tables_co_read_directory(VmdkTables *tables, uint64_t sector, const char *what,
                         GError **error)
{
    uint64_t bytes = (uint64_t) tables->n_gts * sizeof(uint32_t);
    uint64_t size = vd_node_size(tables->file);
    g_autofree uint32_t *gd = NULL;

    if (sector > size / VMDK_SECTOR || bytes > size - sector * VMDK_SECTOR)
        return vd_throw_null(
            error, VD_ERROR_CORRUPT,
            "%s: %s at sector %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
            " bytes lies outside the file of %" G_GUINT64_FORMAT " bytes",
            vd_node_name(tables->file), what, sector, bytes, size);
    gd = g_try_malloc(MAX(bytes, 1));
    if (!gd)
        return vd_throw_null(error, VD_ERROR_NO_MEMORY,
                             "%s: no memory for a %s of %" G_GUINT64_FORMAT
                             " bytes",
                             vd_node_name(tables->file), what, bytes);
    if (!vd_node_co_pread(tables->file, sector * VMDK_SECTOR, gd, bytes, error))
        return vd_prefix_null(error, "reading %s: ", what);
    for (uint32_t i = 0; i < tables->n_gts; i++)
        gd[i] = GUINT32_FROM_LE(gd[i]);
    return g_steal_pointer(&gd);
}

/* Absent, all zero marks, or somewhere: a writer of both copies relies on both
 * being the same. */
static uint32_t
kind_of(uint32_t e)
{
    return MIN(e, VMDK_GTE_ZERO + 1);
}

/* New tables enter the redundant directory first (table-write.c).  What a crash
 * has left only there was never in use. */
static bool
forget_half_placed(VmdkTables *tables, uint32_t i)
{
    if (!tables->hdr.unclean || tables->gd[i] || tables->rgd[i] <= 1)
        return false;
    tables->rgd[i] = 0;
    tables->gd_dirty = true;
    return true;
}

/* Entries of the primary that are no good come from the redundant one. */
static void
reconcile_directories(VmdkTables *tables)
{
    uint64_t sectors = vd_node_size(tables->file) / VMDK_SECTOR;

    for (uint32_t i = 0; i < tables->n_gts; i++) {
        uint32_t other = tables->rgd ? tables->rgd[i] : 0;
        bool other_good = gde_is_good(tables, other, sectors);

        if (tables->rgd && forget_half_placed(tables, i))
            continue;
        if (tables->rgd &&
            (!other_good || kind_of(other) != kind_of(tables->gd[i]))) {
            tables->gd_damaged = true;
            if (!other_good)
                tables->rgd[i] = 0;
        }
        if (gde_is_good(tables, tables->gd[i], sectors))
            continue;
        tables->gd_damaged = true;
        if (other > 1 && other_good) {
            tables->gd[i] = other;
            tables->stats.redundant++;
        } else {
            tables->gd[i] = VMDK_GTE_BAD;
            tables->stats.bad++;
        }
    }
}

/* The redundant one in the place of a primary that cannot be had. */
static void
stand_in(VmdkTables *tables)
{
    vd_node_warn(tables->file, "%s; using the redundant grain directory",
                 tables->gd_error->message);
    tables->gd =
        g_memdup2(tables->rgd, (size_t) tables->n_gts * sizeof(uint32_t));
    tables->stats.redundant += tables->n_gts;
}

static bool
tables_co_load_directories(VmdkTables *tables, GError **error)
{
    const VmdkHeader *hdr = &tables->hdr;
    GError **reason = &tables->gd_error;

    tables->gd = tables_co_read_directory(tables, hdr->gd_sector,
                                          "grain directory", reason);
    if ((hdr->flags & VMDK_FLAG_REDUNDANT) && hdr->rgd_sector)
        tables->rgd = tables_co_read_directory(tables, hdr->rgd_sector,
                                               "redundant grain directory",
                                               tables->gd ? reason : NULL);
    if (!tables->gd && tables->rgd)
        stand_in(tables);
    if (!tables->gd) {
        g_propagate_error(error, g_steal_pointer(reason));
        return false;
    }
    tables->gd_damaged = tables->gd_error != NULL;
    reconcile_directories(tables);
    return true;
}

/* Tables that are not on disk, or hold only zero marks, need no reading. */
static void
preset_slots(VmdkTables *tables)
{
    for (uint32_t i = 0; i < tables->n_gts; i++)
        if (tables->gd[i] == 0)
            tables->slot[i] = tables->empty;
}

static VdTable *
new_empty_table(VmdkTables *tables)
{
    VdTable *table =
        g_malloc0(sizeof(VdTable) + tables->gtes_per_gt * sizeof(uint32_t));

    table->owner = tables;
    table->referenced = true;
    return table;
}

VmdkTables *
vmdk_tables_co_open(VdNode *file, const VmdkHeader *hdr, GError **error)
{
    VmdkTables *tables = g_new0(VmdkTables, 1);

    tables->file = file;
    tables->hdr = *hdr;
    tables->cache = vd_table_cache_ref(vd_node_loop(file));
    tables->n_gts = (uint32_t) vmdk_header_n_gts(hdr);
    tables->gtes_per_gt = hdr->gtes_per_gt;
    tables->gt_sectors = (uint32_t) vmdk_header_gt_sectors(hdr);
    tables->zero_gte =
        (hdr->flags & VMDK_FLAG_ZEROED_GTE) != 0 || hdr->version == 2;
    tables->zero_gde = tables->zero_gte || hdr->cowd;
    tables->stream = (hdr->flags & VMDK_FLAG_COMPRESSED) != 0;
    tables->dirty = g_ptr_array_new();
    tables->empty = new_empty_table(tables);
    tables->slot = g_try_new0(VdTable *, MAX(tables->n_gts, 1));
    if (!tables->slot)
        (void) vd_throw(error, VD_ERROR_NO_MEMORY,
                        "%s: no memory for %u grain tables", vd_node_name(file),
                        tables->n_gts);
    if (!tables->slot || !tables_co_load_directories(tables, error)) {
        vmdk_tables_free(tables);
        return NULL;
    }
    preset_slots(tables);
    vmdk_tables_note_meta(tables);
    return tables;
}

void
vmdk_tables_free(VmdkTables *tables)
{
    if (!tables)
        return;
    g_assert(g_queue_is_empty(&tables->loads));
    for (uint32_t i = 0; tables->slot && i < tables->n_gts; i++)
        if (tables->slot[i] && tables->slot[i] != tables->empty)
            vd_table_cache_drop(tables->cache, tables->slot[i]);
    vd_table_cache_unref(tables->cache);
    g_ptr_array_unref(tables->dirty);
    g_clear_pointer(&tables->meta, g_array_unref);
    g_clear_error(&tables->gd_error);
    g_free(tables->empty);
    g_free(tables->slot);
    g_free(tables->gd);
    g_free(tables->rgd);
    g_free(tables);
}

/* -- changing
 * ------------------------------------------------------------------ */

/* Whoever writes upwards goes on behind @index. */
static void
shorten_hole(VmdkTables *tables, uint32_t index)
{
    uint32_t end = tables->hole_first + tables->hole_n;

    vmdk_tables_forget_hole(tables);
    tables->hole_first = index + 1;
    tables->hole_n = end - tables->hole_first;
}

VdTable *
vmdk_tables_new(VmdkTables *tables, uint32_t index)
{
    VdTable *table =
        vd_table_cache_add(tables->cache, &tables->slot, index,
                           tables->gtes_per_gt * (uint32_t) sizeof(uint32_t));

    table->owner = tables;
    return table;
}

/* In place of the constant table a real one. */
static VdTable *
materialise(VmdkTables *tables, uint32_t index)
{
    VdTable *table = vmdk_tables_new(tables, index);

    memset(table->words, 0, tables->gtes_per_gt * sizeof(uint32_t));
    tables->slot[index] = table;
    if (index - tables->hole_first < tables->hole_n)
        shorten_hole(tables, index);
    return table;
}

VdTable *
vmdk_tables_co_get_rw(VmdkTables *tables, uint32_t index, GError **error)
{
    VdTable *table = vmdk_tables_co_get(tables, index, error);

    if (!table)
        return NULL;
    if (table == tables->empty)
        table = materialise(tables, index);
    if (table->damaged)
        return vd_throw_null(error, VD_ERROR_CORRUPT,
                             "%s: grain table %u at sector %u has entries that "
                             "point outside the grains; check the image",
                             vd_node_name(tables->file), index,
                             tables->gd[index]);
    return table;
}

void
vmdk_tables_set(VdTable *table, uint32_t i, uint32_t value)
{
    VmdkTables *tables = table->owner;

    table->words[i] = GUINT32_TO_LE(value);
    if (table->dirty)
        return;
    /* It may have been empty, and its place a hole, until now. */
    if (table->index - tables->hole_first < tables->hole_n)
        shorten_hole(tables, table->index);
    vd_table_mark(table, true);
    g_ptr_array_add(tables->dirty, table);
}

void
vmdk_tables_drop(VmdkTables *tables, uint32_t index)
{
    VdTable *table = tables->slot[index];

    if (tables->gd[index] == 0)
        return;
    if (table && table != tables->empty) {
        g_assert(!table->dirty);
        vd_table_cache_drop(tables->cache, table);
    }
    tables->slot[index] = tables->empty;
    tables->gd[index] = 0;
    if (tables->rgd)
        tables->rgd[index] = 0;
    tables->gd_dirty = true;
    vmdk_tables_forget_hole(tables);
}

bool
vmdk_tables_is_missing(const VmdkTables *tables, uint32_t index)
{
    return tables->gd[index] <= VMDK_GTE_ZERO;
}

void
vmdk_tables_place(VmdkTables *tables, uint32_t index, uint32_t sector)
{
    bool zeroes = tables->gd[index] == VMDK_GTE_ZERO;
    VdTable *table = tables->slot[index];

    g_assert(vmdk_tables_is_missing(tables, index));
    if (!table || table == tables->empty)
        table = materialise(tables, index);
    if (zeroes && !tables->zero_gte) {
        /* No entry says so; without a parent an absent one reads the same. */
        memset(table->words, 0, tables->gtes_per_gt * sizeof(uint32_t));
        zeroes = false;
    }
    tables->gd[index] = sector;
    if (tables->rgd)
        tables->rgd[index] = sector + tables->gt_sectors;
    vmdk_tables_note_table(tables, index);
    tables->gd_dirty = true;
    /* All of it has to reach the disk, entries or not. */
    for (uint32_t i = 0; i < tables->gtes_per_gt; i++)
        if (zeroes || i == 0)
            vmdk_tables_set(
                table, i, zeroes ? VMDK_GTE_ZERO : vmdk_table_entry(table, i));
}
