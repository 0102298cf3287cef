/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-qcow2-crash.c - power failures and failing requests while an
 * image is written in place.
 *
 * After a crash at any moment, with any part of what was not flushed lost, the
 * image opens, each sector holds what was last flushed there or something
 * newer, and a check, ours and qemu-img's, finds leaks at most; and so it is
 * after the next writer.
 */
#include "tests/support/crash.h"
#include "tests/support/sweep.h"
#include "tests/unit/crash-session.h"
#include "tests/unit/qcow2-test.h"

#include <errno.h>
#include <string.h>

#define DISK_SIZE (3 * MIB + 512)
#define LATER_AT MIB
#define LATER_BYTES 70000u
#define LATER_SEED 500
/* qemu-img is a process each time: it sees every fourth state. */
#define QEMU_EVERY 4

typedef struct {
    CrashSession session; /* first: what crash_check() is given */
    char *qemu_img;       /* NULL = not installed */
    unsigned n_states;
} Session;

/* Exit 3 are leaks.  A data file is looked for where qemu-img runs. */
static void
assert_qemu_finds_leaks_at_most(const Session *s, const TestCo *t)
{
    g_autofree char *path = test_co_path(t, QCOW2_TEST_NAME);
    const char *argv[] = {s->qemu_img, "check", "-q", "-f",
                          "qcow2",     path,    NULL};
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    int status = 0;

    g_spawn_sync(t->dir, (char **) argv, NULL, G_SPAWN_DEFAULT, NULL, NULL,
                 NULL, &text, &status, &error);
    g_assert_no_error(error);
    if (!WIFEXITED(status) ||
        (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 3))
        g_error("qemu-img check: status %d: %s", status, text);
}

static void
crash_check(const TestCrashPoint *point, void *arg)
{
    Session *s = arg;
    TestCo t = *s->session.t;
    VdNode *node;

    t.dir = (char *) point->dir;
    if (s->qemu_img && s->n_states++ % QEMU_EVERY == 0)
        assert_qemu_finds_leaks_at_most(s, &t);
    node = qcow2_test_open(&t, VD_OPEN_CHECK);
    crash_session_assert(&s->session, node, point->mark);
    qcow2_test_assert_sound(node);
    test_co_close(node);
    node = qcow2_test_open(&t, VD_OPEN_RDWR);
    test_co_write_pattern(node, LATER_AT, LATER_BYTES, LATER_SEED);
    test_co_close(node);
    node = qcow2_test_open(&t, VD_OPEN_CHECK);
    test_co_assert_pattern(node, LATER_AT, LATER_BYTES, LATER_SEED);
    qcow2_test_assert_sound(node);
    test_co_close(node);
}

static void
fill_base(TestCo *t)
{
    VdNode *node = qcow2_test_open(t, VD_OPEN_RDWR);

    test_co_write_pattern(node, 0, DISK_SIZE, CRASH_BASE_SEED);
    test_co_close(node);
}

static bool
run_session(void *arg, GError **error)
{
    Session *s = arg;
    VdNode *node =
        qcow2_test_try_open(s->session.t, VD_OPEN_RDWR | VD_OPEN_UNMAP, error);
    bool ok;

    if (!node)
        return false;
    ok = crash_session_run(&s->session, node, error);
    return vd_node_co_close(node, ok ? error : NULL) && ok;
}

/* @full: each cluster has a place before. */
static void
replay(TestCo *t, const char *options, bool full, uint32_t seed)
{
    Session s = {.session = {.t = t,
                             .name = QCOW2_TEST_NAME,
                             .size = DISK_SIZE,
                             .has_base = full,
                             .recorded = true},
                 .qemu_img = g_find_program_in_path("qemu-img")};
    TestCrash crash = {.samples = 1, .seed = seed, .check = crash_check};

    qcow2_test_create(t, DISK_SIZE, options);
    if (full)
        fill_base(t);
    crash_session_plan(&s.session, seed);
    g_assert_cmpuint(test_crash_try(&crash, t->dir, run_session, &s), >, 20);
    g_free(s.qemu_img);
}

static void
test_crash_default(TestCo *t)
{
    replay(t, "", false, 51);
}

static void
test_crash_full(TestCo *t)
{
    replay(t, "cluster_size=16k", true, 52);
}

/* Many tables, and counts whose blocks are many, too. */
static void
test_crash_small_clusters(TestCo *t)
{
    replay(t, "cluster_size=512", false, 53);
}

