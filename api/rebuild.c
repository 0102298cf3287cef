/* SPDX-License-Identifier: BSD-3-Clause */
/* api/rebuild.c - a descriptor from the data files that it named.
 *
 * Concurrency: no state of its own.
 */
#include "api/disk.h"

#include "block/registry.h"
#include "block/transaction.h"

typedef struct {
    VdContext *ctx;
    const char *filename;
    const VdRebuildParams *params;
} RebuildCall;

static bool
rebuild_co_in_env(const RebuildCall *call, const VdEnv *env, GError **error)
{
    const VdDriver *driver = vd_registry_find("vmdk");
    VdTransaction *tx = vd_tx_new(env->loop, true, !call->params->force);
    VdRebuildSpec spec = {
        .env = env, .filename = call->filename, .parent = call->params->parent};
    bool ok =
        driver->co_rebuild(tx, &spec, error) && vd_tx_co_commit(tx, error);

    if (!ok)
        vd_tx_co_abort(tx);
    vd_tx_free(tx);
    return ok;
}

static bool
rebuild_co_call(void *arg, GError **error)
{
    RebuildCall *call = arg;
    VdEnv env;
    bool ok;

    vd_context_adopt_env(call->ctx, &env);
    ok = vd_context_check_cancel(call->ctx, error) &&
         rebuild_co_in_env(call, &env, error);
    vd_context_drop_env(call->ctx, &env);
    return ok;
}

bool
vd_rebuild_descriptor(VdContext *ctx, const char *filename,
                      const VdRebuildParams *params, GError **error)
{
    static const VdRebuildParams none = {0};
    RebuildCall call = {
        .ctx = ctx, .filename = filename, .params = params ? params : &none};

    return vd_context_run(ctx, rebuild_co_call, &call, error);
}
