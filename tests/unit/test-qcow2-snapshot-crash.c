/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-qcow2-snapshot-crash.c - power failures and failing requests
 * while snapshots are made, applied and deleted.
 *
 * Whatever happens, the image is as before or as wanted: the list, the disk and
 * each snapshot.  Counts may be too high, and COPIED may be wrong where nobody
 * else uses the cluster; no count is too low.  Who writes then changes the disk
 * and no snapshot. */
#include "formats/qcow2/driver.h"
#include "formats/qcow2/qcow2.h"
#include "tests/support/crash.h"
#include "tests/support/sweep.h"
#include "tests/unit/vmdk-test.h"

#include <errno.h>
#include <string.h>

#define NAME "d.qcow2"
#define QUARTER (32 * 1024u)
#define DISK_SIZE (4 * QUARTER)
#define OPTIONS "cluster_size=4k"

typedef struct {
    TestCo *t;
    VdSnapshotOp op;
    const char *name;
    bool done;
} Course;

/* -- images ---------------------------------------------------------------- */

static VdNode *
try_open(TestCo *t, const char *snapshot, VdOpenFlags flags, GError **error)
{
    g_autofree char *path = test_co_path(t, NAME);
    VdOptions *opts = vd_options_new();

    if (snapshot)
        vd_options_set(opts, "snapshot", snapshot);
    return vd_co_open(&t->env, path, "qcow2", opts, flags, error);
}

static VdNode *
open_image(TestCo *t, const char *snapshot, VdOpenFlags flags)
{
    g_autoptr(GError) error = NULL;
    VdNode *node = try_open(t, snapshot, flags, &error);

    g_assert_no_error(error);
    return node;
}

static void
change(VdNode *node, VdSnapshotOp op, const char *name)
{
    g_autoptr(GError) error = NULL;

    vd_node_co_snapshot(node, op, name, &error);
    g_assert_no_error(error);
}

/* Of state 1, quarters 1 1 1 1; 2: 2 2 1 1; 3: 2 3 3 1.  The disk is state 3.
 */
static void
make_image(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    VdNode *node;

    vmdk_test_try_create_of(t, &vd_qcow2_driver, NAME, DISK_SIZE, OPTIONS,
                            &error);
    g_assert_no_error(error);
    node = open_image(t, NULL, VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, DISK_SIZE, 1);
    change(node, VD_SNAPSHOT_CREATE, "first");
    test_co_write_pattern(node, 0, 2 * QUARTER, 2);
    change(node, VD_SNAPSHOT_CREATE, "second");
    test_co_write_pattern(node, QUARTER, 2 * QUARTER, 3);
    test_co_close(node);
}

/* -- what there may be ----------------------------------------------------- */

static void
assert_quarter(VdNode *node, unsigned quarter, uint32_t seed)
{
    test_co_assert_pattern(node, quarter * QUARTER, QUARTER, seed);
}

static void
assert_state(VdNode *node, unsigned state)
{
    g_assert_cmpuint(vd_node_size(node), ==, DISK_SIZE);
    assert_quarter(node, 0, MIN(state, 2));
    assert_quarter(node, 1, state);
    assert_quarter(node, 2, state == 3 ? 3 : 1);
    assert_quarter(node, 3, 1);
}

/* Which state the disk is in. */
static unsigned
state_of(VdNode *node)
{
    g_autofree uint8_t *bytes = g_malloc(QUARTER);
    g_autoptr(GError) error = NULL;

    vd_node_co_pread(node, QUARTER, bytes, QUARTER, &error);
    g_assert_no_error(error);
    for (unsigned state = 1; state <= 3; state++)
        if (test_pattern_differs(bytes, QUARTER, QUARTER, state) == QUARTER)
            return state;
    g_assert_not_reached();
}

static void
assert_snapshot(TestCo *t, const char *name, unsigned state)
{
    VdNode *node = open_image(t, name, 0);

    assert_state(node, state);
    test_co_close(node);
}

static bool
has_snapshot(VdNode *node, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) list = qcow2_co_list_snapshots(node, &error);

    g_assert_no_error(error);
    for (unsigned i = 0; i < list->len; i++)
        if (!strcmp(((VdSnapshot *) list->pdata[i])->name, name))
            return true;
    return false;
}

