/* SPDX-License-Identifier: BSD-3-Clause */
/* api/resize.c - disks that become longer or shorter.
 *
 * What a user has to say before something is lost is asked here; how it is done
 * is the format's business.
 *
 * Concurrency: the request is one of the disk's; the door keeps others off.
 */
#include "api/disk.h"
#include "api/meter.h"

#include <inttypes.h>

typedef struct {
    VdDisk *disk;
    uint64_t size;
    const VdResizeParams *params;
    VdMeter meter;
} ResizeCall;

static bool
check_words(const VdNode *node, uint64_t size, const VdResizeParams *params,
            GError **error)
{
    uint64_t old = vd_node_size(node);

    if (!size)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "New image size must be positive");
    if (size <= old && params->prealloc != VD_PREALLOC_OFF)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Preallocation can only be used for growing images");
    if (size < old && !params->shrink)
        return vd_throw(error, VD_ERROR_REFUSED,
                        "%s: %" PRIu64 " bytes are less than the %" PRIu64
                        " that it has, and shrinking was not asked for",
                        vd_node_name(node), size, old);
    return true;
}

static void
resize_advance(void *arg, uint64_t bytes)
{
    VdMeter *meter = arg;

    meter->now.done += bytes;
    vd_meter_update(meter);
}

static bool
resize_co_disk(ResizeCall *call, GError **error)
{
    const VdResizeParams *params = call->params;
    VdNode *node = call->disk->node;
    VdResize how = {.size = call->size,
                    .prealloc = params->prealloc,
                    .discard_tail = params->discard_tail,
                    .keep_geometry = !params->update_geometry,
                    .advance = resize_advance,
                    .arg = &call->meter};

    return vd_context_check_cancel(call->disk->ctx, error) &&
           check_words(node, call->size, params, error) &&
           (call->size == vd_node_size(node) ||
            (vd_node_co_resize(node, &how, error) &&
             vd_node_co_flush(node, error)));
}

static bool
resize_co_call(void *arg, GError **error)
{
    ResizeCall *call = arg;
    VdMeter *meter = &call->meter;
    uint64_t old = vd_node_size(call->disk->node);
    bool ok;

    vd_disk_enter(call->disk);
    vd_meter_init(meter, vd_node_loop(call->disk->node), call->params->progress,
                  call->params->progress_opaque);
    meter->now.phase = "resize";
    meter->now.total = call->size > old ? call->size - old : 0;
    vd_meter_update(meter);
    ok = resize_co_disk(call, error);
    if (ok)
        meter->now.done = meter->now.total;
    vd_meter_co_finish(meter);
    vd_disk_leave(call->disk);
    return ok;
}

bool
vd_disk_resize(VdDisk *disk, uint64_t size, const VdResizeParams *params,
               GError **error)
{
    static const VdResizeParams plain = {.update_geometry = true};
    ResizeCall call = {
        .disk = disk, .size = size, .params = params ? params : &plain};

    return vd_context_run(disk->ctx, resize_co_call, &call, error);
}
