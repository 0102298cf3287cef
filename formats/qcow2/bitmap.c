/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/bitmap.c - the directory of bitmaps.
 *
 * It has entries of any length at multiples of 8: u64 offset of the bitmap's
 * table, u32 entries of it, u32 flags, u8 type, u8 granularity, u16 length of
 * the name, u32 length of extra data, extra data, name.
 *
 * Concurrency: yields for I/O.
 */
#include "formats/qcow2/bitmap.h"
#include "formats/qcow2/driver.h"

#include <inttypes.h>

/* -- the directory --------------------------------------------------------- */

static void
bitmap_clear(gpointer data)
{
    Qcow2Bitmap *bitmap = data;

    g_free(bitmap->name);
    g_free(bitmap->extra);
}

GArray *
qcow2_bitmaps_new(void)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(Qcow2Bitmap));

    g_array_set_clear_func(list, bitmap_clear);
    return list;
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
    if (p[16] != QCOW2_BITMAP_TYPE_DIRTY)
        return refuse_entry(s, i, "the type", p[16], "1 (dirty tracking)",
                            error);
    if (p[17] < QCOW2_MIN_GRANULARITY_BITS ||
        p[17] > QCOW2_MAX_GRANULARITY_BITS)
        return refuse_entry(s, i, "the granularity's power of two", p[17],
                            "9 to 31", error);
    if (!vio_get_be16(p + 18) || vio_get_be16(p + 18) > QCOW2_MAX_NAME)
        return refuse_entry(s, i, "the length of the name",
                            vio_get_be16(p + 18), "1 to 1023", error);
    return true;
}

