/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-sesparse.c - seSparse extents: headers, entries, what is
 * read, and what is refused. */
#include "tests/support/leaf.h"
#include "tests/unit/sesparse-test.h"

#include <string.h>
#include <unistd.h>

#define DISK_SIZE (100 * MIB)
#define GRAIN UINT64_C(4096)
#define STORED(index)                                                          \
    (UINT64_C(3) << 60 | ((index) &UINT64_C(0xfff)) << 48 | (index) >> 12)

/* -- headers, entries
 * ---------------------------------------------------------------- */

static VmdkSeHeader
header_of(uint64_t sectors)
{
    VmdkSeHeader hdr;

    vmdk_se_header_layout(&hdr, sectors);
    return hdr;
}

/* A 100 MiB disk that ESXi made (offset and size of each region, in sectors).
 */
static void
test_layout_is_esxis(void)
{
    static const VmdkSeRegion wanted[VMDK_SE_N_PARTS] = {
        {1, 1},       {2, 2},       {2048, 2048},  {4096, 2048},
        {6144, 2048}, {8192, 2048}, {10240, 2048}, {12288, 204800},
    };
    VmdkSeHeader hdr = header_of(204800);

    for (unsigned i = 0; i < VMDK_SE_N_PARTS; i++) {
        g_assert_cmpuint(hdr.part[i].start, ==, wanted[i].start);
        g_assert_cmpuint(hdr.part[i].n, ==, wanted[i].n);
    }
}

static void
test_header_round_trip(void)
{
    uint8_t raw[VMDK_SE_HEADER_BYTES];
    VmdkSeHeader hdr = header_of(VMDK_SE_MAX_SECTORS), again;
    g_autoptr(GError) error = NULL;

    vmdk_se_header_encode(&hdr, raw);
    g_assert_true(vmdk_se_header_is_magic(raw, sizeof(raw)));
    vmdk_se_header_decode(raw, "x", &again, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(&hdr, sizeof(hdr), &again, sizeof(again));
}

typedef struct {
    unsigned at;
    uint64_t value;
    VdErrorCode code;
} BadField;

static void
test_header_is_checked(void)
{
    static const BadField cases[] = {
        {0, 0xcafebabf, VD_ERROR_CORRUPT},
        {8, 0x0000000200000002, VD_ERROR_NOT_SUPPORTED},
        {16, 0, VD_ERROR_CORRUPT},
        {16, VMDK_SE_MAX_SECTORS + 1, VD_ERROR_LIMIT},
        {24, 16, VD_ERROR_NOT_SUPPORTED},
        {32, 32, VD_ERROR_NOT_SUPPORTED},
        {40, 1, VD_ERROR_NOT_SUPPORTED},
        {48, 1, VD_ERROR_NOT_SUPPORTED},
        {72, 1, VD_ERROR_NOT_SUPPORTED},
        {80, UINT64_MAX, VD_ERROR_LIMIT},
        {136, UINT64_MAX, VD_ERROR_LIMIT},
        {200, UINT64_C(1) << 60, VD_ERROR_LIMIT},
        {208, 1, VD_ERROR_NOT_SUPPORTED},
        {504, UINT64_C(1) << 63, VD_ERROR_NOT_SUPPORTED},
    };
    VmdkSeHeader hdr = header_of(204800);

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint8_t raw[VMDK_SE_HEADER_BYTES];
        uint64_t value = GUINT64_TO_LE(cases[i].value);
        g_autoptr(GError) error = NULL;
        VmdkSeHeader found;

        vmdk_se_header_encode(&hdr, raw);
        memcpy(raw + cases[i].at, &value, sizeof(value));
        g_test_message("field at %u", cases[i].at);
        g_assert_false(vmdk_se_header_decode(raw, "x", &found, &error));
        g_assert_error(error, VD_ERROR, (int) cases[i].code);
    }
}

