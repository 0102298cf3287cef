/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-blocks-compact.c - VDI, VHD and VHDX made smaller: the bytes
 * stay, the file gets as small as it can be, and neither a crash nor a failing
 * request harms a block. */
#include "formats/vdi/driver.h"
#include "formats/vdi/vdi.h"
#include "formats/vhd/driver.h"
#include "formats/vhd/vhd.h"
#include "formats/vhdx/driver.h"
#include "formats/vhdx/vhdx.h"
#include "tests/support/crash.h"
#include "tests/support/sweep.h"
#include "tests/unit/blocks-test.h"

#include <errno.h>
#include <string.h>

#define SIZE (20 * MIB)
#define BLOCK (2 * MIB) /* two of a VDI's */
#define N_BLOCKS 10u
#define ZEROES 0x55u /* blocks that hold zeroes: 0, 2, 4, 6 */

typedef struct {
    BlocksTest image;
    const char *options;
    uint64_t least; /* bytes of the file with the six blocks of data */
    uint64_t table; /* where it is */
    const char *absent;
    unsigned entry_bytes;
} Kind;

static const Kind kinds[] = {
    {{&vd_vdi_driver, "d.vdi", false},
     "",
     2 * MIB + 6 * BLOCK,
     MIB,
     "\xff\xff\xff\xff",
     4},
    {{&vd_vhd_driver, "d.vhd", true},
     "",
     4096 + 6 * (BLOCK + 4096) + 512,
     1536,
     "\xff\xff\xff\xff",
     4},
    {{&vd_vhdx_driver, "d.vhdx", false},
     "block_size=2M",
     4 * MIB + 6 * BLOCK,
     2 * MIB,
     "\0\0\0\0\0\0\0",
     8},
};

static const Kind *kind; /* test functions have no other argument */

/* -- making ---------------------------------------------------------------- */

/* Places are in another order than blocks: the last first. */
static void
make_image(TestCo *t)
{
    g_autofree uint8_t *zeroes = g_malloc0(BLOCK);
    g_autoptr(GError) error = NULL;
    VdNode *node;

    blocks_test_create(t, &kind->image, SIZE, kind->options);
    node = blocks_test_open(t, &kind->image, VD_OPEN_RDWR);
    for (unsigned i = N_BLOCKS; i-- > 0;) {
        test_co_write_pattern(node, i * BLOCK, BLOCK, 100 + i);
        if (ZEROES >> i & 1)
            vd_node_co_pwrite(node, i * BLOCK, zeroes, BLOCK, &error);
        g_assert_no_error(error);
    }
    test_co_close(node);
}

static void
assert_contents(VdNode *node)
{
    for (unsigned i = 0; i < N_BLOCKS; i++) {
        if (ZEROES >> i & 1)
            test_co_assert_zero(node, i * BLOCK, BLOCK);
        else
            test_co_assert_pattern(node, i * BLOCK, BLOCK, 100 + i);
    }
}

static bool
try_compact(TestCo *t, VdCompactResult *result, bool mark, GError **error)
{
    VdCompactParams params = {.what = VD_COMPACT_SHRINK};
    VdNode *node = blocks_test_try_open(t, &kind->image,
                                        VD_OPEN_RDWR | VD_OPEN_UNMAP, error);
    bool ok;

    if (!node)
        return false;
    ok = kind->image.driver->co_compact(node, &params, result, error) &&
         vd_node_co_flush(node, error);
    if (ok)
        assert_contents(node);
    if (mark)
        test_leaf_mark(1);
    return vd_node_co_close(node, ok ? error : NULL) && ok;
}

/* Mended first, if a crash has left something to be. */
static void
assert_whole(TestCo *t, bool compact)
{
    VdNode *node = blocks_test_open(t, &kind->image, 0);
    VdCheckResult result;

    assert_contents(node);
    test_co_close(node);
    node = blocks_test_open(t, &kind->image, VD_OPEN_RDWR);
    if (kind->image.mends && !compact)
        (void) blocks_test_check(node, VD_REPAIR_ALL);
    result = blocks_test_check(node, 0);
    g_assert_cmpuint(result.corruptions, ==, 0);
    g_assert_true(!compact || result.leaks == 0);
    test_co_close(node);
    if (compact)
        g_assert_cmpuint(blocks_test_file_size(t, &kind->image), <=,
                         kind->least);
}

/* -- what it does ---------------------------------------------------------- */

/* By which children know this disk as it is. */
static void
peek_id(TestCo *t, uint8_t id[VD_UUID_BYTES])
{
    VdNode *node = blocks_test_open(t, &kind->image, 0);

    if (kind->image.driver == &vd_vdi_driver)
        memcpy(id, ((VdiState *) vd_node_state(node))->hdr.modify,
               VD_UUID_BYTES);
    else if (kind->image.driver == &vd_vhd_driver)
        memcpy(id, ((VhdState *) vd_node_state(node))->footer.uuid,
               VD_UUID_BYTES);
    else
        memcpy(id, ((VhdxState *) vd_node_state(node))->headers.now.data_write,
               VD_UUID_BYTES);
    test_co_close(node);
}

