/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/zero.c - zeroes and discards: changes of entries only.
 *
 * Requests for zeroes come in whole units (limits.zeroes_align), the end of the
 * disk counting as the end of one.
 *
 * Concurrency: one loop; the clusters are locked.
 */
#include "formats/qcow2/qcow2.h"

typedef struct {
    Qcow2State *s;
    VdReqFlags flags;
    bool discard;
} Blanking;

static bool
is_own(const Qcow2State *s, const Qcow2Entry *entry)
{
    return (entry->word & QCOW2_COPIED) && !(entry->word & QCOW2_COMPRESSED) &&
           qcow2_entry_is_placed(s->tables, entry);
}

/* -- one cluster ----------------------------------------------------------- */

/* The entry of a cluster that is nothing but zeroes. */
static Qcow2Entry
blank_entry(const Blanking *b, const Qcow2Entry *old)
{
    const Qcow2State *s = b->s;
    bool keep = is_own(s, old) && !b->discard &&
                (!(b->flags & VD_REQ_MAY_UNMAP) || s->tables->external);
    /* Where nobody shows through no entry says the same. */
    bool marked = s->hdr.version >= 3 && (keep || qcow2_shows_parent(s));
    Qcow2Entry entry = {.word = keep ? old->word & ~QCOW2_ZERO : 0};

    if (marked && s->tables->extended)
        entry.bitmap = UINT64_C(0xffffffff) << QCOW2_SUBCLUSTERS;
    else if (marked)
        entry.word |= QCOW2_ZERO;
    return entry;
}

/* Does the whole cluster read as zeroes already, with nothing to be gained? */
static bool
is_blank(const Blanking *b, const Qcow2Entry *entry)
{
    const Qcow2State *s = b->s;
    uint64_t all = UINT64_C(0xffffffff) << QCOW2_SUBCLUSTERS;

    if ((entry->word & QCOW2_COMPRESSED) ||
        qcow2_entry_is_placed(s->tables, entry))
        return false;
    if (s->tables->extended)
        return qcow2_shows_parent(s) ? entry->bitmap == all : true;
    return (entry->word & QCOW2_ZERO) || !qcow2_shows_parent(s);
}

static bool
cluster_co_blank(const Blanking *b, uint64_t cluster, GError **error)
{
    Qcow2State *s = b->s;
    Qcow2Entry old, entry;

    if (!qcow2_tables_co_get(s->tables, cluster, &old, error))
        return false;
    if (is_blank(b, &old))
        return true;
    entry = blank_entry(b, &old);
    return qcow2_co_own_table(s, cluster, error) &&
           qcow2_co_replace(s, cluster, &entry, error);
}

/* Subclusters [off, end) of one cluster that keeps the others. */
static bool
cluster_co_blank_part(const Blanking *b, uint64_t off, uint64_t end,
                      GError **error)
{
    Qcow2State *s = b->s;
    uint64_t unit = qcow2_unit_bytes(s->tables);
    uint64_t cluster = off & ~(qcow2_cluster_bytes(&s->hdr) - 1);
    uint64_t first = (off - cluster) / unit;
    uint64_t last = (end - cluster + unit - 1) / unit, bits;
    Qcow2Entry entry;

    if (!qcow2_tables_co_get(s->tables, cluster, &entry, error))
        return false;
    if ((entry.word & QCOW2_COMPRESSED) ||
        (qcow2_entry_is_placed(s->tables, &entry) && !is_own(s, &entry)))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: part of a cluster that others use, too",
                        vd_node_name(s->file));
    bits = ((UINT64_C(1) << last) - 1) & ~((UINT64_C(1) << first) - 1);
    entry.bitmap &= ~bits;
    entry.bitmap |= bits << QCOW2_SUBCLUSTERS;
    return qcow2_co_own_table(s, cluster, error) &&
           qcow2_co_replace(s, cluster, &entry, error);
}

/* A data file that stays valid as a raw image holds what the disk shows. */
static bool
has_raw_data(const Qcow2State *s)
{
    return s->hdr.autoclear & QCOW2_AUTOCLEAR_DATA_FILE_RAW;
}

static bool
raw_co_blank(const Blanking *b, uint64_t off, uint64_t end, GError **error)
{
    const Qcow2State *s = b->s;

    return !has_raw_data(s) ||
           vd_node_co_write_zeroes(s->data, off, end - off,
                                   b->flags & VD_REQ_MAY_UNMAP, error);
}

/* -- ranges ---------------------------------------------------------------- */

/* Where no table is and nothing shows through there is nothing to do. */
static uint64_t
skip(const Qcow2State *s, uint64_t off, uint64_t end)
{
    while (off < end && !qcow2_shows_parent(s) && !has_raw_data(s) &&
           !qcow2_sliced_table(s->tables->sliced, qcow2_l1_of(s->tables, off)))
        off = (off | (qcow2_l2_bytes(s->tables) - 1)) + 1;
    return off;
}

static bool
range_co_blank(const Blanking *b, uint64_t off, uint64_t end, GError **error)
{
    Qcow2State *s = b->s;
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);

    for (off = skip(s, off, end); off < end; off = skip(s, off, end)) {
        uint64_t first = off & ~(cluster - 1);
        uint64_t stop = MIN(end, first + cluster);
        bool whole =
            off == first && (stop == first + cluster || stop == s->hdr.size);

        if (whole ? !cluster_co_blank(b, first, error)
                  : !cluster_co_blank_part(b, off, stop, error))
            return false;
        off = stop;
    }
    return true;
}

/* One table at a time: the lock is not to keep everybody off. */
static bool
qcow2_co_blank(const Blanking *b, uint64_t off, uint64_t len, GError **error)
{
    Qcow2State *s = b->s;
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr), end = off + len;
    bool ok = true;

    while (ok && (off = skip(s, off, end)) < end) {
        uint64_t stop = MIN(end, (off | (qcow2_l2_bytes(s->tables) - 1)) + 1);
        uint64_t from = off & ~(cluster - 1);
        VioRange *range = vio_range_co_lock(
            s->allocating, from, ((stop + cluster - 1) & ~(cluster - 1)) - from,
            true);

        ok = raw_co_blank(b, off, stop, error) &&
             range_co_blank(b, off, stop, error);
        vio_range_unlock(s->allocating, range);
        ok = ok && qcow2_co_relieve(s, error);
        off = stop;
    }
    return ok;
}

bool
qcow2_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len,
                      VdReqFlags flags, GError **error)
{
    Qcow2State *s = vd_node_state(node);
    Blanking b = {.s = s, .flags = flags};

    if (s->hdr.version < 3 &&
        (qcow2_shows_parent(s) || !(flags & VD_REQ_MAY_UNMAP)))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: version 2 of qcow2 has no mark for zeroes",
                        vd_node_name(s->file));
    return qcow2_co_begin(s, error) && qcow2_co_blank(&b, off, len, error);
}

/* Only whole clusters, and only what a discarded one may read as: zeroes. */
bool
qcow2_co_discard(VdNode *node, uint64_t off, uint64_t len, GError **error)
{
    Qcow2State *s = vd_node_state(node);
    Blanking b = {.s = s, .flags = VD_REQ_MAY_UNMAP, .discard = true};
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr), end = off + len;

    if (s->hdr.version < 3 && qcow2_shows_parent(s))
        return true;
    off = (off + cluster - 1) & ~(cluster - 1);
    if (end != s->hdr.size)
        end &= ~(cluster - 1);
    return off >= end || (qcow2_co_begin(s, error) &&
                          qcow2_co_blank(&b, off, end - off, error));
}
