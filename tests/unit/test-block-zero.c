/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-block-zero.c - the one door: splitting, FUA, zeroes and
 * discard. */
#include <string.h>

#include "block/drivers.h"
#include "tests/unit/block-test.h"

#define DISK BLOCK_TEST_DISK

static void
expect_events(const char *expected)
{
    g_autofree char *text = ram_text(ram_store("d"));

    g_assert_cmpstr(text, ==, expected);
    ram_forget_events(ram_store("d"));
}

/* -- splitting and merging of flags ---------------------------------------- */

static void
test_splits_by_max_transfer(TestCo *t)
{
    VdNode *node;
    g_autofree uint8_t *buf = g_malloc(10000);

    block_test_begin(t);
    ram_fill(ram_store("d"), DISK, 1);
    ram_store("d")->max_transfer = 4096;
    node = block_test_open(t, "ram:d", "ram", VD_OPEN_RDWR);
    g_assert_true(vd_node_co_pread(node, 100, buf, 10000, NULL));
    expect_events("r100+4096 r4196+4096 r8292+1808");
    g_assert_true(vd_node_co_pwrite(node, 100, buf, 5000, NULL));
    expect_events("w100+4096 w4196+904");
    test_co_close(node);
}

static void
test_fua_goes_to_drivers_that_can(TestCo *t)
{
    VdNode *node = block_test_open_disk(t, VD_OPEN_RDWR);
    uint8_t buf[16] = {1};
    struct iovec iov;
    VioVec src = vio_vec_from_buf(&iov, buf, sizeof(buf));

    g_assert_true(vd_node_co_pwritev(node, 0, &src, VD_REQ_FUA, NULL));
    g_assert_true(vd_node_co_write_zeroes(node, 0, 16, VD_REQ_FUA, NULL));
    expect_events("w0+16! z0+16!");
    test_co_close(node);
}

