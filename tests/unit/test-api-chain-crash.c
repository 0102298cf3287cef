/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-chain-crash.c - commit and its like under power failures
 * and failing requests.
 *
 * The link that is worked on shows the same at every moment, whatever happened;
 * a link that takes over data has in each sector what it had or what it is to
 * get; and what was interrupted can be done again. */
#include "tests/support/crash.h"
#include "tests/support/sweep.h"
#include "tests/support/temp-dir.h"
#include "tests/unit/chain-test.h"

#include <errno.h>
#include <string.h>

#define SIZE (1 * MIB)
#define SECTOR 512u

typedef struct Job {
    ApiTest *t;
    Chain *chain;
    char *pristine;    /* directory with the files before */
    const char *base;  /* of the commit; NULL = the parent */
    unsigned target;   /* link that takes over */
    unsigned flags;    /* of the rebase */
    uint64_t *dropped; /* grows by what a rebase drops; NULL = by nothing */
    bool (*run)(const struct Job *job, const char *dir, GError **error);
    void (*judge)(const struct Job *job, const char *dir, bool done);
} Job;

static unsigned
top_of(const Job *job)
{
    return job->chain->n - 1;
}

static const char *
link_in(const Job *job, const char *dir, unsigned i)
{
    g_autofree char *name = g_strdup_printf("l%u.vmdk", i);
    g_autofree char *path = g_build_filename(dir, name, NULL);

    return g_intern_string(path);
}

static void
assert_top(const Job *job, const char *dir)
{
    unsigned top = top_of(job);
    const char *path = link_in(job, dir, top);

    chain_assert_shows(job->t, path, job->chain->view[top],
                       job->chain->spec[top].size);
    chain_assert_sound(job->t, path, true);
}

/* -- crashes and failures of any job ----------------------------------------
 */

/* As it is found, and after it has been done once more. */
static void
crash_check(const TestCrashPoint *point, void *arg)
{
    const Job *job = arg;
    g_autoptr(GError) error = NULL;

    assert_top(job, point->dir);
    job->judge(job, point->dir, false);
    job->run(job, point->dir, &error);
    g_assert_no_error(error);
    assert_top(job, point->dir);
    job->judge(job, point->dir, true);
}

static void
sweep_prepare(void *arg)
{
    const Job *job = arg;

    test_dir_copy(job->pristine, job->t->dir);
}

static bool
job_act(void *arg, GError **error)
{
    const Job *job = arg;

    return job->run(job, job->t->dir, error);
}

static void
replay(Job *job, uint32_t seed)
{
    TestCrash crash = {.samples = 2, .seed = seed, .check = crash_check};

    g_assert_cmpuint(test_crash_try(&crash, job->t->dir, job_act, job), >, 10);
}

static void
sweep_check(void *arg, bool ok)
{
    const Job *job = arg;
    g_autoptr(GError) error = NULL;

    assert_top(job, job->t->dir);
    job->judge(job, job->t->dir, ok);
    if (ok)
        return;
    job->run(job, job->t->dir, &error);
    g_assert_no_error(error);
    assert_top(job, job->t->dir);
    job->judge(job, job->t->dir, true);
}

static void
sweep(Job *job)
{
    static const struct {
        TestOp op;
        bool may_succeed; /* copies of tables, zeroes written instead */
    } ops[] = {
        {TEST_OP_WRITE, false}, {TEST_OP_FLUSH, false},   {TEST_OP_READ, true},
        {TEST_OP_ZEROES, true}, {TEST_OP_TRUNCATE, true},
    };
    static const int errnums[] = {ENOSPC, EIO};
    unsigned fired = 0;

    test_leaf_install();
    for (unsigned i = 0; i < G_N_ELEMENTS(ops) * G_N_ELEMENTS(errnums); i++) {
        TestSweep how = {.op = ops[i / 2].op,
                         .errnum = errnums[i % 2],
                         .may_succeed = ops[i / 2].may_succeed,
                         .prepare = sweep_prepare,
                         .act = job_act,
                         .check = sweep_check};

        fired += test_fault_sweep(&how, job);
    }
    test_leaf_remove();
    g_assert_cmpuint(fired, >, 20);
}

