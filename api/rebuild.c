/* SPDX-License-Identifier: BSD-3-Clause */
/* api/rebuild.c - a descriptor from the data files that it named.
 *
 * Concurrency: no state of its own.
 */
#include "api/disk.h"

#include "block/registry.h"
#include "block/transaction.h"

typedef struct {
    const char *filename;
    const VdRebuildParams *params;
} RebuildCall;

static bool
rebuild_co_call(const VdEnv *env, void *arg, GError **error)
{
    const RebuildCall *call = arg;
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

bool
vd_rebuild_descriptor(VdContext *ctx, const char *filename,
                      const VdRebuildParams *params, GError **error)
{
    static const VdRebuildParams none = {0};
    RebuildCall call = {.filename = filename,
                        .params = params ? params : &none};

    return vd_context_run_in_env(ctx, rebuild_co_call, &call, error);
}
