/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/html-style.h - how the report of a sweep looks. */
#pragma once

#include "tools/img/bench/sweep.h"

extern const char bench_html_css[];

/* Classes of that style sheet: line @i of @n, spread over the whole ramp; and
 * of each percentile. */
const char *bench_ramp_colour(unsigned i, unsigned n);
extern const char *const bench_percentile_colours[LATENCY_PERCENTILES];

/* "12.3 us"; free with g_free. */
char *bench_html_time(double ns);
