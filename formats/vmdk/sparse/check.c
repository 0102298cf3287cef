/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/check.c - is a sparse extent sound?
 *
 * Reads both copies of every table past the cache and compares them; looks at
 * every entry that belongs to the disk; notes each grain in a bitmap, which
 * finds grains with two owners and grains with none.  The bitmap's unit is a
 * grain, in a COWD extent, whose grains lie anywhere, a sector.
 *
 * Concurrency: nobody may write meanwhile.
 */
#include "block/finding.h"
#include "formats/vmdk/sparse/sparse.h"

#include <string.h>

#define CHECK_WINDOW (1u << 20)               /* bytes of tables in one read */
#define BITMAP_MAX (UINT64_C(512) << 20 << 3) /* slots: 512 MiB of bitmap */

typedef struct {
    VmdkExtent *e;
    VdCheckResult *result;
    const char *name;
    uint8_t *used;    /* bit per unit of the file */
    uint64_t n_slots; /* bits */
    uint64_t unit;    /* sectors */
    uint64_t file_sectors;
    uint64_t end;         /* highest sector in use */
    uint64_t grains_left; /* entries behind these do not matter */
    uint32_t previous;    /* entry in front, for counting fragments */
    GArray *stale; /* tables whose redundant copy differs; NULL = not wanted */
} Check;

#define FIND(c, kind, sector, ...)                                             \
    vd_finding_add((c)->result, VD_FINDING_##kind, (c)->name,                  \
                   (uint64_t) (sector) *VMDK_SECTOR, __VA_ARGS__)

/* -- grains
 * ---------------------------------------------------------------------- */

static bool
test_and_set(Check *c, uint64_t slot)
{
    uint8_t bit = (uint8_t) (1u << (slot & 7));
    bool was = c->used[slot >> 3] & bit;

    c->used[slot >> 3] |= bit;
    return was;
}

/* Was any of these sectors in use? */
static bool
take_sectors(Check *c, uint64_t sector, uint64_t sectors)
{
    uint64_t last = (sector + sectors - 1) / c->unit;
    bool was = false;

    for (uint64_t slot = sector / c->unit; slot <= last && slot < c->n_slots;
         slot++)
        was |= test_and_set(c, slot);
    return was;
}

static void
mark_grain(Check *c, uint32_t entry, uint64_t off)
{
    uint64_t grain = c->e->sparse->hdr.grain_sectors;

    if (entry % c->unit)
        FIND(c, CORRUPTION, entry,
             "grain of byte %" G_GUINT64_FORMAT
             " starts at sector %u, no multiple of %" G_GUINT64_FORMAT,
             off, entry, grain);
    else if (take_sectors(c, entry, grain))
        FIND(c, CORRUPTION, entry,
             "grain at sector %u belongs to byte %" G_GUINT64_FORMAT
             " and to another place",
             entry, off);
    c->result->allocated_clusters++;
    if (c->previous && entry != c->previous + grain)
        c->result->fragmented_clusters++;
    c->previous = entry;
    c->end = MAX(c->end, entry + grain);
}

static void
check_entry(Check *c, uint32_t entry, uint64_t off)
{
    const VmdkSparse *sp = c->e->sparse;

    if (entry == VMDK_GTE_ABSENT)
        return;
    if (entry == VMDK_GTE_ZERO) {
        if (!sp->tables->zero_gte)
            FIND(c, CORRUPTION, 0,
                 "byte %" G_GUINT64_FORMAT
                 " is marked zero, but the header does not allow that",
                 off);
    } else if (entry >= c->file_sectors) {
        FIND(c, CORRUPTION, entry,
             "grain of byte %" G_GUINT64_FORMAT
             " starts at sector %u, the file has %" G_GUINT64_FORMAT,
             off, entry, c->file_sectors);
    } else if (entry < sp->hdr.overhead_sectors) {
        FIND(c, CORRUPTION, entry,
             "grain of byte %" G_GUINT64_FORMAT
             " starts at sector %u, inside the metadata of %" G_GUINT64_FORMAT
             " sectors",
             off, entry, sp->hdr.overhead_sectors);
    } else {
        mark_grain(c, entry, off);
    }
}

/* -- tables
 * ------------------------------------------------------------------------ */

