/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/info-json.c - what an image says about itself, as JSON.
 *
 * From qemu-img 8 on each image lists its "children": the file that it is in,
 * and the files of its extents.
 *
 * Concurrency: main thread only.
 */
#include "tools/img/info-json.h"

#include <string.h>

#include "tools/json.h"
#include "tools/output.h"

static void
specific_add(GVariantBuilder *object, const char *type, GVariant *data)
{
    g_auto(GVariantBuilder) inner = JSON_BUILDER_INIT;

    json_add_string(&inner, "type", type);
    json_add(&inner, "data", data);
    json_add(object, "format-specific", g_variant_builder_end(&inner));
}

static void
backing_add(GVariantBuilder *object, const VdInfo *info)
{
    if (info->backing_filename)
        json_add_string(object, "backing-filename", info->backing_filename);
    if (info->full_backing_filename)
        json_add_string(object, "full-backing-filename",
                        info->full_backing_filename);
    if (info->backing_format)
        json_add_string(object, "backing-filename-format",
                        info->backing_format);
}

/* json_print() puts the keys in order. */
static void
facts_add(GVariantBuilder *object, const VdInfo *info)
{
    json_add_string(object, "filename", info->filename);
    json_add_string(object, "format", info->format);
    json_add_uint(object, "virtual-size", info->virtual_size);
    if (info->actual_size >= 0)
        json_add_uint(object, "actual-size", (uint64_t) info->actual_size);
    if (info->cluster_size)
        json_add_uint(object, "cluster-size", info->cluster_size);
    if (info->encrypted)
        json_add_bool(object, "encrypted", true);
    json_add_bool(object, "dirty-flag", info->dirty);
    backing_add(object, info);
}

/* -- children ------------------------------------------------------------- */

static GVariant *
file_to_variant(const VdInfo *info)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    g_auto(GVariantBuilder) none = JSON_BUILDER_INIT;

    facts_add(&object, info);
    json_add(&object, "children",
             g_variant_new_array(G_VARIANT_TYPE_VARDICT, NULL, 0));
    specific_add(&object, info->format, g_variant_builder_end(&none));
    return g_variant_builder_end(&object);
}

/* A file that is missing or locked is left out: info shows what headers say,
 * and the image itself could be opened. */
static void
child_add(GVariantBuilder *list, VdContext *ctx, const ImageSpec *spec,
          const char *name, const char *filename)
{
    g_auto(GVariantBuilder) child = JSON_BUILDER_INIT;
    unsigned flags = spec->flags | VD_OPEN_NO_IO;
    VdDisk *disk =
        vd_disk_open(ctx, filename, "file", NULL, (VdOpenFlags) flags, NULL);
    g_autoptr(VdInfo) info = disk ? vd_disk_get_info(disk, NULL) : NULL;

    image_close_quietly(disk);
    if (!info)
        return;
    json_add_string(&child, "name", name);
    json_add(&child, "info", file_to_variant(info));
    g_variant_builder_add_value(list, g_variant_builder_end(&child));
}

static void
extents_add(GVariantBuilder *list, VdContext *ctx, const ImageSpec *spec,
            const VdInfo *info)
{
    g_autoptr(GVariant) extents = NULL;

    if (!info->specific)
        return;
    extents = g_variant_lookup_value(info->specific, "extents",
                                     G_VARIANT_TYPE("aa{sv}"));
    for (size_t i = 0; extents && i < g_variant_n_children(extents); i++) {
        g_autoptr(GVariant) extent = g_variant_get_child_value(extents, i);
        g_autofree char *name = g_strdup_printf("extents.%zu", i);
        const char *filename;
        if (g_variant_lookup(extent, "filename", "&s", &filename) &&
            strcmp(filename, info->filename))
            child_add(list, ctx, spec, name, filename);
    }
}

static GVariant *
children_to_variant(VdContext *ctx, const ImageSpec *spec, const VdInfo *info)
{
    g_auto(GVariantBuilder) list =
        G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));

    child_add(&list, ctx, spec, "file", info->filename);
    extents_add(&list, ctx, spec, info);
    return g_variant_builder_end(&list);
}

/* -- the document --------------------------------------------------------- */

static GVariant *
info_to_variant(VdContext *ctx, const ImageSpec *spec, const VdInfo *info)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    facts_add(&object, info);
    if (info->specific)
        specific_add(&object, info->format, info->specific);
    if (!out_is_old())
        json_add(&object, "children", children_to_variant(ctx, spec, info));
    return g_variant_builder_end(&object);
}

void
info_print_json(VdContext *ctx, const ImageSpec *spec, const GPtrArray *infos,
                bool as_array)
{
    if (!as_array) {
        json_print(info_to_variant(ctx, spec, infos->pdata[0]), JSON_RANKED);
        return;
    }
    g_auto(GVariantBuilder) list =
        G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));
    for (unsigned i = 0; i < infos->len; i++)
        g_variant_builder_add_value(
            &list, info_to_variant(ctx, spec, infos->pdata[i]));
    json_print(g_variant_builder_end(&list), JSON_RANKED);
}
