/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/sweep.h - a benchmark over block sizes and depths. */
#pragma once

#include "tools/img/bench/run.h"

#define BENCH_AXIS_MAX 8
#define BENCH_CELL_SECONDS 1.0 /* unless a time or count is given */

typedef struct BenchAxis {
    unsigned n;
    uint32_t values[BENCH_AXIS_MAX]; /* ascending */
} BenchAxis;

typedef struct BenchGrid {
    BenchAxis sizes, depths;
    /* By size, then depth; NULL = not measured. */
    BenchResult *cells[BENCH_AXIS_MAX][BENCH_AXIS_MAX];
} BenchGrid;

/* Measures all of @grid and writes the report to @path.  The exit code. */
int bench_sweep(const BenchTarget *target, const BenchPlan *plan,
                BenchGrid *grid, const char *path, const char *command_line);
