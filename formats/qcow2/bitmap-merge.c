/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/bitmap-merge.c - one bitmap's bits into another one.
 *
 * Clusters of bits that change are written to new places; granularities need
 * not be the same.
 *
 * Concurrency: no change of the disk is in flight.
 */
#include "formats/qcow2/bitmap-change.h"

#include "block/rw.h"

#include <inttypes.h>

#define PIECES 256 /* in how many the source is read at most */

typedef struct {
    Qcow2BitmapChange *change;
    Qcow2State *s;
    const Qcow2Bitmap *bitmap;
    uint64_t *table; /* host order */
    uint64_t span;   /* bytes of the disk for a cluster of bits */
    uint8_t *bits;   /* of one cluster */
    GArray *ranges;  /* of VdDirtyRange: what is to be dirty of a piece */
    unsigned at;     /* the first of them that is not done */
} Merge;

/* Whether one of [first, end) has not been set. */
static bool
set_bits(uint8_t *bits, uint64_t first, uint64_t end)
{
    bool news = false;

    for (uint64_t bit = first; bit < end; bit++) {
        uint8_t mask = (uint8_t) (1u << (bit % 8));

        news |= !(bits[bit / 8] & mask);
        bits[bit / 8] |= mask;
    }
    return news;
}

static bool
merge_co_load(Merge *m, uint64_t i, GError **error)
{
    uint64_t cluster = qcow2_cluster_bytes(&m->s->hdr), word = m->table[i];

    if (!qcow2_bitmap_check_word(m->s, m->bitmap, i, word, error))
        return false;
    if (word & QCOW2_OFF_MASK)
        return vd_node_co_pread(m->s->file, word & QCOW2_OFF_MASK, m->bits,
                                cluster, error);
    memset(m->bits, 0, cluster);
    return true;
}

/* What of the piece lies in [from, to), the bytes of a cluster of bits. */
static bool
merge_apply(Merge *m, uint64_t from, uint64_t to)
{
    unsigned shift = m->bitmap->granularity_bits;
    bool news = false;

    for (; m->at < m->ranges->len; m->at++) {
        const VdDirtyRange *range =
            &g_array_index(m->ranges, VdDirtyRange, m->at);
        uint64_t first = MAX(range->off, from),
                 end = MIN(range->off + range->len, to);

        if (first < end)
            news |= set_bits(m->bits, (first - from) >> shift,
                             ((end - 1 - from) >> shift) + 1);
        if (range->off + range->len > to)
            break;
    }
    return news;
}

static bool
merge_has(const Merge *m, uint64_t to)
{
    return m->at < m->ranges->len &&
           g_array_index(m->ranges, VdDirtyRange, m->at).off < to;
}

static bool
merge_co_cluster(Merge *m, uint64_t i, GError **error)
{
    uint64_t cluster = qcow2_cluster_bytes(&m->s->hdr), off;
    uint64_t from = i * m->span, to = from + m->span;

    if (!merge_has(m, to))
        return true;
    if (m->table[i] == QCOW2_BITMAP_ALL_ONES) {
        (void) merge_apply(m, from, to);
        return true;
    }
    if (!merge_co_load(m, i, error))
        return false;
    if (!merge_apply(m, from, to))
        return true;
    if (!qcow2_bitmap_change_co_place(m->change, m->bits, cluster, &off, error))
        return false;
    qcow2_bitmap_change_let_go(m->change, m->table[i] & QCOW2_OFF_MASK,
                               cluster);
    m->table[i] = off;
    return true;
}

static bool
merge_co_run(Merge *m, VdNode *source, const char *name, GError **error)
{
    uint32_t n = m->bitmap->n_table, piece = n / PIECES + 1;
    bool ok = true;

    for (uint32_t i = 0; ok && i < n; i += piece) {
        uint32_t end = MIN(n, i + piece);

        g_array_set_size(m->ranges, 0);
        m->at = 0;
        ok = vd_node_driver(source)->co_read_bitmap(
            source, name, i * m->span, (end - i) * m->span, m->ranges, error);
        for (uint32_t k = i; ok && k < end; k++)
            ok = merge_co_cluster(m, k, error);
    }
    return ok;
}

static bool
check_source(const Qcow2BitmapChange *change, const Qcow2Bitmap *bitmap,
             VdNode *source, const char *name, GError **error)
{
    g_autoptr(GArray) none = g_array_new(FALSE, FALSE, sizeof(VdDirtyRange));
    bool (*co_read)(VdNode *, const char *, uint64_t, uint64_t, GArray *,
                    GError **) = vd_node_driver(source)->co_read_bitmap;
    g_autoptr(GError) problem = NULL;

    if (!co_read)
        return vd_throw(error, VD_ERROR_NOT_FOUND,
                        "Dirty bitmap '%s' not found", name);
    /* That there is none comes before what is wrong with the other one. */
    if (!co_read(source, name, 0, 0, none, &problem) &&
        vd_error_is(problem, VD_ERROR_NOT_FOUND)) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return false;
    }
    if (!qcow2_bitmap_change_check(change, bitmap, error))
        return false;
    if (problem) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return false;
    }
    return vd_node_size(source) == change->s->hdr.size ||
           vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "Bitmaps are of different sizes (destination size is "
                    "%" PRIu64 ", source size is %" PRIu64 ") and can't be "
                    "merged",
                    change->s->hdr.size, vd_node_size(source));
}

bool
qcow2_bitmap_change_co_merge(Qcow2BitmapChange *change, Qcow2Bitmap *bitmap,
                             VdNode *source, const char *name, GError **error)
{
    Qcow2State *s = change->s;
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);
    Merge m = {.change = change,
               .s = s,
               .bitmap = bitmap,
               .span = (cluster * 8) << bitmap->granularity_bits};
    bool ok;

    if (!check_source(change, bitmap, source, name, error) ||
        !qcow2_bitmap_co_table(s, bitmap, &m.table, error))
        return false;
    m.bits = g_malloc(cluster);
    m.ranges = g_array_new(FALSE, FALSE, sizeof(VdDirtyRange));
    ok = merge_co_run(&m, source, name, error) &&
         qcow2_bitmap_change_co_set_table(change, bitmap, m.table, error);
    g_free(m.table);
    g_free(m.bits);
    g_array_unref(m.ranges);
    return ok;
}
