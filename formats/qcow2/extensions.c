/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/extensions.c - what follows the header of a qcow2 image.
 *
 * Each extension is a type, a length, and data padded to 8 bytes; type 0 ends
 * them, and so does the backing file's name.
 *
 * Concurrency: never yields.
 */
#include "formats/qcow2/header.h"
#include "io/bytes.h"

#include <inttypes.h>

enum {
    TYPE_END = 0,
    TYPE_BACKING_FORMAT = 0xe2792aca,
    TYPE_FEATURES = 0x6803f857,
    TYPE_BITMAPS = 0x23852875,
    TYPE_DATA_FILE = 0x44415441,
};

#define ENTRY_BYTES 8 /* type and length */
#define BITMAPS_BYTES 24
#define FEATURE_BYTES 48
#define FEATURE_NAME_AT 2

static void
free_extension(gpointer data)
{
    g_free(((Qcow2Extension *) data)->data);
}

void
qcow2_extensions_clear(Qcow2Extensions *ext)
{
    g_clear_pointer(&ext->backing_format, g_free);
    g_clear_pointer(&ext->data_file, g_free);
    g_clear_pointer(&ext->features, g_free);
    g_clear_pointer(&ext->others, g_array_unref);
}

static bool
take_bitmaps(Qcow2Extensions *ext, const Qcow2Extension *e, const char *name,
             GError **error)
{
    if (e->len != BITMAPS_BYTES)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the bitmaps extension has %u bytes, not %d", name,
                        e->len, BITMAPS_BYTES);
    ext->has_bitmaps = true;
    ext->n_bitmaps = vio_get_be32(e->data);
    ext->bitmaps_bytes = vio_get_be64(e->data + 8);
    ext->bitmaps_off = vio_get_be64(e->data + 16);
    return true;
}

static bool
take_extension(Qcow2Extensions *ext, const Qcow2Extension *e, const char *name,
               GError **error)
{
    Qcow2Extension other;

    switch (e->type) {
    case TYPE_BACKING_FORMAT:
        g_free(ext->backing_format);
        ext->backing_format = g_strndup((const char *) e->data, e->len);
        return true;
    case TYPE_DATA_FILE:
        g_free(ext->data_file);
        ext->data_file = g_strndup((const char *) e->data, e->len);
        return true;
    case TYPE_FEATURES:
        g_free(ext->features);
        ext->features_len = e->len - e->len % FEATURE_BYTES;
        ext->features = g_memdup2(e->data, ext->features_len);
        return true;
    case TYPE_BITMAPS:
        return take_bitmaps(ext, e, name, error);
    default:
        other = *e;
        other.data = g_memdup2(e->data, e->len);
        g_array_append_val(ext->others, other);
        return true;
    }
}

/* Old files have zeroes behind a header of version 2, or anything: there only
 * what makes sense is an extension. */
static bool
refuse_length(const Qcow2Header *hdr, size_t at, uint32_t len, const char *name,
              GError **error)
{
    return hdr->version == 2 ||
           vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the header extension at byte %zu has %u bytes, which "
                    "do not fit into the first cluster",
                    name, at, len);
}

bool
qcow2_extensions_decode(Qcow2Extensions *ext, const Qcow2Header *hdr,
                        const uint8_t *raw, size_t len, const char *name,
                        GError **error)
{
    size_t at = hdr->header_bytes;
    size_t end = hdr->backing_off ? MIN(len, hdr->backing_off) : len;

    *ext = (Qcow2Extensions){
        .others = g_array_new(FALSE, FALSE, sizeof(Qcow2Extension))};
    g_array_set_clear_func(ext->others, free_extension);
    while (at + ENTRY_BYTES <= end) {
        Qcow2Extension e = {.type = vio_get_be32(raw + at),
                            .len = vio_get_be32(raw + at + 4),
                            .data = (uint8_t *) raw + at + ENTRY_BYTES};

        if (e.type == TYPE_END)
            break;
        if (e.len > end - at - ENTRY_BYTES ||
            ext->others->len >= QCOW2_MAX_EXTENSIONS)
            return refuse_length(hdr, at, e.len, name, error);
        if (!take_extension(ext, &e, name, error))
            return false;
        at += ENTRY_BYTES + ((size_t) e.len + 7) / 8 * 8;
    }
    return true;
}

