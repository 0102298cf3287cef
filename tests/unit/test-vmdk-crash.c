/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-crash.c - power failures and failing requests.
 *
 * After a crash at any moment, with any part of what was not flushed lost, each
 * sector holds what was last flushed there or something newer, the tables are
 * sound, and the disk can be written again. */
#include "tests/support/crash.h"
#include "tests/support/sweep.h"
#include "tests/unit/crash-session.h"
#include "tests/unit/vmdk-test.h"

#include <errno.h>

#define DISK_SIZE (5 * MIB + 512)
/* -- crashes
 * ---------------------------------------------------------------------------
 */

static void
crash_check(const TestCrashPoint *point, void *arg)
{
    const CrashSession *s = arg;
    TestCo t = *s->t;
    VdNode *node;

    t.dir = (char *) point->dir;
    node = vmdk_test_open(&t, s->name, 0);
    crash_session_assert(s, node, point->mark);
    vmdk_test_assert_sound(node, true); /* even before anyone made it good */
    test_co_close(node);
    node = vmdk_test_open(&t, s->name, VD_OPEN_RDWR);
    test_co_write_pattern(node, MIB, 70000, 500);
    test_co_close(node);
    node = vmdk_test_open(&t, s->name, 0);
    test_co_assert_pattern(node, MIB, 70000, 500);
    vmdk_test_assert_sound(node, true);
    test_co_close(node);
}

static void
make_image(TestCo *t, const char *options, bool child)
{
    VdNode *node;

    if (!child) {
        vmdk_test_create(t, "d.vmdk", DISK_SIZE, options);
        return;
    }
    vmdk_test_create(t, "base.vmdk", DISK_SIZE, "grain_size=8k");
    node = vmdk_test_open(t, "base.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, DISK_SIZE, CRASH_BASE_SEED);
    test_co_close(node);
    vmdk_test_create_child(t, "d.vmdk", DISK_SIZE, options, "base.vmdk");
}

/* As other tools leave them out: no grain tables yet.  Of grains of 4 KiB:
 * three tables, directories at sectors 21 and 34. */
static void
remove_tables(TestCo *t)
{
    static const uint8_t none[12];

    vmdk_test_poke(t, "d.vmdk", 21 * 512, none, sizeof(none));
    vmdk_test_poke(t, "d.vmdk", 34 * 512, none, sizeof(none));
}

static void
replay_image(TestCo *t, bool child, uint32_t seed)
{
    char *base = test_dir_new();
    g_autoptr(GPtrArray) changes = NULL;
    g_autoptr(GError) error = NULL;
    CrashSession s = {.t = t,
                      .name = "d.vmdk",
                      .size = DISK_SIZE,
                      .has_base = child,
                      .recorded = true};
    TestCrash crash = {
        .base_dir = base, .samples = 1, .seed = seed, .check = crash_check};
    VdNode *node;

    crash_session_plan(&s, seed);
    test_dir_copy(t->dir, base);
    test_leaf_install();
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR | VD_OPEN_UNMAP);
    test_leaf_record();
    crash_session_run(&s, node, &error);
    g_assert_no_error(error);
    test_co_close(node);
    changes = test_leaf_record_end();
    test_leaf_remove();
    crash.changes = changes;
    g_assert_cmpuint(test_crash_replay(&crash, &s), >, 30);
    test_dir_remove(base);
}

static void
replay(TestCo *t, const char *options, bool child, uint32_t seed)
{
    make_image(t, options, child);
    replay_image(t, child, seed);
}

static void
test_crash_sparse(TestCo *t)
{
    replay(t, "", false, 11);
}

static void
test_crash_small_grains(TestCo *t)
{
    replay(t, "grain_size=4k", false, 12);
}

static void
test_crash_split(TestCo *t)
{
    replay(t, "subformat=twoGbMaxExtentSparse,split_size=2M", false, 13);
}

static void
test_crash_child(TestCo *t)
{
    replay(t, "grain_size=4k", true, 14);
}

static void
test_crash_zeroed_grain_child(TestCo *t)
{
    replay(t, "grain_size=4k,zeroed_grain=on", true, 15);
}

static void
test_crash_missing_tables(TestCo *t)
{
    make_image(t, "grain_size=4k", false);
    remove_tables(t);
    replay_image(t, false, 16);
}

static void
test_crash_vmfs_sparse(TestCo *t)
{
    replay(t, "subformat=vmfsSparse", false, 17);
}

static void
test_crash_vmfs_sparse_child(TestCo *t)
{
    replay(t, "subformat=vmfsSparse,grain_size=4k", true, 18);
}

/* -- failing requests
 * -------------------------------------------------------------------- */

typedef struct {
    CrashSession session;
    const char *options;
    bool child;
} Sweep;

static void
sweep_prepare(void *arg)
{
    Sweep *sw = arg;
    TestCo *t = sw->session.t;

    sw->session.durable = 0;
    test_dir_empty(t->dir);
    make_image(t, sw->options, sw->child);
}

static bool
sweep_act(void *arg, GError **error)
{
    Sweep *sw = arg;
    VdNode *node = vmdk_test_try_open(sw->session.t, "d.vmdk",
                                      VD_OPEN_RDWR | VD_OPEN_UNMAP, error);
    bool ok;

    if (!node)
        return false;
    ok = crash_session_run(&sw->session, node, error);
    return vd_node_co_close(node, ok ? error : NULL) && ok;
}

