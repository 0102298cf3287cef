/* SPDX-License-Identifier: BSD-3-Clause */
/* api/compact.c - compacting: the driver does it, this tells how far it is.
 *
 * Concurrency: no state of its own.
 */
#include "api/disk.h"
#include "api/meter.h"

typedef struct {
    VdDisk *disk;
    VdCompactParams params; /* as the driver gets them */
    VdCompactResult *result;
    VdMeter meter;
} CompactCall;

/* The driver is in a coroutine; users are told outside of any. */
static void
compact_note(const VdProgress *progress, void *opaque)
{
    CompactCall *call = opaque;

    call->meter.now = *progress;
    vd_meter_update(&call->meter);
}

static bool
compact_co_call(void *arg, GError **error)
{
    CompactCall *call = arg;
    VdNode *node = call->disk->node;
    VdCompactResult *result = call->result;
    bool ok;

    vd_disk_enter(call->disk);
    result->allocated_before = vd_node_co_allocated_size(node);
    ok = vd_context_check_cancel(call->disk->ctx, error) &&
         vd_node_co_compact(node, &call->params, result, error) &&
         vd_node_co_flush(node, error);
    result->allocated_after = vd_node_co_allocated_size(node);
    if (ok)
        call->meter.now.done = call->meter.now.total;
    if (call->meter.func)
        vd_meter_co_finish(&call->meter);
    vd_disk_leave(call->disk);
    return ok;
}

bool
vd_disk_compact(VdDisk *disk, const VdCompactParams *params,
                VdCompactResult *result, GError **error)
{
    VdCompactResult unwanted;
    CompactCall call = {
        .disk = disk,
        .params = params ? *params : (VdCompactParams){0},
        .result = result ? result : &unwanted,
    };

    if (!call.params.what)
        call.params.what = VD_COMPACT_SHRINK;
    *call.result = (VdCompactResult){0};
    vd_meter_init(&call.meter, disk->ctx->loop, call.params.progress,
                  call.params.progress_opaque);
    call.params.progress = compact_note;
    call.params.progress_opaque = &call;
    return vd_context_run(disk->ctx, compact_co_call, &call, error);
}
