/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-resize-crash.c - resizing that is cut short.
 *
 * After a crash at any moment, and after any request that fails, the disk has
 * its old size or its new one, all of its data, and can be resized again. */
#include "tests/support/crash.h"
#include "tests/support/effort.h"
#include "tests/support/sweep.h"
#include "tests/unit/vmdk-test.h"

#include <errno.h>
#include <string.h>

#define SEED 77

typedef struct {
    const char *options;
    uint64_t from, to, again; /* sizes */
    uint64_t data;            /* bytes at the beginning that have data */
} Case;

typedef struct {
    TestCo *t;
    const Case *c;
    char *text; /* descriptor after resizing, if it is a file; NULL = embedded
                 */
    size_t text_len;
} Run;

static const Case cases[] = {
    {"", 10 * MIB, GIB, 3 * GIB, 2 * MIB + 5 * 512},
    {"grain_size=4k", 3 * MIB + 512, 300 * MIB, 301 * MIB, MIB},
    {"zeroed_grain=on", 10 * MIB, 20 * MIB + 512, 100 * MIB, MIB},
    {"subformat=twoGbMaxExtentSparse,split_size=2M", 3 * MIB, 7 * MIB,
     8 * MIB + 512, 3 * MIB},
    {"subformat=monolithicFlat", 2 * MIB, 3 * MIB, 4 * MIB, 2 * MIB},
    {"subformat=twoGbMaxExtentFlat,split_size=2M", 3 * MIB, 7 * MIB, 8 * MIB,
     3 * MIB},
    {"", 2 * GIB, 3 * MIB, GIB, 4 * MIB},
    {"", 20 * MIB, 5 * MIB + 512, 5 * MIB + 1024, 7 * MIB},
    {"subformat=twoGbMaxExtentSparse,split_size=2M", 7 * MIB, 3 * MIB, 9 * MIB,
     7 * MIB},
    {"subformat=twoGbMaxExtentFlat,split_size=2M", 7 * MIB, 3 * MIB, 9 * MIB,
     7 * MIB},
    {"subformat=vmfsSparse", 5 * MIB + 512, 100 * MIB, 101 * MIB, 3 * MIB},
    {"subformat=vmfsSparse,grain_size=4k", 20 * MIB + 512, 3 * GIB, 6 * GIB,
     2 * MIB}, /* the directory moves */
    {"subformat=vmfsSparse", 7 * MIB, 3 * MIB, 9 * MIB, 7 * MIB},
};

/* -- the operation
 * ---------------------------------------------------------------- */

static void
make_image(TestCo *t, const Case *c)
{
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", c->from, c->options);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, c->data, SEED);
    test_co_close(node);
}

static bool
try_resize(TestCo *t, uint64_t size, bool mark, GError **error)
{
    VdResize how = {.size = size, .discard_tail = true};
    VdNode *node =
        vmdk_test_try_open(t, "d.vmdk", VD_OPEN_RDWR | VD_OPEN_UNMAP, error);
    bool ok;

    if (!node)
        return false;
    ok = vd_node_co_resize(node, &how, error) && vd_node_co_flush(node, error);
    if (mark)
        test_leaf_mark(1);
    return vd_node_co_close(node, ok ? error : NULL) && ok;
}

/* -- what must be there
 * ------------------------------------------------------------ */

static uint64_t
assert_whole(TestCo *t, const Case *c, bool is_new)
{
    VdNode *node = vmdk_test_open(t, "d.vmdk", 0);
    uint64_t size = vd_node_size(node);
    uint64_t data = MIN(c->data, MIN(c->from, c->to));

    if (size != c->to)
        g_assert_cmpuint(size, ==, c->from);
    if (is_new)
        g_assert_cmpuint(size, ==, c->to);
    test_co_assert_pattern(node, 0, data, SEED);
    if (c->to > c->from && size > c->data)
        test_co_assert_zero(node, c->data, MIN(size - c->data, 20 * MIB));
    vmdk_test_assert_sound(node, true);
    test_co_close(node);
    return size;
}

