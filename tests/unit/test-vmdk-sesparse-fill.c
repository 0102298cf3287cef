/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-sesparse-fill.c - new seSparse extents: whatever is
 * written to them while they are being created is there afterwards, and one
 * that is not finished is refused. */
#include "tests/support/crash.h"
#include "tests/support/sweep.h"
#include "tests/unit/sesparse-test.h"

#include "io/zero.h"

#include <errno.h>
#include <string.h>

#define GRAIN UINT64_C(4096)
/* More than two tables; neither whole grains nor whole tables. */
#define DISK_SIZE (33 * MIB + 3 * 512)
#define N_STEPS 120
#define BASE_SEED 1000
#define AT_ONCE 8

/* -- random writing against a model
 * ------------------------------------------------------ */

typedef struct {
    uint64_t off, len;
    unsigned kind; /* 0 zeroes, 1 discard, else data */
    uint32_t seed;
} Step;

typedef struct {
    uint8_t *model;
    Step step[N_STEPS];
    unsigned at_once;
} Fill;

static void
plan(Fill *f, uint32_t seed)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    uint64_t sectors = DISK_SIZE / 512, table = SE_TABLE_COVER / 512;

    for (unsigned i = 0; i < N_STEPS; i++) {
        Step *s = &f->step[i];
        uint64_t n = (uint64_t) g_rand_int_range(rand, 1, i % 9 ? 60 : 3000);
        uint64_t first = (uint64_t) g_rand_int_range(rand, 0, (gint32) sectors);

        if (i % 5 == 0) /* around the border of tables */
            first =
                table * (1 + i % 2) - (uint64_t) g_rand_int_range(rand, 0, 99);
        if (i % 17 == 0)
            first = sectors - MIN(n, sectors);
        first = MIN(first, sectors - 1);
        *s = (Step){.off = first * 512,
                    .len = MIN(n, sectors - first) * 512,
                    .kind = (unsigned) g_rand_int_range(rand, 0, 6),
                    .seed = i + 1};
    }
}

static void
apply(Fill *f, const Step *s)
{
    if (s->kind == 0)
        memset(f->model + s->off, 0, s->len);
    else if (s->kind > 1)
        test_pattern_fill(f->model + s->off, s->len, s->off, s->seed);
}

static bool
step_co_run(void *arg, GError **error)
{
    void *const *pair = arg;
    const Step *s = pair[0];
    VdNode *node = pair[1];
    g_autofree uint8_t *buf = g_malloc(s->len);

    if (s->kind == 0)
        return vd_node_co_write_zeroes(node, s->off, s->len, 0, error);
    if (s->kind == 1)
        return vd_node_co_discard(node, s->off, s->len, error);
    test_pattern_fill(buf, s->len, s->off, s->seed);
    return vd_node_co_pwrite(node, s->off, buf, s->len, error);
}

static bool
overlaps(const Fill *f, unsigned first, unsigned i)
{
    for (unsigned k = first; k < i; k++)
        if (f->step[k].off < f->step[i].off + f->step[i].len &&
            f->step[i].off < f->step[k].off + f->step[k].len)
            return true;
    return false;
}

/* Steps side by side, as far as they concern different bytes: the same grains
 * they may well concern. */
static bool
fill_random(VdNode *node, void *arg, GError **error)
{
    Fill *f = arg;

    for (unsigned i = 0; i < N_STEPS;) {
        g_autoptr(VioCoGroup) group = vio_co_group_new(AT_ONCE);
        unsigned first = i;

        do {
            void **pair = g_new(void *, 2);

            pair[0] = &f->step[i];
            pair[1] = node;
            apply(f, &f->step[i]);
            vio_co_group_spawn(group, step_co_run, pair, g_free);
            i++;
        } while (i < N_STEPS && i - first < f->at_once &&
                 !overlaps(f, first, i));
        if (!vio_co_group_join(group, error))
            return false;
    }
    return true;
}

static void
assert_contents(TestCo *t, const uint8_t *model)
{
    g_autofree uint8_t *got = g_malloc(DISK_SIZE);
    VdNode *node = vmdk_test_open(t, "d.vmdk", 0);
    g_autoptr(GError) error = NULL;

    vd_node_co_pread(node, 0, got, DISK_SIZE, &error);
    g_assert_no_error(error);
    for (uint64_t off = 0; off < DISK_SIZE; off += 512)
        if (memcmp(got + off, model + off, 512))
            g_error("sector at %" G_GUINT64_FORMAT " is not what was written",
                    off);
    vmdk_test_assert_sound(node, false);
    test_co_close(node);
}

