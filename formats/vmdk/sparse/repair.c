/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/repair.c - making a damaged sparse extent sound.
 *
 *   copies of grains, at the end of the file - [ old sectors to the side file -
 *   barrier - directories and tables ] - barrier - header (clean mark) -
 *   barrier - side file gone
 *
 * Whatever interrupts it, the next opening for writing puts everything back
 * (block/undo.h).  Until then a reader finds each entry as it was or as it will
 * be; both are better than nothing.
 *
 * Giving space back comes after all that and needs no undoing: nobody's grains
 * are cut off or punched only when every table is known to be sound.
 *
 * Concurrency: nobody may write meanwhile.
 */
#include "formats/vmdk/sparse/repair.h"

#include "io/bytes.h"

#include <string.h>

#define PLACE_LIMIT ((uint64_t) UINT32_MAX * VMDK_SECTOR)

bool
vmdk_repair_reserve(VmdkRepair *r, uint64_t bytes, uint64_t *place,
                    GError **error)
{
    uint64_t grain = vmdk_header_grain_bytes(&r->tables->hdr);
    uint64_t whole = (bytes + grain - 1) / grain * grain;

    if (r->next > PLACE_LIMIT || whole > PLACE_LIMIT - r->next)
        return vd_throw(error, VD_ERROR_NO_SPACE,
                        "%s: %" G_GUINT64_FORMAT
                        " more bytes would exceed the 2 TiB that a sparse "
                        "extent's file may have",
                        r->name, whole);
    *place = r->next;
    r->next += whole;
    return true;
}

static bool
sector_differs(const uint8_t *want, const uint8_t *disk, size_t at)
{
    return !disk || memcmp(want + at, disk + at, VMDK_SECTOR);
}

bool
vmdk_repair_co_write(VmdkRepair *r, uint64_t off, const uint8_t *want,
                     const uint8_t *disk, size_t len, GError **error)
{
    for (size_t at = 0, end; at < len; at = end) {
        bool differs = sector_differs(want, disk, at);

        end = at + VMDK_SECTOR;
        while (end < len && sector_differs(want, disk, end) == differs)
            end += VMDK_SECTOR;
        if (differs &&
            !vd_undo_co_write(r->undo, off + at, want + at, end - at, error))
            return false;
    }
    return true;
}

/* -- the header ------------------------------------------------------------ */

typedef struct {
    uint64_t from, to; /* sectors */
    const VmdkTables *tables;
    bool found;
} Between;

/* Grains between where they may begin and where the header says that they do.
 */
static bool
visit_between(void *arg, const VmdkTableView *view, GError **error)
{
    Between *b = arg;

    for (uint32_t i = 0; view->primary && i < view->in_use; i++) {
        uint32_t e = GUINT32_FROM_LE(view->primary[i]);

        b->found |=
            e >= b->from && e < b->to && e % b->tables->hdr.grain_sectors == 0;
    }
    return true;
}

static bool
repair_co_grains_between(VmdkRepair *r, uint64_t from, uint64_t to)
{
    Between between = {.from = from, .to = to, .tables = r->tables};
    VmdkScan scan = {.visit = visit_between, .arg = &between};

    return vmdk_tables_co_scan(r->tables, &scan, NULL) && between.found;
}

/* Directories where the usual layout has them, the first grain elsewhere. */
static bool
has_standard_directories(const VmdkHeader *hdr, VmdkHeader *std)
{
    for (int embedded = 0; embedded < 2; embedded++) {
        vmdk_header_layout_sparse(std, hdr->capacity_sectors,
                                  hdr->grain_sectors, embedded);
        if (hdr->gtes_per_gt == std->gtes_per_gt &&
            hdr->gd_sector == std->gd_sector &&
            hdr->rgd_sector == std->rgd_sector)
            return true;
    }
    return false;
}

static void
repair_co_first_grain(VmdkRepair *r)
{
    VmdkHeader *hdr = &r->tables->hdr, std;

    if (!has_standard_directories(hdr, &std) ||
        hdr->overhead_sectors == std.overhead_sectors)
        return;
    if (hdr->overhead_sectors < std.overhead_sectors ||
        hdr->overhead_sectors >= r->file_sectors ||
        repair_co_grains_between(r, std.overhead_sectors,
                                 hdr->overhead_sectors))
        hdr->overhead_sectors = std.overhead_sectors;
}