static void
check_table(Check *c, uint32_t index, const uint32_t *raw,
            const uint32_t *other)
{
    const VmdkSparse *sp = c->e->sparse;
    const VmdkTables *tables = sp->tables;
    uint64_t off = (uint64_t) index << sp->table_shift;
    uint64_t n = MIN(c->grains_left, tables->gtes_per_gt);

    /* Entries behind the end of the disk are other tools' leftovers. */
    bool differ = other && memcmp(raw, other, n * sizeof(uint32_t));

    if (differ && c->stale)
        g_array_append_val(c->stale, index);
    else if (differ && sp->hdr.unclean)
        /* A flush was cut short between the copies: the next writer renews
         * the second from the first. */
        FIND(c, NOTE, tables->gd[index],
             "the redundant copy of grain table %u at sector %u is behind",
             index, tables->rgd[index]);
    else if (differ)
        FIND(c, CORRUPTION, tables->gd[index],
             "grain table %u differs from its redundant copy at sector %u",
             index, tables->rgd[index]);
    for (uint64_t i = 0; i < n; i++)
        check_entry(c, GUINT32_FROM_LE(raw[i]), off + (i << sp->grain_shift));
}

/* Copies of the same tables, as far as they lie behind one another in both. */
static uint32_t
window_length(const VmdkTables *tables, uint32_t index)
{
    size_t size = tables->gtes_per_gt * sizeof(uint32_t);
    uint32_t max =
        size % VMDK_SECTOR ? 1 : (uint32_t) MAX(1, CHECK_WINDOW / size);
    uint32_t n = 1;

    while (
        n < max && index + n < tables->n_gts &&
        tables->gd[index + n] != VMDK_GTE_BAD &&
        tables->gd[index + n] ==
            tables->gd[index + n - 1] + tables->gt_sectors &&
        (!tables->rgd || tables->rgd[index + n] ==
                             tables->rgd[index + n - 1] + tables->gt_sectors))
        n++;
    return n;
}

static uint8_t *
sparse_co_read_tables(Check *c, uint32_t sector, size_t len, const char *what)
{
    g_autofree uint8_t *raw = g_malloc(len);
    g_autoptr(GError) error = NULL;

    if (vd_node_co_pread(c->e->file, (uint64_t) sector * VMDK_SECTOR, raw, len,
                         &error))
        return g_steal_pointer(&raw);
    FIND(c, ERROR, sector, "%s cannot be read: %s", what, error->message);
    return NULL;
}

static void
skip_grains(Check *c, uint64_t n_tables)
{
    c->grains_left -=
        MIN(c->grains_left, n_tables * c->e->sparse->tables->gtes_per_gt);
}

static void
sparse_co_check_window(Check *c, uint32_t index, uint32_t n)
{
    const VmdkTables *tables = c->e->sparse->tables;
    size_t size = tables->gtes_per_gt * sizeof(uint32_t);
    g_autofree uint8_t *raw =
        sparse_co_read_tables(c, tables->gd[index], n * size, "grain table");
    g_autofree uint8_t *other = NULL;

    if (tables->rgd && tables->rgd[index])
        other = sparse_co_read_tables(c, tables->rgd[index], n * size,
                                      "redundant grain table");
    for (uint32_t i = 0; i < n; i++) {
        if (raw)
            check_table(
                c, index + i, (const uint32_t *) (void *) (raw + i * size),
                other ? (const uint32_t *) (void *) (other + i * size) : NULL);
        skip_grains(c, 1);
    }
}

static void
sparse_co_check_tables(Check *c)
{
    VmdkTables *tables = c->e->sparse->tables;

    for (uint32_t i = 0, n; i < tables->n_gts; i += n) {
        n = vmdk_tables_co_count_hole(tables, i, true);
        if (n) {
            skip_grains(c, n);
            continue;
        }
        n = 1;
        if (tables->gd[i] > VMDK_GTE_ZERO && tables->gd[i] != VMDK_GTE_BAD) {
            n = window_length(tables, i);
            sparse_co_check_window(c, i, n);
            continue;
        }
        if (tables->gd[i] == VMDK_GTE_BAD)
            FIND(c, CORRUPTION, tables->hdr.gd_sector,
                 "directory entry %u names no place in the file", i);
        skip_grains(c, 1);
    }
}

/* -- space without owner
 * -------------------------------------------------------------- */

static void
mark_table_space(Check *c, uint32_t sector, uint32_t sectors)
{
    if (sector <= VMDK_GTE_ZERO || sector == VMDK_GTE_BAD)
        return;
    (void) take_sectors(c, sector, sectors); /* check_directories() compares */
    c->end = MAX(c->end, (uint64_t) sector + sectors);
}

static void
report_leak(Check *c, uint64_t slot, uint64_t n)
{
    if (!n)
        return;
    FIND(c, LEAK, slot * c->unit, "%" G_GUINT64_FORMAT " %s belong to nobody",
         n, c->e->sparse->hdr.cowd ? "sectors" : "grains");
    c->result->leaks += n - 1;
}

