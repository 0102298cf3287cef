/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-hostile.c - images that want a writer to do harm:
 * places that lie in metadata, twice, or behind the end of the file.  They may
 * be read as far as that makes sense, but no write makes them worse. */
#include "tests/support/leaf.h"
#include "tests/unit/vmdk-test.h"

#include <string.h>
#include <unistd.h>

#define GRAIN (64 * KIB)
/* A disk of 10 MiB: directories at 21 and 26, tables at 22 and 27. */
#define DESC_BYTE 512
#define RGD_BYTE (21 * 512)
#define GD_BYTE (26 * 512)
#define GT_BYTE (27 * 512)
#define RGT_BYTE (22 * 512)
#define OVERHEAD_FIELD 64
#define DESC_SIZE_FIELD 36

static void
make_disk(TestCo *t, uint64_t size, const char *options)
{
    vmdk_test_create(t, "d.vmdk", size, options);
}

static bool
try_write(VdNode *node, uint64_t off, GError **error)
{
    char buf[512];

    memset(buf, 0x5a, sizeof(buf));
    return vd_node_co_pwrite(node, off, buf, sizeof(buf), error);
}

static void
assert_write_corrupt(VdNode *node, uint64_t off)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(try_write(node, off, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
}

/* Whoever opens it to write is told, or cannot write; who reads can read. */
static void
assert_only_readable(TestCo *t)
{
    vmdk_test_assert_refused(t, "d.vmdk", VD_OPEN_RDWR, VD_ERROR_CORRUPT);
    test_co_close(vmdk_test_open(t, "d.vmdk", 0));
}

/* -- directories ----------------------------------------------------------- */

static void
test_zero_mark_of_one_directory_only(TestCo *t)
{
    make_disk(t, 10 * MIB, "zeroed_grain=on");
    /* A writer of the redundant table would write it to sector 1. */
    vmdk_test_poke32(t, "d.vmdk", RGD_BYTE, 1);
    assert_only_readable(t);
}

static void
test_table_in_the_descriptor(TestCo *t)
{
    make_disk(t, 10 * MIB, "");
    vmdk_test_poke32(t, "d.vmdk", RGD_BYTE, 2);
    assert_only_readable(t);
}

static void
test_table_in_the_directory(TestCo *t)
{
    make_disk(t, 10 * MIB, "");
    vmdk_test_poke32(t, "d.vmdk", GD_BYTE, 26);
    assert_only_readable(t);
}

static void
test_one_table_for_two_stretches(TestCo *t)
{
    make_disk(t, 100 * MIB, "");
    /* Four tables: directory at 38, tables from 39 on. */
    vmdk_test_poke32(t, "d.vmdk", 38 * 512 + 4,
                     vmdk_test_peek32(t, "d.vmdk", 38 * 512));
    assert_only_readable(t);
}

static void
test_descriptor_over_the_directory(TestCo *t)
{
    make_disk(t, 10 * MIB, "");
    vmdk_test_poke32(t, "d.vmdk", DESC_SIZE_FIELD, 26);
    assert_only_readable(t);
}

static void
test_zero_mark_next_to_a_table(TestCo *t)
{
    VdNode *node;

    make_disk(t, 100 * MIB, "zeroed_grain=on");
    /* 1 + 4 sectors = 5: looks as if tables 0 and 1 were neighbours. */
    vmdk_test_poke32(t, "d.vmdk", 38 * 512, 1);
    vmdk_test_poke32(t, "d.vmdk", 38 * 512 + 4, 5);
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_zero(node, 32 * MIB, 512); /* loads table 1 */
    test_co_assert_zero(node, 0, 512);
    test_co_close(node);
}

/* -- entries --------------------------------------------------------------- */

static void
test_entry_in_the_descriptor_despite_the_header(TestCo *t)
{
    g_autofree char *before = NULL, *after = NULL;
    VdNode *node;
    size_t len;

    make_disk(t, 1 * MIB, "grain_size=4k");
    vmdk_test_poke32(t, "d.vmdk", OVERHEAD_FIELD, 0); /* "no metadata" */
    vmdk_test_poke32(t, "d.vmdk", GT_BYTE, 8);
    vmdk_test_poke32(t, "d.vmdk", RGT_BYTE, 8);
    before = vmdk_test_read_file(t, "d.vmdk", &len);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    assert_write_corrupt(node, 0);
    test_co_close(node);
    after = vmdk_test_read_file(t, "d.vmdk", &len);
    g_assert_cmpmem(before + 8 * 512, 4096, after + 8 * 512, 4096);
}

static void
test_zeroes_do_not_go_into_metadata_either(TestCo *t)
{
    g_autofree char *before = NULL, *after = NULL;
    g_autoptr(GError) error = NULL;
    VdNode *node;
    size_t len;

    make_disk(t, 10 * MIB, "");
    vmdk_test_poke32(t, "d.vmdk", GT_BYTE, 1 + 20);
    vmdk_test_poke32(t, "d.vmdk", RGT_BYTE, 1 + 20);
    before = vmdk_test_read_file(t, "d.vmdk", &len);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    g_assert_false(vd_node_co_write_zeroes(node, 0, GRAIN, 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    test_co_close(node);
    after = vmdk_test_read_file(t, "d.vmdk", &len);
    g_assert_cmpmem(before + RGD_BYTE, len - RGD_BYTE, after + RGD_BYTE,
                    len - RGD_BYTE);
}

/* A table among the data, with a grain on it. */
static void
test_entry_on_a_table_is_found_by_check(TestCo *t)
{
    VdCheckResult result = {.max_findings = 3};
    g_autoptr(GError) error = NULL;
    uint32_t sector;
    VdNode *node;

    make_disk(t, 10 * MIB, "");
    vmdk_test_poke32(t, "d.vmdk", GD_BYTE, 0);
    vmdk_test_poke32(t, "d.vmdk", RGD_BYTE, 0);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 512, 1);
    test_co_close(node);
    sector = vmdk_test_peek32(t, "d.vmdk", GD_BYTE);
    vmdk_test_poke32(t, "d.vmdk", (uint64_t) sector * 512 + 4, sector);
    vmdk_test_poke32(t, "d.vmdk", (uint64_t) sector * 512 + 2048 + 4, sector);
    node = vmdk_test_open(t, "d.vmdk", 0);
    vd_vmdk_driver.co_check(node, &(VdCheckParams){0}, &result, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(result.corruptions, ==, 1);
    g_clear_pointer(&result.findings, g_ptr_array_unref);
    test_co_close(node);
}

/* What is left of a disk whose copy was interrupted: the entries of the lost
 * grains name places where new grains would go. */
static void
test_cut_off_disk_gets_no_new_grains(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d.vmdk");
    uint64_t far = 40 * 32 * MIB; /* in a table that is not loaded early */
    g_autofree char *before = NULL, *after = NULL;
    size_t len, len2;
    VdNode *node;

    make_disk(t, 2 * GIB, "");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, GRAIN, 1);
    test_co_write_pattern(node, far, GRAIN, 2);
    test_co_close(node);
    before = vmdk_test_read_file(t, "d.vmdk", &len);
    g_assert_cmpint(truncate(path, (off_t) (len - GRAIN)), ==, 0);

    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, GRAIN, 3); /* in place: no harm */
    assert_write_corrupt(node, 4 * MIB);
    assert_write_corrupt(node, 4 * MIB); /* and remains so */
    test_co_assert_pattern(node, 0, GRAIN, 3);
    test_co_close(node);
    after = vmdk_test_read_file(t, "d.vmdk", &len2);
    g_assert_cmpuint(len2, ==, len - GRAIN);
}

/* The last grain starts inside the file, but off the usual places, and its end
 * was never written: a new one must not lie over it. */
static void
test_new_grains_keep_off_a_misaligned_one(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d.vmdk");
    uint32_t sector = 128 + 128 + 64;
    VdNode *node;

    make_disk(t, 10 * MIB, "");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, GRAIN, 1);
    test_co_close(node);
    g_assert_cmpint(truncate(path, (off_t) sector * 512 + 512), ==, 0);
    vmdk_test_poke32(t, "d.vmdk", GT_BYTE + 4, sector);
    vmdk_test_poke32(t, "d.vmdk", RGT_BYTE + 4, sector);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 4 * MIB, GRAIN, 2);
    test_co_write_pattern(node, GRAIN, GRAIN, 3); /* in place */
    test_co_assert_pattern(node, 4 * MIB, GRAIN, 2);
    test_co_assert_pattern(node, GRAIN, GRAIN, 3);
    test_co_close(node);
}