static bool
is_inside(const VmdkRepair *r, uint64_t sector)
{
    uint64_t n = vmdk_header_gd_sectors(&r->tables->hdr);

    return sector && sector < r->file_sectors && n <= r->file_sectors - sector;
}

/* A directory that is not there at all: the other one has to do alone. */
static void
drop_missing_directory(VmdkRepair *r)
{
    VmdkHeader *hdr = &r->tables->hdr;

    if (!is_inside(r, hdr->gd_sector) && is_inside(r, hdr->rgd_sector))
        hdr->gd_sector = hdr->rgd_sector;
    if (is_inside(r, hdr->rgd_sector) && hdr->rgd_sector != hdr->gd_sector)
        return;
    hdr->rgd_sector = 0;
    hdr->flags &= ~(uint32_t) VMDK_FLAG_REDUNDANT;
}

/* Do most of the entries there name a place in the file for a table? */
static bool
repair_co_is_directory(VmdkRepair *r, uint64_t sector)
{
    const VmdkTables *t = r->tables;
    size_t len = (size_t) t->n_gts * sizeof(uint32_t);
    g_autofree uint8_t *raw = g_try_malloc(len);
    uint32_t placed = 0;

    if (!is_inside(r, sector) || !raw ||
        !vmdk_scan_co_read(r->e->file, sector * VMDK_SECTOR, raw, len, NULL))
        return false;
    for (uint32_t i = 0; i < t->n_gts; i++) {
        uint32_t e = vio_get_le32(raw + (size_t) i * sizeof(e));

        placed += vmdk_table_is_placed(e) &&
                  (uint64_t) e + t->gt_sectors <= r->file_sectors;
    }
    return placed > t->n_gts / 2;
}

/* Is the usual place @std a directory, and the one that is named none? */
static bool
repair_co_is_rather(VmdkRepair *r, uint64_t std, uint64_t named)
{
    return !is_inside(r, named) ||
           (std != named && repair_co_is_directory(r, std) &&
            !repair_co_is_directory(r, named));
}

/* A descriptor that seems to reach into what lies behind it does not. */
static void
clip_descriptor(VmdkRepair *r)
{
    VmdkHeader *hdr = &r->tables->hdr;
    const uint64_t behind[] = {hdr->rgd_sector, hdr->gd_sector,
                               hdr->overhead_sectors};

    for (unsigned i = 0; i < G_N_ELEMENTS(behind); i++) {
        if (behind[i] <= hdr->desc_sector ||
            hdr->desc_sectors <= behind[i] - hdr->desc_sector)
            continue;
        hdr->desc_sectors = behind[i] - hdr->desc_sector;
        r->desc_clipped = true;
    }
}

static void
repair_co_header_places(VmdkRepair *r)
{
    VmdkHeader *hdr = &r->tables->hdr;
    VmdkHeader std;

    /* Two of the three places tell what the third should be. */
    for (int embedded = 0; embedded < 2; embedded++) {
        vmdk_header_layout_sparse(&std, hdr->capacity_sectors,
                                  hdr->grain_sectors, embedded);
        if (hdr->gtes_per_gt != std.gtes_per_gt ||
            hdr->overhead_sectors != std.overhead_sectors ||
            !(hdr->flags & VMDK_FLAG_REDUNDANT))
            continue;
        if (hdr->gd_sector == std.gd_sector &&
            repair_co_is_rather(r, std.rgd_sector, hdr->rgd_sector))
            hdr->rgd_sector = std.rgd_sector;
        if (hdr->rgd_sector == std.rgd_sector &&
            repair_co_is_rather(r, std.gd_sector, hdr->gd_sector)) {
            hdr->gd_sector = std.gd_sector;
            r->gd_moved = true;
        }
    }
    drop_missing_directory(r);
    repair_co_first_grain(r);
    clip_descriptor(r);
}

