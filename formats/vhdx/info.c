/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/info.c - what a VHDX image tells about itself.
 *
 * Concurrency: never yields.
 */
#include "formats/vhdx/vhdx.h"

static const char *
name_of_parent(const VhdxState *s)
{
    const VhdxLocator *locator = &s->meta.locator;

    if (locator->relative)
        return locator->relative;
    return locator->volume ? locator->volume : locator->absolute;
}

void
vhdx_get_info(VdNode *node, VdNodeInfo *info)
{
    const VhdxState *s = vd_node_state(node);
    bool child = s->meta.has_parent;

    *info = (VdNodeInfo){
        .cluster_size = s->meta.block_bytes,
        .thin_clusters = true,
        .dirty = s->replay.patches != NULL,
        .backing_name = child ? name_of_parent(s) : NULL,
        .backing_path = child ? s->parent_path : NULL,
        .backing_format = child ? "vhdx" : NULL,
    };
}

static void
add_string(GVariantBuilder *dict, const char *key, const char *value)
{
    g_variant_builder_add(dict, "{sv}", key, g_variant_new_string(value));
}

static void
add_number(GVariantBuilder *dict, const char *key, uint64_t value)
{
    g_variant_builder_add(dict, "{sv}", key, g_variant_new_uint64(value));
}

static void
add_uuid(GVariantBuilder *dict, const char *key, const uint8_t *uuid)
{
    char text[VD_UUID_CHARS + 1];

    if (vd_uuid_is_null(uuid))
        return;
    vd_uuid_format(uuid, true, text);
    add_string(dict, key, text);
}

static const char *
subformat_of(const VhdxMetadata *meta)
{
    if (meta->has_parent)
        return "differencing";
    return meta->leave_allocated ? "fixed" : "dynamic";
}

GVariant *
vhdx_describe(VdNode *node)
{
    const VhdxState *s = vd_node_state(node);
    const VhdxMetadata *meta = &s->meta;
    const VhdxHeader *hdr = &s->headers.now;
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    add_string(&dict, "subformat", subformat_of(meta));
    add_string(&dict, "creator", s->creator);
    add_number(&dict, "log-size", hdr->log_bytes);
    g_variant_builder_add(&dict, "{sv}", "log-pending",
                          g_variant_new_boolean(s->replay.patches != NULL));
    add_number(&dict, "logical-sector-size", meta->logical);
    add_number(&dict, "physical-sector-size", meta->physical);
    add_uuid(&dict, "disk-id", meta->page83);
    add_uuid(&dict, "file-write-id", hdr->file_write);
    add_uuid(&dict, "data-write-id", hdr->data_write);
    if (meta->has_parent) {
        add_uuid(&dict, "parent-linkage", meta->locator.linkage);
        add_uuid(&dict, "parent-linkage2", meta->locator.linkage2);
    }
    return g_variant_builder_end(&dict);
}
