/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/repair-directory.c - where the grain tables are.
 *
 * VMware's products lay the tables out one behind the other, right behind their
 * directory; so a directory that is damaged can be told from its place.  What
 * stands in it is believed if it names that place, or some other place in the
 * file where nothing else is.  A copy that is left without a place gets a new
 * one, and its contents from the other copy.
 *
 * Concurrency: nobody may write meanwhile.
 */
#include "formats/vmdk/sparse/repair.h"

#include "io/bytes.h"

#include <string.h>

typedef struct {
    VmdkCopy copy;
    uint64_t sector; /* of the directory */
    uint64_t first;  /* of its first table, if it is laid out as usual */
    bool standard;   /* it is */
    uint32_t *disk;  /* as it stands in the file; NULL = unreadable */
    uint32_t *want;  /* as it shall be */
} Directory;

typedef struct {
    VmdkRepair *r;
    uint32_t n;
    Directory gd, rgd;
    bool has_rgd;
} Pair;

typedef struct {
    uint64_t sector;
    uint32_t *want, instead;
} Stray;

/* -- reading --------------------------------------------------------------- */

static uint32_t *
directory_co_read(VmdkRepair *r, uint64_t sector, uint32_t n)
{
    g_autofree uint32_t *gd = g_try_new(uint32_t, n);

    if (!gd || !vmdk_scan_co_read(r->e->file, sector * VMDK_SECTOR, gd,
                                  (size_t) n * sizeof(uint32_t), NULL))
        return NULL;
    for (uint32_t i = 0; i < n; i++)
        gd[i] = GUINT32_FROM_LE(gd[i]);
    return g_steal_pointer(&gd);
}

static uint32_t
standard_place(const Pair *p, const Directory *d, uint32_t i)
{
    return (uint32_t) (d->first + (uint64_t) i * p->r->tables->gt_sectors);
}

/* As vmdk.md 5.5 has it? */
static bool
header_is_standard(const VmdkHeader *hdr)
{
    for (int embedded = 0; embedded < 2; embedded++) {
        VmdkHeader std;

        vmdk_header_layout_sparse(&std, hdr->capacity_sectors,
                                  hdr->grain_sectors, embedded);
        if (hdr->gtes_per_gt == std.gtes_per_gt &&
            hdr->gd_sector == std.gd_sector &&
            (!hdr->rgd_sector || hdr->rgd_sector == std.rgd_sector))
            return true;
    }
    return false;
}

static bool
is_standard(const Pair *p, const Directory *d)
{
    uint64_t end = d->first + (uint64_t) p->n * p->r->tables->gt_sectors;
    uint32_t hits = 0;

    if (end > p->r->file_sectors || end > UINT32_MAX)
        return false;
    for (uint32_t i = 0; d->disk && i < p->n; i++)
        hits += d->disk[i] == standard_place(p, d, i);
    return hits > p->n / 2 || header_is_standard(&p->r->tables->hdr);
}

static bool
directory_co_load(Pair *p, Directory *d, VmdkCopy copy, uint64_t sector,
                  GError **error)
{
    d->copy = copy;
    d->sector = sector;
    d->first = sector + vmdk_header_gd_sectors(&p->r->tables->hdr);
    d->disk = directory_co_read(p->r, sector, p->n);
    d->want = g_try_new0(uint32_t, p->n);
    if (!d->want)
        return vd_throw(error, VD_ERROR_NO_MEMORY,
                        "%s: no memory for a grain directory", p->r->name);
    d->standard = is_standard(p, d);
    return true;
}

/* -- what to believe ------------------------------------------------------- */

static bool
touches(uint64_t first, uint64_t n, uint64_t sector, uint64_t sectors)
{
    return sectors && first < sector + sectors && sector < first + n;
}

static bool
touches_tables(const Pair *p, const Directory *d, uint32_t e)
{
    uint64_t len = p->r->tables->gt_sectors;

    return d->standard && touches(e, len, d->first, p->n * len);
}

