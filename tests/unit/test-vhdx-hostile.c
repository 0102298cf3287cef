/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vhdx-hostile.c - images whose fields say what they must not,
 * and images of which one copy is damaged. */
#include "formats/common/crc32c.h"
#include "tests/unit/vhdx-test.h"

#include <string.h>

#define DISK_SIZE (6 * MIB)
#define ITEMS (VHDX_TEST_METADATA + 65536)

typedef enum { IN_FILE, IN_HEADERS, IN_REGIONS } Where;

typedef struct {
    Where where; /* HEADERS, REGIONS: in both copies, and the checksum is right
                  */
    uint64_t at;
    const char *bytes;
    size_t len;
    VdErrorCode code;
    const char *text; /* of the message */
} Row;

#define BYTES(text) text, sizeof(text) - 1
#define NONE8 "\0\0\0\0\0\0\0\0"
/* Entries of the region table: id, offset, length, flags. */
#define REGION(i, field) (16 + 32 * (i) + (field))
/* Entries of the metadata table: id, offset, length, flags. */
#define ITEM(i, field) (VHDX_TEST_METADATA + 32 + 32 * (i) + (field))
#define TABLE_ID                                                               \
    "\x66\x77\xc2\x2d\x23\xf6\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08"
#define FILE_ID                                                                \
    "\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b"

static const Row rows[] = {
    {IN_FILE, 0, BYTES("vhdxfil."), VD_ERROR_UNKNOWN_FORMAT, "signature"},
    {IN_HEADERS, 0,
     BYTES("h"
           "EAD"),
     VD_ERROR_CORRUPT, "\"head\""},
    {IN_HEADERS, 66, BYTES("\2"), VD_ERROR_CORRUPT, "version"},

    {IN_REGIONS, 0, BYTES("REGI"), VD_ERROR_CORRUPT, "\"regi\""},
    {IN_REGIONS, 8, BYTES("\x00\x08"), VD_ERROR_CORRUPT, "more than 2047"},
    {IN_REGIONS, 8, BYTES("\1"), VD_ERROR_CORRUPT, "no region"},
    {IN_REGIONS, REGION(0, 0), BYTES("who?"), VD_ERROR_NOT_SUPPORTED,
     "required"},
    {IN_REGIONS, REGION(1, 0), BYTES(TABLE_ID), VD_ERROR_CORRUPT,
     "two regions"},
    {IN_REGIONS, REGION(0, 16), BYTES(NONE8), VD_ERROR_CORRUPT, "whole MiB"},
    {IN_REGIONS, REGION(0, 16), BYTES("\1"), VD_ERROR_CORRUPT, "whole MiB"},
    {IN_REGIONS, REGION(0, 16), BYTES("\0\0\xf0\xff\xff\xff\xff\xff"),
     VD_ERROR_CORRUPT, "whole MiB"},
    {IN_REGIONS, REGION(0, 16), BYTES("\0\0\x10\0"), VD_ERROR_CORRUPT,
     "overlap"},
    {IN_REGIONS, REGION(0, 16), BYTES("\0\0\x30\0"), VD_ERROR_CORRUPT,
     "overlap"},
    {IN_REGIONS, REGION(0, 16), BYTES("\0\0\0\0\1"), VD_ERROR_CORRUPT,
     "behind the file"},
    {IN_REGIONS, REGION(0, 24), BYTES(NONE8), VD_ERROR_CORRUPT, "whole MiB"},
    {IN_REGIONS, REGION(0, 24), BYTES("\1"), VD_ERROR_CORRUPT, "whole MiB"},
    {IN_REGIONS, REGION(1, 16), BYTES("\0\0\0\0\1"), VD_ERROR_CORRUPT,
     "does not begin"},

    {IN_FILE, VHDX_TEST_METADATA, BYTES("M"), VD_ERROR_CORRUPT,
     "does not begin"},
    {IN_FILE, VHDX_TEST_METADATA + 10, BYTES("\x00\x08"), VD_ERROR_CORRUPT,
     "2048 entries"},
    {IN_FILE, VHDX_TEST_METADATA + 10, BYTES("\4"), VD_ERROR_CORRUPT,
     "no metadata item for the physical"},
    {IN_FILE, ITEM(1, 0), BYTES("who?"), VD_ERROR_NOT_SUPPORTED, "required"},
    {IN_FILE, ITEM(1, 0), BYTES(FILE_ID), VD_ERROR_CORRUPT, "two metadata"},
    {IN_FILE, ITEM(0, 16), BYTES("\0\0\0"), VD_ERROR_CORRUPT, "does not lie"},
    {IN_FILE, ITEM(0, 16), BYTES("\xf9\xff\x0f"), VD_ERROR_CORRUPT,
     "does not lie"},
    {IN_FILE, ITEM(0, 16), BYTES("\xff\xff\xff\xff"), VD_ERROR_CORRUPT,
     "does not lie"},
    {IN_FILE, ITEM(0, 20), BYTES("\4"), VD_ERROR_CORRUPT, "4 bytes, not 8"},
    {IN_FILE, ITEM(0, 20), BYTES("\1\0\x10"), VD_ERROR_CORRUPT, "does not lie"},

    {IN_FILE, ITEMS, BYTES("\0\0\0\0"), VD_ERROR_CORRUPT, "block size"},
    {IN_FILE, ITEMS, BYTES("\0\0\x08\0"), VD_ERROR_CORRUPT, "block size"},
    {IN_FILE, ITEMS, BYTES("\0\0\x30\0"), VD_ERROR_CORRUPT, "block size"},
    {IN_FILE, ITEMS, BYTES("\0\0\0\x20"), VD_ERROR_CORRUPT, "block size"},
    {IN_FILE, ITEMS + 4, BYTES("\2"), VD_ERROR_CORRUPT, "parent locator"},
    {IN_FILE, ITEMS + 8, BYTES("\1"), VD_ERROR_CORRUPT, "disk size"},
    {IN_FILE, ITEMS + 8, BYTES("\0\2\0\0\0\x40"), VD_ERROR_CORRUPT,
     "disk size"},
    {IN_FILE, ITEMS + 8, BYTES("\0\0\0\0\0\x30"), VD_ERROR_CORRUPT,
     "needs a table"},
    {IN_FILE, ITEMS + 32, BYTES("\0\4\0\0"), VD_ERROR_CORRUPT,
     "logical sector"},
    {IN_FILE, ITEMS + 36, BYTES("\1\0\0\0"), VD_ERROR_CORRUPT,
     "physical sector"},
};

