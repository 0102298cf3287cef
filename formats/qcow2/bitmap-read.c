/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/bitmap-read.c - what a bitmap says.
 *
 * An entry of its table names a cluster of bits, the lowest bit of a byte
 * first, or none: all zeroes, or (bit 0) all ones.
 *
 * Concurrency: yields for I/O.
 */
#include "formats/qcow2/bitmap.h"

#include <inttypes.h>

#define MAX_TABLE_BYTES (UINT64_C(64) << 20)

uint64_t
qcow2_bitmap_table_needed(const Qcow2Header *hdr, uint64_t size,
                          unsigned granularity_bits)
{
    uint64_t per = qcow2_cluster_bytes(hdr) * 8;
    uint64_t bits = size ? ((size - 1) >> granularity_bits) + 1 : 0;

    return (bits + per - 1) / per;
}

bool
qcow2_bitmap_co_table(Qcow2State *s, const Qcow2Bitmap *bitmap,
                      uint64_t **table, GError **error)
{
    uint64_t file = vd_node_size(s->file),
             bytes = bitmap->n_table * UINT64_C(8);

    if (bytes > MAX_TABLE_BYTES || bitmap->table_off > file ||
        bytes > file - bitmap->table_off ||
        bitmap->table_off & (qcow2_cluster_bytes(&s->hdr) - 1))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the table of bitmap '%s' at byte %" PRIu64
                        " with %u entries does not lie in whole clusters of "
                        "the file",
                        vd_node_name(s->file), bitmap->name, bitmap->table_off,
                        bitmap->n_table);
    *table = g_malloc(MAX(bytes, 1));
    if (bytes &&
        !vd_node_co_pread(s->file, bitmap->table_off, *table, bytes, error)) {
        g_clear_pointer(table, g_free);
        return false;
    }
    for (uint64_t i = 0; i < bitmap->n_table; i++)
        (*table)[i] = GUINT64_FROM_BE((*table)[i]);
    return true;
}

bool
qcow2_bitmap_check_word(const Qcow2State *s, const Qcow2Bitmap *bitmap,
                        uint64_t i, uint64_t word, GError **error)
{
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr),
             size = vd_node_size(s->file), place = word & QCOW2_OFF_MASK;

    if (!place ? !(word & ~QCOW2_BITMAP_ALL_ONES)
               : !(word & ~QCOW2_OFF_MASK || place & (cluster - 1) ||
                   place > size || cluster > size - place))
        return true;
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: entry %" PRIu64 " of the table of bitmap '%s' is "
                    "0x%" PRIx64 ", which names no cluster of the file",
                    vd_node_name(s->file), i, bitmap->name, word);
}

bool
qcow2_bitmap_check_size(const Qcow2State *s, const Qcow2Bitmap *bitmap,
                        GError **error)
{
    uint64_t n = qcow2_bitmap_table_needed(&s->hdr, s->hdr.size,
                                           bitmap->granularity_bits);

    return bitmap->n_table == n ||
           vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the table of bitmap '%s' has %u entries, not "
                    "%" PRIu64,
                    vd_node_name(s->file), bitmap->name, bitmap->n_table, n);
}

/* -- ranges ---------------------------------------------------------------- */

typedef struct {
    Qcow2State *s;
    const Qcow2Bitmap *bitmap;
    uint64_t *table;   /* host order */
    uint8_t *bits;     /* of one cluster */
    uint64_t from, to; /* bytes of the disk that are asked for */
    GArray *ranges;    /* of VdDirtyRange */
} Reading;

/* Bytes [from, to) of the disk, as far as they are asked for. */
static void
add_range(Reading *r, uint64_t from, uint64_t to)
{
    VdDirtyRange *last =
        r->ranges->len
            ? &g_array_index(r->ranges, VdDirtyRange, r->ranges->len - 1)
            : NULL;
    VdDirtyRange range;

    from = MAX(from, r->from);
    to = MIN(to, r->to);
    if (from >= to)
        return;
    range = (VdDirtyRange){from, to - from};
    if (last && last->off + last->len == from)
        last->len += range.len;
    else
        g_array_append_val(r->ranges, range);
}

/* Table entry @i. */
static bool
reading_co_cluster(Reading *r, uint64_t i, GError **error)
{
    uint64_t cluster = qcow2_cluster_bytes(&r->s->hdr), word = r->table[i];
    unsigned shift = r->bitmap->granularity_bits;
    uint64_t first = i * cluster * 8, place = word & QCOW2_OFF_MASK;

    if (!qcow2_bitmap_check_word(r->s, r->bitmap, i, word, error))
        return false;
    if (!place) {
        if (word)
            add_range(r, first << shift, (first + cluster * 8) << shift);
        return true;
    }
    if (!vd_node_co_pread(r->s->file, place, r->bits, cluster, error))
        return false;
    for (uint64_t bit = 0; bit < cluster * 8; bit++)
        if (r->bits[bit / 8] >> (bit % 8) & 1)
            add_range(r, (first + bit) << shift, (first + bit + 1) << shift);
    return true;
}

static bool
reading_co_run(Reading *r, GError **error)
{
    uint64_t cluster = qcow2_cluster_bytes(&r->s->hdr);
    uint64_t span = (cluster * 8) << r->bitmap->granularity_bits;
    bool ok = qcow2_bitmap_check_size(r->s, r->bitmap, error) &&
              qcow2_bitmap_co_table(r->s, r->bitmap, &r->table, error);

    r->bits = g_malloc(cluster);
    for (uint64_t i = r->from / span; ok && i * span < r->to; i++)
        ok = reading_co_cluster(r, i, error);
    g_free(r->bits);
    g_free(r->table);
    return ok;
}

bool
qcow2_co_read_bitmap(VdNode *node, const char *name, uint64_t off, uint64_t len,
                     GArray *ranges, GError **error)
{
    Qcow2State *s = vd_node_state(node);
    uint64_t size = s->hdr.size;
    g_autoptr(GArray) list = qcow2_bitmaps_co_read(s, error);
    Reading r = {.s = s, .ranges = ranges};

    if (!list)
        return false;
    r.bitmap = qcow2_bitmaps_count(s) ? qcow2_bitmaps_find(list, name) : NULL;
    if (!r.bitmap)
        return vd_throw(error, VD_ERROR_NOT_FOUND,
                        "Dirty bitmap '%s' not found", name);
    if (r.bitmap->flags & QCOW2_BITMAP_IN_USE)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "Bitmap '%s' is inconsistent and cannot be used", name);
    r.from = MIN(off, size);
    r.to = r.from + MIN(len, size - r.from);
    return reading_co_run(&r, error);
}
