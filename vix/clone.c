/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/clone.c - copies of disks, all links in one.
 *
 * Concurrency: any thread; the source is locked against writers meanwhile.
 */
#include "vix/create-options.h"
#include "vix/disk.h"
#include "vix/error.h"
#include "vix/live.h"
#include "vix/progress.h"

typedef struct {
    const char *function, *source, *target;
    const VixDiskLibCreateParams *params;
    VixDiskLibProgressFunc progress;
    void *data;
    bool overwrite;
} Clone;

/* -- copying --------------------------------------------------------------- */

/* The errors of opening tell more than those of a copy that could not begin. */
static VixError
check_source(const Clone *c, VdContext *ctx)
{
    VixError err = VIX_OK;
    VdDisk *disk = vix_disk_open(ctx, c->function, c->source,
                                 VIXDISKLIB_FLAG_OPEN_READ_ONLY, &err);

    (void) vd_disk_close(disk, NULL); /* was only read */
    return err;
}

static VixError
clone_copy(const Clone *c, VdContext *ctx, VdCloneParams *params)
{
    g_autofree char *source = vix_disk_file_name(c->source);
    g_autofree char *target = vix_disk_file_name(c->target);
    g_autoptr(GError) error = NULL;
    VixProgress told;
    VixError err =
        vix_progress_begin(&told, c->function, ctx, c->progress, c->data);
    bool ok;

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
        .source_format = "vmdk",
        .source_flags = vix_disk_lock_flags(),
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
    VdContext *ctx;
    VixError err = vix_live_check_connection(c.function, dstConnection);

    if (err == VIX_OK)
        err = vix_live_check_connection(c.function, srcConnection);
    if (err == VIX_OK)
        err = vix_check_path(c.function, dstPath);
    if (err == VIX_OK)
        err = vix_check_path(c.function, srcPath);
    if (err != VIX_OK)
        return err;
    ctx = vix_context_new(c.function, &err);
    if (!ctx)
        return err;
    err = clone_in_context(&c, ctx);
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
