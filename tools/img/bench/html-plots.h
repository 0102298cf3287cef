/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/html-plots.h - the plots in the report of a sweep. */
#pragma once

#include "tools/img/bench/sweep.h"

/* Throughput and IOPS, over block size and over depth. */
void bench_rate_plots_append(GString *out, const BenchGrid *grid);
/* Percentiles over depth, a plot for each block size. */
void latency_plots_append(GString *out, const BenchGrid *grid);
