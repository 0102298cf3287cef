/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/table-load.c - grain tables from disk.
 *
 * Tables of one extent normally lie behind one another, so a miss reads a
 * window of them: 64 KiB at first (1 GiB of disk), doubled up to 1 MiB while
 * the misses walk forward.  While a window is being read, whoever needs one of
 * its tables waits for that read only.
 *
 * Every entry is checked once, here, so that look-ups need no checks.
 *
 * Concurrency: one loop.
 */
#include "formats/vmdk/sparse/tables.h"
#include "io/zero.h"

#include <string.h>

#define WINDOW_MIN_BYTES (64u << 10)
#define WINDOW_MAX_BYTES (1u << 20)

typedef struct {
    uint32_t first, n; /* tables */
    VioCoQueue waiters;
} TableLoad;

/* -- checking entries
 * ----------------------------------------------------------- */

VmdkEntryState
vmdk_tables_judge(const VmdkTables *tables, uint32_t e, uint64_t file_sectors)
{
    const VmdkHeader *hdr = &tables->hdr;

    if (e == VMDK_GTE_ABSENT || (e == VMDK_GTE_ZERO && tables->zero_gte))
        return VMDK_ENTRY_GOOD;
    if (e == VMDK_GTE_ZERO || e == VMDK_GTE_BAD || e >= file_sectors)
        return VMDK_ENTRY_BAD;
    if (tables->stream)
        return VMDK_ENTRY_GOOD; /* the record is checked when it is read */
    if (e < hdr->overhead_sectors)
        return VMDK_ENTRY_SUSPICIOUS;
    if (tables->meta->len &&
        vmdk_tables_hits_meta(tables, e, (uint64_t) e + hdr->grain_sectors - 1))
        return VMDK_ENTRY_SUSPICIOUS;
    return !hdr->cowd && (e & (hdr->grain_sectors - 1)) ? VMDK_ENTRY_MISALIGNED
                                                        : VMDK_ENTRY_GOOD;
}

/* Entries of table @index that belong to the disk; those behind its end are
 * other tools' leftovers. */
uint32_t
vmdk_tables_entries_in_use(const VmdkTables *tables, uint32_t index)
{
    const VmdkHeader *hdr = &tables->hdr;
    uint64_t grains =
        (hdr->capacity_sectors + hdr->grain_sectors - 1) / hdr->grain_sectors;

    return (uint32_t) MIN(grains - (uint64_t) index * tables->gtes_per_gt,
                          tables->gtes_per_gt);
}

/* The quick look: nothing but good entries? */
static bool
is_clean(const VmdkTables *tables, uint32_t index, const uint32_t *raw,
         uint64_t file_sectors)
{
    uint32_t n = vmdk_tables_entries_in_use(tables, index);
    unsigned bad = 0;

    for (uint32_t i = 0; i < n; i++)
        bad |= vmdk_tables_judge(tables, GUINT32_FROM_LE(raw[i]), file_sectors);
    return !bad;
}

bool
vmdk_tables_sift(VmdkTables *tables, uint32_t index, uint32_t *raw,
                 const uint32_t *other, bool *damaged)
{
    uint32_t n = vmdk_tables_entries_in_use(tables, index);
    uint64_t sectors =
        (vd_node_size(tables->file) + VMDK_SECTOR - 1) / VMDK_SECTOR;

    if (is_clean(tables, index, raw, sectors))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        VmdkEntryState state =
            vmdk_tables_judge(tables, GUINT32_FROM_LE(raw[i]), sectors);
        uint32_t second = other ? GUINT32_FROM_LE(other[i]) : 0;

        if (state == VMDK_ENTRY_GOOD)
            continue;
        if (other && second > VMDK_GTE_ZERO &&
            vmdk_tables_judge(tables, second, sectors) == VMDK_ENTRY_GOOD) {
            raw[i] = other[i];
            tables->stats.redundant++;
            *damaged = true;
        } else if (state == VMDK_ENTRY_BAD) {
            raw[i] = GUINT32_TO_LE(VMDK_GTE_BAD);
            tables->stats.bad++;
            *damaged = true;
        } else if (state == VMDK_ENTRY_SUSPICIOUS) {
            tables->stats.suspicious++;
            *damaged = true;
        }
    }
    return true;
}

