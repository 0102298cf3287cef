/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/repair-tables.c - what is in the grain tables.
 *
 * Twice over all tables.  First: which grains have owners on whom both copies
 * agree?  Then, for every entry:
 *
 *   first copy         second                    becomes
 *   good grain         the same                  that
 *   good grain         another                   that, unless it has an owner
 *                                                and the other one has none
 *   0, zero mark       anything                  that
 *   bad                good grain                the second one
 *   not readable       anything good             the second one
 *   not aligned, or    no good grain             a copy of what can be read
 *   in front of the grains
 *   on a table that    no good grain             a copy of what can be read
 *   is anywhere
 *   on other metadata, no good grain             0; it was lost before
 *   or outside
 *   1 without flag     no good grain             0; with a parent, the mark it
 *                                                was meant to be
 *
 * The first copy is the primary one, unless readers could not find that.  If
 * they took something else for it, where the copies differ that one comes first
 * which says what was read.
 *
 * A grain that has an owner already is copied for the next one.  So whatever
 * could be read before reads the same, except where two entries claim a grain
 * and the copies tell whose it is.
 *
 * Concurrency: nobody may write meanwhile.
 */
#include "formats/vmdk/sparse/repair.h"

#include "io/bytes.h"

#include <string.h>

typedef struct {
    VmdkRepair *r;
    VmdkOwners agreed; /* grains on whose owner both copies agree */
    VmdkOwners owned;  /* grains that have an owner for good */
    VmdkOwners meta;   /* what the image itself is made of, for certain */
    uint8_t *want;     /* one table, whole sectors */
    uint8_t *mistaken; /* what readers took for it; NULL = they did not */
    size_t len;
    uint64_t lost_off, lost_len; /* guest bytes that have not been told yet */
} Job;

/* One entry in both copies. */
typedef struct {
    uint32_t first, second;
    bool has_first, has_second;
    uint64_t off; /* guest byte, in the extent */
} Entry;

/* -- entries --------------------------------------------------------------- */

static VmdkEntryState
judge(const Job *job, uint32_t e)
{
    return vmdk_tables_judge(job->r->tables, e, job->r->file_sectors);
}

static bool
is_grain(const Job *job, bool has, uint32_t e)
{
    return has && e > VMDK_GTE_ZERO && judge(job, e) == VMDK_ENTRY_GOOD;
}

/* Readers looked at the redundant copy where what they found first made no
 * sense. */
static bool
redundant_comes_first(const Job *job, const VmdkTableView *view, uint32_t i)
{
    bool second = g_hash_table_contains(job->r->second,
                                        GSIZE_TO_POINTER((gsize) view->index));
    uint32_t seen;

    if (!job->mistaken || !view->primary || !view->redundant)
        return second;
    seen = vio_get_le32(job->mistaken + (size_t) i * sizeof(seen));
    if (judge(job, seen) != VMDK_ENTRY_GOOD)
        return second;
    if (seen == GUINT32_FROM_LE(view->primary[i]))
        return false;
    return second || seen == GUINT32_FROM_LE(view->redundant[i]);
}

/* The copy that readers found comes first. */
static Entry
entry_at(const Job *job, const VmdkTableView *view, uint32_t i, uint64_t off)
{
    Entry entry = {.has_first = view->primary != NULL,
                   .has_second = view->redundant != NULL,
                   .off = off};

    if (entry.has_first)
        entry.first = GUINT32_FROM_LE(view->primary[i]);
    if (entry.has_second)
        entry.second = GUINT32_FROM_LE(view->redundant[i]);
    if (redundant_comes_first(job, view, i))
        entry = (Entry){.first = entry.second,
                        .second = entry.first,
                        .has_first = entry.has_second,
                        .has_second = entry.has_first,
                        .off = off};
    return entry;
}

static bool
copies_agree(const Entry *entry)
{
    return !entry->has_first || !entry->has_second ||
           entry->first == entry->second;
}

