/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-cowd.c - redo logs of ESXi (vmfsSparse): the header, the
 * map, new tables, the first free sector, parents, and what is damaged.
 *
 * What all sparse extents share is tested elsewhere; random operations, crashes
 * and failing requests with the other kinds. */
#include "tests/support/leaf.h"
#include "tests/unit/cowd-test.h"

#include <string.h>

/* -- header ---------------------------------------------------------------- */

static void
test_new_header(TestCo *t)
{
    g_autofree char *path = test_co_path(t, DELTA);

    vmdk_test_create(t, "d.vmdk", DISK, COWD);
    g_assert_cmphex(cowd_test_field(t, 0), ==, 0x44574f43);
    g_assert_cmpuint(cowd_test_field(t, VERSION_BYTE), ==, 1);
    g_assert_cmpuint(cowd_test_field(t, FLAGS_BYTE), ==, 3);
    g_assert_cmpuint(cowd_test_field(t, CAPACITY_BYTE), ==, DISK / 512);
    g_assert_cmpuint(cowd_test_field(t, GRAIN_BYTE), ==, 1);
    g_assert_cmpuint(cowd_test_field(t, GD_OFFSET_BYTE), ==, 4);
    g_assert_cmpuint(cowd_test_field(t, GD_ENTRIES_BYTE), ==, 3);
    g_assert_cmpuint(cowd_test_field(t, FREE_BYTE), ==, FIRST_FREE);
    g_assert_cmpuint(cowd_test_field(t, UNCLEAN_BYTE), ==, 0);
    g_assert_cmpuint(test_file_size(path), ==, FIRST_FREE * 512);
    cowd_test_assert_sound(t);
}

static void
test_directories_of_many_sectors(TestCo *t)
{
    /* 2 TiB less a sector: 1048576 tables of 2 MiB; or 16384 of 128 MiB */
    vmdk_test_create(t, "d.vmdk", UINT64_C(0xffffffff) * 512, COWD);
    g_assert_cmpuint(cowd_test_field(t, GD_ENTRIES_BYTE), ==, 1048576);
    g_assert_cmpuint(cowd_test_field(t, FREE_BYTE), ==, 4 + 8192);
    test_dir_empty(t->dir);
    vmdk_test_create(t, "d.vmdk", UINT64_C(0xffffffff) * 512,
                     COWD ",grain_size=32k");
    g_assert_cmpuint(cowd_test_field(t, GRAIN_BYTE), ==, 64);
    g_assert_cmpuint(cowd_test_field(t, GD_ENTRIES_BYTE), ==, 16384);
    g_assert_cmpuint(cowd_test_field(t, FREE_BYTE), ==, 4 + 128);
}

static void
assert_not_created(TestCo *t, uint64_t size, const char *options,
                   VdErrorCode code, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = NULL;

    g_assert_false(
        vmdk_test_try_create(t, "d.vmdk", size, options, NULL, &error));
    g_assert_error(error, VD_ERROR, (int) code);
    g_assert_nonnull(strstr(error->message, words));
    dir = g_dir_open(t->dir, 0, NULL);
    g_assert_null(g_dir_read_name(dir));
}

static void
test_what_cannot_be_created(TestCo *t)
{
    assert_not_created(t, UINT64_C(2) << 40, COWD, VD_ERROR_LIMIT, "2 TiB");
    assert_not_created(t, MIB, COWD ",grain_size=256",
                       VD_ERROR_INVALID_ARGUMENT, "512 bytes to 1 MiB");
    assert_not_created(t, MIB, COWD ",grain_size=2M", VD_ERROR_INVALID_ARGUMENT,
                       "512 bytes to 1 MiB");
    assert_not_created(t, MIB, COWD ",zeroed_grain=on",
                       VD_ERROR_INVALID_ARGUMENT, "zeroed");
    assert_not_created(t, MIB, COWD ",preallocation=full",
                       VD_ERROR_INVALID_ARGUMENT, "cannot be preallocated");
}

typedef struct {
    uint64_t byte;
    uint32_t value;
    VdErrorCode code;
} BadField;

