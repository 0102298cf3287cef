/* SPDX-License-Identifier: BSD-3-Clause */
/* api/info.c - what is known about an opened image.
 *
 * Concurrency: no state of its own.
 */
#include "api/disk.h"

typedef struct {
    VdDisk *disk;
    VdInfo *info;
} InfoCall;

/* As it was given, unless that says in many words what the file's name says. */
static const char *
info_name(const VdDisk *disk)
{
    if (disk->name == NULL || g_str_has_prefix(disk->name, "json:") ||
        g_str_has_prefix(disk->name, "file:"))
        return vd_node_file_name(disk->node);
    return disk->name;
}

static char *
info_full_backing_name(VdNode *node, const VdNodeInfo *facts)
{
    VdNode *parent = vd_node_parent(node);

    if (parent != NULL)
        return g_strdup(vd_node_name(parent));
    if (facts->backing_path != NULL)
        return g_strdup(facts->backing_path);
    return vd_parent_locate(vd_node_driver(node), vd_node_file_name(node),
                            facts->backing_name, NULL);
}

static void
info_fill_format(VdInfo *info, VdNode *node)
{
    const VdDriver *drv = vd_node_driver(node);
    VdNodeInfo facts = {0};

    if (drv->get_info != NULL)
        drv->get_info(node, &facts);
    info->cluster_size = facts.cluster_size;
    info->encrypted = facts.encrypted;
    info->compressed = facts.compressed;
    info->dirty = facts.dirty;
    info->specific = vd_node_describe(node);
    if (facts.backing_name == NULL)
        return;
    info->backing_filename = g_strdup(facts.backing_name);
    info->backing_format = g_strdup(facts.backing_format);
    info->full_backing_filename = info_full_backing_name(node, &facts);
}

/* What else the image says is worth having, even if this cannot be read. */
static void
info_co_fill_snapshots(VdInfo *info, VdNode *node)
{
    const VdDriver *drv = vd_node_driver(node);
    g_autoptr(GError) error = NULL;

    if (drv->co_list_snapshots == NULL)
        return;
    info->snapshots = drv->co_list_snapshots(node, &error);
    if (info->snapshots == NULL)
        vd_node_warn(node, "%s", error->message);
    else if (info->snapshots->len == 0)
        g_clear_pointer(&info->snapshots, g_ptr_array_unref);
}

VdInfo *
vd_info_co_new(VdDisk *disk, VdNode *node)
{
    VdInfo *info = g_new0(VdInfo, 1);

    info->filename =
        g_strdup(node == disk->node ? info_name(disk) : vd_node_name(node));
    info->stored_in = g_strdup(vd_node_file_name(node));
    info->format = g_strdup(vd_node_driver(node)->name);
    info->virtual_size = vd_node_size(node);
    info_fill_format(info, node);
    info_co_fill_snapshots(info, node);
    info->actual_size = vd_node_co_allocated_size(node);
    return info;
}

static bool
info_co_call(void *arg, GError **error)
{
    InfoCall *call = arg;

    vd_disk_enter(call->disk);
    call->info = vd_info_co_new(call->disk, call->disk->node);
    vd_disk_leave(call->disk);
    return true;
}

VdInfo *
vd_disk_get_info(VdDisk *disk, GError **error)
{
    InfoCall call = {.disk = disk};

    if (!vd_context_run(disk->ctx, info_co_call, &call, error))
        return NULL;
    return call.info;
}

typedef struct {
    VdDisk *disk;
    GPtrArray *infos;
} ChainCall;

static bool
info_co_chain_call(void *arg, GError **error)
{
    ChainCall *call = arg;

    call->infos = g_ptr_array_new_with_free_func((GDestroyNotify) vd_info_free);
    vd_disk_enter(call->disk);
    for (VdNode *n = call->disk->node; n != NULL; n = vd_node_parent(n))
        g_ptr_array_add(call->infos, vd_info_co_new(call->disk, n));
    vd_disk_leave(call->disk);
    return true;
}

GPtrArray *
vd_disk_get_chain(VdDisk *disk, GError **error)
{
    ChainCall call = {.disk = disk};

    if (!vd_context_run(disk->ctx, info_co_chain_call, &call, error))
        return NULL;
    return call.infos;
}

void
vd_info_free(VdInfo *info)
{
    if (info == NULL)
        return;
    g_free(info->filename);
    g_free(info->stored_in);
    g_free(info->format);
    g_free(info->backing_filename);
    g_free(info->full_backing_filename);
    g_free(info->backing_format);
    g_clear_pointer(&info->specific, g_variant_unref);
    g_clear_pointer(&info->snapshots, g_ptr_array_unref);
    g_free(info);
}