/* The top gets grains of its own that are what it shows anyway. */
static void
repeat_parent(const Chain *c)
{
    unsigned top = c->n - 1;
    VdDisk *disk = api_test_open(c->t, chain_path(c, top), NULL, VD_OPEN_RDWR);
    GError *error = NULL;

    for (uint64_t off = 0; off < SIZE; off += SIZE / 8) {
        vd_disk_pwrite(disk, c->view[top] + off, SIZE / 16, off, 0, &error);
        g_assert_no_error(error);
    }
    api_test_close(disk);
}

static void
job_do(Job job, ApiTest *t, const ChainSpec *spec, unsigned n, uint32_t seed,
       bool crash)
{
    Chain chain;

    chain_build(&chain, t, spec, n, seed);
    if (job.flags & VD_REBASE_DEDUP)
        repeat_parent(&chain);
    job.t = t;
    job.chain = &chain;
    job.pristine = test_dir_new();
    test_dir_copy(t->dir, job.pristine);
    if (crash)
        replay(&job, seed);
    else
        sweep(&job);
    test_dir_remove(job.pristine);
    chain_free(&chain);
}

/* -- commit -----------------------------------------------------------------
 */

static bool
commit_run(const Job *job, const char *dir, GError **error)
{
    VdCommitParams params = {.image = {.name = link_in(job, dir, top_of(job))},
                             .base = job->base};

    return vd_commit(job->t->ctx, &params, NULL, error);
}

/* Each sector of the link that takes over: old or new. */
static void
commit_judge(const Job *job, const char *dir, bool done)
{
    const char *path = link_in(job, dir, job->target);
    const uint8_t *new = job->chain->view[top_of(job)];
    const uint8_t *old = job->chain->view[job->target];
    VdDisk *disk = api_test_open(job->t, path, NULL, 0);
    g_autofree uint8_t *buf = g_malloc(SIZE);
    GError *error = NULL;

    vd_disk_pread(disk, buf, SIZE, 0, &error);
    g_assert_no_error(error);
    for (uint64_t off = 0; off < SIZE; off += SECTOR) {
        if (memcmp(buf + off, new + off, SECTOR) != 0 &&
            (done || memcmp(buf + off, old + off, SECTOR) != 0))
            g_error("%s: byte %" G_GUINT64_FORMAT " is neither old nor new",
                    path, off);
    }
    api_test_close(disk);
    chain_assert_sound(job->t, path, true);
}

static void
with_commit(ApiTest *t, const ChainSpec *spec, unsigned n, const char *base,
            unsigned target, uint32_t seed, bool crash)
{
    Job job = {.base = base,
               .target = target,
               .run = commit_run,
               .judge = commit_judge};

    job_do(job, t, spec, n, seed, crash);
}

static const ChainSpec plain[] = {{"grain_size=16k", SIZE}, {"", SIZE}};
static const ChainSpec marks[] = {{"grain_size=4k,zeroed_grain=on", SIZE},
                                  {"grain_size=16k,zeroed_grain=on", SIZE}};
static const ChainSpec deep[] = {{"grain_size=16k", SIZE},
                                 {"grain_size=4k,zeroed_grain=on", SIZE},
                                 {"grain_size=32k", SIZE}};
static const ChainSpec middle[] = {{"", SIZE},
                                   {"grain_size=4k,zeroed_grain=on", SIZE},
                                   {"grain_size=16k,zeroed_grain=on", SIZE}};

static void
test_commit_crashes(ApiTest *t, gconstpointer unused)
{
    with_commit(t, plain, 2, NULL, 0, 31, true);
}

static void
test_commit_with_marks_crashes(ApiTest *t, gconstpointer unused)
{
    with_commit(t, marks, 2, NULL, 0, 32, true);
}

static void
test_deep_commit_crashes(ApiTest *t, gconstpointer unused)
{
    with_commit(t, deep, 3, "l0.vmdk", 0, 33, true);
}

static void
test_commit_in_the_middle_crashes(ApiTest *t, gconstpointer unused)
{
    with_commit(t, middle, 3, NULL, 1, 34, true);
}