/* Whatever was left behind: what is added now reads as zeroes. */
static void
assert_again(TestCo *t, const Case *c)
{
    g_autoptr(GError) error = NULL;
    uint64_t kept = MIN(c->from, c->to), data = MIN(c->data, kept);
    VdNode *node;

    try_resize(t, kept, false, &error);
    g_assert_no_error(error);
    try_resize(t, c->again, false, &error);
    g_assert_no_error(error);
    node = vmdk_test_open(t, "d.vmdk", 0);
    g_assert_cmpuint(vd_node_size(node), ==, c->again);
    test_co_assert_pattern(node, 0, data, SEED);
    test_co_assert_zero(node, data, MIN(c->again - data, 8 * MIB));
    vmdk_test_assert_sound(node, true);
    test_co_close(node);
}

/* -- crashes
 * ----------------------------------------------------------------------- */

static bool
crash_act(void *arg, GError **error)
{
    Run *run = arg;
    bool ok = try_resize(run->t, run->c->to, true, error);

    if (strstr(run->c->options, "subformat"))
        run->text = vmdk_test_read_file(run->t, "d.vmdk", &run->text_len);
    return ok;
}

static void
crash_check(const TestCrashPoint *point, void *arg)
{
    const Run *run = arg;
    TestCo t = *run->t;
    bool is_new;

    t.dir = (char *) point->dir;
    /* A descriptor that is a file is replaced by renaming, which the records do
     * not tell of: behind all other changes of growing, and in front of all of
     * those of shrinking. */
    is_new = point->mark || (run->text && run->c->to < run->c->from);
    if (run->text && is_new)
        vmdk_test_write_file(&t, "d.vmdk", run->text, run->text_len);
    (void) assert_whole(&t, run->c, is_new);
    assert_again(&t, run->c);
}

static void
replay(TestCo *t, const Case *c, uint32_t seed)
{
    Run run = {.t = t, .c = c};
    TestCrash crash = {.samples = 1, .seed = seed, .check = crash_check};

    test_dir_empty(t->dir);
    make_image(t, c);
    g_assert_cmpuint(test_crash_try(&crash, t->dir, crash_act, &run), >, 1);
    g_free(run.text);
}

static void
test_crash(TestCo *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s %" G_GUINT64_FORMAT, cases[i].options, cases[i].to);
        replay(t, &cases[i], 100 + i);
    }
}

/* -- failing requests
 * -------------------------------------------------------------- */

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

    return try_resize(run->t, run->c->to, false, error);
}

static void
sweep_check(void *arg, bool ok)
{
    Run *run = arg;

    (void) assert_whole(run->t, run->c, ok);
    assert_again(run->t, run->c);
}

static void
sweep(TestCo *t, int errnum)
{
    static const TestOp ops[] = {
        TEST_OP_WRITE, TEST_OP_FLUSH,  TEST_OP_TRUNCATE, TEST_OP_OPEN,
        TEST_OP_READ,  TEST_OP_ZEROES, TEST_OP_DISCARD};
    unsigned fired = 0;

    test_leaf_install();
    for (unsigned i = 0; i < G_N_ELEMENTS(cases) * G_N_ELEMENTS(ops); i++) {
        Run run = {.t = t, .c = &cases[i / G_N_ELEMENTS(ops)]};
        TestOp op = ops[i % G_N_ELEMENTS(ops)];

        /* Each case with each kind of request, but one of the failures. */
        if (test_effort_is_short() &&
            (i / G_N_ELEMENTS(ops) + i + (errnum == EIO)) % 2)
            continue;
        TestSweep how = {.op = op,
                         .errnum = errnum,
                         .prepare = sweep_prepare,
                         .act = sweep_act,
                         .check = sweep_check};

        /* Space that cannot be given back stays; reads have second copies,
         * zeroes can be written. */
        how.may_succeed = run.c->to < run.c->from ||
                          (op != TEST_OP_WRITE && op != TEST_OP_FLUSH);
        fired += test_fault_sweep(&how, &run);
    }
    g_assert_cmpuint(fired, >, 100);
    test_leaf_remove();
}

static void
test_sweep_no_space(TestCo *t)
{
    sweep(t, ENOSPC);
}

static void
test_sweep_io(TestCo *t)
{
    sweep(t, EIO);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/vmdk/resize/crash", test_crash);
    test_co_add("/vmdk/resize/fault/no-space", test_sweep_no_space);
    test_co_add("/vmdk/resize/fault/io", test_sweep_io);
    return g_test_run();
}
