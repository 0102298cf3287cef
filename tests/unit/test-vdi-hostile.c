/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vdi-hostile.c - fields of a VDI header at their limits and
 * beyond, tables that lie, and what a check makes of them. */
#include "formats/vdi/driver.h"
#include "formats/vdi/vdi.h"
#include "tests/unit/blocks-test.h"

#include <string.h>

#define SIZE (5 * MIB)
#define TABLE MIB
#define DATA (2 * MIB)

enum {
    MAGIC_AT = 64,
    VERSION_AT = 68,
    TYPE_AT = 76,
    TABLE_AT = 340,
    DATA_AT = 344,
    SECTOR_AT = 360,
    SIZE_AT = 368,
    BLOCK_AT = 376,
    EXTRA_AT = 380,
    BLOCKS_AT = 384,
    ALLOCATED_AT = 388,
};

static const BlocksTest vdi = {&vd_vdi_driver, "d.vdi"};

/* Blocks 0 to 2 have pattern 4. */
static void
make(TestCo *t)
{
    VdNode *node;

    blocks_test_create(t, &vdi, SIZE, "");
    node = blocks_test_open(t, &vdi, VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 3 * MIB, 4);
    test_co_close(node);
}

static void
poke(TestCo *t, uint64_t off, uint64_t value, unsigned bytes)
{
    uint8_t raw[8];

    vio_put_le64(raw, value);
    blocks_test_poke(t, &vdi, off, raw, bytes);
}

/* -- headers --------------------------------------------------------------- */

typedef struct {
    unsigned at, bytes;
    uint64_t value;
    VdErrorCode code;
    const char *text;
} Row;

static const Row rows[] = {
    {MAGIC_AT, 4, 0xbeda1070, VD_ERROR_UNKNOWN_FORMAT, "signature"},
    {VERSION_AT, 4, 0x20000, VD_ERROR_NOT_SUPPORTED, "version 2.0"},
    {VERSION_AT, 4, 0xffffffff, VD_ERROR_NOT_SUPPORTED, "version"},
    {TYPE_AT, 4, 0, VD_ERROR_CORRUPT, "type"},
    {TYPE_AT, 4, 5, VD_ERROR_CORRUPT, "type"},
    {TYPE_AT, 4, 0xffffffff, VD_ERROR_CORRUPT, "type"},
    {TABLE_AT, 4, 0, VD_ERROR_CORRUPT, "offset of the table"},
    {TABLE_AT, 4, 511, VD_ERROR_CORRUPT, "offset of the table"},
    {TABLE_AT, 4, DATA, VD_ERROR_CORRUPT, "offset of the data"},
    {TABLE_AT, 4, 0xffffffff, VD_ERROR_CORRUPT, "offset of the data"},
    {DATA_AT, 4, 0, VD_ERROR_CORRUPT, "offset of the data"},
    {DATA_AT, 4, TABLE + 19, VD_ERROR_CORRUPT, "offset of the data"},
    {SECTOR_AT, 4, 4096, VD_ERROR_CORRUPT, "sector size"},
    {SIZE_AT, 8, 5 * MIB + 1, VD_ERROR_CORRUPT, "disk size"},
    {SIZE_AT, 8, UINT64_MAX, VD_ERROR_CORRUPT, "disk size"},
    {SIZE_AT, 8, INT64_MAX, VD_ERROR_CORRUPT, "disk size"},
    {BLOCK_AT, 4, 0, VD_ERROR_CORRUPT, "block size"},
    {BLOCK_AT, 4, 1, VD_ERROR_CORRUPT, "block size"},
    {BLOCK_AT, 4, 256, VD_ERROR_CORRUPT, "block size"},
    {BLOCK_AT, 4, 3 * MIB, VD_ERROR_CORRUPT, "block size"},
    {BLOCK_AT, 4, 512 * MIB, VD_ERROR_CORRUPT, "block size"},
    {BLOCK_AT, 4, 0xffffffff, VD_ERROR_CORRUPT, "block size"},
    {EXTRA_AT, 4, 1, VD_ERROR_CORRUPT, "extra data"},
    {EXTRA_AT, 4, 2 * MIB, VD_ERROR_CORRUPT, "extra data"},
    {EXTRA_AT, 4, 0xffffffff, VD_ERROR_CORRUPT, "extra data"},
    {BLOCKS_AT, 4, 4, VD_ERROR_CORRUPT, "disk size"},
    {BLOCKS_AT, 4, 0, VD_ERROR_CORRUPT, "disk size"},
    {BLOCKS_AT, 4, 0xffffffff, VD_ERROR_CORRUPT, "offset of the data"},
};

