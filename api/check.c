/* SPDX-License-Identifier: BSD-3-Clause */
/* api/check.c - consistency checks: the driver looks, this hands out.
 *
 * Concurrency: no state of its own.
 */
#include "api/disk.h"

#include "block/finding.h"
#include "block/registry.h"

#define VD_DEFAULT_MAX_FINDINGS 100

static void
check_result_init(VdCheckResult *result)
{
    unsigned max = result->max_findings;

    *result = (VdCheckResult){
        .max_findings = max != 0 ? max : VD_DEFAULT_MAX_FINDINGS,
        .findings = vd_findings_new(),
    };
}

typedef struct {
    VdDisk *disk;
    const VdCheckParams *params;
    VdCheckResult *result;
} CheckCall;

static bool
check_co_call(void *arg, GError **error)
{
    CheckCall *call = arg;
    VdNode *node = call->disk->node;
    bool ok;

    vd_disk_enter(call->disk);
    ok =
        vd_context_check_cancel(call->disk->ctx, error) &&
        vd_node_driver(node)->co_check(node, call->params, call->result, error);
    vd_disk_leave(call->disk);
    return ok;
}

bool
vd_disk_check(VdDisk *disk, const VdCheckParams *params, VdCheckResult *result,
              GError **error)
{
    static const VdCheckParams look = {0};
    CheckCall call = {
        .disk = disk, .params = params ? params : &look, .result = result};

    check_result_init(result);
    if (vd_node_driver(disk->node)->co_check == NULL)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "This image format does not support checks");
    return vd_context_run(disk->ctx, check_co_call, &call, error);
}

void
vd_check_result_clear(VdCheckResult *result)
{
    g_clear_pointer(&result->findings, g_ptr_array_unref);
    *result = (VdCheckResult){0};
}

/* -- streams -------------------------------------------------------------- */

typedef struct {
    const char *filename;
    VdStreamRepair *result;
} RepairCall;

static bool
repair_co_call(const VdEnv *env, void *arg, GError **error)
{
    RepairCall *call = arg;

    return vd_registry_find("vmdk")->co_repair_stream(env, call->filename,
                                                      call->result, error);
}

bool
vd_repair_stream(VdContext *ctx, const char *filename, VdStreamRepair *result,
                 GError **error)
{
    RepairCall call = {.filename = filename, .result = result};

    return vd_context_run_in_env(ctx, repair_co_call, &call, error);
}
