/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vhd-hostile.c - fields of VHD footers and headers at their
 * limits and beyond (with right checksums), tables that lie, and what a check
 * makes of them. */
#include "tests/unit/vhd-test.h"

#include <string.h>

#define SIZE (9 * MIB)
#define BLOCK (2 * MIB)
#define ABSENT "\xff\xff\xff\xff"

typedef struct {
    unsigned at, len;
    const char *bytes;
    VdErrorCode code;
    const char *text;
} Row;

/* Blocks 0 and 1 have pattern 4. */
static void
make(TestCo *t)
{
    VdNode *node;

    blocks_test_create(t, &vhd_test_image, SIZE, "");
    node = blocks_test_open(t, &vhd_test_image, VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 2 * BLOCK, 4);
    test_co_close(node);
}

/* -- headers --------------------------------------------------------------- */

static const Row footer_rows[] = {
    {12, 4, "\0\2\0\0", VD_ERROR_NOT_SUPPORTED, "version"},
    {12, 4, "\xff\xff\xff\xff", VD_ERROR_NOT_SUPPORTED, "version"},
    {16, 8, "\xff\xff\xff\xff\xff\xff\xff\xff", VD_ERROR_CORRUPT, "header"},
    {16, 8, "\x7f\xff\xff\xff\xff\xff\xff\xff", VD_ERROR_CORRUPT, "header"},
    {16, 8, "\0\0\0\0\0\0\0\0", VD_ERROR_CORRUPT, "cxsparse"},
    {48, 8, "\0\0\0\0\0\x90\0\1", VD_ERROR_CORRUPT, "number of sectors"},
    {48, 8, "\0\0\0\0\0\xa0\2\0", VD_ERROR_CORRUPT, "does not fit"},
    {48, 8, "\xff\xff\xff\xff\xff\xff\xff\xff", VD_ERROR_CORRUPT, "size"},
    {48, 8, "\x7f\xff\xff\xff\xff\xff\xfe\0", VD_ERROR_CORRUPT, NULL},
    {60, 4, "\0\0\0\0", VD_ERROR_CORRUPT, "type 0"},
    {60, 4, "\0\0\0\1", VD_ERROR_CORRUPT, "type 1"},
    {60, 4, "\0\0\0\5", VD_ERROR_CORRUPT, "type 5"},
    {60, 4, "\xff\xff\xff\xff", VD_ERROR_CORRUPT, "type"},
    {60, 4, "\0\0\0\4", VD_ERROR_NOT_FOUND, "parent"},
};

static const Row header_rows[] = {
    {0, 8, "cxsparsf", VD_ERROR_CORRUPT, "cxsparse"},
    {16, 8, "\xff\xff\xff\xff\xff\xff\xff\xff", VD_ERROR_CORRUPT, "table"},
    {16, 8, "\x7f\xff\xff\xff\xff\xff\xff\xff", VD_ERROR_CORRUPT, "table"},
    {16, 8, "\0\0\0\0\0\x60\0\0", VD_ERROR_CORRUPT, "ends behind the file"},
    {24, 4, "\0\2\0\0", VD_ERROR_CORRUPT, "version"},
    {28, 4, "\0\0\0\0", VD_ERROR_CORRUPT, "does not fit"},
    {28, 4, "\0\0\0\4", VD_ERROR_CORRUPT, "does not fit"},
    {28, 4, "\xff\xff\xff\xff", VD_ERROR_CORRUPT, "ends behind the file"},
    {28, 4, "\x40\0\0\0", VD_ERROR_CORRUPT, "ends behind the file"},
    {32, 4, "\0\0\0\0", VD_ERROR_CORRUPT, "block size"},
    {32, 4, "\0\0\0\1", VD_ERROR_CORRUPT, "block size"},
    {32, 4, "\0\0\1\0", VD_ERROR_CORRUPT, "block size"},
    {32, 4, "\0\x30\0\0", VD_ERROR_CORRUPT, "block size"},
    {32, 4, "\x20\0\0\0", VD_ERROR_CORRUPT, "block size"},
    {32, 4, "\xff\xff\xff\xff", VD_ERROR_CORRUPT, "block size"},
    {32, 4, "\0\x10\0\0", VD_ERROR_CORRUPT, "does not fit"},
};

static void
test_footer_fields(TestCo *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(footer_rows); i++) {
        const Row *row = &footer_rows[i];

        g_test_message("footer, row %u", i);
        make(t);
        vhd_test_poke_footers(t, row->at, row->bytes, row->len);
        blocks_test_assert_refused(t, &vhd_test_image, 0, row->code, row->text);
    }
}

static void
test_header_fields(TestCo *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(header_rows); i++) {
        const Row *row = &header_rows[i];

        g_test_message("header, row %u", i);
        make(t);
        vhd_test_poke_header(t, row->at, row->bytes, row->len);
        blocks_test_assert_refused(t, &vhd_test_image, 0, row->code, row->text);
    }
    make(t);
    blocks_test_poke(t, &vhd_test_image, VHD_TEST_HEADER + 700, "?", 1);
    blocks_test_assert_refused(t, &vhd_test_image, 0, VD_ERROR_CORRUPT,
                               "checksum");
}

