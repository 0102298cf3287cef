/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/info-json.c - what an image says about itself, as JSON.
 *
 * From qemu-img 8 on each image lists its "children": the file that it is in,
 * and the files of its extents.
 *
 * Concurrency: main thread only.
 */
#include "tools/img/info-json.h"

#include "tools/img/snapshot-table.h"
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
    if (info->snapshots)
        json_add(object, "snapshots", snapshots_to_variant(info->snapshots));
    if (info->encrypted)
        json_add_bool(object, "encrypted", true);
    json_add_bool(object, "dirty-flag", info->dirty);
    backing_add(object, info);
}

/* -- limits --------------------------------------------------------------- */

GVariant *
info_limits_to_variant(const VdGraphNode *node)
{
    const VdNodeLimits *limits = &node->limits;
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    json_add_uint(&object, "request-alignment", limits->request_align);
    json_add_uint(&object, "memory-alignment", limits->mem_align);
    json_add_uint(&object, "max-transfer", limits->max_transfer);
    if (limits->opt_transfer)
        json_add_uint(&object, "opt-transfer", limits->opt_transfer);
    json_add_uint(&object, "pwrite-zeroes-alignment", limits->zeroes_align);
    json_add_uint(&object, "pdiscard-alignment", limits->discard_align);
    if (node->info->cluster_size)
        json_add_uint(&object, "grain-size", node->info->cluster_size);
    json_add_bool(&object, "sequential", limits->sequential);
    return g_variant_builder_end(&object);
}

/* -- the document --------------------------------------------------------- */

static GVariant *node_to_variant(const VdGraphNode *node, unsigned what);

/* What deeper nodes have to say is wanted only if the graph is. */
static GVariant *
children_to_variant(const VdGraphNode *node, unsigned what)
{
    g_auto(GVariantBuilder) list =
        G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));

    if (!(what & INFO_GRAPH))
        what &= ~INFO_LIMITS;
    for (unsigned i = 0; i < node->children->len; i++) {
        const VdGraphNode *child = node->children->pdata[i];
        g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
        json_add_string(&object, "name", child->edge);
        json_add(&object, "info", node_to_variant(child, what));
        g_variant_builder_add_value(&list, g_variant_builder_end(&object));
    }
    return g_variant_builder_end(&list);
}

/* Of a file there is nothing specific to tell, and qemu-img tells just that. */
static GVariant *
nothing_specific(void)
{
    g_auto(GVariantBuilder) none = JSON_BUILDER_INIT;

    return g_variant_builder_end(&none);
}

static GVariant *
node_to_variant(const VdGraphNode *node, unsigned what)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    const VdInfo *info = node->info;

    facts_add(&object, info);
    if (info->specific)
        specific_add(&object, info->format, info->specific);
    else if (node->children->len == 0 && *node->edge)
        specific_add(&object, info->format, nothing_specific());
    if (!out_is_old() || (what & INFO_GRAPH))
        json_add(&object, "children", children_to_variant(node, what));
    if (what & INFO_LIMITS)
        json_add(&object, "limits", info_limits_to_variant(node));
    return g_variant_builder_end(&object);
}

void
info_print_json(const GPtrArray *graphs, unsigned what, bool as_array)
{
    if (!as_array) {
        json_print(node_to_variant(graphs->pdata[0], what), JSON_RANKED);
        return;
    }
    g_auto(GVariantBuilder) list =
        G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));
    for (unsigned i = 0; i < graphs->len; i++)
        g_variant_builder_add_value(&list,
                                    node_to_variant(graphs->pdata[i], what));
    json_print(g_variant_builder_end(&list), JSON_RANKED);
}
