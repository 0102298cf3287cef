/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/table-write.c - changed grain tables back to disk.
 *
 *   copy the dirty tables - barrier - primary - redundant
 *     [ - barrier - redundant directory - barrier - directory, if tables are
 *     new ]
 *
 * The copy is taken before the barrier: an entry that is set while the barrier
 * runs points to data that the barrier may not cover, so it has to wait for
 * the next time.  Entries are only ever set after their data was written.
 *
 * Pieces are small on purpose: a page cache that once got them as megabytes
 * makes every later change of four bytes slow.
 *
 * Concurrency: one call at a time; changes by others in between make their
 * tables dirty again.
 */
#include "formats/vmdk/sparse/tables.h"

#include <string.h>

#define PIECE_BYTES (64u << 10)
#define PIECES_IN_FLIGHT 8

typedef struct {
    VmdkTables *tables;
    VdTable **table; /* sorted by index; pinned */
    uint8_t *bytes;
    uint32_t n;
    uint32_t *gd, *rgd; /* copies, if the directories are to be written */
} Batch;

typedef struct {
    VdNode *file;
    uint64_t off;
    const uint8_t *bytes;
    size_t len;
} Piece;

static size_t
table_size(const VmdkTables *tables)
{
    return (size_t) tables->gtes_per_gt * sizeof(uint32_t);
}

static gint
compare_tables(gconstpointer a, gconstpointer b)
{
    const VdTable *x = *(VdTable *const *) a;
    const VdTable *y = *(VdTable *const *) b;

    return x->index < y->index ? -1 : x->index > y->index;
}

/* In disk order. */
static uint32_t *
copy_directory(const uint32_t *gd, uint32_t n)
{
    uint32_t *raw = gd ? g_new(uint32_t, n) : NULL;

    for (uint32_t i = 0; raw && i < n; i++)
        raw[i] = GUINT32_TO_LE(gd[i]);
    return raw;
}

/* Take over what is dirty. */
static void
batch_take(Batch *batch, VmdkTables *tables)
{
    size_t size = table_size(tables);

    g_ptr_array_sort(tables->dirty, compare_tables);
    batch->tables = tables;
    batch->n = tables->dirty->len;
    batch->table = g_new(VdTable *, batch->n);
    batch->bytes = g_malloc(batch->n * size);
    for (uint32_t i = 0; i < batch->n; i++) {
        VdTable *table = g_ptr_array_index(tables->dirty, i);

        batch->table[i] = table;
        memcpy(batch->bytes + i * size, table->words, size);
        table->pins++;
        vd_table_mark(table, false);
    }
    g_ptr_array_set_size(tables->dirty, 0);
    if (tables->gd_dirty) {
        batch->gd = copy_directory(tables->gd, tables->n_gts);
        batch->rgd = copy_directory(tables->rgd, tables->n_gts);
        tables->gd_dirty = false;
    }
}

static void
batch_release(Batch *batch, bool written)
{
    for (uint32_t i = 0; i < batch->n; i++) {
        VdTable *table = batch->table[i];

        table->pins--;
        if (written || table->dirty)
            continue;
        vd_table_mark(table, true);
        g_ptr_array_add(batch->tables->dirty, table);
    }
    if (batch->gd && !written)
        batch->tables->gd_dirty = true;
    g_free(batch->table);
    g_free(batch->bytes);
    g_free(batch->gd);
    g_free(batch->rgd);
}

static bool
piece_co_write(void *arg, GError **error)
{
    const Piece *piece = arg;

    return vd_node_co_pwrite(piece->file, piece->off, piece->bytes, piece->len,
                             error);
}

/* How many tables from @i on lie behind one another on disk. */
static uint32_t
run_length(const Batch *batch, const uint32_t *gd, uint32_t i)
{
    size_t size = table_size(batch->tables);
    uint32_t max = size % VMDK_SECTOR ? 1 : MAX(1, PIECE_BYTES / size);
    uint32_t n = 1;

    while (n < max && i + n < batch->n &&
           gd[batch->table[i + n]->index] ==
               gd[batch->table[i + n - 1]->index] + batch->tables->gt_sectors)
        n++;
    return n;
}

/* One copy of all tables of the batch. */
static bool
batch_co_write(const Batch *batch, const uint32_t *gd, GError **error)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(PIECES_IN_FLIGHT);
    size_t size = table_size(batch->tables);

    for (uint32_t i = 0, n; i < batch->n && !vio_co_group_failed(group);
         i += n) {
        Piece *piece = g_new(Piece, 1);

        n = run_length(batch, gd, i);
        *piece =
            (Piece){.file = batch->tables->file,
                    .off = (uint64_t) gd[batch->table[i]->index] * VMDK_SECTOR,
                    .bytes = batch->bytes + i * size,
                    .len = n * size};
        vio_co_group_spawn(group, piece_co_write, piece, g_free);
    }
    return vio_co_group_join(group, error);
}

static bool
table_co_write_directory(const Batch *batch, const uint32_t *raw,
                         uint64_t sector, GError **error)
{
    return vd_node_co_pwrite(batch->tables->file, sector * VMDK_SECTOR, raw,
                             (size_t) batch->tables->n_gts * sizeof(uint32_t),
                             error);
}

static bool
batch_co_write_directories(const Batch *batch, VmdkBarrier barrier, void *arg,
                           GError **error)
{
    const VmdkHeader *hdr = &batch->tables->hdr;

    if (!batch->gd)
        return true;
    /* A table that the directory names has its copy, whatever happens. */
    if (batch->rgd &&
        !(barrier(arg, error) &&
          table_co_write_directory(batch, batch->rgd, hdr->rgd_sector, error)))
        return false;
    return barrier(arg, error) &&
           table_co_write_directory(batch, batch->gd, hdr->gd_sector, error);
}

bool
vmdk_tables_co_write(VmdkTables *tables, VmdkBarrier barrier, void *arg,
                     GError **error)
{
    Batch batch = {0};
    bool ok;

    if (!tables->dirty->len && !tables->gd_dirty)
        return true;
    batch_take(&batch, tables);
    tables->writing = true;
    vmdk_tables_forget_hole(tables);
    ok = barrier(arg, error) && batch_co_write(&batch, tables->gd, error) &&
         (!tables->rgd || batch_co_write(&batch, tables->rgd, error)) &&
         batch_co_write_directories(&batch, barrier, arg, error);
    tables->writing = false;
    vmdk_tables_forget_hole(tables); /* somebody may be asking right now */
    batch_release(&batch, ok);
    return ok;
}
