/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vhd-footer.c - where a VHD image is recognised, which of its
 * footers counts, and which size it tells. */
#include "tests/support/leaf.h"
#include "tests/unit/vhd-test.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#define SIZE (5 * MIB)

/* -- recognising ----------------------------------------------------------- */

static const char *
format_of(TestCo *t, const char *name, VdOpenFlags flags)
{
    g_autofree char *path = test_co_path(t, name);
    g_autoptr(GError) error = NULL;
    VdNode *node = vd_co_open(&t->env, path, NULL, NULL, flags, &error);
    const char *format;

    g_assert_no_error(error);
    format = vd_node_driver(node)->name;
    test_co_close(node);
    return format;
}

static void
rename_image(TestCo *t, const char *name)
{
    g_autofree char *from = test_co_path(t, vhd_test_image.name);
    g_autofree char *to = test_co_path(t, name);

    g_assert_cmpint(g_rename(from, to), ==, 0);
}

static void
test_dynamic_is_recognised_anywhere(TestCo *t)
{
    blocks_test_create(t, &vhd_test_image, SIZE, "");
    rename_image(t, "x.img");
    g_assert_cmpstr(format_of(t, "x.img", 0), ==, "vpc");
}

static void
test_fixed_is_recognised_by_name_and_footer(TestCo *t)
{
    static const struct {
        const char *name, *format;
    } rows[] = {{"x.vhd", "vpc"},   {"X.VHD", "vpc"},    {"x.vpc", "vpc"},
                {"x.img", "raw"},   {"vhd", "raw"},      {"x.vhdx", "raw"},
                {"x.vhd.1", "raw"}, {"x.raw.Vhd", "vpc"}};

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        blocks_test_create(t, &vhd_test_image, SIZE, "subformat=fixed");
        rename_image(t, rows[i].name);
        g_assert_cmpstr(format_of(t, rows[i].name, 0), ==, rows[i].format);
    }
}

static void
test_damaged_footer_is_raw(TestCo *t)
{
    blocks_test_create(t, &vhd_test_image, SIZE, "subformat=fixed");
    blocks_test_poke(t, &vhd_test_image, SIZE + VHD_TEST_SIZE_AT, "?", 1);
    g_assert_cmpstr(format_of(t, vhd_test_image.name, 0), ==, "raw");
    blocks_test_assert_refused(t, &vhd_test_image, 0, VD_ERROR_UNKNOWN_FORMAT,
                               "no sound VHD footer");
}

static void
test_small_files(TestCo *t)
{
    vmdk_test_write_file(t, "d.vhd", "conectix?", 0);
    g_assert_cmpstr(format_of(t, "d.vhd", 0), ==, "raw");
    vmdk_test_write_file(t, "d.vhd", "con", 3);
    g_assert_cmpstr(format_of(t, "d.vhd", 0), ==, "raw");
}

/* -- a guest that wants to be another disk --------------------------------- */

static uint8_t *
make_raw(TestCo *t, const char *name)
{
    g_autofree uint8_t *zeroes = g_malloc0(64 * KIB);
    uint8_t *footer = g_malloc(VHD_FOOTER_BYTES);

    blocks_test_create(t, &vhd_test_image, 63 * KIB, "subformat=fixed");
    blocks_test_peek(t, &vhd_test_image, 63 * KIB, footer, VHD_FOOTER_BYTES);
    vmdk_test_write_file(t, name, zeroes, 64 * KIB);
    return footer;
}

static VdNode *
open_as(TestCo *t, const char *name, const char *format)
{
    g_autofree char *path = test_co_path(t, name);
    g_autoptr(GError) error = NULL;
    VdNode *node =
        vd_co_open(&t->env, path, format, NULL, VD_OPEN_RDWR, &error);

    g_assert_no_error(error);
    return node;
}

