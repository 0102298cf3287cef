/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-qcow2-repair-crash.c - a repair that is cut short.
 *
 * After a crash at any moment, and after any request that fails, the image
 * reads as before, nothing is more wrong than it was, and the next repair mends
 * it. */
#include "tests/support/crash.h"
#include "tests/support/sweep.h"
#include "tests/unit/qcow2-test.h"

#include <errno.h>

#define DISK_SIZE (4 * MIB)
#define DATA (3 * MIB)
#define SEED 78

typedef void (*Damage)(TestCo *t, const Qcow2Header *hdr);

typedef struct {
    const char *options;
    Damage damage;
    bool when_opened; /* marked as dirty: by whoever opens it for writing */
} Case;

typedef struct {
    TestCo *t;
    const Case *c;
    uint64_t corruptions; /* before */
} Run;

/* -- damage ---------------------------------------------------------------- */

static void
poke_be64(TestCo *t, uint64_t off, uint64_t word)
{
    uint8_t raw[8];

    vio_put_be64(raw, word);
    vmdk_test_poke(t, QCOW2_TEST_NAME, off, raw, sizeof(raw));
}

/* Some counts are too low, some too high. */
static void
damage_counts(TestCo *t, const Qcow2Header *hdr)
{
    static const uint8_t counts[] = {0, 0, 0, 5, 0, 0, 0, 7};
    uint64_t block = hdr->reftable_off + qcow2_cluster_bytes(hdr);

    vmdk_test_poke(t, QCOW2_TEST_NAME, block + 32, counts, sizeof(counts));
    vmdk_test_poke(t, QCOW2_TEST_NAME, block + 1024, counts, sizeof(counts));
}

static void
damage_dirty(TestCo *t, const Qcow2Header *hdr)
{
    damage_counts(t, hdr);
    poke_be64(t, 72, QCOW2_INCOMPAT_DIRTY);
}

/* What holds the counts is lost. */
static void
damage_table(TestCo *t, const Qcow2Header *hdr)
{
    poke_be64(t, hdr->reftable_off, 0x1234567);
    poke_be64(t, 72, QCOW2_INCOMPAT_CORRUPT);
}

/* COPIED bits of the L1 table. */
static void
damage_copied(TestCo *t, const Qcow2Header *hdr)
{
    uint64_t word;
    size_t len;
    g_autofree char *file = vmdk_test_read_file(t, QCOW2_TEST_NAME, &len);

    g_assert_cmpuint(hdr->l1_off + 8, <=, len);
    word = vio_get_be64((uint8_t *) file + hdr->l1_off);
    poke_be64(t, hdr->l1_off, word ^ QCOW2_COPIED);
    damage_counts(t, hdr);
}

static const Case cases[] = {
    {"", damage_counts, false},
    {"cluster_size=4k", damage_table, false},
    {"cluster_size=4k", damage_copied, false},
    {"", damage_dirty, true},
};

static void
make_image(const Run *run)
{
    TestCo *t = run->t;
    Qcow2Header hdr;
    VdNode *node;

    qcow2_test_create(t, DISK_SIZE, run->c->options);
    node = qcow2_test_open(t, VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, DATA, SEED);
    hdr = ((Qcow2State *) vd_node_state(node))->hdr;
    test_co_close(node);
    run->c->damage(t, &hdr);
}

/* -- repair ---------------------------------------------------------------- */

static bool
try_repair(TestCo *t, const Case *c, GError **error)
{
    VdCheckParams params = {.repair = VD_REPAIR_ALL};
    VdCheckResult result = {0};
    VdOpenFlags flags = VD_OPEN_RDWR | (c->when_opened ? 0 : VD_OPEN_CHECK);
    VdNode *node = qcow2_test_try_open(t, flags, error);
    bool ok;

    if (!node)
        return false;
    ok = c->when_opened ||
         vd_qcow2_driver.co_check(node, &params, &result, error);
    g_clear_pointer(&result.findings, g_ptr_array_unref);
    return vd_node_co_close(node, ok ? error : NULL) && ok;
}

static uint64_t
corruptions(TestCo *t)
{
    VdNode *node = qcow2_test_open(t, VD_OPEN_CHECK);
    uint64_t n = qcow2_test_check(node, 0).corruptions;

    test_co_assert_pattern(node, 0, DATA, SEED);
    test_co_assert_zero(node, DATA, DISK_SIZE - DATA);
    test_co_close(node);
    return n;
}

/* Then it may be written to again. */
static void
assert_mended(TestCo *t)
{
    VdNode *node = qcow2_test_open(t, VD_OPEN_RDWR);
    const Qcow2State *s = vd_node_state(node);
    VdCheckResult result = qcow2_test_check(node, 0);

    g_assert_cmpuint(result.corruptions + result.leaks, ==, 0);
    g_assert_cmpuint(s->hdr.incompatible, ==, 0);
    test_co_write_pattern(node, DATA, 70000, SEED + 1);
    test_co_close(node);
    node = qcow2_test_open(t, 0);
    test_co_assert_pattern(node, 0, DATA, SEED);
    test_co_assert_pattern(node, DATA, 70000, SEED + 1);
    qcow2_test_assert_sound(node);
    test_co_close(node);
}

static void
assert_no_worse(TestCo *t, const Run *run)
{
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(corruptions(t), <=, run->corruptions);
    try_repair(t, run->c, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(corruptions(t), ==, 0);
    assert_mended(t);
}

/* -- crashes --------------------------------------------------------------- */

static bool
crash_act(void *arg, GError **error)
{
    Run *run = arg;

    return try_repair(run->t, run->c, error);
}

static void
crash_check(const TestCrashPoint *point, void *arg)
{
    const Run *run = arg;
    TestCo t = *run->t;

    t.dir = (char *) point->dir;
    assert_no_worse(&t, run);
}

static void
test_crash(TestCo *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        Run run = {.t = t, .c = &cases[i]};
        TestCrash crash = {.samples = 2, .seed = 200 + i, .check = crash_check};

        test_dir_empty(t->dir);
        make_image(&run);
        run.corruptions = corruptions(t);
        g_assert_cmpuint(run.corruptions, >, 0);
        g_assert_cmpuint(test_crash_try(&crash, t->dir, crash_act, &run), >, 2);
    }
}

/* -- failing requests ------------------------------------------------------ */

static void
sweep_prepare(void *arg)
{
    Run *run = arg;

    test_dir_empty(run->t->dir);
    make_image(run);
    run->corruptions = corruptions(run->t);
}

static void
sweep_check(void *arg, bool ok)
{
    Run *run = arg;

    if (ok)
        g_assert_cmpuint(corruptions(run->t), ==, 0);
    assert_no_worse(run->t, run);
}

static void
test_sweep(TestCo *t)
{
    static const TestOp ops[] = {TEST_OP_WRITE, TEST_OP_FLUSH, TEST_OP_READ};
    unsigned fired = 0;

    test_leaf_install();
    for (unsigned i = 0; i < G_N_ELEMENTS(cases) * G_N_ELEMENTS(ops); i++) {
        Run run = {.t = t, .c = &cases[i / G_N_ELEMENTS(ops)]};
        TestSweep how = {.op = ops[i % G_N_ELEMENTS(ops)],
                         .errnum = EIO,
                         .prepare = sweep_prepare,
                         .act = crash_act,
                         .check = sweep_check};

        fired += test_fault_sweep(&how, &run);
    }
    g_assert_cmpuint(fired, >, 20);
    test_leaf_remove();
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/qcow2/repair/crash", test_crash);
    test_co_add("/qcow2/repair/fault", test_sweep);
    return g_test_run();
}
