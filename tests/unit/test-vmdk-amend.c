/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-amend.c - marks for grains of zeroes, allowed and
 * forbidden later: what the disk shows stays, and neither a crash nor a failing
 * request leaves it between. */
#include "tests/support/crash.h"
#include "tests/support/sweep.h"
#include "tests/unit/vmdk-test.h"

#include <errno.h>
#include <string.h>

#define DISK_SIZE (2 * MIB + 512)
#define GRAIN (8 * KIB)
#define BASE_SEED 1000

#define MONOLITHIC "grain_size=8k"
#define SPLIT "grain_size=8k,subformat=twoGbMaxExtentSparse,split_size=1M"
#define MARKS ",zeroed_grain=on"

typedef struct {
    TestCo *t;
    const char *options;
    bool child, on; /* above a parent; what is wanted */
    bool unflushed; /* flushes are not under test: they take long */
    uint8_t *contents;
} Job;

/* -- making and looking ---------------------------------------------------- */

static void
zero_grains(VdNode *node, unsigned first, unsigned n)
{
    GError *error = NULL;

    vd_node_co_write_zeroes(node, first * GRAIN, n * GRAIN, VD_REQ_MAY_UNMAP,
                            &error);
    g_assert_no_error(error);
}

static void
make_parent(TestCo *t)
{
    VdNode *node;

    vmdk_test_create(t, "base.vmdk", DISK_SIZE, "");
    node = vmdk_test_open(t, "base.vmdk", VD_OPEN_RDWR | VD_OPEN_NO_FLUSH);
    test_co_write_pattern(node, 0, DISK_SIZE, BASE_SEED);
    test_co_close(node);
}

/* Data, holes and zeroes, at the end and across extents too. */
static void
job_prepare(void *arg)
{
    Job *job = arg;
    VdNode *node;

    test_dir_empty(job->t->dir);
    if (job->child)
        make_parent(job->t);
    vmdk_test_create_child(job->t, "d.vmdk", DISK_SIZE, job->options,
                           job->child ? "base.vmdk" : NULL);
    node = vmdk_test_open(job->t, "d.vmdk",
                          VD_OPEN_RDWR | VD_OPEN_UNMAP | VD_OPEN_NO_FLUSH);
    test_co_write_pattern(node, 5 * GRAIN, 7 * GRAIN, 1);
    test_co_write_pattern(node, 120 * GRAIN, 20 * GRAIN, 2);
    zero_grains(node, 0, 3);
    zero_grains(node, 7, 2);
    zero_grains(node, 126, 5);
    zero_grains(node, 250, 6);
    test_co_write_pattern(node, 2 * MIB, 512, 99);
    test_co_close(node);
}

static bool
allows_marks(VdNode *node, unsigned i)
{
    const VmdkHeader *hdr = &vmdk_test_state(node)->extents[i].sparse->hdr;
    bool flag = hdr->flags & VMDK_FLAG_ZEROED_GTE;

    g_assert_cmpuint(hdr->version, ==, flag ? 2 : 1);
    return flag;
}

/* All as wanted, or the first one not yet. */
static bool
job_is_done(const Job *job, VdNode *node)
{
    bool done = allows_marks(node, 0) == job->on;

    for (unsigned i = 1; i < vmdk_test_state(node)->n_extents; i++)
        g_assert_true(!done || allows_marks(node, i) == job->on);
    return done;
}

static bool
is_unclean(VdNode *node)
{
    VmdkState *s = vmdk_test_state(node);
    bool unclean = false;

    for (unsigned i = 0; i < s->n_extents; i++)
        unclean |= s->extents[i].sparse->hdr.unclean;
    return unclean;
}

/* -- the change ------------------------------------------------------------ */

static bool
amend(VdNode *node, const char *text, GError **error)
{
    g_autoptr(VdOptions) opts = vd_options_new();
    GError *wrong = NULL;

    vd_options_parse(opts, text, &wrong);
    g_assert_no_error(wrong);
    return vd_node_co_amend(node, opts, error);
}

static bool
job_act(void *arg, GError **error)
{
    Job *job = arg;
    VdOpenFlags flags = job->unflushed ? VD_OPEN_NO_FLUSH : 0;
    VdNode *node = vmdk_test_try_open(
        job->t, "d.vmdk", VD_OPEN_RDWR | VD_OPEN_NO_PARENT | flags, error);
    bool ok;

    if (!node)
        return false;
    ok = amend(node, job->on ? "zeroed_grain=on" : "zeroed_grain=off", error);
    return vd_node_co_close(node, ok ? error : NULL) && ok;
}

