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
    vmdk_test_write_file(t, "d-f004.vmdk", "mine", 4);
    resize_name(t, "d.vmdk", 9 * MIB);
    bytes = vmdk_test_read_file(t, "d-f004.vmdk", &len);
    g_assert_cmpmem(bytes, len, "mine", 4);
    g_assert_true(exists(t, "d-f005.vmdk"));
    g_assert_true(exists(t, "d-f006.vmdk"));
    test_co_close(open_sound(t, "d.vmdk", 9 * MIB));
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

/* -- sparse
 * ---------------------------------------------------------------------- */

typedef struct {
    uint64_t sectors, rgd, rgt, gd, gt, overhead;
} Layout;

/* As the tables lie for whoever does not read the directory. */
static void
assert_layout(TestCo *t, const char *name, const Layout *want)
{
    VdNode *node = vmdk_test_open(t, name, 0);
    const VmdkSparse *sp = vmdk_test_state(node)->extents[0].sparse;

    g_assert_cmpuint(sp->hdr.capacity_sectors, ==, want->sectors);
    g_assert_cmpuint(sp->hdr.rgd_sector, ==, want->rgd);
    g_assert_cmpuint(sp->hdr.gd_sector, ==, want->gd);
    g_assert_cmpuint(sp->hdr.overhead_sectors, ==, want->overhead);
    for (uint32_t i = 0; i < sp->tables->n_gts; i++) {
        g_assert_cmpuint(sp->tables->rgd[i], ==, want->rgt + 4 * i);
        g_assert_cmpuint(sp->tables->gd[i], ==, want->gt + 4 * i);
    }
    test_co_close(node);
}

/* vmdk.md 18: what a disk made with that size would have. */
static void
test_sparse_layout_is_that_of_a_new_disk(TestCo *t)
{
    static const Layout steps[] = {
        {20480, 21, 22, 26, 27, 128},
        {2097152, 21, 22, 150, 151, 384},
        {16777216, 21, 23, 1047, 1049, 2176},
        {83886080, 21, 31, 5151, 5161, 10368},
        {125829120, 21, 36, 7716, 7731, 15488},
        {2147483648, 21, 277, 131349, 131605, 262784},
        {4294967295, 21, 533, 262677, 263189, 525440},
    };
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", 10 * MIB, "");
    fill(t, "d.vmdk", MIB, 5 * MIB + 512);
    for (unsigned i = 0; i < G_N_ELEMENTS(steps); i++) {
        resize_name(t, "d.vmdk", steps[i].sectors * 512);
        assert_layout(t, "d.vmdk", &steps[i]);
        node = open_sound(t, "d.vmdk", steps[i].sectors * 512);
        test_co_assert_zero(node, 0, MIB);
        test_co_assert_pattern(node, MIB, 5 * MIB + 512, SEED);
        test_co_assert_zero(node, 6 * MIB + 512, 4 * MIB - 512);
        test_co_close(node);
    }
}

static void
test_sparse_shrinks_to_its_data(TestCo *t)
{
    static const Layout small = {20480, 21, 22, 26, 27, 384};
    g_autofree char *path = test_co_path(t, "d.vmdk");
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", GIB, "");
    fill(t, "d.vmdk", 0, 6 * MIB);
    assert_refused(t, "d.vmdk", 5 * MIB, VD_ERROR_REFUSED);
    resize_name(t, "d.vmdk", 10 * MIB);
    /* Grains stay where they are. */
    assert_layout(t, "d.vmdk", &small);
    node = open_sound(t, "d.vmdk", 10 * MIB);
    test_co_assert_pattern(node, 0, 6 * MIB, SEED);
    test_co_close(node);

    resize_name(t, "d.vmdk", 2 * MIB + 512);
    g_assert_cmpuint(test_file_size(path), ==, (384 + 33 * 128) * 512);
    resize_name(t, "d.vmdk", 2 * GIB);
    node = open_sound(t, "d.vmdk", 2 * GIB);
    test_co_assert_pattern(node, 0, 2 * MIB + 512, SEED);
    test_co_assert_zero(node, 2 * MIB + 512, 20 * MIB);
    test_co_close(node);
}

