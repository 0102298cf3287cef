/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/write.c - writing.
 *
 * Clusters that are the disk's own are written in place, with no lock at all.
 * Others:
 *
 *   lock the clusters - look again - make sure of the L2 table - places - data,
 *   with what they leave uncovered - entries - unlock
 *
 * Concurrency: one loop; requests for different clusters never wait for one
 * another.
 */
#include "formats/qcow2/qcow2.h"

#include <inttypes.h>

#include "block/spans.h"
#include "io/zero.h"

/* New clusters of one step: bytes. */
#define STEP_BYTES (UINT64_C(4) << 20)

/* How bytes get into a cluster: the way of a span. */
typedef enum {
    WAY_IN_PLACE, /* they are there already, and ours alone; span->place: where
                     the first one is */
    WAY_OWN,      /* the place is there, but does not count yet */
    WAY_NEW,      /* in a new place */
} Way;

static uint64_t
cluster_of(const Qcow2State *s, uint64_t off)
{
    return off & ~(qcow2_cluster_bytes(&s->hdr) - 1);
}

/* -- which way ------------------------------------------------------------- */

static bool
is_own(const Qcow2State *s, const Qcow2Entry *entry)
{
    return (entry->word & QCOW2_COPIED) && !(entry->word & QCOW2_COMPRESSED) &&
           qcow2_entry_is_placed(s->tables, entry);
}

static bool
refuse_entry(const Qcow2State *s, uint64_t off, const Qcow2Entry *entry,
             GError **error)
{
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the L2 entry for byte %" PRIu64 " is 0x%" PRIx64
                    ", which must not be",
                    vd_node_name(s->file), off, entry->word);
}

/* The way of the unit at @off; *place: of this byte. */
static bool
qcow2_co_way(Qcow2State *s, uint64_t off, Way *way, uint64_t *place,
             GError **error)
{
    uint64_t first = 0;
    Qcow2Entry entry;
    Qcow2Kind kind;

    if (!qcow2_tables_co_get(s->tables, off, &entry, error))
        return false;
    kind = qcow2_entry_kind(s->tables, &entry, off, &first);
    if (kind == QCOW2_BAD)
        return refuse_entry(s, off, &entry, error);
    *place = first + (off - cluster_of(s, off));
    *way = !is_own(s, &entry)   ? WAY_NEW
           : kind == QCOW2_DATA ? WAY_IN_PLACE
                                : WAY_OWN;
    return true;
}

/* Units are looked at one by one. */
static bool
span_co_cut(VdSpan *span, GError **error)
{
    Qcow2State *s = span->format;
    uint64_t unit = qcow2_unit_bytes(s->tables), place = 0;
    uint64_t off = span->off, end = off + span->src.len;
    uint64_t at = (off & ~(unit - 1)) + unit;
    Way first = WAY_NEW, way = WAY_NEW;

    if (!qcow2_co_way(s, off, &first, &span->place, error))
        return false;
    for (; at < end; at += unit) {
        if (!qcow2_co_way(s, at, &way, &place, error))
            return false;
        if (way != first ||
            (way == WAY_IN_PLACE && place != span->place + (at - off)))
            break;
    }
    span->way = first;
    span->src = vio_vec_slice(&span->src, 0, (size_t) (MIN(at, end) - off));
    return true;
}

/* -- what a request leaves uncovered --------------------------------------- */

/* Bytes [from, to) as the guest sees them; NULL if they are zeroes that the
 * place holds already. */
static bool
qcow2_co_around(Qcow2State *s, uint64_t from, uint64_t to, bool is_hole,
                uint8_t **bytes, GError **error)
{
    size_t len = (size_t) (MIN(to, s->hdr.size) - from);

    *bytes = NULL;
    if (from >= to || from >= s->hdr.size)
        return true;
    *bytes = g_malloc(len);
    if (!vd_node_co_pread(s->node, from, *bytes, len, error)) {
        g_clear_pointer(bytes, g_free);
        return false;
    }
    if (is_hole && vio_is_zero(*bytes, len))
        g_clear_pointer(bytes, g_free);
    return true;
}

/* @src with what is around it, from guest byte @from to @to, to @place (of
 * @from). */