/* Entries behind the end of the disk are leftovers of other tools. */
static void
test_leftovers_behind_the_disk_do_not_bar_writers(TestCo *t)
{
    VdNode *node;

    make_disk(t, 10 * MIB, "");
    vmdk_test_poke32(t, "d.vmdk", GT_BYTE + 4 * 300, 0x7fffffff);
    vmdk_test_poke32(t, "d.vmdk", GT_BYTE + 4 * 301, 1);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, GRAIN, 1);
    g_assert_cmpuint(t->warnings->len, ==, 0);
    test_co_close(node);
    g_assert_cmphex(vmdk_test_peek32(t, "d.vmdk", GT_BYTE + 4 * 300), ==,
                    0x7fffffff);
}

/* 32-bit sector numbers end there: what follows is no continuation. */
static void
test_last_grain_of_2_tib_has_no_successor(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d.vmdk");
    VdNode *node;

    make_disk(t, 10 * MIB, "");
    vmdk_test_poke32(t, "d.vmdk", GT_BYTE, 0xffffff80);
    vmdk_test_poke32(t, "d.vmdk", RGT_BYTE, 0xffffff80);
    if (truncate(path, (off_t) (2048 * GIB + MIB)) < 0) {
        g_test_skip("no files of 2 TiB here");
        return;
    }
    vmdk_test_poke(t, "d.vmdk", 2048 * GIB, "behind", 6);
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_zero(node, 0, 2 * GRAIN);
    test_co_close(node);
}