static void
test_guest_cannot_plant_a_footer(TestCo *t)
{
    g_autofree uint8_t *footer = make_raw(t, "raw.vhd");
    const uint64_t at = 64 * KIB - VHD_FOOTER_BYTES;
    g_autoptr(GError) error = NULL, piecewise = NULL;
    VdNode *node = open_as(t, "raw.vhd", NULL);

    g_assert_false(
        vd_node_co_pwrite(node, at, footer, VHD_FOOTER_BYTES, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_REFUSED);
    /* nor in two steps */
    g_assert_true(vd_node_co_pwrite(node, at + 100, footer + 100,
                                    VHD_FOOTER_BYTES - 100, NULL));
    g_assert_false(vd_node_co_pwrite(node, at, footer, 100, &piecewise));
    g_assert_error(piecewise, VD_ERROR, VD_ERROR_REFUSED);
    g_assert_true(vd_node_co_pwrite(node, 8192, footer, 512, NULL));
    test_co_close(node);
    g_assert_cmpstr(format_of(t, "raw.vhd", 0), ==, "raw");
}

/* What cannot be mistaken, or is said to be raw, is not looked at. */
static void
test_guest_may_write_it_elsewhere(TestCo *t)
{
    g_autofree uint8_t *footer = make_raw(t, "raw.img");
    const uint64_t at = 64 * KIB - VHD_FOOTER_BYTES;
    g_autoptr(GError) error = NULL;
    VdNode *node = open_as(t, "raw.img", NULL);

    vd_node_co_pwrite(node, at, footer, VHD_FOOTER_BYTES, &error);
    g_assert_no_error(error);
    test_co_close(node);
    g_assert_cmpstr(format_of(t, "raw.img", 0), ==, "raw");
    g_free(footer);
    footer = make_raw(t, "raw.vhd");
    node = open_as(t, "raw.vhd", "raw");
    vd_node_co_pwrite(node, at, footer, VHD_FOOTER_BYTES, &error);
    g_assert_no_error(error);
    test_co_close(node);
}

/* -- footers --------------------------------------------------------------- */

/* Products before Virtual PC 2004 left the last byte out. */
static void
test_footer_of_511_bytes(TestCo *t)
{
    VdNode *node;

    blocks_test_create(t, &vhd_test_image, SIZE, "subformat=fixed");
    node = blocks_test_open(t, &vhd_test_image, VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, SIZE, 4);
    test_co_close(node);
    blocks_test_truncate(t, &vhd_test_image, SIZE + 511);
    g_assert_cmpstr(format_of(t, vhd_test_image.name, 0), ==, "vpc");
    node = blocks_test_open(t, &vhd_test_image, 0);
    g_assert_cmpuint(vd_node_size(node), ==, SIZE);
    test_co_assert_pattern(node, 0, SIZE, 4);
    test_co_close(node);
}

static void
make_dynamic(TestCo *t)
{
    VdNode *node;

    blocks_test_create(t, &vhd_test_image, SIZE, "");
    node = blocks_test_open(t, &vhd_test_image, VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 3 * MIB, 5);
    test_co_close(node);
}

static void
assert_reads(TestCo *t, uint64_t size, unsigned corruptions)
{
    VdNode *node = blocks_test_open(t, &vhd_test_image, 0);

    g_assert_cmpuint(vd_node_size(node), ==, size);
    test_co_assert_pattern(node, 0, 3 * MIB, 5);
    test_co_assert_zero(node, 3 * MIB, size - 3 * MIB);
    g_assert_cmpuint(blocks_test_check(node, 0).corruptions, ==, corruptions);
    test_co_close(node);
}

static void
test_either_footer_is_enough(TestCo *t)
{
    make_dynamic(t);
    blocks_test_poke(t, &vhd_test_image, vhd_test_footer_off(t) + 50, "?", 1);
    assert_reads(t, SIZE, 1);
    make_dynamic(t);
    blocks_test_poke(t, &vhd_test_image, 50, "?", 1);
    assert_reads(t, SIZE, 1);
    make_dynamic(t);
    blocks_test_truncate(t, &vhd_test_image, vhd_test_footer_off(t));
    assert_reads(t, SIZE, 1);
    /* The one at the end counts. */
    make_dynamic(t);
    vhd_test_poke_footer(t, 0, VHD_TEST_SIZE_AT, "\0\0\0\0\0\x30", 6);
    assert_reads(t, SIZE, 1);
}

static void
test_without_footers_it_can_be_read(TestCo *t)
{
    make_dynamic(t);
    blocks_test_poke(t, &vhd_test_image, vhd_test_footer_off(t) + 50, "?", 1);
    blocks_test_poke(t, &vhd_test_image, 0, "?", 1);
    assert_reads(t, 6 * MIB, 1);
    g_assert_cmpuint(t->warnings->len, ==, 1);
    blocks_test_assert_refused(t, &vhd_test_image, VD_OPEN_RDWR,
                               VD_ERROR_CORRUPT, "only be read");
    blocks_test_poke(t, &vhd_test_image, VHD_TEST_HEADER + 3, "?", 1);
    blocks_test_assert_refused(t, &vhd_test_image, 0, VD_ERROR_UNKNOWN_FORMAT,
                               NULL);
}

/* -- sizes ----------------------------------------------------------------- */

typedef struct {
    const char *creator, *geometry, *option;
    uint64_t size;
} SizeRow;

static void
check_size(TestCo *t, const SizeRow *row)
{
    g_autofree char *options =
        g_strdup_printf("driver=vpc,file.driver=file,file.filename=%s/%s%s",
                        t->dir, vhd_test_image.name, row->option);
    VdNode *node;

    blocks_test_create(t, &vhd_test_image, SIZE, "");
    vhd_test_poke_footers(t, VHD_TEST_CREATOR_AT, row->creator, 4);
    vhd_test_poke_footers(t, VHD_TEST_GEOMETRY_AT, row->geometry, 4);
    g_ptr_array_set_size(t->warnings, 0);
    node = test_co_open(t, options, 0);
    g_assert_cmpuint(vd_node_size(node), ==, row->size);
    /* Not where the user insists. */
    g_assert_cmpuint(t->warnings->len, ==,
                     row->size != SIZE && !strstr(row->option, "=chs"));
    test_co_close(node);
}

static void
test_creator_says_which_size(TestCo *t)
{
    static const char geometry[] = "\0\x40\4\x11"; /* 64 x 4 x 17 */
    static const char full[] = "\xff\xff\x10\xff";
    const uint64_t chs = 64 * 4 * 17 * 512;
    const SizeRow rows[] = {
        {"vpc ", geometry, "", chs},
        {"qemu", geometry, "", chs},
        {"qem2", geometry, "", SIZE},
        {"win ", geometry, "", SIZE},
        {"d2v ", geometry, "", SIZE},
        {"vbox", geometry, "", SIZE},
        {"vpc ", full, "", SIZE},
        {"qemu", full, "", SIZE},
        {"win ", geometry, ",force_size_calc=chs", chs},
        {"vpc ", geometry, ",force_size_calc=current_size", SIZE},
        {"vpc ", geometry, ",force_size_calc=auto", chs},
        {"vpc ", "\0\0\0\0", "", 0},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
        check_size(t, &rows[i]);
}

/* The place of a new block begins where the footer was: that of a block whose
 * data could not be written, too. */
static void
test_footer_survives_a_failed_write(TestCo *t)
{
    bool fired = true;

    test_leaf_install();
    for (uint64_t nth = 0; fired; nth++) {
        g_autoptr(GError) error = NULL;
        VdNode *node;

        test_dir_empty(t->dir);
        blocks_test_create(t, &vhd_test_image, SIZE, "");
        node = blocks_test_open(t, &vhd_test_image, VD_OPEN_RDWR);
        test_leaf_fail_nth(TEST_OP_WRITE, nth, EIO);
        (void) vd_node_co_pwrite(node, 0, "x", 1, &error);
        fired = test_leaf_fault_fired();
        test_leaf_clear_fault();
        test_co_close(node);
        node = blocks_test_open(t, &vhd_test_image, 0);
        blocks_test_assert_sound(node);
        g_assert_cmpuint(blocks_test_check(node, 0).leaks, ==, 0);
        test_co_close(node);
    }
    test_leaf_remove();
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, fn) test_co_add("/vhd/footer/" name, fn)
    ADD("dynamic-is-recognised-anywhere", test_dynamic_is_recognised_anywhere);
    ADD("fixed-is-recognised-by-name-and-footer",
        test_fixed_is_recognised_by_name_and_footer);
    ADD("damaged-footer-is-raw", test_damaged_footer_is_raw);
    ADD("small-files", test_small_files);
    ADD("guest-cannot-plant-a-footer", test_guest_cannot_plant_a_footer);
    ADD("guest-may-write-it-elsewhere", test_guest_may_write_it_elsewhere);
    ADD("footer-of-511-bytes", test_footer_of_511_bytes);
    ADD("either-footer-is-enough", test_either_footer_is_enough);
    ADD("without-footers-it-can-be-read", test_without_footers_it_can_be_read);
    ADD("creator-says-which-size", test_creator_says_which_size);
    ADD("footer-survives-a-failed-write", test_footer_survives_a_failed_write);
    return g_test_run();
}
