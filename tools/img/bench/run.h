/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/run.h - carrying out a plan on an image, and measuring. */
#pragma once

#include "tools/img/bench/plan.h"
#include "tools/img/bench/result.h"
#include "tools/images.h"

typedef struct BenchTarget {
    CommonOptions common; /* a copy: engine and format may be its own */
    const char *name;
    GPtrArray *further; /* names of disks to work on at the same time; NULL */
    const char *cache_name; /* "writeback" ... */
    VdOpenFlags cache;
} BenchTarget;

/* The most bytes that the buffers of all requests in flight may take. */
#define BENCH_MAX_BUFFERS (UINT64_C(4) << 30)

/* Called when all is open and the first request comes next. */
typedef void (*BenchStartFunc)(void *opaque);

/* Opens, measures, closes.  NULL after a message; a signal ends it early, with
 * what was measured so far, if signals_note() is on. */
BenchResult *bench_run(const BenchTarget *target, const BenchPlan *plan,
                       BenchStartFunc start, void *opaque);