/* Every corruption is one of a COPIED bit. */
static void
assert_harmless(VdNode *node)
{
    VdCheckParams params = {0};
    VdCheckResult result = {.max_findings = 1000};
    g_autoptr(GError) error = NULL;

    vd_qcow2_driver.co_check(node, &params, &result, &error);
    g_assert_no_error(error);
    for (unsigned i = 0; result.findings && i < result.findings->len; i++) {
        const VdFinding *finding = g_ptr_array_index(result.findings, i);

        if (!strcmp(finding->kind, "corruption") &&
            !strstr(finding->detail, "COPIED"))
            g_error("%s", finding->detail);
    }
    g_clear_pointer(&result.findings, g_ptr_array_unref);
}

/* @done: it must have happened. */
static void
assert_outcome(TestCo *t, const Course *c, bool done)
{
    VdNode *node = open_image(t, NULL, 0);
    bool third = has_snapshot(node, "third");
    bool second = has_snapshot(node, "second");
    unsigned state = state_of(node);

    g_assert_true(has_snapshot(node, "first"));
    g_assert_true(c->op == VD_SNAPSHOT_CREATE || !third);
    g_assert_true(c->op == VD_SNAPSHOT_DELETE || second);
    g_assert_true(c->op == VD_SNAPSHOT_APPLY ? state != 2 : state == 3);
    if (done)
        g_assert_true(c->op == VD_SNAPSHOT_CREATE  ? third
                      : c->op == VD_SNAPSHOT_APPLY ? state == 1
                                                   : !second);
    assert_state(node, state);
    assert_harmless(node);
    test_co_close(node);
    node = open_image(t, NULL, VD_OPEN_RDWR);
    test_co_write_pattern(node, 1000, DISK_SIZE - 2000, 9);
    test_co_close(node);
    assert_snapshot(t, "first", 1);
    if (second)
        assert_snapshot(t, "second", 2);
    if (third)
        assert_snapshot(t, "third", 3);
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
    VdNode *node = try_open(c->t, NULL, VD_OPEN_RDWR, error);
    bool ok = node && vd_node_co_snapshot(node, c->op, c->name, error);

    if (ok && !c->done)
        test_leaf_mark(1);
    return node && vd_node_co_close(node, ok ? error : NULL) && ok;
}

static void
crash(TestCo *t, VdSnapshotOp op, const char *name)
{
    Course c = {.t = t, .op = op, .name = name};
    TestCrash how = {.samples = 2, .seed = 7 + op, .check = crash_check};

    make_image(t);
    g_assert_cmpuint(test_crash_try(&how, t->dir, course_act, &c), >, 10);
}

static void
test_crash_create(TestCo *t)
{
    crash(t, VD_SNAPSHOT_CREATE, "third");
}

static void
test_crash_apply(TestCo *t)
{
    crash(t, VD_SNAPSHOT_APPLY, "first");
}

static void
test_crash_delete(TestCo *t)
{
    crash(t, VD_SNAPSHOT_DELETE, "second");
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
sweep(TestCo *t, VdSnapshotOp op, const char *name)
{
    static const TestOp ops[] = {TEST_OP_WRITE, TEST_OP_FLUSH, TEST_OP_READ};
    Course c = {.t = t, .op = op, .name = name, .done = true};
    TestSweep how = {.errnum = ENOSPC,
                     .prepare = sweep_prepare,
                     .act = course_act,
                     .check = sweep_check};

    test_leaf_install();
    for (unsigned i = 0; i < G_N_ELEMENTS(ops); i++) {
        how.op = ops[i];
        g_assert_cmpuint(test_fault_sweep(&how, &c), >, 2);
    }
    test_leaf_remove();
}

static void
test_sweep_create(TestCo *t)
{
    sweep(t, VD_SNAPSHOT_CREATE, "third");
}

static void
test_sweep_apply(TestCo *t)
{
    sweep(t, VD_SNAPSHOT_APPLY, "first");
}

static void
test_sweep_delete(TestCo *t)
{
    sweep(t, VD_SNAPSHOT_DELETE, "second");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/qcow2/snapshot/crash/create", test_crash_create);
    test_co_add("/qcow2/snapshot/crash/apply", test_crash_apply);
    test_co_add("/qcow2/snapshot/crash/delete", test_crash_delete);
    test_co_add("/qcow2/snapshot/fault/create", test_sweep_create);
    test_co_add("/qcow2/snapshot/fault/apply", test_sweep_apply);
    test_co_add("/qcow2/snapshot/fault/delete", test_sweep_delete);
    return g_test_run();
}