static void
test_crash_extended(TestCo *t)
{
    replay(t, "extended_l2=on,cluster_size=32k", false, 54);
}

static void
test_crash_version_2(TestCo *t)
{
    replay(t, "compat=0.10,cluster_size=4k", true, 55);
}

static void
test_crash_one_bit(TestCo *t)
{
    replay(t, "refcount_bits=1,cluster_size=4k", false, 56);
}

static void
test_crash_lazy(TestCo *t)
{
    replay(t, "lazy_refcounts=on,cluster_size=4k", false, 57);
}

static void
test_crash_preallocated(TestCo *t)
{
    replay(t, "preallocation=metadata", false, 58);
}

static void
test_crash_data_file(TestCo *t)
{
    replay(t, "data_file=d.data", false, 59);
}

/* -- failing requests ------------------------------------------------------ */

typedef struct {
    Session s;
    const char *options;
} Sweep;

static void
sweep_prepare(void *arg)
{
    Sweep *sw = arg;

    sw->s.session.durable = 0;
    test_dir_empty(sw->s.session.t->dir);
    qcow2_test_create(sw->s.session.t, DISK_SIZE, sw->options);
}

static bool
sweep_act(void *arg, GError **error)
{
    return run_session(&((Sweep *) arg)->s, error);
}

/* Nothing is lost but what was never flushed. */
static void
sweep_check(void *arg, bool ok)
{
    Sweep *sw = arg;
    CrashSession *session = &sw->s.session;
    VdNode *node = qcow2_test_open(session->t, VD_OPEN_CHECK);

    crash_session_assert(session, node, ok ? CRASH_STEPS : session->durable);
    qcow2_test_assert_sound(node);
    test_co_close(node);
}

static void
sweep(TestCo *t, const char *options, uint32_t seed)
{
    static const TestOp ops[] = {TEST_OP_WRITE, TEST_OP_FLUSH, TEST_OP_READ};
    Sweep sw = {
        .s.session = {.t = t, .name = QCOW2_TEST_NAME, .size = DISK_SIZE},
        .options = options};
    TestSweep how = {.errnum = ENOSPC,
                     .prepare = sweep_prepare,
                     .act = sweep_act,
                     .check = sweep_check};

    crash_session_plan(&sw.s.session, seed);
    test_leaf_install();
    for (unsigned i = 0; i < G_N_ELEMENTS(ops); i++) {
        how.op = ops[i];
        g_assert_cmpuint(test_fault_sweep(&how, &sw), >, 2);
    }
    test_leaf_remove();
}

static void
test_sweep_default(TestCo *t)
{
    sweep(t, "", 61);
}

static void
test_sweep_small_clusters(TestCo *t)
{
    sweep(t, "cluster_size=2k", 62);
}

static void
test_sweep_extended(TestCo *t)
{
    sweep(t, "extended_l2=on,cluster_size=16k", 63);
}

/* The end of a file is no place for half a cluster. */
static void
test_last_cluster_is_whole(TestCo *t)
{
    size_t len;
    g_autofree char *file = NULL;
    VdNode *node;

    qcow2_test_create(t, DISK_SIZE, "");
    node = qcow2_test_open(t, VD_OPEN_RDWR);
    test_co_write_pattern(node, 2 * MIB, 512, 1);
    test_co_close(node);
    file = vmdk_test_read_file(t, QCOW2_TEST_NAME, &len);
    g_assert_cmpuint(len % 65536, ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/qcow2/crash/default", test_crash_default);
    test_co_add("/qcow2/crash/full", test_crash_full);
    test_co_add("/qcow2/crash/small-clusters", test_crash_small_clusters);
    test_co_add("/qcow2/crash/extended", test_crash_extended);
    test_co_add("/qcow2/crash/version-2", test_crash_version_2);
    test_co_add("/qcow2/crash/one-bit", test_crash_one_bit);
    test_co_add("/qcow2/crash/lazy", test_crash_lazy);
    test_co_add("/qcow2/crash/preallocated", test_crash_preallocated);
    test_co_add("/qcow2/crash/data-file", test_crash_data_file);
    test_co_add("/qcow2/fault/default", test_sweep_default);
    test_co_add("/qcow2/fault/small-clusters", test_sweep_small_clusters);
    test_co_add("/qcow2/fault/extended", test_sweep_extended);
    test_co_add("/qcow2/last-cluster-is-whole", test_last_cluster_is_whole);
    return g_test_run();
}