static void
test_commit_fails(ApiTest *t, gconstpointer unused)
{
    with_commit(t, plain, 2, NULL, 0, 35, false);
}

static void
test_deep_commit_fails(ApiTest *t, gconstpointer unused)
{
    with_commit(t, deep, 3, "l0.vmdk", 0, 36, false);
}

/* -- rebase -----------------------------------------------------------------
 */

static bool
rebase_run(const Job *job, const char *dir, GError **error)
{
    VdRebaseParams params = {.image = {.name = link_in(job, dir, top_of(job))},
                             .parent = job->base,
                             .flags = job->flags};
    VdRebaseResult result = {0};
    bool ok = vd_rebase(job->t->ctx, &params, &result, error);

    if (job->dropped)
        *job->dropped += result.bytes_dropped;
    return ok;
}

/* No other link is touched. */
static void
rebase_judge(const Job *job, const char *dir, bool done)
{
    for (unsigned i = 0; i < top_of(job); i++)
        chain_assert_shows(job->t, link_in(job, dir, i), job->chain->view[i],
                           job->chain->spec[i].size);
}

static void
with_rebase(ApiTest *t, const ChainSpec *spec, unsigned n, const char *parent,
            uint32_t seed, bool crash)
{
    Job job = {.base = parent, .run = rebase_run, .judge = rebase_judge};

    job_do(job, t, spec, n, seed, crash);
}

static void
test_rebase_crashes(ApiTest *t, gconstpointer unused)
{
    with_rebase(t, deep, 3, "l0.vmdk", 41, true);
}

static void
test_rebase_to_nothing_crashes(ApiTest *t, gconstpointer unused)
{
    with_rebase(t, marks, 2, "", 42, true);
}

static void
test_rebase_fails(ApiTest *t, gconstpointer unused)
{
    with_rebase(t, middle, 3, "l0.vmdk", 43, false);
}

static void
with_dedup(ApiTest *t, const ChainSpec *spec, unsigned n, const char *parent,
           uint32_t seed, bool crash)
{
    uint64_t dropped = 0;
    Job job = {.base = parent,
               .flags = VD_REBASE_DEDUP,
               .dropped = &dropped,
               .run = rebase_run,
               .judge = rebase_judge};

    job_do(job, t, spec, n, seed, crash);
    g_assert_cmpuint(dropped, >, 0);
}

static void
test_dedup_crashes(ApiTest *t, gconstpointer unused)
{
    with_dedup(t, deep, 3, "l0.vmdk", 44, true);
}

static void
test_dedup_of_marks_crashes(ApiTest *t, gconstpointer unused)
{
    with_dedup(t, marks, 2, "l0.vmdk", 45, true);
}

static void
test_dedup_against_nothing_crashes(ApiTest *t, gconstpointer unused)
{
    with_dedup(t, marks, 2, "", 46, true);
}

static void
test_dedup_fails(ApiTest *t, gconstpointer unused)
{
    with_dedup(t, middle, 3, "l0.vmdk", 47, false);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    api_test_add("/api/chain/crash/commit", test_commit_crashes);
    api_test_add("/api/chain/crash/commit-marks",
                 test_commit_with_marks_crashes);
    api_test_add("/api/chain/crash/commit-deep", test_deep_commit_crashes);
    api_test_add("/api/chain/crash/commit-middle",
                 test_commit_in_the_middle_crashes);
    api_test_add("/api/chain/fault/commit", test_commit_fails);
    api_test_add("/api/chain/fault/commit-deep", test_deep_commit_fails);
    api_test_add("/api/chain/crash/rebase", test_rebase_crashes);
    api_test_add("/api/chain/crash/rebase-alone",
                 test_rebase_to_nothing_crashes);
    api_test_add("/api/chain/fault/rebase", test_rebase_fails);
    api_test_add("/api/chain/crash/dedup", test_dedup_crashes);
    api_test_add("/api/chain/crash/dedup-marks", test_dedup_of_marks_crashes);
    api_test_add("/api/chain/crash/dedup-alone",
                 test_dedup_against_nothing_crashes);
    api_test_add("/api/chain/fault/dedup", test_dedup_fails);
    return g_test_run();
}
