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
