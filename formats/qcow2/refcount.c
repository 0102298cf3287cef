/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/refcount.c - counts of users, of any width.
 *
 * Concurrency: one loop; yields to load slices of blocks.
 */
#include "formats/qcow2/qcow2.h"

#include "block/open.h"

#include <inttypes.h>

static Qcow2Refcounts *
refcounts_co_open_table(Qcow2State *s, uint32_t n, GError **error)
{
    const Qcow2Header *hdr = &s->hdr;
    Qcow2Sliced *sliced =
        qcow2_sliced_co_open(s->file, hdr, n ? hdr->reftable_off : 0, n,
                             "refcount table", "refcount block", error);
    Qcow2Refcounts *rc;

    if (!sliced)
        return NULL;
    rc = g_new0(Qcow2Refcounts, 1);
    rc->s = s;
    rc->sliced = sliced;
    rc->clusters = n >> (hdr->cluster_bits - 3);
    rc->order = hdr->refcount_order;
    rc->block_shift = hdr->cluster_bits + 3 - rc->order;
    rc->freed = g_array_new(FALSE, FALSE, sizeof(Qcow2Range));
    rc->resting = g_array_new(FALSE, FALSE, sizeof(Qcow2Range));
    return rc;
}

Qcow2Refcounts *
qcow2_refcounts_co_open(Qcow2State *s, GError **error)
{
    const Qcow2Header *hdr = &s->hdr;

    return refcounts_co_open_table(
        s, hdr->reftable_clusters << (hdr->cluster_bits - 3), error);
}

Qcow2Refcounts *
qcow2_refcounts_co_open_empty(Qcow2State *s, GError **error)
{
    return refcounts_co_open_table(s, 0, error);
}

void
qcow2_refcounts_free(Qcow2Refcounts *rc)
{
    if (!rc)
        return;
    qcow2_sliced_free(rc->sliced);
    g_array_unref(rc->freed);
    g_array_unref(rc->resting);
    g_free(rc);
}

/* -- one count ------------------------------------------------------------- */

/* Byte of its block that holds the count of @cluster, or where it begins. */
static uint32_t
byte_of(const Qcow2Refcounts *rc, uint64_t cluster)
{
    uint64_t i = cluster & ((UINT64_C(1) << rc->block_shift) - 1);

    return (uint32_t) ((i << rc->order) >> 3);
}

/* Counts of less than a byte: the first has the lowest bits. */
static unsigned
bit_of(unsigned order, uint64_t cluster)
{
    return order < 3 ? (unsigned) ((cluster << order) & 7) : 0;
}

uint64_t
qcow2_refcount_max(unsigned order)
{
    return order == 6 ? UINT64_MAX : (UINT64_C(1) << (1u << order)) - 1;
}

static uint64_t
get(const Qcow2Refcounts *rc, const uint8_t *p, uint64_t cluster)
{
    switch (rc->order) {
    case 4:
        return vio_get_be16(p);
    case 5:
        return vio_get_be32(p);
    case 6:
        return vio_get_be64(p);
    default:
        return *p >> bit_of(rc->order, cluster) & qcow2_refcount_max(rc->order);
    }
}

static void
put(unsigned order, uint8_t *p, uint64_t cluster, uint64_t count)
{
    unsigned bit = bit_of(order, cluster);

    switch (order) {
    case 4:
        vio_put_be16(p, (uint16_t) count);
        break;
    case 5:
        vio_put_be32(p, (uint32_t) count);
        break;
    case 6:
        vio_put_be64(p, count);
        break;
    default:
        *p = (uint8_t) ((*p & ~(qcow2_refcount_max(order) << bit)) |
                        count << bit);
    }
}

void
qcow2_refcount_put(uint8_t *block, unsigned order, uint64_t i, uint64_t count)
{
    put(order, block + ((i << order) >> 3), i, count);
}

static uint32_t
block_of(const Qcow2Refcounts *rc, uint64_t cluster)
{
    return (uint32_t) MIN(cluster >> rc->block_shift, UINT32_MAX);
}

bool
qcow2_refcount_co_get(Qcow2Refcounts *rc, uint64_t cluster, uint64_t *count,
                      GError **error)
{
    uint32_t block = block_of(rc, cluster);
    uint8_t *p;

    *count = 0;
    if (!qcow2_sliced_table(rc->sliced, block))
        return true;
    if (!qcow2_sliced_co_get(rc->sliced, block, byte_of(rc, cluster), &p,
                             error))
        return false;
    *count = get(rc, p, cluster);
    return true;
}