/* Before the grains: one that lies on a table has two owners. */
static void
mark_tables(Check *c)
{
    const VmdkTables *tables = c->e->sparse->tables;
    const VmdkHeader *hdr = &tables->hdr;

    if (hdr->cowd)
        mark_table_space(c, (uint32_t) hdr->gd_sector,
                         (uint32_t) vmdk_header_gd_sectors(hdr));
    for (uint32_t i = 0; i < tables->n_gts; i++) {
        mark_table_space(c, tables->gd[i], tables->gt_sectors);
        if (tables->rgd)
            mark_table_space(c, tables->rgd[i], tables->gt_sectors);
    }
}

static void
check_leaks(Check *c)
{
    const VmdkSparse *sp = c->e->sparse;
    uint64_t run = 0, slot;

    slot = (sp->hdr.overhead_sectors + c->unit - 1) / c->unit;
    for (; slot < c->n_slots; slot++) {
        if (!(c->used[slot >> 3] & (1u << (slot & 7)))) {
            run++;
            continue;
        }
        report_leak(c, slot - run, run);
        run = 0;
    }
    report_leak(c, slot - run, run);
}

/* What a COWD header says about free space.  Too high is what a crash leaves;
 * too low makes other writers put grains where some are, while a writer of
 * ours (@stale) looks for itself and mends it. */
static void
check_free_sector(Check *c)
{
    const VmdkHeader *hdr = &c->e->sparse->hdr;

    if (!hdr->cowd)
        return;
    if (hdr->free_sector > c->file_sectors)
        FIND(c, NOTE, 0,
             "the first free sector is said to be %u, the file has "
             "%" G_GUINT64_FORMAT,
             hdr->free_sector, c->file_sectors);
    else if (hdr->free_sector < c->end && !c->stale)
        FIND(c, CORRUPTION, 0,
             "the first free sector is said to be %u, but sectors up to "
             "%" G_GUINT64_FORMAT " are in use",
             hdr->free_sector, c->end);
}

/* -- the extent
 * -------------------------------------------------------------------------- */

static void
check_directories(Check *c)
{
    const VmdkSparse *sp = c->e->sparse;

    g_autoptr(GError) overlap = NULL;

    if (sp->tables->gd_damaged && !sp->hdr.rgd_sector)
        FIND(c, CORRUPTION, sp->hdr.gd_sector,
             "the grain directory names places outside");
    else if (sp->tables->gd_damaged)
        FIND(c, CORRUPTION, sp->hdr.gd_sector,
             "the grain directory and its redundant copy at sector "
             "%" G_GUINT64_FORMAT " do not fit, or name places outside",
             sp->hdr.rgd_sector);
    if (!vmdk_tables_check_apart(sp->tables, &overlap))
        FIND(c, CORRUPTION, sp->hdr.gd_sector, "%s", overlap->message);
}

bool
vmdk_sparse_co_examine(VmdkExtent *e, VdCheckResult *result, GArray *stale,
                       GError **error)
{
    VmdkSparse *sp = e->sparse;
    uint64_t size = vd_node_size(e->file);
    uint64_t grains = (sp->hdr.capacity_sectors + sp->hdr.grain_sectors - 1) /
                      sp->hdr.grain_sectors;
    Check c = {.e = e,
               .result = result,
               .name = vd_node_name(e->file),
               .unit = sp->place_unit / VMDK_SECTOR,
               .file_sectors = (size + VMDK_SECTOR - 1) / VMDK_SECTOR,
               .end = sp->hdr.overhead_sectors,
               .grains_left = grains,
               .stale = stale};

    /* The last grain may be short. */
    c.n_slots = (c.file_sectors + c.unit - 1) / c.unit;
    if (c.n_slots <= BITMAP_MAX)
        c.used = g_try_malloc0(c.n_slots / 8 + 1);
    if (!c.used)
        return vd_throw(error, VD_ERROR_NO_MEMORY,
                        "%s: no memory to note %" G_GUINT64_FORMAT " grains",
                        c.name, c.n_slots);
    result->total_clusters += grains;
    check_directories(&c);
    mark_tables(&c);
    sparse_co_check_tables(&c);
    check_leaks(&c);
    check_free_sector(&c);
    if (sp->hdr.unclean)
        FIND(&c, NOTE, 0, "the extent was not closed cleanly");
    result->image_end_offset =
        MAX(result->image_end_offset, c.end * VMDK_SECTOR);
    g_free(c.used);
    return true;
}

bool
vmdk_sparse_co_check(VmdkExtent *e, VdCheckResult *result, GError **error)
{
    return vmdk_sparse_co_examine(e, result, NULL, error);
}