static void
test_fields(TestCo *t)
{
    make(t);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        const Row *row = &rows[i];
        uint8_t before[8];

        g_test_message("byte %u: 0x%" G_GINT64_MODIFIER "x", row->at,
                       row->value);
        blocks_test_peek(t, &vdi, row->at, before, sizeof(before));
        poke(t, row->at, row->value, row->bytes);
        blocks_test_assert_refused(t, &vdi, 0, row->code, row->text);
        blocks_test_poke(t, &vdi, row->at, before, sizeof(before));
    }
    test_co_close(blocks_test_open(t, &vdi, 0));
}

/* The largest table there can be must not be taken from memory before the file
 * is known to have it. */
static void
test_table_behind_the_file(TestCo *t)
{
    make(t);
    poke(t, BLOCKS_AT, 0x3fefffff, 4);
    poke(t, DATA_AT, 0xfffffe00, 4);
    blocks_test_assert_refused(t, &vdi, 0, VD_ERROR_CORRUPT,
                               "ends behind the file");
}

static void
test_short_files(TestCo *t)
{
    static const uint64_t sizes[] = {0,   1,   64,    68,        400,
                                     511, 512, TABLE, TABLE + 19};

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GError) error = NULL;

        make(t);
        blocks_test_truncate(t, &vdi, sizes[i]);
        g_assert_null(blocks_test_try_open(t, &vdi, 0, &error));
        g_assert_nonnull(error);
    }
}

/* What the last block lacks is zero. */
static void
test_short_last_block(TestCo *t)
{
    VdNode *node;

    make(t);
    blocks_test_truncate(t, &vdi, DATA + 2 * MIB + 512);
    node = blocks_test_open(t, &vdi, 0);
    test_co_assert_pattern(node, 0, 2 * MIB + 512, 4);
    test_co_assert_zero(node, 2 * MIB + 512, MIB - 512);
    test_co_close(node);
}

/* Sizes that are no whole sectors, and blocks of other sizes. */
static void
test_unusual_but_sound(TestCo *t)
{
    VdNode *node;

    make(t);
    poke(t, SIZE_AT, 3 * MIB + 1, 8);
    node = blocks_test_open(t, &vdi, 0);
    g_assert_cmpuint(vd_node_size(node), ==, 3 * MIB + 512);
    test_co_assert_pattern(node, 0, 3 * MIB, 4);
    test_co_close(node);
    make(t);
    poke(t, SIZE_AT, 4 * 512, 8);
    poke(t, BLOCK_AT, 512, 4);
    poke(t, EXTRA_AT, 512, 4);
    node = blocks_test_open(t, &vdi, 0);
    test_co_assert_pattern(node, 0, 0, 4);
    g_assert_cmpuint(vd_node_size(node), ==, 4 * 512);
    test_co_close(node);
    make(t);
    poke(t, SECTOR_AT, 0, 4);
    poke(t, SIZE_AT, 0, 8);
    node = blocks_test_open(t, &vdi, 0);
    g_assert_cmpuint(vd_node_size(node), ==, 0);
    test_co_close(node);
}

/* -- version 0 ------------------------------------------------------------- */

/* The table is at byte 420, the data right behind it. */
static void
put_old_header(uint8_t *raw, uint32_t size_sectors, uint32_t n)
{
    vio_put_le32(raw + MAGIC_AT, 0xbeda107f);
    vio_put_le32(raw + VERSION_AT, 1);
    vio_put_le32(raw + 72, VDI_DYNAMIC);
    vio_put_le64(raw + 352, size_sectors * 512);
    vio_put_le32(raw + 360, 512);
    vio_put_le32(raw + 364, n);
}

static void
make_old(TestCo *t, uint32_t size_sectors)
{
    uint8_t raw[4096] = {0};

    put_old_header(raw, size_sectors, 3);
    vio_put_le32(raw + 368, 2);
    vio_put_le32(raw + 420, 1);
    vio_put_le32(raw + 424, VDI_ABSENT);
    vio_put_le32(raw + 428, 0);
    memset(raw + 432, 'a', 512);
    memset(raw + 432 + 512, 'b', 512);
    vmdk_test_write_file(t, vdi.name, raw, 432 + 1024);
}