/* -- anything -------------------------------------------------------------- */

/* A value that means something, somewhere. */
static uint32_t
nasty_value(GRand *rand, uint32_t file_sectors)
{
    static const uint32_t values[] = {
        0, 1, 2, 4, 7, 8, 20, 21, 22, 26, 27, 31, 64, 0x80000000, UINT32_MAX};
    uint32_t i = (uint32_t) g_rand_int_range(rand, 0, 24);

    if (i < G_N_ELEMENTS(values))
        return values[i];
    return (uint32_t) g_rand_int_range(rand, 0, (gint32) file_sectors + 64);
}

static void
mutate(TestCo *t, GRand *rand, uint32_t file_sectors)
{
    static const uint32_t header_fields[] = {8, 12, 20, 36, 44, 48, 56, 64, 72};
    int n = g_rand_int_range(rand, 1, 6);

    if (g_rand_boolean(rand)) { /* one directory entry, into metadata */
        vmdk_test_poke32(t, "d.vmdk",
                         (g_rand_boolean(rand) ? 21 : 34) * 512 +
                             (uint64_t) g_rand_int_range(rand, 0, 3) * 4,
                         (uint32_t) g_rand_int_range(rand, 1, 36));
        return;
    }
    while (n--) {
        uint64_t at = (uint64_t) g_rand_int_range(rand, 21 * 128, 36 * 128) * 4;

        if (g_rand_int_range(rand, 0, 3) == 0)
            at = header_fields[g_rand_int_range(rand, 0,
                                                G_N_ELEMENTS(header_fields))];
        vmdk_test_poke32(t, "d.vmdk", at, nasty_value(rand, file_sectors));
    }
}