static bool
repair_co_header(VmdkRepair *r, GError **error)
{
    VmdkSparse *sp = r->e->sparse;
    VmdkHeader hdr = r->tables->hdr;
    uint8_t raw[sizeof(sp->raw)];

    memcpy(raw, sp->raw, sizeof(raw));
    memset(raw + sp->kind->unclean_byte, 0, sp->kind->unclean_len);
    if (hdr.cowd) {
        vio_put_le32(raw + VMDK_COWD_FREE_BYTE,
                     (uint32_t) (r->next / VMDK_SECTOR));
    } else {
        if (r->needs_zero_flag && !(hdr.flags & VMDK_FLAG_ZEROED_GTE)) {
            hdr.flags |= VMDK_FLAG_ZEROED_GTE;
            hdr.version = MAX(hdr.version, 2);
        }
        vmdk_header_patch(&hdr, raw);
        if (r->desc_clipped)
            vmdk_header_patch_descriptor(hdr.desc_sector, hdr.desc_sectors,
                                         raw);
    }
    return vmdk_repair_co_write(r, 0, raw, sp->raw, sp->kind->header_bytes,
                                error);
}

/* -- all of it ------------------------------------------------------------- */

/* The length of a directory follows from the capacity.  If it reaches from in
 * front of the grains into them, one of these numbers is wrong, and what is
 * taken for directory would be somebody's data. */
static bool
check_room(const VmdkRepair *r, uint64_t sector, GError **error)
{
    const VmdkHeader *hdr = &r->tables->hdr;
    uint64_t n = vmdk_header_gd_sectors(hdr);

    if (sector >= hdr->overhead_sectors || n <= hdr->overhead_sectors - sector)
        return true;
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: for a capacity of %" G_GUINT64_FORMAT
                    " sectors, the grain directory at sector %" G_GUINT64_FORMAT
                    " would have %" G_GUINT64_FORMAT
                    " sectors and reach into the grains, which begin at sector "
                    "%" G_GUINT64_FORMAT "; the header cannot be trusted",
                    r->name, hdr->capacity_sectors, sector, n,
                    hdr->overhead_sectors);
}

/* Descriptor and header differ, or tables have another size than in all real
 * files, and they were laid out for something else than what the header says:
 * then it is the header that is wrong.  What seems to lie behind the end is
 * somebody's, or what seems to be tables. */
static bool
check_capacity(const VmdkRepair *r, GError **error)
{
    const VmdkHeader *hdr = &r->tables->hdr;
    const VmdkState *s = r->e->state;
    unsigned index = (unsigned) (r->e - s->extents);
    uint64_t line = s->desc ? vmdk_descriptor_extent(s->desc, index)->sectors
                            : hdr->capacity_sectors;
    uint64_t tables = vmdk_header_n_gts(hdr) * vmdk_header_gt_sectors(hdr);

    if ((line == hdr->capacity_sectors &&
         hdr->gtes_per_gt == VMDK_GTES_PER_GT) ||
        hdr->cowd || !(hdr->flags & VMDK_FLAG_REDUNDANT) ||
        hdr->rgd_sector >= hdr->gd_sector ||
        hdr->gd_sector - hdr->rgd_sector ==
            vmdk_header_gd_sectors(hdr) + tables)
        return true;
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the header says %" G_GUINT64_FORMAT
                    " sectors, the descriptor %" G_GUINT64_FORMAT
                    ", and the tables, of %u entries as it says, were made for "
                    "other numbers; it cannot be trusted",
                    r->name, hdr->capacity_sectors, line, hdr->gtes_per_gt);
}

static bool
repair_co_run(VmdkRepair *r, GError **error)
{
    uint64_t grain = vmdk_header_grain_bytes(&r->tables->hdr);
    uint64_t end;

    if (!check_capacity(r, error))
        return false;
    if (!r->tables->hdr.cowd)
        repair_co_header_places(r);
    if (!check_room(r, r->tables->hdr.gd_sector, error) ||
        !check_room(r, r->tables->hdr.rgd_sector, error))
        return false;
    end = MAX(vd_node_size(r->e->file),
              r->tables->hdr.overhead_sectors * VMDK_SECTOR);
    r->next = (end + grain - 1) / grain * grain;
    /* The header comes behind what it vouches for. */
    return vmdk_repair_co_directories(r, error) &&
           vmdk_repair_co_tables(r, error) &&
           vd_undo_co_apply(r->undo, error) && repair_co_header(r, error) &&
           vd_undo_co_end(r->undo, error);
}

/* What is in memory is no longer what is in the file. */
static bool
sparse_co_reopen(VmdkExtent *e, GError **error)
{
    const VmdkState *s = e->state;
    uint64_t sectors = 0;

    if (s->desc)
        sectors = vmdk_descriptor_extent(s->desc, (unsigned) (e - s->extents))
                      ->sectors;
    vmdk_sparse_free(e);
    if (vmdk_sparse_co_open(e, sectors, error))
        return true;
    vmdk_sparse_free(e);
    e->ops = NULL; /* as one that could not be opened to begin with */
    return false;
}

