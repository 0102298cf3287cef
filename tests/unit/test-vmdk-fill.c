/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-fill.c - an empty stream that is opened and written to:
 * whatever the order of the writes, closing leaves what importers take. */
#include <errno.h>
#include <string.h>

#include "formats/vmdk/stream/fill.h"
#include "tests/support/crash.h"
#include "tests/support/effort.h"
#include "tests/support/sweep.h"
#include "tests/unit/stream-image.h"
#include "tests/unit/vmdk-test.h"

#define NAME "s.vmdk"
#define SIZE                                                                   \
    (40 * MIB + 3 * 512) /* two grain tables, a last grain cut short           \
                          */
#define GRAIN UINT64_C(65536)

/* -- helpers -----------------------------------------------------------------
 */

static void
create(TestCo *t)
{
    vmdk_test_create(t, NAME, SIZE, "subformat=streamOptimized");
}

static VmdkFill *
fill_of(VdNode *node)
{
    return vmdk_test_state(node)->extents[0].sparse->fill;
}

/* @window: grains. */
static VdNode *
open_fill(TestCo *t, int window)
{
    VdNode *node = vmdk_test_open(t, NAME, VD_OPEN_RDWR | VD_OPEN_UNMAP);

    g_assert_nonnull(fill_of(node));
    fill_of(node)->max_window = window;
    return node;
}

static VdNode *
open_recovering(TestCo *t)
{
    g_autofree char *path = test_co_path(t, NAME);
    VdOptions *opts = vd_options_new(); /* the opening takes it over */
    g_autoptr(GError) error = NULL;
    VdNode *node;

    vd_options_set(opts, "recover", "on");
    node = vd_co_open(&t->env, path, "vmdk", opts, 0, &error);
    g_assert_no_error(error);
    return node;
}

static void
flush(VdNode *node)
{
    g_autoptr(GError) error = NULL;

    vd_node_co_flush(node, &error);
    g_assert_no_error(error);
}

static void
write_zeroes(VdNode *node, uint64_t off, uint64_t len)
{
    g_autoptr(GError) error = NULL;

    vd_node_co_write_zeroes(node, off, len, VD_REQ_MAY_UNMAP, &error);
    g_assert_no_error(error);
}

/* Each record in its place, none too many, the end where it belongs. */
static void
assert_importable(VdNode *node)
{
    VdCheckParams params = {.profile = "esxi-import"};
    VdCheckResult result = {.max_findings = 3};
    g_autoptr(GError) error = NULL;

    vd_vmdk_driver.co_check(node, &params, &result, &error);
    g_assert_no_error(error);
    if (result.breaches + result.corruptions + result.leaks > 0)
        g_test_message(
            "finding: %s",
            ((VdFinding *) g_ptr_array_index(result.findings, 0))->detail);
    g_assert_cmpuint(result.breaches, ==, 0);
    g_assert_cmpuint(result.corruptions, ==, 0);
    g_assert_cmpuint(result.leaks, ==, 0);
    g_clear_pointer(&result.findings, g_ptr_array_unref);
}

static VdNode *
reopen(TestCo *t)
{
    VdNode *node = vmdk_test_open(t, NAME, 0);

    assert_importable(node);
    return node;
}

/* -- orders of writing ------------------------------------------------------
 */

static void
test_unwritten_stays(TestCo *t)
{
    g_autofree char *before = NULL, *after = NULL;
    size_t len, len2;

    create(t);
    before = vmdk_test_read_file(t, NAME, &len);
    for (int i = 0; i < 2; i++) {
        VdNode *node = open_fill(t, 4);

        test_co_assert_zero(node, 0, SIZE);
        flush(node);
        test_co_close(node);
    }
    after = vmdk_test_read_file(t, NAME, &len2);
    g_assert_cmpmem(before, len, after, len2);
}