static void
test_bad_headers_are_refused(TestCo *t)
{
    static const BadField bad[] = {
        {VERSION_BYTE, 0, VD_ERROR_NOT_SUPPORTED},
        {VERSION_BYTE, 2, VD_ERROR_NOT_SUPPORTED},
        {FLAGS_BYTE, 0x1b, VD_ERROR_NOT_SUPPORTED},
        {FLAGS_BYTE, 0x80000003, VD_ERROR_NOT_SUPPORTED},
        {CAPACITY_BYTE, 0, VD_ERROR_CORRUPT},
        {CAPACITY_BYTE, UINT32_MAX, VD_ERROR_CORRUPT},
        {GRAIN_BYTE, 0, VD_ERROR_CORRUPT},
        {GRAIN_BYTE, 3, VD_ERROR_CORRUPT},
        {GRAIN_BYTE, 4096, VD_ERROR_LIMIT},
        {GRAIN_BYTE, UINT32_MAX, VD_ERROR_LIMIT},
        {GD_OFFSET_BYTE, 0, VD_ERROR_CORRUPT},
        {GD_OFFSET_BYTE, 3, VD_ERROR_CORRUPT},
        {GD_OFFSET_BYTE, UINT32_MAX, VD_ERROR_CORRUPT},
        {GD_ENTRIES_BYTE, 2, VD_ERROR_CORRUPT},
        {GD_ENTRIES_BYTE, 0, VD_ERROR_CORRUPT},
    };
    static const char cut_off[512] = "COWD\1\0\0\0\3";

    cowd_test_make_disk(t);
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        uint32_t good = cowd_test_field(t, bad[i].byte);

        g_test_message("case %u", i);
        vmdk_test_poke32(t, DELTA, bad[i].byte, bad[i].value);
        vmdk_test_assert_refused(t, "d.vmdk", 0, bad[i].code);
        vmdk_test_assert_refused(t, "d.vmdk", VD_OPEN_RDWR, bad[i].code);
        vmdk_test_poke32(t, DELTA, bad[i].byte, good);
    }
    vmdk_test_write_file(t, DELTA, cut_off, sizeof(cut_off));
    vmdk_test_assert_refused(t, "d.vmdk", 0, VD_ERROR_CORRUPT);
    vmdk_test_assert_refused(t, DELTA, 0, VD_ERROR_CORRUPT);
}

static void
test_bare_extent_is_read_only(TestCo *t)
{
    VdNode *node;

    cowd_test_make_disk(t);
    node = vmdk_test_open(t, DELTA, 0);
    cowd_test_assert_disk(node);
    test_co_close(node);
    g_assert_cmpuint(t->warnings->len, ==, 1);
    vmdk_test_assert_refused(t, DELTA, VD_OPEN_RDWR, VD_ERROR_READ_ONLY);
    vmdk_test_poke(t, DELTA, PARENT_BYTE, "base.vmdk", 10);
    test_co_close(vmdk_test_open(t, DELTA, 0));
    g_assert_cmpuint(t->warnings->len, ==, 2);
    g_assert_nonnull(strstr(t->warnings->pdata[1], "base.vmdk"));
}

/* A root's geometry, or bytes that are no text, name no parent. */
static void
test_geometry_is_no_parent(TestCo *t)
{
    cowd_test_make_disk(t);
    vmdk_test_poke(t, DELTA, PARENT_BYTE, "\x41\x42\0\0\xff\0\0\0?", 9);
    test_co_close(vmdk_test_open(t, DELTA, 0));
    vmdk_test_poke(t, DELTA, PARENT_BYTE, "\x80\x81\x82\x83", 5);
    test_co_close(vmdk_test_open(t, DELTA, 0));
    vmdk_test_poke(t, DELTA, PARENT_BYTE, "a\nb\nc", 6);
    test_co_close(vmdk_test_open(t, DELTA, 0));
    g_assert_cmpuint(t->warnings->len, ==, 3);
    for (unsigned i = 0; i < 3; i++)
        g_assert_nonnull(strstr(t->warnings->pdata[i], "unknown"));
}

