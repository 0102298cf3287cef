/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/create.c - new disks.
 *
 * They come into being whole or not at all, and replace nothing.
 *
 * Concurrency: any thread.
 */
#include <string.h>

#include "vix/connection.h"
#include "vix/create-options.h"
#include "vix/disk.h"
#include "vix/error.h"
#include "vix/live.h"
#include "vix/progress.h"

/* -- disks that stand alone ------------------------------------------------ */

static VixError
create_in_context(VdContext *ctx, const char *function,
                  const VdCreateParams *params, VixDiskLibProgressFunc progress,
                  void *data)
{
    g_autoptr(GError) error = NULL;
    VixProgress told;
    VixError err = vix_progress_begin(&told, function, ctx, progress, data);
    bool ok;

    if (err != VIX_OK)
        return err;
    ok = vd_create(ctx, params, &error);
    if (!ok)
        err = vix_fail_disk(function, error);
    vix_progress_end(&told, ok);
    return err;
}

static VixError
check_params(const char *function, const VixDiskLibCreateParams *params)
{
    if (!params)
        return vix_fail(VIX_E_INVALID_ARG, "%s: no parameters", function);
    if (params->diskType == VIXDISKLIB_DISK_UNKNOWN)
        return vix_fail(VIX_E_INVALID_ARG, "%s: no disk type", function);
    if (params->capacity == 0)
        return vix_fail(VIX_E_INVALID_ARG, "%s: a capacity of 0 sectors",
                        function);
    return VIX_OK;
}

static VixError
create(const char *function, const char *path,
       const VixDiskLibCreateParams *params, VixDiskLibProgressFunc progress,
       void *data)
{
    g_autofree char *name = vix_disk_file_name(path);
    g_autofree char *options = NULL;
    VdCreateParams create = {.filename = name,
                             .format = "vmdk",
                             .sync = true,
                             .no_clobber = true,
                             .open_flags = vix_disk_lock_flags()};
    VdContext *ctx;
    VixError err = vix_create_options(function, params, &options);

    if (err == VIX_OK)
        err = vix_create_size(function, params, &create.size);
    if (err != VIX_OK)
        return err;
    ctx = vix_context_new(function, &err);
    if (!ctx)
        return err;
    create.options = options;
    err = create_in_context(ctx, function, &create, progress, data);
    vd_context_free(ctx);
    return err;
}

VixError
VixDiskLib_Create(const VixDiskLibConnection connection, const char *path,
                  const VixDiskLibCreateParams *createParams,
                  VixDiskLibProgressFunc progressFunc,
                  void *progressCallbackData)
{
    const char *function = "VixDiskLib_Create";
    VixError err = vix_connection_check_local(function, connection);

    if (err == VIX_OK)
        err = vix_check_path(function, path);
    if (err == VIX_OK)
        err = check_params(function, createParams);
    return err == VIX_OK ? create(function, path, createParams, progressFunc,
                                  progressCallbackData)
                         : err;
}

/* -- children -------------------------------------------------------------- */

typedef struct {
    const char *function;
    VixDisk *parent;
    const char *path; /* of the child */
    VixDiskLibDiskType type;
} Child;

/* What a child says itself, though it is as in the parent. */
static bool
is_inherited(const char *key)
{
    static const char *const keys[] = {"adapterType", "virtualHWVersion",
                                       "logicalSectorSize",
                                       "physicalSectorSize"};

    if (!g_ascii_strncasecmp(key, "geometry.", strlen("geometry.")))
        return true;
    for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++)
        if (!g_ascii_strcasecmp(key, keys[i]))
            return true;
    return false;
}

static bool
child_inherit(VdDisk *child, VdDisk *parent, GError **error)
{
    g_auto(GStrv) keys = vd_disk_list_meta(parent);

    for (char **key = keys; *key; key++) {
        g_autofree char *value = NULL;

        if (!is_inherited(*key))
            continue;
        value = vd_disk_get_meta(parent, *key);
        if (value && !vd_disk_set_meta(child, *key, value, error))
            return false;
    }
    return true;
}

static bool
child_fill(VdCreation *creation, VdDisk *parent, GError **error)
{
    VdDisk *child = vd_creation_disk(creation, error);
    bool ok;

    if (!child)
        return false;
    ok = child_inherit(child, parent, error);
    return vd_disk_close(child, ok ? error : NULL) && ok;
}

/* What was written to the parent must be there, its new content id in the first
 * place, before that is read in its file. */
static bool
child_make(const Child *c, GError **error)
{
    g_autofree char *name = vix_disk_file_name(c->path);
    g_autofree char *parent = vix_disk_file_name(c->parent->path);
    g_autofree char *options =
        g_strdup_printf("subformat=%s", vix_subformat(c->type));
    VdCreateParams params = {
        .filename = name,
        .format = "vmdk",
        .size = vix_bytes(c->parent->capacity),
        .backing_file = parent,
        .backing_format = "vmdk",
        .backing_unchecked = true,
        .backing_from_here = true,
        .options = options,
        .sync = true,
        .no_clobber = true,
        .open_flags = VD_OPEN_NO_PARENT | vix_disk_lock_flags(),
    };
    VdCreation *creation;

    if (vix_disk_is_writable(c->parent) &&
        !vd_disk_flush(c->parent->disk, error))
        return false;
    creation = vd_create_begin(c->parent->ctx, &params, error);
    if (!creation)
        return false;
    if (child_fill(creation, c->parent->disk, error))
        return vd_creation_commit(creation, error);
    vd_creation_abort(creation);
    return false;
}

/* The calling thread is alone in the parent.  From then on it must stay as it
 * is. */
static VixError
create_child(const Child *c, VixDiskLibProgressFunc progress, void *data)
{
    g_autoptr(GError) error = NULL;
    VixProgress told;
    VixError err =
        vix_progress_begin(&told, c->function, c->parent->ctx, progress, data);
    bool ok;

    if (err != VIX_OK)
        return err;
    ok = child_make(c, &error);
    if (ok)
        c->parent->has_child = true;
    else
        err = vix_fail_disk(c->function, error);
    vix_progress_end(&told, ok);
    return err;
}

static VixError
check_child_type(const char *function, VixDiskLibDiskType type)
{
    if (type == VIXDISKLIB_DISK_MONOLITHIC_SPARSE ||
        type == VIXDISKLIB_DISK_SPLIT_SPARSE)
        return VIX_OK;
    if (vix_subformat(type))
        return vix_fail(VIX_E_DISK_NOTSUPPORTED,
                        "%s: a child can be monolithicSparse or "
                        "twoGbMaxExtentSparse, not %s",
                        function, vix_subformat(type));
    return vix_fail(VIX_E_INVALID_ARG, "%s: there is no disk type %u", function,
                    (unsigned) type);
}

VixError
VixDiskLib_CreateChild(VixDiskLibHandle diskHandle, const char *childPath,
                       VixDiskLibDiskType diskType,
                       VixDiskLibProgressFunc progressFunc,
                       void *progressCallbackData)
{
    Child c = {.function = "VixDiskLib_CreateChild",
               .parent = diskHandle,
               .path = childPath,
               .type = diskType};
    VixError err = vix_live_enter_alone(c.function, diskHandle);

    if (err != VIX_OK)
        return err;
    err = vix_check_path(c.function, childPath);
    if (err == VIX_OK)
        err = vix_disk_check_local(c.function, diskHandle);
    if (err == VIX_OK)
        err = check_child_type(c.function, diskType);
    if (err == VIX_OK)
        err = create_child(&c, progressFunc, progressCallbackData);
    vix_live_leave_alone(diskHandle);
    return err;
}