/* Pieces of @step bytes, upwards. */
static void
check_sequential(TestCo *t, uint64_t step)
{
    VdNode *node;

    create(t);
    node = open_fill(t, 4);
    for (uint64_t off = 5 * GRAIN; off < 40 * GRAIN; off += step)
        test_co_write_pattern(node, off, MIN(step, 40 * GRAIN - off), 1);
    g_assert_false(fill_of(node)->disordered);
    test_co_assert_pattern(node, 5 * GRAIN, 35 * GRAIN, 1);
    test_co_close(node);
    node = reopen(t);
    test_co_assert_zero(node, 0, 5 * GRAIN);
    test_co_assert_pattern(node, 5 * GRAIN, 35 * GRAIN, 1);
    test_co_assert_zero(node, 40 * GRAIN, SIZE - 40 * GRAIN);
    test_co_close(node);
    test_dir_empty(t->dir);
}

static void
test_sequential(TestCo *t)
{
    check_sequential(t, GRAIN);
    check_sequential(t, 4096);
    check_sequential(t, 1000);
    check_sequential(t, 3 * MIB + 512);
}

/* Within the window any order is the right one. */
static void
test_shuffled(TestCo *t)
{
    VdNode *node;

    create(t);
    node = open_fill(t, 64);
    for (uint64_t i = 0; i < 256; i++) /* the neighbours within 16 */
        test_co_write_pattern(node, (i ^ 0xb) * GRAIN, GRAIN, 2);
    flush(node);
    g_assert_false(fill_of(node)->disordered);
    test_co_close(node);
    node = reopen(t);
    test_co_assert_pattern(node, 0, 256 * GRAIN, 2);
    test_co_close(node);
}

/* Whatever is stored already, the end puts it in order. */
static void
test_backwards(TestCo *t)
{
    VdNode *node;

    create(t);
    node = open_fill(t, 2);
    for (uint64_t i = 600; i > 0; i--)
        test_co_write_pattern(node, i * GRAIN, GRAIN, 3);
    g_assert_true(fill_of(node)->disordered);
    test_co_assert_pattern(node, GRAIN, 600 * GRAIN, 3);
    test_co_close(node);
    node = reopen(t);
    test_co_assert_zero(node, 0, GRAIN);
    test_co_assert_pattern(node, GRAIN, 600 * GRAIN, 3);
    test_co_close(node);
}

static void
test_written_again(TestCo *t)
{
    VdNode *node;

    create(t);
    node = open_fill(t, 2);
    for (unsigned round = 4; round < 7; round++) {
        test_co_write_pattern(node, 0, 20 * GRAIN, round);
        flush(node);
    }
    test_co_write_pattern(node, 3 * GRAIN + 100, 300, 9);
    test_co_close(node);
    node = reopen(t);
    test_co_assert_pattern(node, 0, 3 * GRAIN + 100, 6);
    test_co_assert_pattern(node, 3 * GRAIN + 100, 300, 9);
    test_co_assert_pattern(node, 3 * GRAIN + 400, 17 * GRAIN - 400, 6);
    test_co_close(node);
}

static void
test_last_grain_is_short(TestCo *t)
{
    VdNode *node;

    create(t);
    node = open_fill(t, 2);
    test_co_write_pattern(node, SIZE - 700, 700, 1);
    test_co_close(node);
    node = reopen(t);
    test_co_assert_zero(node, 0, SIZE - 700);
    test_co_assert_pattern(node, SIZE - 700, 700, 1);
    test_co_close(node);
}

/* -- zeroes -----------------------------------------------------------------
 */

