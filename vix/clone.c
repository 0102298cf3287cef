/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/clone.c - copies of disks, all links in one.
 *
 * Concurrency: any thread; the source is locked against writers meanwhile.
 */
#include "vix/connection.h"
#include "vix/create-options.h"
#include "vix/disk.h"
#include "vix/error.h"
#include "vix/live.h"
#include "vix/progress.h"

typedef struct {
    const char *function, *source, *target;
    VixRemote *from, *to; /* NULL = a local disk */
    const VixDiskLibCreateParams *params;
    VixDiskLibProgressFunc progress;
    void *data;
    bool overwrite;
} Clone;

/* -- copying --------------------------------------------------------------- */

static VdDisk *
open_source(const Clone *c, VdContext *ctx, VixError *err)
{
    const uint32 flags = VIXDISKLIB_FLAG_OPEN_READ_ONLY;

    return c->from ? vix_disk_open_remote(ctx, c->function, c->from, c->source,
                                          flags, err)
                   : vix_disk_open(ctx, c->function, c->source, flags, err);
}

static char *
source_name(const Clone *c, VixError *err)
{
    return c->from ? vix_remote_disk_name(c->function, c->from, c->source,
                                          VIXDISKLIB_FLAG_OPEN_READ_ONLY, err)
                   : vix_disk_file_name(c->source);
}

/* The errors of opening tell more than those of a copy that could not begin. */
static VixError
check_source(const Clone *c, VdContext *ctx)
{
    VixError err = VIX_OK;
    VdDisk *disk = open_source(c, ctx, &err);

    (void) vd_disk_close(disk, NULL); /* was only read */
    return err;
}

static VixError
clone_copy(const Clone *c, VdContext *ctx, VdCloneParams *params)
{
    VixError err = VIX_OK;
    g_autofree char *source = source_name(c, &err);
    g_autofree char *target = vix_disk_file_name(c->target);
    g_autoptr(GError) error = NULL;
    VixProgress told;
    bool ok;

    if (source)
        err = vix_progress_begin(&told, c->function, ctx, c->progress, c->data);
    if (err != VIX_OK)
        return err;
    params->progress = vix_progress_update;
    params->progress_opaque = &told;
    ok = vd_clone(ctx, source, target, params, NULL, &error);
    if (!ok)
        err = vix_fail_disk(c->function, error);
    vix_progress_end(&told, ok);
    return err;
}

static VixError
clone_in_context(const Clone *c, VdContext *ctx)
{
    g_autofree char *options = NULL;
    VdCloneParams params = {
        .source_format = c->from ? NULL : "vmdk",
        .source_flags = c->from ? 0 : vix_disk_lock_flags(),
        .overwrite = c->overwrite,
    };
    VixError err = VIX_OK;

    if (c->params) {
        err = vix_create_options(c->function, c->params, &options);
        if (err == VIX_OK)
            err = vix_create_size(c->function, c->params, &params.size);
    }
    if (err == VIX_OK)
        err = check_source(c, ctx);
    if (err != VIX_OK)
        return err;
    params.options = options;
    return clone_copy(c, ctx, &params);
}

/* -- to a server ----------------------------------------------------------- */

static VixError
check_room(const Clone *c, VdDisk *source, VdDisk *target)
{
    if (vd_disk_size(source) <= vd_disk_size(target))
        return VIX_OK;
    return vix_fail(VIX_E_DISK_CAPACITY_MISMATCH,
                    "%s: %s: has %" G_GUINT64_FORMAT
                    " bytes, the source %s %" G_GUINT64_FORMAT,
                    c->function, c->target, vd_disk_size(target), c->source,
                    vd_disk_size(source));
}

static VixError
copy_between(const Clone *c, VdContext *ctx, VdDisk *source, VdDisk *target)
{
    g_autoptr(GError) error = NULL;
    VixProgress told;
    VdCopyParams params = {.progress = vix_progress_update,
                           .progress_opaque = &told};
    VixError err = check_room(c, source, target);
    bool ok;

    if (err == VIX_OK)
        err = vix_progress_begin(&told, c->function, ctx, c->progress, c->data);
    if (err != VIX_OK)
        return err;
    ok = vd_copy(&source, 1, target, &params, NULL, &error) &&
         vd_disk_flush(target, &error);
    if (!ok)
        err = vix_fail_disk(c->function, error);
    vix_progress_end(&told, ok);
    return err;
}

