/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/bitmap.c - the directory of bitmaps, and what they say.
 *
 * The directory has entries of any length at multiples of 8: u64 offset of the
 * bitmap's table, u32 entries of it, u32 flags, u8 type, u8 granularity, u16
 * length of the name, u32 length of extra data, extra data, name.  A table
 * entry names a cluster of bits, the lowest bit of a byte first, or none: all
 * zeroes, or (bit 0) all ones.
 *
 * Concurrency: yields for I/O.
 */
#include "formats/qcow2/bitmap.h"

#include <inttypes.h>

#define ENTRY_BYTES 24
#define TYPE_DIRTY 1
#define MAX_BITMAPS 65535u
#define MAX_DIRECTORY_BYTES (UINT64_C(64) << 20)
#define MAX_TABLE_BYTES (UINT64_C(64) << 20)
#define MIN_GRANULARITY_BITS 9
#define MAX_GRANULARITY_BITS 31
#define ALL_ONES UINT64_C(1)

/* -- the directory --------------------------------------------------------- */

static void
bitmap_clear(gpointer data)
{
    g_free(((Qcow2Bitmap *) data)->name);
}

static bool
refuse_directory(const Qcow2State *s, GError **error)
{
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the directory of %u bitmaps at byte %" PRIu64
                    " (%" PRIu64 " bytes) does not lie in the file",
                    vd_node_name(s->file), s->ext.n_bitmaps, s->ext.bitmaps_off,
                    s->ext.bitmaps_bytes);
}

static bool
refuse_entry(const Qcow2State *s, unsigned i, const char *what, uint64_t found,
             const char *wanted, GError **error)
{
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: %s of bitmap %u is %" PRIu64 ", not %s",
                    vd_node_name(s->file), what, i, found, wanted);
}

static bool
check_entry(const Qcow2State *s, unsigned i, const uint8_t *p, GError **error)
{
    if (p[16] != TYPE_DIRTY)
        return refuse_entry(s, i, "the type", p[16], "1 (dirty tracking)",
                            error);
    if (p[17] < MIN_GRANULARITY_BITS || p[17] > MAX_GRANULARITY_BITS)
        return refuse_entry(s, i, "the granularity's power of two", p[17],
                            "9 to 31", error);
    if (!vd_get_be16(p + 18) || vd_get_be16(p + 18) > QCOW2_MAX_NAME)
        return refuse_entry(s, i, "the length of the name", vd_get_be16(p + 18),
                            "1 to 1023", error);
    return true;
}

static bool
take_entries(const Qcow2State *s, const uint8_t *raw, uint64_t len,
             GArray *list, GError **error)
{
    uint64_t at = 0;

    for (uint32_t i = 0; i < s->ext.n_bitmaps; i++) {
        const uint8_t *p = raw + at;
        uint64_t name_at, name_len;
        Qcow2Bitmap bitmap;

        if (len - at < ENTRY_BYTES)
            return refuse_directory(s, error);
        name_len = vd_get_be16(p + 18);
        name_at = at + ENTRY_BYTES + vd_get_be32(p + 20);
        at = (name_at + name_len + 7) / 8 * 8;
        if (at > len)
            return refuse_directory(s, error);
        if (!check_entry(s, i, p, error))
            return false;
        bitmap = (Qcow2Bitmap){
            .table_off = vd_get_be64(p),
            .n_table = vd_get_be32(p + 8),
            .flags = vd_get_be32(p + 12),
            .granularity_bits = p[17],
            .name = g_strndup((const char *) raw + name_at, name_len)};
        g_array_append_val(list, bitmap);
    }
    return true;
}

GArray *
qcow2_bitmaps_co_read(Qcow2State *s, GError **error)
{
    const Qcow2Extensions *ext = &s->ext;
    uint64_t len = ext->bitmaps_bytes, size = vd_node_size(s->file);
    g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(Qcow2Bitmap));
    g_autofree uint8_t *raw = NULL;

    g_array_set_clear_func(list, bitmap_clear);
    if (!ext->has_bitmaps)
        return g_steal_pointer(&list);
    if (ext->n_bitmaps > MAX_BITMAPS || len > MAX_DIRECTORY_BYTES ||
        ext->bitmaps_off > size || len > size - ext->bitmaps_off) {
        (void) refuse_directory(s, error);
        return NULL;
    }
    raw = g_malloc(MAX(len, 1));
    if ((len &&
         !vd_node_co_pread(s->file, ext->bitmaps_off, raw, len, error)) ||
        !take_entries(s, raw, len, list, error))
        return NULL;
    return g_steal_pointer(&list);
}

/* -- for the world outside ------------------------------------------------- */

static bool
counts(const Qcow2State *s)
{
    return s->ext.has_bitmaps && (s->hdr.autoclear & QCOW2_AUTOCLEAR_BITMAPS);
}

static void
public_free(gpointer data)
{
    VdBitmap *bitmap = data;

    g_free(bitmap->name);
    g_free(bitmap);
}