static void
compacts(TestCo *t)
{
    VdCompactResult result = {0}, again = {0};
    uint8_t before[VD_UUID_BYTES], after[VD_UUID_BYTES];
    g_autoptr(GError) error = NULL;
    VdNode *node;

    make_image(t);
    peek_id(t, before);
    try_compact(t, &result, false, &error);
    g_assert_no_error(error);
    peek_id(t, after);
    g_assert_cmpmem(before, sizeof(before), after, sizeof(after));
    g_assert_cmpuint(result.freed_clusters, >=, 4);
    g_assert_cmpuint(result.moved_clusters, >, 0);
    g_assert_cmpuint(result.file_bytes_after, <, result.file_bytes_before);
    assert_whole(t, true);
    try_compact(t, &again, false, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(again.freed_clusters + again.moved_clusters, ==, 0);
    /* It can be written, and made longer. */
    node = blocks_test_open(t, &kind->image, VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, BLOCK, 7);
    test_co_assert_pattern(node, BLOCK, BLOCK, 101);
    vd_node_co_truncate(node, SIZE + MIB, VD_PREALLOC_OFF, &error);
    g_assert_no_error(error);
    test_co_close(node);
    node = blocks_test_open(t, &kind->image, 0);
    test_co_assert_pattern(node, 0, BLOCK, 7);
    test_co_assert_pattern(node, 9 * BLOCK, BLOCK, 109);
    test_co_assert_zero(node, SIZE, MIB);
    blocks_test_assert_sound(node);
    test_co_close(node);
}

/* A block that nothing names: what a crash leaves.  It held zeroes. */
static void
gives_leaks_back(TestCo *t)
{
    VdCheckResult result;
    uint64_t before;
    VdNode *node;

    make_image(t);
    before = blocks_test_file_size(t, &kind->image);
    blocks_test_poke(t, &kind->image, kind->table, kind->absent,
                     kind->entry_bytes);
    node = blocks_test_open(t, &kind->image, VD_OPEN_RDWR);
    g_assert_cmpuint(blocks_test_check(node, 0).leaks, ==, 1);
    result = blocks_test_check(node, VD_REPAIR_LEAKS);
    g_assert_cmpuint(result.leaks_fixed, ==, 1);
    g_assert_cmpuint(result.leaks, ==, 0);
    assert_contents(node);
    test_co_close(node);
    g_assert_cmpuint(blocks_test_file_size(t, &kind->image), <=, before - MIB);
    node = blocks_test_open(t, &kind->image, 0);
    result = blocks_test_check(node, 0);
    g_assert_cmpuint(result.corruptions + result.leaks, ==, 0);
    assert_contents(node);
    test_co_close(node);
}

static void
does_not_defragment(TestCo *t)
{
    VdCompactParams params = {.what = VD_COMPACT_DEFRAGMENT};
    VdCompactResult result = {0};
    g_autoptr(GError) error = NULL;
    VdNode *node;

    make_image(t);
    node = blocks_test_open(t, &kind->image, VD_OPEN_RDWR);
    g_assert_false(
        kind->image.driver->co_compact(node, &params, &result, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
    test_co_close(node);
}

/* -- crashes and failures -------------------------------------------------- */

static void
crash_check(const TestCrashPoint *point, void *arg)
{
    VdCompactResult result = {0};
    g_autoptr(GError) error = NULL;
    TestCo t = *(TestCo *) arg;

    t.dir = (char *) point->dir;
    assert_whole(&t, point->mark);
    try_compact(&t, &result, false, &error);
    g_assert_no_error(error);
    assert_whole(&t, true);
}

static bool
crash_act(void *arg, GError **error)
{
    VdCompactResult result = {0};

    return try_compact(arg, &result, true, error);
}

static void
survives_crashes(TestCo *t)
{
    TestCrash crash = {.samples = 1, .seed = 3, .check = crash_check};

    make_image(t);
    g_assert_cmpuint(test_crash_try(&crash, t->dir, crash_act, t), >, 4);
}

static void
sweep_prepare(void *arg)
{
    TestCo *t = arg;

    test_dir_empty(t->dir);
    make_image(t);
}

static bool
sweep_act(void *arg, GError **error)
{
    VdCompactResult result = {0};

    return try_compact(arg, &result, false, error);
}

static void
sweep_check(void *arg, bool ok)
{
    assert_whole(arg, ok);
}

static void
survives_failures(TestCo *t)
{
    static const TestOp ops[] = {TEST_OP_WRITE, TEST_OP_FLUSH,
                                 TEST_OP_TRUNCATE};
    TestSweep how = {.errnum = EIO,
                     .prepare = sweep_prepare,
                     .act = sweep_act,
                     .check = sweep_check};

    test_leaf_install();
    for (unsigned i = 0; i < G_N_ELEMENTS(ops); i++) {
        how.op = ops[i];
        g_assert_cmpuint(test_fault_sweep(&how, t), >, 0);
    }
    test_leaf_remove();
}

/* -- all of them ----------------------------------------------------------- */

static void
each(TestCo *t, TestCoFunc fn)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        kind = &kinds[i];
        g_test_message("%s", kind->image.name);
        test_dir_empty(t->dir);
        fn(t);
    }
}

static void
test_compacts(TestCo *t)
{
    each(t, compacts);
}

static void
test_gives_leaks_back(TestCo *t)
{
    each(t, gives_leaks_back);
}

static void
test_does_not_defragment(TestCo *t)
{
    each(t, does_not_defragment);
}

static void
test_survives_crashes(TestCo *t)
{
    each(t, survives_crashes);
}

static void
test_survives_failures(TestCo *t)
{
    each(t, survives_failures);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/blocks/compact/compacts", test_compacts);
    test_co_add("/blocks/compact/gives-leaks-back", test_gives_leaks_back);
    test_co_add("/blocks/compact/does-not-defragment",
                test_does_not_defragment);
    test_co_add("/blocks/compact/survives-crashes", test_survives_crashes);
    test_co_add("/blocks/compact/survives-failures", test_survives_failures);
    return g_test_run();
}
