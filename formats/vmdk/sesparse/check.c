/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sesparse/check.c - is a seSparse extent sound?
 *
 * Reads the directory and every table past the cache, and notes each table and
 * each grain in a bitmap, which finds those with two owners.  What has no owner
 * is no finding: it is free by the extent's own bitmap, which is not
 * documented.
 *
 * Concurrency: nobody may write meanwhile.
 */
#include "block/finding.h"
#include "io/bytes.h"
#include "formats/vmdk/sesparse/sesparse.h"

#define BITMAP_MAX (UINT64_C(256) << 20 << 3) /* bits: 256 MiB of bitmap */

typedef struct {
    uint8_t *bits;
    uint64_t n;
} Bitmap;

typedef struct {
    VmdkExtent *e;
    VdCheckResult *result;
    const char *name;
    uint64_t file_sectors;
    Bitmap tables, grains; /* that have an owner */
    uint64_t previous;     /* sector of the grain in front */
    uint64_t end;          /* highest sector in use */
} Check;

#define FIND(c, kind, sector, ...)                                             \
    vd_finding_add((c)->result, VD_FINDING_##kind, (c)->name,                  \
                   (uint64_t) (sector) *VMDK_SECTOR, __VA_ARGS__)
/* About the grain of byte @off of the extent. */
#define FIND_GRAIN(c, kind, off, sector, ...)                                  \
    vd_finding_add_grain((c)->result, VD_FINDING_##kind, (c)->name,            \
                         (off) >> VMDK_SE_GRAIN_SHIFT,                         \
                         (uint64_t) (sector) *VMDK_SECTOR, __VA_ARGS__)

static bool
bitmap_init(Bitmap *map, uint64_t n, const char *name, GError **error)
{
    map->n = n;
    map->bits = n <= BITMAP_MAX ? g_try_malloc0(n / 8 + 1) : NULL;
    return map->bits ||
           vd_throw(error, VD_ERROR_NO_MEMORY,
                    "%s: no memory to note %" G_GUINT64_FORMAT " places", name,
                    n);
}

/* Was it there already? */
static bool
bitmap_add(Bitmap *map, uint64_t i)
{
    uint8_t bit = (uint8_t) (1u << (i & 7));
    bool was = i < map->n && map->bits[i >> 3] & bit;

    if (i < map->n)
        map->bits[i >> 3] |= bit;
    return was;
}

/* -- grains
 * ----------------------------------------------------------------------- */

static void
check_grain(Check *c, uint64_t sector, uint64_t off)
{
    uint64_t start = c->e->sesparse->hdr.part[VMDK_SE_GRAINS].start;

    if (bitmap_add(&c->grains, (sector - start) / VMDK_SE_GRAIN_SECTORS))
        FIND_GRAIN(c, CORRUPTION, off, sector,
                   "grain at sector %" G_GUINT64_FORMAT
                   " belongs to byte %" G_GUINT64_FORMAT
                   " and to another place",
                   sector, off);
    c->result->allocated_clusters++;
    if (c->previous && sector != c->previous + VMDK_SE_GRAIN_SECTORS)
        c->result->fragmented_clusters++;
    c->previous = sector;
    c->end = MAX(c->end, sector + VMDK_SE_GRAIN_SECTORS);
}

static void
check_entry(Check *c, uint64_t raw, uint64_t off)
{
    uint64_t entry =
        vmdk_se_entry_decode(&c->e->sesparse->hdr, raw, c->file_sectors);

    if (entry == VMDK_SE_BAD)
        FIND_GRAIN(c, CORRUPTION, off, 0,
                   "the entry of byte %" G_GUINT64_FORMAT
                   " is %#" G_GINT64_MODIFIER
                   "x, which means no grain of the file",
                   off, raw);
    else if (entry > VMDK_SE_ZERO)
        check_grain(c, entry, off);
}

/* -- tables
 * ----------------------------------------------------------------------- */

static void
check_co_table(Check *c, uint32_t index, uint64_t sector, uint8_t *raw)
{
    uint64_t off = (uint64_t) index << VMDK_SE_COVER_SHIFT;
    g_autoptr(GError) error = NULL;

    if (!vd_node_co_pread(c->e->file, sector * VMDK_SECTOR, raw,
                          VMDK_SE_TABLE_BYTES, &error)) {
        FIND(c, ERROR, sector, "grain table cannot be read: %s",
             error->message);
        return;
    }
    c->end = MAX(c->end, sector + VMDK_SE_TABLE_SECTORS);
    for (uint32_t i = 0; i < VMDK_SE_ENTRIES && off < c->e->len; i++) {
        check_entry(c, vio_get_le64(raw + i * sizeof(uint64_t)), off);
        off += VMDK_SE_GRAIN_BYTES;
    }
}

static void
check_co_tables(Check *c)
{
    const VmdkSeTables *tables = c->e->sesparse->tables;
    const VmdkSeRegion *parts = tables->hdr.part;
    g_autofree uint8_t *raw = g_malloc(VMDK_SE_TABLE_BYTES);

    for (uint32_t i = 0; i < tables->n; i++) {
        uint64_t number = tables->gd[i] - UINT64_C(1);
        uint64_t sector =
            parts[VMDK_SE_TABLES].start + number * VMDK_SE_TABLE_SECTORS;

        if (tables->gd[i] == VMDK_SE_TABLE_NONE)
            continue;
        if (tables->gd[i] == VMDK_SE_TABLE_BAD) {
            FIND(c, CORRUPTION, parts[VMDK_SE_DIRECTORY].start,
                 "directory entry %u names no table in the file", i);
            continue;
        }
        if (bitmap_add(&c->tables, number)) {
            FIND(c, CORRUPTION, sector,
                 "grain table %" G_GUINT64_FORMAT
                 " belongs to directory entry %u and to another one",
                 number, i);
            continue;
        }
        check_co_table(c, i, sector, raw);
    }
}

/* -- the extent
 * ------------------------------------------------------------------- */

static bool
check_co_examine(Check *c, GError **error)
{
    const VmdkSeSparse *se = c->e->sesparse;
    uint64_t start = se->hdr.part[VMDK_SE_GRAINS].start;
    uint64_t stored = c->file_sectors > start ? c->file_sectors - start : 0;

    if (!bitmap_init(&c->tables,
                     MIN(c->file_sectors, se->hdr.part[VMDK_SE_TABLES].n) /
                         VMDK_SE_TABLE_SECTORS,
                     c->name, error) ||
        !bitmap_init(&c->grains, stored / VMDK_SE_GRAIN_SECTORS + 1, c->name,
                     error))
        return false;
    check_co_tables(c);
    if (se->vol.replay)
        FIND(c, CORRUPTION, se->hdr.part[VMDK_SE_VOLATILE].start,
             "the extent was not closed cleanly: its journal has to be "
             "replayed by ESXi");
    return true;
}

bool
vmdk_sesparse_co_check(VmdkExtent *e, VdCheckResult *result, GError **error)
{
    uint64_t size = vd_node_size(e->file);
    Check c = {.e = e,
               .result = result,
               .name = vd_node_name(e->file),
               .file_sectors = (size + VMDK_SECTOR - 1) / VMDK_SECTOR};
    bool ok = check_co_examine(&c, error);

    result->total_clusters +=
        (e->len + VMDK_SE_GRAIN_BYTES - 1) >> VMDK_SE_GRAIN_SHIFT;
    result->image_end_offset =
        MAX(result->image_end_offset, c.end * VMDK_SECTOR);
    g_free(c.tables.bits);
    g_free(c.grains.bits);
    return ok;
}
