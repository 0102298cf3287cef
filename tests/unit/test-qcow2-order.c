/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-qcow2-order.c - flushes in the middle of changes, and changes
 * of which a part fails: nothing is lost, and a crash leaks at most.
 */
#include "tests/support/crash.h"
#include "tests/support/effort.h"
#include "tests/unit/qcow2-test.h"

#include <errno.h>

/* -- writing and flushing at once ------------------------------------------ */

#define JOB_STEP 2048u

typedef struct {
    VdNode *node;
    uint64_t off, len;
    uint32_t seed;
    bool *done;
} Job;

static bool
job_co_write(void *arg, GError **error)
{
    Job *job = arg;

    for (uint64_t at = 0; at < job->len; at += JOB_STEP)
        test_co_write_pattern(job->node, job->off + at,
                              MIN(JOB_STEP, job->len - at), job->seed);
    *job->done = true;
    return true;
}

static bool
job_co_flush(void *arg, GError **error)
{
    Job *job = arg;

    while (!*job->done) {
        vd_node_co_flush(job->node, error);
        g_assert_no_error(*error);
        vio_co_reschedule();
    }
    return true;
}

/* Flushes go on until the write is over. */
static void
write_while_flushing(VdNode *node, uint64_t off, uint64_t len, uint32_t seed)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(2);
    g_autoptr(GError) error = NULL;
    bool done = false;
    Job job = {node, off, len, seed, &done};

    vio_co_group_spawn(group, job_co_flush, &job, NULL);
    vio_co_group_spawn(group, job_co_write, &job, NULL);
    vio_co_group_join(group, &error);
    g_assert_no_error(error);
}

/* Requests of one kind take a while. */
static VdNode *
open_slowly(TestCo *t, const char *op, unsigned us)
{
    g_autofree char *path = test_co_path(t, QCOW2_TEST_NAME);
    g_autofree char *options =
        g_strdup_printf("driver=qcow2,file.driver=fault,file.delay-op=%s,"
                        "file.delay-ns=%u000,file.file.filename=%s",
                        op, us, path);

    return test_co_open(t, options, VD_OPEN_RDWR);
}

/* -- tables that move ------------------------------------------------------ */

#define TABLES_SIZE (64 * MIB)
#define STEP MIB

static void
take_snapshot(TestCo *t)
{
    VdNode *node = qcow2_test_open(t, VD_OPEN_RDWR);
    g_autoptr(GError) error = NULL;

    for (uint64_t off = 0; off < TABLES_SIZE; off += STEP)
        test_co_write_pattern(node, off, 512, 1);
    vd_node_co_snapshot(node, VD_SNAPSHOT_CREATE, "s", &error);
    g_assert_no_error(error);
    test_co_close(node);
}

/* The table that the disk shares with its snapshot moves: all of it does, with
 * a flush at each moment. */
static void
test_flush_while_a_table_moves(TestCo *t)
{
    VdNode *node;

    qcow2_test_create(t, TABLES_SIZE, "cluster_size=64k");
    take_snapshot(t);
    node = open_slowly(t, "read", 300);
    write_while_flushing(node, TABLES_SIZE - STEP + 4096, 4096, 2);
    test_co_close(node);
    node = qcow2_test_open(t, VD_OPEN_CHECK);
    for (uint64_t off = 0; off < TABLES_SIZE; off += STEP)
        test_co_assert_pattern(node, off, 512, 1);
    test_co_assert_pattern(node, TABLES_SIZE - STEP + 4096, 4096, 2);
    qcow2_test_assert_sound(node);
    test_co_close(node);
}

/* -- a refcount table that becomes longer ---------------------------------- */

/* A cluster of the table, the first one, is enough for 2 MiB of the file. */
#define COUNTS_OPTIONS "cluster_size=512,refcount_bits=64"
#define COUNTS_SIZE (4 * MIB)
#define COUNTED_CLUSTERS 4096u

/* The file has so many clusters, or one less; returns how many sectors of the
 * disk are in it. */
static uint64_t
fill_counts(TestCo *t, uint64_t clusters)
{
    VdNode *node = qcow2_test_open(t, VD_OPEN_RDWR);
    const Qcow2Refcounts *rc = ((Qcow2State *) vd_node_state(node))->refcounts;
    uint64_t n = 0;

    for (; rc->cursor < clusters; n++)
        test_co_write_pattern(node, n * 512, 512, 3);
    g_assert_cmpuint(rc->sliced->n, ==, 64);
    test_co_close(node);
    return n;
}

static void
crash_check(const TestCrashPoint *point, void *arg)
{
    TestCo t = *(TestCo *) arg;
    VdNode *node;

    t.dir = (char *) point->dir;
    node = qcow2_test_open(&t, VD_OPEN_CHECK);
    qcow2_test_assert_sound(node);
    test_co_close(node);
}

static bool
counts_co_write(void *arg, GError **error)
{
    VdNode *node = open_slowly(arg, "flush", 30000);

    /* The last block that the table has an entry for: in the first flush. */
    test_co_write_pattern(node, 2 * MIB, 8 * KIB, 4);
    write_while_flushing(node, 2 * MIB, 64 * KIB, 4);
    test_co_close(node);
    return true;
}

/* Wherever the table is, the header names it when it is there. */
static void
test_flush_while_counts_grow(TestCo *t)
{
    TestCrash crash = {.samples = 1, .seed = 7, .check = crash_check};

    qcow2_test_create(t, COUNTS_SIZE, COUNTS_OPTIONS);
    (void) fill_counts(t, COUNTED_CLUSTERS - 66);
    g_assert_cmpuint(test_crash_try(&crash, t->dir, counts_co_write, t), >, 20);
}