static void
test_compressed_goes_to_drivers_that_can(TestCo *t)
{
    VdNode *node = block_test_open_disk(t, VD_OPEN_RDWR);
    g_autoptr(GError) error = NULL;
    uint8_t buf[16] = {1};
    struct iovec iov;
    VioVec src = vio_vec_from_buf(&iov, buf, sizeof(buf));
    VioVec none = vio_vec_slice(&src, 0, 0);

    g_assert_false(vd_node_co_pwritev(node, 0, &src, VD_REQ_COMPRESSED, NULL));
    g_assert_false(
        vd_node_co_pwritev(node, 0, &none, VD_REQ_COMPRESSED, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
    expect_events("");
    vd_node_set_write_flags(node, VD_REQ_COMPRESSED, 0);
    ram_store("d")->data_flags = VD_REQ_COMPRESSED;
    g_assert_true(vd_node_co_pwritev(node, 0, &src, VD_REQ_COMPRESSED, NULL));
    expect_events("w0+16c");
    test_co_close(node);
}

static VdNode *
open_without_fua(TestCo *t, VdOpenFlags flags)
{
    block_test_begin(t);
    ram_fill(ram_store("d"), DISK, 1);
    ram_store("d")->data_flags = 0;
    ram_store("d")->zero_flags = 0;
    ram_store("d")->max_transfer = 16;
    return block_test_open(t, "ram:d", "ram", flags | VD_OPEN_RDWR);
}

static void
test_fua_else_is_one_flush_at_the_end(TestCo *t)
{
    VdNode *node = open_without_fua(t, 0);
    uint8_t buf[40] = {1};
    struct iovec iov;
    VioVec src = vio_vec_from_buf(&iov, buf, sizeof(buf));

    g_assert_true(vd_node_co_pwritev(node, 0, &src, VD_REQ_FUA, NULL));
    expect_events("w0+16 w16+16 w32+8 f0");
    g_assert_true(vd_node_co_write_zeroes(node, 0, 16, VD_REQ_FUA, NULL));
    expect_events("z0+16 f0");
    test_co_close(node);
}

static void
test_failed_flush_fails_the_fua_write(TestCo *t)
{
    VdNode *node = open_without_fua(t, 0);
    uint8_t buf[4] = {1};
    struct iovec iov;
    VioVec src = vio_vec_from_buf(&iov, buf, sizeof(buf));
    g_autoptr(GError) error = NULL;

    ram_store("d")->fail_flush = true;
    g_assert_false(vd_node_co_pwritev(node, 0, &src, VD_REQ_FUA, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    test_co_close(node);
}

static void
test_writethrough_makes_each_write_durable(TestCo *t)
{
    VdNode *node = open_without_fua(t, VD_OPEN_WRITETHROUGH);
    uint8_t buf[4] = {1};

    g_assert_true(vd_node_co_pwrite(node, 0, buf, 4, NULL));
    g_assert_true(vd_node_co_write_zeroes(node, 0, 4, 0, NULL));
    expect_events("w0+4 f0 z0+4 f0");
    test_co_close(node);
}

static void
test_writethrough_is_added_at_the_top_only(TestCo *t)
{
    VdNode *node;
    uint8_t buf[4] = {1};

    block_test_begin(t);
    ram_fill(ram_store("d"), DISK, 1);
    node =
        block_test_open(t, "ram:d", "raw", VD_OPEN_RDWR | VD_OPEN_WRITETHROUGH);
    g_assert_true(vd_node_co_pwrite(node, 0, buf, 4, NULL));
    expect_events("w0+4!");
    test_co_close(node);
}

/* -- zeroes ---------------------------------------------------------------- */

static void
test_zero_data_becomes_zeroes_if_asked(TestCo *t)
{
    VdNode *node =
        block_test_open_disk(t, VD_OPEN_RDWR | VD_OPEN_DETECT_ZEROES);
    uint8_t buf[64] = {0};

    g_assert_true(vd_node_co_pwrite(node, 0, buf, 64, NULL));
    expect_events("z0+64");
    buf[63] = 1;
    g_assert_true(vd_node_co_pwrite(node, 0, buf, 64, NULL));
    expect_events("w0+64");
    test_co_close(node);

    node = block_test_open_disk(t, VD_OPEN_RDWR | VD_OPEN_DETECT_ZEROES |
                                       VD_OPEN_UNMAP);
    buf[63] = 0;
    g_assert_true(vd_node_co_pwrite(node, 0, buf, 64, NULL));
    expect_events("z0+64u");
    test_co_close(node);

    node = block_test_open_disk(t, VD_OPEN_RDWR);
    g_assert_true(vd_node_co_pwrite(node, 0, buf, 64, NULL));
    expect_events("w0+64");
    test_co_close(node);
}

static void
test_zeroes_may_unmap_only_if_opened_so(TestCo *t)
{
    VdNode *node = block_test_open_disk(t, VD_OPEN_RDWR);

    g_assert_true(vd_node_co_write_zeroes(node, 0, 64, VD_REQ_MAY_UNMAP, NULL));
    expect_events("z0+64");
    test_co_close(node);
    node = block_test_open_disk(t, VD_OPEN_RDWR | VD_OPEN_UNMAP);
    g_assert_true(vd_node_co_write_zeroes(node, 0, 64, VD_REQ_MAY_UNMAP, NULL));
    g_assert_true(vd_node_co_write_zeroes(node, 0, 64, 0, NULL));
    expect_events("z0+64u z0+64");
    test_co_close(node);
}

static VdNode *
open_zeroes_4k(TestCo *t, bool can_zero)
{
    block_test_begin(t);
    ram_fill(ram_store("d"), DISK - 1024, 1);
    ram_store("d")->zeroes_align = 4096;
    ram_store("d")->can_zero = can_zero;
    return block_test_open(t, "ram:d", "ram", VD_OPEN_RDWR);
}

static void
test_zeroes_split_into_head_middle_tail(TestCo *t)
{
    VdNode *node = open_zeroes_4k(t, true);

    g_assert_true(vd_node_co_write_zeroes(node, 1000, 12000, 0, NULL));
    expect_events("w1000+3096 z4096+8192 w12288+712");
    g_assert_true(vd_node_co_write_zeroes(node, 4096, 8192, 0, NULL));
    expect_events("z4096+8192");
    g_assert_true(vd_node_co_write_zeroes(node, 100, 50, 0, NULL));
    expect_events("w100+50");
    /* the end of the disk ends a unit */
    g_assert_true(vd_node_co_write_zeroes(node, DISK - 4096, 3072, 0, NULL));
    expect_events("z258048+3072");
    test_co_close(node);
}

static void
test_zeroes_fall_back_to_data(TestCo *t)
{
    VdNode *node = open_zeroes_4k(t, false);
    RamStore *store = ram_store("d");

    g_assert_true(vd_node_co_write_zeroes(node, 4096, 8192, 0, NULL));
    expect_events("w4096+8192");
    g_assert_cmpint(store->bytes[4096] | store->bytes[12287], ==, 0);
    g_assert_cmpint(store->bytes[12288], ==, toy_byte(1, 12288));
    test_co_close(node);
}

static void
test_no_fallback_changes_nothing(TestCo *t)
{
    VdNode *node = open_zeroes_4k(t, false);
    g_autoptr(GError) whole = NULL, part = NULL;

    g_assert_false(
        vd_node_co_write_zeroes(node, 4096, 8192, VD_REQ_NO_FALLBACK, &whole));
    g_assert_error(whole, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
    test_co_close(node);
    node = open_zeroes_4k(t, true);
    g_assert_false(
        vd_node_co_write_zeroes(node, 4000, 8192, VD_REQ_NO_FALLBACK, &part));
    g_assert_error(part, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
    g_assert_cmpuint(ram_store("d")->events->len, ==, 0);
    g_assert_true(
        vd_node_co_write_zeroes(node, 4096, 8192, VD_REQ_NO_FALLBACK, NULL));
    test_co_close(node);
}

static void
test_large_zeroes_use_one_buffer(TestCo *t)
{
    VdNode *node;
    uint64_t size = UINT64_C(5) << 20;

    block_test_begin(t);
    ram_fill(ram_store("d"), size, 1);
    ram_store("d")->can_zero = false;
    node = block_test_open(t, "ram:d", "ram", VD_OPEN_RDWR);
    g_assert_true(vd_node_co_write_zeroes(node, 0, size, 0, NULL));
    expect_events("w0+2097152 w2097152+2097152 w4194304+1048576");
    test_co_close(node);
}

static void
test_long_zeroing_can_be_cancelled(TestCo *t)
{
    VdNode *node = open_zeroes_4k(t, false);
    g_autoptr(VioCancel) cancel = vio_cancel_new();
    g_autoptr(GError) error = NULL;

    t->env.cancel = cancel;
    vio_cancel_fire(cancel);
    g_assert_false(vd_node_co_write_zeroes(node, 0, 65536, 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CANCELLED);
    test_co_close(node);
    t->env.cancel = NULL;
}

/* -- discard --------------------------------------------------------------- */

static void
test_discard_only_if_opened_so(TestCo *t)
{
    VdNode *node = block_test_open_disk(t, VD_OPEN_RDWR);

    g_assert_true(vd_node_co_discard(node, 0, 4096, NULL));
    expect_events("");
    test_co_close(node);
    node = block_test_open_disk(t, VD_OPEN_RDWR | VD_OPEN_UNMAP);
    g_assert_true(vd_node_co_discard(node, 0, 4096, NULL));
    expect_events("d0+4096");
    test_co_close(node);
}

static void
test_discard_splits_and_drops_partial_units(TestCo *t)
{
    VdNode *node;

    block_test_begin(t);
    ram_fill(ram_store("d"), DISK, 1);
    ram_store("d")->align = 512;
    ram_store("d")->discard_align = 4096;
    node = block_test_open(t, "ram:d", "ram", VD_OPEN_RDWR | VD_OPEN_UNMAP);
    g_assert_true(vd_node_co_discard(node, 1000, 12000, NULL));
    expect_events("d1024+3072 d4096+8192 d12288+512");
    g_assert_true(vd_node_co_discard(node, 10, 100, NULL));
    expect_events("");
    test_co_close(node);
}

static void
test_discard_that_is_not_supported_is_no_error(TestCo *t)
{
    VdNode *node = block_test_open_disk(t, VD_OPEN_RDWR | VD_OPEN_UNMAP);

    ram_store("d")->can_discard = false;
    g_assert_true(vd_node_co_discard(node, 0, 4096, NULL));
    test_co_close(node);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) test_co_add("/block/zero/" #name, test_##name)
    TEST(splits_by_max_transfer);
    TEST(fua_goes_to_drivers_that_can);
    TEST(compressed_goes_to_drivers_that_can);
    TEST(fua_else_is_one_flush_at_the_end);
    TEST(failed_flush_fails_the_fua_write);
    TEST(writethrough_makes_each_write_durable);
    TEST(writethrough_is_added_at_the_top_only);
    TEST(zero_data_becomes_zeroes_if_asked);
    TEST(zeroes_may_unmap_only_if_opened_so);
    TEST(zeroes_split_into_head_middle_tail);
    TEST(zeroes_fall_back_to_data);
    TEST(no_fallback_changes_nothing);
    TEST(large_zeroes_use_one_buffer);
    TEST(long_zeroing_can_be_cancelled);
    TEST(discard_only_if_opened_so);
    TEST(discard_splits_and_drops_partial_units);
    TEST(discard_that_is_not_supported_is_no_error);
    return g_test_run();
}