/* Hosted products once had tables of 512 entries. */
static void
test_legacy_variant_is_read(TestCo *t)
{
    uint8_t raw[VMDK_COWD_HEADER_BYTES];
    g_autofree char *file = g_malloc0(64 * KIB);
    VmdkHeader hdr = {.cowd = true,
                      .capacity_sectors = 2048,
                      .grain_sectors = 1,
                      .gtes_per_gt = 512,
                      .gd_sector = 4,
                      .free_sector = 14};
    uint32_t *gd = (uint32_t *) (void *) (file + GD_BYTE), *gt = gd + 128;
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", MIB, COWD);
    vmdk_cowd_encode(&hdr, raw);
    memcpy(file, raw, sizeof(raw));
    gd[1] = GUINT32_TO_LE(5); /* the second of four tables, at sector 5 */
    gt[3] = GUINT32_TO_LE(9);
    test_pattern_fill(file + 9 * 512, 512, (512 + 3) * 512, 1);
    vmdk_test_write_file(t, DELTA, file, 10 * 512);

    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_zero(node, 0, 515 * 512);
    test_co_assert_pattern(node, 515 * 512, 512, 1);
    test_co_assert_zero(node, 516 * 512, MIB - 516 * 512);
    test_co_close(node);
    vmdk_test_assert_refused(t, "d.vmdk", VD_OPEN_RDWR, VD_ERROR_READ_ONLY);
}

/* -- writing --------------------------------------------------------------- */

/* QEMU overwrites the header here: vmdk.md 5.7. */
static void
test_first_write_makes_a_table(TestCo *t)
{
    g_autofree char *before = NULL, *after = NULL;
    VdNode *node;
    size_t len;

    vmdk_test_create(t, "d.vmdk", DISK, COWD);
    before = vmdk_test_read_file(t, DELTA, &len);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, SPAN + 4096, 4096, 1);
    test_co_close(node);
    after = vmdk_test_read_file(t, DELTA, &len);
    /* all of the header but the first free sector, the directory's first */
    g_assert_cmpmem(before, FREE_BYTE, after, FREE_BYTE);
    g_assert_cmpmem(before + 32, 2048 + 4 - 32, after + 32, 2048 + 4 - 32);
    g_assert_cmpuint(cowd_test_field(t, GD_BYTE + 4), ==, FIRST_FREE);
    g_assert_cmpuint(cowd_test_field(t, FREE_BYTE), ==,
                     FIRST_FREE + TABLE_SECTORS + 8);
    g_assert_cmpuint(len, ==, (FIRST_FREE + TABLE_SECTORS + 8) * 512);

    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_zero(node, 0, SPAN + 4096);
    test_co_assert_pattern(node, SPAN + 4096, 4096, 1);
    test_co_assert_zero(node, SPAN + 8192, DISK - SPAN - 8192);
    test_co_close(node);
    cowd_test_assert_sound(t);
}

static void
test_grains_follow_their_table(TestCo *t)
{
    cowd_test_make_disk(t);
    g_assert_cmpuint(cowd_test_field(t, GD_BYTE), ==, FIRST_FREE);
    g_assert_cmpuint(cowd_test_field(t, GD_BYTE + 4), ==, 0);
    g_assert_cmpuint(cowd_test_field(t, GD_BYTE + 8), ==, FIRST_FREE + 32 + 8);
    g_assert_cmpuint(cowd_test_field(t, FREE_BYTE), ==,
                     FIRST_FREE + 32 + 8 + 32 + 4);
    cowd_test_assert_sound(t);
}

