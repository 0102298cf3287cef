/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/open.c - opening and closing disks.
 *
 * Concurrency: any thread.
 */
#include <string.h>

#include "vix/config.h"
#include "vix/connection.h"
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

VdDisk *
vix_disk_open_remote(VdContext *ctx, const char *function, VixRemote *remote,
                     const char *path, uint32 flags, VixError *err)
{
    g_autofree char *name =
        vix_remote_disk_name(function, remote, path, flags, err);
    g_autoptr(GError) error = NULL;
    bool writes = !(flags & VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    VdDisk *disk = name ? vd_disk_open(ctx, name, NULL, NULL,
                                       writes ? VD_OPEN_RDWR : 0, &error)
                        : NULL;

    if (name && !disk)
        *err = vix_fail_disk(function, error);
    return disk;
}

/* Programs look for the first words in their logs. */
static void
log_opened_remote(const VixDisk *disk, const VixRemote *remote)
{
    vix_log("DISKLIB-LINK  : Opened '%s://%s@%s' (0x%x): vmfs, "
            "%" G_GUINT64_FORMAT " sectors / %.1f MB.",
            disk->transport, disk->path, vix_remote_server(remote), disk->flags,
            disk->capacity, (double) disk->capacity / 2048);
}

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
disk_new(VdContext *ctx, const char *path, uint32 flags)
{
    VixDisk *disk = g_new0(VixDisk, 1);

    disk->path = g_strdup(path ? path : "");
    disk->flags = flags;
    disk->ctx = ctx;
    vix_async_init(disk);
    return disk;
}

static void
disk_set(VixDisk *disk, VdDisk *opened)
{
    disk->disk = opened;
    disk->capacity = vd_disk_size(opened) / VIXDISKLIB_SECTOR_SIZE;
    disk->transport = vd_vsphere_disk_transport(opened);
}

/* First class disks are meant by the connection. */
static VixError
check_open_path(const char *function, const VixRemote *remote, const char *path)
{
    if (remote && !vix_remote_vm(remote))
        return VIX_OK;
    return vix_check_path(function, path);
}

static VixError
open_in_context(const char *function, VixDiskLibConnection connection,
                VixRemote *remote, VixDisk *disk)
{
    VixError err = VIX_OK;
    VdDisk *opened =
        remote
            ? vix_disk_open_remote(disk->ctx, function, remote, disk->path,
                                   disk->flags, &err)
            : vix_disk_open(disk->ctx, function, disk->path, disk->flags, &err);

    if (!opened)
        return err;
    disk_set(disk, opened);
    if (remote)
        log_opened_remote(disk, remote);
    else
        log_opened(disk);
    return vix_live_add_disk(function, disk, connection);
}

VixError
VixDiskLib_Open(const VixDiskLibConnection connection, const char *path,
                uint32 flags, VixDiskLibHandle *diskHandle)
{
    const char *function = "VixDiskLib_Open";
    g_autoptr(VixRemote) remote = NULL;
    VixError err;
    VdContext *ctx;
    VixDisk *disk;

    if (!diskHandle)
        return vix_fail(VIX_E_INVALID_ARG, "%s: no place for the handle",
                        function);
    *diskHandle = NULL;
    err = vix_connection_remote(function, connection, &remote);
    if (err == VIX_OK)
        err = check_open_path(function, remote, path);
    if (err != VIX_OK)
        return err;
    ctx = vix_context_new(function, &err);
    if (!ctx)
        return err;
    disk = disk_new(ctx, path, flags);
    err = open_in_context(function, connection, remote, disk);
    if (err == VIX_OK)
        *diskHandle = disk;
    else
        (void) vix_disk_free(disk); /* the first error is worse */
    return err;
}

VixError
vix_disk_check_local(const char *function, const VixDisk *disk)
{
    if (!disk->transport)
        return VIX_OK;
    return vix_fail(VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT,
                    "%s: %s: is a disk of a server: this works with local "
                    "disks only",
                    function, disk->path);
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
