/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/change.c - changing disks as a whole, their contents kept.
 *
 * Concurrency: any thread; nobody else is in the disk meanwhile.
 */
#include "vix/connection.h"
#include "vix/disk.h"
#include "vix/error.h"
#include "vix/live.h"
#include "vix/progress.h"
#include "vix/remote-file.h"

/* -- growing --------------------------------------------------------------- */

typedef struct {
    const char *function, *path;
    VixDiskLibSectorType capacity;
    bool update_geometry;
    VixDiskLibProgressFunc progress;
    void *data;
} Grow;

static VixError
check_capacity(const Grow *g, const VdDisk *disk)
{
    uint64_t now = vd_disk_size(disk) / VIXDISKLIB_SECTOR_SIZE;

    if (g->capacity > G_MAXINT64 / VIXDISKLIB_SECTOR_SIZE)
        return vix_fail(VIX_E_ARGUMENT_TOO_BIG,
                        "%s: %s: a capacity of %" G_GUINT64_FORMAT " sectors",
                        g->function, g->path, g->capacity);
    if (g->capacity >= now)
        return VIX_OK;
    return vix_fail(VIX_E_INVALID_ARG,
                    "%s: %s: %" G_GUINT64_FORMAT
                    " sectors are less than the %" G_GUINT64_FORMAT
                    " that it has",
                    g->function, g->path, g->capacity, now);
}

/* What is refused then are links of chains. */
static VixError
fail_grow(const char *function, const GError *error)
{
    if (g_error_matches(error, VD_ERROR, VD_ERROR_REFUSED))
        return vix_fail_disk_as(VIX_E_DISK_NOTSUPPORTED, function, error);
    return vix_fail_disk(function, error);
}

static VixError
grow_disk(const Grow *g, VdContext *ctx, VdDisk *disk)
{
    g_autoptr(GError) error = NULL;
    VixProgress told;
    VdResizeParams params = {.update_geometry = g->update_geometry,
                             .progress = vix_progress_update,
                             .progress_opaque = &told};
    VixError err = check_capacity(g, disk);
    bool ok;

    if (err == VIX_OK)
        err = vix_progress_begin(&told, g->function, ctx, g->progress, g->data);
    if (err != VIX_OK)
        return err;
    ok = vd_disk_resize(disk, vix_bytes(g->capacity), &params, &error);
    if (!ok)
        err = fail_grow(g->function, error);
    vix_progress_end(&told, ok);
    return err;
}

static VixError
grow_in_context(const Grow *g, VdContext *ctx)
{
    g_autoptr(GError) error = NULL;
    VixError err = VIX_OK;
    VdDisk *disk = vix_disk_open(ctx, g->function, g->path,
                                 VIXDISKLIB_FLAG_OPEN_SINGLE_LINK, &err);

    if (!disk)
        return err;
    err = grow_disk(g, ctx, disk);
    if (!vd_disk_close(disk, &error) && err == VIX_OK)
        err = vix_fail_disk(g->function, error);
    return err;
}

VixError
VixDiskLib_Grow(VixDiskLibConnection connection, const char *path,
                VixDiskLibSectorType capacity, Bool updateGeometry,
                VixDiskLibProgressFunc progressFunc, void *progressCallbackData)
{
    Grow g = {.function = "VixDiskLib_Grow",
              .path = path,
              .capacity = capacity,
              .update_geometry = updateGeometry,
              .progress = progressFunc,
              .data = progressCallbackData};
    g_autoptr(VixRemote) remote = NULL;
    VdContext *ctx;
    VixError err = vix_connection_remote(g.function, connection, &remote);

    if (err == VIX_OK)
        err = vix_check_path(g.function, path);
    if (err != VIX_OK)
        return err;
    if (remote)
        return vix_remote_grow(g.function, remote, path, capacity, progressFunc,
                               progressCallbackData);
    ctx = vix_context_new(g.function, &err);
    if (!ctx)
        return err;
    err = grow_in_context(&g, ctx);
    vd_context_free(ctx);
    return err;
}

/* -- shrinking and defragmenting ------------------------------------------- */

typedef struct {
    const char *function;
    VixDisk *disk;
    unsigned what; /* VdCompactWhat */
    VixDiskLibProgressFunc progress;
    void *data;
} Compact;