/* Grains of one sector each, but not one request each. */
static void
test_runs_are_one_request(TestCo *t)
{
    g_autofree uint8_t *buf = g_malloc(MIB);
    g_autoptr(GError) error = NULL;
    VdNode *node;
    VdRun run;

    test_pattern_fill(buf, MIB, 512, 1);
    vmdk_test_create(t, "d.vmdk", DISK, COWD);
    test_leaf_install();
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 512, 1); /* marks, content id */
    test_leaf_reset_counts();
    vd_node_co_pwrite(node, 512, buf, MIB, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(test_leaf_count(TEST_OP_WRITE), ==, 1);
    test_co_write_pattern(node, 512 + MIB, 512, 1);
    test_leaf_reset_counts();
    vd_node_co_pread(node, 512, buf, MIB, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(test_leaf_count(TEST_OP_READ), ==, 1);
    g_assert_cmpuint(test_pattern_differs(buf, MIB, 512, 1), ==, MIB);
    vd_node_co_map(node, 0, DISK, 0, &run, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(run.len, ==, MIB + 1024);
    test_co_close(node);
    test_leaf_remove();
    cowd_test_assert_sound(t);
}

static void
test_unclean_mark(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    VdNode *node;

    cowd_test_make_disk(t);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    g_assert_cmpuint(cowd_test_field(t, UNCLEAN_BYTE), ==, 0);
    test_co_write_pattern(node, 0, 512, 3);
    g_assert_cmpuint(cowd_test_field(t, UNCLEAN_BYTE), ==, 1);
    vd_node_co_flush(node, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(cowd_test_field(t, UNCLEAN_BYTE), ==, 1);
    test_co_close(node);
    g_assert_cmpuint(cowd_test_field(t, UNCLEAN_BYTE), ==, 0);

    vmdk_test_poke32(t, DELTA, UNCLEAN_BYTE, 0x01000000);
    test_co_close(vmdk_test_open(t, "d.vmdk", 0));
    g_assert_cmpuint(t->warnings->len, ==, 1);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 512, 4);
    test_co_close(node);
    g_assert_cmpuint(cowd_test_field(t, UNCLEAN_BYTE), ==, 0);
}

/* -- the first free sector ------------------------------------------------- */

/* In front of the table that names the grain, and durable there. */
static void
test_free_sector_goes_first(TestCo *t)
{
    g_autoptr(GPtrArray) changes = NULL;
    g_autoptr(GError) error = NULL;
    unsigned moved = 0, flushed = 0, table = 0, directory = 0;
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", DISK, COWD);
    test_leaf_install();
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_leaf_record();
    test_co_write_pattern(node, 0, 512, 1);
    vd_node_co_flush(node, &error);
    g_assert_no_error(error);
    changes = test_leaf_record_end();
    test_co_close(node);
    test_leaf_remove();

    for (unsigned i = 0; i < changes->len; i++) {
        const TestChange *change = changes->pdata[i];
        const VdWriteLogRecord *r = &change->record;

        if (g_strcmp0(change->file, DELTA))
            continue;
        if (r->type == VD_WRITE_LOG_FLUSH && moved && !flushed)
            flushed = i;
        else if (r->type == VD_WRITE_LOG_WRITE && r->off == 0)
            moved = i;
        else if (r->type == VD_WRITE_LOG_WRITE && r->off == FIRST_FREE * 512)
            table = i;
        else if (r->type == VD_WRITE_LOG_WRITE && r->off == GD_BYTE)
            directory = i;
    }
    g_assert_cmpuint(moved, >, 0);
    g_assert_cmpuint(flushed, >, moved);
    g_assert_cmpuint(table, >, flushed);
    g_assert_cmpuint(directory, >, table);
}

static void
test_free_sector_too_low_is_not_believed(TestCo *t)
{
    uint32_t good;
    VdNode *node;

    cowd_test_make_disk(t);
    good = cowd_test_field(t, FREE_BYTE);
    vmdk_test_poke32(t, DELTA, FREE_BYTE, FIRST_FREE);
    g_assert_cmpuint(cowd_test_check(t).corruptions, ==, 1);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, SPAN, 512, 3);
    test_co_assert_pattern(node, 3 * 512, 8 * 512, 1);
    test_co_assert_pattern(node, 2 * SPAN, 4 * 512, 2);
    test_co_close(node);
    g_assert_cmpuint(cowd_test_field(t, FREE_BYTE), ==, good + 32 + 1);
    cowd_test_assert_sound(t);
}

static void
test_free_sector_too_high_is_kept(TestCo *t)
{
    VdNode *node;

    cowd_test_make_disk(t);
    vmdk_test_poke32(t, DELTA, FREE_BYTE, 1000);
    cowd_test_assert_sound(t); /* a crash may have left it so */
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, SPAN, 512, 3);
    test_co_close(node);
    g_assert_cmpuint(cowd_test_field(t, GD_BYTE + 4), ==, 1000);
    g_assert_cmpuint(cowd_test_field(t, FREE_BYTE), ==, 1033);
    g_assert_cmpuint(cowd_test_check(t).corruptions, ==, 0);

    vmdk_test_poke32(t, DELTA, FREE_BYTE, UINT32_MAX);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    vmdk_test_assert_write_fails(node, 0, VD_ERROR_NO_SPACE);
    test_co_close(node);
}

