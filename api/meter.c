/* SPDX-License-Identifier: BSD-3-Clause */
/* api/meter.c - progress of a long operation.
 *
 * Changes are gathered and told once a turn of the loop by a deferred call, on
 * the runner's own stack.
 *
 * Concurrency: the loop of the operation.
 */
#include "api/meter.h"

void
vd_meter_init(VdMeter *meter, VioLoop *loop, VdProgressFunc func, void *opaque)
{
    *meter = (VdMeter){
        .loop = loop,
        .func = func,
        .opaque = opaque,
        .now = {.phase = "copy"},
        .told_total = UINT64_MAX,
    };
}

static void
meter_tell(void *opaque)
{
    VdMeter *meter = opaque;
    VdProgress progress = meter->now;

    progress.total = MIN(progress.total, meter->told_total);
    progress.done = MAX(progress.done, meter->told_done);
    progress.done = MIN(progress.done, progress.total);
    meter->told_total = progress.total;
    meter->told_done = progress.done;
    meter->func(&progress, meter->opaque);

    meter->scheduled = false;
    vio_co_queue_wake_all(&meter->told);
}

void
vd_meter_update(VdMeter *meter)
{
    if (meter->func == NULL || meter->scheduled)
        return;
    meter->scheduled = true;
    vio_loop_defer(meter->loop, meter_tell, meter);
}

void
vd_meter_co_finish(VdMeter *meter)
{
    vd_meter_update(meter);
    while (meter->scheduled)
        vio_co_queue_wait(&meter->told);
}
