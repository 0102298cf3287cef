/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhd/info.c - what a VHD image tells about itself.
 *
 * Concurrency: never yields.
 */
#include "formats/vhd/vhd.h"

void
vhd_get_info(VdNode *node, VdNodeInfo *info)
{
    const VhdState *s = vd_node_state(node);
    bool child = s->footer.type == VHD_DIFFERENCING;

    *info = (VdNodeInfo){
        .cluster_size = s->blocks ? s->hdr.block_bytes : 0,
        .thin_clusters = true,
        .dirty = s->footer_differs,
        .backing_name = child ? s->hdr.parent_name : NULL,
        .backing_path = child ? s->parent_path : NULL,
        .backing_format = child ? "vpc" : NULL,
    };
}

static void
add_string(GVariantBuilder *dict, const char *key, const char *value)
{
    g_variant_builder_add(dict, "{sv}", key, g_variant_new_string(value));
}

static void
add_uuid(GVariantBuilder *dict, const char *key, const uint8_t *uuid)
{
    char text[VD_UUID_CHARS + 1];

    vd_uuid_format(uuid, false, text);
    add_string(dict, key, text);
}

static void
add_geometry(GVariantBuilder *dict, const VhdGeometry *geometry)
{
    GVariantBuilder inner;

    g_variant_builder_init(&inner, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&inner, "{sv}", "cylinders",
                          g_variant_new_uint64(geometry->cylinders));
    g_variant_builder_add(&inner, "{sv}", "heads",
                          g_variant_new_uint64(geometry->heads));
    g_variant_builder_add(&inner, "{sv}", "sectors",
                          g_variant_new_uint64(geometry->sectors));
    g_variant_builder_add(dict, "{sv}", "geometry",
                          g_variant_builder_end(&inner));
}

GVariant *
vhd_describe(VdNode *node)
{
    const VhdState *s = vd_node_state(node);
    g_autofree char *creator = g_utf8_make_valid(s->footer.creator, -1);
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    add_string(&dict, "subformat", vhd_type_name(s->footer.type));
    add_string(&dict, "creator", g_strchomp(creator));
    g_variant_builder_add(&dict, "{sv}", "current-size",
                          g_variant_new_uint64(s->footer.current_size));
    add_geometry(&dict, &s->footer.geometry);
    add_uuid(&dict, "uuid", s->footer.uuid);
    if (s->footer.type == VHD_DIFFERENCING)
        add_uuid(&dict, "parent-uuid", s->hdr.parent_uuid);
    return g_variant_builder_end(&dict);
}