/* A crash that left it behind is made good by the next writer. */
static void
test_free_sector_too_low_after_a_crash(TestCo *t)
{
    VdNode *node;

    cowd_test_make_disk(t);
    vmdk_test_poke32(t, DELTA, FREE_BYTE, FIRST_FREE);
    vmdk_test_poke32(t, DELTA, UNCLEAN_BYTE, 1);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, SPAN, 512, 3);
    test_co_close(node);
    cowd_test_assert_sound(t);
}

/* -- zeroes ---------------------------------------------------------------- */

static void
zero(VdNode *node, uint64_t off, uint64_t len)
{
    g_autoptr(GError) error = NULL;

    vd_node_co_write_zeroes(node, off, len, VD_REQ_MAY_UNMAP, &error);
    g_assert_no_error(error);
}

static void
test_zeroes_without_parent_give_up_grains(TestCo *t)
{
    VdNode *node;
    VdRun run;

    cowd_test_make_disk(t);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR | VD_OPEN_UNMAP);
    zero(node, 4 * 512, 2 * 512);
    zero(node, SPAN, SPAN); /* nothing there: no table either */
    g_assert_true(vd_node_co_map(node, 4 * 512, 1024, 0, &run, NULL));
    g_assert_cmpint(run.kind, !=, VD_RUN_DATA);
    test_co_assert_pattern(node, 3 * 512, 512, 1);
    test_co_assert_zero(node, 4 * 512, 1024);
    test_co_assert_pattern(node, 6 * 512, 5 * 512, 1);
    test_co_close(node);
    g_assert_cmpuint(cowd_test_field(t, FIRST_FREE * 512 + 4 * 4), ==, 0);
    g_assert_cmpuint(cowd_test_field(t, GD_BYTE + 4), ==, 0);
    g_assert_cmpuint(cowd_test_check(t).corruptions, ==, 0);
    g_assert_cmpuint(cowd_test_check(t).leaks, ==, 2);
}

static void
test_zeroes_above_a_parent(TestCo *t)
{
    VdNode *node;

    cowd_test_make_child(t, "subformat=monolithicFlat", COWD);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR | VD_OPEN_UNMAP);
    test_co_write_pattern(node, 512, 512, 1);
    zero(node, 512, 1024); /* a grain that is there, and one that is not */
    zero(node, SPAN + 100, 1000);
    vd_node_co_discard(node, 512, 1024, NULL);
    test_co_close(node);
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_pattern(node, 0, 512, 7);
    test_co_assert_zero(node, 512, 1024);
    test_co_assert_pattern(node, 1536, SPAN + 100 - 1536, 7);
    test_co_assert_zero(node, SPAN + 100, 1000);
    test_co_assert_pattern(node, SPAN + 1100, DISK - SPAN - 1100, 7);
    test_co_close(node);
    cowd_test_assert_sound(t);
}

/* -- parents --------------------------------------------------------------- */

static void
test_sector_writes_read_no_parent(TestCo *t)
{
    VdNode *node;

    cowd_test_make_child(t, "subformat=monolithicFlat", COWD);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 512, 1); /* the end is known */
    test_leaf_install();
    test_leaf_reset_counts();
    test_co_write_pattern(node, 100 * 512, 7 * 512, 1);
    g_assert_cmpuint(test_leaf_count(TEST_OP_READ), ==, 0);
    test_leaf_remove();
    test_co_assert_pattern(node, 512, 99 * 512, 7);
    test_co_assert_pattern(node, 100 * 512, 7 * 512, 1);
    test_co_assert_pattern(node, 107 * 512, MIB, 7);
    test_co_close(node);
    cowd_test_assert_sound(t);
}

static void
test_grains_are_filled_from_the_parent(TestCo *t)
{
    VdNode *node;

    cowd_test_make_child(t, "", COWD ",grain_size=8k");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 100 * 512 + 7, 20000, 1);
    test_co_write_pattern(node, DISK - 100, 100, 2); /* a grain that is cut */
    test_co_close(node);
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_pattern(node, 0, 100 * 512 + 7, 7);
    test_co_assert_pattern(node, 100 * 512 + 7, 20000, 1);
    test_co_assert_pattern(node, 100 * 512 + 20007,
                           DISK - 100 - 100 * 512 - 20007, 7);
    test_co_assert_pattern(node, DISK - 100, 100, 2);
    test_co_close(node);
    cowd_test_assert_sound(t);
}