/* Each read in turn fails; true: one did. */
static bool
grow_counts_after_failure(TestCo *t, uint64_t nth, uint64_t first)
{
    VdNode *node = qcow2_test_open(t, VD_OPEN_RDWR);
    const Qcow2Refcounts *rc = ((Qcow2State *) vd_node_state(node))->refcounts;
    uint8_t buf[512] = {1};
    bool fired;

    /* What is looked at a second time has to be read again. */
    vd_table_cache_set_limit(rc->sliced->cache, 4096);
    test_leaf_fail_nth(TEST_OP_READ, nth, EIO);
    (void) vd_node_co_pwrite(node, first * 512, buf, sizeof(buf), NULL);
    fired = test_leaf_fault_fired();
    test_leaf_clear_fault();
    test_co_write_pattern(node, first * 512, 64 * KIB, 3);
    vd_table_cache_set_limit(rc->sliced->cache, 0);
    test_co_close(node);
    return fired;
}

/* A table that has become longer in memory finds no place at first: what is
 * behind the one in the file is somebody else's. */
static void
test_counts_grow_at_the_second_attempt(TestCo *t)
{
    bool fired = true;
    uint64_t nth = 0;

    test_leaf_install();
    for (; fired; nth++) {
        uint64_t first;
        VdNode *node;

        if (!test_effort_wants_next())
            continue;
        test_dir_empty(t->dir);
        qcow2_test_create(t, COUNTS_SIZE, COUNTS_OPTIONS);
        first = fill_counts(t, COUNTED_CLUSTERS);
        fired = grow_counts_after_failure(t, nth, first);
        node = qcow2_test_open(t, VD_OPEN_CHECK);
        test_co_assert_pattern(node, 0, first * 512 + 64 * KIB, 3);
        qcow2_test_assert_sound(node);
        test_co_close(node);
    }
    test_leaf_remove();
    g_assert_cmpuint(nth, >, 64);
}

/* -- the first change ------------------------------------------------------ */

#define AUTOCLEAR_AT 88

/* A feature that does not survive us is cleared before anything else changes,
 * also if that fails the first time. */
static void
test_features_are_cleared_at_the_second_attempt(TestCo *t)
{
    static const uint8_t unknown[8] = {0, 0, 0, 0, 0, 0, 0x80, 0};
    uint8_t buf[512] = {1};
    g_autoptr(GError) error = NULL;
    VdNode *node;

    qcow2_test_create(t, MIB, "");
    vmdk_test_poke(t, QCOW2_TEST_NAME, AUTOCLEAR_AT, unknown, sizeof(unknown));
    test_leaf_install();
    node = qcow2_test_open(t, VD_OPEN_RDWR);
    test_leaf_fail_nth(TEST_OP_WRITE, 0, EIO);
    g_assert_false(vd_node_co_pwrite(node, 0, buf, sizeof(buf), &error));
    test_leaf_clear_fault();
    g_clear_error(&error);
    vd_node_co_pwrite(node, 0, buf, sizeof(buf), &error);
    g_assert_no_error(error);
    test_co_close(node);
    test_leaf_remove();
    g_assert_cmpuint(vmdk_test_peek32(t, QCOW2_TEST_NAME, AUTOCLEAR_AT + 4), ==,
                     0);
}

/* -- a data file that is a raw image --------------------------------------- */

static void
assert_same(VdNode *node, VdNode *raw)
{
    g_autofree uint8_t *a = g_malloc(MIB), *b = g_malloc(MIB);
    g_autoptr(GError) error = NULL;

    vd_node_co_pread(node, 0, a, MIB, &error);
    g_assert_no_error(error);
    vd_node_co_pread(raw, 0, b, MIB, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(a, MIB, b, MIB);
}

static void
test_raw_data_file_stays_valid(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    VdNode *node, *raw;

    qcow2_test_create(t, MIB, "data_file=d.data,data_file_raw=on");
    node = qcow2_test_open(t, VD_OPEN_RDWR | VD_OPEN_UNMAP);
    test_co_write_pattern(node, 0, MIB, 5);
    vd_node_co_write_zeroes(node, 0, 128 * KIB, 0, &error);
    g_assert_no_error(error);
    vd_node_co_write_zeroes(node, 200 * KIB + 512, 128 * KIB, VD_REQ_MAY_UNMAP,
                            &error);
    g_assert_no_error(error);
    vd_node_co_discard(node, 512 * KIB, 256 * KIB, &error);
    g_assert_no_error(error);
    test_co_close(node);
    node = qcow2_test_open(t, 0);
    raw = test_co_open_file(t, "raw", "d.data", VD_OPEN_FORCE_SHARE);
    test_co_assert_zero(node, 0, 128 * KIB);
    assert_same(node, raw);
    test_co_close(raw);
    test_co_close(node);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/qcow2/order/table-moves", test_flush_while_a_table_moves);
    test_co_add("/qcow2/order/counts-grow", test_flush_while_counts_grow);
    test_co_add("/qcow2/order/counts-grow-later",
                test_counts_grow_at_the_second_attempt);
    test_co_add("/qcow2/order/features",
                test_features_are_cleared_at_the_second_attempt);
    test_co_add("/qcow2/order/raw-data-file", test_raw_data_file_stays_valid);
    return g_test_run();
}
