/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/open.c - opening and closing disks.
 *
 * Concurrency: any thread.
 */
#include <string.h>

#include "vix/config.h"
#include "vix/disk.h"
#include "vix/error.h"
#include "vix/live.h"
#include "vix/log.h"

VixError
vix_check_path(const char *function, const char *path)
{
    if (path && *path != '\0')
        return VIX_OK;
    return vix_fail(VIX_E_INVALID_ARG, "%s: no path", function);
}

/* A name with a colon in it could be something else to libvdisk. */
char *
vix_disk_file_name(const char *path)
{
    return g_path_is_absolute(path) ? g_strdup(path)
                                    : g_build_filename(".", path, NULL);
}

/* As VMware's products do, unless the configuration is against it. */
VdOpenFlags
vix_disk_lock_flags(void)
{
    return vix_config_lock() ? VD_OPEN_VMWARE_LOCK : 0;
}

/* Compression is of the network's, which is not here. */
VdOpenFlags
vix_disk_open_flags(uint32 flags)
{
    VdOpenFlags result = VD_OPEN_UNMAP | vix_disk_lock_flags();

    if (!(flags & VIXDISKLIB_FLAG_OPEN_READ_ONLY))
        result |= VD_OPEN_RDWR;
    if (flags & VIXDISKLIB_FLAG_OPEN_UNBUFFERED)
        result |= VD_OPEN_DIRECT;
    if (flags & VIXDISKLIB_FLAG_OPEN_SINGLE_LINK)
        result |= VD_OPEN_NO_PARENT | VD_OPEN_HOLES_ZERO;
    return result;
}

/* -- what went wrong ------------------------------------------------------ */

/* Does the link on top open without its parent? */
static bool
is_parent_missing(VdContext *ctx, const char *name)
{
    VdDisk *top = vd_disk_open(ctx, name, "vmdk", NULL,
                               VD_OPEN_NO_PARENT | VD_OPEN_FORCE_SHARE, NULL);

    (void) vd_disk_close(top, NULL); /* was only read */
    return top != NULL;
}

static VixError
fail_open(VdContext *ctx, const char *function, const char *name,
          VdOpenFlags flags, const GError *error)
{
    VixError code = vix_error_code(error);

    if (g_error_matches(error, VD_ERROR, VD_ERROR_NOT_FOUND) &&
        !(flags & VD_OPEN_NO_PARENT) && is_parent_missing(ctx, name))
        code = VIX_E_DISK_OPENPARENT;
    return vix_fail_disk_as(code, function, error);
}

/* -- opening -------------------------------------------------------------- */

/* File systems without direct I/O do it with theirs. */
static VdDisk *
open_buffered(VdContext *ctx, const char *name, VdOpenFlags flags,
              GError **error)
{
    VdDisk *disk = vd_disk_open(ctx, name, "vmdk", NULL,
                                flags & ~(unsigned) VD_OPEN_DIRECT, error);

    if (disk)
        vix_log("%s: no unbuffered I/O here, buffered is used", name);
    return disk;
}

static bool
is_odd_argument(const GError *error)
{
    return g_error_matches(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT) ||
           g_error_matches(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
}

VdDisk *
vix_disk_open(VdContext *ctx, const char *function, const char *path,
              uint32 flags, VixError *err)
{
    g_autofree char *name = vix_disk_file_name(path);
    g_autoptr(GError) error = NULL;
    VdOpenFlags how = vix_disk_open_flags(flags);
    VdDisk *disk = vd_disk_open(ctx, name, "vmdk", NULL, how, &error);

    if (!disk && (how & VD_OPEN_DIRECT) && is_odd_argument(error))
        disk = open_buffered(ctx, name, how, NULL);
    if (!disk)
        *err = fail_open(ctx, function, name, how, error);
    return disk;
}

/* Programs look for the first words in their logs. */
static void
log_opened(const VixDisk *disk)
{
    g_autoptr(VdInfo) info = vd_disk_get_info(disk->disk, NULL);
    const char *type = NULL;

    if (info && info->specific)
        (void) g_variant_lookup(info->specific, "create-type", "&s", &type);
    vix_log("DISKLIB-LINK  : Opened 'file://%s' (0x%x): %s, %" G_GUINT64_FORMAT
            " sectors / %.1f MB.",
            disk->path, disk->flags, type ? type : "custom", disk->capacity,
            (double) disk->capacity / 2048);
}

static VixDisk *
disk_new(VdContext *ctx, VdDisk *opened, const char *path, uint32 flags)
{
    VixDisk *disk = g_new0(VixDisk, 1);

    disk->path = g_strdup(path);
    disk->flags = flags;
    disk->capacity = vd_disk_size(opened) / VIXDISKLIB_SECTOR_SIZE;
    disk->ctx = ctx;
    disk->disk = opened;
    vix_async_init(disk);
    return disk;
}

VixError
VixDiskLib_Open(const VixDiskLibConnection connection, const char *path,
                uint32 flags, VixDiskLibHandle *diskHandle)
{
    const char *function = "VixDiskLib_Open";
    VixError err;
    VdContext *ctx;
    VdDisk *opened;
    VixDisk *disk;

    if (!diskHandle)
        return vix_fail(VIX_E_INVALID_ARG, "%s: no place for the handle",
                        function);
    *diskHandle = NULL;
    err = vix_live_check_connection(function, connection);
    if (err == VIX_OK)
        err = vix_check_path(function, path);
    if (err != VIX_OK)
        return err;
    ctx = vix_context_new(function, &err);
    if (!ctx)
        return err;
    opened = vix_disk_open(ctx, function, path, flags, &err);
    if (!opened) {
        vd_context_free(ctx);
        return err;
    }
    disk = disk_new(ctx, opened, path, flags);
    log_opened(disk);
    err = vix_live_add_disk(function, disk, connection);
    if (err == VIX_OK)
        *diskHandle = disk;
    else
        (void) vix_disk_free(disk); /* the connection's end is worse */
    return err;
}

/* -- closing -------------------------------------------------------------- */

VixError
vix_disk_empty(VixDisk *disk)
{
    g_autoptr(GError) error = NULL;
    VixError err = VIX_OK;

    vix_async_stop(disk);
    if (!vd_disk_close(disk->disk, &error))
        err = vix_fail_disk("VixDiskLib_Close", error);
    disk->disk = NULL;
    g_clear_pointer(&disk->ctx, vd_context_free);
    g_clear_pointer(&disk->path, g_free);
    return err;
}

VixError
vix_disk_free(VixDisk *disk)
{
    VixError err = vix_disk_empty(disk);

    vix_async_clear(disk);
    g_free(disk);
    return err;
}

VixError
VixDiskLib_Close(VixDiskLibHandle diskHandle)
{
    bool consumed;
    VixError err = vix_live_take("VixDiskLib_Close", diskHandle, &consumed);

    if (err != VIX_OK)
        return err;
    if (consumed) {
        vix_async_clear(diskHandle);
        g_free(diskHandle);
        return VIX_OK;
    }
    if (vix_async_close_later(diskHandle))
        return VIX_OK;
    vix_async_drain(diskHandle);
    return vix_disk_free(diskHandle);
}
