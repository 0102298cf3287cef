/* SPDX-License-Identifier: BSD-3-Clause */
/* api/measure.c - how large would that image be?
 *
 * The format knows its layout; this tells it where the source holds data, one
 * stretch after the other, so that nothing has to be kept in memory.
 *
 * Concurrency: one coroutine.
 */
#include "api/create.h"

#define MEASURE_SECTOR 512

typedef struct {
    VdContext *ctx;
    VdDisk *source; /* NULL = an empty disk */
    VdCreatePlan *plan;
    uint64_t size, at;
    unsigned sample;
    VdMeasureResult *result;
} MeasureCall;

static bool
measure_co_next(void *arg, uint64_t *off, uint64_t *len, GError **error)
{
    MeasureCall *call = arg;
    VdMapEntry entry;

    *len = 0;
    while (call->source != NULL && call->at < vd_disk_size(call->source)) {
        if (!vd_context_check_cancel(call->ctx, error) ||
            !vd_map_co_entry(call->source->node, call->at,
                             vd_disk_size(call->source) - call->at, &entry,
                             error))
            return false;
        call->at = entry.off + entry.len;
        if (entry.flags & VD_MAP_ZERO)
            continue;
        *off = entry.off;
        *len = entry.len;
        return true;
    }
    return true;
}

static void
measure_again(void *arg)
{
    MeasureCall *call = arg;

    call->at = 0;
}

static bool
measure_co_call(void *arg, GError **error)
{
    MeasureCall *call = arg;
    VdMeasureSpec spec = {
        .size = call->size,
        .filename = call->plan->filename,
        .options = call->plan->options,
        .source = call->source != NULL ? call->source->node : NULL,
        .co_next = measure_co_next,
        .again = measure_again,
        .arg = call,
        .sample = call->sample,
    };
    VdFileHints hints; /* change no size */
    bool ok;

    if (!vd_create_take_hints(call->plan, &hints, error))
        return false;
    if (call->source != NULL)
        vd_disk_enter(call->source);
    ok = call->plan->driver->co_measure(&spec, call->result, error) &&
         vd_options_finish(spec.options, error);
    if (call->source != NULL)
        vd_disk_leave(call->source);
    return ok;
}

static uint64_t
measure_size(const MeasureCall *call)
{
    uint64_t size = call->plan->size;

    if (call->source != NULL && size == UINT64_MAX)
        size = vd_disk_size(call->source);
    return (size + MEASURE_SECTOR - 1) / MEASURE_SECTOR * MEASURE_SECTOR;
}

bool
vd_measure(VdContext *ctx, VdDisk *source, const VdMeasureParams *params,
           VdMeasureResult *result, GError **error)
{
    VdCreateParams create = {.filename = params->filename,
                             .format = params->format,
                             .size = source ? UINT64_MAX : params->size,
                             .options = params->options};
    g_autoptr(VdCreatePlan) plan = vd_create_plan_new(&create, error);
    MeasureCall call = {.ctx = ctx,
                        .source = source,
                        .plan = plan,
                        .sample = params->sample,
                        .result = result};

    if (plan == NULL)
        return false;
    if (plan->driver->co_measure == NULL)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "Block driver '%s' does not support size measurement",
                        plan->driver->name);
    if (plan->backing_file != NULL)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "the size of an image with a parent cannot be "
                        "measured");
    result->estimated = result->bitmaps = UINT64_MAX;
    call.size = source || plan->size <= VD_MAX_SIZE ? measure_size(&call) : 0;
    if (plan->size != UINT64_MAX && plan->size > VD_MAX_SIZE)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "image size %" G_GUINT64_FORMAT
                        " is above the maximum of %" G_GINT64_FORMAT,
                        plan->size, VD_MAX_SIZE);
    if (params->sample > 100)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "a sample of %u percent", params->sample);
    if (!vd_context_run(ctx, measure_co_call, &call, error))
        return false;
    return params->sample == 0 || result->estimated != UINT64_MAX ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "a sample is for compressed targets only, such as "
                    "subformat=streamOptimized");
}
