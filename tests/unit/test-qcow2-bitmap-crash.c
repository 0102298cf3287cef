/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-qcow2-bitmap-crash.c - power failures and failing requests
 * while bitmaps are changed.
 *
 * Whatever happens, the bitmaps are as before or as wanted, and the disk is as
 * it was.  Counts may be too high, none is too low; and a bitmap can be made
 * afterwards. */
#include "formats/qcow2/bitmap.h"
#include "tests/support/crash.h"
#include "tests/support/sweep.h"
#include "tests/unit/qcow2-test.h"

#include <errno.h>
#include <string.h>

#define DISK_SIZE (128 * 1024u)
#define OPTIONS "cluster_size=4k"

typedef struct {
    TestCo *t;
    VdBitmapChange change;
    const char
        *wanted; /* what the bitmaps are afterwards, as described below */
    bool done;
} Course;

/* "full": all is dirty, which its table says without a cluster of bits;
 * "copy": the same in a cluster; "none": nothing is. */
#define BEFORE "copy=1+ full=1+ none=0+ "

static const Course courses[] = {
    {.change = {.op = VD_BITMAP_ADD, .name = "other", .granularity = 512},
     .wanted = "copy=1+ full=1+ none=0+ other=0- "},
    {.change = {.op = VD_BITMAP_REMOVE, .name = "copy"},
     .wanted = "full=1+ none=0+ "},
    {.change = {.op = VD_BITMAP_CLEAR, .name = "copy"},
     .wanted = "copy=0+ full=1+ none=0+ "},
    {.change = {.op = VD_BITMAP_DISABLE, .name = "full"},
     .wanted = "copy=1+ full=1- none=0+ "},
    {.change = {.op = VD_BITMAP_MERGE, .name = "none", .source_name = "full"},
     .wanted = "copy=1+ full=1+ none=1+ "},
};

/* -- images ---------------------------------------------------------------- */

static void
change(VdNode *node, VdBitmapOp op, const char *name, const char *source)
{
    VdBitmapChange how = {
        .op = op, .name = name, .enabled = true, .source_name = source};
    g_autoptr(GError) error = NULL;

    vd_node_co_change_bitmap(node, &how, &error);
    g_assert_no_error(error);
}

/* The first entry of its table says so. */
static void
make_full(VdNode *node, const char *name)
{
    Qcow2State *s = vd_node_state(node);
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) list = qcow2_bitmaps_co_read(s, &error);
    uint64_t word = GUINT64_TO_BE(QCOW2_BITMAP_ALL_ONES);

    g_assert_no_error(error);
    vd_node_co_pwrite(s->file, qcow2_bitmaps_find(list, name)->table_off, &word,
                      sizeof(word), &error);
    g_assert_no_error(error);
}

static void
make_image(TestCo *t)
{
    VdNode *node;

    qcow2_test_create(t, DISK_SIZE, OPTIONS);
    node = qcow2_test_open(t, VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, DISK_SIZE, 1);
    change(node, VD_BITMAP_ADD, "copy", NULL);
    change(node, VD_BITMAP_ADD, "full", NULL);
    change(node, VD_BITMAP_ADD, "none", NULL);
    make_full(node, "full");
    change(node, VD_BITMAP_MERGE, "copy", "full");
    test_co_close(node);
}

/* -- what there may be ----------------------------------------------------- */

static void
describe_bits(VdNode *node, const char *name, GString *text)
{
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(VdDirtyRange));
    g_autoptr(GError) error = NULL;

    qcow2_co_read_bitmap(node, name, 0, UINT64_MAX, ranges, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(ranges->len, <=, 1);
    if (ranges->len) {
        const VdDirtyRange *range = &g_array_index(ranges, VdDirtyRange, 0);

        g_assert_cmpuint(range->off, ==, 0);
        g_assert_cmpuint(range->len, ==, DISK_SIZE);
    }
    g_string_append_printf(text, "%s=%u", name, ranges->len);
}

