/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/info.c - what a VMDK tells about itself.
 *
 * The first keys are qemu-img's, in its order; ours follow.
 *
 * Concurrency: never yields.
 */
#include "formats/vmdk/descriptor/geometry.h"
#include "formats/vmdk/sparse/sparse.h"

/* The unit of allocation, if all sparse extents agree. */
static uint64_t
cluster_size(const VmdkState *s)
{
    uint64_t size = 0;

    if (s->writer)
        return vmdk_header_grain_bytes(&s->header);
    for (unsigned i = 0; i < s->n_extents; i++) {
        uint64_t grain = vmdk_extent_grain_bytes(&s->extents[i]);

        if (!grain)
            continue;
        if (size && size != grain)
            return 0;
        size = grain;
    }
    return size;
}

static bool
is_compressed(const VmdkSparse *sp)
{
    return sp && (sp->hdr.flags & VMDK_FLAG_COMPRESSED);
}

static bool
any_unclean(const VmdkState *s)
{
    for (unsigned i = 0; i < s->n_extents; i++)
        if (vmdk_extent_is_unclean(&s->extents[i]))
            return true;
    return false;
}

static const char *
get(const VmdkState *s, const char *key)
{
    return s->desc ? vmdk_descriptor_get(s->desc, key) : NULL;
}

/* A child always has a name for its parent, were it an empty one. */
static const char *
parent_hint(const VmdkState *s)
{
    const char *hint = get(s, "parentFileNameHint");

    if (!vmdk_has_parent(s))
        return NULL;
    return hint ? hint : "";
}

void
vmdk_get_info(VdNode *node, VdNodeInfo *info)
{
    const VmdkState *s = vd_node_state(node);

    *info = (VdNodeInfo){
        .cluster_size = cluster_size(s),
        .encrypted = s->encrypted,
        .compressed =
            s->writer || (s->n_extents && is_compressed(s->extents[0].sparse)),
        .dirty = any_unclean(s),
        .backing_name = parent_hint(s),
        .backing_path = s->parent_path,
        .backing_format = vmdk_has_parent(s) ? "vmdk" : NULL,
    };
}

/* -- the format's own
 * --------------------------------------------------------------- */

/* Names of files may be any bytes; texts are UTF-8. */
static void
add_string(GVariantBuilder *dict, const char *key, const char *value)
{
    if (value)
        g_variant_builder_add(
            dict, "{sv}", key,
            g_variant_new_take_string(g_utf8_make_valid(value, -1)));
}

static void
add_uint(GVariantBuilder *dict, const char *key, uint64_t value)
{
    g_variant_builder_add(dict, "{sv}", key, g_variant_new_uint64(value));
}

static void
add_bool(GVariantBuilder *dict, const char *key, bool value)
{
    g_variant_builder_add(dict, "{sv}", key, g_variant_new_boolean(value));
}

static GVariant *
describe_extent(const VmdkExtent *e)
{
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    if (is_compressed(e->sparse))
        add_bool(&dict, "compressed", true);
    add_uint(&dict, "virtual-size", e->len);
    add_string(&dict, "filename",
               e->path ? e->path : (e->file ? vd_node_name(e->file) : NULL));
    if (vmdk_extent_grain_bytes(e))
        add_uint(&dict, "cluster-size", vmdk_extent_grain_bytes(e));
    add_string(&dict, "format", vmdk_extent_type_name(e->type));
    add_string(&dict, "access", vmdk_access_name(e->access));
    if (e->file_off)
        add_uint(&dict, "offset", e->file_off);
    return g_variant_builder_end(&dict);
}

static GVariant *
describe_extents(const VmdkState *s)
{
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned i = 0; i < s->n_extents; i++)
        g_variant_builder_add_value(&list, describe_extent(&s->extents[i]));
    return g_variant_builder_end(&list);
}

static void
add_number(GVariantBuilder *dict, const VmdkState *s, const char *name,
           const char *key)
{
    const char *text = get(s, key);
    uint64_t value =
        text ? vmdk_descriptor_get_uint(s->desc, key, UINT64_MAX) : UINT64_MAX;

    if (value != UINT64_MAX)
        add_uint(dict, name, value);
    else
        add_string(dict, name, text);
}

static void
add_geometry(GVariantBuilder *dict, const VmdkState *s)
{
    GVariantBuilder geometry;

    if (!get(s, VMDK_KEY_CYLINDERS))
        return;
    g_variant_builder_init(&geometry, G_VARIANT_TYPE_VARDICT);
    add_number(&geometry, s, "cylinders", VMDK_KEY_CYLINDERS);
    add_number(&geometry, s, "heads", VMDK_KEY_HEADS);
    add_number(&geometry, s, "sectors", VMDK_KEY_SECTORS);
    g_variant_builder_add(dict, "{sv}", "geometry",
                          g_variant_builder_end(&geometry));
}

static void
add_change_tracking(GVariantBuilder *dict, const VmdkState *s)
{
    const char *path = get(s, "changeTrackPath");
    GVariantBuilder inner;

    if (!path)
        return;
    g_variant_builder_init(&inner, G_VARIANT_TYPE_VARDICT);
    add_string(&inner, "path", path);
    g_variant_builder_add(dict, "{sv}", "change-tracking",
                          g_variant_builder_end(&inner));
}

static void
add_header(GVariantBuilder *dict, const VmdkState *s)
{
    const VmdkSparse *sp = s->n_extents ? s->extents[0].sparse : NULL;

    if (sp) {
        add_uint(dict, "header-version", sp->hdr.version);
        add_bool(dict, "zeroed-grain",
                 (sp->hdr.flags & VMDK_FLAG_ZEROED_GTE) != 0);
        add_bool(dict, "dirty-shutdown", any_unclean(s));
    }
    add_bool(dict, "embedded-descriptor", s->has_header && s->desc);
}

GVariant *
vmdk_describe(VdNode *node)
{
    const VmdkState *s = vd_node_state(node);
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    add_uint(&dict, "cid", s->cid);
    add_uint(&dict, "parent-cid", s->parent_cid);
    add_string(&dict, "create-type",
               get(s, "createType") ? get(s, "createType") : "");
    g_variant_builder_add(&dict, "{sv}", "extents", describe_extents(s));
    add_number(&dict, s, "hw-version", "ddb.virtualHWVersion");
    add_number(&dict, s, "tools-version", "ddb.toolsVersion");
    add_string(&dict, "adapter-type", get(s, "ddb.adapterType"));
    add_geometry(&dict, s);
    add_string(&dict, "long-content-id", get(s, "ddb.longContentID"));
    add_string(&dict, "uuid", get(s, "ddb.uuid"));
    add_string(&dict, "encoding", get(s, "encoding"));
    add_header(&dict, s);
    add_string(&dict, "parent-hint", parent_hint(s));
    add_string(&dict, "encryption-keys", get(s, "encryptionKeys"));
    add_change_tracking(&dict, s);
    return g_variant_builder_end(&dict);
}