bool
vmdk_sparse_co_repair(VmdkExtent *e, VdCheckResult *result, GError **error)
{
    uint64_t size = vd_node_size(e->file);
    VmdkRepair r = {
        .e = e,
        .tables = e->sparse->tables,
        .undo = vd_undo_new(e->file),
        .result = result,
        .name = vd_node_name(e->file),
        .file_sectors = (size + VMDK_SECTOR - 1) / VMDK_SECTOR,
        .second = g_hash_table_new(NULL, NULL),
        .mistaken = g_hash_table_new(NULL, NULL),
        .zeroes = g_hash_table_new(NULL, NULL),
        .fresh = g_hash_table_new(NULL, NULL),
    };
    bool ok = repair_co_run(&r, error);

    if (!ok)
        (void) vd_undo_co_cancel(r.undo, NULL); /* the next opening can */
    vd_undo_free(r.undo);
    g_hash_table_unref(r.second);
    g_hash_table_unref(r.mistaken);
    g_hash_table_unref(r.zeroes);
    g_hash_table_unref(r.fresh);
    return sparse_co_reopen(e, ok ? error : NULL) && ok;
}

/* -- space that nothing uses ----------------------------------------------- */

static bool
visit_owners(void *arg, const VmdkTableView *view, GError **error)
{
    VmdkOwners *owners = arg;

    for (uint32_t i = 0; view->primary && i < view->in_use; i++) {
        uint32_t e = GUINT32_FROM_LE(view->primary[i]);

        if (e > VMDK_GTE_ZERO)
            (void) vmdk_owners_take(owners, e);
    }
    return true;
}

static bool
sparse_co_cut_tail(VmdkExtent *e, const VmdkOwners *owners, GError **error)
{
    uint64_t slot = vmdk_owners_end(owners);

    return slot == owners->n_slots ||
           vd_node_co_truncate(e->file, slot * vmdk_owners_unit_bytes(owners),
                               VD_PREALLOC_OFF, error);
}

static bool
sparse_co_punch(VmdkExtent *e, const VmdkOwners *owners, GError **error)
{
    uint64_t unit = vmdk_owners_unit_bytes(owners), slot = 0, n;

    while ((n = vmdk_owners_co_next_leak(owners, e->file, &slot))) {
        uint64_t off = slot * unit;
        g_autoptr(GError) why = NULL;

        if (off >= vd_node_size(e->file))
            break;
        if (!vd_node_co_write_zeroes(
                e->file, off, MIN(n * unit, vd_node_size(e->file) - off),
                VD_REQ_MAY_UNMAP | VD_REQ_NO_FALLBACK, &why) &&
            !vd_error_is(why, VD_ERROR_NOT_SUPPORTED)) {
            g_propagate_error(error, g_steal_pointer(&why));
            return false;
        }
        slot += n;
    }
    return true;
}

/* A redo log whose end was cut off would get a gap there, as new grains come
 * where the header says.  Until it is told, the gap is all that is wrong. */
static bool
sparse_co_note_end(VmdkExtent *e, GError **error)
{
    VmdkSparse *sp = e->sparse;
    uint64_t sectors = (vd_node_size(e->file) + VMDK_SECTOR - 1) / VMDK_SECTOR;

    if (!sp->hdr.cowd || sp->hdr.free_sector <= sectors)
        return true;
    vio_put_le32(sp->raw + VMDK_COWD_FREE_BYTE, (uint32_t) sectors);
    return vd_node_co_pwrite(e->file, 0, sp->raw, VMDK_SECTOR, error);
}

bool
vmdk_sparse_co_give_back(VmdkExtent *e, GError **error)
{
    VmdkTables *tables = e->sparse->tables;
    g_auto(VmdkOwners) owners = {0};
    VmdkScan scan = {.visit = visit_owners, .arg = &owners};

    return vmdk_owners_init(&owners, tables, tables->hdr.overhead_sectors,
                            error) &&
           vmdk_tables_co_scan(tables, &scan, error) &&
           sparse_co_cut_tail(e, &owners, error) &&
           sparse_co_punch(e, &owners, error) && sparse_co_note_end(e, error) &&
           vd_node_co_flush(e->file, error);
}
