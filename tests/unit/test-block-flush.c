/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-block-flush.c - flushes: order, coalescing, failures that
 * stay; and closing. */
#include <string.h>

#include "block/drivers.h"
#include "tests/unit/block-test.h"

static VdNode *
open_ram(TestCo *t, VdOpenFlags flags)
{
    block_test_begin(t);
    ram_fill(ram_store("d"), 65536, 1);
    return block_test_open(t, "ram:d", "ram", flags | VD_OPEN_RDWR);
}

static VdNode *
open_toy(TestCo *t, VdOpenFlags flags)
{
    block_test_begin(t);
    toy_format(ram_store("d"), 65536, NULL);
    return block_test_open(t, "ram:d", "toy", flags | VD_OPEN_RDWR);
}

static void
put(VdNode *node)
{
    uint8_t byte = 1;
    g_autoptr(GError) error = NULL;

    vd_node_co_pwrite(node, 0, &byte, 1, &error);
    g_assert_no_error(error);
}

static void
flush(VdNode *node)
{
    g_autoptr(GError) error = NULL;

    vd_node_co_flush(node, &error);
    g_assert_no_error(error);
}

static void
test_nothing_written_is_nothing_to_flush(TestCo *t)
{
    VdNode *node = open_ram(t, 0);

    flush(node);
    g_assert_cmpuint(ram_count(ram_store("d"), RAM_FLUSH), ==, 0);
    put(node);
    flush(node);
    flush(node);
    g_assert_cmpuint(ram_count(ram_store("d"), RAM_FLUSH), ==, 1);
    put(node);
    flush(node);
    g_assert_cmpuint(ram_count(ram_store("d"), RAM_FLUSH), ==, 2);
    test_co_close(node);
}

static void
test_a_failed_write_may_have_arrived(TestCo *t)
{
    VdNode *node = open_ram(t, 0);
    RamStore *store = ram_store("d");
    uint8_t byte = 1;

    store->fail_write_at = 0;
    g_assert_false(vd_node_co_pwrite(node, 0, &byte, 1, NULL));
    flush(node);
    g_assert_cmpuint(ram_count(store, RAM_FLUSH), ==, 1);
    test_co_close(node);
}

static bool
flush_co(void *arg, GError **error)
{
    return vd_node_co_flush(arg, error);
}

static void
test_flushes_side_by_side_are_few(TestCo *t)
{
    VdNode *node = open_ram(t, 0);
    RamStore *store = ram_store("d");
    VioCoGroup *group = vio_co_group_new(16);

    put(node);
    store->delay_ns = 500000;
    for (unsigned i = 0; i < 16; i++)
        vio_co_group_spawn(group, flush_co, node, NULL);
    g_assert_true(vio_co_group_join(group, NULL));
    vio_co_group_free(group);
    g_assert_cmpuint(ram_count(store, RAM_FLUSH), ==, 1);
    g_assert_cmpuint(store->most_running, ==, 1);
    test_co_close(node);
}

static bool
put_and_flush_co(void *arg, GError **error)
{
    uint8_t byte = 2;

    return vd_node_co_pwrite(arg, 1, &byte, 1, error) &&
           vd_node_co_flush(arg, error);
}

static void
test_a_flush_does_not_cover_later_writes(TestCo *t)
{
    VdNode *node = open_ram(t, 0);
    RamStore *store = ram_store("d");
    VioCoGroup *group = vio_co_group_new(2);
    g_autofree char *text = NULL;

    put(node);
    store->delay_ns = 500000;
    vio_co_group_spawn(group, flush_co, node, NULL);
    vio_co_group_spawn(group, put_and_flush_co, node, NULL);
    g_assert_true(vio_co_group_join(group, NULL));
    vio_co_group_free(group);
    text = ram_text(store);
    g_assert_cmpstr(text, ==, "w0+1 f0 w1+1 f0");
    test_co_close(node);
}

