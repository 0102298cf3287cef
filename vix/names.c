/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/names.c - giving disks other names, or none.
 *
 * Concurrency: any thread; the files are locked meanwhile.
 */
#include "vix/connection.h"
#include "vix/disk.h"
#include "vix/error.h"
#include "vix/live.h"
#include "vix/remote-file.h"

/* Any file is a raw image to libvdisk, but no disk to programs. */
static bool
is_disk(VdContext *ctx, const char *name, GError **error)
{
    VdDisk *disk =
        vd_disk_open(ctx, name, "vmdk", NULL,
                     VD_OPEN_NO_IO | VD_OPEN_NO_EXTENTS | VD_OPEN_NO_PARENT |
                         VD_OPEN_CHECK | VD_OPEN_FORCE_SHARE,
                     error);

    (void) vd_disk_close(disk, NULL); /* was only read */
    return disk != NULL;
}

/* -- removing -------------------------------------------------------------- */

/* Remains of one that was removed before are found by libvdisk. */
static bool
unlink_disk(VdContext *ctx, const char *name, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (is_disk(ctx, name, &failure) ||
        g_error_matches(failure, VD_ERROR, VD_ERROR_NOT_FOUND))
        return vd_image_unlink(ctx, name, 0, error);
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

VixError
VixDiskLib_Unlink(VixDiskLibConnection connection, const char *path)
{
    const char *function = "VixDiskLib_Unlink";
    g_autoptr(GError) error = NULL;
    g_autofree char *name = NULL;
    g_autoptr(VixRemote) remote = NULL;
    VdContext *ctx;
    VixError err = vix_connection_remote(function, connection, &remote);

    if (err == VIX_OK)
        err = vix_check_path(function, path);
    if (err != VIX_OK)
        return err;
    if (remote)
        return vix_remote_unlink(function, remote, path);
    ctx = vix_context_new(function, &err);
    if (!ctx)
        return err;
    name = vix_disk_file_name(path);
    if (!unlink_disk(ctx, name, &error))
        err = vix_fail_disk(function, error);
    vd_context_free(ctx);
    return err;
}

/* -- renaming -------------------------------------------------------------- */

/* What cannot be done has to do with file systems, not with disks. */
static VixError
fail_rename(const char *function, const GError *error)
{
    if (g_error_matches(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED))
        return vix_fail_disk_as(VIX_E_NOT_SUPPORTED, function, error);
    return vix_fail_disk(function, error);
}

/* Children that lie beside the disk find it under its new name. */
static VixError
rename_disk(const char *function, const char *from, const char *to)
{
    g_autofree char *old_name = vix_disk_file_name(from);
    g_autofree char *new_name = vix_disk_file_name(to);
    g_autoptr(GError) error = NULL;
    VixError err = VIX_OK;
    VdContext *ctx = vix_context_new(function, &err);

    if (!ctx)
        return err;
    if (!is_disk(ctx, old_name, &error) ||
        !vd_image_rename(ctx, old_name, new_name, VD_RENAME_CHILDREN, &error))
        err = fail_rename(function, error);
    vd_context_free(ctx);
    return err;
}

VixError
VixDiskLib_Rename(const char *srcFileName, const char *dstFileName)
{
    const char *function = "VixDiskLib_Rename";
    VixError err = vix_live_check(function);

    if (err == VIX_OK)
        err = vix_check_path(function, srcFileName);
    if (err == VIX_OK)
        err = vix_check_path(function, dstFileName);
    return err == VIX_OK ? rename_disk(function, srcFileName, dstFileName)
                         : err;
}