/* A place in the file that is nothing else, as far as one entry tells. */
static bool
is_possible(const Pair *p, uint32_t e)
{
    const VmdkTables *t = p->r->tables;
    const VmdkHeader *hdr = &t->hdr;
    uint64_t gd_sectors = vmdk_header_gd_sectors(hdr), len = t->gt_sectors;

    return vmdk_table_is_placed(e) && e + len <= p->r->file_sectors &&
           !touches(e, len, hdr->desc_sector, hdr->desc_sectors) &&
           !touches(e, len, hdr->gd_sector, gd_sectors) &&
           !touches(e, len, hdr->rgd_sector, p->has_rgd ? gd_sectors : 0) &&
           !touches_tables(p, &p->gd, e) &&
           !(p->has_rgd && touches_tables(p, &p->rgd, e));
}

static uint32_t
instead_of(const Pair *p, const Directory *d, uint32_t i)
{
    return d->standard ? standard_place(p, d, i) : VMDK_GTE_BAD;
}

static void
believe(const Pair *p, Directory *d, uint32_t i, GArray *strays)
{
    uint32_t e = d->disk ? d->disk[i] : VMDK_GTE_BAD;
    Stray stray = {.sector = e, .want = &d->want[i]};

    d->want[i] = instead_of(p, d, i);
    stray.instead = d->want[i];
    if (e == d->want[i])
        return;
    if (e == VMDK_GTE_ABSENT || (e == VMDK_GTE_ZERO && p->r->tables->zero_gde))
        d->want[i] = e;
    if (!is_possible(p, e))
        return;
    d->want[i] = e;
    g_array_append_val(strays, stray);
}

static gint
compare_strays(gconstpointer a, gconstpointer b)
{
    const Stray *x = a, *y = b;

    return x->sector < y->sector ? -1 : x->sector > y->sector;
}

/* Of those that lie on one another none is believed. */
static void
drop_overlapping(const Pair *p, GArray *strays)
{
    g_array_sort(strays, compare_strays);
    for (guint i = 1; i < strays->len; i++) {
        Stray *a = &g_array_index(strays, Stray, i - 1);
        Stray *b = &g_array_index(strays, Stray, i);

        if (b->sector < a->sector + p->r->tables->gt_sectors) {
            *a->want = a->instead;
            *b->want = b->instead;
        }
    }
}

/* -- a look at the tables -------------------------------------------------- */

static uint8_t *
directory_co_read_table(const Pair *p, uint32_t sector)
{
    size_t len = (size_t) p->r->tables->gt_sectors * VMDK_SECTOR;
    g_autofree uint8_t *raw = g_malloc(len);

    if (!vmdk_scan_co_read(p->r->e->file, (uint64_t) sector * VMDK_SECTOR, raw,
                           len, NULL))
        return NULL;
    return g_steal_pointer(&raw);
}

/* What the entries of something that may be a table tell. */
typedef struct {
    uint32_t grains; /* places where a grain may be */
    uint32_t nonsense;
} Looks;

static Looks
looks_of(const Pair *p, uint32_t index, const uint8_t *raw)
{
    const VmdkTables *t = p->r->tables;
    uint32_t n = vmdk_tables_entries_in_use(t, index);
    Looks looks = {0};

    for (uint32_t i = 0; i < n; i++) {
        uint32_t e = vio_get_le32(raw + (size_t) i * sizeof(e));

        if (e == VMDK_GTE_ABSENT || (e == VMDK_GTE_ZERO && !t->hdr.cowd))
            continue;
        if (e >= t->hdr.overhead_sectors && e < p->r->file_sectors &&
            (t->hdr.cowd || e % t->hdr.grain_sectors == 0))
            looks.grains++;
        else
            looks.nonsense++;
    }
    return looks;
}

static bool
is_nonsense(const Pair *p, uint32_t index, const uint8_t *raw)
{
    Looks looks = raw ? looks_of(p, index, raw) : (Looks){.nonsense = 1};

    return looks.nonsense > looks.grains;
}

static uint32_t
likeness(const uint8_t *a, const uint8_t *b, size_t len)
{
    uint32_t n = 0;

    for (size_t at = 0; at < len; at += sizeof(uint32_t))
        n += !memcmp(a + at, b + at, sizeof(uint32_t));
    return n;
}

/* Of two places, is the usual one rather the table than the one that is named?
 * The other copy tells, if it is a table itself; else who knows more grains. */
