/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/check.c - is a sparse extent sound?
 *
 * Reads both copies of every table past the cache and compares them; looks at
 * every entry that belongs to the disk; notes each grain in a bitmap, which
 * finds grains with two owners and grains with none (owners.h).
 *
 * Concurrency: nobody may write meanwhile.
 */
#include "block/finding.h"
#include "formats/vmdk/sparse/scan.h"
#include "formats/vmdk/sparse/owners.h"
#include "formats/vmdk/sparse/sparse.h"

#include <string.h>

typedef struct {
    VmdkExtent *e;
    VdCheckResult *result;
    const char *name;
    VmdkOwners owners;
    uint64_t file_sectors;
    uint64_t end;      /* highest sector in use */
    uint32_t previous; /* entry in front, for counting fragments */
    GArray *stale; /* tables whose redundant copy differs; NULL = not wanted */
} Check;

#define FIND(c, kind, sector, ...)                                             \
    vd_finding_add((c)->result, VD_FINDING_##kind, (c)->name,                  \
                   (uint64_t) (sector) *VMDK_SECTOR, __VA_ARGS__)
/* About the grain of byte @off of the extent. */
#define FIND_GRAIN(c, kind, off, sector, ...)                                  \
    vd_finding_add_grain((c)->result, VD_FINDING_##kind, (c)->name,            \
                         (off) >> (c)->e->sparse->grain_shift,                 \
                         (uint64_t) (sector) *VMDK_SECTOR, __VA_ARGS__)

/* -- grains
 * ---------------------------------------------------------------------- */