static void
check_zeroes(TestCo *t, bool flushed, bool discard)
{
    VdNode *node;

    create(t);
    node = open_fill(t, 64);
    test_co_write_pattern(node, 0, 10 * GRAIN, 1);
    if (flushed)
        flush(node);
    if (discard)
        g_assert_true(vd_node_co_discard(node, 2 * GRAIN, 3 * GRAIN, NULL));
    else
        write_zeroes(node, 2 * GRAIN, 3 * GRAIN);
    write_zeroes(node, 7 * GRAIN + 512, 1024);
    write_zeroes(node, 30 * GRAIN, SIZE - 30 * GRAIN);
    test_co_assert_zero(node, 2 * GRAIN, 3 * GRAIN);
    test_co_close(node);
    node = reopen(t);
    test_co_assert_pattern(node, 0, 2 * GRAIN, 1);
    test_co_assert_zero(node, 2 * GRAIN, 3 * GRAIN);
    test_co_assert_pattern(node, 5 * GRAIN, 2 * GRAIN + 512, 1);
    test_co_assert_zero(node, 7 * GRAIN + 512, 1024);
    test_co_assert_pattern(node, 7 * GRAIN + 1536, 3 * GRAIN - 1536, 1);
    test_co_assert_zero(node, 10 * GRAIN, SIZE - 10 * GRAIN);
    test_co_close(node);
    test_dir_empty(t->dir);
}

static void
test_zeroes(TestCo *t)
{
    for (unsigned i = 0; i < 4; i++)
        check_zeroes(t, i & 1, i & 2);
}

/* Of a disk of zeroes no grain is stored. */
static void
test_zeroes_as_data(TestCo *t)
{
    g_autofree uint8_t *zeroes = g_malloc0(4 * MIB);
    g_autofree char *text = NULL;
    VdNode *node;
    size_t len;

    create(t);
    node = open_fill(t, 8);
    g_assert_true(vd_node_co_pwrite(node, MIB, zeroes, 4 * MIB, NULL));
    test_co_close(node);
    text = vmdk_test_read_file(t, NAME, &len);
    g_assert_cmpuint(len, ==, 128 * 512 + 512);
    test_co_close(reopen(t));
}

/* -- at random --------------------------------------------------------------
 */

typedef struct {
    VdNode *node;
    uint8_t *model;
    GRand *rand;
} Life;

static void
life_co_write(Life *life, uint64_t off, uint64_t len)
{
    uint32_t seed = g_rand_int(life->rand);

    test_pattern_fill(life->model + off, len, off, seed);
    test_co_write_pattern(life->node, off, len, seed);
}

static void
life_co_step(Life *life)
{
    uint64_t off = (uint64_t) g_rand_int_range(life->rand, 0, SIZE);
    uint64_t max = 1ull << g_rand_int_range(life->rand, 4, 21);
    uint64_t len = MIN(max, SIZE - off);
    g_autofree uint8_t *got = g_malloc(len);

    switch (g_rand_int_range(life->rand, 0, 8)) {
    case 0:
        write_zeroes(life->node, off, len);
        memset(life->model + off, 0, len);
        return;
    case 1:
    case 2:
        g_assert_true(vd_node_co_pread(life->node, off, got, len, NULL));
        g_assert_cmpmem(got, len, life->model + off, len);
        return;
    case 3:
        if (g_rand_int_range(life->rand, 0, 4) == 0)
            flush(life->node);
        return;
    default:
        life_co_write(life, off, len);
    }
}

static void
life_co_compare(Life *life)
{
    g_autofree uint8_t *got = g_malloc(SIZE);

    g_assert_true(vd_node_co_pread(life->node, 0, got, SIZE, NULL));
    g_assert_cmpmem(got, SIZE, life->model, SIZE);
}

static void
check_life(TestCo *t, uint32_t seed, int window)
{
    Life life = {.model = g_malloc0(SIZE), .rand = g_rand_new_with_seed(seed)};

    create(t);
    life.node = open_fill(t, window);
    for (unsigned i = test_effort_steps(250); i > 0; i--)
        life_co_step(&life);
    life_co_compare(&life);
    test_co_close(life.node);
    life.node = reopen(t);
    life_co_compare(&life);
    test_co_close(life.node);
    g_rand_free(life.rand);
    g_free(life.model);
    test_dir_empty(t->dir);
}