static void
job_assert_sound(const Job *job, bool done)
{
    VdNode *node = vmdk_test_open(job->t, "d.vmdk", 0);

    if (done)
        g_assert_true(job_is_done(job, node));
    else
        (void) job_is_done(job, node);
    vmdk_test_assert_contents(node, job->contents);
    if (!is_unclean(node))
        vmdk_test_assert_sound(node, true);
    test_co_close(node);
}

static void
job_assert_unharmed(Job *job)
{
    g_autoptr(GError) error = NULL;

    job_assert_sound(job, false);
    job_act(job, &error);
    g_assert_no_error(error);
    job_assert_sound(job, true);
}

/* -- trials ---------------------------------------------------------------- */

static void
job_check(void *arg, bool ok)
{
    if (ok)
        job_assert_sound(arg, true);
    else
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
    other.unflushed = true;
    job_assert_unharmed(&other);
}

static void
replay(Job *job)
{
    TestCrash crash = {.samples = 3, .seed = 5, .check = job_crash_check};

    g_assert_cmpuint(test_crash_try(&crash, job->t->dir, job_act, job), >,
                     job->on ? 3 : 10);
}

static void
sweep(Job *job)
{
    static const TestOp ops[] = {TEST_OP_WRITE, TEST_OP_FLUSH, TEST_OP_READ};
    unsigned fired = 0;

    test_leaf_install();
    for (unsigned i = 0; i < G_N_ELEMENTS(ops); i++) {
        TestSweep how = {.op = ops[i],
                         .errnum = i ? EIO : ENOSPC,
                         .prepare = job_prepare,
                         .act = job_act,
                         .check = job_check,
                         .may_succeed = ops[i] == TEST_OP_READ};

        job->unflushed = how.op != TEST_OP_FLUSH;
        fired += test_fault_sweep(&how, job);
    }
    test_leaf_remove();
    g_assert_cmpuint(fired, >, job->on ? 5 : 10);
}

static void
try(TestCo *t, const char *options, bool child, bool on)
{
    Job job = {.t = t, .options = options, .child = child, .on = on};

    job_prepare(&job);
    job.contents = vmdk_test_contents(t, "d.vmdk");
    replay(&job);
    sweep(&job);
    g_free(job.contents);
}

static void
test_on(TestCo *t)
{
    try(t, MONOLITHIC, false, true);
}

static void
test_on_split(TestCo *t)
{
    try(t, SPLIT, true, true);
}

static void
test_off_alone(TestCo *t)
{
    try(t, SPLIT MARKS, false, false);
}

static void
test_off_above_a_parent(TestCo *t)
{
    try(t, MONOLITHIC MARKS, true, false);
}

static void
test_off_split_above_a_parent(TestCo *t)
{
    try(t, SPLIT MARKS, true, false);
}

/* -- what becomes of entries ----------------------------------------------- */

static void
change(TestCo *t, const char *text)
{
    VdNode *node =
        vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR | VD_OPEN_NO_PARENT);
    g_autoptr(GError) error = NULL;

    amend(node, text, &error);
    g_assert_no_error(error);
    test_co_close(node);
}

static VdRunKind
kind_at(TestCo *t, unsigned grain)
{
    VdNode *node = vmdk_test_open(t, "d.vmdk", 0);
    GError *error = NULL;
    VdRun run;

    vd_node_co_map(node, grain * GRAIN, GRAIN, VD_WANT_DEFAULT, &run, &error);
    g_assert_no_error(error);
    test_co_close(node);
    return run.kind;
}

static void
test_marks_become_holes_or_grains(TestCo *t)
{
    for (unsigned child = 0; child < 2; child++) {
        Job job = {.t = t, .options = MONOLITHIC MARKS, .child = child};

        job_prepare(&job);
        if (child)
            g_assert_cmpint(kind_at(t, 1), ==, VD_RUN_ZERO);
        change(t, "zeroed_grain=off");
        g_assert_cmpint(kind_at(t, 1), ==, child ? VD_RUN_DATA : VD_RUN_PARENT);
        g_assert_cmpint(kind_at(t, 3), ==, VD_RUN_PARENT);
        change(t, "zeroed_grain=on");
        change(t, "zeroed_grain=on"); /* nothing to do */
    }
}

/* An entry of the directory that says so for a whole table. */
static void
test_directory_entries_that_say_zeroes(TestCo *t)
{
    for (unsigned child = 0; child < 2; child++) {
        Job job = {.t = t, .options = MONOLITHIC MARKS, .child = child};
        const VmdkHeader *hdr;
        VdNode *node;

        job_prepare(&job);
        node = vmdk_test_open(t, "d.vmdk", 0);
        hdr = &vmdk_test_state(node)->header;
        vmdk_test_poke32(t, "d.vmdk", hdr->gd_sector * 512, 1);
        vmdk_test_poke32(t, "d.vmdk", hdr->rgd_sector * 512, 1);
        test_co_close(node);
        job.contents = vmdk_test_contents(t, "d.vmdk");
        job_assert_unharmed(&job);
        g_free(job.contents);
    }
}

