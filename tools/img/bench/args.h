/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/args.h - what the options of a benchmark ask for. */
#pragma once

#include "tools/img/bench/run.h"
#include "tools/img/bench/sweep.h"
#include "tools/img/commands.h"

typedef struct BenchJob {
    BenchTarget target;
    BenchPlan plan;
    GPtrArray *further; /* names of more disks */
    bool write, mix, native, count_given, depth_given, shape_given,
        threads_given;
    const char *compare, *compare_format;
    unsigned rounds;
    const char *report;
    BenchGrid grid;
} BenchJob;

extern const CmdOption bench_options[];

/* All options, into @job.  False: that is the end, with @status as the exit
 * code. */
bool bench_args_read(BenchJob *job, OptParser *parser, int *status);
/* The name of a cache mode.  False after a message. */
bool bench_args_cache(BenchTarget *target, const char *text);