static void
poke_row(TestCo *t, const Row *row)
{
    if (row->where == IN_FILE)
        vhdx_test_poke(t, row->at, row->bytes, row->len);
    for (unsigned i = 0; row->where != IN_FILE && i < 2; i++)
        (row->where == IN_HEADERS ? vhdx_test_poke_header
                                  : vhdx_test_poke_regions)(
            t, i, (unsigned) row->at, row->bytes, row->len);
}

static void
test_refuses_fields(TestCo *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("row %u: \"%s\"", i, rows[i].text);
        vhdx_test_create(t, DISK_SIZE, "");
        poke_row(t, &rows[i]);
        vhdx_test_assert_refused(t, 0, rows[i].code, rows[i].text);
        vhdx_test_assert_refused(t, VD_OPEN_RDWR, rows[i].code, rows[i].text);
    }
}

/* Who only reads does not need a log that is empty. */
static void
test_writers_need_a_log(TestCo *t)
{
    static const char off[] = "\1\0\0\0\0\0\0\0";

    vhdx_test_create(t, DISK_SIZE, "");
    vhdx_test_poke_header(t, 0, 72, off, 8);
    vhdx_test_poke_header(t, 1, 72, off, 8);
    test_co_close(vhdx_test_open(t, 0));
    vhdx_test_assert_refused(t, VD_OPEN_RDWR, VD_ERROR_CORRUPT,
                             "places the log");
}

static void
test_short_files(TestCo *t)
{
    static const uint64_t sizes[] = {
        0,   7,       8,           65536,      131072, 196608 + 100,
        MIB, 2 * MIB, 2 * MIB + 8, 3 * MIB + 8};

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GError) error = NULL;

        vhdx_test_create(t, DISK_SIZE, "");
        vhdx_test_truncate(t, sizes[i]);
        g_assert_null(vhdx_test_try_open(t, 0, &error));
        g_assert_nonnull(error);
        g_clear_error(&error);
        g_assert_null(vhdx_test_try_open(t, VD_OPEN_RDWR, &error));
        g_assert_nonnull(error);
    }
}

/* -- copies -----------------------------------------------------------------
 */

