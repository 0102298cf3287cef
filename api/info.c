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

/* The file that the image is stored in, for names relative to it. */
static const char *
info_base_name(const VdDisk *disk)
{
    VdNode *file = vd_node_child(disk->node, "file");

    return vd_node_name(file != NULL ? file : disk->node);
}

/* As it was given, unless that says in many words what the file's name says. */
static const char *
info_name(const VdDisk *disk)
{
    if (disk->name == NULL || g_str_has_prefix(disk->name, "json:") ||
        g_str_has_prefix(disk->name, "file:"))
        return info_base_name(disk);
    return disk->name;
}

static char *
info_full_backing_name(const VdDisk *disk, const VdNodeInfo *facts)
{
    VdNode *parent = vd_node_parent(disk->node);

    if (parent != NULL)
        return g_strdup(vd_node_name(parent));
    if (facts->backing_path != NULL)
        return g_strdup(facts->backing_path);
    return vd_path_combine(info_base_name(disk), facts->backing_name);
}

static void
info_fill_format(VdInfo *info, const VdDisk *disk)
{
    const VdDriver *drv = vd_node_driver(disk->node);
    VdNodeInfo facts = {0};

    if (drv->get_info != NULL)
        drv->get_info(disk->node, &facts);
    info->cluster_size = facts.cluster_size;
    info->encrypted = facts.encrypted;
    info->compressed = facts.compressed;
    info->dirty = facts.dirty;
    if (drv->describe != NULL)
        info->specific = g_variant_ref_sink(drv->describe(disk->node));
    if (facts.backing_name == NULL)
        return;
    info->backing_filename = g_strdup(facts.backing_name);
    info->backing_format = g_strdup(facts.backing_format);
    info->full_backing_filename = info_full_backing_name(disk, &facts);
}

static bool
info_co_call(void *arg, GError **error)
{
    InfoCall *call = arg;
    VdDisk *disk = call->disk;
    VdInfo *info = g_new0(VdInfo, 1);

    vd_disk_enter(disk);
    info->filename = g_strdup(info_name(disk));
    info->format = g_strdup(vd_disk_format(disk));
    info->virtual_size = vd_disk_size(disk);
    info_fill_format(info, disk);
    info->actual_size = vd_node_co_allocated_size(disk->node);
    vd_disk_leave(disk);
    call->info = info;
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

void
vd_info_free(VdInfo *info)
{
    if (info == NULL)
        return;
    g_free(info->filename);
    g_free(info->format);
    g_free(info->backing_filename);
    g_free(info->full_backing_filename);
    g_free(info->backing_format);
    g_clear_pointer(&info->specific, g_variant_unref);
    g_free(info);
}
