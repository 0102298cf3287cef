/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vhdx-crash.c - power failures and failing requests.
 *
 * After a crash at any moment, with any part of what was not flushed lost, a
 * reader sees in each sector what was last flushed there or something newer;
 * so does a writer, who leaves an image that needs no log. */
#include "tests/support/crash.h"
#include "tests/support/sweep.h"
#include "tests/unit/crash-session.h"
#include "tests/unit/vhdx-test.h"

#include <errno.h>
#include <string.h>

#define DISK_SIZE (5 * MIB + 4096)
#define PAGE 4096u

static void
crash_check(const TestCrashPoint *point, void *arg)
{
    const CrashSession *s = arg;
    TestCo t = *s->t;
    VdNode *node;

    t.dir = (char *) point->dir;
    node = vhdx_test_open(&t, 0);
    crash_session_assert(s, node, point->mark);
    vhdx_test_assert_sound(node);
    test_co_close(node);
    node = vhdx_test_open(&t, VD_OPEN_RDWR);
    crash_session_assert(s, node, point->mark);
    test_co_write_pattern(node, MIB, 70000, 500);
    test_co_close(node);
    node = vhdx_test_open(&t, 0);
    g_assert_null(((VhdxState *) vd_node_state(node))->replay.patches);
    test_co_assert_pattern(node, MIB, 70000, 500);
    vhdx_test_assert_sound(node);
    test_co_close(node);
}

static void
make_image(TestCo *t, const char *options)
{
    vhdx_test_create(t, DISK_SIZE, options);
}

/* The session, or what opening alone does. */
static void
replay_image(TestCo *t, CrashSession *s, bool only_open, uint32_t seed)
{
    char *base = test_dir_new();
    g_autoptr(GPtrArray) changes = NULL;
    g_autoptr(GError) error = NULL;
    TestCrash crash = {
        .base_dir = base, .samples = 1, .seed = seed, .check = crash_check};
    VdNode *node;

    test_dir_copy(t->dir, base);
    test_leaf_install();
    test_leaf_record();
    node = vhdx_test_open(t, VD_OPEN_RDWR | VD_OPEN_UNMAP);
    if (!only_open) {
        crash_session_run(s, node, &error);
        g_assert_no_error(error);
    }
    test_co_close(node);
    changes = test_leaf_record_end();
    test_leaf_remove();
    crash.changes = changes;
    g_assert_cmpuint(test_crash_replay(&crash, s), >, (only_open ? 5u : 20u));
    test_dir_remove(base);
}

static void
replay(TestCo *t, const char *options, uint32_t seed)
{
    CrashSession s = {
        .t = t, .name = VHDX_TEST_NAME, .size = DISK_SIZE, .recorded = true};

    make_image(t, options);
    crash_session_plan(&s, seed);
    replay_image(t, &s, false, seed);
}

static void
test_crash_dynamic(TestCo *t)
{
    replay(t, "", 31);
}

static void
test_crash_large_sectors(TestCo *t)
{
    replay(t, "logical_sector_size=4096,block_size=2M", 32);
}

static void
test_crash_fixed(TestCo *t)
{
    replay(t, "subformat=fixed", 33);
}

/* As if it had crashed before the table was written, but after the log was. */
static void
make_dirty_image(TestCo *t)
{
    static const uint8_t none[PAGE];
    g_autofree uint8_t *headers = g_malloc(2 * PAGE);
    g_autoptr(GError) error = NULL;
    VdNode *node;

    make_image(t, "");
    node = vhdx_test_open(t, VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, DISK_SIZE, CRASH_BASE_SEED);
    vd_node_co_flush(node, &error);
    g_assert_no_error(error);
    for (unsigned i = 0; i < 2; i++)
        vhdx_test_peek(t, VHDX_HEADER_AT(i), headers + i * PAGE, PAGE);
    test_co_close(node);
    for (unsigned i = 0; i < 2; i++)
        vhdx_test_poke(t, VHDX_HEADER_AT(i), headers + i * PAGE, PAGE);
    vhdx_test_poke(t, VHDX_TEST_TABLE, none, sizeof(none));
}

/* A session of no steps: all that is on the disk comes from its base. */
static void
test_crash_during_replay(TestCo *t)
{
    CrashSession s = {.t = t,
                      .name = VHDX_TEST_NAME,
                      .size = DISK_SIZE,
                      .has_base = true,
                      .recorded = true};

    make_dirty_image(t);
    replay_image(t, &s, true, 34);
}

/* -- failing requests -------------------------------------------------------
 */

static const BlocksTest image = {&vd_vhdx_driver, VHDX_TEST_NAME};

static void
test_sweep_dynamic(TestCo *t)
{
    blocks_test_sweep(t, &image, DISK_SIZE, "", 41);
}

static void
dirty_prepare(void *arg)
{
    CrashSession *s = arg;

    test_dir_empty(s->t->dir);
    make_dirty_image(s->t);
}

static bool
dirty_act(void *arg, GError **error)
{
    CrashSession *s = arg;
    VdNode *node = vhdx_test_try_open(s->t, VD_OPEN_RDWR, error);

    return node && vd_node_co_close(node, error);
}

/* Done or still to be done, it reads the same. */
static void
dirty_check(void *arg, bool ok)
{
    const CrashSession *s = arg;
    VdNode *node = vhdx_test_open(s->t, 0);
    const VhdxState *state = vd_node_state(node);

    g_assert_true(!ok || !state->replay.patches);
    crash_session_assert(s, node, 0);
    vhdx_test_assert_sound(node);
    test_co_close(node);
}

static void
test_sweep_replay(TestCo *t)
{
    static const TestOp ops[] = {TEST_OP_WRITE, TEST_OP_FLUSH, TEST_OP_READ};
    CrashSession s = {
        .t = t, .name = VHDX_TEST_NAME, .size = DISK_SIZE, .has_base = true};
    TestSweep how = {.errnum = EIO,
                     .prepare = dirty_prepare,
                     .act = dirty_act,
                     .check = dirty_check};

    test_leaf_install();
    for (unsigned i = 0; i < G_N_ELEMENTS(ops); i++) {
        how.op = ops[i];
        g_assert_cmpuint(test_fault_sweep(&how, &s), >, 2);
    }
    test_leaf_remove();
}

static void
test_failed_creation_leaves_nothing(TestCo *t)
{
    blocks_test_sweep_create(t, &image, DISK_SIZE, "subformat=fixed");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/vhdx/crash/dynamic", test_crash_dynamic);
    test_co_add("/vhdx/crash/large-sectors", test_crash_large_sectors);
    test_co_add("/vhdx/crash/fixed", test_crash_fixed);
    test_co_add("/vhdx/crash/during-replay", test_crash_during_replay);
    test_co_add("/vhdx/fault/dynamic", test_sweep_dynamic);
    test_co_add("/vhdx/fault/replay", test_sweep_replay);
    test_co_add("/vhdx/fault/create", test_failed_creation_leaves_nothing);
    return g_test_run();
}
