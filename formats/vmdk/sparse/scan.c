/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/scan.c - walking over all grain tables.
 *
 * Tables that lie behind one another in both copies are read together, up to
 * 1 MiB; if that fails, one by one, so that a bad spot costs its table only.
 *
 * Concurrency: nobody may write meanwhile.
 */
#include "formats/vmdk/sparse/scan.h"

#define WINDOW_BYTES (1u << 20)

typedef struct {
    VmdkTables *tables;
    const VmdkScan *scan;
    uint8_t *primary, *redundant; /* buffers of one window */
} Walk;

static size_t
table_size(const VmdkTables *tables)
{
    return (size_t) tables->gtes_per_gt * sizeof(uint32_t);
}

static bool
follows(const VmdkTables *tables, const uint32_t *gd, uint32_t i)
{
    return !gd || (vmdk_table_is_placed(gd[i]) &&
                   gd[i] == gd[i - 1] + tables->gt_sectors);
}

/* Tables from @index on that one read of each copy brings. */
static uint32_t
window_length(const VmdkTables *tables, uint32_t index)
{
    size_t size = table_size(tables);
    uint32_t max = size % VMDK_SECTOR ? 1 : MAX(1, WINDOW_BYTES / size);
    uint32_t n = 1;

    if (!vmdk_table_is_placed(tables->gd[index]) ||
        (tables->rgd && !vmdk_table_is_placed(tables->rgd[index])))
        return 1;
    while (n < max && index + n < tables->n_gts &&
           follows(tables, tables->gd, index + n) &&
           follows(tables, tables->rgd, index + n))
        n++;
    return n;
}

bool
vmdk_scan_co_read(VdNode *file, uint64_t off, void *buf, size_t len,
                  GError **error)
{
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, buf, len);

    return vd_node_co_preadv_eof(file, off, &dst, NULL) ||
           vd_node_co_preadv_eof(file, off, &dst, error);
}

/* Up to @n tables of one copy; false = not there, or not readable as a whole.
 */
static bool
scan_co_read(Walk *walk, const uint32_t *gd, uint32_t index, uint32_t n,
             uint8_t *to, GError **error)
{
    VmdkTables *tables = walk->tables;

    return vmdk_scan_co_read(tables->file, (uint64_t) gd[index] * VMDK_SECTOR,
                             to, n * table_size(tables), error);
}

static uint32_t *
scan_co_read_one(Walk *walk, const uint32_t *gd, uint32_t index, uint8_t *to,
                 const char *what)
{
    g_autoptr(GError) error = NULL;

    if (!gd || !vmdk_table_is_placed(gd[index]))
        return NULL;
    if (scan_co_read(walk, gd, index, 1, to, &error))
        return (uint32_t *) (void *) to;
    if (walk->scan->unreadable)
        walk->scan->unreadable(walk->scan->arg, gd[index], what, error);
    return NULL;
}

static bool
walk_visit(Walk *walk, uint32_t index, uint32_t *primary, uint32_t *redundant,
           GError **error)
{
    VmdkTableView view = {.index = index,
                          .in_use =
                              vmdk_tables_entries_in_use(walk->tables, index),
                          .primary = primary,
                          .redundant = redundant};

    return walk->scan->visit(walk->scan->arg, &view, error);
}

static bool
scan_co_one(Walk *walk, uint32_t index, GError **error)
{
    VmdkTables *tables = walk->tables;
    uint32_t *primary =
        scan_co_read_one(walk, tables->gd, index, walk->primary, "grain table");
    uint32_t *redundant = scan_co_read_one(
        walk, tables->rgd, index, walk->redundant, "redundant grain table");

    return walk_visit(walk, index, primary, redundant, error);
}

static bool
scan_co_window(Walk *walk, uint32_t index, uint32_t n, GError **error)
{
    VmdkTables *tables = walk->tables;
    size_t size = table_size(tables);
    bool whole =
        n > 1 &&
        scan_co_read(walk, tables->gd, index, n, walk->primary, NULL) &&
        (!tables->rgd ||
         scan_co_read(walk, tables->rgd, index, n, walk->redundant, NULL));
    bool ok = true;

    for (uint32_t i = 0; i < n && ok; i++) {
        uint32_t *primary = (uint32_t *) (void *) (walk->primary + i * size);
        uint32_t *redundant =
            (uint32_t *) (void *) (walk->redundant + i * size);

        ok = whole ? walk_visit(walk, index + i, primary,
                                tables->rgd ? redundant : NULL, error)
                   : scan_co_one(walk, index + i, error);
    }
    return ok;
}

bool
vmdk_tables_co_scan(VmdkTables *tables, const VmdkScan *scan, GError **error)
{
    size_t room = MAX(WINDOW_BYTES, table_size(tables));
    g_autofree uint8_t *primary = g_malloc(room);
    g_autofree uint8_t *redundant = g_malloc(room);
    Walk walk = {.tables = tables,
                 .scan = scan,
                 .primary = primary,
                 .redundant = redundant};
    bool ok = true;

    for (uint32_t i = 0, n; i < tables->n_gts && ok; i += n) {
        n = vmdk_tables_co_count_hole(tables, i, true);
        if (n)
            continue;
        n = window_length(tables, i);
        ok = scan_co_window(&walk, i, n, error);
    }
    return ok;
}