static bool
refuse_count(const Qcow2Refcounts *rc, uint64_t cluster, uint64_t count,
             int delta, GError **error)
{
    const char *name = vd_node_name(rc->s->file);

    if (delta < 0)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the refcount of the cluster at byte %" PRIu64
                        " is %" PRIu64 ", though there is a user; check the "
                        "image",
                        name, cluster << rc->s->hdr.cluster_bits, count);
    return vd_throw(error, VD_ERROR_LIMIT,
                    "%s: refcounts of %u bits cannot count more than %" PRIu64
                    " users of the cluster at byte %" PRIu64,
                    name, 1u << rc->order, count,
                    cluster << rc->s->hdr.cluster_bits);
}

/* -- blocks ---------------------------------------------------------------- */

static uint64_t
entries_of_cluster(const Qcow2Refcounts *rc)
{
    return UINT64_C(1) << (rc->s->hdr.cluster_bits - 3);
}

/* Room for block @block and half as many more, in memory. */
static bool
refcounts_grow_table(Qcow2Refcounts *rc, uint32_t block, GError **error)
{
    uint64_t unit = entries_of_cluster(rc);
    uint64_t n = MAX((uint64_t) block + 1, rc->sliced->n + rc->sliced->n / 2);

    n = (n + unit - 1) / unit * unit;
    if (n * 8 > QCOW2_MAX_REFTABLE_BYTES)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: the refcount table would exceed 8 MiB; the file "
                        "cannot grow",
                        vd_node_name(rc->s->file));
    return qcow2_sliced_grow(rc->sliced, (uint32_t) n, error);
}

static bool
is_short(const Qcow2Refcounts *rc)
{
    return rc->clusters * entries_of_cluster(rc) < rc->sliced->n;
}

/* The place that the table has now is given up with the tables that the next
 * flush writes, and that flush lets the header name the new one before. */
static void
take_place(Qcow2Refcounts *rc, uint64_t off, uint64_t clusters)
{
    Qcow2Sliced *sl = rc->sliced;
    unsigned bits = rc->s->hdr.cluster_bits;

    qcow2_give_up(rc, sl->off, (uint64_t) rc->clusters << bits);
    sl->off = off;
    sl->dirty_from = 0;
    sl->dirty_to = sl->n;
    rc->clusters = (uint32_t) clusters;
}

/* A place for a table that has become longer, which may become longer by that.
 */
static bool
refcounts_co_place_table(Qcow2Refcounts *rc, GError **error)
{
    bool ok = true;

    if (rc->placing)
        return true;
    rc->placing = true;
    while (ok && is_short(rc)) {
        uint64_t clusters = rc->sliced->n / entries_of_cluster(rc), off;

        ok = qcow2_co_allocate_all(rc, clusters, &off, error);
        if (ok)
            take_place(rc, off, clusters);
    }
    rc->placing = false;
    return ok;
}

bool
qcow2_refcounts_co_settle(Qcow2Refcounts *rc, GError **error)
{
    bool ok;

    if (G_LIKELY(!is_short(rc)))
        return true;
    vio_co_mutex_lock(&rc->lock);
    ok = refcounts_co_place_table(rc, error);
    vio_co_mutex_unlock(&rc->lock);
    return ok;
}

/* Nothing that the block counts is in use, so it goes to the first of these
 * clusters. */
static bool
refcounts_co_add_block(Qcow2Refcounts *rc, uint32_t block, GError **error)
{
    uint64_t cluster = (uint64_t) block << rc->block_shift;
    uint8_t *p = NULL;

    if ((block >= rc->sliced->n && !refcounts_grow_table(rc, block, error)) ||
        !refcounts_co_place_table(rc, error))
        return false;
    if (qcow2_sliced_table(rc->sliced, block))
        return true; /* growing has made it */
    if (cluster >> (56 - rc->s->hdr.cluster_bits))
        return vd_throw(error, VD_ERROR_NO_SPACE,
                        "%s: no entry can name what is behind 2^56 bytes",
                        vd_node_name(rc->s->file));
    qcow2_sliced_add(rc->sliced, block, cluster << rc->s->hdr.cluster_bits);
    (void) qcow2_sliced_peek(rc->sliced, block, byte_of(rc, cluster), &p);
    put(rc->order, p, cluster, 1);
    return true;
}

bool
qcow2_refcount_co_add(Qcow2Refcounts *rc, uint64_t cluster, int delta,
                      GError **error)
{
    uint32_t block = block_of(rc, cluster);
    VdTable *slice;
    uint64_t count;
    uint8_t *p;

    if (!qcow2_sliced_table(rc->sliced, block)) {
        if (delta < 0)
            return refuse_count(rc, cluster, 0, delta, error);
        if (!refcounts_co_add_block(rc, block, error))
            return false;
    }
    slice =
        qcow2_sliced_co_get(rc->sliced, block, byte_of(rc, cluster), &p, error);
    if (!slice)
        return false;
    count = get(rc, p, cluster);
    if (delta < 0 ? count == 0 : count == qcow2_refcount_max(rc->order))
        return refuse_count(rc, cluster, count, delta, error);
    put(rc->order, p, cluster, count + (uint64_t) (int64_t) delta);
    qcow2_sliced_mark(rc->sliced, slice);
    return true;
}

