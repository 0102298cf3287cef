/* SPDX-License-Identifier: BSD-3-Clause */
/* api/exports.c - what a server has to offer.
 *
 * Concurrency: no state of its own.
 */
#include "api/context.h"

typedef struct {
    const char *name;
    GPtrArray *exports;
} ExportsCall;

static bool
exports_co_list(const VdEnv *env, void *arg, GError **error)
{
    ExportsCall *call = arg;
    g_autoptr(VdOptions) opts = vd_options_new();
    const VdDriver *driver =
        vd_protocol_co_driver(env, call->name, opts, error);

    if (driver == NULL)
        return false;
    if (driver->co_list_exports == NULL)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: is no server that has a list of exports",
                        call->name);
    call->exports = driver->co_list_exports(env, opts, error);
    return call->exports != NULL;
}

GPtrArray *
vd_list_exports(VdContext *ctx, const char *name, GError **error)
{
    ExportsCall call = {.name = name};

    if (!vd_context_run_in_env(ctx, exports_co_list, &call, error))
        return NULL;
    return call.exports;
}
