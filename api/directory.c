/* SPDX-License-Identifier: BSD-3-Clause */
/* api/directory.c - what is in a directory of a file system that disks can be
 * opened in.
 *
 * Concurrency: no state of its own.
 */
#include "api/context.h"

typedef struct {
    const char *name;
    unsigned flags;
    GPtrArray *entries;
} DirectoryCall;

static bool
directory_co_list(const VdEnv *env, void *arg, GError **error)
{
    DirectoryCall *call = arg;
    g_autoptr(VdOptions) opts = vd_options_new();
    const VdDriver *driver =
        vd_protocol_co_driver(env, call->name, opts, error);

    if (driver == NULL)
        return false;
    if (driver->co_list_directory == NULL)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: is no directory of a file system that can be read "
                        "here",
                        call->name);
    call->entries = driver->co_list_directory(env, opts, call->flags, error);
    return call->entries != NULL;
}

GPtrArray *
vd_list_directory(VdContext *ctx, const char *name, unsigned flags,
                  GError **error)
{
    DirectoryCall call = {.name = name, .flags = flags};

    if (!vd_context_run_in_env(ctx, directory_co_list, &call, error))
        return NULL;
    return call.entries;
}