/* What was damage does not become zeroes. */
static void
test_on_refuses_entries_without_leave(TestCo *t)
{
    Job job = {.t = t, .options = MONOLITHIC};
    g_autoptr(GError) error = NULL;
    VdNode *node;

    job_prepare(&job);
    node = vmdk_test_open(t, "d.vmdk", 0);
    vmdk_test_poke32(
        t, "d.vmdk",
        vmdk_header_gt_sector(&vmdk_test_state(node)->header, 0) * 512, 1);
    vmdk_test_poke32(
        t, "d.vmdk",
        vmdk_header_rgt_sector(&vmdk_test_state(node)->header, 0) * 512, 1);
    test_co_close(node);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    g_assert_false(amend(node, "zeroed_grain=on", &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    g_assert_false(allows_marks(node, 0));
    test_co_close(node);
}

static void
assert_refused(TestCo *t, const char *options, const char *text,
               VdOpenFlags flags, VdErrorCode code)
{
    g_autoptr(GError) error = NULL;
    VdNode *node;

    test_dir_empty(t->dir);
    vmdk_test_create(t, "d.vmdk", DISK_SIZE, options);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR | flags);
    g_assert_false(amend(node, text, &error));
    g_assert_error(error, VD_ERROR, (int) code);
    test_co_close(node);
}

static void
test_refusals(TestCo *t)
{
    const VdErrorCode no = VD_ERROR_NOT_SUPPORTED;
    const VdErrorCode wrong = VD_ERROR_INVALID_ARGUMENT;

    assert_refused(t, "subformat=monolithicFlat", "zeroed_grain=on", 0, no);
    assert_refused(t, "subformat=vmfsSparse", "zeroed_grain=on", 0, no);
    assert_refused(t, "subformat=streamOptimized", "zeroed_grain=on", 0, no);
    assert_refused(t, "", "zeroed_grain=on,hwversion=7", 0, wrong);
    assert_refused(t, SPLIT, "zeroed_grain=on",
                   VD_OPEN_NO_IO | VD_OPEN_NO_EXTENTS, wrong);
}

/* -- afterwards ------------------------------------------------------------ */

static void
test_other_operations_go_on(TestCo *t)
{
    Job job = {.t = t, .options = MONOLITHIC};
    g_autofree uint8_t *before = NULL;
    g_autoptr(GError) error = NULL;
    VdNode *node;

    job_prepare(&job);
    before = vmdk_test_contents(t, "d.vmdk");
    job.contents = g_malloc0(DISK_SIZE + 4 * MIB); /* 4 MiB a table */
    memcpy(job.contents, before, DISK_SIZE);
    for (unsigned i = 0; i < 4; i++) {
        node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR | VD_OPEN_UNMAP);
        /* The same handle goes on with what is allowed now. */
        amend(node, i % 2 ? "zeroed_grain=off" : "zeroed_grain=on", &error);
        g_assert_no_error(error);
        zero_grains(node, 20 + i, 2);
        memset(job.contents + (20 + i) * GRAIN, 0, 2 * GRAIN);
        vmdk_test_compact(node, VD_COMPACT_SHRINK | VD_COMPACT_DEFRAGMENT);
        vd_node_co_truncate(node, DISK_SIZE + (i + 1) * MIB, VD_PREALLOC_OFF,
                            &error);
        g_assert_no_error(error);
        vmdk_test_assert_contents(node, job.contents);
        test_co_close(node);
        node = vmdk_test_open(t, "d.vmdk", 0);
        g_assert_cmpint(allows_marks(node, 0), ==, i % 2 == 0);
        vmdk_test_assert_contents(node, job.contents);
        vmdk_test_assert_sound(node, false);
        test_co_close(node);
    }
    g_free(job.contents);
}

#define ADD(name, fn) test_co_add("/vmdk/amend/" name, fn)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("marks", test_marks_become_holes_or_grains);
    ADD("directory", test_directory_entries_that_say_zeroes);
    ADD("damage", test_on_refuses_entries_without_leave);
    ADD("refusals", test_refusals);
    ADD("goes-on", test_other_operations_go_on);
    ADD("on", test_on);
    ADD("on-split", test_on_split);
    ADD("off-alone", test_off_alone);
    ADD("off-child", test_off_above_a_parent);
    ADD("off-child-split", test_off_split_above_a_parent);
    return g_test_run();
}
