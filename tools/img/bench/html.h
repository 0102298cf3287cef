/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/html.h - the report of a sweep as one page. */
#pragma once

#include "tools/img/bench/sweep.h"

typedef struct BenchReport {
    const BenchTarget *target;
    const BenchPlan *plan;
    const BenchGrid *grid; /* all cells measured */
    const char *command_line;
} BenchReport;

/* Self-contained: no scripts, nothing to be fetched. */
GString *bench_html(const BenchReport *report);
