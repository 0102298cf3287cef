/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-proto-memory.c - the leaves without storage: memory, zero,
 * null. */
#include "block/rw.h"
#include "tests/support/co-test.h"
#include "tests/support/pattern.h"

#define CHUNK UINT64_C(65536)

static void
assert_run(VdNode *node, uint64_t off, uint64_t len, VdRunKind kind,
           uint64_t run_len)
{
    g_autoptr(GError) error = NULL;
    VdRun run;

    vd_node_co_map(node, off, len, VD_WANT_ZERO, &run, &error);
    g_assert_no_error(error);
    g_assert_cmpint(run.kind, ==, kind);
    g_assert_cmpuint(run.len, ==, run_len);
}

static void
test_memory_reads_back_writes(TestCo *t)
{
    VdNode *node = test_co_open(t, "driver=memory,size=1G", VD_OPEN_RDWR);

    test_co_write_pattern(node, 3 * CHUNK - 1000, 2 * CHUNK + 77, 1);
    test_co_assert_zero(node, 0, 3 * CHUNK - 1000);
    test_co_assert_pattern(node, 3 * CHUNK - 1000, 2 * CHUNK + 77, 1);
    test_co_assert_zero(node, 5 * CHUNK - 1000 + 77, CHUNK);
    test_co_close(node);
}

static void
test_memory_maps_what_was_written(TestCo *t)
{
    VdNode *node = test_co_open(t, "driver=memory,size=1M", VD_OPEN_RDWR);

    assert_run(node, 0, 16 * CHUNK, VD_RUN_ZERO, 16 * CHUNK);
    test_co_write_pattern(node, 4 * CHUNK, 2 * CHUNK, 1);
    assert_run(node, 0, 16 * CHUNK, VD_RUN_ZERO, 4 * CHUNK);
    assert_run(node, 4 * CHUNK + 5, 9 * CHUNK, VD_RUN_DATA, 2 * CHUNK - 5);
    assert_run(node, 6 * CHUNK, 3 * CHUNK, VD_RUN_ZERO, 3 * CHUNK);
    test_co_close(node);
}

static void
test_memory_zeroes_parts_of_chunks(TestCo *t)
{
    VdNode *node = test_co_open(t, "driver=memory,size=1M", VD_OPEN_RDWR);
    g_autoptr(GError) error = NULL;

    test_co_write_pattern(node, 0, 8 * CHUNK, 2);
    vd_node_co_write_zeroes(node, CHUNK + 10, 3 * CHUNK, 0, &error);
    g_assert_no_error(error);
    vd_node_co_write_zeroes(node, 6 * CHUNK + 1, 7, 0, &error);
    g_assert_no_error(error);
    test_co_assert_pattern(node, 0, CHUNK + 10, 2);
    test_co_assert_zero(node, CHUNK + 10, 3 * CHUNK);
    test_co_assert_pattern(node, 4 * CHUNK + 10, 2 * CHUNK - 9, 2);
    test_co_assert_zero(node, 6 * CHUNK + 1, 7);
    test_co_assert_pattern(node, 6 * CHUNK + 8, 2 * CHUNK - 8, 2);
    g_assert_cmpint(vd_node_co_allocated_size(node), ==, 6 * CHUNK);
    test_co_close(node);
}

static void
test_memory_discard_gives_memory_back(TestCo *t)
{
    VdNode *node =
        test_co_open(t, "driver=memory,size=1M", VD_OPEN_RDWR | VD_OPEN_UNMAP);
    g_autoptr(GError) error = NULL;

    test_co_write_pattern(node, 0, 8 * CHUNK, 2);
    vd_node_co_discard(node, 0, 7 * CHUNK, &error);
    g_assert_no_error(error);
    g_assert_cmpint(vd_node_co_allocated_size(node), ==, CHUNK);
    test_co_assert_zero(node, 0, 7 * CHUNK);
    test_co_close(node);
}

static void
test_memory_huge_disk_costs_what_is_used(TestCo *t)
{
    VdNode *node = test_co_open(t, "driver=memory,size=4E", VD_OPEN_RDWR);
    uint64_t far = UINT64_C(3) << 60;
    g_autoptr(GError) error = NULL;

    test_co_write_pattern(node, far, CHUNK, 3);
    vd_node_co_write_zeroes(node, 0, far, 0, &error);
    g_assert_no_error(error);
    test_co_assert_pattern(node, far, CHUNK, 3);
    g_assert_cmpint(vd_node_co_allocated_size(node), ==, CHUNK);
    test_co_close(node);
}

