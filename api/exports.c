/* SPDX-License-Identifier: BSD-3-Clause */
/* api/exports.c - what a server has to offer.
 *
 * Concurrency: no state of its own.
 */
#include "api/context.h"

typedef struct {
    VdContext *ctx;
    const char *name;
    GPtrArray *exports;
} ExportsCall;

static bool
exports_co_list(ExportsCall *call, const VdEnv *env, GError **error)
{
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

static bool
exports_co_call(void *arg, GError **error)
{
    ExportsCall *call = arg;
    VdEnv env;
    bool ok;

    vd_context_adopt_env(call->ctx, &env);
    ok = exports_co_list(call, &env, error);
    vd_context_drop_env(call->ctx, &env);
    return ok;
}

GPtrArray *
vd_list_exports(VdContext *ctx, const char *name, GError **error)
{
    ExportsCall call = {.ctx = ctx, .name = name};

    if (!vd_context_run(ctx, exports_co_call, &call, error))
        return NULL;
    return call.exports;
}