/* Leftovers of other tools behind the end: entries, and bytes of the last
 * grain. */
static void
test_leftovers_do_not_show(TestCo *t)
{
    uint8_t junk[65536];
    VdNode *node;

    memset(junk, 'x', sizeof(junk));
    vmdk_test_create(t, "d.vmdk", 10 * MIB + 512, "");
    fill(t, "d.vmdk", 0, 65536);
    fill(t, "d.vmdk", 10 * MIB, 512);
    /* Grain 0 is at sector 128, grain 160 behind it; entry 161 names 0's. */
    vmdk_test_poke(t, "d.vmdk", 256 * 512 + 512, junk, sizeof(junk) - 512);
    vmdk_test_poke32(t, "d.vmdk", 27 * 512 + 161 * 4, 128);
    vmdk_test_poke32(t, "d.vmdk", 22 * 512 + 161 * 4, 128);
    vmdk_test_poke32(t, "d.vmdk", 27 * 512 + 170 * 4, 0xfffffff0);
    resize_name(t, "d.vmdk", 30 * MIB);
    node = open_sound(t, "d.vmdk", 30 * MIB);
    test_co_assert_pattern(node, 0, 65536, SEED);
    test_co_assert_zero(node, 10 * MIB + 512, 20 * MIB - 512);
    test_co_close(node);
}

static void
test_split_sparse(TestCo *t)
{
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", 5 * MIB,
                     "subformat=twoGbMaxExtentSparse,split_size=2M");
    fill(t, "d.vmdk", 0, 5 * MIB);
    resize_name(t, "d.vmdk", 9 * MIB);
    node = open_sound(t, "d.vmdk", 9 * MIB);
    g_assert_cmpuint(vmdk_test_state(node)->n_extents, ==, 5);
    test_co_assert_pattern(node, 0, 5 * MIB, SEED);
    test_co_assert_zero(node, 5 * MIB, 4 * MIB);
    test_co_close(node);

    assert_refused(t, "d.vmdk", 3 * MIB, VD_ERROR_REFUSED);
    resize_name(t, "d.vmdk", 3 * MIB);
    node = open_sound(t, "d.vmdk", 3 * MIB);
    test_co_assert_pattern(node, 0, 3 * MIB, SEED);
    test_co_close(node);
    g_assert_false(exists(t, "d-s003.vmdk"));
}

/* Tables of other shapes, and files that lack the second copy. */
static void
test_other_layouts_grow(TestCo *t)
{
    static const char *const options[] = {"grain_size=4k", "grain_size=1M",
                                          "zeroed_grain=on"};
    static const uint8_t plain = 1;

    for (unsigned i = 0; i < G_N_ELEMENTS(options) + 1; i++) {
        bool single = i == G_N_ELEMENTS(options);
        VdNode *node;

        test_dir_empty(t->dir);
        vmdk_test_create(t, "d.vmdk", 10 * MIB, single ? "" : options[i]);
        fill(t, "d.vmdk", 0, 5 * MIB);
        if (single) /* flags without "redundant tables" */
            vmdk_test_poke(t, "d.vmdk", 8, &plain, 1);
        resize_name(t, "d.vmdk", GIB + 512);
        node = open_sound(t, "d.vmdk", GIB + 512);
        test_co_assert_pattern(node, 0, 5 * MIB, SEED);
        test_co_assert_zero(node, 5 * MIB, 5 * MIB);
        test_co_close(node);
    }
}