static void
test_random(TestCo *t)
{
    static const int windows[] = {1, 7, 100, 1024};

    for (unsigned i = 0; i < (test_effort_is_short() ? 4 : 8); i++)
        check_life(t, i, windows[i % G_N_ELEMENTS(windows)]);
}

/* Many writers at once, each with every eighth stretch. */
typedef struct {
    VdNode *node;
    uint64_t first;
} Writer;

static bool
writer_co_main(void *arg, GError **error)
{
    const Writer *w = arg;

    for (uint64_t off = w->first * 10000; off + 10000 <= 30 * MIB; off += 80000)
        test_co_write_pattern(w->node, off, 10000, 5);
    return true;
}

static void
test_side_by_side(TestCo *t)
{
    VioCoGroup *group = vio_co_group_new(8);
    Writer writers[8];
    VdNode *node;

    create(t);
    node = open_fill(t, 5);
    for (unsigned i = 0; i < 8; i++) {
        writers[i] = (Writer){node, i};
        vio_co_group_spawn(group, writer_co_main, &writers[i], NULL);
    }
    g_assert_true(vio_co_group_join(group, NULL));
    vio_co_group_free(group);
    test_co_assert_pattern(node, 0, 31 * MIB / 80000 * 80000 - 80000 * 13, 5);
    test_co_close(node);
    node = reopen(t);
    test_co_assert_pattern(node, 0, 31 * MIB / 80000 * 80000 - 80000 * 13, 5);
    test_co_close(node);
}

/* -- what is refused --------------------------------------------------------
 */

static void
assert_refused(TestCo *t, const char *words)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(vmdk_test_try_open(t, NAME, VD_OPEN_RDWR, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_READ_ONLY);
    g_assert_nonnull(strstr(error->message, words));
    g_assert_nonnull(strstr(error->message, "cannot be written in place"));
}

static void
test_refused(TestCo *t)
{
    VdNode *node;

    create(t);
    node = open_fill(t, 8);
    test_co_write_pattern(node, 12 * MIB, 10, 1);
    test_co_close(node);
    assert_refused(t, "has grains already");
    vmdk_test_replace(t, NAME, "parentCID=ffffffff", "parentCID=fffffff1");
    assert_refused(t, "has a parent");
}

static void
test_lost_tables_are_refused(TestCo *t)
{
    VdNode *node;

    create(t);
    node = open_fill(t, 8);
    test_co_write_pattern(node, 0, 10, 1);
    test_co_close(node);
    vmdk_test_poke32(t, NAME, vmdk_test_peek32(t, NAME, 21 * 512) * 512, 0);
    assert_refused(t, "its tables do not name");
}

static void
test_two_are_locked_out(TestCo *t)
{
    VdNode *node;

    create(t);
    node = open_fill(t, 8);
    vmdk_test_assert_refused(t, NAME, VD_OPEN_RDWR, VD_ERROR_IN_USE);
    vmdk_test_assert_refused(t, NAME, 0, VD_ERROR_IN_USE);
    test_co_write_pattern(node, 0, 10, 1);
    vmdk_test_assert_refused(t, NAME, VD_OPEN_RDWR, VD_ERROR_IN_USE);
    test_co_close(node);
}

/* Its size stays; its metadata may change at any time. */
static void
test_metadata_and_size(TestCo *t)
{
    VdResize how = {.size = 2 * SIZE};
    VdNode *node;

    create(t);
    node = open_fill(t, 8);
    test_co_write_pattern(node, 0, MIB, 1);
    g_assert_true(
        vd_vmdk_driver.co_set_meta(node, "a.long.key", "and a value", NULL));
    g_assert_false(vd_node_co_resize(node, &how, NULL));
    how.size = SIZE / 2;
    g_assert_false(vd_node_co_resize(node, &how, NULL));
    vmdk_test_assert_refused(t, NAME, VD_OPEN_NO_LOCK, VD_ERROR_CORRUPT);
    test_co_close(node);
    node = vmdk_test_open(t, NAME, 0);
    vmdk_test_assert_sound(node, false);
    g_assert_cmpstr(vd_vmdk_driver.get_meta(node, "a.long.key"), ==,
                    "and a value");
    test_co_assert_pattern(node, 0, MIB, 1);
    test_co_close(node);
}

