/* SPDX-License-Identifier: BSD-3-Clause */
/* api/meter.h - progress of a long operation, told outside of coroutines. */
#pragma once

#include "api/context.h"

typedef struct VdMeter {
    VioLoop *loop;
    VdProgressFunc func; /* NULL = nobody wants to know */
    void *opaque;
    VdProgress now; /* what the operation counts */
    uint64_t told_done, told_total;
    bool scheduled;
    VioCoQueue told; /* waits for the last call-out */
} VdMeter;

void vd_meter_init(VdMeter *meter, VioLoop *loop, VdProgressFunc func,
                   void *opaque);

/* meter->now has changed: tell soon.  What is told never goes backwards: done
 * only grows, total only shrinks, done <= total. */
void vd_meter_update(VdMeter *meter);

/* Tell the last state and wait until nothing is due any more. */
void vd_meter_co_finish(VdMeter *meter);
