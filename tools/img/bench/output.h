/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/output.h - plans and results of benchmarks as text and JSON.
 */
#pragma once

#include "tools/img/bench/run.h"

/* "Sending 100 read requests, ..." and what else will be done; @brief: only
 * what qemu-img says, too. */
void bench_print_plan(const BenchPlan *plan, bool brief);
/* "Run completed in 0.123 seconds." and the figures. */
void bench_print_result(const BenchResult *result, bool brief);

/* "317 MiB/s".  Free with g_free. */
char *bench_throughput_text(double bytes_per_second);
/* "81038", and "0.25" where whole numbers say too little. */
char *bench_iops_text(double iops);

/* -- members of JSON objects ---------------------------------------------- */

/* What was measured on which image: file, cache, engine, format, size. */
void bench_json_add_target(GVariantBuilder *object, const BenchTarget *target,
                           const BenchResult *result);
/* What was asked for, but for block size and depth. */
void bench_json_add_plan(GVariantBuilder *object, const BenchPlan *plan);
void bench_json_add_shape(GVariantBuilder *object, const BenchPlan *plan);
void bench_json_add_figures(GVariantBuilder *object, const BenchResult *result);