/* -- failures ---------------------------------------------------------------
 */

typedef struct {
    TestCo *t;
    bool backwards;
    bool no_space; /* for putting grains in order, too */
} Sweep;

static void
sweep_prepare(void *arg)
{
    const Sweep *sweep = arg;

    test_dir_empty(sweep->t->dir);
    create(sweep->t);
}

static bool
sweep_co_write(const Sweep *sweep, VdNode *node, GError **error)
{
    g_autofree uint8_t *buf = g_malloc(2 * GRAIN);
    bool ok = true;

    for (uint64_t i = 0; ok && i < 10; i++) {
        uint64_t off = (sweep->backwards ? 9 - i : i) * 2 * GRAIN;

        test_pattern_fill(buf, 2 * GRAIN, off, 1);
        ok = vd_node_co_pwrite(node, off, buf, 2 * GRAIN, error);
    }
    return ok && vd_node_co_flush(node, error);
}

static bool
sweep_act(void *arg, GError **error)
{
    const Sweep *sweep = arg;
    VdNode *node = vmdk_test_try_open(sweep->t, NAME, VD_OPEN_RDWR, error);
    bool ok;

    if (!node)
        return false;
    fill_of(node)->max_window = 3;
    ok = sweep_co_write(sweep, node, error);
    return vd_node_co_close(node, ok ? error : NULL) && ok;
}

/* Good, or nothing that anybody takes for good. */
static void
sweep_check(void *arg, bool ok)
{
    const Sweep *sweep = arg;
    g_autoptr(GError) error = NULL;
    VdNode *node = vmdk_test_try_open(sweep->t, NAME, 0, &error);

    if (ok) {
        g_assert_no_error(error);
        test_co_assert_pattern(node, 0, 20 * GRAIN, 1);
    }
    if (node) {
        if (sweep->backwards && sweep->no_space)
            vmdk_test_assert_sound(node, true);
        else
            assert_importable(node);
        test_co_close(node);
    } else {
        g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    }
}

static void
test_failing_requests(TestCo *t)
{
    static const TestOp ops[] = {TEST_OP_READ, TEST_OP_WRITE, TEST_OP_FLUSH,
                                 TEST_OP_TRUNCATE};
    unsigned fired = 0;

    test_leaf_install();
    for (unsigned i = 0; i < 4 * G_N_ELEMENTS(ops); i++) {
        Sweep sweep = {.t = t, .backwards = i & 1, .no_space = i & 2};
        TestSweep how = {.op = ops[i / 4],
                         .errnum = i & 2 ? ENOSPC : EIO,
                         .prepare = sweep_prepare,
                         .act = sweep_act,
                         .check = sweep_check,
                         .may_succeed = true};

        fired += test_fault_sweep(&how, &sweep);
    }
    g_assert_cmpuint(fired, >, 40);
    test_leaf_remove();
}

/* A write that fails for want of space is told, and lost is nothing. */
static void
test_space_comes_back(TestCo *t)
{
    VdNode *node;

    test_leaf_install();
    create(t);
    node = open_fill(t, 64);
    test_co_write_pattern(node, 0, 20 * GRAIN, 1);
    test_leaf_reset_counts();
    test_leaf_fail_nth(TEST_OP_WRITE, 0, ENOSPC);
    g_assert_false(vd_node_co_flush(node, NULL));
    g_assert_true(test_leaf_fault_fired());
    test_leaf_clear_fault();
    test_co_assert_pattern(node, 0, 20 * GRAIN, 1);
    flush(node);
    test_co_close(node);
    node = reopen(t);
    test_co_assert_pattern(node, 0, 20 * GRAIN, 1);
    test_co_close(node);
    test_leaf_remove();
}