/* -- reading
 * --------------------------------------------------------------------- */

static size_t
table_size(const VmdkTables *tables)
{
    return (size_t) tables->gtes_per_gt * sizeof(uint32_t);
}

static uint32_t *
table_co_read_redundant(VmdkTables *tables, uint32_t index, GError **error)
{
    g_autofree uint32_t *raw = g_malloc(table_size(tables));

    if (!tables->rgd || tables->rgd[index] <= VMDK_GTE_ZERO)
        return vd_throw_null(error, VD_ERROR_NOT_FOUND,
                             "no redundant grain table");
    if (!vd_node_co_pread(tables->file,
                          (uint64_t) tables->rgd[index] * VMDK_SECTOR, raw,
                          table_size(tables), error))
        return NULL;
    return g_steal_pointer(&raw);
}

/* @raw (one table) goes into the cache, unless somebody was quicker. */
static void
install(VmdkTables *tables, uint32_t index, const uint32_t *raw, bool damaged)
{
    VdTable *table;

    if (tables->slot[index])
        return;
    if (!damaged && vio_is_zero(raw, table_size(tables))) {
        tables->slot[index] = tables->empty;
        return;
    }
    table = vmdk_tables_new(tables, index);
    memcpy(table->words, raw, table_size(tables));
    table->damaged = damaged;
    tables->slot[index] = table;
}

static void
warn_once(VmdkTables *tables, uint32_t index)
{
    if (tables->warned)
        return;
    tables->warned = true;
    vd_node_warn(tables->file,
                 "%s: grain table %u at sector %u has bad entries; check the "
                 "image",
                 vd_node_name(tables->file), index, tables->gd[index]);
}

static void
table_co_accept(VmdkTables *tables, uint32_t index, uint32_t *raw)
{
    uint64_t sectors =
        (vd_node_size(tables->file) + VMDK_SECTOR - 1) / VMDK_SECTOR;
    g_autofree uint32_t *other = NULL;
    bool damaged = false;

    if (!is_clean(tables, index, raw, sectors)) {
        other = table_co_read_redundant(tables, index, NULL);
        if (vmdk_tables_sift(tables, index, raw, other, &damaged) && damaged)
            warn_once(tables, index);
    }
    install(tables, index, raw, damaged);
}

/* The one table that was asked for, from the copy that is left. */
static bool
table_co_load_redundant(VmdkTables *tables, uint32_t index, GError **error)
{
    g_autofree uint32_t *raw = table_co_read_redundant(tables, index, NULL);
    bool damaged = false;

    if (!raw)
        return false;
    g_clear_error(error);
    tables->stats.redundant += tables->gtes_per_gt;
    vd_node_warn(tables->file,
                 "%s: grain table %u is unreadable; using the redundant one",
                 vd_node_name(tables->file), index);
    (void) vmdk_tables_sift(tables, index, raw, NULL, &damaged);
    /* A writer rewrites both copies, which may even mend the unreadable one. */
    install(tables, index, raw, damaged);
    return true;
}

static bool
table_co_read_window(VmdkTables *tables, const TableLoad *load, GError **error)
{
    size_t size = table_size(tables);
    g_autofree uint8_t *raw = g_malloc(load->n * size);

    tables->stats.loads++;
    if (!vd_node_co_pread(tables->file,
                          (uint64_t) tables->gd[load->first] * VMDK_SECTOR, raw,
                          load->n * size, error))
        return false;
    for (uint32_t i = 0; i < load->n; i++)
        table_co_accept(tables, load->first + i,
                        (uint32_t *) (void *) (raw + i * size));
    return true;
}

/* -- windows
 * ----------------------------------------------------------------------- */

static TableLoad *
find_load(VmdkTables *tables, uint32_t index)
{
    for (GList *l = tables->loads.head; l; l = l->next) {
        TableLoad *load = l->data;

        if (index - load->first < load->n)
            return load;
    }
    return NULL;
}