GPtrArray *
qcow2_co_list_bitmaps(VdNode *node, GError **error)
{
    Qcow2State *s = vd_node_state(node);
    g_autoptr(GArray) list = counts(s) ? qcow2_bitmaps_co_read(s, error) : NULL;
    GPtrArray *found;

    if (counts(s) && !list)
        return NULL;
    found = g_ptr_array_new_with_free_func(public_free);
    for (unsigned i = 0; list && i < list->len; i++) {
        const Qcow2Bitmap *bitmap = &g_array_index(list, Qcow2Bitmap, i);
        VdBitmap *public = g_new(VdBitmap, 1);

        *public =
            (VdBitmap){.name = g_utf8_make_valid(bitmap->name, -1),
                       .granularity = UINT64_C(1) << bitmap->granularity_bits,
                       .in_use = bitmap->flags & QCOW2_BITMAP_IN_USE,
                       .enabled = bitmap->flags & QCOW2_BITMAP_AUTO};
        g_ptr_array_add(found, public);
    }
    return found;
}

/* -- bits ------------------------------------------------------------------ */

typedef struct {
    Qcow2State *s;
    const Qcow2Bitmap *bitmap;
    uint64_t *table;   /* host order */
    uint8_t *bits;     /* of one cluster */
    uint64_t from, to; /* bytes of the disk that are asked for */
    GArray *ranges;    /* of VdDirtyRange */
} Reading;

static bool
reading_co_table(Reading *r, GError **error)
{
    const Qcow2Bitmap *bitmap = r->bitmap;
    Qcow2State *s = r->s;
    uint64_t per = qcow2_cluster_bytes(&s->hdr) * 8, file;
    uint64_t bits =
        s->hdr.size ? ((s->hdr.size - 1) >> bitmap->granularity_bits) + 1 : 0;
    uint64_t n = (bits + per - 1) / per, bytes = n * 8;

    file = vd_node_size(s->file);
    if (bitmap->n_table != n)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the table of bitmap '%s' has %u entries, not "
                        "%" PRIu64,
                        vd_node_name(s->file), bitmap->name, bitmap->n_table,
                        n);
    if (bytes > MAX_TABLE_BYTES || bitmap->table_off > file ||
        bytes > file - bitmap->table_off)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the table of bitmap '%s' at byte %" PRIu64
                        " does not lie in the file",
                        vd_node_name(s->file), bitmap->name, bitmap->table_off);
    r->table = g_malloc(MAX(bytes, 1));
    if (bytes &&
        !vd_node_co_pread(s->file, bitmap->table_off, r->table, bytes, error))
        return false;
    for (uint64_t i = 0; i < n; i++)
        r->table[i] = GUINT64_FROM_BE(r->table[i]);
    return true;
}

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

static bool
refuse_table(const Reading *r, uint64_t i, GError **error)
{
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: entry %" PRIu64 " of the table of bitmap '%s' is "
                    "0x%" PRIx64 ", which names no cluster of the file",
                    vd_node_name(r->s->file), i, r->bitmap->name, r->table[i]);
}

/* Table entry @i. */
static bool
reading_co_cluster(Reading *r, uint64_t i, GError **error)
{
    uint64_t cluster = qcow2_cluster_bytes(&r->s->hdr), word = r->table[i];
    unsigned shift = r->bitmap->granularity_bits;
    uint64_t first = i * cluster * 8, place = word & QCOW2_OFF_MASK;

    if (!place) {
        if (word & ~ALL_ONES)
            return refuse_table(r, i, error);
        if (word)
            add_range(r, first << shift, (first + cluster * 8) << shift);
        return true;
    }
    if (word & ~QCOW2_OFF_MASK || place & (cluster - 1) ||
        place > vd_node_size(r->s->file) ||
        cluster > vd_node_size(r->s->file) - place)
        return refuse_table(r, i, error);
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
    bool ok = reading_co_table(r, error);

    r->bits = g_malloc(cluster);
    for (uint64_t i = r->from / span; ok && i * span < r->to; i++)
        ok = reading_co_cluster(r, i, error);
    g_free(r->bits);
    g_free(r->table);
    return ok;
}

static const Qcow2Bitmap *
find(const GArray *list, const char *name)
{
    for (unsigned i = 0; i < list->len; i++)
        if (!strcmp(g_array_index(list, Qcow2Bitmap, i).name, name))
            return &g_array_index(list, Qcow2Bitmap, i);
    return NULL;
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
    r.bitmap = counts(s) ? find(list, name) : NULL;
    if (!r.bitmap)
        return vd_throw(error, VD_ERROR_NOT_FOUND,
                        "Dirty bitmap '%s' not found", name);
    if (r.bitmap->flags & QCOW2_BITMAP_IN_USE)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: bitmap '%s' was not stored by its last user and "
                        "tells nothing",
                        vd_node_name(s->file), name);
    r.from = MIN(off, size);
    r.to = r.from + MIN(len, size - r.from);
    return reading_co_run(&r, error);
}