static void
test_random_sizes(TestCo *t)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(2026);
    uint64_t size = MIB;

    vmdk_test_create(t, "d.vmdk", size, "grain_size=4k");
    fill(t, "d.vmdk", 0, size);
    for (unsigned i = 0; i < 25; i++) {
        uint64_t more = (uint64_t) g_rand_int_range(rand, 1, 40000) * 512;
        VdNode *node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
        g_autoptr(GError) error = NULL;

        test_co_assert_pattern(node, 0, MIN(size, 20 * MIB), SEED);
        resize(node, size + more, false, &error);
        g_assert_no_error(error);
        test_co_assert_zero(node, size, more);
        test_co_write_pattern(node, size, more, SEED);
        test_co_close(node);
        size += more;
    }
    test_co_close(open_sound(t, "d.vmdk", size));
}

static void
test_limits_are_named(TestCo *t)
{
    vmdk_test_create(t, "d.vmdk", MIB, "");
    assert_refused(t, "d.vmdk", (UINT64_C(1) << 50) + 512, VD_ERROR_LIMIT);
}

/* -- requests in flight
 * ----------------------------------------------------------- */

typedef struct {
    VdNode *node;
    uint64_t done;
    bool stop;
} Reader;

static bool
read_all_the_time(void *arg, GError **error)
{
    Reader *r = arg;

    for (uint64_t off = 0; !r->stop; off = (off + 70000) % (8 * MIB)) {
        test_co_assert_pattern(r->node, off, 70000, SEED);
        r->done++;
        vio_co_reschedule();
    }
    return true;
}

/* Behind what is read. */
static bool
write_all_the_time(void *arg, GError **error)
{
    Reader *r = arg;

    for (unsigned i = 0; !r->stop; i++) {
        uint64_t off = 9 * MIB + (uint64_t) (i * 7919 % 1500) * 512;

        test_co_write_pattern(r->node, off, 3000, i);
        test_co_assert_pattern(r->node, off, 3000, i);
        r->done++;
        vio_co_reschedule();
    }
    return true;
}

static void
test_requests_in_flight(TestCo *t)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(8);
    g_autoptr(GError) error = NULL;
    Reader reader = {0}, writer = {0};

    vmdk_test_create(t, "d.vmdk", 10 * MIB, "");
    fill(t, "d.vmdk", 0, 9 * MIB);
    reader.node = writer.node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    for (unsigned i = 0; i < 3; i++)
        vio_co_group_spawn(group, read_all_the_time, &reader, NULL);
    vio_co_group_spawn(group, write_all_the_time, &writer, NULL);
    for (unsigned i = 1; i <= 8; i++) {
        resize(reader.node, i % 4 ? i * GIB : 10 * MIB, true, &error);
        g_assert_no_error(error);
    }
    reader.stop = writer.stop = true;
    vio_co_group_join(group, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(reader.done, >, 10);
    g_assert_cmpuint(writer.done, >, 3);
    test_co_close(reader.node);
    test_co_close(open_sound(t, "d.vmdk", 10 * MIB));
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
    test_co_add("/vmdk/resize/sparse-layout",
                test_sparse_layout_is_that_of_a_new_disk);
    test_co_add("/vmdk/resize/sparse-shrink", test_sparse_shrinks_to_its_data);
    test_co_add("/vmdk/resize/leftovers", test_leftovers_do_not_show);
    test_co_add("/vmdk/resize/split-sparse", test_split_sparse);
    test_co_add("/vmdk/resize/other-layouts", test_other_layouts_grow);
    test_co_add("/vmdk/resize/random-sizes", test_random_sizes);
    test_co_add("/vmdk/resize/limits", test_limits_are_named);
    test_co_add("/vmdk/resize/in-flight", test_requests_in_flight);
    test_co_add("/vmdk/resize/descriptor", test_descriptor_follows);
    test_co_add("/vmdk/resize/keep-geometry", test_geometry_can_be_kept);
    test_co_add("/vmdk/resize/equal", test_equal_size_changes_nothing);
    test_co_add("/vmdk/resize/families", test_families_are_refused);
    test_co_add("/vmdk/resize/read-only-extent",
                test_last_extent_must_be_writable);
    return g_test_run();
}