static bool
continues(VmdkTables *tables, uint32_t index)
{
    return tables->gd[index] != VMDK_GTE_BAD &&
           (uint64_t) tables->gd[index - 1] + tables->gt_sectors ==
               tables->gd[index] &&
           !tables->slot[index] && !find_load(tables, index);
}

/* Tables of less than a sector do not lie behind one another. */
static uint32_t
tables_in(const VmdkTables *tables, size_t bytes)
{
    size_t size = table_size(tables);

    return size % VMDK_SECTOR ? 1 : (uint32_t) MAX(1, bytes / size);
}

/* Tables around @index that one read can bring. */
static TableLoad
choose_window(VmdkTables *tables, uint32_t index)
{
    uint32_t min = tables_in(tables, WINDOW_MIN_BYTES);
    uint32_t max = tables_in(tables, WINDOW_MAX_BYTES);
    uint32_t lo = index, hi = index + 1, floor, ceiling;

    tables->ahead = index == tables->ahead_next && tables->ahead
                        ? MIN(tables->ahead * 2, max)
                        : min;
    floor = index / min * min; /* a little backwards too */
    ceiling = MIN((uint64_t) floor + tables->ahead, tables->n_gts);
    while (lo > floor && !tables->slot[lo - 1] && !find_load(tables, lo - 1) &&
           tables->gd[lo - 1] > VMDK_GTE_ZERO &&
           (uint64_t) tables->gd[lo - 1] + tables->gt_sectors == tables->gd[lo])
        lo--;
    while (hi < ceiling && continues(tables, hi))
        hi++;
    tables->ahead_next = hi;
    return (TableLoad){.first = lo, .n = hi - lo};
}

static bool
table_co_load_window(VmdkTables *tables, uint32_t index, GError **error)
{
    TableLoad load = choose_window(tables, index);
    bool ok;

    g_queue_push_tail(&tables->loads, &load);
    ok = table_co_read_window(tables, &load, error);
    if (!ok && load.n > 1) {
        /* A bad spot in a neighbour is nobody's concern yet. */
        TableLoad one = {.first = index, .n = 1};

        g_clear_error(error);
        ok = table_co_read_window(tables, &one, error);
    }
    if (!ok)
        ok = table_co_load_redundant(tables, index, error);
    g_queue_remove(&tables->loads, &load);
    vio_co_queue_wake_all(&load.waiters);
    return ok;
}

static bool
refuse_bad_directory(VmdkTables *tables, uint32_t index, GError **error)
{
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: entry %u of the grain directory at sector "
                    "%" G_GUINT64_FORMAT " names no place in the file",
                    vd_node_name(tables->file), index, tables->hdr.gd_sector);
}

/* Directory entry 1: the whole table is zero marks. */
static void
install_zero_marks(VmdkTables *tables, uint32_t index)
{
    VdTable *table = vmdk_tables_new(tables, index);

    for (uint32_t i = 0; i < tables->gtes_per_gt; i++)
        table->words[i] = GUINT32_TO_LE(VMDK_GTE_ZERO);
    tables->slot[index] = table;
}

VdTable *
vmdk_tables_co_get(VmdkTables *tables, uint32_t index, GError **error)
{
    VdTable *table;

    while (!(table = vmdk_tables_peek(tables, index))) {
        TableLoad *load = find_load(tables, index);

        if (load)
            vio_co_queue_wait(&load->waiters);
        else if (tables->gd[index] == VMDK_GTE_BAD) {
            refuse_bad_directory(tables, index, error);
            return NULL;
        } else if (tables->gd[index] == VMDK_GTE_ABSENT)
            tables->slot[index] = tables->empty;
        else if (tables->gd[index] == VMDK_GTE_ZERO)
            install_zero_marks(tables, index);
        else if (!vmdk_tables_co_note_hole(tables, index) &&
                 !tables->slot[index] && !find_load(tables, index) &&
                 !table_co_load_window(tables, index, error))
            return NULL;
    }
    return table;
}