static void
change_something(VdNode *node, GRand *rand, uint64_t off)
{
    uint64_t len = MIN(64 * KIB, vd_node_size(node) - off);

    switch (g_rand_int_range(rand, 0, 5)) {
    case 0:
        (void) vd_node_co_discard(node, off, len, NULL);
        break;
    case 1:
        (void) vd_node_co_write_zeroes(node, off, len, 0, NULL);
        break;
    default:
        (void) try_write(node, off, NULL);
    }
}

static void
write_here_and_there(VdNode *node, GRand *rand)
{
    for (unsigned i = 0; i < 12; i++) {
        uint64_t size = vd_node_size(node) / 512;
        uint64_t off = size ? g_rand_int(rand) % size * 512 : 0;

        if (i == 6)
            (void) vd_node_co_flush(node, NULL);
        if (off + 512 > vd_node_size(node))
            continue;
        change_something(node, rand, off);
    }
}

/* The descriptor, but for what changes with every first write. */
static char *
lasting_text(const char *bytes)
{
    g_auto(GStrv) lines = g_strsplit(bytes + DESC_BYTE, "\n", -1);
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; lines[i]; i++)
        if (!g_str_has_prefix(lines[i], "CID=") &&
            !g_str_has_prefix(lines[i], "ddb.longContentID"))
            g_string_append(text, lines[i]);
    return g_string_free(text, FALSE);
}

/* Directories change only where they named no table. */
static void
assert_same_directory(const char *before, const char *after, unsigned sector)
{
    for (unsigned i = 0; i < 3; i++) {
        uint32_t was, is;

        memcpy(&was, before + sector * 512 + i * 4, 4);
        memcpy(&is, after + sector * 512 + i * 4, 4);
        if (GUINT32_FROM_LE(was) > 1)
            g_assert_cmphex(was, ==, is);
    }
}

/* Whatever the tables say, writing as a guest does never changes what the image
 * is: its header (but for the marks in it), its descriptor, its directories. */
static void
test_guests_never_write_header_or_descriptor(TestCo *t)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(4711);
    g_autofree char *good = NULL;
    unsigned opened = 0;
    size_t len;
    VdNode *node;

    make_disk(t, 6 * MIB, "grain_size=4k,zeroed_grain=on");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    for (unsigned i = 0; i < 20; i++)
        test_co_write_pattern(node, i * 300 * KIB, 5000, i);
    test_co_close(node);
    good = vmdk_test_read_file(t, "d.vmdk", &len);
    for (unsigned i = 0; i < 400; i++) {
        g_autofree char *before = NULL, *after = NULL;
        g_autofree char *text_before = NULL, *text_after = NULL;
        size_t n;

        vmdk_test_write_file(t, "d.vmdk", good, len);
        mutate(t, rand, (uint32_t) (len / 512));
        before = vmdk_test_read_file(t, "d.vmdk", &n);
        node =
            vmdk_test_try_open(t, "d.vmdk", VD_OPEN_RDWR | VD_OPEN_UNMAP, NULL);
        if (!node)
            continue;
        opened++;
        write_here_and_there(node, rand);
        (void) vd_node_co_close(node, NULL);
        after = vmdk_test_read_file(t, "d.vmdk", &n);
        g_assert_cmpmem(before, 72, after, 72);
        g_assert_cmpmem(before + 73, 439, after + 73, 439);
        text_before = lasting_text(before);
        text_after = lasting_text(after);
        g_assert_cmpstr(text_before, ==, text_after);
        assert_same_directory(before, after, 21);
        assert_same_directory(before, after, 34);
    }
    g_assert_cmpuint(opened, >, 50);
}

/* -- memory ---------------------------------------------------------------- */

/* A table that could not be placed leaves nothing behind that is taken for
 * one later. */