/* Nothing is lost but what was never flushed. */
static void
sweep_check(void *arg, bool ok)
{
    Sweep *sw = arg;
    VdNode *node = vmdk_test_open(sw->session.t, "d.vmdk", 0);

    crash_session_assert(&sw->session, node,
                         ok ? CRASH_STEPS : sw->session.durable);
    test_co_close(node);
    /* What the failure has left behind is made good by the next writer. */
    test_co_close(vmdk_test_open(sw->session.t, "d.vmdk", VD_OPEN_RDWR));
    node = vmdk_test_open(sw->session.t, "d.vmdk", 0);
    vmdk_test_assert_sound(node, true);
    test_co_close(node);
}

static void
sweep(TestCo *t, const char *options, bool child, uint32_t seed)
{
    static const TestOp ops[] = {TEST_OP_WRITE, TEST_OP_FLUSH, TEST_OP_READ};
    Sweep sw = {.session = {.t = t,
                            .name = "d.vmdk",
                            .size = DISK_SIZE,
                            .has_base = child},
                .options = options,
                .child = child};
    TestSweep how = {.errnum = ENOSPC,
                     .prepare = sweep_prepare,
                     .act = sweep_act,
                     .check = sweep_check};

    crash_session_plan(&sw.session, seed);
    test_leaf_install();
    for (unsigned i = 0; i < G_N_ELEMENTS(ops); i++) {
        how.op = ops[i];
        how.may_succeed = ops[i] == TEST_OP_READ; /* redundant tables */
        g_assert_cmpuint(test_fault_sweep(&how, &sw), >, 2);
    }
    test_leaf_remove();
}

static void
test_sweep_sparse(TestCo *t)
{
    sweep(t, "grain_size=16k", false, 21);
}

static void
test_sweep_child(TestCo *t)
{
    sweep(t, "grain_size=16k,zeroed_grain=on", true, 22);
}

static void
test_sweep_flat(TestCo *t)
{
    sweep(t, "subformat=twoGbMaxExtentSparse,split_size=3M", false, 23);
}

static void
test_sweep_vmfs_sparse(TestCo *t)
{
    sweep(t, "subformat=vmfsSparse", false, 24);
}

static void
test_sweep_vmfs_sparse_child(TestCo *t)
{
    sweep(t, "subformat=vmfsSparse", true, 25);
}

/* -- creating
 * -------------------------------------------------------------------------------
 */

typedef struct {
    TestCo *t;
    const char *options;
} Create;

static void
create_prepare(void *arg)
{
    Create *c = arg;

    test_dir_empty(c->t->dir);
}

static bool
create_act(void *arg, GError **error)
{
    Create *c = arg;

    return vmdk_test_try_create(c->t, "d.vmdk", 5 * MIB, c->options, NULL,
                                error);
}

/* All files or none. */
static void
create_check(void *arg, bool ok)
{
    Create *c = arg;
    g_autoptr(GDir) dir = g_dir_open(c->t->dir, 0, NULL);
    VdNode *node;

    if (!ok) {
        g_assert_null(g_dir_read_name(dir));
        return;
    }
    node = vmdk_test_open(c->t, "d.vmdk", 0);
    test_co_assert_zero(node, 0, 5 * MIB);
    vmdk_test_assert_sound(node, false);
    test_co_close(node);
}

static void
test_failed_creation_leaves_nothing(TestCo *t)
{
    static const char *const options[] = {
        "",
        "subformat=monolithicFlat",
        "subformat=twoGbMaxExtentSparse,split_size=2M",
        "subformat=twoGbMaxExtentFlat,split_size=2M",
        "subformat=streamOptimized",
        "subformat=vmfsSparse",
    };
    static const TestOp ops[] = {TEST_OP_WRITE, TEST_OP_TRUNCATE, TEST_OP_OPEN};
    unsigned fired = 0;

    test_leaf_install();
    for (unsigned i = 0; i < G_N_ELEMENTS(options) * 3; i++) {
        Create c = {t, options[i / 3]};
        TestSweep how = {.op = ops[i % 3],
                         .errnum = ENOSPC,
                         .prepare = create_prepare,
                         .act = create_act,
                         .check = create_check};

        fired += test_fault_sweep(&how, &c);
    }
    g_assert_cmpuint(fired, >, 20);
    test_leaf_remove();
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/vmdk/crash/sparse", test_crash_sparse);
    test_co_add("/vmdk/crash/small-grains", test_crash_small_grains);
    test_co_add("/vmdk/crash/split", test_crash_split);
    test_co_add("/vmdk/crash/child", test_crash_child);
    test_co_add("/vmdk/crash/zeroed-grain-child",
                test_crash_zeroed_grain_child);
    test_co_add("/vmdk/crash/missing-tables", test_crash_missing_tables);
    test_co_add("/vmdk/crash/vmfs-sparse", test_crash_vmfs_sparse);
    test_co_add("/vmdk/crash/vmfs-sparse-child", test_crash_vmfs_sparse_child);
    test_co_add("/vmdk/fault/sparse", test_sweep_sparse);
    test_co_add("/vmdk/fault/child", test_sweep_child);
    test_co_add("/vmdk/fault/split", test_sweep_flat);
    test_co_add("/vmdk/fault/vmfs-sparse", test_sweep_vmfs_sparse);
    test_co_add("/vmdk/fault/vmfs-sparse-child", test_sweep_vmfs_sparse_child);
    test_co_add("/vmdk/fault/create", test_failed_creation_leaves_nothing);
    return g_test_run();
}