static bool
is_agreed(const Job *job, uint32_t e)
{
    return vmdk_owners_has(&job->agreed, e);
}

/* -- what was lost --------------------------------------------------------- */

static void
tell_lost(Job *job)
{
    if (job->lost_len)
        vd_finding_add_grain(
            job->r->result, VD_FINDING_NOTE, job->r->name,
            job->lost_off >> job->r->e->sparse->grain_shift, job->lost_off,
            "bytes %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
            " of the disk had been lost before: their entries "
            "named no place for them",
            job->r->e->start + job->lost_off,
            job->r->e->start + job->lost_off + job->lost_len - 1);
    job->lost_len = 0;
}

static void
note_lost(Job *job, uint64_t off)
{
    uint64_t grain = job->r->e->sparse->grain_bytes;

    if (job->lost_len && job->lost_off + job->lost_len != off)
        tell_lost(job);
    if (!job->lost_len)
        job->lost_off = off;
    job->lost_len += grain;
}

/* -- deciding -------------------------------------------------------------- */

/* What is at @sector.  Behind the old end there were zeroes; by now there may
 * be other grains. */
static bool
repair_co_read_grain(const Job *job, uint32_t sector, uint8_t *bytes,
                     size_t len, GError **error)
{
    uint64_t there = (job->r->file_sectors - sector) * VMDK_SECTOR;
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, bytes, (size_t) MIN(len, there));

    memset(bytes, 0, len);
    return vd_node_co_preadv_eof(job->r->e->file,
                                 (uint64_t) sector * VMDK_SECTOR, &dst, error);
}

/* A new grain with what is at @sector now. */
static bool
repair_co_copy_grain(Job *job, uint32_t sector, uint32_t *value, GError **error)
{
    VmdkRepair *r = job->r;
    size_t len = (size_t) r->tables->hdr.grain_sectors * VMDK_SECTOR;
    g_autofree uint8_t *bytes = g_try_malloc(len);
    uint64_t place = 0;

    if (!bytes)
        return vd_throw(error, VD_ERROR_NO_MEMORY,
                        "%s: no memory for a grain of %zu bytes", r->name, len);
    if (!repair_co_read_grain(job, sector, bytes, len, error) ||
        !vmdk_repair_reserve(r, len, &place, error) ||
        !vd_node_co_pwrite(r->e->file, place, bytes, len, error))
        return vd_prefix(error, "copying a grain: ");
    *value = (uint32_t) (place / VMDK_SECTOR);
    return true;
}

/* The entry is to name the good grain @e. */
static bool
repair_co_own(Job *job, const Entry *entry, uint32_t e, uint32_t *value,
              GError **error)
{
    bool free = copies_agree(entry) || !is_agreed(job, e);

    *value = e;
    return (free && vmdk_owners_take(&job->owned, e)) ||
           repair_co_copy_grain(job, e, value, error);
}

static bool
repair_co_good_first(Job *job, const Entry *entry, uint32_t *value,
                     GError **error)
{
    uint32_t e = entry->first;

    if (e <= VMDK_GTE_ZERO) {
        job->r->needs_zero_flag |= e == VMDK_GTE_ZERO;
        *value = e;
        return true;
    }
    if (!copies_agree(entry) && is_agreed(job, e) &&
        is_grain(job, entry->has_second, entry->second) &&
        !is_agreed(job, entry->second))
        e = entry->second;
    return repair_co_own(job, entry, e, value, error);
}

/* Does it lie on something that certainly is no grain? */
static bool
is_on_metadata(const Job *job, uint32_t e)
{
    return vmdk_owners_has(&job->meta, e);
}

