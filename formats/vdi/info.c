/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vdi/info.c - what a VDI image tells about itself.
 *
 * Concurrency: never yields.
 */
#include "formats/vdi/vdi.h"

#include <string.h>

static const char *
last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* A child stores no name of its parent: what was found stands for it, else what
 * would have been looked for. */
void
vdi_get_info(VdNode *node, VdNodeInfo *info)
{
    const VdiState *s = vd_node_state(node);

    *info =
        (VdNodeInfo){.cluster_size = s->hdr.block_bytes, .thin_clusters = true};
    if (s->hdr.type != VDI_DIFFERENCING)
        return;
    info->backing_name =
        s->parent_path ? last_part(s->parent_path) : s->parent_uuid;
    info->backing_path = s->parent_path;
    info->backing_format = "vdi";
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

    if (vd_uuid_is_null(uuid))
        return;
    vd_uuid_format(uuid, true, text);
    add_string(dict, key, text);
}

/* The comment may be of any encoding. */
static void
add_comment(GVariantBuilder *dict, const char *comment)
{
    g_autofree char *text = g_utf8_make_valid(comment, -1);

    if (*text)
        add_string(dict, "comment", text);
}

GVariant *
vdi_describe(VdNode *node)
{
    const VdiState *s = vd_node_state(node);
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    add_string(&dict, "type", vdi_type_name(s->hdr.type));
    g_variant_builder_add(&dict, "{sv}", "allocated-blocks",
                          g_variant_new_uint64(s->hdr.n_allocated));
    add_uuid(&dict, "uuid", s->hdr.create);
    add_uuid(&dict, "modify-uuid", s->hdr.modify);
    add_uuid(&dict, "parent-uuid", s->hdr.parent_create);
    add_uuid(&dict, "parent-modify-uuid", s->hdr.parent_modify);
    add_comment(&dict, s->hdr.comment);
    return g_variant_builder_end(&dict);
}
