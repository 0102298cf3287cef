/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/meter.h - how fast a bench goes: a line every 64 MiB and a
 * total, MB being 10^6 bytes. */
#pragma once

#include <stdint.h>

typedef struct Meter {
    const char *verb; /* "read", "written" */
    int64_t began_us, marked_us;
    uint64_t done, marked; /* bytes */
} Meter;

void meter_begin(Meter *meter, const char *verb);
/* @done bytes so far. */
void meter_update(Meter *meter, uint64_t done);
void meter_end(Meter *meter);