static bool
qcow2_co_put(Qcow2State *s, uint64_t off, const VioVec *src, uint64_t from,
             uint64_t to, uint64_t place, bool is_hole, GError **error)
{
    uint64_t end = off + src->len;
    g_autofree uint8_t *head = NULL, *tail = NULL;
    g_autofree struct iovec *iov = NULL;
    int n = vio_vec_count(src);
    VioVec all;

    if (!qcow2_co_around(s, from, off, is_hole, &head, error) ||
        !qcow2_co_around(s, end, to, is_hole, &tail, error))
        return false;
    if (!head && !tail)
        return vd_node_co_pwritev(s->data, place + (off - from), src, 0, error);
    iov = g_new(struct iovec, (gsize) n + 2);
    iov[0] = (struct iovec){head, head ? (size_t) (off - from) : 0};
    n = 1 + vio_vec_fill(src, iov + 1, n, NULL);
    iov[n++] =
        (struct iovec){tail, tail ? (size_t) (MIN(to, s->hdr.size) - end) : 0};
    all = vio_vec_from_iov(iov, n);
    return vd_node_co_pwritev(s->data, head ? place : place + (off - from),
                              &all, 0, error);
}

/* -- entries --------------------------------------------------------------- */

/* Bits of the subclusters that [from, to) covers, in the cluster at @cluster.
 */
static uint64_t
covered(const Qcow2State *s, uint64_t cluster, uint64_t from, uint64_t to)
{
    uint64_t unit = qcow2_unit_bytes(s->tables);
    uint64_t first, last;

    from = MAX(from, cluster) - cluster;
    to = MIN(to - cluster, qcow2_cluster_bytes(&s->hdr));
    first = from / unit;
    last = (to + unit - 1) / unit;
    return ((UINT64_C(1) << last) - 1) & ~((UINT64_C(1) << first) - 1);
}

/* The cluster at @cluster is at @place from now on, where [from, to) counts. */
static bool
qcow2_co_set_place(Qcow2State *s, uint64_t cluster, uint64_t place,
                   uint64_t from, uint64_t to, GError **error)
{
    Qcow2Entry entry;
    uint64_t bits;

    if (!qcow2_tables_co_get(s->tables, cluster, &entry, error))
        return false;
    entry.word = place | QCOW2_COPIED;
    if (s->tables->extended) {
        bits = covered(s, cluster, from, to);
        entry.bitmap &= ~(bits << QCOW2_SUBCLUSTERS);
        entry.bitmap |= bits;
    }
    return qcow2_co_replace(s, cluster, &entry, error);
}

/* -- ways ------------------------------------------------------------------ */

/* The place is there; @src goes to units that do not count yet. */
static bool
qcow2_co_write_own(const VdSpan *span, GError **error)
{
    Qcow2State *s = span->format;
    uint64_t unit = qcow2_unit_bytes(s->tables);
    uint64_t end = span->off + span->src.len;
    uint64_t cluster = cluster_of(s, span->off);

    /* Cluster by cluster: their places are anywhere. */
    for (uint64_t off = span->off; off < end;) {
        uint64_t stop =
            MIN(end, cluster_of(s, off) + qcow2_cluster_bytes(&s->hdr));
        VioVec part = vio_vec_slice(&span->src, (size_t) (off - span->off),
                                    (size_t) (stop - off));
        uint64_t from = off & ~(unit - 1);
        uint64_t to = (stop + unit - 1) & ~(unit - 1), place = 0;
        Way way;

        cluster = cluster_of(s, off);
        if (!qcow2_co_way(s, off, &way, &place, error) ||
            !qcow2_co_put(s, off, &part, from, to, place - (off - from), false,
                          error) ||
            !qcow2_co_set_place(s, cluster, place - (off - cluster), from, to,
                                error))
            return false;
        off = stop;
    }
    return true;
}

/* Whether what the cluster at @off holds now can stay where it is: then only
 * units that are written need to be complete. */
static bool
qcow2_co_is_bare(Qcow2State *s, uint64_t off, bool *bare, GError **error)
{
    Qcow2Entry entry;

    if (!qcow2_tables_co_get(s->tables, off, &entry, error))
        return false;
    *bare = s->tables->extended && !(entry.word & QCOW2_COMPRESSED) &&
            !qcow2_entry_is_placed(s->tables, &entry);
    return true;
}