static bool
is_rather(const Pair *p, uint32_t i, const uint8_t *here, const uint8_t *named,
          const uint8_t *there)
{
    size_t len = (size_t) p->r->tables->gt_sectors * VMDK_SECTOR;

    if (is_nonsense(p, i, here) || is_nonsense(p, i, named))
        return !is_nonsense(p, i, here);
    if (there && !is_nonsense(p, i, there))
        return likeness(here, there, len) >= likeness(named, there, len);
    return looks_of(p, i, here).grains > looks_of(p, i, named).grains;
}

/* An entry names another place than the usual one.  Most of what is in the file
 * are somebody's grains, which must not become a table. */
static void
directory_co_settle_stray(const Pair *p, Directory *d, const Directory *other,
                          uint32_t i)
{
    uint32_t place = instead_of(p, d, i);
    bool has_other = other && vmdk_table_is_placed(other->want[i]);
    g_autofree uint8_t *named = directory_co_read_table(p, d->want[i]);
    g_autofree uint8_t *here = NULL, *there = NULL;

    if (d->standard)
        here = directory_co_read_table(p, place);
    if (has_other)
        there = directory_co_read_table(p, other->want[i]);
    if ((here && is_rather(p, i, here, named, there)) ||
        is_nonsense(p, i, named))
        d->want[i] = place;
}

/* One copy is where it should be; the other one's entry names no table, but
 * where it should be there is the same table: then the entry is wrong. */
static void
directory_co_settle_none(const Pair *p, Directory *d, const Directory *other,
                         uint32_t i)
{
    size_t len = (size_t) p->r->tables->gt_sectors * VMDK_SECTOR;
    uint32_t place = instead_of(p, d, i);
    g_autofree uint8_t *here = NULL, *there = NULL;

    if (!d->standard || !other || !other->standard ||
        other->want[i] != standard_place(p, other, i))
        return;
    here = directory_co_read_table(p, place);
    there = directory_co_read_table(p, other->want[i]);
    if (here && there && !memcmp(here, there, len))
        d->want[i] = place;
}

static void
directory_co_settle(const Pair *p, Directory *d, const Directory *other,
                    uint32_t i)
{
    if (d->want[i] == instead_of(p, d, i))
        return;
    if (vmdk_table_is_placed(d->want[i]))
        directory_co_settle_stray(p, d, other, i);
    else
        directory_co_settle_none(p, d, other, i);
}

/* -- missing places -------------------------------------------------------- */

static bool
give_place(Pair *p, Directory *d, uint32_t i, GError **error)
{
    const VmdkTables *t = p->r->tables;
    uint64_t place = 0;

    d->want[i] = instead_of(p, d, i);
    if (d->want[i] == VMDK_GTE_BAD) {
        if (!vmdk_repair_reserve(p->r, (uint64_t) t->gt_sectors * VMDK_SECTOR,
                                 &place, error))
            return false;
        d->want[i] = (uint32_t) (place / VMDK_SECTOR);
    }
    g_hash_table_add(p->r->fresh, vmdk_repair_copy_key(i, d->copy));
    return true;
}

/* Both copies, or none; the first decides. */
static bool
match(Pair *p, uint32_t i, GError **error)
{
    uint32_t *first = &p->gd.want[i];
    uint32_t *second = p->has_rgd ? &p->rgd.want[i] : NULL;

    if (!second)
        return true;
    if (*first == VMDK_GTE_BAD)
        return !vmdk_table_is_placed(*second) ||
               give_place(p, &p->gd, i, error);
    if (*first <= VMDK_GTE_ZERO)
        *second = *first;
    else if (!vmdk_table_is_placed(*second))
        return give_place(p, &p->rgd, i, error);
    return true;
}

/* Readers took something else for the table: the directory named a place in the
 * file, but not the right one. */
static bool
was_mistaken(const Pair *p, uint32_t i)
{
    uint32_t e = p->r->gd_moved || !p->gd.disk ? VMDK_GTE_BAD : p->gd.disk[i];

    return e != p->gd.want[i] && vmdk_table_is_placed(e) &&
           (uint64_t) e + p->r->tables->gt_sectors <= p->r->file_sectors;
}