/* Neither copy has a good answer. */
static bool
repair_co_bad(Job *job, const Entry *entry, uint32_t *value, GError **error)
{
    uint32_t e = entry->has_first ? entry->first : entry->second;
    VmdkEntryState state = judge(job, e);

    if (e == VMDK_GTE_ZERO && !job->r->tables->hdr.cowd) {
        bool keep = vmdk_has_parent(job->r->e->state);

        job->r->needs_zero_flag |= keep;
        *value = keep ? VMDK_GTE_ZERO : VMDK_GTE_ABSENT;
        return true;
    }
    if (state == VMDK_ENTRY_MISALIGNED ||
        (state == VMDK_ENTRY_SUSPICIOUS && !is_on_metadata(job, e)))
        return repair_co_copy_grain(job, e, value, error);
    *value = VMDK_GTE_ABSENT;
    note_lost(job, entry->off);
    return true;
}

static bool
repair_co_decide(Job *job, const Entry *entry, uint32_t *value, GError **error)
{
    if (entry->has_first && judge(job, entry->first) == VMDK_ENTRY_GOOD)
        return repair_co_good_first(job, entry, value, error);
    if (is_grain(job, entry->has_second, entry->second))
        return repair_co_own(job, entry, entry->second, value, error);
    if (!entry->has_first &&
        (!entry->has_second || judge(job, entry->second) == VMDK_ENTRY_GOOD)) {
        *value = entry->has_second ? entry->second : VMDK_GTE_ABSENT;
        if (!entry->has_second)
            note_lost(job, entry->off);
        return true;
    }
    return repair_co_bad(job, entry, value, error);
}

/* -- tables ---------------------------------------------------------------- */

/* A copy that has only just been given its place has nothing to say. */
static VmdkTableView
without_fresh(const Job *job, const VmdkTableView *view)
{
    VmdkTableView known = *view;
    GHashTable *fresh = job->r->fresh;

    if (g_hash_table_contains(fresh,
                              vmdk_repair_copy_key(view->index, VMDK_PRIMARY)))
        known.primary = NULL;
    if (g_hash_table_contains(
            fresh, vmdk_repair_copy_key(view->index, VMDK_REDUNDANT)))
        known.redundant = NULL;
    return known;
}

/* The last grain may be cut off; grains of redo logs lie anywhere, so what is
 * behind the end is not always free. */
static void
note_end(Job *job, bool has, uint32_t e)
{
    uint64_t grain = vmdk_header_grain_bytes(&job->r->tables->hdr);
    uint64_t end = (uint64_t) e * VMDK_SECTOR + grain;

    if (is_grain(job, has, e) && end > job->r->next)
        job->r->next = end;
}

/* Has it just been made? */
static bool
is_new(const Job *job, uint32_t index)
{
    return g_hash_table_contains(job->r->zeroes,
                                 GSIZE_TO_POINTER((gsize) index));
}

static bool
visit_agreed(void *arg, const VmdkTableView *shown, GError **error)
{
    Job *job = arg;
    VmdkTableView view = without_fresh(job, shown);

    for (uint32_t i = 0; i < view.in_use && !is_new(job, view.index); i++) {
        Entry entry = entry_at(job, &view, i, 0);
        uint32_t e = entry.has_first ? entry.first : entry.second;

        note_end(job, entry.has_first, entry.first);
        note_end(job, entry.has_second, entry.second);
        if (copies_agree(&entry) &&
            is_grain(job, entry.has_first || entry.has_second, e))
            (void) vmdk_owners_take(&job->agreed, e);
    }
    return true;
}

static bool
repair_co_write_copy(Job *job, uint32_t gde, const uint32_t *disk,
                     GError **error)
{
    g_autofree uint8_t *now = NULL;

    if (!vmdk_table_is_placed(gde))
        return true;
    if (disk) {
        now = g_malloc0(job->len);
        memcpy(now, disk, job->r->tables->gtes_per_gt * sizeof(uint32_t));
    }
    return vmdk_repair_co_write(job->r, (uint64_t) gde * VMDK_SECTOR, job->want,
                                now, job->len, error);
}