static void
assert_no_file(const VmdkSeHeader *hdr, uint64_t sectors)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(vmdk_se_header_check_file(hdr, sectors * 512, "x", &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
}

static void
test_regions_are_held_against_the_file(void)
{
    VmdkSeHeader hdr = header_of(204800);
    g_autoptr(GError) error = NULL;

    vmdk_se_header_check_file(&hdr, 12288 * 512, "x", &error);
    g_assert_no_error(error);
    assert_no_file(&hdr, 4096); /* no directory */
    hdr.part[VMDK_SE_DIRECTORY].n = 0;
    assert_no_file(&hdr, 12288);
    hdr = header_of(204800);
    hdr.part[VMDK_SE_VOLATILE].start = 1 << 30;
    assert_no_file(&hdr, 12288);
    hdr = header_of(204800);
    hdr.part[VMDK_SE_GRAINS].start = 6144 + 64; /* on a table */
    assert_no_file(&hdr, 12288);
    hdr = header_of(204800);
    hdr.part[VMDK_SE_GRAINS] = (VmdkSeRegion){1, 1};
    hdr.part[VMDK_SE_VOLATILE].start = 2;
    assert_no_file(&hdr, 12288);
    hdr = header_of(204800);
    hdr.part[VMDK_SE_TABLES].start = 4096;
    assert_no_file(&hdr, 12288);
}

static void
test_entries_split_their_number(void)
{
    VmdkSeHeader hdr = header_of(VMDK_SE_MAX_SECTORS);
    uint64_t start = hdr.part[VMDK_SE_GRAINS].start, end = UINT64_MAX;
    uint64_t raw = UINT64_C(0x3ABC000000000123);

    g_assert_cmphex(vmdk_se_entry_decode(&hdr, raw, end), ==,
                    start + 8 * UINT64_C(0x123ABC));
    g_assert_cmphex(vmdk_se_entry_encode(&hdr, start + 8 * UINT64_C(0x123ABC)),
                    ==, raw);
    g_assert_cmphex(vmdk_se_entry_decode(&hdr, 0, end), ==, VMDK_SE_ABSENT);
    g_assert_cmphex(vmdk_se_entry_decode(&hdr, UINT64_C(0x1ABC000000000123), 1),
                    ==, VMDK_SE_ZERO);
    g_assert_cmphex(vmdk_se_entry_decode(&hdr, UINT64_C(2) << 60, 1), ==,
                    VMDK_SE_ZERO);
    g_assert_cmphex(vmdk_se_entry_decode(&hdr, 1, end), ==, VMDK_SE_BAD);
    for (uint64_t kind = 4; kind < 16; kind++)
        g_assert_cmphex(vmdk_se_entry_decode(&hdr, kind << 60, end), ==,
                        VMDK_SE_BAD);
    /* Behind the end of the file, and of the region. */
    g_assert_cmphex(vmdk_se_entry_decode(&hdr, STORED(0), start), ==,
                    VMDK_SE_BAD);
    g_assert_cmphex(vmdk_se_entry_decode(&hdr, STORED(0), start + 1), ==,
                    start);
    g_assert_cmphex(
        vmdk_se_entry_decode(&hdr, STORED(VMDK_SE_MAX_SECTORS / 8), end), ==,
        VMDK_SE_BAD);
    g_assert_cmphex(
        vmdk_se_entry_decode(&hdr, UINT64_C(0x3fffffffffffffff), end), ==,
        VMDK_SE_BAD);
}

static void
test_directory_entries_name_tables(void)
{
    VmdkSeHeader hdr = header_of(204800);
    const uint64_t tag = UINT64_C(0x10000000) << 32;

    g_assert_cmpuint(vmdk_se_directory_decode(&hdr, 0, 12288), ==, 0);
    g_assert_cmpuint(vmdk_se_directory_decode(&hdr, tag, 12288), ==, 1);
    g_assert_cmpuint(vmdk_se_directory_decode(&hdr, tag | 31, 12288), ==, 32);
    g_assert_cmphex(vmdk_se_directory_decode(&hdr, tag | 32, 12288), ==,
                    VMDK_SE_TABLE_BAD);
    g_assert_cmphex(vmdk_se_directory_decode(&hdr, tag | 31, 8191), ==,
                    VMDK_SE_TABLE_BAD);
    g_assert_cmphex(vmdk_se_directory_decode(&hdr, tag | UINT32_MAX, 12288), ==,
                    VMDK_SE_TABLE_BAD);
    g_assert_cmphex(vmdk_se_directory_decode(&hdr, 1, 12288), ==,
                    VMDK_SE_TABLE_BAD);
    g_assert_cmphex(
        vmdk_se_directory_decode(&hdr, UINT64_C(0x20000000) << 32, 12288), ==,
        VMDK_SE_TABLE_BAD);
    g_assert_cmphex(vmdk_se_directory_encode(32), ==, tag | 31);
    g_assert_cmphex(vmdk_se_directory_encode(0), ==, 0);
}

/* -- reading
 * ------------------------------------------------------------------------- */

static void
make_disk(TestCo *t, const char *parent)
{
    SeSpan span = {SE_TABLE_COVER - 4 * GRAIN, 8 * GRAIN};

    se_test_make(t, "d.vmdk", DISK_SIZE, parent, se_test_fill_span, &span);
}

/* The table of the 16 MiB in front is number 0, that behind number 1. */
static uint64_t
entry_at(uint64_t off)
{
    return SE_TABLES_BYTE + (off / SE_TABLE_COVER) * VMDK_SE_TABLE_BYTES +
           off % SE_TABLE_COVER / GRAIN * 8;
}

static void
test_reads_what_is_stored(TestCo *t)
{
    VdNode *node;
    VdRun run;

    make_disk(t, NULL);
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_zero(node, 0, SE_TABLE_COVER - 4 * GRAIN);
    test_co_assert_pattern(node, SE_TABLE_COVER - 4 * GRAIN, 8 * GRAIN, 1);
    test_co_assert_zero(node, SE_TABLE_COVER + 4 * GRAIN,
                        DISK_SIZE - SE_TABLE_COVER - 4 * GRAIN);
    /* One run, over the border of two tables that are in memory. */
    g_assert_true(vd_node_co_map(node, SE_TABLE_COVER - 4 * GRAIN + 512,
                                 8 * GRAIN, 0, &run, NULL));
    g_assert_cmpint(run.kind, ==, VD_RUN_DATA);
    g_assert_cmpuint(run.len, ==, 8 * GRAIN - 512);
    g_assert_true(vd_node_co_map(node, 2 * SE_TABLE_COVER + 1,
                                 DISK_SIZE - 2 * SE_TABLE_COVER - 1, 0, &run,
                                 NULL));
    g_assert_cmpint(run.kind, ==, VD_RUN_PARENT);
    g_assert_cmpuint(run.len, ==, DISK_SIZE - 2 * SE_TABLE_COVER - 1);
    vmdk_test_assert_sound(node, false);
    test_co_close(node);
}

/* Neighbours in the file are one request. */
static void
test_grains_are_read_together(TestCo *t)
{
    SeSpan span = {SE_TABLE_COVER - 2 * MIB, 4 * MIB};
    g_autofree uint8_t *buf = g_malloc(span.len);
    VdNode *node;

    se_test_make(t, "d.vmdk", DISK_SIZE, NULL, se_test_fill_span, &span);
    test_leaf_install();
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_pattern(node, span.off, GRAIN, 1); /* both tables */
    test_co_assert_pattern(node, span.off + 3 * MIB, GRAIN, 1);
    test_leaf_reset_counts();
    g_assert_true(vd_node_co_pread(node, span.off, buf, span.len, NULL));
    g_assert_cmpuint(test_leaf_count(TEST_OP_READ), ==, 1);
    g_assert_cmpuint(test_pattern_differs(buf, span.len, span.off, 1), ==,
                     span.len);
    test_co_close(node);
    test_leaf_remove();
}

static void
test_zeroed_grains_hide_the_parent(TestCo *t)
{
    VdNode *node;

    vmdk_test_create(t, "base.vmdk", DISK_SIZE, "subformat=vmfs");
    node = vmdk_test_open(t, "base.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 2 * SE_TABLE_COVER, 7);
    test_co_close(node);
    make_disk(t, "base.vmdk");
    /* 0 absent, 1 unmapped by the guest, 2 zero. */
    se_test_poke64(t, "d-sesparse.vmdk", entry_at(0), 0);
    se_test_poke64(t, "d-sesparse.vmdk", entry_at(GRAIN),
                   UINT64_C(1) << 60 | UINT64_C(5) << 48);
    se_test_poke64(t, "d-sesparse.vmdk", entry_at(2 * GRAIN),
                   UINT64_C(2) << 60);
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_pattern(node, 0, GRAIN, 7);
    test_co_assert_zero(node, GRAIN, 2 * GRAIN);
    test_co_assert_pattern(node, 3 * GRAIN, SE_TABLE_COVER - 7 * GRAIN, 7);
    test_co_assert_pattern(node, SE_TABLE_COVER - 4 * GRAIN, 8 * GRAIN, 1);
    test_co_assert_pattern(node, SE_TABLE_COVER + 4 * GRAIN,
                           SE_TABLE_COVER - 4 * GRAIN, 7);
    vmdk_test_assert_sound(node, false);
    test_co_close(node);
}

static void
test_chain_of_many_links(TestCo *t)
{
    char name[16] = "base.vmdk";
    VdNode *node;

    vmdk_test_create(t, name, DISK_SIZE, "");
    for (unsigned i = 0; i < 6; i++) {
        SeSpan span = {i * 3 * GRAIN + 512 * i, 2 * GRAIN + 512};
        g_autofree char *parent = g_strdup(name);

        g_snprintf(name, sizeof(name), "d%u.vmdk", i);
        se_test_make(t, name, DISK_SIZE, parent, se_test_fill_span, &span);
    }
    node = vmdk_test_open(t, name, 0);
    for (unsigned i = 0; i < 6; i++)
        test_co_assert_pattern(node, i * 3 * GRAIN + 512 * i, 2 * GRAIN + 512,
                               1);
    test_co_close(node);
}

/* As ESXi leaves them: a flat base, redo logs of both kinds above it, with
 * grains of 512 bytes and of 4 KiB. */
static void
test_chain_of_all_kinds(TestCo *t)
{
    SeSpan low = {3 * GRAIN + 512, 3 * GRAIN}, high = {4 * GRAIN, 512};
    VdNode *node;

    vmdk_test_create(t, "base.vmdk", DISK_SIZE, "subformat=vmfs");
    node = vmdk_test_open(t, "base.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, MIB, 7);
    test_co_close(node);
    se_test_make(t, "s1.vmdk", DISK_SIZE, "base.vmdk", se_test_fill_span, &low);
    vmdk_test_create_child(t, "c.vmdk", DISK_SIZE, "subformat=vmfsSparse",
                           "s1.vmdk");
    node = vmdk_test_open(t, "c.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 4 * GRAIN + 1024, 512, 8);
    test_co_write_pattern(node, 6 * GRAIN, 512, 8);
    g_assert_true(vd_node_co_write_zeroes(node, 5 * GRAIN, 512, 0, NULL));
    test_co_close(node);
    se_test_make(t, "s2.vmdk", DISK_SIZE, "c.vmdk", se_test_fill_span, &high);
    node = vmdk_test_open(t, "s2.vmdk", 0);
    /* What a grain of the top holds besides was copied up. */
    test_co_assert_pattern(node, 0, 3 * GRAIN + 512, 7);
    test_co_assert_pattern(node, 3 * GRAIN + 512, GRAIN + 512, 1);
    test_co_assert_pattern(node, 4 * GRAIN + 1024, 512, 8);
    test_co_assert_pattern(node, 4 * GRAIN + 1536, GRAIN - 1536, 1);
    test_co_assert_zero(node, 5 * GRAIN, 512);
    test_co_assert_pattern(node, 5 * GRAIN + 512, GRAIN - 512, 1);
    test_co_assert_pattern(node, 6 * GRAIN, 512, 8);
    test_co_assert_pattern(node, 6 * GRAIN + 512, MIB - 6 * GRAIN - 512, 7);
    test_co_assert_zero(node, MIB, DISK_SIZE - MIB);
    test_co_close(node);
}

static void
test_bare_extent(TestCo *t)
{
    VdNode *node;

    make_disk(t, NULL);
    node = vmdk_test_open(t, "d-sesparse.vmdk", 0);
    g_assert_cmpuint(t->warnings->len, ==, 1);
    g_assert_cmpuint(vd_node_size(node), ==, DISK_SIZE);
    test_co_assert_pattern(node, SE_TABLE_COVER - 4 * GRAIN, 8 * GRAIN, 1);
    vmdk_test_assert_sound(node, false);
    test_co_close(node);
    vmdk_test_assert_refused(t, "d-sesparse.vmdk", VD_OPEN_RDWR,
                             VD_ERROR_READ_ONLY);
}

static void
test_last_grain_may_be_cut_short(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d-sesparse.vmdk");
    VdNode *node;

    make_disk(t, NULL);
    g_assert_cmpuint(test_file_size(path), ==, SE_GRAINS_BYTE + 8 * GRAIN);
    g_assert_cmpint(truncate(path, SE_GRAINS_BYTE + 8 * GRAIN - 1000), ==, 0);
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_pattern(node, SE_TABLE_COVER - 4 * GRAIN, 8 * GRAIN - 1000,
                           1);
    test_co_assert_zero(node, SE_TABLE_COVER + 4 * GRAIN - 1000, 1000);
    test_co_close(node);
}

/* Whatever is thrown out comes in again. */
static void
test_memory_of_tables_is_bounded(TestCo *t)
{
    VdTableCache *cache = vd_table_cache_ref(t->loop);
    SeSpan span = {0, 5 * SE_TABLE_COVER};
    VdNode *node;

    vd_table_cache_set_limit(cache, 2 * VMDK_SE_TABLE_BYTES);
    se_test_make(t, "d.vmdk", DISK_SIZE, NULL, se_test_fill_span, &span);
    node = vmdk_test_open(t, "d.vmdk", 0);
    for (unsigned i = 0; i < 12; i++) {
        uint64_t off = (i * 2 % 5) * SE_TABLE_COVER + i * GRAIN;

        test_co_assert_pattern(node, off, GRAIN, 1);
        g_assert_cmpuint(vd_table_cache_bytes(cache), <=,
                         3 * VMDK_SE_TABLE_BYTES);
    }
    test_co_assert_pattern(node, 0, 5 * SE_TABLE_COVER, 1);
    test_co_close(node);
    vd_table_cache_unref(cache);
}

static void
test_largest_disk(TestCo *t)
{
    uint64_t size = VMDK_SE_MAX_SECTORS * 512;
    SeSpan span = {size - 3 * GRAIN - 512, 3 * GRAIN + 512};
    VdNode *node;

    se_test_make(t, "d.vmdk", size, NULL, se_test_fill_span, &span);
    node = vmdk_test_open(t, "d.vmdk", 0);
    g_assert_cmpuint(vd_node_size(node), ==, size);
    test_co_assert_pattern(node, span.off, span.len, 1);
    test_co_assert_zero(node, size / 2, MIB);
    test_co_close(node);
}

/* -- what is refused
 * -------------------------------------------------------------- */

static void
assert_read_fails(VdNode *node, uint64_t off)
{
    g_autoptr(GError) error = NULL;
    char buf[512];

    g_assert_false(vd_node_co_pread(node, off, buf, sizeof(buf), &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
}

static uint64_t
count_corruptions_of(VdNode *node, uint64_t grain)
{
    VdCheckResult result = {.max_findings = 10};
    g_autoptr(GError) error = NULL;

    vd_vmdk_driver.co_check(node, &(VdCheckParams){0}, &result, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < result.findings->len; i++) {
        const VdFinding *f = result.findings->pdata[i];

        g_assert_cmpuint(f->grain, ==, grain);
    }
    g_clear_pointer(&result.findings, g_ptr_array_unref);
    return result.corruptions;
}

static uint64_t
count_corruptions(VdNode *node)
{
    return count_corruptions_of(node, VD_NO_GRAIN);
}

static void
test_bad_entries_are_told(TestCo *t)
{
    static const uint64_t bad[] = {
        1, /* absent, and yet something */
        UINT64_C(4) << 60,
        UINT64_MAX,
        STORED(UINT64_C(8)),
        UINT64_C(0x3fffffffffffffff),
    };
    uint64_t at = SE_TABLE_COVER - 3 * GRAIN;

    make_disk(t, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        VdNode *node;

        se_test_poke64(t, "d-sesparse.vmdk", entry_at(at), bad[i]);
        node = vmdk_test_open(t, "d.vmdk", 0);
        assert_read_fails(node, at + 100);
        test_co_assert_pattern(node, at - GRAIN, GRAIN, 1);
        test_co_assert_pattern(node, at + GRAIN, 6 * GRAIN, 1);
        g_assert_cmpuint(count_corruptions_of(node, at / GRAIN), ==, 1);
        test_co_close(node);
    }
}

static void
test_grain_with_two_owners_is_told(TestCo *t)
{
    VdNode *node;

    make_disk(t, NULL);
    se_test_poke64(
        t, "d-sesparse.vmdk", entry_at(0),
        se_test_peek64(t, "d-sesparse.vmdk", entry_at(SE_TABLE_COVER)));
    node = vmdk_test_open(t, "d.vmdk", 0);
    g_assert_cmpuint(count_corruptions_of(node, SE_TABLE_COVER / GRAIN), ==, 1);
    test_co_close(node);
}

static void
test_bad_directory_entries_are_told(TestCo *t)
{
    static const uint64_t bad[] = {1, UINT64_C(0x1000000000000020),
                                   UINT64_C(0x2000000000000000), UINT64_MAX};

    make_disk(t, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        VdNode *node;

        se_test_poke64(t, "d-sesparse.vmdk", SE_DIRECTORY_BYTE + 8, bad[i]);
        node = vmdk_test_open(t, "d.vmdk", 0);
        assert_read_fails(node, SE_TABLE_COVER);
        test_co_assert_pattern(node, SE_TABLE_COVER - 4 * GRAIN, 4 * GRAIN, 1);
        test_co_assert_zero(node, 2 * SE_TABLE_COVER, SE_TABLE_COVER);
        g_assert_cmpuint(count_corruptions(node), ==, 1);
        test_co_close(node);
    }
    /* One table in two places. */
    se_test_poke64(t, "d-sesparse.vmdk", SE_DIRECTORY_BYTE + 8,
                   UINT64_C(0x1000000000000000));
    {
        VdNode *node = vmdk_test_open(t, "d.vmdk", 0);

        g_assert_cmpuint(count_corruptions(node), ==, 1);
        test_co_close(node);
    }
}

static void
test_journal_is_not_replayed(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d.vmdk");
    g_autofree char *options =
        g_strdup_printf("driver=vmdk,force-dirty=on,file.filename=%s", path);
    g_autoptr(GError) error = NULL;
    VdNodeInfo info;
    VdNode *node;

    make_disk(t, NULL);
    se_test_poke64(t, "d-sesparse.vmdk", SE_VOLATILE_BYTE + 24, 1);
    g_assert_null(vmdk_test_try_open(t, "d.vmdk", 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    g_assert_nonnull(strstr(error->message, "force-dirty"));
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_CHECK);
    g_assert_cmpuint(count_corruptions(node), ==, 1);
    test_co_close(node);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_NO_IO);
    vd_vmdk_driver.get_info(node, &info);
    g_assert_true(info.dirty);
    test_co_close(node);
    g_assert_cmpuint(t->warnings->len, ==, 0);
    node = test_co_open(t, options, 0);
    g_assert_cmpuint(t->warnings->len, ==, 1);
    test_co_assert_pattern(node, SE_TABLE_COVER - 4 * GRAIN, 8 * GRAIN, 1);
    test_co_close(node);
    g_clear_error(&error);
    g_assert_null(test_co_try_open(t, options, VD_OPEN_RDWR, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_READ_ONLY);
}

static void
test_volatile_header_is_checked(TestCo *t)
{
    make_disk(t, NULL);
    /* A constant that another reader has been seen to wait for. */
    se_test_poke64(t, "d-sesparse.vmdk", SE_VOLATILE_BYTE, 0xcafebabe);
    vmdk_test_assert_refused(t, "d.vmdk", 0, VD_ERROR_CORRUPT);
}

static void
test_is_not_written_in_place(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d.vmdk");
    g_autoptr(GError) error = NULL;
    VdTransaction *tx = vd_tx_new(t->loop, false, false);
    VdEnv env = t->env;

    make_disk(t, NULL);
    g_assert_null(vmdk_test_try_open(t, "d.vmdk", VD_OPEN_RDWR, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_READ_ONLY);
    g_assert_nonnull(strstr(error->message, "in-place writing"));
    /* Nor while something else is being created. */
    g_clear_error(&error);
    env.tx = tx;
    g_assert_null(vd_co_open(&env, path, "vmdk", NULL, VD_OPEN_RDWR, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_READ_ONLY);
    vd_tx_co_abort(tx);
    vd_tx_free(tx);
}

static void
test_short_files_are_refused(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d-sesparse.vmdk");
    static const off_t sizes[] = {3 * MIB - 1, 2 * MIB, 1000, 512, 511, 8, 0};

    make_disk(t, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_assert_cmpint(truncate(path, sizes[i]), ==, 0);
        if (sizes[i] > (off_t) (2 * MIB)) /* the directory is still there */
            continue;
        vmdk_test_assert_refused(t, "d.vmdk", 0, VD_ERROR_CORRUPT);
    }
}

/* A file of two MiB that claims the largest disk. */
static void
test_claims_cost_no_memory(TestCo *t)
{
    make_disk(t, NULL);
    se_test_poke64(t, "d-sesparse.vmdk", 16, VMDK_SE_MAX_SECTORS);
    vmdk_test_assert_refused(t, "d.vmdk", 0, VD_ERROR_CORRUPT);
    se_test_poke64(t, "d-sesparse.vmdk", 16, UINT64_MAX);
    vmdk_test_assert_refused(t, "d.vmdk", 0, VD_ERROR_LIMIT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmdk/sesparse/layout", test_layout_is_esxis);
    g_test_add_func("/vmdk/sesparse/header", test_header_round_trip);
    g_test_add_func("/vmdk/sesparse/bad-header", test_header_is_checked);
    g_test_add_func("/vmdk/sesparse/regions",
                    test_regions_are_held_against_the_file);
    g_test_add_func("/vmdk/sesparse/entries", test_entries_split_their_number);
    g_test_add_func("/vmdk/sesparse/directory",
                    test_directory_entries_name_tables);
#define ADD(path, fn) test_co_add("/vmdk/sesparse/" path, fn)
    ADD("reads", test_reads_what_is_stored);
    ADD("reads-together", test_grains_are_read_together);
    ADD("zeroes-over-parent", test_zeroed_grains_hide_the_parent);
    ADD("chain", test_chain_of_many_links);
    ADD("chain-of-kinds", test_chain_of_all_kinds);
    ADD("bare", test_bare_extent);
    ADD("cut-grain", test_last_grain_may_be_cut_short);
    ADD("bounded", test_memory_of_tables_is_bounded);
    ADD("largest", test_largest_disk);
    ADD("bad-entries", test_bad_entries_are_told);
    ADD("two-owners", test_grain_with_two_owners_is_told);
    ADD("bad-directory", test_bad_directory_entries_are_told);
    ADD("journal", test_journal_is_not_replayed);
    ADD("volatile", test_volatile_header_is_checked);
    ADD("not-in-place", test_is_not_written_in_place);
    ADD("short-files", test_short_files_are_refused);
    ADD("claims", test_claims_cost_no_memory);
#undef ADD
    return g_test_run();
}