/* A disk of that type with locators that lie. */
static void
test_locators(TestCo *t)
{
    static const char *const locators[] = {
        "W2ru\0\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0",
        "W2ru\0\0\0\0\0\0\1\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
        "W2ku\0\0\0\0\0\1\0\1\0\0\0\0\0\0\0\0\0\0\0\0",
        "W2ku\0\0\0\0\0\0\2\0\0\0\0\0\0\0\0\0\0\xff\0\0",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(locators); i++) {
        make(t);
        vhd_test_poke_footers(t, VHD_TEST_TYPE_AT, "\0\0\0\4", 4);
        vhd_test_poke_header(t, 576 + 24 * i, locators[i], 24);
        blocks_test_assert_refused(t, &vhd_test_image, 0, VD_ERROR_CORRUPT,
                                   "parent locator");
    }
}

static void
test_short_files(TestCo *t)
{
    static const uint64_t sizes[] = {0,   1,    8,    511,  512,
                                     513, 1024, 1535, 1536, 1540};

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GError) error = NULL;

        make(t);
        blocks_test_truncate(t, &vhd_test_image, sizes[i]);
        g_assert_null(blocks_test_try_open(t, &vhd_test_image, 0, &error));
        g_assert_nonnull(error);
    }
}

static void
test_fixed_larger_than_its_file(TestCo *t)
{
    blocks_test_create(t, &vhd_test_image, SIZE, "subformat=fixed");
    vhd_test_poke_footers(t, VHD_TEST_SIZE_AT, "\0\0\0\0\0\x90\2\0", 8);
    blocks_test_assert_refused(t, &vhd_test_image, 0, VD_ERROR_CORRUPT,
                               "in a file that has");
}

/* -- tables ---------------------------------------------------------------- */

static void
poke_entry(TestCo *t, unsigned i, uint32_t sector)
{
    uint8_t raw[4];

    vio_put_be32(raw, sector);
    blocks_test_poke(t, &vhd_test_image, VHD_TEST_TABLE + 4 * i, raw,
                     sizeof(raw));
}

static uint32_t
peek_entry(TestCo *t, unsigned i)
{
    uint8_t raw[4];

    blocks_test_peek(t, &vhd_test_image, VHD_TEST_TABLE + 4 * i, raw,
                     sizeof(raw));
    return vio_get_be32(raw);
}