/* -- crashes ----------------------------------------------------------------
 */

#define MARK_FLUSHED 1
#define MARK_CLOSED 2

typedef struct {
    TestCo *t;
    bool backwards;
    unsigned finished, recovered;
} Crash;

static void
crash_check(const TestCrashPoint *point, void *arg)
{
    Crash *c = arg;
    TestCo at = *c->t;
    g_autoptr(GError) error = NULL;
    VdNode *node;

    at.dir = (char *) point->dir;
    node = vmdk_test_try_open(&at, NAME, 0, &error);
    if (node) { /* as before, or all of it */
        g_autofree uint8_t *first = g_malloc(512);

        g_assert_true(vd_node_co_pread(node, 0, first, 512, NULL));
        if (point->mark >= MARK_FLUSHED || first[100] != 0) {
            test_co_assert_pattern(node, 0, 20 * GRAIN, 1);
            c->finished++;
        } else {
            test_co_assert_zero(node, 0, 20 * GRAIN);
        }
        assert_importable(node);
        test_co_close(node);
        return;
    }
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    g_assert_cmpuint(point->mark, <, MARK_CLOSED);
    if (point->mark < MARK_FLUSHED || c->backwards)
        return;
    node = open_recovering(&at);
    test_co_assert_pattern(node, 0, 20 * GRAIN, 1);
    test_co_close(node);
    c->recovered++;
}

static void
check_crash(TestCo *t, bool backwards)
{
    Sweep sweep = {.t = t, .backwards = backwards};
    Crash c = {.t = t, .backwards = backwards};
    char *base = test_dir_new();
    g_autofree char *to = g_build_filename(base, NAME, NULL);
    g_autofree char *bytes = NULL;
    g_autoptr(GPtrArray) changes = NULL;
    TestCrash how = {
        .base_dir = base, .samples = 3, .seed = 1, .check = crash_check};
    VdNode *node;
    size_t len;

    sweep_prepare(&sweep);
    bytes = vmdk_test_read_file(t, NAME, &len);
    g_assert_true(g_file_set_contents(to, bytes, (gssize) len, NULL));
    test_leaf_record();
    node = open_fill(t, 3);
    g_assert_true(sweep_co_write(&sweep, node, NULL));
    test_leaf_mark(MARK_FLUSHED);
    g_assert_true(vd_node_co_close(node, NULL));
    changes = test_leaf_record_end();
    how.changes = changes;
    g_assert_cmpuint(test_crash_replay(&how, &c), >, 10);
    g_assert_cmpuint(c.finished, >, 0);
    if (!backwards)
        g_assert_cmpuint(c.recovered, >, 0);
    test_dir_remove(base);
}

static void
test_crash(TestCo *t)
{
    test_leaf_install();
    check_crash(t, false);
    check_crash(t, true);
    test_leaf_remove();
}

#define ADD(path, fn) test_co_add("/vmdk/fill/" path, fn)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("unwritten-stays", test_unwritten_stays);
    ADD("sequential", test_sequential);
    ADD("shuffled", test_shuffled);
    ADD("backwards", test_backwards);
    ADD("written-again", test_written_again);
    ADD("last-grain-is-short", test_last_grain_is_short);
    ADD("zeroes", test_zeroes);
    ADD("zeroes-as-data", test_zeroes_as_data);
    ADD("random", test_random);
    ADD("side-by-side", test_side_by_side);
    ADD("refused", test_refused);
    ADD("lost-tables-are-refused", test_lost_tables_are_refused);
    ADD("two-are-locked-out", test_two_are_locked_out);
    ADD("metadata-and-size", test_metadata_and_size);
    ADD("failing-requests", test_failing_requests);
    ADD("space-comes-back", test_space_comes_back);
    ADD("crash", test_crash);
    return g_test_run();
}
