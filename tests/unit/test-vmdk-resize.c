/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-resize.c - longer and shorter disks. */
#include "tests/unit/vmdk-test.h"

#include <glib/gstdio.h>
#include <string.h>

#define SEED 7

static bool
resize(VdNode *node, uint64_t size, bool discard_tail, GError **error)
{
    VdResize how = {.size = size, .discard_tail = discard_tail};

    return vd_node_co_resize(node, &how, error);
}

static void
resize_name(TestCo *t, const char *name, uint64_t size)
{
    VdNode *node = vmdk_test_open(t, name, VD_OPEN_RDWR | VD_OPEN_UNMAP);
    g_autoptr(GError) error = NULL;

    resize(node, size, true, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(vd_node_size(node), ==, size);
    test_co_close(node);
}

static void
assert_refused(TestCo *t, const char *name, uint64_t size, VdErrorCode code)
{
    VdNode *node = vmdk_test_open(t, name, VD_OPEN_RDWR);
    uint64_t before = vd_node_size(node);
    g_autoptr(GError) error = NULL;

    g_assert_false(resize(node, size, false, &error));
    g_assert_error(error, VD_ERROR, (int) code);
    g_assert_cmpuint(vd_node_size(node), ==, before);
    test_co_close(node);
    node = vmdk_test_open(t, name, 0);
    g_assert_cmpuint(vd_node_size(node), ==, before);
    test_co_close(node);
}

static void
fill(TestCo *t, const char *name, uint64_t off, uint64_t len)
{
    VdNode *node = vmdk_test_open(t, name, VD_OPEN_RDWR);

    test_co_write_pattern(node, off, len, SEED);
    test_co_close(node);
}

static VdNode *
open_sound(TestCo *t, const char *name, uint64_t size)
{
    VdNode *node = vmdk_test_open(t, name, 0);

    g_assert_cmpuint(vd_node_size(node), ==, size);
    vmdk_test_assert_sound(node, false);
    return node;
}

static bool
exists(TestCo *t, const char *name)
{
    g_autofree char *path = test_co_path(t, name);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* -- flat
 * ------------------------------------------------------------------------ */

static void
test_flat_grows_and_shrinks(TestCo *t)
{
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", 3 * MIB, "subformat=monolithicFlat");
    fill(t, "d.vmdk", 0, 3 * MIB);
    resize_name(t, "d.vmdk", 5 * MIB + 512);
    node = open_sound(t, "d.vmdk", 5 * MIB + 512);
    test_co_assert_pattern(node, 0, 3 * MIB, SEED);
    test_co_assert_zero(node, 3 * MIB, 2 * MIB + 512);
    test_co_close(node);

    resize_name(t, "d.vmdk", MIB);
    node = open_sound(t, "d.vmdk", MIB);
    test_co_assert_pattern(node, 0, MIB, SEED);
    test_co_close(node);
}

/* A crashed shrink may have left the file as long as it was. */
static void
test_flat_file_that_is_longer_shows_zeroes(TestCo *t)
{
    g_autofree char *junk = g_malloc(MIB);
    VdNode *node;

    memset(junk, 'x', MIB);
    vmdk_test_create(t, "d.vmdk", MIB, "subformat=monolithicFlat");
    vmdk_test_poke(t, "d-flat.vmdk", MIB, junk, MIB);
    resize_name(t, "d.vmdk", 3 * MIB);
    node = open_sound(t, "d.vmdk", 3 * MIB);
    test_co_assert_zero(node, 0, 3 * MIB);
    test_co_close(node);
}

static void
test_split_flat_gets_more_files(TestCo *t)
{
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", 5 * MIB,
                     "subformat=twoGbMaxExtentFlat,split_size=2M");
    fill(t, "d.vmdk", 0, 5 * MIB);
    resize_name(t, "d.vmdk", 9 * MIB);
    node = open_sound(t, "d.vmdk", 9 * MIB);
    g_assert_cmpuint(vmdk_test_state(node)->n_extents, ==, 5);
    test_co_assert_pattern(node, 0, 5 * MIB, SEED);
    test_co_assert_zero(node, 5 * MIB, 4 * MIB);
    test_co_close(node);

    resize_name(t, "d.vmdk", 3 * MIB);
    node = open_sound(t, "d.vmdk", 3 * MIB);
    test_co_assert_pattern(node, 0, 3 * MIB, SEED);
    test_co_close(node);
    g_assert_true(exists(t, "d-f002.vmdk"));
    g_assert_false(exists(t, "d-f003.vmdk"));
    g_assert_false(exists(t, "d-f005.vmdk"));
}

/* What is added is there at once, without opening again. */
static void
test_new_area_can_be_used_at_once(TestCo *t)
{
    VdNode *node;
    g_autoptr(GError) error = NULL;

    vmdk_test_create(t, "d.vmdk", 3 * MIB,
                     "subformat=twoGbMaxExtentFlat,split_size=2M");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    resize(node, 7 * MIB, false, &error);
    g_assert_no_error(error);
    test_co_write_pattern(node, 0, 7 * MIB, SEED);
    resize(node, 5 * MIB, false, &error);
    g_assert_no_error(error);
    test_co_assert_pattern(node, 0, 5 * MIB, SEED);
    test_co_close(node);
    node = open_sound(t, "d.vmdk", 5 * MIB);
    test_co_assert_pattern(node, 0, 5 * MIB, SEED);
    test_co_close(node);
}

static void
test_file_in_the_way_stays(TestCo *t)
{
    size_t len;
    g_autofree char *bytes = NULL;

    vmdk_test_create(t, "d.vmdk", 5 * MIB,
                     "subformat=twoGbMaxExtentFlat,split_size=2M");
    vmdk_test_write_file(t, "d-f005.vmdk", "mine", 4);
    assert_refused(t, "d.vmdk", 9 * MIB, VD_ERROR_EXISTS);
    bytes = vmdk_test_read_file(t, "d-f005.vmdk", &len);
    g_assert_cmpmem(bytes, len, "mine", 4);
    g_assert_false(exists(t, "d-f004.vmdk")); /* made before, and removed */
}

static void
test_zero_extent_is_its_line(TestCo *t)
{
    static const char text[] = "# Disk DescriptorFile\nversion=1\n"
                               "CID=12345678\nparentCID=ffffffff\n"
                               "createType=\"custom\"\n"
                               "RW 2048 FLAT \"d-flat.vmdk\" 0\n"
                               "RW 100 ZERO\n";
    g_autofree char *flat = test_co_path(t, "d-flat.vmdk");
    VdNode *node;

    vmdk_test_write_file(t, "d.vmdk", text, strlen(text));
    test_file_make(flat, MIB);
    fill(t, "d.vmdk", 0, MIB);
    resize_name(t, "d.vmdk", 4 * MIB);
    node = open_sound(t, "d.vmdk", 4 * MIB);
    test_co_assert_pattern(node, 0, MIB, SEED);
    test_co_assert_zero(node, MIB, 3 * MIB);
    test_co_close(node);
}

/* -- the descriptor
 * --------------------------------------------------------------- */

static void
assert_key(VdNode *node, const char *key, const char *value)
{
    g_assert_cmpstr(vmdk_descriptor_get(vmdk_test_state(node)->desc, key), ==,
                    value);
}

static void
test_descriptor_follows(TestCo *t)
{
    VdNode *node;
    g_autofree char *before = NULL;
    uint32_t cid;

    vmdk_test_create(t, "d.vmdk", 10 * MIB,
                     "subformat=monolithicFlat,adapter_type=lsilogic");
    node = vmdk_test_open(t, "d.vmdk", 0);
    cid = vmdk_test_state(node)->cid;
    before = g_strdup(
        vmdk_descriptor_get(vmdk_test_state(node)->desc, "ddb.longContentID"));
    assert_key(node, "ddb.geometry.cylinders", "10");
    test_co_close(node);

    resize_name(t, "d.vmdk", 4 * GIB);
    node = vmdk_test_open(t, "d.vmdk", 0);
    /* Heads and sectors are what a guest's partition table may know. */
    assert_key(node, "ddb.geometry.cylinders", "4096");
    assert_key(node, "ddb.geometry.heads", "64");
    assert_key(node, "ddb.geometry.sectors", "32");
    g_assert_cmpuint(vmdk_test_state(node)->cid, !=, cid);
    g_assert_cmpstr(
        vmdk_descriptor_get(vmdk_test_state(node)->desc, "ddb.longContentID"),
        !=, before);
    test_co_close(node);
}

static void
test_geometry_can_be_kept(TestCo *t)
{
    VdResize how = {.size = 20 * MIB, .keep_geometry = true};
    VdNode *node;
    g_autoptr(GError) error = NULL;

    vmdk_test_create(t, "d.vmdk", 10 * MIB,
                     "subformat=monolithicFlat,adapter_type=lsilogic");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    vd_node_co_resize(node, &how, &error);
    g_assert_no_error(error);
    assert_key(node, "ddb.geometry.cylinders", "10");
    test_co_close(node);
}

static void
test_equal_size_changes_nothing(TestCo *t)
{
    size_t len;
    g_autofree char *before = NULL, *after = NULL;

    vmdk_test_create(t, "d.vmdk", 10 * MIB, "subformat=monolithicFlat");
    before = vmdk_test_read_file(t, "d.vmdk", &len);
    resize_name(t, "d.vmdk", 10 * MIB);
    after = vmdk_test_read_file(t, "d.vmdk", &len);
    g_assert_cmpstr(before, ==, after);
}

/* -- refusals
 * --------------------------------------------------------------------- */

static void
test_families_are_refused(TestCo *t)
{
    vmdk_test_create(t, "base.vmdk", 10 * MIB, "subformat=monolithicFlat");
    vmdk_test_create_child(t, "child.vmdk", 10 * MIB, "", "base.vmdk");
    assert_refused(t, "base.vmdk", 20 * MIB, VD_ERROR_REFUSED);
    assert_refused(t, "base.vmdk", 5 * MIB, VD_ERROR_REFUSED);
    assert_refused(t, "child.vmdk", 20 * MIB, VD_ERROR_REFUSED);
}

static void
test_last_extent_must_be_writable(TestCo *t)
{
    vmdk_test_create(t, "d.vmdk", 4 * MIB,
                     "subformat=twoGbMaxExtentFlat,split_size=2M");
    vmdk_test_replace(t, "d.vmdk", "RW 4096 FLAT \"d-f002.vmdk\" 0\n\n#",
                      "RDONLY 4096 FLAT \"d-f002.vmdk\"\n");
    assert_refused(t, "d.vmdk", 8 * MIB, VD_ERROR_NOT_SUPPORTED);
    assert_refused(t, "d.vmdk", 3 * MIB, VD_ERROR_NOT_SUPPORTED);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/vmdk/resize/flat", test_flat_grows_and_shrinks);
    test_co_add("/vmdk/resize/flat-longer-file",
                test_flat_file_that_is_longer_shows_zeroes);
    test_co_add("/vmdk/resize/split-flat", test_split_flat_gets_more_files);
    test_co_add("/vmdk/resize/at-once", test_new_area_can_be_used_at_once);
    test_co_add("/vmdk/resize/file-in-the-way", test_file_in_the_way_stays);
    test_co_add("/vmdk/resize/zero-extent", test_zero_extent_is_its_line);
    test_co_add("/vmdk/resize/descriptor", test_descriptor_follows);
    test_co_add("/vmdk/resize/keep-geometry", test_geometry_can_be_kept);
    test_co_add("/vmdk/resize/equal", test_equal_size_changes_nothing);
    test_co_add("/vmdk/resize/families", test_families_are_refused);
    test_co_add("/vmdk/resize/read-only-extent",
                test_last_extent_must_be_writable);
    return g_test_run();
}
