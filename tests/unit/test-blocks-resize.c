/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-blocks-resize.c - longer disks of VDI, VHD and VHDX: what was
 * there stays, what is added is zero, and neither a crash nor a failing request
 * leaves anything but the old size or the new one. */
#include "formats/vdi/driver.h"
#include "formats/vhd/driver.h"
#include "formats/vhdx/driver.h"
#include "tests/support/crash.h"
#include "tests/support/sweep.h"
#include "tests/unit/blocks-test.h"

#include <errno.h>
#include <string.h>

#define SEED 77

static const BlocksTest vdi = {&vd_vdi_driver, "d.vdi"};
static const BlocksTest vhd = {&vd_vhd_driver, "d.vhd"};
static const BlocksTest vhdx = {&vd_vhdx_driver, "d.vhdx"};

typedef struct {
    const char *name;
    const BlocksTest *image;
    const char *options;
    uint64_t from, to, again; /* sizes */
    uint64_t data;            /* bytes at the beginning that have data */
    bool plain;               /* nothing moves */
} Case;

/* Tables of 4 bytes a MiB: 1 MiB of them is for 256 GiB. */
static const Case cases[] = {
    {"vdi/in-place", &vdi, "", 3 * MIB + 512, 9 * MIB, 50 * MIB, 2 * MIB, true},
    {"vdi/table-moves", &vdi, "", 5 * MIB + 512, 300 * GIB, 600 * GIB,
     4 * MIB + 5 * 512},
    {"vdi/empty", &vdi, "", 5 * MIB, 520 * GIB, 521 * GIB, 0, true},
    {"vdi/static", &vdi, "static=on", 3 * MIB + 512, 6 * MIB + 512, 9 * MIB,
     2 * MIB, true},
    /* Tables of 4 bytes in 2 MiB. */
    {"vhd/in-place", &vhd, "", 3 * MIB + 512, 9 * MIB, 50 * MIB, 2 * MIB, true},
    {"vhd/blocks-move", &vhd, "", 5 * MIB + 512, 300 * GIB, 2000 * GIB,
     4 * MIB + 5 * 512},
    {"vhd/empty", &vhd, "", 5 * MIB, 2040 * GIB - 512, 2040 * GIB, 0, true},
    {"vhd/fixed", &vhd, "subformat=fixed", 3 * MIB + 512, 6 * MIB + 512,
     9 * MIB, 2 * MIB},
    /* 8 bytes a block of 1 MiB, and one entry more for each 4096. */
    {"vhdx/in-place", &vhdx, "", 3 * MIB + 512, 9 * MIB, 50 * MIB, 2 * MIB,
     true},
    {"vhdx/table-moves", &vhdx, "", 5 * MIB + 512, 200 * GIB, 400 * GIB,
     4 * MIB + 5 * 512},
    {"vhdx/chunks", &vhdx, "block_size=2M", 3 * MIB + 512, 9 * GIB, 200 * GIB,
     MIB},
    {"vhdx/fixed", &vhdx, "subformat=fixed", 3 * MIB + 512, 6 * MIB + 512,
     9 * MIB, 2 * MIB, true},
};

static const Case *the_case; /* test functions have no other argument */

/* -- the operation --------------------------------------------------------- */

static void
make_image(TestCo *t, const Case *c)
{
    VdNode *node;

    blocks_test_create(t, c->image, c->from, c->options);
    node = blocks_test_open(t, c->image, VD_OPEN_RDWR);
    if (c->data)
        test_co_write_pattern(node, 0, c->data, SEED);
    test_co_close(node);
}

static bool
try_resize(TestCo *t, const Case *c, uint64_t size, bool mark, GError **error)
{
    VdNode *node =
        blocks_test_try_open(t, c->image, VD_OPEN_RDWR | VD_OPEN_UNMAP, error);
    VdResize how = {.size = size};
    bool ok;

    if (!node)
        return false;
    ok = vd_node_co_resize(node, &how, error) && vd_node_co_flush(node, error);
    g_assert_true(!ok || vd_node_size(node) == size);
    if (mark)
        test_leaf_mark(1);
    return vd_node_co_close(node, ok ? error : NULL) && ok;
}

/* -- what must be there ---------------------------------------------------- */

/* The data are there, and zeroes from there to @end and in the last sector. */
static void
assert_contents(const Case *c, VdNode *node, uint64_t end)
{
    if (c->data)
        test_co_assert_pattern(node, 0, c->data, SEED);
    test_co_assert_zero(node, c->data, MIN(end - c->data, 3 * MIB));
    test_co_assert_zero(node, vd_node_size(node) - 512, 512);
}

/* A crash may leave footers to be mended, but nothing else. */
static void
assert_whole(TestCo *t, const Case *c, bool is_new)
{
    VdNode *node = blocks_test_open(t, c->image, 0);

    if (is_new || vd_node_size(node) != c->from)
        g_assert_cmpuint(vd_node_size(node), ==, c->to);
    assert_contents(c, node, vd_node_size(node));
    test_co_close(node);
    node = blocks_test_open(t, c->image, VD_OPEN_RDWR);
    (void) blocks_test_check(node, VD_REPAIR_ALL);
    blocks_test_assert_sound(node);
    test_co_close(node);
}

/* Whatever was left behind: it can be resized, and what is added is zero and
 * can be written. */