static void
test_a_failure_stays(TestCo *t)
{
    VdNode *node = open_ram(t, 0);
    RamStore *store = ram_store("d");

    put(node);
    store->fail_flush = true;
    g_assert_false(vd_node_co_flush(node, NULL));
    store->fail_flush = false; /* as the kernel does: it has told once */
    for (unsigned i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(vd_node_co_flush(node, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    }
    g_assert_cmpuint(ram_count(store, RAM_FLUSH), ==, 1);
    test_co_close(node);
}

static void
test_a_failure_of_a_child_stays(TestCo *t)
{
    VdNode *node = open_toy(t, 0);
    RamStore *store = ram_store("d");

    put(node);
    store->fail_flush = true;
    g_assert_false(vd_node_co_flush(node, NULL));
    store->fail_flush = false;
    g_assert_false(vd_node_co_flush(node, NULL));
    test_co_close(node);
}

static void
test_metadata_go_before_the_flush(TestCo *t)
{
    VdNode *node = open_toy(t, 0);
    RamStore *store = ram_store("d");
    g_autofree char *text = NULL;

    put(node);
    ram_forget_events(store);
    flush(node);
    text = ram_text(store);
    g_assert_cmpstr(text, ==, "w4096+16384 f0");
    test_co_close(node);
}

static void
test_write_back_does_not_flush(TestCo *t)
{
    VdNode *node = open_toy(t, 0);
    RamStore *store = ram_store("d");

    put(node);
    g_assert_true(vd_node_co_write_back(node, NULL));
    g_assert_cmpuint(ram_count(store, RAM_FLUSH), ==, 0);
    g_assert_cmpuint(ram_event(store, store->events->len - 1)->off, ==, 4096);
    test_co_close(node);
}

static void
test_no_flush_writes_metadata_only(TestCo *t)
{
    VdNode *node = open_toy(t, VD_OPEN_NO_FLUSH);
    RamStore *store = ram_store("d");
    uint8_t buf[4] = {1};
    struct iovec iov;
    VioVec src = vio_vec_from_buf(&iov, buf, 4);

    g_assert_true(vd_node_co_pwritev(node, 0, &src, VD_REQ_FUA, NULL));
    flush(node);
    g_assert_cmpuint(ram_count(store, RAM_FLUSH), ==, 0);
    g_assert_cmpuint(ram_event(store, store->events->len - 1)->off, ==, 4096);
    test_co_close(node);
}

static void
test_truncate_must_be_flushed(TestCo *t)
{
    VdNode *node = open_ram(t, 0);

    g_assert_true(vd_node_co_truncate(node, 10, VD_PREALLOC_OFF, NULL));
    flush(node);
    g_assert_cmpuint(ram_count(ram_store("d"), RAM_FLUSH), ==, 1);
    test_co_close(node);
}

static void
test_parents_are_not_flushed(TestCo *t)
{
    VdNode *node;

    block_test_begin(t);
    toy_format(ram_store("base"), 65536, NULL);
    toy_format(ram_store("top"), 65536, "ram:base");
    node = block_test_open(t, "ram:top", "toy", VD_OPEN_RDWR);
    put(node);
    flush(node);
    g_assert_cmpuint(ram_count(ram_store("top"), RAM_FLUSH), ==, 1);
    g_assert_cmpuint(ram_count(ram_store("base"), RAM_FLUSH), ==, 0);
    test_co_close(node);
}

/* -- close ----------------------------------------------------------------- */

static void
test_close_writes_back(TestCo *t)
{
    VdNode *node = open_toy(t, 0);
    RamStore *store = ram_store("d");
    uint32_t entry;

    put(node);
    memcpy(&entry, store->bytes + TOY_GRAIN, sizeof(entry));
    g_assert_cmpuint(entry, ==, 0);
    test_co_close(node);
    memcpy(&entry, store->bytes + TOY_GRAIN, sizeof(entry));
    g_assert_cmpuint(entry, ==, TOY_FIRST_DATA);
    g_assert_false(store->open);
}

static void
test_close_tells_what_failed_and_closes_all(TestCo *t)
{
    VdNode *node = open_toy(t, 0);
    RamStore *store = ram_store("d");
    g_autoptr(GError) error = NULL;

    put(node);
    store->fail_write_at = TOY_GRAIN;
    g_assert_false(vd_node_co_close(node, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NO_SPACE);
    g_assert_false(store->open);
}

static void
test_close_tells_of_a_childs_failure(TestCo *t)
{
    VdNode *node = open_toy(t, 0);
    g_autoptr(GError) error = NULL;

    ram_store("d")->finish_fails = true;
    g_assert_false(vd_node_co_close(node, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    g_assert_false(ram_store("d")->open);
}

static void
test_close_of_a_reader_does_not_finish(TestCo *t)
{
    VdNode *node;

    block_test_begin(t);
    toy_format(ram_store("d"), 65536, NULL);
    ram_store("d")->finish_fails = true;
    node = block_test_open(t, "ram:d", "toy", 0);
    test_co_close(node);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) test_co_add("/block/flush/" #name, test_##name)
    TEST(nothing_written_is_nothing_to_flush);
    TEST(a_failed_write_may_have_arrived);
    TEST(flushes_side_by_side_are_few);
    TEST(a_flush_does_not_cover_later_writes);
    TEST(a_failure_stays);
    TEST(a_failure_of_a_child_stays);
    TEST(metadata_go_before_the_flush);
    TEST(write_back_does_not_flush);
    TEST(no_flush_writes_metadata_only);
    TEST(truncate_must_be_flushed);
    TEST(parents_are_not_flushed);
    TEST(close_writes_back);
    TEST(close_tells_what_failed_and_closes_all);
    TEST(close_tells_of_a_childs_failure);
    TEST(close_of_a_reader_does_not_finish);
    return g_test_run();
}
