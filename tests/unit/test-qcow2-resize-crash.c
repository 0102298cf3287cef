/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-qcow2-resize-crash.c - resizing that is cut short.
 *
 * After a crash at any moment, and after any request that fails, the disk has
 * its old size or its new one, all of its data, and can be resized again. */
#include "tests/support/crash.h"
#include "tests/support/sweep.h"
#include "tests/unit/qcow2-test.h"

#include <errno.h>

#define KIB UINT64_C(1024)
#define SEED 77

typedef struct {
    const char *options;
    uint64_t from, to, again; /* sizes */
    uint64_t data;            /* bytes at the beginning that have data */
    VdPrealloc prealloc;
} Case;

typedef struct {
    TestCo *t;
    const Case *c;
} Run;

static const Case cases[] = {
    {"", 400 * KIB + 512, GIB, 3 * GIB, 300 * KIB + 512, 0},
    /* the L1 table moves, and so does the refcount table */
    {"cluster_size=512,refcount_bits=64", 20 * KIB, 2500 * KIB, 4 * MIB,
     12 * KIB, VD_PREALLOC_METADATA},
    {"cluster_size=4k", 100 * KIB + 512, 4 * MIB, 70 * MIB, 100 * KIB, 0},
    {"extended_l2=on", 300 * KIB + 512, MIB, 10 * MIB, 300 * KIB + 512,
     VD_PREALLOC_FALLOC},
    {"compat=0.10", 800 * KIB, 100 * KIB + 512, 9 * MIB, 600 * KIB, 0},
    {"cluster_size=1k", 400 * KIB, 50 * KIB + 512, 9 * MIB, 300 * KIB, 0},
};

static void
make_image(TestCo *t, const Case *c)
{
    VdNode *node;

    qcow2_test_create(t, c->from, c->options);
    node = qcow2_test_open(t, VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, c->data, SEED);
    test_co_close(node);
}

static bool
try_resize(TestCo *t, uint64_t size, VdPrealloc prealloc, bool mark,
           GError **error)
{
    VdResize how = {.size = size, .prealloc = prealloc};
    VdNode *node = qcow2_test_try_open(t, VD_OPEN_RDWR | VD_OPEN_UNMAP, error);
    bool ok;

    if (!node)
        return false;
    ok = vd_node_co_resize(node, &how, error) && vd_node_co_flush(node, error);
    if (mark)
        test_leaf_mark(1);
    return vd_node_co_close(node, ok ? error : NULL) && ok;
}

static void
assert_whole(TestCo *t, const Case *c, bool is_new)
{
    VdNode *node = qcow2_test_open(t, 0);
    uint64_t size = vd_node_size(node);
    uint64_t data = MIN(c->data, MIN(c->from, c->to));

    if (size != c->to)
        g_assert_cmpuint(size, ==, c->from);
    if (is_new)
        g_assert_cmpuint(size, ==, c->to);
    test_co_assert_pattern(node, 0, data, SEED);
    if (c->to > c->from && size > c->data)
        test_co_assert_zero(node, c->data, MIN(size - c->data, 20 * MIB));
    qcow2_test_assert_sound(node);
    test_co_close(node);
}

/* Whatever was left behind: what is added now reads as zeroes. */
static void
assert_again(TestCo *t, const Case *c)
{
    g_autoptr(GError) error = NULL;
    uint64_t kept = MIN(c->from, c->to), data = MIN(c->data, kept);
    VdNode *node;

    try_resize(t, kept, 0, false, &error);
    g_assert_no_error(error);
    try_resize(t, c->again, 0, false, &error);
    g_assert_no_error(error);
    node = qcow2_test_open(t, 0);
    g_assert_cmpuint(vd_node_size(node), ==, c->again);
    test_co_assert_pattern(node, 0, data, SEED);
    test_co_assert_zero(node, data, MIN(c->again - data, 8 * MIB));
    qcow2_test_assert_sound(node);
    test_co_close(node);
}

/* -- crashes --------------------------------------------------------------- */

static bool
crash_act(void *arg, GError **error)
{
    Run *run = arg;

    return try_resize(run->t, run->c->to, run->c->prealloc, true, error);
}

static void
crash_check(const TestCrashPoint *point, void *arg)
{
    const Run *run = arg;
    TestCo t = *run->t;

    t.dir = (char *) point->dir;
    assert_whole(&t, run->c, point->mark);
    assert_again(&t, run->c);
}

static void
test_crash(TestCo *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        Run run = {.t = t, .c = &cases[i]};
        TestCrash crash = {.samples = 1, .seed = 100 + i, .check = crash_check};

        g_test_message("%s %" G_GUINT64_FORMAT, cases[i].options, cases[i].to);
        test_dir_empty(t->dir);
        make_image(t, &cases[i]);
        g_assert_cmpuint(test_crash_try(&crash, t->dir, crash_act, &run), >, 3);
    }
}

/* -- failing requests ------------------------------------------------------ */

static void
sweep_prepare(void *arg)
{
    Run *run = arg;

    test_dir_empty(run->t->dir);
    make_image(run->t, run->c);
}

static bool
sweep_act(void *arg, GError **error)
{
    Run *run = arg;

    return try_resize(run->t, run->c->to, run->c->prealloc, false, error);
}

static void
sweep_check(void *arg, bool ok)
{
    Run *run = arg;

    assert_whole(run->t, run->c, ok);
    assert_again(run->t, run->c);
}

static void
test_sweep(TestCo *t)
{
    static const TestOp ops[] = {TEST_OP_WRITE, TEST_OP_FLUSH, TEST_OP_TRUNCATE,
                                 TEST_OP_READ, TEST_OP_DISCARD};
    unsigned fired = 0;

    test_leaf_install();
    for (unsigned i = 0; i < G_N_ELEMENTS(cases) * G_N_ELEMENTS(ops); i++) {
        Run run = {.t = t, .c = &cases[i / G_N_ELEMENTS(ops)]};
        TestSweep how = {.op = ops[i % G_N_ELEMENTS(ops)],
                         .errnum = ENOSPC,
                         .prepare = sweep_prepare,
                         .act = sweep_act,
                         .check = sweep_check};

        /* Space that cannot be given back stays. */
        how.may_succeed = run.c->to < run.c->from || how.op != TEST_OP_WRITE;
        fired += test_fault_sweep(&how, &run);
    }
    g_assert_cmpuint(fired, >, 50);
    test_leaf_remove();
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/qcow2/resize/crash", test_crash);
    test_co_add("/qcow2/resize/fault", test_sweep);
    return g_test_run();
}