static void
mark_grain(Check *c, uint32_t entry, uint64_t off)
{
    uint64_t grain = c->e->sparse->hdr.grain_sectors;

    if (entry % c->owners.unit)
        FIND_GRAIN(c, CORRUPTION, off, entry,
                   "grain of byte %" G_GUINT64_FORMAT
                   " starts at sector %u, no multiple of %" G_GUINT64_FORMAT,
                   off, entry, grain);
    else if (!vmdk_owners_take(&c->owners, entry))
        FIND_GRAIN(c, CORRUPTION, off, entry,
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
            FIND_GRAIN(c, CORRUPTION, off, 0,
                       "byte %" G_GUINT64_FORMAT
                       " is marked zero, but the header does not allow that",
                       off);
    } else if (entry >= c->file_sectors) {
        FIND_GRAIN(c, CORRUPTION, off, entry,
                   "grain of byte %" G_GUINT64_FORMAT
                   " starts at sector %u, the file has %" G_GUINT64_FORMAT,
                   off, entry, c->file_sectors);
    } else if (entry < sp->hdr.overhead_sectors) {
        FIND_GRAIN(
            c, CORRUPTION, off, entry,
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
check_copies(Check *c, const VmdkTableView *view)
{
    const VmdkSparse *sp = c->e->sparse;
    const VmdkTables *tables = sp->tables;
    uint32_t index = view->index;
    bool differ = view->redundant && memcmp(view->primary, view->redundant,
                                            view->in_use * sizeof(uint32_t));

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
}

/* Entries behind the end of the disk are other tools' leftovers. */
static void
check_leftovers(Check *c, const VmdkTableView *view)
{
    const VmdkTables *tables = c->e->sparse->tables;
    unsigned n = 0;

    for (uint32_t i = view->in_use; i < tables->gtes_per_gt; i++)
        n += view->primary[i] != 0;
    if (n)
        FIND(c, NOTE, tables->gd[view->index],
             "%u entries of grain table %u lie behind the end of the disk", n,
             view->index);
}

static void
check_table(Check *c, const VmdkTableView *view)
{
    const VmdkSparse *sp = c->e->sparse;
    uint64_t off = (uint64_t) view->index << sp->table_shift;

    check_copies(c, view);
    check_leftovers(c, view);
    for (uint64_t i = 0; i < view->in_use; i++)
        check_entry(c, GUINT32_FROM_LE(view->primary[i]),
                    off + (i << sp->grain_shift));
}

static void
check_no_table(Check *c, uint32_t index)
{
    const VmdkTables *tables = c->e->sparse->tables;

    if (tables->gd[index] == VMDK_GTE_BAD)
        FIND(c, CORRUPTION, tables->hdr.gd_sector,
             "directory entry %u names no place in the file", index);
    else if (tables->gd[index] == VMDK_GTE_ZERO && !tables->zero_gte &&
             vmdk_has_parent(c->e->state))
        FIND(c, CORRUPTION, tables->hdr.gd_sector,
             "directory entry %u is 1 (zeroes), for which no grain table can "
             "stand above a parent; this part can only be read",
             index);
}

static bool
check_visit(void *arg, const VmdkTableView *view, GError **error)
{
    Check *c = arg;

    if (view->primary)
        check_table(c, view);
    else
        check_no_table(c, view->index);
    return true;
}

static void
check_unreadable(void *arg, uint32_t sector, const char *what,
                 const GError *why)
{
    Check *c = arg;

    FIND(c, ERROR, sector, "%s cannot be read: %s", what, why->message);
}

static bool
sparse_co_check_tables(Check *c, GError **error)
{
    VmdkScan scan = {
        .visit = check_visit, .unreadable = check_unreadable, .arg = c};

    return vmdk_tables_co_scan(c->e->sparse->tables, &scan, error);
}

/* -- space without owner
 * -------------------------------------------------------------- */

/* A disk that grew has its directory elsewhere; the space in front of all else
 * is none that anybody could give back. */
static bool
was_directory(const Check *c, uint64_t slot)
{
    return c->e->sparse->hdr.cowd && slot == VMDK_COWD_HEADER_SECTORS;
}

static void
sparse_co_check_leaks(Check *c)
{
    uint64_t slot = 0, n;

    for (; (n = vmdk_owners_co_next_leak(&c->owners, c->e->file, &slot));
         slot += n) {
        if (was_directory(c, slot)) {
            FIND(c, NOTE, slot * c->owners.unit,
                 "%" G_GUINT64_FORMAT
                 " sectors behind the header are not in use",
                 n);
            continue;
        }
        FIND(c, LEAK, slot * c->owners.unit,
             "%" G_GUINT64_FORMAT " %s belong to nobody", n,
             c->e->sparse->hdr.cowd ? "sectors" : "grains");
        c->result->leaks += n - 1;
    }
}

static void
note_table_end(Check *c, uint32_t gde)
{
    if (vmdk_table_is_placed(gde))
        c->end = MAX(c->end, (uint64_t) gde + c->e->sparse->tables->gt_sectors);
}

static void
note_metadata_end(Check *c)
{
    const VmdkTables *tables = c->e->sparse->tables;

    for (uint32_t i = 0; i < tables->n_gts; i++) {
        note_table_end(c, tables->gd[i]);
        if (tables->rgd)
            note_table_end(c, tables->rgd[i]);
    }
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
               .file_sectors = (size + VMDK_SECTOR - 1) / VMDK_SECTOR,
               .end = sp->hdr.overhead_sectors,
               .stale = stale};

    bool ok = vmdk_owners_init(&c.owners, sp->tables, sp->hdr.overhead_sectors,
                               error);

    if (!ok)
        return false;
    result->total_clusters += grains;
    check_directories(&c);
    note_metadata_end(&c);
    ok = sparse_co_check_tables(&c, error);
    sparse_co_check_leaks(&c);
    check_free_sector(&c);
    if (sp->hdr.unclean)
        FIND(&c, NOTE, 0, "the extent was not closed cleanly");
    result->image_end_offset =
        MAX(result->image_end_offset, c.end * VMDK_SECTOR);
    vmdk_owners_clear(&c.owners);
    return ok;
}

bool
vmdk_sparse_co_check(VmdkExtent *e, VdCheckResult *result, GError **error)
{
    return vmdk_sparse_co_examine(e, result, NULL, error);
}
