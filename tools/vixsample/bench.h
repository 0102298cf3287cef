/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/bench.h - what the synchronous and the asynchronous benches
 * share. */
#pragma once

#include "tools/vixsample/meter.h"
#include "tools/vixsample/options.h"
#include "tools/vixsample/session.h"

typedef struct Bench {
    VixDiskLibHandle disk;
    uint64_t at, end; /* sectors; @at moves on */
    uint64_t step;    /* sectors a call */
    bool writes;
    uint64_t value; /* what to write, or OPTION_NONE: random bytes */
    Meter meter;
} Bench;

/* Opens the disk, has @loop do it all, flushes what was written, prints. */
bool bench_run(Session *session, const Options *opts, bool writes,
               bool (*loop)(Bench *bench));

/* A buffer of @bench->step sectors, filled if it is for writing; NULL after a
 * message. */
uint8 *bench_buffer(const Bench *bench);

/* Sectors of the next call; 0 at the end or after Ctrl-C. */
uint64_t bench_next(const Bench *bench);