static void
assert_mended(TestCo *t)
{
    VdNode *node = vhdx_test_open(t, 0);
    VdCheckResult result;

    test_co_assert_pattern(node, 0, 70000, 1);
    g_assert_cmpuint(vhdx_test_check(node, 0).corruptions, ==, 1);
    test_co_close(node);

    node = vhdx_test_open(t, VD_OPEN_RDWR);
    result = vhdx_test_check(node, VD_REPAIR_ALL);
    g_assert_cmpuint(result.corruptions, ==, 0);
    g_assert_cmpuint(result.corruptions_fixed, ==, 1);
    test_co_close(node);

    node = vhdx_test_open(t, 0);
    test_co_assert_pattern(node, 0, 70000, 1);
    g_assert_cmpuint(vhdx_test_check(node, 0).corruptions, ==, 0);
    test_co_close(node);
}

static void
test_one_copy_is_enough(TestCo *t)
{
    const uint64_t places[] = {VHDX_HEADER_AT(0), VHDX_HEADER_AT(1),
                               VHDX_REGION_TABLE_AT(0) + 60000,
                               VHDX_REGION_TABLE_AT(1) + 8};
    VdNode *node;

    vhdx_test_create(t, DISK_SIZE, "");
    node = vhdx_test_open(t, VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 70000, 1);
    test_co_close(node);
    for (unsigned i = 0; i < G_N_ELEMENTS(places); i++) {
        vhdx_test_poke(t, places[i], "?", 1);
        assert_mended(t);
    }
    vhdx_test_poke(t, places[0], "?", 1);
    vhdx_test_poke(t, places[1], "?", 1);
    vhdx_test_assert_refused(t, 0, VD_ERROR_CORRUPT, "header");
}

static uint8_t
first_byte_of_id(TestCo *t)
{
    VdNode *node = vhdx_test_open(t, 0);
    const VhdxState *s = vd_node_state(node);
    uint8_t byte = s->headers.now.data_write[0];

    test_co_close(node);
    return byte;
}

static void
test_the_higher_header_counts(TestCo *t)
{
    vhdx_test_create(t, DISK_SIZE, "");
    vhdx_test_poke_header(t, 0, 32, "0", 1);
    vhdx_test_poke_header(t, 1, 32, "1", 1);
    g_assert_cmpint(first_byte_of_id(t), ==, '1');
    vhdx_test_poke_header(t, 0, 8, "\x09", 1);
    g_assert_cmpint(first_byte_of_id(t), ==, '0');
    vhdx_test_poke_header(t, 1, 8, "\x09", 1);
    vhdx_test_assert_refused(t, 0, VD_ERROR_CORRUPT, "sequence number 9");
    vhdx_test_poke_header(t, 1, 32, "0", 1); /* the same in every byte */
    g_assert_cmpint(first_byte_of_id(t), ==, '0');
}

/* -- the table --------------------------------------------------------------
 */

static void
poke_entry(TestCo *t, unsigned i, uint64_t value)
{
    uint8_t raw[8];

    vio_put_le64(raw, value);
    vhdx_test_poke(t, VHDX_TEST_TABLE + 8 * i, raw, sizeof(raw));
}

