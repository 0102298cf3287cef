/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/crash-session.h - a random course of writes, zeroes, discards and
 * flushes, and what each sector may hold after a crash in the middle of it:
 * what was last flushed there or something newer. */
#pragma once

#include "block/rw.h"
#include "tests/support/co-test.h"

#define CRASH_STEPS 18
/* What the disk holds before, if it is not zero. */
#define CRASH_BASE_SEED 1000

typedef enum { CRASH_WRITE, CRASH_ZERO, CRASH_DISCARD } CrashStepKind;

typedef struct {
    CrashStepKind kind;
    uint64_t off, len; /* whole sectors */
    bool flushed;      /* a flush follows; its mark is the step's number + 1 */
} CrashStep;

typedef struct {
    TestCo *t;
    const char *name;
    uint64_t size; /* of the disk */
    bool has_base;
    bool recorded;
    unsigned durable; /* steps in front of the last flush that succeeded */
    CrashStep steps[CRASH_STEPS];
} CrashSession;

void crash_session_plan(CrashSession *s, uint32_t seed);
bool crash_session_run(CrashSession *s, VdNode *node, GError **error);
/* @mark: of the last flush that was over. */
void crash_session_assert(const CrashSession *s, VdNode *node, uint64_t mark);
