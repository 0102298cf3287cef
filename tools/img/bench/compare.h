/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/compare.h - two images, or ways to use one, in alternation.
 */
#pragma once

#include "tools/img/bench/run.h"

#define BENCH_MAX_ROUNDS 1000

/* Measures A B A B ..., @rounds times each, and prints the medians and their
 * ratio.  The exit code. */
int bench_compare(const BenchTarget sides[2], const BenchPlan *plan,
                  unsigned rounds);