static void
test_version_0(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    VdResize how = {.size = MIB};
    char sector[512];
    VdNode *node;

    make_old(t, 3);
    node = blocks_test_open(t, &vdi, VD_OPEN_RDWR);
    g_assert_cmpuint(vd_node_size(node), ==, 3 * 512);
    g_assert_true(vd_node_co_pread(node, 0, sector, 512, NULL));
    g_assert_cmpint(sector[0], ==, 'b');
    test_co_assert_zero(node, 512, 512);
    g_assert_true(vd_node_co_pread(node, 1024, sector, 512, NULL));
    g_assert_cmpint(sector[511], ==, 'a');
    blocks_test_assert_sound(node);
    test_co_write_pattern(node, 0, 1024, 3);
    g_assert_false(vd_node_co_resize(node, &how, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
    test_co_close(node);
    node = blocks_test_open(t, &vdi, 0);
    test_co_assert_pattern(node, 0, 1024, 3);
    blocks_test_assert_sound(node);
    test_co_close(node);
    make_old(t, 4);
    blocks_test_assert_refused(t, &vdi, 0, VD_ERROR_CORRUPT, "disk size");
}

#define OLD_BLOCKS 1100u /* more than a page of the table tells of */

/* The table begins in the sector of the header, which is written again and
 * again. */
static void
test_version_0_keeps_its_table(TestCo *t)
{
    uint32_t table_end = 420 + OLD_BLOCKS * 4;
    g_autofree uint8_t *raw = g_malloc0(table_end);
    g_autoptr(GError) error = NULL;
    VdNode *node;

    memset(raw + 420, 0xff, OLD_BLOCKS * 4);
    put_old_header(raw, OLD_BLOCKS, OLD_BLOCKS);
    vmdk_test_write_file(t, vdi.name, raw, table_end);
    node = blocks_test_open(t, &vdi, VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 8 * 512, 3);
    vd_node_co_flush(node, &error);
    g_assert_no_error(error);
    test_co_write_pattern(node, 1050 * 512, 512, 3);
    test_co_close(node);
    node = blocks_test_open(t, &vdi, 0);
    test_co_assert_pattern(node, 0, 8 * 512, 3);
    test_co_assert_pattern(node, 1050 * 512, 512, 3);
    blocks_test_assert_sound(node);
    test_co_close(node);
}

/* -- tables ---------------------------------------------------------------- */

static void
assert_only_check_helps(TestCo *t, uint64_t corruptions)
{
    g_autoptr(GError) error = NULL;
    VdNode *node = blocks_test_open(t, &vdi, VD_OPEN_RDWR);
    VdCheckResult result = blocks_test_check(node, 0);

    g_assert_cmpuint(result.corruptions, ==, corruptions);
    /* Neither a new block nor a longer disk. */
    g_assert_false(vd_node_co_pwrite(node, 4 * MIB, "x", 1, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    result = blocks_test_check(node, VD_REPAIR_ALL);
    g_assert_cmpuint(result.corruptions_fixed, ==, corruptions);
    g_assert_cmpuint(result.corruptions, ==, 0);
    test_co_write_pattern(node, 4 * MIB, MIB, 7);
    test_co_close(node);
    node = blocks_test_open(t, &vdi, 0);
    test_co_assert_pattern(node, 4 * MIB, MIB, 7);
    blocks_test_assert_sound(node);
    test_co_close(node);
}

static void
test_entries_out_of_the_file(TestCo *t)
{
    static const uint32_t values[] = {3,          4,          0x1000,
                                      0x7fffffff, 0x80000000, 0xfffffffd};

    for (unsigned i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autoptr(GError) error = NULL;
        char byte;
        VdNode *node;

        make(t);
        poke(t, TABLE + 4, values[i], 4);
        node = blocks_test_open(t, &vdi, 0);
        test_co_assert_pattern(node, 0, MIB, 4);
        g_assert_false(vd_node_co_pread(node, MIB, &byte, 1, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
        test_co_close(node);
        assert_only_check_helps(t, 1);
        node = blocks_test_open(t, &vdi, 0);
        test_co_assert_zero(node, MIB, MIB); /* it is lost */
        test_co_assert_pattern(node, 2 * MIB, MIB, 4);
        test_co_close(node);
    }
}

/* Both keep what they had, and are apart from then on. */
static void
test_shared_place(TestCo *t)
{
    VdNode *node;

    make(t);
    poke(t, TABLE + 8, 0, 4);
    assert_only_check_helps(t, 1);
    node = blocks_test_open(t, &vdi, VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, MIB, 9);
    test_co_write_pattern(node, MIB, MIB, 4);
    test_co_close(node);
    node = blocks_test_open(t, &vdi, 0);
    test_co_assert_pattern(node, 0, MIB, 9);
    test_co_assert_pattern(node, MIB, MIB, 4);
    test_co_close(node);
}

static void
test_many_faults_at_once(TestCo *t)
{
    make(t);
    poke(t, TABLE, 1, 4); /* as block 1 has */
    poke(t, TABLE + 8, 1, 4);
    poke(t, TABLE + 12, 77, 4);
    poke(t, TABLE + 16, 0xfffffff0, 4);
    assert_only_check_helps(t, 4);
}

static void
test_counts(TestCo *t)
{
    VdCheckResult result;
    VdNode *node;

    make(t);
    poke(t, ALLOCATED_AT, 1, 4);
    node = blocks_test_open(t, &vdi, VD_OPEN_RDWR);
    g_assert_cmpuint(blocks_test_check(node, 0).corruptions, ==, 1);
    result = blocks_test_check(node, VD_REPAIR_ALL);
    g_assert_cmpuint(result.corruptions_fixed, ==, 1);
    blocks_test_assert_sound(node);
    test_co_close(node);
    poke(t, ALLOCATED_AT, 0xffffffff, 4);
    node = blocks_test_open(t, &vdi, 0);
    result = blocks_test_check(node, 0);
    g_assert_cmpuint(result.corruptions, ==, 0);
    g_assert_cmpuint(result.leaks, ==, 0xffffffff - 3u);
    test_co_close(node);
}

static void
test_unknown_repairs(TestCo *t)
{
    VdCheckParams params = {.repair = VD_REPAIR_PARENT_CID};
    VdCheckParams profile = {.profile = "esxi-import"};
    VdCheckResult result = {0};
    g_autoptr(GError) error = NULL, second = NULL;
    VdNode *node;

    make(t);
    node = blocks_test_open(t, &vdi, VD_OPEN_RDWR);
    g_assert_false(vd_vdi_driver.co_check(node, &params, &result, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
    g_assert_false(vd_vdi_driver.co_check(node, &profile, &result, &second));
    g_assert_error(second, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
    test_co_close(node);
}

/* Sizes that no table can have. */
static void
test_resize_limits(TestCo *t)
{
    static const uint64_t sizes[] = {UINT64_C(0xfffffffe) * MIB,
                                     UINT64_C(0x3ff40001) * MIB, VD_MAX_SIZE};
    VdNode *node;

    make(t);
    node = blocks_test_open(t, &vdi, VD_OPEN_RDWR);
    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GError) error = NULL;
        VdResize how = {.size = sizes[i]};

        g_assert_false(vd_node_co_resize(node, &how, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_LIMIT);
        g_assert_cmpuint(vd_node_size(node), ==, SIZE);
    }
    test_co_assert_pattern(node, 0, 3 * MIB, 4);
    blocks_test_assert_sound(node);
    test_co_close(node);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, fn) test_co_add("/vdi/hostile/" name, fn)
    ADD("fields", test_fields);
    ADD("table-behind-the-file", test_table_behind_the_file);
    ADD("short-files", test_short_files);
    ADD("short-last-block", test_short_last_block);
    ADD("unusual-but-sound", test_unusual_but_sound);
    ADD("version-0", test_version_0);
    test_co_add("/vdi/hostile/version-0-table", test_version_0_keeps_its_table);
    ADD("entries-out-of-the-file", test_entries_out_of_the_file);
    ADD("shared-place", test_shared_place);
    ADD("many-faults-at-once", test_many_faults_at_once);
    ADD("counts", test_counts);
    ADD("unknown-repairs", test_unknown_repairs);
    ADD("resize-limits", test_resize_limits);
    return g_test_run();
}
