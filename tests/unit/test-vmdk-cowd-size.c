/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-cowd-size.c - redo logs of ESXi (vmfsSparse) grow, and
 * are emptied. */
#include "tests/unit/cowd-test.h"

#include <string.h>

static void
resize(TestCo *t, uint64_t size)
{
    VdNode *node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR | VD_OPEN_UNMAP);
    VdResize how = {.size = size};
    g_autoptr(GError) error = NULL;

    vd_node_co_resize(node, &how, &error);
    g_assert_no_error(error);
    test_co_close(node);
}

static void
assert_grown(TestCo *t, uint64_t size)
{
    VdNode *node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);

    g_assert_cmpuint(vd_node_size(node), ==, size);
    cowd_test_assert_disk(node);
    test_co_assert_zero(node, DISK, 8 * MIB);
    test_co_write_pattern(node, size - 3000, 3000, 5);
    test_co_close(node);
    cowd_test_assert_sound(t);
    node = vmdk_test_open(t, "d.vmdk", 0);
    cowd_test_assert_disk(node);
    test_co_assert_zero(node, DISK, 8 * MIB);
    test_co_assert_pattern(node, size - 3000, 3000, 5);
    test_co_close(node);
}

static void
test_growth_within_the_directory(TestCo *t)
{
    cowd_test_make_disk(t);
    vmdk_test_poke32(t, DELTA, GD_BYTE + 4 * 3,
                     0x12345678); /* behind its end */
    resize(t, 128 * SPAN);
    g_assert_cmpuint(cowd_test_field(t, CAPACITY_BYTE), ==, 128 * SPAN / 512);
    g_assert_cmpuint(cowd_test_field(t, GD_OFFSET_BYTE), ==, 4);
    g_assert_cmpuint(cowd_test_field(t, GD_ENTRIES_BYTE), ==, 128);
    g_assert_cmpuint(cowd_test_field(t, GD_BYTE + 4 * 3), ==, 0);
    assert_grown(t, 128 * SPAN);
}

static void
test_growth_moves_the_directory(TestCo *t)
{
    uint32_t end;

    cowd_test_make_disk(t);
    end = cowd_test_field(t, FREE_BYTE);
    resize(t, 300 * SPAN);
    g_assert_cmpuint(cowd_test_field(t, GD_OFFSET_BYTE), ==, end);
    g_assert_cmpuint(cowd_test_field(t, GD_ENTRIES_BYTE), ==, 300);
    g_assert_cmpuint(cowd_test_field(t, FREE_BYTE), ==, end + 3);
    assert_grown(t, 300 * SPAN);
    resize(t, 4000 * SPAN + 512);
    g_assert_cmpuint(cowd_test_check(t).corruptions, ==, 0);
    g_assert_cmpuint(cowd_test_check(t).leaks, ==, 3); /* the one in between */
}

/* What lies behind the end of the disk, in a table and in a grain. */
static void
test_growth_shows_zeroes(TestCo *t)
{
    uint64_t gt = FIRST_FREE * 512, grain;
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", DISK, COWD ",grain_size=4k");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, DISK - 512, 512, 1);
    test_co_close(node);
    grain = cowd_test_field(t, gt + 4 * 1280);
    vmdk_test_poke(t, DELTA, grain * 512 + 512, "junk", 4);
    vmdk_test_poke32(t, DELTA, gt + 4 * 1281, (uint32_t) grain);
    resize(t, 100 * MIB);
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_pattern(node, DISK - 512, 512, 1);
    test_co_assert_zero(node, DISK, 20 * MIB);
    test_co_close(node);
    cowd_test_assert_sound(t);
}

static void
test_growth_has_its_limits(TestCo *t)
{
    VdResize how = {.size = UINT64_C(2) << 40};
    g_autoptr(GError) error = NULL;
    VdNode *node;

    cowd_test_make_disk(t);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    g_assert_false(vd_node_co_resize(node, &how, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_LIMIT);
    g_assert_nonnull(strstr(error->message, "2 TiB"));
    cowd_test_assert_disk(node);
    test_co_close(node);
    cowd_test_assert_sound(t);

    test_dir_empty(t->dir);
    cowd_test_make_child(t, "subformat=monolithicFlat", COWD);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    g_clear_error(&error);
    how.size = 2 * DISK;
    g_assert_false(vd_node_co_resize(node, &how, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_REFUSED);
    test_co_close(node);
}

static void
test_emptied_link_loses_its_tables(TestCo *t)
{
    g_autofree char *path = test_co_path(t, DELTA);
    g_autoptr(GError) error = NULL;
    VdNode *node;

    cowd_test_make_child(t, "subformat=monolithicFlat", COWD);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 100 * 512, 1);
    test_co_write_pattern(node, 2 * SPAN, 100 * 512, 1);
    vd_vmdk_driver.co_make_empty(node, &error);
    g_assert_no_error(error);
    test_co_assert_pattern(node, 0, DISK, 7);
    g_assert_cmpuint(test_file_size(path), ==, FIRST_FREE * 512);
    test_co_write_pattern(node, SPAN, 512, 2); /* it goes on */
    test_co_close(node);
    g_assert_cmpuint(cowd_test_field(t, GD_BYTE), ==, 0);
    g_assert_cmpuint(cowd_test_field(t, FREE_BYTE), ==, FIRST_FREE + 33);
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_pattern(node, 0, SPAN, 7);
    test_co_assert_pattern(node, SPAN, 512, 2);
    test_co_close(node);
    cowd_test_assert_sound(t);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) test_co_add("/vmdk/cowd/" path, fn)
    ADD("growth", test_growth_within_the_directory);
    ADD("growth-moves-directory", test_growth_moves_the_directory);
    ADD("growth-shows-zeroes", test_growth_shows_zeroes);
    ADD("growth-limits", test_growth_has_its_limits);
    ADD("emptied", test_emptied_link_loses_its_tables);
#undef ADD
    return g_test_run();
}
