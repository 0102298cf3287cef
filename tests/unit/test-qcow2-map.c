/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-qcow2-map.c - the map answers in long runs: what is alike and
 * behind one another is one run, within a slice of a table at least. */
#include "tests/unit/qcow2-test.h"

/* Guest bytes of a slice of 512 entries. */
#define SLICE (32 * MIB)

static void
assert_run(VdNode *node, uint64_t off, uint64_t len, VdRunKind kind,
           uint64_t wanted)
{
    g_autoptr(GError) error = NULL;
    VdRun run = {0};

    vd_qcow2_driver.co_map(node, off, len, 0, &run, &error);
    g_assert_no_error(error);
    g_assert_cmpint(run.kind, ==, kind);
    g_assert_cmpuint(run.len, ==, wanted);
}

static VdNode *
make(TestCo *t, uint64_t size, const char *options)
{
    qcow2_test_create(t, size, options);
    return qcow2_test_open(t, VD_OPEN_RDWR);
}

static void
test_empty_disks(TestCo *t)
{
    VdNode *node = make(t, 1024 * GIB, "");

    assert_run(node, 0, 1024 * GIB, VD_RUN_PARENT, 1024 * GIB);
    assert_run(node, 5, 100 * GIB, VD_RUN_PARENT, 100 * GIB);
    test_co_close(node);
}

static void
assert_data_in_one_run(TestCo *t, const char *options, uint64_t slice)
{
    VdNode *node = make(t, 100 * MIB, options);

    test_co_write_pattern(node, 0, 2 * slice, 3);
    assert_run(node, 0, slice, VD_RUN_DATA, slice);
    assert_run(node, slice - 512, slice, VD_RUN_DATA, slice);
    test_co_close(node);
    /* With nothing in memory: to the end of what is read. */
    node = qcow2_test_open(t, 0);
    assert_run(node, 512, 2 * slice, VD_RUN_DATA, slice - 512);
    assert_run(node, 2 * slice, 512, VD_RUN_PARENT, 512);
    test_co_close(node);
}

static void
test_data(TestCo *t)
{
    assert_data_in_one_run(t, "", SLICE);
}

static void
test_data_of_subclusters(TestCo *t)
{
    assert_data_in_one_run(t, "extended_l2=on", SLICE / 2);
}

static void
test_data_of_data_files(TestCo *t)
{
    assert_data_in_one_run(t, "data_file=d.data", SLICE);
}

/* Of clusters that keep their place. */
static void
test_zeroes(TestCo *t)
{
    VdNode *node = make(t, 100 * MIB, "");
    g_autoptr(GError) error = NULL;

    test_co_write_pattern(node, 0, 21 * MIB, 3);
    vd_node_co_write_zeroes(node, MIB, 20 * MIB, VD_REQ_NO_FALLBACK, &error);
    g_assert_no_error(error);
    test_co_write_pattern(node, 21 * MIB, MIB, 3);
    assert_run(node, 0, 90 * MIB, VD_RUN_DATA, MIB);
    assert_run(node, MIB, 90 * MIB, VD_RUN_ZERO, 20 * MIB);
    assert_run(node, 21 * MIB, 70 * MIB, VD_RUN_DATA, MIB);
    test_co_close(node);
}

/* Behind one another for the guest is not enough. */
static void
test_apart_in_the_file(TestCo *t)
{
    VdNode *node = make(t, 100 * MIB, "");

    test_co_write_pattern(node, MIB, MIB, 3);
    test_co_write_pattern(node, 0, MIB, 3);
    assert_run(node, 0, 2 * MIB, VD_RUN_DATA, MIB);
    assert_run(node, MIB, 2 * MIB, VD_RUN_DATA, MIB);
    test_co_close(node);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/qcow2/map/empty", test_empty_disks);
    test_co_add("/qcow2/map/data", test_data);
    test_co_add("/qcow2/map/subclusters", test_data_of_subclusters);
    test_co_add("/qcow2/map/data-file", test_data_of_data_files);
    test_co_add("/qcow2/map/zeroes", test_zeroes);
    test_co_add("/qcow2/map/apart", test_apart_in_the_file);
    return g_test_run();
}
