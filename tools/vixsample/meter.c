/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/meter.c - how fast a bench goes.
 *
 * Concurrency: one thread.
 */
#include "tools/vixsample/meter.h"

#include <glib.h>
#include <inttypes.h>
#include <stdio.h>

#define METER_STEP (64u << 20)

void
meter_begin(Meter *meter, const char *verb)
{
    *meter = (Meter){.verb = verb, .began_us = g_get_monotonic_time()};
    meter->marked_us = meter->began_us;
}

/* Bytes a microsecond are 10^6 bytes a second. */
static double
rate(uint64_t bytes, int64_t us)
{
    return (double) bytes / (double) MAX(us, 1);
}

void
meter_update(Meter *meter, uint64_t done)
{
    meter->done = done;
    if (done - meter->marked < METER_STEP)
        return;
    int64_t now = g_get_monotonic_time();
    printf("%" PRIu64 " MiB %s, %.1f MB/s\n", done >> 20, meter->verb,
           rate(done - meter->marked, now - meter->marked_us));
    fflush(stdout);
    meter->marked = done;
    meter->marked_us = now;
}

void
meter_end(Meter *meter)
{
    int64_t us = g_get_monotonic_time() - meter->began_us;

    printf("total: %" PRIu64 " bytes %s in %.3f s, %.1f MB/s\n", meter->done,
           meter->verb, (double) us / G_USEC_PER_SEC, rate(meter->done, us));
}
