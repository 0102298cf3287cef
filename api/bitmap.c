/* SPDX-License-Identifier: BSD-3-Clause */
/* api/bitmap.c - dirty bitmaps inside an image.
 *
 * Concurrency: no state of its own.
 */
#include "api/disk.h"

typedef struct {
    VdDisk *disk;
    const char *name;
    uint64_t off, len;
    GPtrArray *list;
    GArray *ranges;
} BitmapCall;

static bool
bitmap_co_list(void *arg, GError **error)
{
    BitmapCall *call = arg;
    VdNode *node = call->disk->node;

    vd_disk_enter(call->disk);
    call->list = vd_node_driver(node)->co_list_bitmaps(node, error);
    vd_disk_leave(call->disk);
    return call->list != NULL;
}

static bool
bitmap_co_read(void *arg, GError **error)
{
    BitmapCall *call = arg;
    VdNode *node = call->disk->node;
    bool ok;

    vd_disk_enter(call->disk);
    ok = vd_node_driver(node)->co_read_bitmap(node, call->name, call->off,
                                              call->len, call->ranges, error);
    vd_disk_leave(call->disk);
    return ok;
}

static bool
bitmap_check_format(const VdDisk *disk, GError **error)
{
    return vd_node_driver(disk->node)->co_list_bitmaps != NULL ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "image format '%s' has no bitmaps inside",
                    vd_disk_format(disk));
}

GPtrArray *
vd_disk_list_bitmaps(VdDisk *disk, GError **error)
{
    BitmapCall call = {.disk = disk};

    if (!bitmap_check_format(disk, error) ||
        !vd_context_run(disk->ctx, bitmap_co_list, &call, error))
        return NULL;
    return call.list;
}

GArray *
vd_disk_get_dirty(VdDisk *disk, const char *bitmap, uint64_t off, uint64_t len,
                  GError **error)
{
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(VdDirtyRange));
    BitmapCall call = {
        .disk = disk, .name = bitmap, .off = off, .len = len, .ranges = ranges};

    if (!bitmap_check_format(disk, error) ||
        !vd_context_run(disk->ctx, bitmap_co_read, &call, error))
        return NULL;
    return g_steal_pointer(&ranges);
}

/* -- changing them ----------------------------------------------------------
 */

typedef struct {
    VdDisk *disk;
    VdBitmapChange change;
} ChangeCall;

static bool
bitmap_co_change(void *arg, GError **error)
{
    ChangeCall *call = arg;
    bool ok;

    vd_disk_enter(call->disk);
    ok = vd_node_co_change_bitmap(call->disk->node, &call->change, error);
    vd_disk_leave(call->disk);
    return ok;
}

static bool
bitmap_change(VdDisk *disk, VdBitmapChange change, GError **error)
{
    ChangeCall call = {.disk = disk, .change = change};

    if (!bitmap_check_format(disk, error))
        return false;
    if (vd_node_driver(disk->node)->co_change_bitmap == NULL)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "bitmaps of '%s' cannot be changed from here",
                        vd_disk_format(disk));
    if (!vd_node_is_writable(disk->node))
        return vd_throw(error, VD_ERROR_READ_ONLY, "%s: is open read-only",
                        vd_node_name(disk->node));
    return vd_context_run(disk->ctx, bitmap_co_change, &call, error);
}

bool
vd_disk_add_bitmap(VdDisk *disk, const char *name, uint64_t granularity,
                   bool enabled, GError **error)
{
    VdBitmapChange change = {.op = VD_BITMAP_ADD,
                             .name = name,
                             .granularity = granularity,
                             .enabled = enabled};

    return bitmap_change(disk, change, error);
}

bool
vd_disk_remove_bitmap(VdDisk *disk, const char *name, GError **error)
{
    VdBitmapChange change = {.op = VD_BITMAP_REMOVE, .name = name};

    return bitmap_change(disk, change, error);
}

bool
vd_disk_clear_bitmap(VdDisk *disk, const char *name, GError **error)
{
    VdBitmapChange change = {.op = VD_BITMAP_CLEAR, .name = name};

    return bitmap_change(disk, change, error);
}

bool
vd_disk_enable_bitmap(VdDisk *disk, const char *name, bool enabled,
                      GError **error)
{
    VdBitmapChange change = {
        .op = enabled ? VD_BITMAP_ENABLE : VD_BITMAP_DISABLE, .name = name};

    return bitmap_change(disk, change, error);
}

bool
vd_disk_merge_bitmap(VdDisk *disk, const char *name, VdDisk *source,
                     const char *source_name, GError **error)
{
    VdBitmapChange change = {.op = VD_BITMAP_MERGE,
                             .name = name,
                             .source = source ? source->node : NULL,
                             .source_name = source_name};

    if (source && source->ctx != disk->ctx)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "the disks of a merge belong to different contexts");
    return bitmap_change(disk, change, error);
}
