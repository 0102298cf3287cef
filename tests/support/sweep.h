/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/sweep.h - fail the Nth request for N = 0, 1, 2 ... until a run
 * no longer gets that far; some of them where effort.h says so.
 *
 * Needs test_leaf_install().  Works in a coroutine and outside of one; the
 * functions of the sweep are called where the sweep is.
 */
#pragma once

#include "tests/support/leaf.h"

typedef struct TestSweep {
    TestOp op;
    int errnum; /* how the request fails; the error must tell */
    /* Make the state that @act starts from. */
    void (*prepare)(void *arg);
    /* What is under test; closes what it opens, whatever happens. */
    bool (*act)(void *arg, GError **error);
    /* The outcome must be sound: as before or as wanted, never between.  @ok:
     * what act returned.  No request fails any more. */
    void (*check)(void *arg, bool ok);
    /* A failed request may be made up for (zeroes by writing them, a parent
     * that is looked for elsewhere): success is then right, too. */
    bool may_succeed;
} TestSweep;

/* Returns how many requests there were, with a few more in a short run; a test
 * says what it expects at least, so that a sweep which hits nothing is noticed.
 */
unsigned test_fault_sweep(const TestSweep *sweep, void *arg);