static void
test_table_that_found_no_place_stays_missing(TestCo *t)
{
    VdTableCache *cache = vd_table_cache_ref(t->loop);
    g_autofree char *path = test_co_path(t, "d.vmdk");
    g_autoptr(GError) error = NULL;
    VdNode *node;

    make_disk(t, 100 * MIB, "");
    vmdk_test_poke32(t, "d.vmdk", 38 * 512, 0); /* directories at 38, 21 */
    vmdk_test_poke32(t, "d.vmdk", 21 * 512, 0);
    if (truncate(path, (off_t) (2048 * GIB - GRAIN)) < 0) {
        vd_table_cache_unref(cache);
        g_test_skip("no files of 2 TiB here");
        return;
    }
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    g_assert_false(try_write(node, 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NO_SPACE);
    vd_table_cache_set_limit(cache, 1);
    vmdk_test_poke32(t, "d.vmdk", 39 * 512 + 4 * 512, 128);
    test_co_assert_zero(node, 33 * MIB, 512); /* pushes others out */
    test_co_assert_zero(node, 0, MIB);
    test_co_close(node);
    vd_table_cache_unref(cache);
}

/* Even without room for a single table requests come to an end. */
static void
test_tiny_cache_makes_progress(TestCo *t)
{
    VdTableCache *cache = vd_table_cache_ref(t->loop);
    VdNode *node;

    make_disk(t, 2 * GIB, "");
    vd_table_cache_set_limit(cache, 1);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    for (unsigned i = 0; i < 64; i += 3)
        test_co_write_pattern(node, i * 32 * MIB + i, 1000, i);
    test_co_close(node);
    node = vmdk_test_open(t, "d.vmdk", 0);
    for (unsigned i = 0; i < 64; i += 3)
        test_co_assert_pattern(node, i * 32 * MIB + i, 1000, i);
    vmdk_test_assert_sound(node, false);
    test_co_close(node);
    vd_table_cache_unref(cache);
}

/* -- descriptor ------------------------------------------------------------ */

/* The area is full to the last byte, which is no line end. */
static void
test_full_descriptor_area_can_be_rewritten(TestCo *t)
{
    g_autofree char *bytes = NULL, *filler = NULL;
    size_t len, used;
    VdNode *node;

    make_disk(t, 10 * MIB, "");
    bytes = vmdk_test_read_file(t, "d.vmdk", &len);
    used = strlen(bytes + DESC_BYTE);
    filler = g_strnfill(20 * 512 - used, 'x');
    filler[0] = '#';
    vmdk_test_poke(t, "d.vmdk", DESC_BYTE + used, filler, 20 * 512 - used);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, GRAIN, 1);
    test_co_close(node);
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_pattern(node, 0, GRAIN, 1);
    test_co_close(node);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) test_co_add("/vmdk/hostile/" path, fn)
    ADD("zero-mark-of-one-directory", test_zero_mark_of_one_directory_only);
    ADD("table-in-descriptor", test_table_in_the_descriptor);
    ADD("table-in-directory", test_table_in_the_directory);
    ADD("one-table-twice", test_one_table_for_two_stretches);
    ADD("descriptor-over-directory", test_descriptor_over_the_directory);
    ADD("zero-mark-next-to-table", test_zero_mark_next_to_a_table);
    ADD("entry-in-descriptor", test_entry_in_the_descriptor_despite_the_header);
    ADD("zeroes-into-metadata", test_zeroes_do_not_go_into_metadata_either);
    ADD("entry-on-table", test_entry_on_a_table_is_found_by_check);
    ADD("cut-off", test_cut_off_disk_gets_no_new_grains);
    ADD("misaligned-at-the-end", test_new_grains_keep_off_a_misaligned_one);
    ADD("leftovers", test_leftovers_behind_the_disk_do_not_bar_writers);
    ADD("no-successor", test_last_grain_of_2_tib_has_no_successor);
    ADD("anything", test_guests_never_write_header_or_descriptor);
    ADD("table-without-place", test_table_that_found_no_place_stays_missing);
    ADD("tiny-cache", test_tiny_cache_makes_progress);
    ADD("full-descriptor", test_full_descriptor_area_can_be_rewritten);
#undef ADD
    return g_test_run();
}