static void
assert_check_mends(TestCo *t, uint64_t corruptions)
{
    g_autoptr(GError) error = NULL;
    VdNode *node = blocks_test_open(t, &vhd_test_image, VD_OPEN_RDWR);
    VdCheckResult result = blocks_test_check(node, 0);

    g_assert_cmpuint(result.corruptions, ==, corruptions);
    g_assert_false(vd_node_co_pwrite(node, 4 * BLOCK, "x", 1, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    result = blocks_test_check(node, VD_REPAIR_ALL);
    g_assert_cmpuint(result.corruptions_fixed, ==, corruptions);
    g_assert_cmpuint(result.corruptions, ==, 0);
    test_co_write_pattern(node, 4 * BLOCK, MIB, 7);
    test_co_close(node);
    node = blocks_test_open(t, &vhd_test_image, 0);
    test_co_assert_pattern(node, 4 * BLOCK, MIB, 7);
    blocks_test_assert_sound(node);
    test_co_close(node);
}

static void
test_entries_out_of_the_file(TestCo *t)
{
    static const uint32_t values[] = {0, 1, 3, 0x7fffffff, 0xfffffffe};

    for (unsigned i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autoptr(GError) error = NULL;
        char byte;
        VdNode *node;

        make(t);
        poke_entry(t, 1, values[i]);
        node = blocks_test_open(t, &vhd_test_image, 0);
        test_co_assert_pattern(node, 0, BLOCK, 4);
        g_assert_false(vd_node_co_pread(node, BLOCK, &byte, 1, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
        test_co_close(node);
        assert_check_mends(t, 1);
        node = blocks_test_open(t, &vhd_test_image, 0);
        test_co_assert_pattern(node, 0, BLOCK, 4);
        test_co_assert_zero(node, BLOCK, BLOCK);
        test_co_close(node);
    }
}

static void
test_shared_place(TestCo *t)
{
    VdNode *node;

    make(t);
    poke_entry(t, 2, peek_entry(t, 0));
    assert_check_mends(t, 1);
    node = blocks_test_open(t, &vhd_test_image, VD_OPEN_RDWR);
    test_co_write_pattern(node, 2 * BLOCK, BLOCK, 9);
    test_co_assert_pattern(node, 0, BLOCK, 4);
    test_co_close(node);
}

/* One sector apart: they overlap, too. */
static void
test_overlapping_places(TestCo *t)
{
    make(t);
    poke_entry(t, 2, peek_entry(t, 0) + 1);
    assert_check_mends(t, 1);
}

static void
test_lost_places_are_leaks(TestCo *t)
{
    VdNode *node;

    make(t);
    blocks_test_poke(t, &vhd_test_image, VHD_TEST_TABLE, ABSENT, 4);
    node = blocks_test_open(t, &vhd_test_image, 0);
    g_assert_cmpuint(blocks_test_check(node, 0).leaks, ==, 1);
    g_assert_cmpuint(blocks_test_check(node, 0).corruptions, ==, 0);
    test_co_assert_zero(node, 0, BLOCK);
    test_co_close(node);
}

static void
test_footers_are_mended(TestCo *t)
{
    VdCheckResult result;
    VdNode *node;

    for (unsigned i = 0; i < 3; i++) {
        make(t);
        if (i == 0)
            blocks_test_truncate(t, &vhd_test_image, vhd_test_footer_off(t));
        else if (i == 1)
            blocks_test_poke(t, &vhd_test_image, 100, "?", 1);
        else
            blocks_test_poke(t, &vhd_test_image, vhd_test_footer_off(t) + 100,
                             "?", 1);
        node = blocks_test_open(t, &vhd_test_image, VD_OPEN_RDWR);
        result = blocks_test_check(node, VD_REPAIR_ALL);
        g_assert_cmpuint(result.corruptions_fixed, ==, 1);
        g_assert_cmpuint(result.corruptions, ==, 0);
        test_co_close(node);
        node = blocks_test_open(t, &vhd_test_image, 0);
        test_co_assert_pattern(node, 0, 2 * BLOCK, 4);
        blocks_test_assert_sound(node);
        test_co_close(node);
    }
}

/* Bits of sectors that are 0 mean zeroes, and writing one completes the
 * block. */
static void
test_sector_bits(TestCo *t)
{
    VdNode *node;

    make(t);
    blocks_test_poke(t, &vhd_test_image, peek_entry(t, 0) * UINT64_C(512),
                     "\x7f", 1);
    node = blocks_test_open(t, &vhd_test_image, VD_OPEN_RDWR);
    test_co_assert_zero(node, 0, 512);
    test_co_assert_pattern(node, 512, BLOCK - 512, 4);
    test_co_write_pattern(node, 4096, 512, 4);
    test_co_assert_zero(node, 0, 512);
    test_co_close(node);
    node = blocks_test_open(t, &vhd_test_image, 0);
    test_co_assert_zero(node, 0, 512);
    test_co_assert_pattern(node, 512, BLOCK - 512, 4);
    test_co_close(node);
}

/* A disk as large as its geometry gets exactly what is asked for. */
static void
test_resize_of_a_geometry(TestCo *t)
{
    g_autoptr(GError) error = NULL, too_large = NULL;
    VdResize how = {.size = 7 * MIB + 512};
    VdNode *node;

    make(t);
    vhd_test_poke_footers(t, VHD_TEST_CREATOR_AT, "vpc ", 4);
    vhd_test_poke_footers(t, VHD_TEST_GEOMETRY_AT, "\0\x40\4\x11", 4);
    node = blocks_test_open(t, &vhd_test_image, VD_OPEN_RDWR);
    g_assert_cmpuint(vd_node_size(node), ==, 64 * 4 * 17 * 512);
    vd_node_co_resize(node, &how, &error);
    g_assert_no_error(error);
    how.size = 2040 * GIB + 512;
    g_assert_false(vd_node_co_resize(node, &how, &too_large));
    g_assert_error(too_large, VD_ERROR, VD_ERROR_LIMIT);
    test_co_close(node);
    node = blocks_test_open(t, &vhd_test_image, 0);
    g_assert_cmpuint(vd_node_size(node), ==, 7 * MIB + 512);
    test_co_assert_pattern(node, 0, 64 * 4 * 17 * 512, 4);
    test_co_assert_zero(node, 64 * 4 * 17 * 512,
                        7 * MIB + 512 - 64 * 4 * 17 * 512);
    blocks_test_assert_sound(node);
    test_co_close(node);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, fn) test_co_add("/vhd/hostile/" name, fn)
    ADD("footer-fields", test_footer_fields);
    ADD("header-fields", test_header_fields);
    ADD("locators", test_locators);
    ADD("short-files", test_short_files);
    ADD("fixed-larger-than-its-file", test_fixed_larger_than_its_file);
    ADD("entries-out-of-the-file", test_entries_out_of_the_file);
    ADD("shared-place", test_shared_place);
    ADD("overlapping-places", test_overlapping_places);
    ADD("lost-places-are-leaks", test_lost_places_are_leaks);
    ADD("footers-are-mended", test_footers_are_mended);
    ADD("sector-bits", test_sector_bits);
    ADD("resize-of-a-geometry", test_resize_of_a_geometry);
    return g_test_run();
}