static void
test_memory_cut_bytes_do_not_come_back(TestCo *t)
{
    VdNode *node = test_co_open(t, "driver=memory,size=1M", VD_OPEN_RDWR);
    g_autoptr(GError) error = NULL;

    test_co_write_pattern(node, 0, 4 * CHUNK, 1);
    vd_node_co_truncate(node, CHUNK + 100, VD_PREALLOC_OFF, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(vd_node_size(node), ==, CHUNK + 100);
    vd_node_co_truncate(node, 4 * CHUNK, VD_PREALLOC_OFF, &error);
    g_assert_no_error(error);
    test_co_assert_pattern(node, 0, CHUNK + 100, 1);
    test_co_assert_zero(node, CHUNK + 100, 3 * CHUNK - 100);
    test_co_close(node);
}

static void
test_zero_reads_zeroes_and_says_so(TestCo *t)
{
    VdNode *node = test_co_open(t, "driver=zero,size=1T", 0);

    g_assert_cmpuint(vd_node_size(node), ==, UINT64_C(1) << 40);
    test_co_assert_zero(node, (UINT64_C(1) << 40) - 12345, 12345);
    assert_run(node, 0, UINT64_C(1) << 40, VD_RUN_ZERO, UINT64_C(1) << 40);
    test_co_close(node);
}

static void
test_zero_refuses_writers(TestCo *t)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(test_co_try_open(t, "driver=zero", VD_OPEN_RDWR, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_READ_ONLY);
}

static void
test_null_swallows_writes(TestCo *t)
{
    VdNode *node = test_co_open(t, "driver=null,size=64M", VD_OPEN_RDWR);

    test_co_write_pattern(node, 0, CHUNK, 1);
    test_co_assert_zero(node, 0, CHUNK);
    assert_run(node, 0, CHUNK, VD_RUN_DATA, CHUNK);
    test_co_close(node);
}

static void
test_null_latency_is_at_least_kept(TestCo *t)
{
    VdNode *node = test_co_open(t, "driver=null,latency-ns=3000000", 0);
    uint64_t before = vio_now_ns();

    test_co_assert_zero(node, 0, 4096);
    g_assert_cmpuint(vio_now_ns() - before, >=, 3000000);
    test_co_close(node);
}

static void
test_sizes_are_checked(TestCo *t)
{
    static const char *const bad[] = {
        "driver=memory,size=8E", "driver=memory,size=-1",
        "driver=null,size=much", "driver=zero,size=1G,colour=red"};

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(test_co_try_open(t, bad[i], 0, &error));
        g_assert_true(vd_error_is(error, VD_ERROR_INVALID_ARGUMENT) ||
                      vd_error_is(error, VD_ERROR_LIMIT));
    }
}

static void
test_names_carry_sizes(TestCo *t)
{
    static const char *const names[] = {"zero:3M", "null:3M", "memory://3M",
                                        "null-co://3M"};

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GError) error = NULL;
        VdNode *node = vd_co_open(&t->env, names[i], "raw", NULL, 0, &error);

        g_assert_no_error(error);
        g_assert_cmpuint(vd_node_size(node), ==, 3 << 20);
        test_co_close(node);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/memory/reads-back-writes", test_memory_reads_back_writes);
    test_co_add("/memory/maps-what-was-written",
                test_memory_maps_what_was_written);
    test_co_add("/memory/zeroes-parts-of-chunks",
                test_memory_zeroes_parts_of_chunks);
    test_co_add("/memory/discard-gives-memory-back",
                test_memory_discard_gives_memory_back);
    test_co_add("/memory/huge-disk-costs-what-is-used",
                test_memory_huge_disk_costs_what_is_used);
    test_co_add("/memory/cut-bytes-do-not-come-back",
                test_memory_cut_bytes_do_not_come_back);
    test_co_add("/zero/reads-zeroes-and-says-so",
                test_zero_reads_zeroes_and_says_so);
    test_co_add("/zero/refuses-writers", test_zero_refuses_writers);
    test_co_add("/null/swallows-writes", test_null_swallows_writes);
    test_co_add("/null/latency-is-at-least-kept",
                test_null_latency_is_at_least_kept);
    test_co_add("/sized/sizes-are-checked", test_sizes_are_checked);
    test_co_add("/sized/names-carry-sizes", test_names_carry_sizes);
    return g_test_run();
}