/* From where to where a new place must be complete. */
static bool
qcow2_co_reach(Qcow2State *s, uint64_t off, uint64_t end, uint64_t *from,
               uint64_t *to, GError **error)
{
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);
    uint64_t unit = qcow2_unit_bytes(s->tables);
    bool first, last;

    if (!qcow2_co_is_bare(s, off, &first, error) ||
        !qcow2_co_is_bare(s, end - 1, &last, error))
        return false;
    *from = off & ~((first ? unit : cluster) - 1);
    *to = (end + (last ? unit : cluster) - 1) & ~((last ? unit : cluster) - 1);
    return true;
}

/* Guest and data file have the same places. */
static bool
qcow2_co_find_place(Qcow2State *s, uint64_t off, uint64_t want, uint64_t *place,
                    uint64_t *got, GError **error)
{
    if (!s->tables->external)
        return qcow2_co_allocate(s->refcounts, want, place, got, error);
    *place = off;
    *got = want;
    return true;
}

/* The beginning of @span to a new place; *done bytes of it. */
static bool
qcow2_co_write_new(const VdSpan *span, size_t *done, GError **error)
{
    Qcow2State *s = span->format;
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);
    uint64_t first = cluster_of(s, span->off), place, got, from, to, end;
    uint64_t table_end = (span->off | (qcow2_l2_bytes(s->tables) - 1)) + 1;
    VioVec part;
    bool ok;

    end = MIN(span->off + span->src.len, MIN(table_end, first + STEP_BYTES));
    if (!qcow2_co_own_table(s, span->off, error) ||
        !qcow2_co_find_place(s, first, (end - first + cluster - 1) / cluster,
                             &place, &got, error))
        return false;
    end = MIN(end, first + got * cluster);
    *done = (size_t) (end - span->off);
    part = vio_vec_slice(&span->src, 0, *done);
    ok = qcow2_co_reach(s, span->off, end, &from, &to, error) &&
         qcow2_co_put(s, span->off, &part, from, to, place + (from - first),
                      !s->tables->external && place >= vd_node_size(s->data),
                      error);
    if (!ok && !s->tables->external)
        qcow2_give_up(s->refcounts, place, got * cluster);
    for (uint64_t at = first; ok && at < end; at += cluster)
        ok = qcow2_co_set_place(s, at, place + (at - first), from, to, error);
    return ok;
}

/* All clusters of @span are locked; things may have changed meanwhile. */
static bool
qcow2_co_write_locked(Qcow2State *s, uint64_t off, const VioVec *src,
                      GError **error)
{
    for (size_t done = 0, n; done < src->len; done += n) {
        VdSpan span = {.format = s,
                       .off = off + done,
                       .src = vio_vec_slice(src, done, src->len - done)};
        bool ok;

        if (!span_co_cut(&span, error))
            return false;
        n = span.src.len;
        if (span.way == WAY_IN_PLACE)
            ok = vd_node_co_pwritev(s->data, span.place, &span.src, 0, error);
        else if (span.way == WAY_OWN)
            ok = qcow2_co_own_table(s, span.off, error) &&
                 qcow2_co_write_own(&span, error);
        else
            ok = qcow2_co_write_new(&span, &n, error);
        if (!ok)
            return false;
    }
    return true;
}

static bool
span_co_write(const VdSpan *span, GError **error)
{
    Qcow2State *s = span->format;
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);
    uint64_t first = cluster_of(s, span->off);
    uint64_t last = cluster_of(s, span->off + span->src.len - 1) + cluster;
    VioRange *range;
    bool ok;

    if (span->way == WAY_IN_PLACE)
        return vd_node_co_pwritev(s->data, span->place, &span->src, 0, error);
    range = vio_range_co_lock(s->allocating, first, last - first, true);
    ok = qcow2_co_write_locked(s, span->off, &span->src, error);
    vio_range_unlock(s->allocating, range);
    return ok;
}

static const VdSpanFuncs span_funcs = {span_co_cut, span_co_write};

bool
qcow2_co_pwritev(VdNode *node, uint64_t off, const VioVec *src,
                 VdReqFlags flags, GError **error)
{
    Qcow2State *s = vd_node_state(node);

    if (!qcow2_co_begin(s, error))
        return false;
    if (flags & VD_REQ_COMPRESSED)
        return qcow2_co_write_packed(s, off, src, error);
    return vd_spans_co_write(&span_funcs, s, off, src, error) &&
           qcow2_co_relieve(s, error);
}
