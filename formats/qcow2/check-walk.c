/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/check-walk.c - who uses which cluster: the header, the tables
 * of the disk and of its snapshots, refcount blocks, and bitmaps.
 *
 * Concurrency: yields for tables.
 */
#include "formats/qcow2/check.h"
#include "formats/qcow2/snapshot.h"

#include <inttypes.h>

static void note(Qcow2Survey *survey, uint64_t off, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static void
note(Qcow2Survey *survey, uint64_t off, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    vd_finding_add(survey->result, VD_FINDING_CORRUPTION,
                   vd_node_name(survey->s->file), off, "%s", text);
}

void
qcow2_survey_use(Qcow2Survey *survey, uint64_t off, uint64_t len,
                 const char *what)
{
    unsigned bits = survey->s->hdr.cluster_bits;
    uint64_t first = off >> bits, last;

    if (!len)
        return;
    last = (off + len - 1) >> bits;
    if (last >= survey->n) {
        survey->unclear = true;
        note(survey, off, "%s at byte %" PRIu64 " lies behind the end", what,
             off);
        return;
    }
    for (; first <= last; first++)
        survey->users[first]++;
}

/* -- L2 tables ------------------------------------------------------------- */

static void
count_allocated(Qcow2Survey *survey, uint64_t place)
{
    uint64_t cluster = qcow2_cluster_bytes(&survey->s->hdr);

    survey->result->allocated_clusters++;
    if (survey->last_place && place != survey->last_place + cluster)
        survey->result->fragmented_clusters++;
    survey->last_place = place;
}

static void
use_packed(Qcow2Survey *survey, const Qcow2Entry *entry, bool active)
{
    uint64_t off = 0;
    uint32_t len = 0;

    qcow2_entry_packed(&survey->s->hdr, entry->word, &off, &len);
    /* The last sector may be cut short by the end of the file. */
    if (off < vd_node_size(survey->s->file))
        len = (uint32_t) MIN(len,
                             (survey->n << survey->s->hdr.cluster_bits) - off);
    qcow2_survey_use(survey, off, len, "a compressed cluster");
    if (!active)
        return;
    survey->result->allocated_clusters++;
    survey->result->compressed_clusters++;
    survey->result->fragmented_clusters++; /* as QEMU counts them */
}

static void
use_entry(Qcow2Survey *survey, const Qcow2Tables *tables, uint64_t off,
          const Qcow2Entry *entry, bool active)
{
    uint64_t place = 0;

    /* The parts of an extended entry have the same place. */
    switch (qcow2_entry_kind(tables, entry, off, &place)) {
    case QCOW2_PACKED:
        use_packed(survey, entry, active);
        return;
    case QCOW2_BAD:
        survey->unclear = true;
        note(survey, off,
             "the L2 entry for guest byte %" PRIu64 " is 0x%" PRIx64, off,
             entry->word);
        return;
    default:
        break;
    }
    if (!qcow2_entry_is_placed(tables, entry))
        return;
    if (!tables->external)
        qcow2_survey_use(survey, place, qcow2_cluster_bytes(&survey->s->hdr),
                         "a data cluster");
    if (active)
        count_allocated(survey, place);
}

static bool
table_co_walk(Qcow2Survey *survey, Qcow2Tables *tables, uint32_t l1,
              bool active, GError **error)
{
    uint64_t off = (uint64_t) l1 << tables->l2_shift;
    uint64_t cluster = qcow2_cluster_bytes(&survey->s->hdr);
    uint64_t end = off + qcow2_l2_bytes(tables);

    for (; off < end; off += cluster) {
        Qcow2Entry entry;

        if (!qcow2_tables_co_get(tables, off, &entry, error))
            return false;
        if (entry.word || entry.bitmap)
            use_entry(survey, tables, off, &entry, active);
    }
    return true;
}

bool
qcow2_survey_names_table(const Qcow2Survey *survey, uint64_t word)
{
    uint64_t place = word & QCOW2_OFF_MASK;

    return !(word & ~QCOW2_COPIED & ~QCOW2_OFF_MASK) &&
           !(place & (qcow2_cluster_bytes(&survey->s->hdr) - 1)) &&
           place >> survey->s->hdr.cluster_bits < survey->n;
}

static bool
tables_co_walk(Qcow2Survey *survey, Qcow2Tables *tables, bool active,
               GError **error)
{
    const Qcow2Sliced *sl = tables->sliced;
    uint64_t cluster = qcow2_cluster_bytes(&survey->s->hdr);

    qcow2_survey_use(survey, sl->off, sl->n * UINT64_C(8), "an L1 table");
    for (uint32_t i = 0; i < sl->n; i++) {
        uint64_t place = qcow2_sliced_table(sl, i);

        if (!qcow2_survey_names_table(survey, sl->upper[i])) {
            survey->unclear = true;
            note(survey, sl->off + i * UINT64_C(8),
                 "entry %u of an L1 table is 0x%" PRIx64
                 ", which names no L2 table in the file",
                 i, sl->upper[i]);
            continue;
        }
        if (!place)
            continue;
        qcow2_survey_use(survey, place, cluster, "an L2 table");
        if (!qcow2_survey_go_on(survey, error) ||
            !table_co_walk(survey, tables, i, active, error))
            return false;
    }
    return true;
}

/* -- the rest -------------------------------------------------------------- */

static bool
snapshots_co_walk(Qcow2Survey *survey, GError **error)
{
    Qcow2State *s = survey->s;
    uint64_t bytes = 0;
    g_autoptr(GArray) list =
        qcow2_snapshots_co_read(s->file, &s->hdr, &bytes, error);

    if (!list)
        return false;
    qcow2_survey_use(survey, s->hdr.snapshots_off, bytes, "the snapshot table");
    for (unsigned i = 0; i < list->len; i++) {
        const Qcow2Snapshot *snapshot = &g_array_index(list, Qcow2Snapshot, i);
        Qcow2Tables *tables = qcow2_tables_co_open(
            s->file, &s->hdr, snapshot->l1_off, snapshot->n_l1, error);
        bool ok = tables && tables_co_walk(survey, tables, false, error);

        qcow2_tables_free(tables);
        if (!ok)
            return false;
    }
    return true;
}

/* -- refcounts ------------------------------------------------------------- */

/* Blocks that are not in the file count nothing. */
static void
forget_bad_blocks(Qcow2Survey *survey)
{
    Qcow2Sliced *sl = survey->rc->sliced;

    for (uint32_t i = 0; i < sl->n; i++) {
        if (!(sl->upper[i] & QCOW2_COPIED) &&
            qcow2_survey_names_table(survey, sl->upper[i]))
            continue;
        survey->rebuild = true;
        note(survey, sl->off + i * UINT64_C(8),
             "entry %u of the refcount table is 0x%" PRIx64
             ", which names no refcount block in the file",
             i, sl->upper[i]);
        sl->upper[i] = 0;
    }
}

static void
add_users(Qcow2Survey *survey, uint64_t off, uint64_t len, int delta)
{
    unsigned bits = survey->s->hdr.cluster_bits;
    uint64_t end = (off + len + (UINT64_C(1) << bits) - 1) >> bits;

    for (uint64_t i = off >> bits; i < MIN(end, survey->n); i++)
        survey->users[i] += (uint32_t) delta;
}

void
qcow2_survey_count_refcounts(Qcow2Survey *survey, int delta)
{
    const Qcow2Sliced *sl = survey->rc->sliced;
    uint64_t cluster = qcow2_cluster_bytes(&survey->s->hdr);

    add_users(survey, sl->off, sl->n * UINT64_C(8), delta);
    for (uint32_t i = 0; i < sl->n; i++)
        if (qcow2_sliced_table(sl, i))
            add_users(survey, qcow2_sliced_table(sl, i), cluster, delta);
}

/* Changing a count must not change anything else. */
static void
check_shared(Qcow2Survey *survey, uint64_t place, const char *what)
{
    uint32_t users = survey->users[place >> survey->s->hdr.cluster_bits];

    if (users == 1)
        return;
    survey->rebuild = true;
    note(survey, place, "%s is used %u times", what, users);
}

static void
check_refcounts_shared(Qcow2Survey *survey)
{
    const Qcow2Sliced *sl = survey->rc->sliced;
    uint64_t cluster = qcow2_cluster_bytes(&survey->s->hdr);

    for (uint64_t at = 0; at < sl->n * UINT64_C(8); at += cluster)
        check_shared(survey, sl->off + at, "a cluster of the refcount table");
    for (uint32_t i = 0; i < sl->n; i++)
        if (qcow2_sliced_table(sl, i))
            check_shared(survey, qcow2_sliced_table(sl, i), "a refcount block");
}

/* -- all of it ------------------------------------------------------------- */

bool
qcow2_survey_co_walk(Qcow2Survey *survey, GError **error)
{
    Qcow2State *s = survey->s;

    qcow2_survey_use(survey, 0, qcow2_cluster_bytes(&s->hdr), "the header");
    forget_bad_blocks(survey);
    qcow2_survey_count_refcounts(survey, 1);
    if (!tables_co_walk(survey, s->tables, true, error) ||
        !snapshots_co_walk(survey, error) ||
        !qcow2_survey_co_bitmaps(survey, error))
        return false;
    check_refcounts_shared(survey);
    return true;
}
