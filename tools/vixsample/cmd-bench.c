/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/cmd-bench.c - one call after the other over a whole disk.
 *
 * Concurrency: main thread only.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/vixsample/bench.h"
#include "tools/vixsample/commands.h"
#include "tools/vixsample/interrupt.h"

#define DEFAULT_STEP 128

uint8 *
bench_buffer(const Bench *bench)
{
    size_t bytes = bench->step * VIXDISKLIB_SECTOR_SIZE;
    uint8 *buffer = session_buffer(bench->step);

    if (!buffer || !bench->writes)
        return buffer;
    if (bench->value != OPTION_NONE) {
        memset(buffer, (int) bench->value, bytes);
        return buffer;
    }
    g_autoptr(GRand) rand = g_rand_new();
    for (size_t i = 0; i < bytes; i += sizeof(guint32)) {
        guint32 word = g_rand_int(rand);
        memcpy(buffer + i, &word, sizeof(word));
    }
    return buffer;
}

uint64_t
bench_next(const Bench *bench)
{
    return interrupt_pending() ? 0 : MIN(bench->step, bench->end - bench->at);
}

/* What is written is not done before it is durable. */
static bool
bench_finish(Bench *bench)
{
    if (bench->writes && !CALL(VixDiskLib_Flush, bench->disk))
        return false;
    meter_end(&bench->meter);
    return true;
}

bool
bench_run(Session *session, const Options *opts, bool writes,
          bool (*loop)(Bench *bench))
{
    Bench bench = {
        .step = opts->number ? opts->number : DEFAULT_STEP,
        .writes = writes,
        .value = opts->value,
    };
    uint64_t count;

    bench.disk = session_open_disk(session, opts,
                                   writes ? 0 : VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    if (!bench.disk || !session_range(bench.disk, opts, &bench.at, &count))
        return false;
    bench.end = bench.at + count;
    interrupt_begin();
    meter_begin(&bench.meter, writes ? "written" : "read");
    bool ok = loop(&bench) && bench_finish(&bench);
    interrupt_end();
    return ok && session_close(session, bench.disk);
}

static bool
bench_call(const Bench *bench, uint64_t sectors, uint8 *buffer)
{
    if (bench->writes)
        return CALL(VixDiskLib_Write, bench->disk, bench->at, sectors, buffer);
    return CALL(VixDiskLib_Read, bench->disk, bench->at, sectors, buffer);
}

static bool
sync_loop(Bench *bench)
{
    uint8 *buffer = bench_buffer(bench);
    uint64_t first = bench->at, sectors;
    bool ok = buffer != NULL;

    while (ok && (sectors = bench_next(bench)) > 0) {
        ok = bench_call(bench, sectors, buffer);
        bench->at += sectors;
        if (ok)
            meter_update(&bench->meter,
                         (bench->at - first) * VIXDISKLIB_SECTOR_SIZE);
    }
    free(buffer);
    return ok;
}

bool
cmd_readbench(Session *session, const Options *opts)
{
    return bench_run(session, opts, false, sync_loop);
}

bool
cmd_writebench(Session *session, const Options *opts)
{
    return bench_run(session, opts, true, sync_loop);
}