/* Into a disk that its machine has: hosts let in to no other.  Its size and
 * kind stay. */
static VixError
clone_to_server(const Clone *c, VdContext *ctx)
{
    g_autoptr(GError) error = NULL;
    VixError err = VIX_OK;
    VdDisk *source, *target;

    if (!c->overwrite)
        return vix_fail(VIX_E_FILE_ALREADY_EXISTS,
                        "%s: %s: disks of servers can only be overwritten",
                        c->function, c->target);
    source = open_source(c, ctx, &err);
    if (!source)
        return err;
    target = vix_disk_open_remote(ctx, c->function, c->to, c->target, 0, &err);
    if (target)
        err = copy_between(c, ctx, source, target);
    if (!vd_disk_close(target, &error) && err == VIX_OK)
        err = vix_fail_disk(c->function, error);
    (void) vd_disk_close(source, NULL); /* was only read */
    return err;
}

/* Parameters may be missing: the copy is then like its source. */
VixError
VixDiskLib_Clone(const VixDiskLibConnection dstConnection, const char *dstPath,
                 const VixDiskLibConnection srcConnection, const char *srcPath,
                 const VixDiskLibCreateParams *vixCreateParams,
                 VixDiskLibProgressFunc progressFunc,
                 void *progressCallbackData, Bool overWrite)
{
    Clone c = {.function = "VixDiskLib_Clone",
               .source = srcPath,
               .target = dstPath,
               .params = vixCreateParams,
               .progress = progressFunc,
               .data = progressCallbackData,
               .overwrite = overWrite};
    g_autoptr(VixRemote) from = NULL;
    g_autoptr(VixRemote) to = NULL;
    VdContext *ctx;
    VixError err = vix_connection_remote(c.function, dstConnection, &to);

    if (err == VIX_OK)
        err = vix_connection_remote(c.function, srcConnection, &from);
    if (err == VIX_OK)
        err = vix_check_path(c.function, dstPath);
    if (err == VIX_OK)
        err = vix_check_path(c.function, srcPath);
    if (err != VIX_OK)
        return err;
    ctx = vix_context_new(c.function, &err);
    if (!ctx)
        return err;
    c.from = from;
    c.to = to;
    err = to ? clone_to_server(&c, ctx) : clone_in_context(&c, ctx);
    vd_context_free(ctx);
    return err;
}

/* -- how large it would be ------------------------------------------------- */

static VixError
measure(const char *function, VixDisk *disk, const char *subformat,
        uint64 *bytes)
{
    g_autofree char *options = g_strdup_printf("subformat=%s", subformat);
    g_autoptr(GError) error = NULL;
    VdMeasureParams params = {.format = "vmdk", .options = options};
    VdMeasureResult result;

    if (!vd_measure(disk->ctx, disk->disk, &params, &result, &error))
        return vix_fail_disk(function, error);
    *bytes = result.required;
    return VIX_OK;
}

static VixError
space_needed(const char *function, VixDisk *disk, VixDiskLibDiskType type,
             uint64 *bytes)
{
    g_autofree char *same = NULL;
    const char *subformat = vix_subformat(type);

    if (type == VIXDISKLIB_DISK_UNKNOWN)
        subformat = same = vd_clone_subformat(disk->disk);
    if (!subformat)
        return vix_fail(VIX_E_INVALID_ARG, "%s: there is no disk type %u",
                        function, (unsigned) type);
    return measure(function, disk, subformat, bytes);
}

VixError
VixDiskLib_SpaceNeededForClone(VixDiskLibHandle diskHandle,
                               VixDiskLibDiskType cloneDiskType,
                               uint64 *spaceNeeded)
{
    const char *function = "VixDiskLib_SpaceNeededForClone";
    VixError err;

    if (!spaceNeeded)
        return vix_fail(VIX_E_INVALID_ARG, "%s: no place for the number",
                        function);
    *spaceNeeded = 0;
    err = vix_live_enter_alone(function, diskHandle);
    if (err != VIX_OK)
        return err;
    err = space_needed(function, diskHandle, cloneDiskType, spaceNeeded);
    vix_live_leave_alone(diskHandle);
    return err;
}