/* What cannot be shrunk cannot be for the reason that @function has a number
 * for. */
static VixError
fail_compact(const Compact *c, const GError *error)
{
    if (g_error_matches(error, VD_ERROR, VD_ERROR_CORRUPT))
        return vix_fail_disk_as(VIX_E_DISK_NEEDSREPAIR, c->function, error);
    if (g_error_matches(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED) &&
        c->what == VD_COMPACT_SHRINK)
        return vix_fail_disk_as(VIX_E_DISK_CANTSHRINK, c->function, error);
    return vix_fail_disk(c->function, error);
}

/* Without grains there is nothing to do. */
static VixError
compact(const Compact *c, bool has_grains)
{
    g_autoptr(GError) error = NULL;
    VixProgress told;
    VdCompactParams params = {.what = c->what,
                              .progress = vix_progress_update,
                              .progress_opaque = &told};
    VixError err = vix_progress_begin(&told, c->function, c->disk->ctx,
                                      c->progress, c->data);
    bool ok;

    if (err != VIX_OK)
        return err;
    ok = !has_grains || vd_disk_compact(c->disk->disk, &params, NULL, &error);
    if (!ok)
        err = fail_compact(c, error);
    vix_progress_end(&told, ok);
    return err;
}

static VixError
check_writable(const Compact *c)
{
    if (vix_disk_is_writable(c->disk))
        return VIX_OK;
    return vix_fail(VIX_E_FILE_READ_ONLY, "%s: %s: is open read-only",
                    c->function, c->disk->path);
}

static VixError
fail_shrink(const Compact *c, const char *why)
{
    return vix_fail(VIX_E_DISK_CANTSHRINK, "%s: %s: %s", c->function,
                    c->disk->path, why);
}

/* As the original has it: only disks that stand alone. */
static VixError
shrink(const Compact *c)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VdInfo) info = vd_disk_get_info(c->disk->disk, &error);
    g_auto(GStrv) children = NULL;
    VixError err = check_writable(c);

    if (err != VIX_OK)
        return err;
    if (info)
        children = vd_disk_list_children(c->disk->disk, &error);
    if (!children)
        return vix_fail_disk(c->function, error);
    if (info->backing_filename)
        return fail_shrink(c, "has a parent");
    if (children[0] || c->disk->has_child)
        return fail_shrink(c, "has children");
    if (info->cluster_size == 0)
        return fail_shrink(c, "is flat: there is nothing to free");
    return compact(c, true);
}

static VixError
defragment(const Compact *c)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VdInfo) info = vd_disk_get_info(c->disk->disk, &error);
    VixError err = check_writable(c);

    if (err != VIX_OK)
        return err;
    if (!info)
        return vix_fail_disk(c->function, error);
    return compact(c, info->cluster_size > 0);
}

VixError
VixDiskLib_Shrink(VixDiskLibHandle diskHandle,
                  VixDiskLibProgressFunc progressFunc,
                  void *progressCallbackData)
{
    Compact c = {.function = "VixDiskLib_Shrink",
                 .disk = diskHandle,
                 .what = VD_COMPACT_SHRINK,
                 .progress = progressFunc,
                 .data = progressCallbackData};
    VixError err = vix_live_enter_alone(c.function, diskHandle);

    if (err != VIX_OK)
        return err;
    err = vix_disk_check_local(c.function, diskHandle);
    if (err == VIX_OK)
        err = shrink(&c);
    vix_live_leave_alone(diskHandle);
    return err;
}

VixError
VixDiskLib_Defragment(VixDiskLibHandle diskHandle,
                      VixDiskLibProgressFunc progressFunc,
                      void *progressCallbackData)
{
    Compact c = {.function = "VixDiskLib_Defragment",
                 .disk = diskHandle,
                 .what = VD_COMPACT_DEFRAGMENT,
                 .progress = progressFunc,
                 .data = progressCallbackData};
    VixError err = vix_live_enter_alone(c.function, diskHandle);

    if (err != VIX_OK)
        return err;
    err = vix_disk_check_local(c.function, diskHandle);
    if (err == VIX_OK)
        err = defragment(&c);
    vix_live_leave_alone(diskHandle);
    return err;
}