bool
qcow2_refcount_co_set(Qcow2Refcounts *rc, uint64_t cluster, uint64_t count,
                      GError **error)
{
    uint8_t *p;
    VdTable *slice = qcow2_sliced_co_get(rc->sliced, block_of(rc, cluster),
                                         byte_of(rc, cluster), &p, error);

    if (!slice)
        return false;
    put(rc->order, p, cluster, count);
    qcow2_sliced_mark(rc->sliced, slice);
    return true;
}

/* -- free clusters --------------------------------------------------------- */

/* The run of free clusters that begins at @first or behind it, within the
 * counts of one block: up to @want of them. */
static bool
refcounts_co_find(Qcow2Refcounts *rc, uint64_t *first, uint64_t want,
                  uint64_t *n, GError **error)
{
    uint64_t per_block = UINT64_C(1) << rc->block_shift;
    uint64_t end = (*first / per_block + 1) * per_block;

    for (*n = 0; *first + *n < end && *n < want;) {
        uint64_t count;

        if (!qcow2_refcount_co_get(rc, *first + *n, &count, error))
            return false;
        if (!count)
            ++*n;
        else if (*n)
            return true;
        else
            ++*first;
    }
    return true;
}

static bool
refcounts_co_take(Qcow2Refcounts *rc, uint64_t want, uint64_t *first,
                  uint64_t *got, GError **error)
{
    *first = rc->cursor;
    for (*got = 0; !*got;) {
        uint32_t block = block_of(rc, *first);

        if (!qcow2_sliced_table(rc->sliced, block) &&
            !refcounts_co_add_block(rc, block, error))
            return false;
        *first = MAX(*first, rc->cursor); /* growing the table took some */
        if (!refcounts_co_find(rc, first, want, got, error))
            return false;
    }
    for (uint64_t i = 0; i < *got; i++)
        if (!qcow2_refcount_co_add(rc, *first + i, 1, error))
            return false;
    rc->cursor = *first + *got;
    return true;
}

bool
qcow2_co_allocate(Qcow2Refcounts *rc, uint64_t want, uint64_t *off,
                  uint64_t *got, GError **error)
{
    uint64_t first = 0;
    bool ok;

    vio_co_mutex_lock(&rc->lock);
    ok = refcounts_co_take(rc, want, &first, got, error);
    vio_co_mutex_unlock(&rc->lock);
    *off = first << rc->s->hdr.cluster_bits;
    return ok;
}

/* Growing the table comes here again, with the lock. */
bool
qcow2_co_allocate_all(Qcow2Refcounts *rc, uint64_t n, uint64_t *off,
                      GError **error)
{
    bool nested = rc->lock.owner == vio_co_self();
    uint64_t first = 0, got = 0, lowest = UINT64_MAX;
    bool ok = true;

    if (!nested)
        vio_co_mutex_lock(&rc->lock);
    for (;;) {
        ok = refcounts_co_take(rc, n, &first, &got, error);
        if (!ok || got == n)
            break;
        /* Too few in one place: behind them may be more. */
        lowest = MIN(lowest, first);
        for (uint64_t i = 0; ok && i < got; i++)
            ok = qcow2_refcount_co_add(rc, first + i, -1, error);
    }
    rc->cursor = MIN(rc->cursor, lowest);
    if (!nested)
        vio_co_mutex_unlock(&rc->lock);
    *off = first << rc->s->hdr.cluster_bits;
    return ok;
}

/* Where no block counts yet others find it by themselves. */
static bool
refcounts_co_take_at(Qcow2Refcounts *rc, uint64_t cluster, bool *got,
                     GError **error)
{
    uint64_t count = 0;

    *got = false;
    if (!qcow2_sliced_table(rc->sliced, block_of(rc, cluster)))
        return true;
    if (!qcow2_refcount_co_get(rc, cluster, &count, error) ||
        (!count && !qcow2_refcount_co_add(rc, cluster, 1, error)))
        return false;
    *got = !count;
    if (*got && rc->cursor == cluster)
        rc->cursor++;
    return true;
}

bool
qcow2_co_allocate_at(Qcow2Refcounts *rc, uint64_t cluster, bool *got,
                     GError **error)
{
    bool ok;

    vio_co_mutex_lock(&rc->lock);
    ok = refcounts_co_take_at(rc, cluster, got, error);
    vio_co_mutex_unlock(&rc->lock);
    return ok;
}