/* vmfs - redo log - redo log - hosted sparse, each with a part of its own. */
static void
test_chain_of_mixed_kinds(TestCo *t)
{
    static const char *const names[] = {"base.vmdk", "d.vmdk", "e.vmdk",
                                        "f.vmdk"};
    static const char *const options[] = {"subformat=monolithicFlat", COWD,
                                          COWD ",grain_size=4k", ""};
    VdNode *node;

    for (unsigned i = 0; i < 4; i++) {
        vmdk_test_create_child(t, names[i], DISK, options[i],
                               i ? names[i - 1] : NULL);
        node = vmdk_test_open(t, names[i], VD_OPEN_RDWR);
        test_co_write_pattern(node, i * MIB, DISK - i * MIB, i);
        test_co_close(node);
    }
    vmdk_test_replace(t, "base.vmdk", "monolithicFlat\"", "vmfs\"          ");
    vmdk_test_replace(t, "base.vmdk", " FLAT \"base-flat.vmdk\" 0",
                      " VMFS \"base-flat.vmdk\"  ");
    node = vmdk_test_open(t, "f.vmdk", 0);
    for (unsigned i = 0; i < 4; i++)
        test_co_assert_pattern(node, i * MIB, i == 3 ? DISK - 3 * MIB : MIB, i);
    test_co_close(node);
    cowd_test_assert_sound(t);
}

static void
test_behind_a_shorter_parent_is_zero(TestCo *t)
{
    VdNode *node;

    cowd_test_make_child(t, "subformat=monolithicFlat", COWD ",grain_size=4k");
    vmdk_test_replace(t, "base.vmdk", "RW 10241 ", "RW 05121 ");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    g_assert_cmpuint(vd_node_size(node), ==, DISK);
    test_co_assert_pattern(node, 0, 5121 * 512, 7);
    test_co_assert_zero(node, 5121 * 512, DISK - 5121 * 512);
    test_co_write_pattern(node, 5122 * 512, 512, 1);
    test_co_assert_pattern(node, 5120 * 512, 512, 7);
    test_co_assert_zero(node, 5121 * 512, 512);
    test_co_close(node);
}

/* -- damage ---------------------------------------------------------------- */

static void
test_directory_entry_1_reads_as_zeroes(TestCo *t)
{
    VdNode *node;

    cowd_test_make_disk(t);
    vmdk_test_poke32(t, DELTA, GD_BYTE, 1);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_assert_zero(node, 0, SPAN);
    test_co_write_pattern(node, 512, 512, 3);
    test_co_close(node);
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_zero(node, 0, 512);
    test_co_assert_pattern(node, 512, 512, 3);
    test_co_assert_zero(node, 1024, SPAN - 1024);
    test_co_close(node);
    g_assert_cmpuint(cowd_test_check(t).corruptions, ==, 0);
}

static void
test_directory_entry_1_above_a_parent(TestCo *t)
{
    VdNode *node;

    cowd_test_make_child(t, "subformat=monolithicFlat", COWD);
    vmdk_test_poke32(t, DELTA, GD_BYTE, 1);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_assert_zero(node, 0, SPAN);
    test_co_assert_pattern(node, SPAN, SPAN, 7);
    zero(node, 0, SPAN);
    vmdk_test_assert_write_fails(node, 0, VD_ERROR_NOT_SUPPORTED);
    test_co_write_pattern(node, SPAN, 512, 3);
    test_co_close(node);
    g_assert_cmpuint(cowd_test_check(t).corruptions, ==, 1);
}

static void
test_misplaced_tables_are_not_written(TestCo *t)
{
    /* in the header, on the directory, on another table, outside */
    static const uint32_t places[] = {2, 4, FIRST_FREE + 1, 100000};

    cowd_test_make_disk(t);
    for (unsigned i = 0; i < G_N_ELEMENTS(places); i++) {
        vmdk_test_poke32(t, DELTA, GD_BYTE + 4, places[i]);
        test_co_close(vmdk_test_open(t, "d.vmdk", 0));
        vmdk_test_assert_refused(t, "d.vmdk", VD_OPEN_RDWR, VD_ERROR_CORRUPT);
        g_assert_cmpuint(cowd_test_check(t).corruptions, >=, 1);
    }
}