static void
assert_again(TestCo *t, const Case *c)
{
    g_autoptr(GError) error = NULL;
    VdNode *node;

    try_resize(t, c, c->again, false, &error);
    g_assert_no_error(error);
    node = blocks_test_open(t, c->image, VD_OPEN_RDWR);
    g_assert_cmpuint(vd_node_size(node), ==, c->again);
    assert_contents(c, node, vd_node_size(node));
    test_co_write_pattern(node, c->again - 2 * MIB, MIB, 5);
    test_co_assert_pattern(node, c->again - 2 * MIB, MIB, 5);
    assert_contents(c, node, c->again - 2 * MIB);
    blocks_test_assert_sound(node);
    test_co_close(node);
}

static void
grows(TestCo *t)
{
    const Case *c = the_case;
    g_autoptr(GError) error = NULL;

    make_image(t, c);
    try_resize(t, c, c->to, false, &error);
    g_assert_no_error(error);
    assert_whole(t, c, true);
    assert_again(t, c);
}

/* One open disk: what it looks up after each step is right. */
static void
grows_while_open(TestCo *t)
{
    const Case *c = the_case;
    g_autoptr(GError) error = NULL;
    VdResize how = {.size = c->to};
    VdNode *node;

    make_image(t, c);
    node = blocks_test_open(t, c->image, VD_OPEN_RDWR);
    test_co_write_pattern(node, c->from - 512, 512, 9);
    vd_node_co_resize(node, &how, &error);
    g_assert_no_error(error);
    test_co_assert_pattern(node, c->from - 512, 512, 9);
    test_co_write_pattern(node, c->to - MIB, MIB, 8);
    how.size = c->again;
    vd_node_co_resize(node, &how, &error);
    g_assert_no_error(error);
    if (c->data)
        test_co_assert_pattern(node, 0, c->data, SEED);
    test_co_assert_pattern(node, c->from - 512, 512, 9);
    test_co_assert_pattern(node, c->to - MIB, MIB, 8);
    test_co_assert_zero(node, c->to, MIN(c->again - c->to, MIB));
    test_co_close(node);
    node = blocks_test_open(t, c->image, 0);
    test_co_assert_pattern(node, c->from - 512, 512, 9);
    test_co_assert_pattern(node, c->to - MIB, MIB, 8);
    blocks_test_assert_sound(node);
    test_co_close(node);
}

static void
does_not_shrink(TestCo *t)
{
    const Case *c = the_case;
    g_autoptr(GError) error = NULL;

    make_image(t, c);
    g_assert_false(try_resize(t, c, c->from - 512, false, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
    assert_whole(t, c, false);
}

/* -- crashes --------------------------------------------------------------- */

static void
crash_check(const TestCrashPoint *point, void *arg)
{
    const Case *c = the_case;
    TestCo t = *(TestCo *) arg;

    t.dir = (char *) point->dir;
    assert_whole(&t, c, point->mark);
    assert_again(&t, c);
}

static bool
crash_act(void *arg, GError **error)
{
    return try_resize(arg, the_case, the_case->to, true, error);
}

static void
survives_crashes(TestCo *t)
{
    TestCrash crash = {.samples = 1, .seed = 3, .check = crash_check};

    make_image(t, the_case);
    g_assert_cmpuint(test_crash_try(&crash, t->dir, crash_act, t), >, 4);
}

/* -- failing requests ------------------------------------------------------ */

static void
sweep_prepare(void *arg)
{
    TestCo *t = arg;

    test_dir_empty(t->dir);
    make_image(t, the_case);
}

static bool
sweep_act(void *arg, GError **error)
{
    return try_resize(arg, the_case, the_case->to, false, error);
}

static void
sweep_check(void *arg, bool ok)
{
    assert_whole(arg, the_case, ok);
    assert_again(arg, the_case);
}

static void
survives_failures(TestCo *t)
{
    static const TestOp ops[] = {TEST_OP_WRITE, TEST_OP_FLUSH, TEST_OP_READ,
                                 TEST_OP_TRUNCATE};
    TestSweep how = {.errnum = ENOSPC,
                     .prepare = sweep_prepare,
                     .act = sweep_act,
                     .check = sweep_check};

    test_leaf_install();
    for (unsigned i = 0; i < G_N_ELEMENTS(ops); i++) {
        how.op = ops[i];
        g_assert_cmpuint(test_fault_sweep(&how, t), >=,
                         ops[i] == TEST_OP_TRUNCATE ? 0 : 1);
    }
    test_leaf_remove();
}

/* -- all of them ----------------------------------------------------------- */

/* Crashes and failures of the cases with little in them only in the long
 * form. */
static void
each(TestCo *t, TestCoFunc fn, bool is_long)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        the_case = &cases[i];
        if (is_long && the_case->plain && !g_getenv("VDISK_TEST_LONG"))
            continue;
        g_test_message("%s", the_case->name);
        test_dir_empty(t->dir);
        fn(t);
    }
}

static void
test_grows(TestCo *t)
{
    each(t, grows, false);
}

static void
test_grows_while_open(TestCo *t)
{
    each(t, grows_while_open, false);
}

static void
test_does_not_shrink(TestCo *t)
{
    each(t, does_not_shrink, false);
}

static void
test_survives_crashes(TestCo *t)
{
    each(t, survives_crashes, true);
}

static void
test_survives_failures(TestCo *t)
{
    each(t, survives_failures, true);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/blocks/resize/grows", test_grows);
    test_co_add("/blocks/resize/grows-while-open", test_grows_while_open);
    test_co_add("/blocks/resize/does-not-shrink", test_does_not_shrink);
    test_co_add("/blocks/resize/survives-crashes", test_survives_crashes);
    test_co_add("/blocks/resize/survives-failures", test_survives_failures);
    return g_test_run();
}