/* "NAME=DIRTY+" of an enabled one, "NAME=DIRTY-" of another. */
static char *
describe(VdNode *node)
{
    GString *text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) list = qcow2_co_list_bitmaps(node, &error);

    g_assert_no_error(error);
    for (unsigned i = 0; i < list->len; i++) {
        const VdBitmap *bitmap = list->pdata[i];

        g_assert_false(bitmap->in_use);
        describe_bits(node, bitmap->name, text);
        g_string_append(text, bitmap->enabled ? "+ " : "- ");
    }
    return g_string_free(text, FALSE);
}

/* @done: it must have happened. */
static void
assert_outcome(TestCo *t, const Course *c, bool done)
{
    VdNode *node = qcow2_test_open(t, 0);
    g_autofree char *text = describe(node);
    g_autofree char *more = g_strconcat(text, "later=0+ ", NULL), *later = NULL;

    if (done || strcmp(text, BEFORE) != 0)
        g_assert_cmpstr(text, ==, c->wanted);
    test_co_assert_pattern(node, 0, DISK_SIZE, 1);
    qcow2_test_assert_sound(node);
    test_co_close(node);
    node = qcow2_test_open(t, VD_OPEN_RDWR);
    change(node, VD_BITMAP_ADD, "later", NULL);
    later = describe(node);
    g_assert_cmpstr(later, ==, more);
    qcow2_test_assert_sound(node);
    test_co_assert_pattern(node, 0, DISK_SIZE, 1);
    test_co_close(node);
}

/* -- crashes --------------------------------------------------------------- */

static void
crash_check(const TestCrashPoint *point, void *arg)
{
    const Course *c = arg;
    TestCo t = *c->t;

    t.dir = (char *) point->dir;
    assert_outcome(&t, c, point->mark != 0);
}

static bool
course_act(void *arg, GError **error)
{
    Course *c = arg;
    VdNode *node = qcow2_test_try_open(c->t, VD_OPEN_RDWR, error);
    bool ok = node && vd_node_co_change_bitmap(node, &c->change, error);

    if (ok && !c->done)
        test_leaf_mark(1);
    return node && vd_node_co_close(node, ok ? error : NULL) && ok;
}

static void
test_crash(TestCo *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(courses); i++) {
        Course c = courses[i];
        TestCrash how = {.samples = 2, .seed = 11 + i, .check = crash_check};

        c.t = t;
        test_dir_empty(t->dir);
        make_image(t);
        g_assert_cmpuint(test_crash_try(&how, t->dir, course_act, &c), >, 10);
    }
}

/* -- failing requests ------------------------------------------------------ */

static void
sweep_prepare(void *arg)
{
    Course *c = arg;

    test_dir_empty(c->t->dir);
    make_image(c->t);
}

static void
sweep_check(void *arg, bool ok)
{
    Course *c = arg;

    assert_outcome(c->t, c, ok);
}

static void
sweep(TestCo *t, TestOp op)
{
    TestSweep how = {.op = op,
                     .errnum = ENOSPC,
                     .prepare = sweep_prepare,
                     .act = course_act,
                     .check = sweep_check,
                     .may_succeed = op == TEST_OP_READ};

    test_leaf_install();
    for (unsigned i = 0; i < G_N_ELEMENTS(courses); i++) {
        Course c = courses[i];

        c.t = t;
        c.done = true;
        g_assert_cmpuint(test_fault_sweep(&how, &c), >, 2);
    }
    test_leaf_remove();
}

static void
test_sweep_write(TestCo *t)
{
    sweep(t, TEST_OP_WRITE);
}

static void
test_sweep_flush(TestCo *t)
{
    sweep(t, TEST_OP_FLUSH);
}

/* A read that fails while the image is doubted costs space, not success. */
static void
test_sweep_read(TestCo *t)
{
    sweep(t, TEST_OP_READ);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/qcow2/bitmap/crash", test_crash);
    test_co_add("/qcow2/bitmap/fault/write", test_sweep_write);
    test_co_add("/qcow2/bitmap/fault/flush", test_sweep_flush);
    test_co_add("/qcow2/bitmap/fault/read", test_sweep_read);
    return g_test_run();
}