static void
test_entries_into_metadata_are_not_written(TestCo *t)
{
    /* the header, the directory, a table, an end of it */
    static const uint32_t places[] = {3, 4, FIRST_FREE, FIRST_FREE + 31};
    VdNode *node;

    cowd_test_make_disk(t);
    for (unsigned i = 0; i < G_N_ELEMENTS(places); i++) {
        vmdk_test_poke32(t, DELTA, FIRST_FREE * 512 + 4 * 3, places[i]);
        node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
        vmdk_test_assert_write_fails(node, 3 * 512, VD_ERROR_CORRUPT);
        vmdk_test_assert_write_fails(node, 100 * 512, VD_ERROR_CORRUPT);
        test_co_close(node);
        g_assert_cmpuint(cowd_test_check(t).corruptions, ==, 1);
        g_assert_cmpuint(cowd_test_field(t, 0), ==, 0x44574f43);
    }
}

static void
test_shared_and_lost_grains_are_found(TestCo *t)
{
    uint64_t gt = FIRST_FREE * 512;

    cowd_test_make_disk(t);
    vmdk_test_poke32(t, DELTA, gt + 4 * 100, cowd_test_field(t, gt + 4 * 3));
    g_assert_cmpuint(cowd_test_check(t).corruptions, ==, 1);
    vmdk_test_poke32(t, DELTA, gt + 4 * 3, 0);
    vmdk_test_poke32(t, DELTA, gt + 4 * 4, 0);
    g_assert_cmpuint(cowd_test_check(t).corruptions, ==, 0);
    g_assert_cmpuint(cowd_test_check(t).leaks, ==, 1);
    vmdk_test_poke32(t, DELTA, gt + 4 * 100, 50000);
    g_assert_cmpuint(cowd_test_check(t).corruptions, ==, 1);
}

/* Grains lie anywhere, and may overlap in part. */
static void
test_grains_need_no_alignment(TestCo *t)
{
    uint64_t gt = FIRST_FREE * 512;
    uint32_t second;
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", DISK, COWD ",grain_size=4k");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 16384, 1);
    test_co_close(node);
    second = cowd_test_field(t, gt + 4);
    g_assert_cmpuint(second, ==, FIRST_FREE + TABLE_SECTORS + 8);
    g_assert_cmpuint(second % 8, !=, 0);
    cowd_test_assert_sound(t);
    vmdk_test_poke32(t, DELTA, gt + 4, second + 3);
    g_assert_cmpuint(cowd_test_check(t).corruptions, ==, 1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) test_co_add("/vmdk/cowd/" path, fn)
    ADD("new-header", test_new_header);
    ADD("many-sectors", test_directories_of_many_sectors);
    ADD("not-created", test_what_cannot_be_created);
    ADD("bad-headers", test_bad_headers_are_refused);
    ADD("bare", test_bare_extent_is_read_only);
    ADD("geometry-is-no-parent", test_geometry_is_no_parent);
    ADD("legacy", test_legacy_variant_is_read);
    ADD("missing-table", test_first_write_makes_a_table);
    ADD("places", test_grains_follow_their_table);
    ADD("runs", test_runs_are_one_request);
    ADD("unclean", test_unclean_mark);
    ADD("free-first", test_free_sector_goes_first);
    ADD("free-too-low", test_free_sector_too_low_is_not_believed);
    ADD("free-too-high", test_free_sector_too_high_is_kept);
    ADD("free-after-crash", test_free_sector_too_low_after_a_crash);
    ADD("zeroes", test_zeroes_without_parent_give_up_grains);
    ADD("zeroes-above-parent", test_zeroes_above_a_parent);
    ADD("sector-writes", test_sector_writes_read_no_parent);
    ADD("fill", test_grains_are_filled_from_the_parent);
    ADD("mixed-chain", test_chain_of_mixed_kinds);
    ADD("shorter-parent", test_behind_a_shorter_parent_is_zero);
    ADD("directory-entry-1", test_directory_entry_1_reads_as_zeroes);
    ADD("directory-entry-1-child", test_directory_entry_1_above_a_parent);
    ADD("misplaced-tables", test_misplaced_tables_are_not_written);
    ADD("into-metadata", test_entries_into_metadata_are_not_written);
    ADD("shared-and-lost", test_shared_and_lost_grains_are_found);
    ADD("alignment", test_grains_need_no_alignment);
#undef ADD
    return g_test_run();
}