/* Nothing, too, if it cannot be read any more. */
static uint8_t *
repair_co_read_mistaken(const Job *job, uint32_t index)
{
    gpointer sector =
        g_hash_table_lookup(job->r->mistaken, GSIZE_TO_POINTER((gsize) index));
    g_autofree uint8_t *raw = sector ? g_malloc(job->len) : NULL;

    if (!raw || !vmdk_scan_co_read(job->r->e->file,
                                   GPOINTER_TO_SIZE(sector) * VMDK_SECTOR, raw,
                                   job->len, NULL))
        return NULL;
    return g_steal_pointer(&raw);
}

static bool
repair_co_fill(Job *job, const VmdkTableView *view, GError **error)
{
    const VmdkSparse *sp = job->r->e->sparse;
    uint64_t off = (uint64_t) view->index << sp->table_shift;

    g_free(job->mistaken);
    job->mistaken = repair_co_read_mistaken(job, view->index);
    memset(job->want, 0, job->len);
    for (uint32_t i = 0; i < view->in_use; i++) {
        Entry entry =
            entry_at(job, view, i, off + ((uint64_t) i << sp->grain_shift));
        uint32_t value = 0;

        if (!repair_co_decide(job, &entry, &value, error))
            return false;
        value = GUINT32_TO_LE(value);
        memcpy(job->want + (size_t) i * sizeof(value), &value, sizeof(value));
    }
    return true;
}

static bool
visit_co_repair(void *arg, const VmdkTableView *shown, GError **error)
{
    Job *job = arg;
    VmdkTables *t = job->r->tables;
    VmdkTableView view = without_fresh(job, shown);
    uint32_t gde = t->gd[view.index];

    if (!vmdk_table_is_placed(gde) || is_new(job, view.index))
        return true; /* none, or unknown and left alone */
    return repair_co_fill(job, &view, error) &&
           repair_co_write_copy(job, gde, view.primary, error) &&
           (!t->rgd || repair_co_write_copy(job, t->rgd[view.index],
                                            view.redundant, error));
}

static void
take_usual(VmdkOwners *owners, const VmdkRepair *r, const uint32_t *gd,
           uint64_t first)
{
    const VmdkTables *t = r->tables;

    for (uint32_t i = 0; gd && first && i < t->n_gts; i++)
        if (gd[i] == first + (uint64_t) i * t->gt_sectors)
            (void) vmdk_owners_take_sectors(owners, gd[i], t->gt_sectors);
}

/* Where a table is that lies elsewhere, there might as well be a grain: nobody
 * can tell, so both stay. */
static bool
take_certain(VmdkOwners *owners, const VmdkRepair *r, GError **error)
{
    VmdkTables without = *r->tables;

    without.n_gts = 0;
    if (!vmdk_owners_init(owners, &without, 1, error))
        return false;
    take_usual(owners, r, r->tables->gd, r->usual[VMDK_PRIMARY]);
    take_usual(owners, r, r->tables->rgd, r->usual[VMDK_REDUNDANT]);
    return true;
}

static bool
job_init(Job *job, VmdkRepair *r, GError **error)
{
    uint64_t first = r->tables->hdr.overhead_sectors;

    *job = (Job){.r = r, .len = (size_t) r->tables->gt_sectors * VMDK_SECTOR};
    job->want = g_malloc(job->len);
    return vmdk_owners_init(&job->agreed, r->tables, first, error) &&
           vmdk_owners_init(&job->owned, r->tables, first, error) &&
           take_certain(&job->meta, r, error);
}

static void
job_clear(Job *job)
{
    vmdk_owners_clear(&job->agreed);
    vmdk_owners_clear(&job->owned);
    vmdk_owners_clear(&job->meta);
    g_free(job->want);
    g_free(job->mistaken);
}

bool
vmdk_repair_co_tables(VmdkRepair *r, GError **error)
{
    Job job;
    VmdkScan first = {.visit = visit_agreed, .arg = &job};
    VmdkScan second = {.visit = visit_co_repair, .arg = &job};
    bool ok = job_init(&job, r, error) &&
              vmdk_tables_co_scan(r->tables, &first, error) &&
              vmdk_tables_co_scan(r->tables, &second, error);

    tell_lost(&job);
    job_clear(&job);
    return ok;
}