static bool
take_entries(const Qcow2State *s, const uint8_t *raw, uint64_t len,
             GArray *list, GError **error)
{
    uint64_t at = 0;

    for (uint32_t i = 0; i < s->ext.n_bitmaps; i++) {
        const uint8_t *p = raw + at;
        uint64_t name_at, name_len, extra_len;
        Qcow2Bitmap bitmap;

        if (len - at < QCOW2_BITMAP_ENTRY_BYTES)
            return refuse_directory(s, error);
        name_len = vio_get_be16(p + 18);
        extra_len = vio_get_be32(p + 20);
        name_at = at + QCOW2_BITMAP_ENTRY_BYTES + extra_len;
        at = (name_at + name_len + 7) / 8 * 8;
        if (at > len)
            return refuse_directory(s, error);
        if (!check_entry(s, i, p, error))
            return false;
        if (memchr(raw + name_at, 0, name_len))
            return vd_throw(error, VD_ERROR_CORRUPT,
                            "%s: the name of bitmap %u has a zero byte",
                            vd_node_name(s->file), i);
        bitmap = (Qcow2Bitmap){
            .table_off = vio_get_be64(p),
            .n_table = vio_get_be32(p + 8),
            .flags = vio_get_be32(p + 12),
            .granularity_bits = p[17],
            .extra = g_memdup2(p + QCOW2_BITMAP_ENTRY_BYTES, extra_len),
            .extra_len = (uint32_t) extra_len,
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
    g_autoptr(GArray) list = qcow2_bitmaps_new();
    g_autofree uint8_t *raw = NULL;

    if (!ext->has_bitmaps)
        return g_steal_pointer(&list);
    if (ext->n_bitmaps > QCOW2_MAX_BITMAPS || len > QCOW2_MAX_DIRECTORY_BYTES ||
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

Qcow2Bitmap *
qcow2_bitmaps_find(const GArray *list, const char *name)
{
    for (unsigned i = 0; i < list->len; i++)
        if (!strcmp(g_array_index(list, Qcow2Bitmap, i).name, name))
            return &g_array_index(list, Qcow2Bitmap, i);
    return NULL;
}

/* -- writing it ------------------------------------------------------------ */

uint64_t
qcow2_bitmap_entry_bytes(uint64_t name_len, uint64_t extra_len)
{
    return (QCOW2_BITMAP_ENTRY_BYTES + extra_len + name_len + 7) / 8 * 8;
}

static void
append_entry(GByteArray *raw, const Qcow2Bitmap *bitmap)
{
    static const uint8_t zeroes[8] = {0};
    size_t len = strlen(bitmap->name);
    uint8_t p[QCOW2_BITMAP_ENTRY_BYTES] = {0};

    vio_put_be64(p, bitmap->table_off);
    vio_put_be32(p + 8, bitmap->n_table);
    vio_put_be32(p + 12, bitmap->flags);
    p[16] = QCOW2_BITMAP_TYPE_DIRTY;
    p[17] = (uint8_t) bitmap->granularity_bits;
    vio_put_be16(p + 18, (uint16_t) len);
    vio_put_be32(p + 20, bitmap->extra_len);
    g_byte_array_append(raw, p, sizeof(p));
    g_byte_array_append(raw, bitmap->extra, bitmap->extra_len);
    g_byte_array_append(raw, (const uint8_t *) bitmap->name, (guint) len);
    g_byte_array_append(raw, zeroes, (8 - raw->len % 8) % 8);
}

bool
qcow2_bitmaps_co_store(Qcow2State *s, const GArray *list, uint64_t *off,
                       uint64_t *bytes, GError **error)
{
    g_autoptr(GByteArray) raw = g_byte_array_new();

    for (unsigned i = 0; i < list->len; i++) {
        append_entry(raw, &g_array_index(list, Qcow2Bitmap, i));
        if (raw->len > QCOW2_MAX_DIRECTORY_BYTES)
            return vd_throw(error, VD_ERROR_LIMIT,
                            "Not enough space in the bitmap directory");
    }
    if (!qcow2_co_place(s, raw->data, raw->len, off, error))
        return false;
    *bytes = raw->len;
    return true;
}

/* -- how large a copy would be --------------------------------------------- */

static bool
add_bytes(uint64_t *sum, uint64_t n, unsigned shift)
{
    return n <= UINT64_MAX >> shift &&
           g_uint64_checked_add(sum, *sum, n << shift);
}

bool
qcow2_bitmaps_co_measure(VdNode *source, const Qcow2Header *target,
                         uint64_t *bytes, GError **error)
{
    Qcow2State *s = vd_node_state(source);
    g_autoptr(GArray) list = NULL;
    uint64_t entries = 0, cluster = qcow2_cluster_bytes(target), sum = 0;
    bool fits = true;

    *bytes = UINT64_MAX;
    if (vd_node_driver(source) != &vd_qcow2_driver || s->hdr.version < 3 ||
        target->version < 3)
        return true;
    list = qcow2_bitmaps_count(s) ? qcow2_bitmaps_co_read(s, error)
                                  : qcow2_bitmaps_new();
    if (!list)
        return false;
    for (unsigned i = 0; i < list->len; i++) {
        const Qcow2Bitmap *bitmap = &g_array_index(list, Qcow2Bitmap, i);
        uint64_t n = qcow2_bitmap_table_needed(target, s->hdr.size,
                                               bitmap->granularity_bits);
        uint64_t table = (n * 8 + cluster - 1) / cluster;

        entries += qcow2_bitmap_entry_bytes(strlen(bitmap->name), 0);
        fits = fits && add_bytes(&sum, n + table, target->cluster_bits);
    }
    fits = fits && add_bytes(&sum, (entries + cluster - 1) / cluster,
                             target->cluster_bits);
    *bytes = sum;
    return fits || vd_throw(error, VD_ERROR_LIMIT,
                            "%s: copies of its bitmaps would take more than "
                            "2^64 bytes",
                            vd_node_name(s->file));
}

/* -- for the world outside ------------------------------------------------- */

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
    g_autoptr(GArray) list =
        qcow2_bitmaps_count(s) ? qcow2_bitmaps_co_read(s, error) : NULL;
    GPtrArray *found;

    if (qcow2_bitmaps_count(s) && !list)
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
