/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-support.c - the fault sweep and the crash replay notice what
 * they are there to notice, and let pass what is right.
 *
 * The image under test is a toy: a file with a number in its first sector and
 * another in its last.  "Sound" means that the first is not newer than the
 * last, since the last is written, and made durable, before it.
 */
#include "block/rw.h"
#include "io/zero.h"
#include "tests/support/co-test.h"
#include "tests/support/crash.h"
#include "tests/support/pattern.h"
#include "tests/support/sweep.h"

#include <errno.h>
#include <string.h>

#define SIZE UINT64_C(65536)
#define LAST (SIZE - 512)

/* The number in sector @off; 0 = none yet; torn sectors do not exist. */
static uint32_t
number_at(VdNode *node, uint64_t off)
{
    g_autoptr(GError) error = NULL;
    uint8_t buf[512];

    vd_node_co_pread(node, off, buf, sizeof(buf), &error);
    g_assert_no_error(error);
    for (uint32_t n = 1; n < 100; n++)
        if (test_pattern_differs(buf, sizeof(buf), off, n) == sizeof(buf))
            return n;
    g_assert_true(vio_is_zero(buf, sizeof(buf)));
    return 0;
}

static bool
put_number(VdNode *node, uint64_t off, uint32_t n, GError **error)
{
    uint8_t buf[512];

    test_pattern_fill(buf, sizeof(buf), off, n);
    return vd_node_co_pwrite(node, off, buf, sizeof(buf), error);
}

typedef struct {
    TestCo *t;
    bool careless; /* leave out what makes it right */
    unsigned bad;  /* unsound states seen */
    unsigned lost; /* promises broken */
} Toy;

static bool
toy_update(VdNode *node, const Toy *toy, uint32_t n, GError **error)
{
    return put_number(node, LAST, n, error) &&
           (toy->careless || vd_node_co_flush(node, error)) &&
           put_number(node, 0, n, error) && vd_node_co_flush(node, error);
}

static void
toy_judge(Toy *toy, VdNode *node, uint64_t promised)
{
    toy->bad += number_at(node, 0) > number_at(node, LAST);
    toy->lost += number_at(node, 0) < promised;
}

/* -- fault sweep ------------------------------------------------------------
 */

static void
sweep_prepare(void *arg)
{
    Toy *toy = arg;
    g_autofree char *path = test_co_path(toy->t, "toy");

    test_file_make(path, SIZE);
}

static bool
sweep_act(void *arg, GError **error)
{
    Toy *toy = arg;
    g_autofree char *path = test_co_path(toy->t, "toy");
    VdNode *node =
        vd_co_open(&toy->t->env, path, "raw", NULL, VD_OPEN_RDWR, error);
    bool ok;

    if (!node)
        return false;
    ok = toy_update(node, toy, 1, error);
    return vd_node_co_close(node, ok ? error : NULL) && ok;
}

static void
sweep_check(void *arg, bool ok)
{
    Toy *toy = arg;
    VdNode *node = test_co_open_file(toy->t, "raw", "toy", 0);

    toy_judge(toy, node, ok ? 1 : 0);
    test_co_close(node);
}

static unsigned
run_sweep(Toy *toy, TestOp op, int errnum)
{
    TestSweep sweep = {
        .op = op,
        .errnum = errnum,
        .prepare = sweep_prepare,
        .act = sweep_act,
        .check = sweep_check,
    };
    unsigned fired;

    test_leaf_install();
    fired = test_fault_sweep(&sweep, toy);
    test_leaf_remove();
    return fired;
}

static void
test_sweep_reaches_every_request(TestCo *t)
{
    Toy toy = {.t = t};

    g_assert_cmpuint(run_sweep(&toy, TEST_OP_WRITE, ENOSPC), ==, 2);
    g_assert_cmpuint(run_sweep(&toy, TEST_OP_FLUSH, EIO), ==, 2);
    g_assert_cmpuint(run_sweep(&toy, TEST_OP_OPEN, EACCES), ==, 1);
    g_assert_cmpuint(run_sweep(&toy, TEST_OP_ANY, EIO), ==, 5);
    g_assert_cmpuint(run_sweep(&toy, TEST_OP_TRUNCATE, EIO), ==, 0);
    g_assert_cmpuint(toy.bad, ==, 0);
    g_assert_cmpuint(toy.lost, ==, 0);
}

/* -- crash replay -----------------------------------------------------------
 */

