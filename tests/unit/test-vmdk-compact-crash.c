/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-compact-crash.c - neither a crash nor a failing request
 * at any moment of shrinking and defragmenting costs a byte. */
#include "formats/vmdk/sparse/pack.h"
#include "tests/support/crash.h"
#include "tests/support/sweep.h"
#include "tests/unit/vmdk-test.h"

#include <errno.h>
#include <string.h>

#define SHRINK VD_COMPACT_SHRINK
#define DEFRAGMENT VD_COMPACT_DEFRAGMENT
#define DISK_SIZE (2 * MIB + 512)
#define BASE_SEED 1000

#define MONOLITHIC "grain_size=8k"
#define SPLIT "grain_size=8k,subformat=twoGbMaxExtentSparse,split_size=1M"
#define COWD "subformat=vmfsSparse"
#define MARKS "grain_size=8k,zeroed_grain=on"

typedef struct {
    TestCo *t;
    const char *options;
    bool child;
    unsigned what;
    bool unflushed; /* flushes are not under test: they take long */
    uint8_t *contents;
} Job;

/* For what is not under test: nobody pulls the plug on it. */
static VdNode *
open_unflushed(TestCo *t)
{
    return vmdk_test_open(t, "d.vmdk",
                          VD_OPEN_RDWR | VD_OPEN_UNMAP | VD_OPEN_NO_FLUSH);
}

/* Grains in any order, some of them zeroes, some given up. */
static void
job_prepare(void *arg)
{
    Job *job = arg;
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);
    g_autofree uint8_t *zeroes = g_malloc0(8 * KIB);
    g_autoptr(GError) error = NULL;
    VdNode *node;

    test_dir_empty(job->t->dir);
    if (job->child) {
        vmdk_test_create(job->t, "base.vmdk", DISK_SIZE, "");
        node = vmdk_test_open(job->t, "base.vmdk", VD_OPEN_RDWR);
        test_co_write_pattern(node, 0, DISK_SIZE, BASE_SEED);
        test_co_close(node);
    }
    vmdk_test_create_child(job->t, "d.vmdk", DISK_SIZE, job->options,
                           job->child ? "base.vmdk" : NULL);
    node = open_unflushed(job->t);
    for (unsigned i = 0; i < 24; i++) {
        uint64_t off = (uint64_t) g_rand_int_range(rand, 0, 256) * 8 * KIB;

        if (i % 4 == 3)
            vd_node_co_pwrite(node, off, zeroes, 8 * KIB, &error);
        else
            test_co_write_pattern(node, off, 8 * KIB, i + 1);
        g_assert_no_error(error);
    }
    test_co_write_pattern(node, 2 * MIB, 512, 99);
    test_co_close(node);
    node = open_unflushed(job->t);
    vd_node_co_discard(node, 256 * KIB, 256 * KIB, &error);
    g_assert_no_error(error);
    test_co_close(node);
}

static bool
job_act(void *arg, GError **error)
{
    Job *job = arg;
    VdOpenFlags flags = job->unflushed ? VD_OPEN_NO_FLUSH : 0;
    VdNode *node = vmdk_test_try_open(
        job->t, "d.vmdk", VD_OPEN_RDWR | VD_OPEN_UNMAP | flags, error);
    VdCompactParams params = {.what = job->what};
    VdCompactResult result = {0};
    bool ok;

    if (!node)
        return false;
    ok = vd_node_co_compact(node, &params, &result, error);
    return vd_node_co_close(node, ok ? error : NULL) && ok;
}

/* Nothing is lost, and the next one gets done what this one did not. */
static void
job_assert_unharmed(Job *job)
{
    VdNode *node = vmdk_test_open(job->t, "d.vmdk", 0);
    VmdkState *s = vmdk_test_state(node);
    bool unclean = false;

    for (unsigned i = 0; i < s->n_extents; i++)
        unclean |= s->extents[i].sparse->hdr.unclean;
    vmdk_test_assert_contents(node, job->contents);
    if (!unclean)
        vmdk_test_assert_sound(node, true);
    test_co_close(node);
    node = open_unflushed(job->t);
    vmdk_test_compact(node, job->what);
    vmdk_test_assert_contents(node, job->contents);
    test_co_close(node);
    node = vmdk_test_open(job->t, "d.vmdk", 0);
    vmdk_test_assert_contents(node, job->contents);
    /* Holes in front of tables that lie far behind stay. */
    vmdk_test_assert_sound(node, !strcmp(job->options, COWD));
    test_co_close(node);
}

