/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/result.c - rates and times of all requests.
 *
 * Concurrency: no state.
 */
#include "tools/img/bench/result.h"

#include <unistd.h>

#include "tools/output.h"
#include "tools/signals.h"

BenchResult *
bench_result_new(void)
{
    return g_new0(BenchResult, 1);
}

void
bench_result_free(BenchResult *result)
{
    if (!result)
        return;
    g_free(result->format);
    g_free(result);
}

void
bench_leave_if_abandoned(const BenchResult *result)
{
    if (!result->abandoned)
        return;
    (void) out_finish(); /* the exit code says already that it failed */
    _exit(signals_status(1));
}

double
bench_result_iops(const BenchResult *result)
{
    if (result->seconds <= 0)
        return 0;
    return (double) result->requests / result->seconds;
}

double
bench_result_throughput(const BenchResult *result)
{
    if (result->seconds <= 0)
        return 0;
    return (double) result->bytes / result->seconds;
}

Latency *
bench_result_latency(const BenchResult *result)
{
    Latency *all = g_new0(Latency, 1);

    latency_merge(all, &result->read);
    latency_merge(all, &result->write);
    return all;
}