static void
assert_entry_is_bad(TestCo *t, uint64_t value)
{
    char buf[512] = {1};
    g_autoptr(GError) error = NULL;
    VdNode *node;

    vhdx_test_create(t, DISK_SIZE, "");
    poke_entry(t, 1, value);
    node = vhdx_test_open(t, VD_OPEN_RDWR);
    test_co_assert_zero(node, 0, MIB);
    g_assert_false(vd_node_co_pread(node, MIB, buf, sizeof(buf), &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    vmdk_test_assert_write_fails(node, MIB, VD_ERROR_CORRUPT);
    vmdk_test_assert_write_fails(node, 2 * MIB, VD_ERROR_CORRUPT);
    g_assert_cmpuint(vhdx_test_check(node, 0).corruptions, ==, 1);
    test_co_close(node);
}

static void
test_refuses_entries(TestCo *t)
{
    const uint64_t values[] = {
        4,                   /* no such state */
        VHDX_TEST_DATA | 7,  /* partly present, without a parent */
        6,                   /* places: the headers */
        VHDX_TEST_LOG | 6,   /* the log */
        VHDX_TEST_TABLE | 6, /* the table */
        VHDX_TEST_METADATA | 6,
        (64 * MIB) | 6, /* behind the end */
        VHDX_PLACE_MASK | 6,
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(values); i++)
        assert_entry_is_bad(t, values[i]);
}

static void
test_a_place_belongs_to_one_block(TestCo *t)
{
    VdNode *node;

    vhdx_test_create(t, DISK_SIZE, "");
    vhdx_test_truncate(t, VHDX_TEST_DATA + MIB);
    poke_entry(t, 0, VHDX_TEST_DATA | 6);
    poke_entry(t, 3, VHDX_TEST_DATA | 6);
    node = vhdx_test_open(t, VD_OPEN_RDWR);
    g_assert_cmpuint(vhdx_test_check(node, 0).corruptions, ==, 1);
    vmdk_test_assert_write_fails(node, 2 * MIB, VD_ERROR_CORRUPT);
    test_co_close(node);
}

/* All states that mean "no data here"; the draft's is one of them. */
static void
test_states_without_data(TestCo *t)
{
    static const uint64_t states[] = {0, 1, 2, 3, 5};
    VdNode *node;

    vhdx_test_create(t, DISK_SIZE, "");
    for (unsigned i = 0; i < G_N_ELEMENTS(states); i++)
        poke_entry(t, i, states[i] | (i ? 64 * MIB : 0));
    node = vhdx_test_open(t, VD_OPEN_RDWR);
    test_co_assert_zero(node, 0, DISK_SIZE);
    vhdx_test_assert_sound(node);
    test_co_write_pattern(node, 512, DISK_SIZE - 512, 3);
    test_co_close(node);
    node = vhdx_test_open(t, 0);
    test_co_assert_zero(node, 0, 512);
    test_co_assert_pattern(node, 512, DISK_SIZE - 512, 3);
    test_co_close(node);
}

/* The last block of some files is short. */
static void
test_short_last_block(TestCo *t)
{
    VdNode *node;

    vhdx_test_create(t, DISK_SIZE, "");
    poke_entry(t, 2, VHDX_TEST_DATA | 6);
    vhdx_test_truncate(t, VHDX_TEST_DATA + 512);
    vhdx_test_poke(t, VHDX_TEST_DATA, "x", 1);
    node = vhdx_test_open(t, VD_OPEN_RDWR);
    test_co_assert_zero(node, 2 * MIB + 512, MIB - 512);
    test_co_write_pattern(node, 2 * MIB + 4096, 100, 1);
    test_co_write_pattern(node, 5 * MIB, 100, 2);
    test_co_close(node);
    node = vhdx_test_open(t, 0);
    test_co_assert_zero(node, 2 * MIB + 512, 4096 - 512);
    test_co_assert_pattern(node, 2 * MIB + 4096, 100, 1);
    test_co_assert_pattern(node, 5 * MIB, 100, 2);
    vhdx_test_assert_sound(node);
    test_co_close(node);
}

/* -- options ----------------------------------------------------------------
 */

static void
test_refuses_options(TestCo *t)
{
    static const char *const options[] = {
        "block_size=512k", "block_size=3M",           "block_size=512M",
        "log_size=100k",   "log_size=1025k",          "log_size=1G",
        "subformat=thin",  "logical_sector_size=520", "preallocation=full",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(options); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(vhdx_test_try_create(t, MIB, options[i], &error));
        g_assert_nonnull(error);
    }
}

static void
test_sum(void)
{
    g_assert_cmphex(vd_crc32c(0, "123456789", 9), ==, 0xe3069283);
    g_assert_cmphex(vd_crc32c(vd_crc32c(0, "1234", 4), "56789", 5), ==,
                    0xe3069283);
    g_assert_cmphex(vd_crc32c_around("12????789", 9, 2), ==,
                    vd_crc32c(0,
                              "12\0\0\0\0"
                              "789",
                              9));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vhdx/hostile/sum", test_sum);
    test_co_add("/vhdx/hostile/refuses-fields", test_refuses_fields);
    test_co_add("/vhdx/hostile/writers-need-a-log", test_writers_need_a_log);
    test_co_add("/vhdx/hostile/short-files", test_short_files);
    test_co_add("/vhdx/hostile/one-copy-is-enough", test_one_copy_is_enough);
    test_co_add("/vhdx/hostile/the-higher-header-counts",
                test_the_higher_header_counts);
    test_co_add("/vhdx/hostile/refuses-entries", test_refuses_entries);
    test_co_add("/vhdx/hostile/a-place-belongs-to-one-block",
                test_a_place_belongs_to_one_block);
    test_co_add("/vhdx/hostile/states-without-data", test_states_without_data);
    test_co_add("/vhdx/hostile/short-last-block", test_short_last_block);
    test_co_add("/vhdx/hostile/refuses-options", test_refuses_options);
    return g_test_run();
}
