/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/sweep.c - fail the Nth request for N = 0, 1, 2 ... */
#include "tests/support/sweep.h"

#include "tests/support/effort.h"

/* No operation of a test image makes that many requests. */
#define SWEEP_MAX_RUNS 100000

static void
judge(const TestSweep *sweep, unsigned nth, bool fired, bool ok,
      const GError *error)
{
    g_test_message("request %u of kind %d %s: %s", nth, sweep->op,
                   fired ? "failed" : "never came",
                   error ? error->message : "success");
    g_assert_cmpint(ok, ==, error == NULL);
    if (!fired || (ok && sweep->may_succeed))
        g_assert_no_error(error);
    else
        g_assert_cmpint(vd_error_to_errno(error), ==, sweep->errnum);
}

unsigned
test_fault_sweep(const TestSweep *sweep, void *arg)
{
    bool fired = true;
    unsigned reached = 0;

    for (unsigned nth = 0; fired; nth++) {
        g_autoptr(GError) error = NULL;
        bool ok;

        g_assert_cmpuint(nth, <, SWEEP_MAX_RUNS);
        if (!test_effort_wants_next())
            continue;
        sweep->prepare(arg);
        test_leaf_fail_nth(sweep->op, nth, sweep->errnum);
        ok = sweep->act(arg, &error);
        fired = test_leaf_fault_fired();
        test_leaf_clear_fault();
        judge(sweep, nth, fired, ok, error);
        sweep->check(arg, ok);
        reached = nth;
    }
    return reached;
}
