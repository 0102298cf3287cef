/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-huge.c - an almost empty disk of 62 TiB costs what is in
 * it, not what its tables could hold. */
#include "tests/unit/vmdk-test.h"

#define TIB (UINT64_C(1) << 40)
#define DISK (62 * TIB)
#define GRAIN (64 * KIB)
/* Two directories of 8 MiB, and a little more for what is in them. */
#define READ_MAX (20 * MIB)

static const uint64_t places[] = {0, 31 * TIB + GRAIN, DISK - GRAIN};

static void
make_huge(TestCo *t)
{
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", DISK, "");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    for (unsigned i = 0; i < G_N_ELEMENTS(places); i++)
        test_co_write_pattern(node, places[i], GRAIN, i + 1);
    test_co_close(node);
}

static void
assert_read_little(VdNode *node)
{
    const VdStats *stats = vd_node_stats(vd_node_child(node, "file"));

    g_assert_cmpuint(stats->read_bytes, <, READ_MAX);
    g_assert_cmpuint(stats->reads, <, 40);
    g_assert_cmpuint(stats->maps, <, 40);
}

static void
test_map(TestCo *t)
{
    VdNode *node;
    unsigned runs = 0;
    VdRun run;

    make_huge(t);
    node = vmdk_test_open(t, "d.vmdk", 0);
    for (uint64_t off = 0; off < DISK; off += run.len, runs++) {
        g_assert_true(
            vd_node_co_map(node, off, DISK - off, VD_WANT_ZERO, &run, NULL));
        g_assert_cmpint(run.kind == VD_RUN_DATA, ==,
                        off == places[0] || off == places[1] ||
                            off == places[2]);
    }
    g_assert_cmpuint(runs, <, 20);
    assert_read_little(node);
    test_co_close(node);
}

static void
test_check(TestCo *t)
{
    VdNode *node;

    make_huge(t);
    node = vmdk_test_open(t, "d.vmdk", 0);
    vmdk_test_assert_sound(node, false);
    assert_read_little(node);
    test_co_close(node);
}

static void
test_write(TestCo *t)
{
    VdNode *node;

    make_huge(t);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 20 * TIB, GRAIN, 7);
    assert_read_little(node);
    test_co_close(node);
}

/* What was known to be a hole is forgotten when a table comes to be there, even
 * if the table is no longer in memory. */
static void
test_hole_is_forgotten(TestCo *t)
{
    VdTableCache *cache = vd_table_cache_ref(t->loop);
    VdNode *node;

    make_huge(t);
    vd_table_cache_set_limit(cache, 1);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_assert_zero(node, 5 * TIB, GRAIN);
    for (uint64_t off = 5 * TIB; off < 6 * TIB; off += TIB / 8) {
        test_co_write_pattern(node, off, GRAIN, 9);
        g_assert_true(vd_node_co_flush(node, NULL));
        test_co_assert_zero(node, off + 9 * TIB, GRAIN);
    }
    for (uint64_t off = 5 * TIB; off < 6 * TIB; off += TIB / 8)
        test_co_assert_pattern(node, off, GRAIN, 9);
    test_co_close(node);
    vd_table_cache_set_limit(cache, 0);
    vd_table_cache_unref(cache);
}

/* What was written but not flushed is in no hole, whoever asked when. */
static void
test_unwritten_tables_are_there(TestCo *t)
{
    VdNode *node;
    VdRun run;

    make_huge(t);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 8 * TIB, GRAIN, 9);
    g_assert_true(
        vd_node_co_map(node, 5 * TIB, 10 * TIB, VD_WANT_ZERO, &run, NULL));
    g_assert_cmpuint(run.len, <=, 3 * TIB);
    test_co_assert_zero(node, 7 * TIB, GRAIN);
    test_co_write_pattern(node, 7 * TIB + TIB / 2, GRAIN, 9);
    for (uint64_t off = 5 * TIB; off < 15 * TIB; off += run.len) {
        g_assert_true(vd_node_co_map(node, off, 15 * TIB - off, VD_WANT_ZERO,
                                     &run, NULL));
        g_assert_cmpint(run.kind == VD_RUN_DATA, ==,
                        off == 8 * TIB || off == 7 * TIB + TIB / 2);
    }
    test_co_close(node);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/vmdk/huge/map", test_map);
    test_co_add("/vmdk/huge/check", test_check);
    test_co_add("/vmdk/huge/write", test_write);
    test_co_add("/vmdk/huge/hole-is-forgotten", test_hole_is_forgotten);
    test_co_add("/vmdk/huge/unwritten-tables-are-there",
                test_unwritten_tables_are_there);
    return g_test_run();
}
