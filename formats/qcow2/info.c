/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/info.c - what a qcow2 image tells about itself.
 *
 * Keys and their order are qemu-img's.
 *
 * Concurrency: never yields.
 */
#include "formats/qcow2/qcow2.h"

void
qcow2_get_info(VdNode *node, VdNodeInfo *info)
{
    const Qcow2State *s = vd_node_state(node);

    *info = (VdNodeInfo){
        .cluster_size = qcow2_cluster_bytes(&s->hdr),
        .encrypted = s->hdr.crypt_method != 0,
        .dirty = s->hdr.incompatible & QCOW2_INCOMPAT_DIRTY,
        .backing_name = s->backing_name,
        .backing_format = s->ext.backing_format,
    };
}

static void
add_string(GVariantBuilder *dict, const char *key, const char *value)
{
    g_variant_builder_add(dict, "{sv}", key, g_variant_new_string(value));
}

/* Names of files may be of any encoding. */
static void
add_name(GVariantBuilder *dict, const char *key, const char *name)
{
    g_autofree char *text = g_utf8_make_valid(name, -1);

    add_string(dict, key, text);
}

static void
add_bool(GVariantBuilder *dict, const char *key, bool value)
{
    g_variant_builder_add(dict, "{sv}", key, g_variant_new_boolean(value));
}

static GVariant *
bitmap_to_variant(const VdBitmap *bitmap)
{
    GVariantBuilder dict, flags;

    g_variant_builder_init(&flags, G_VARIANT_TYPE("as"));
    if (bitmap->in_use)
        g_variant_builder_add(&flags, "s", "in-use");
    if (bitmap->enabled)
        g_variant_builder_add(&flags, "s", "auto");
    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&dict, "{sv}", "flags",
                          g_variant_builder_end(&flags));
    add_string(&dict, "name", bitmap->name);
    g_variant_builder_add(&dict, "{sv}", "granularity",
                          g_variant_new_uint64(bitmap->granularity));
    return g_variant_builder_end(&dict);
}

static void
add_bitmaps(GVariantBuilder *dict, const GPtrArray *bitmaps)
{
    GVariantBuilder list;

    if (!bitmaps || !bitmaps->len)
        return;
    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned i = 0; i < bitmaps->len; i++)
        g_variant_builder_add_value(&list,
                                    bitmap_to_variant(bitmaps->pdata[i]));
    g_variant_builder_add(dict, "{sv}", "bitmaps",
                          g_variant_builder_end(&list));
}

GVariant *
qcow2_describe(VdNode *node)
{
    const Qcow2State *s = vd_node_state(node);
    const Qcow2Header *hdr = &s->hdr;
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    add_string(&dict, "compat", hdr->version == 2 ? "0.10" : "1.1");
    add_string(&dict, "compression-type",
               hdr->compression == QCOW2_ZSTD ? "zstd" : "zlib");
    if (hdr->version >= 3)
        add_bool(&dict, "lazy-refcounts",
                 hdr->compatible & QCOW2_COMPAT_LAZY_REFCOUNTS);
    add_bitmaps(&dict, s->bitmaps);
    g_variant_builder_add(
        &dict, "{sv}", "refcount-bits",
        g_variant_new_uint64(UINT64_C(1) << hdr->refcount_order));
    if (s->ext.data_file)
        add_name(&dict, "data-file", s->ext.data_file);
    if (hdr->version >= 3) {
        if (hdr->incompatible & QCOW2_INCOMPAT_DATA_FILE)
            add_bool(&dict, "data-file-raw",
                     hdr->autoclear & QCOW2_AUTOCLEAR_DATA_FILE_RAW);
        add_bool(&dict, "corrupt", hdr->incompatible & QCOW2_INCOMPAT_CORRUPT);
        add_bool(&dict, "extended-l2",
                 hdr->incompatible & QCOW2_INCOMPAT_EXTENDED_L2);
    }
    return g_variant_builder_end(&dict);
}
