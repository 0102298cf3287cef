/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/crash.h - what may be on the disk after a crash?
 *
 * Takes the changes that an operation made to the files of an image, and for
 * every moment at which the power could have gone makes the files as they
 * might be found afterwards:
 *   - in order: everything up to that moment
 *   - at random: what was durable, and any selection of the rest; writes may
 *     be torn between sectors
 * and has the test check each of them.
 */
#pragma once

#include "tests/support/leaf.h"

typedef struct TestCrashPoint {
    const char *dir;  /* where the files are; the check may change them */
    size_t n_changes; /* recorded before the crash */
    uint64_t mark;    /* the last test_leaf_mark() before it; 0 = none: what it
                         stands for must be there */
    bool in_order;    /* nothing before the crash is missing */
} TestCrashPoint;

typedef struct TestCrash {
    const char *base_dir;     /* the files before the first change */
    const GPtrArray *changes; /* of TestChange */
    unsigned samples;         /* random selections at each moment before a
                                 flush is done, and at the end */
    uint32_t seed;
    void (*check)(const TestCrashPoint *point, void *arg);
} TestCrash;

/* Returns how many states there were to check; some of them are where effort.h
 * says so. */
unsigned test_crash_replay(const TestCrash *crash, void *arg);

/* The same with the changes that @act makes to the files in @dir; it must
 * succeed.  base_dir and changes of @crash are left out. */
unsigned test_crash_try(const TestCrash *crash, const char *dir,
                        bool (*act)(void *arg, GError **error), void *arg);