static void
make_base(TestCo *t)
{
    VdNode *node;

    vmdk_test_create(t, "base.vmdk", DISK_SIZE, "subformat=vmfs");
    node = vmdk_test_open(t, "base.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, DISK_SIZE, BASE_SEED);
    test_co_close(node);
}

static void
run_random(TestCo *t, bool child, unsigned at_once, uint32_t seed)
{
    g_autofree uint8_t *model = g_malloc0(DISK_SIZE);
    Fill f = {.model = model, .at_once = at_once};

    if (child) {
        make_base(t);
        test_pattern_fill(model, DISK_SIZE, 0, BASE_SEED);
    }
    plan(&f, seed);
    se_test_make(t, "d.vmdk", DISK_SIZE, child ? "base.vmdk" : NULL,
                 fill_random, &f);
    assert_contents(t, model);
}

static void
test_random_writes(TestCo *t)
{
    run_random(t, false, 1, 1);
    run_random(t, false, AT_ONCE, 2);
}

static void
test_random_writes_over_a_parent(TestCo *t)
{
    run_random(t, true, 1, 3);
    run_random(t, true, AT_ONCE, 4);
}

/* Tables go to the file and come back while others are made. */
static void
test_random_writes_with_few_tables_in_memory(TestCo *t)
{
    VdTableCache *cache = vd_table_cache_ref(t->loop);

    vd_table_cache_set_limit(cache, 1);
    run_random(t, true, AT_ONCE, 5);
    vd_table_cache_unref(cache);
}

/* -- what is stored
 * ---------------------------------------------------------------- */

static bool
fill_zeroes(VdNode *node, void *arg, GError **error)
{
    return vd_node_co_write_zeroes(node, 0, 4 * GRAIN, 0, error);
}

/* Where there is no parent, absent is zero; over one it has to be said. */
static void
test_zeroes_take_no_grains(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d-sesparse.vmdk");
    VdNode *node;

    se_test_make(t, "d.vmdk", DISK_SIZE, NULL, fill_zeroes, NULL);
    g_assert_cmphex(se_test_peek64(t, "d-sesparse.vmdk", SE_DIRECTORY_BYTE), ==,
                    0);
    g_assert_cmpuint(test_file_size(path), ==, SE_GRAINS_BYTE);
    make_base(t);
    se_test_make(t, "d.vmdk", DISK_SIZE, "base.vmdk", fill_zeroes, NULL);
    g_assert_cmphex(se_test_peek64(t, "d-sesparse.vmdk", SE_DIRECTORY_BYTE), ==,
                    UINT64_C(0x10000000) << 32);
    for (unsigned i = 0; i < 5; i++)
        g_assert_cmphex(
            se_test_peek64(t, "d-sesparse.vmdk", SE_TABLES_BYTE + 8 * i), ==,
            i < 4 ? UINT64_C(2) << 60 : 0);
    g_assert_cmpuint(test_file_size(path), ==, SE_GRAINS_BYTE);
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_zero(node, 0, 4 * GRAIN);
    test_co_assert_pattern(node, 4 * GRAIN, GRAIN, BASE_SEED);
    test_co_close(node);
}

static void
test_volatile_header_counts_tables(TestCo *t)
{
    SeSpan span = {SE_TABLE_COVER - GRAIN, 2 * GRAIN};

    se_test_make(t, "d.vmdk", DISK_SIZE, NULL, se_test_fill_span, &span);
    g_assert_cmphex(se_test_peek64(t, "d-sesparse.vmdk", SE_VOLATILE_BYTE), ==,
                    0xcafecafe);
    g_assert_cmpuint(se_test_peek64(t, "d-sesparse.vmdk", SE_VOLATILE_BYTE + 8),
                     ==, 2);
    g_assert_cmpuint(
        se_test_peek64(t, "d-sesparse.vmdk", SE_VOLATILE_BYTE + 24), ==, 0);
}

/* -- failures
 * -------------------------------------------------------------------------- */

typedef struct {
    TestCo *t;
    Fill fill;
    char *before; /* the files between creating and filling */
} Failing;

static void
failing_prepare(void *arg)
{
    Failing *f = arg;

    test_dir_empty(f->t->dir);
}

static bool
failing_act(void *arg, GError **error)
{
    Failing *f = arg;

    memset(f->fill.model, 0, DISK_SIZE);
    return se_test_try_make(f->t, "d.vmdk", DISK_SIZE, NULL, fill_random,
                            &f->fill, error);
}

/* All of it or nothing. */
static void
failing_check(void *arg, bool ok)
{
    Failing *f = arg;
    g_autoptr(GDir) dir = g_dir_open(f->t->dir, 0, NULL);

    if (ok)
        assert_contents(f->t, f->fill.model);
    else
        g_assert_null(g_dir_read_name(dir));
}

static void
test_failing_requests(TestCo *t)
{
    static const TestOp ops[] = {TEST_OP_WRITE, TEST_OP_FLUSH, TEST_OP_READ,
                                 TEST_OP_TRUNCATE};
    g_autofree uint8_t *model = g_malloc0(DISK_SIZE);
    Failing f = {.t = t, .fill = {.model = model, .at_once = 1}};
    unsigned fired = 0;

    plan(&f.fill, 6);
    for (unsigned i = 8; i < N_STEPS; i++) /* enough for a sweep */
        f.fill.step[i] = f.fill.step[i % 8];
    test_leaf_install();
    for (unsigned i = 0; i < 2 * G_N_ELEMENTS(ops); i++) {
        TestSweep how = {.op = ops[i / 2],
                         .errnum = i % 2 ? EIO : ENOSPC,
                         .prepare = failing_prepare,
                         .act = failing_act,
                         .check = failing_check};

        fired += test_fault_sweep(&how, &f);
    }
    test_leaf_remove();
    g_assert_cmpuint(fired, >, 50);
}

static void
start_record(TestCo *t, void *arg)
{
    Failing *f = arg;

    test_dir_copy(t->dir, f->before);
    test_leaf_record();
}

static bool
crash_fill(VdNode *node, void *arg, GError **error)
{
    Failing *f = arg;

    return fill_random(node, &f->fill, error);
}

/* Empty, finished, or refused. */
static void
crash_check(const TestCrashPoint *point, void *arg)
{
    const Failing *f = arg;
    g_autofree uint8_t *got = g_malloc(DISK_SIZE);
    g_autoptr(GError) error = NULL;
    TestCo t = *f->t;
    VdNode *node;
    bool empty, done;

    t.dir = (char *) point->dir;
    node = vmdk_test_try_open(&t, "d.vmdk", 0, &error);
    if (!node) {
        g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
        return;
    }
    vd_node_co_pread(node, 0, got, DISK_SIZE, &error);
    g_assert_no_error(error);
    empty = vio_is_zero(got, DISK_SIZE);
    done = !memcmp(got, f->fill.model, DISK_SIZE);
    g_assert_true(empty || done);
    test_co_close(node);
}

static void
test_crashes(TestCo *t)
{
    g_autofree uint8_t *model = g_malloc0(DISK_SIZE);
    Failing f = {.t = t,
                 .fill = {.model = model, .at_once = 1},
                 .before = test_dir_new()};
    g_autoptr(GPtrArray) changes = NULL;
    g_autoptr(GError) error = NULL;
    TestCrash crash = {
        .base_dir = f.before, .samples = 1, .seed = 7, .check = crash_check};

    plan(&f.fill, 7);
    for (unsigned i = 10; i < N_STEPS; i++)
        f.fill.step[i] = f.fill.step[i % 10];
    test_leaf_install();
    se_test_try_make_watched(t, "d.vmdk", DISK_SIZE, NULL, crash_fill,
                             start_record, &f, &error);
    g_assert_no_error(error);
    changes = test_leaf_record_end();
    test_leaf_remove();
    crash.changes = changes;
    g_assert_cmpuint(test_crash_replay(&crash, &f), >, 30);
    test_dir_remove(f.before);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) test_co_add("/vmdk/sesparse-fill/" path, fn)
    ADD("random", test_random_writes);
    ADD("random-over-parent", test_random_writes_over_a_parent);
    ADD("random-few-tables", test_random_writes_with_few_tables_in_memory);
    ADD("zeroes", test_zeroes_take_no_grains);
    ADD("volatile", test_volatile_header_counts_tables);
    ADD("faults", test_failing_requests);
    ADD("crashes", test_crashes);
#undef ADD
    return g_test_run();
}