static void
job_check(void *arg, bool ok)
{
    job_assert_unharmed(arg);
}

static void
job_crash_check(const TestCrashPoint *point, void *arg)
{
    const Job *job = arg;
    TestCo t = *job->t;
    Job other = *job;

    t.dir = (char *) point->dir;
    other.t = &t;
    job_assert_unharmed(&other);
}

static void
replay(Job *job)
{
    TestCrash crash = {.samples = 3, .seed = 5, .check = job_crash_check};

    job_prepare(job);
    g_assert_cmpuint(test_crash_try(&crash, job->t->dir, job_act, job), >, 20);
}

static void
sweep(Job *job)
{
    static const TestOp ops[] = {TEST_OP_WRITE, TEST_OP_FLUSH, TEST_OP_READ,
                                 TEST_OP_ZEROES, TEST_OP_TRUNCATE};
    unsigned fired = 0;

    test_leaf_install();
    for (unsigned i = 0; i < 2 * G_N_ELEMENTS(ops); i++) {
        TestSweep how = {.op = ops[i / 2],
                         .errnum = i % 2 ? EIO : ENOSPC,
                         .prepare = job_prepare,
                         .act = job_act,
                         .check = job_check};

        job->unflushed = how.op != TEST_OP_FLUSH;
        /* Redundant tables; zeroes that are written instead. */
        how.may_succeed = how.op == TEST_OP_READ || how.op == TEST_OP_ZEROES;
        if (i % 2 == 0 && (how.op == TEST_OP_READ || how.op == TEST_OP_FLUSH))
            continue; /* have no ENOSPC */
        fired += test_fault_sweep(&how, job);
    }
    test_leaf_remove();
    g_assert_cmpuint(fired, >, 20);
}

typedef enum { REPLAY, SWEEP } Trial;

static void
try(TestCo *t, Trial trial, const char *options, bool child, unsigned what)
{
    Job job = {.t = t, .options = options, .child = child, .what = what};

    job_prepare(&job);
    job.contents = vmdk_test_contents(t, "d.vmdk");
    vmdk_pack_set_bytes(48 * KIB); /* several batches */
    if (trial == REPLAY)
        replay(&job);
    else
        sweep(&job);
    vmdk_pack_set_bytes(0);
    g_free(job.contents);
}

#define TRIALS(name, options, child)                                           \
    static void test_replay_shrink_##name(TestCo *t)                           \
    {                                                                          \
        try(t, REPLAY, options, child, SHRINK);                                \
    }                                                                          \
    static void test_replay_defragment_##name(TestCo *t)                       \
    {                                                                          \
        try(t, REPLAY, options, child, SHRINK | DEFRAGMENT);                   \
    }                                                                          \
    static void test_sweep_shrink_##name(TestCo *t)                            \
    {                                                                          \
        try(t, SWEEP, options, child, SHRINK);                                 \
    }                                                                          \
    static void test_sweep_defragment_##name(TestCo *t)                        \
    {                                                                          \
        try(t, SWEEP, options, child, DEFRAGMENT);                             \
    }

TRIALS(monolithic, MONOLITHIC, false)
TRIALS(split, SPLIT, false)
TRIALS(marks, MARKS, true)
TRIALS(cowd, COWD, false)

#define ADD_TRIALS(name)                                                       \
    test_co_add("/vmdk/compact/replay/shrink/" #name,                          \
                test_replay_shrink_##name);                                    \
    test_co_add("/vmdk/compact/replay/defragment/" #name,                      \
                test_replay_defragment_##name);                                \
    test_co_add("/vmdk/compact/sweep/shrink/" #name,                           \
                test_sweep_shrink_##name);                                     \
    test_co_add("/vmdk/compact/sweep/defragment/" #name,                       \
                test_sweep_defragment_##name)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD_TRIALS(monolithic);
    ADD_TRIALS(split);
    ADD_TRIALS(marks);
    ADD_TRIALS(cowd);
    return g_test_run();
}