/* -- writing --------------------------------------------------------------- */

typedef void (*ExtensionFunc)(void *arg, const Qcow2Extension *e);

static void
visit_text(uint32_t type, const char *text, ExtensionFunc func, void *arg)
{
    Qcow2Extension e = {.type = type, .data = (uint8_t *) text};

    e.len = text ? (uint32_t) strlen(text) : 0;
    if (e.len)
        func(arg, &e);
}

static void
visit_bitmaps(const Qcow2Extensions *ext, ExtensionFunc func, void *arg)
{
    uint8_t raw[BITMAPS_BYTES] = {0};
    Qcow2Extension e = {
        .type = TYPE_BITMAPS, .len = BITMAPS_BYTES, .data = raw};

    if (!ext->has_bitmaps)
        return;
    vio_put_be32(raw, ext->n_bitmaps);
    vio_put_be64(raw + 8, ext->bitmaps_bytes);
    vio_put_be64(raw + 16, ext->bitmaps_off);
    func(arg, &e);
}

/* In this order: what may change is in front, so that it is in one sector. */
static void
visit(const Qcow2Extensions *ext, ExtensionFunc func, void *arg)
{
    Qcow2Extension features = {.type = TYPE_FEATURES,
                               .len = (uint32_t) ext->features_len,
                               .data = ext->features};

    visit_text(TYPE_BACKING_FORMAT, ext->backing_format, func, arg);
    visit_text(TYPE_DATA_FILE, ext->data_file, func, arg);
    visit_bitmaps(ext, func, arg);
    if (ext->features_len)
        func(arg, &features);
    for (unsigned i = 0; ext->others && i < ext->others->len; i++)
        func(arg, &g_array_index(ext->others, Qcow2Extension, i));
}

static void
add_bytes(void *arg, const Qcow2Extension *e)
{
    *(uint64_t *) arg += ENTRY_BYTES + ((uint64_t) e->len + 7) / 8 * 8;
}

uint64_t
qcow2_extensions_bytes(const Qcow2Extensions *ext)
{
    uint64_t bytes = ENTRY_BYTES; /* the end */

    visit(ext, add_bytes, &bytes);
    return bytes;
}

static void
put_extension(void *arg, const Qcow2Extension *e)
{
    uint8_t **p = arg;

    vio_put_be32(*p, e->type);
    vio_put_be32(*p + 4, e->len);
    memcpy(*p + ENTRY_BYTES, e->data, e->len);
    *p += ENTRY_BYTES + (e->len + 7) / 8 * 8;
}

void
qcow2_extensions_encode(const Qcow2Extensions *ext, uint8_t *raw)
{
    visit(ext, put_extension, &raw);
}

/* -- names of features ----------------------------------------------------- */

static const char *
own_name(unsigned kind, unsigned bit)
{
    static const char *const incompatible[] = {
        "dirty bit", "corrupt bit", "external data file", "compression type",
        "extended L2 entries"};

    if (kind == 0 && bit < G_N_ELEMENTS(incompatible))
        return incompatible[bit];
    if (kind == 1 && bit == 0)
        return "lazy refcounts";
    if (kind == 2 && bit < 2)
        return bit ? "raw external data" : "bitmaps";
    return NULL;
}

char *
qcow2_feature_name(const Qcow2Extensions *ext, unsigned kind, unsigned bit)
{
    for (size_t at = 0; at + FEATURE_BYTES <= ext->features_len;
         at += FEATURE_BYTES) {
        const uint8_t *p = ext->features + at;
        g_autofree char *text = NULL;

        if (p[0] != kind || p[1] != bit)
            continue;
        text = g_strndup((const char *) p + FEATURE_NAME_AT,
                         FEATURE_BYTES - FEATURE_NAME_AT);
        return g_utf8_make_valid(text, -1);
    }
    return own_name(kind, bit) ? g_strdup(own_name(kind, bit))
                               : g_strdup_printf("bit %u", bit);
}
