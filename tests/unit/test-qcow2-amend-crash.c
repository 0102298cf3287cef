/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-qcow2-amend-crash.c - changes of the first cluster that are
 * cut short: other options, another backing file.
 *
 * After a crash at any moment, and after any request that fails, the header is
 * the old one or the new one, what the disk shows stays, and the change can be
 * made again. */
#include "tests/support/crash.h"
#include "tests/support/sweep.h"
#include "tests/unit/qcow2-test.h"

#include <errno.h>

#define DISK_SIZE (2 * MIB)
#define DATA (300u << 10)
#define SEED 79

typedef struct {
    const char *create, *after;      /* options */
    const char *old_name, *new_name; /* NULL = it is not the parent's name that
                                        changes; "" = none */
} Case;

typedef struct {
    TestCo *t;
    const Case *c;
} Run;

/* Names longer than a sector are made of these. */
#define HUNDRED                                                                \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"                       \
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const Case cases[] = {
    {"", "refcount_bits=64,lazy_refcounts=on", NULL, NULL},
    {"cluster_size=4k,refcount_bits=1", "refcount_bits=16,compat=0.10", NULL,
     NULL},
    {"compat=0.10", "compat=1.1,refcount_bits=8", NULL, NULL},
    {"cluster_size=4k", NULL, "", "one.raw"},
    {"cluster_size=4k", NULL, "one.raw", "another.raw"},
    {"cluster_size=4k", NULL, HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED,
     "another.raw"},
    {"cluster_size=4k", NULL, "one.raw",
     HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED},
    {"cluster_size=512", NULL, HUNDRED, HUNDRED "c"},
};

static VdNode *
open_alone(TestCo *t, VdOpenFlags flags, GError **error)
{
    return qcow2_test_try_open(t, flags | VD_OPEN_NO_PARENT, error);
}

static bool
set_name(VdNode *node, const char *name, GError **error)
{
    VdParentRef ref = {.name = name, .format = "raw"};

    return vd_qcow2_driver.co_set_parent(node, &ref, error);
}

static bool
set_options(VdNode *node, const char *options, GError **error)
{
    g_autoptr(VdOptions) opts = vd_options_new();

    return vd_options_parse(opts, options, error) &&
           vd_node_co_amend(node, opts, error);
}

static void
make_image(const Run *run)
{
    g_autoptr(GError) error = NULL;
    VdNode *node;

    qcow2_test_create(run->t, DISK_SIZE, run->c->create);
    node = open_alone(run->t, VD_OPEN_RDWR, &error);
    g_assert_no_error(error);
    test_co_write_pattern(node, 0, DATA, SEED);
    if (run->c->old_name)
        set_name(node, run->c->old_name, &error);
    g_assert_no_error(error);
    test_co_close(node);
}

static bool
try_change(TestCo *t, const Case *c, bool mark, GError **error)
{
    VdNode *node = open_alone(t, VD_OPEN_RDWR, error);
    bool ok;

    if (!node)
        return false;
    ok = c->after ? set_options(node, c->after, error)
                  : set_name(node, c->new_name, error);
    if (ok && mark)
        test_leaf_mark(1);
    return vd_node_co_close(node, ok ? error : NULL) && ok;
}

/* -- what must be there ---------------------------------------------------- */

static bool
is_new(const Qcow2State *s, const Case *c)
{
    uint64_t lazy = s->hdr.compatible & QCOW2_COMPAT_LAZY_REFCOUNTS;

    if (!c->after)
        return g_strcmp0(s->backing_name, c->new_name) == 0;
    if (c == &cases[0])
        return s->hdr.refcount_order == 6 && lazy;
    if (c == &cases[1])
        return s->hdr.refcount_order == 4 && s->hdr.version == 2;
    return s->hdr.refcount_order == 3 && s->hdr.version == 3;
}

static bool
is_old(const Qcow2State *s, const Case *c)
{
    const char *old = c->old_name && *c->old_name ? c->old_name : NULL;
    uint64_t lazy = s->hdr.compatible & QCOW2_COMPAT_LAZY_REFCOUNTS;

    if (!c->after)
        return g_strcmp0(s->backing_name, old) == 0;
    if (c == &cases[0])
        return s->hdr.refcount_order == 4 && !lazy;
    if (c == &cases[1])
        return s->hdr.refcount_order == 0 && s->hdr.version == 3;
    return s->hdr.refcount_order == 4 && s->hdr.version == 2;
}

/* As the next writer finds it: it undoes what has to be undone. */
static void
assert_whole(TestCo *t, const Case *c, bool must_be_new)
{
    g_autoptr(GError) error = NULL;
    VdNode *node = open_alone(t, VD_OPEN_RDWR, &error);
    const Qcow2State *s;

    g_assert_no_error(error);
    s = vd_node_state(node);
    g_assert_true(is_new(s, c) || (!must_be_new && is_old(s, c)));
    if (!c->after && s->backing_name)
        g_assert_cmpstr(s->ext.backing_format, ==, "raw");
    test_co_assert_pattern(node, 0, DATA, SEED);
    qcow2_test_assert_sound(node);
    test_co_close(node);
}

static void
assert_again(TestCo *t, const Case *c)
{
    g_autoptr(GError) error = NULL;

    try_change(t, c, false, &error);
    g_assert_no_error(error);
    assert_whole(t, c, true);
}

/* -- crashes --------------------------------------------------------------- */

static bool
crash_act(void *arg, GError **error)
{
    Run *run = arg;

    return try_change(run->t, run->c, true, error);
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
        TestCrash crash = {.samples = 2, .seed = 300 + i, .check = crash_check};

        g_test_message("case %u", i);
        test_dir_empty(t->dir);
        make_image(&run);
        g_assert_cmpuint(test_crash_try(&crash, t->dir, crash_act, &run), >, 1);
    }
}

/* -- failing requests ------------------------------------------------------ */

static void
sweep_prepare(void *arg)
{
    Run *run = arg;

    test_dir_empty(run->t->dir);
    make_image(run);
}

static bool
sweep_act(void *arg, GError **error)
{
    Run *run = arg;

    return try_change(run->t, run->c, false, error);
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
    static const TestOp ops[] = {TEST_OP_WRITE, TEST_OP_FLUSH, TEST_OP_READ};
    unsigned fired = 0;

    test_leaf_install();
    for (unsigned i = 0; i < G_N_ELEMENTS(cases) * G_N_ELEMENTS(ops); i++) {
        Run run = {.t = t, .c = &cases[i / G_N_ELEMENTS(ops)]};
        TestSweep how = {.op = ops[i % G_N_ELEMENTS(ops)],
                         .errnum = EIO,
                         .prepare = sweep_prepare,
                         .act = sweep_act,
                         .check = sweep_check};

        /* The file beside the image is looked at once more when it goes. */
        how.may_succeed = how.op == TEST_OP_READ && !run.c->after;
        fired += test_fault_sweep(&how, &run);
    }
    g_assert_cmpuint(fired, >, 40);
    test_leaf_remove();
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/qcow2/amend/crash", test_crash);
    test_co_add("/qcow2/amend/fault", test_sweep);
    return g_test_run();
}