static void
crash_check(const TestCrashPoint *point, void *arg)
{
    Toy *toy = arg;
    g_autofree char *path = g_build_filename(point->dir, "toy", NULL);
    g_autoptr(GError) error = NULL;
    VdNode *node = vd_co_open(&toy->t->env, path, "raw", NULL, 0, &error);

    g_assert_no_error(error);
    toy_judge(toy, node, point->mark);
    test_co_close(node);
}

/* Update the toy four times, recorded; then replay. */
static unsigned
run_crash(Toy *toy)
{
    char *base = test_dir_new();
    g_autoptr(GPtrArray) changes = NULL;
    TestCrash crash = {
        .base_dir = base,
        .samples = 20,
        .seed = 4711,
        .check = crash_check,
    };
    unsigned checked;
    VdNode *node;

    sweep_prepare(toy);
    test_dir_copy(toy->t->dir, base);
    test_leaf_install();
    node = test_co_open_file(toy->t, "raw", "toy", VD_OPEN_RDWR);
    test_leaf_record();
    for (uint32_t n = 1; n <= 4; n++) {
        g_autoptr(GError) error = NULL;

        toy_update(node, toy, n, &error);
        g_assert_no_error(error);
        test_leaf_mark(n);
    }
    changes = test_leaf_record_end();
    test_co_close(node);
    test_leaf_remove();
    crash.changes = changes;
    checked = test_crash_replay(&crash, toy);
    test_dir_remove(base);
    return checked;
}

static void
test_replay_accepts_right_order(TestCo *t)
{
    Toy toy = {.t = t};

    g_assert_cmpuint(run_crash(&toy), >, 100);
    g_assert_cmpuint(toy.bad, ==, 0);
    g_assert_cmpuint(toy.lost, ==, 0);
}

static void
test_replay_finds_missing_barrier(TestCo *t)
{
    Toy toy = {.t = t, .careless = true};

    (void) run_crash(&toy);
    g_assert_cmpuint(toy.bad, >, 0); /* the first without the last */
    g_assert_cmpuint(toy.lost, ==, 0);
}

static void
test_replay_finds_broken_promise(TestCo *t)
{
    char *base = test_dir_new();
    g_autoptr(GPtrArray) changes = NULL;
    Toy toy = {.t = t};
    TestCrash crash = {
        .base_dir = base,
        .samples = 20,
        .check = crash_check,
    };
    VdNode *node;

    sweep_prepare(&toy);
    test_dir_copy(t->dir, base);
    test_leaf_install();
    node = test_co_open_file(t, "raw", "toy", VD_OPEN_RDWR);
    test_leaf_record();
    g_assert_true(put_number(node, LAST, 1, NULL));
    g_assert_true(put_number(node, 0, 1, NULL));
    test_leaf_mark(1); /* without a flush that is a lie */
    g_assert_true(vd_node_co_flush(node, NULL));
    changes = test_leaf_record_end();
    test_co_close(node);
    test_leaf_remove();
    crash.changes = changes;
    (void) test_crash_replay(&crash, &toy);
    g_assert_cmpuint(toy.lost, >, 0);
    test_dir_remove(base);
}

/* -- counting ---------------------------------------------------------------
 */

static void
test_leaf_counts_requests(TestCo *t)
{
    VdNode *node;

    test_leaf_install();
    sweep_prepare(&(Toy){.t = t});
    node = test_co_open_file(t, "raw", "toy", VD_OPEN_RDWR);
    test_leaf_reset_counts();
    test_co_write_pattern(node, 0, 4096, 1);
    test_co_assert_pattern(node, 0, 4096, 1);
    test_co_assert_zero(node, 8192, 4096);
    g_assert_cmpuint(test_leaf_count(TEST_OP_WRITE), ==, 1);
    g_assert_cmpuint(test_leaf_count(TEST_OP_READ), ==, 2);
    g_assert_cmpuint(test_leaf_count(TEST_OP_ANY), ==, 3);
    test_co_close(node);
    test_leaf_remove();
}

int
main(int argc, char **argv)
{
    g_setenv("VDISK_TEST_LONG", "1", TRUE); /* nothing may be left out */
    g_test_init(&argc, &argv, NULL);
    test_co_add("/support/sweep-reaches-every-request",
                test_sweep_reaches_every_request);
    test_co_add("/support/replay-accepts-right-order",
                test_replay_accepts_right_order);
    test_co_add("/support/replay-finds-missing-barrier",
                test_replay_finds_missing_barrier);
    test_co_add("/support/replay-finds-broken-promise",
                test_replay_finds_broken_promise);
    test_co_add("/support/leaf-counts-requests", test_leaf_counts_requests);
    return g_test_run();
}