/* So that what could be read reads the same. */
static void
note_who_was_read(Pair *p, uint32_t i)
{
    gpointer key = GSIZE_TO_POINTER((gsize) i);
    bool primary =
        !p->r->gd_moved && p->gd.disk && p->gd.disk[i] == p->gd.want[i];

    if (!p->has_rgd)
        return;
    if (!primary && vmdk_table_is_placed(p->rgd.want[i]) && p->rgd.disk &&
        p->rgd.disk[i] == p->rgd.want[i])
        g_hash_table_add(p->r->second, key);
    if (was_mistaken(p, i))
        g_hash_table_insert(p->r->mistaken, key,
                            GSIZE_TO_POINTER((gsize) p->gd.disk[i]));
}

static bool
pair_co_decide(Pair *p, GError **error)
{
    g_autoptr(GArray) strays = g_array_new(FALSE, FALSE, sizeof(Stray));

    for (uint32_t i = 0; i < p->n; i++) {
        believe(p, &p->gd, i, strays);
        if (p->has_rgd)
            believe(p, &p->rgd, i, strays);
    }
    drop_overlapping(p, strays);
    for (uint32_t i = 0; i < p->n; i++) {
        directory_co_settle(p, &p->gd, p->has_rgd ? &p->rgd : NULL, i);
        if (p->has_rgd)
            directory_co_settle(p, &p->rgd, &p->gd, i);
        if (!match(p, i, error) ||
            !vmdk_repair_co_zero_table(p->r, i, &p->gd.want[i], error))
            return false;
        note_who_was_read(p, i);
    }
    return true;
}

/* -- the result ------------------------------------------------------------ */

static bool
directory_co_write(Pair *p, const Directory *d, GError **error)
{
    size_t len =
        (size_t) vmdk_header_gd_sectors(&p->r->tables->hdr) * VMDK_SECTOR;
    g_autofree uint8_t *now = g_malloc0(len), *raw = NULL;
    bool readable = vmdk_scan_co_read(p->r->e->file, d->sector * VMDK_SECTOR,
                                      now, len, NULL);

    raw = g_memdup2(now, len); /* what stands behind the entries stays */
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t value = d->want[i];

        /* What nothing is known about stays as it is. */
        if (value == VMDK_GTE_BAD)
            value = d->disk ? d->disk[i] : VMDK_GTE_BAD;
        value = GUINT32_TO_LE(value);
        memcpy(raw + (size_t) i * sizeof(value), &value, sizeof(value));
    }
    return vmdk_repair_co_write(p->r, d->sector * VMDK_SECTOR, raw,
                                readable ? now : NULL, len, error);
}

static void
take_over(Pair *p)
{
    VmdkTables *t = p->r->tables;

    p->r->usual[VMDK_PRIMARY] = p->gd.standard ? p->gd.first : 0;
    p->r->usual[VMDK_REDUNDANT] = p->rgd.standard ? p->rgd.first : 0;

    g_free(t->gd);
    g_free(t->rgd);
    t->gd = g_steal_pointer(&p->gd.want);
    t->rgd = g_steal_pointer(&p->rgd.want);
    g_clear_pointer(&t->meta, g_array_unref);
    vmdk_tables_note_meta(t);
}

static bool
pair_co_run(Pair *p, GError **error)
{
    const VmdkHeader *hdr = &p->r->tables->hdr;

    return directory_co_load(p, &p->gd, VMDK_PRIMARY, hdr->gd_sector, error) &&
           (!p->has_rgd || directory_co_load(p, &p->rgd, VMDK_REDUNDANT,
                                             hdr->rgd_sector, error)) &&
           pair_co_decide(p, error) && directory_co_write(p, &p->gd, error) &&
           (!p->has_rgd || directory_co_write(p, &p->rgd, error));
}

bool
vmdk_repair_co_directories(VmdkRepair *r, GError **error)
{
    Pair p = {.r = r,
              .n = r->tables->n_gts,
              .has_rgd = r->tables->hdr.rgd_sector != 0};
    bool ok = pair_co_run(&p, error);

    if (ok)
        take_over(&p);
    g_free(p.gd.disk);
    g_free(p.gd.want);
    g_free(p.rgd.disk);
    g_free(p.rgd.want);
    return ok;
}
