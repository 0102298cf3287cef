/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-damage.c - tables that are not what they should be:
 * readers get what can be had, writers are kept off, check tells, and of
 * headers repair keeps what it should. */
#include "tests/support/leaf.h"
#include "tests/unit/vmdk-test.h"

#include <errno.h>
#include <string.h>

#define GRAIN (64 * KIB)
/* A disk of 10 MiB: directories at 21 and 26, tables at 22 and 27. */
#define RGD_BYTE (21 * 512)
#define RGT_BYTE (22 * 512)
#define GD_BYTE (26 * 512)
#define GT_BYTE (27 * 512)
#define DATA_SECTOR 128

static void
make_disk(TestCo *t, const char *options)
{
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", 10 * MIB, options);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 4 * GRAIN, 1);
    test_co_close(node);
}

static void
assert_read_fails(VdNode *node, uint64_t off, VdErrorCode code)
{
    g_autoptr(GError) error = NULL;
    char buf[512];

    g_assert_false(vd_node_co_pread(node, off, buf, sizeof(buf), &error));
    g_assert_error(error, VD_ERROR, (int) code);
}

static VdCheckResult
check_keep(TestCo *t)
{
    VdCheckResult result = {.max_findings = 10};
    g_autoptr(GError) error = NULL;
    VdNode *node = vmdk_test_open(t, "d.vmdk", 0);

    vd_vmdk_driver.co_check(node, &(VdCheckParams){0}, &result, &error);
    g_assert_no_error(error);
    test_co_close(node);
    return result;
}

static VdCheckResult
check(TestCo *t)
{
    VdCheckResult result = check_keep(t);

    g_clear_pointer(&result.findings, g_ptr_array_unref);
    return result;
}

static void
test_sound_disk(TestCo *t)
{
    VdCheckResult result;

    make_disk(t, "");
    result = check(t);
    g_assert_cmpuint(result.corruptions, ==, 0);
    g_assert_cmpuint(result.leaks, ==, 0);
    g_assert_cmpuint(result.check_errors, ==, 0);
    g_assert_cmpuint(result.total_clusters, ==, 160);
    g_assert_cmpuint(result.allocated_clusters, ==, 4);
    g_assert_cmpuint(result.fragmented_clusters, ==, 0);
    g_assert_cmpuint(result.image_end_offset, ==, 128 * 512 + 4 * GRAIN);
}

/* -- entries
 * -------------------------------------------------------------------------- */

static void
test_redundant_entry_stands_in(TestCo *t)
{
    VdNode *node;

    make_disk(t, "");
    vmdk_test_poke32(t, "d.vmdk", GT_BYTE + 4, 0x7fffffff);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_assert_pattern(node, 0, 4 * GRAIN, 1);
    g_assert_cmpuint(t->warnings->len, ==, 1);
    g_assert_cmpuint(
        vmdk_test_state(node)->extents[0].sparse->tables->stats.redundant, ==,
        1);
    vmdk_test_assert_write_fails(node, GRAIN, VD_ERROR_CORRUPT);
    vmdk_test_assert_write_fails(node, 5 * MIB, VD_ERROR_CORRUPT);
    test_co_close(node);
    g_assert_cmpuint(check(t).corruptions, >=, 2);
}

static void
test_misaligned_entry_gives_way_to_a_good_one(TestCo *t)
{
    VdNode *node;

    make_disk(t, "");
    vmdk_test_poke32(t, "d.vmdk", GT_BYTE + 4, DATA_SECTOR + 128 + 1);
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_pattern(node, 0, 4 * GRAIN, 1);
    test_co_close(node);
}

static void
test_entry_bad_in_both_copies_fails_alone(TestCo *t)
{
    VdNode *node;

    make_disk(t, "");
    vmdk_test_poke32(t, "d.vmdk", GT_BYTE + 4, 0x7fffffff);
    vmdk_test_poke32(t, "d.vmdk", RGT_BYTE + 4, 0x7fffffff);
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_pattern(node, 0, GRAIN, 1);
    test_co_assert_pattern(node, 2 * GRAIN, 2 * GRAIN, 1);
    assert_read_fails(node, GRAIN, VD_ERROR_CORRUPT);
    test_co_close(node);
    g_assert_cmpuint(check(t).corruptions, ==, 1);
}

static void
poke_both(TestCo *t, unsigned entry, uint32_t value)
{
    vmdk_test_poke32(t, "d.vmdk", GT_BYTE + entry * 4, value);
    vmdk_test_poke32(t, "d.vmdk", RGT_BYTE + entry * 4, value);
}

static void
test_zero_mark_needs_the_headers_word(TestCo *t)
{
    VdNode *node;

    make_disk(t, "");
    poke_both(t, 1, 1);
    node = vmdk_test_open(t, "d.vmdk", 0);
    assert_read_fails(node, GRAIN, VD_ERROR_CORRUPT);
    test_co_close(node);
    g_assert_cmpuint(check(t).corruptions, ==, 1);

    vmdk_test_poke32(t, "d.vmdk", 4, 2); /* version 2 knows them */
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_zero(node, GRAIN, GRAIN);
    test_co_close(node);
    g_assert_cmpuint(check(t).corruptions, ==, 0);
}

static void
test_entry_into_metadata_is_never_written(TestCo *t)
{
    g_autofree char *before = NULL, *after = NULL;
    VdNode *node;
    size_t len;

    make_disk(t, "");
    poke_both(t, 1, 1 + 20);
    before = vmdk_test_read_file(t, "d.vmdk", &len);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_assert_pattern(node, 0, GRAIN, 1);
    vmdk_test_assert_write_fails(node, GRAIN, VD_ERROR_CORRUPT);
    vmdk_test_assert_write_fails(node, 0, VD_ERROR_CORRUPT);
    test_co_close(node);
    after = vmdk_test_read_file(t, "d.vmdk", &len);
    g_assert_cmpmem(before + RGD_BYTE, 107 * 512, after + RGD_BYTE, 107 * 512);
    g_assert_cmpuint(check(t).corruptions, ==, 1);
}

static void
test_shared_grain_is_found(TestCo *t)
{
    VdCheckResult result;

    make_disk(t, "");
    poke_both(t, 1, DATA_SECTOR);
    result = check(t);
    g_assert_cmpuint(result.corruptions, ==, 1);
    g_assert_cmpuint(result.leaks, ==, 1);
}

/* One finding: which grain it tells. */
static uint64_t
grain_found(TestCo *t)
{
    VdCheckResult result = check_keep(t);
    uint64_t grain;

    g_assert_cmpuint(result.findings->len, >=, 1);
    grain = ((const VdFinding *) result.findings->pdata[0])->grain;
    g_ptr_array_unref(result.findings);
    return grain;
}

static void
test_findings_tell_their_grain(TestCo *t)
{
    static const uint32_t bad[] = {0x7fffffff, 40, DATA_SECTOR + 1, DATA_SECTOR,
                                   1};

    make_disk(t, "");
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        poke_both(t, 3, bad[i]);
        g_assert_cmpuint(grain_found(t), ==, 3);
    }
    poke_both(t, 3, 0); /* leaked: nobody's */
    g_assert_cmpuint(grain_found(t), ==, VD_NO_GRAIN);
}

static void
test_leaked_grains_are_counted(TestCo *t)
{
    VdCheckResult result;

    make_disk(t, "");
    poke_both(t, 1, 0);
    poke_both(t, 2, 0);
    result = check(t);
    g_assert_cmpuint(result.corruptions, ==, 0);
    g_assert_cmpuint(result.leaks, ==, 2);
}

static void
test_entries_behind_the_disk_do_not_matter(TestCo *t)
{
    VdNode *node;

    make_disk(t, "");
    vmdk_test_poke32(t, "d.vmdk", GT_BYTE + 4 * 300, 0x7fffffff);
    g_assert_cmpuint(check(t).corruptions, ==, 0);
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_pattern(node, 0, 4 * GRAIN, 1);
    test_co_close(node);
}

static void
test_copies_that_differ_are_found(TestCo *t)
{
    make_disk(t, "");
    vmdk_test_poke32(t, "d.vmdk", RGT_BYTE + 4, 0);
    g_assert_cmpuint(check(t).corruptions, ==, 1);
}

/* -- tables and directories
 * -------------------------------------------------------------- */

static void
test_unreadable_table_has_a_copy(TestCo *t)
{
    VdNode *node;

    make_disk(t, "");
    test_leaf_install();
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_leaf_fail_nth(TEST_OP_READ, 0, EIO);
    test_co_assert_pattern(node, 0, 4 * GRAIN, 1);
    g_assert_true(test_leaf_fault_fired());
    g_assert_cmpuint(t->warnings->len, ==, 1);
    test_co_close(node);
    test_leaf_remove();
}

static void
test_directory_entry_has_a_copy(TestCo *t)
{
    VdNode *node;

    make_disk(t, "");
    vmdk_test_poke32(t, "d.vmdk", GD_BYTE, 0x7fffffff);
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_pattern(node, 0, 4 * GRAIN, 1);
    test_co_close(node);
    vmdk_test_assert_refused(t, "d.vmdk", VD_OPEN_RDWR, VD_ERROR_CORRUPT);
    test_co_close(vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR | VD_OPEN_CHECK));
    g_assert_cmpuint(check(t).corruptions, >=, 1);

    vmdk_test_poke32(t, "d.vmdk", RGD_BYTE, 0x7ffffff0);
    node = vmdk_test_open(t, "d.vmdk", 0);
    assert_read_fails(node, 0, VD_ERROR_CORRUPT);
    test_co_close(node);
}

static void
test_directory_has_a_copy(TestCo *t)
{
    VdNode *node;

    make_disk(t, "");
    vmdk_test_poke32(t, "d.vmdk", 56, 0x7fffffff); /* gdOffset */
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_pattern(node, 0, 4 * GRAIN, 1);
    test_co_close(node);
    vmdk_test_assert_refused(t, "d.vmdk", VD_OPEN_RDWR, VD_ERROR_CORRUPT);
    vmdk_test_poke32(t, "d.vmdk", 48, 0x7fffffff); /* rgdOffset */
    vmdk_test_assert_refused(t, "d.vmdk", 0, VD_ERROR_CORRUPT);
}

static void
test_missing_table_is_made_by_a_write(TestCo *t)
{
    g_autofree char *before = NULL, *after = NULL;
    VdNode *node;
    size_t len;

    make_disk(t, "");
    vmdk_test_poke32(t, "d.vmdk", GD_BYTE, 0);
    vmdk_test_poke32(t, "d.vmdk", RGD_BYTE, 0);
    before = vmdk_test_read_file(t, "d.vmdk", &len);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_assert_zero(node, 0, 10 * MIB);
    test_co_write_pattern(node, 3 * GRAIN + 5, 2 * GRAIN, 2);
    test_co_close(node);

    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_zero(node, 0, 3 * GRAIN + 5);
    test_co_assert_pattern(node, 3 * GRAIN + 5, 2 * GRAIN, 2);
    vmdk_test_assert_sound(node, true); /* the old grains are lost */
    test_co_close(node);
    after = vmdk_test_read_file(t, "d.vmdk", &len);
    g_assert_cmpmem(before, 512, after, 512);
    g_assert_cmpuint(vmdk_test_peek32(t, "d.vmdk", GD_BYTE), >=, 128);
    g_assert_cmpuint(vmdk_test_peek32(t, "d.vmdk", RGD_BYTE), ==,
                     vmdk_test_peek32(t, "d.vmdk", GD_BYTE) + 4);
}

static void
test_directory_entry_1_is_a_table_of_zero_marks(TestCo *t)
{
    VdNode *node;

    make_disk(t, "zeroed_grain=on");
    vmdk_test_poke32(t, "d.vmdk", GD_BYTE, 1);
    vmdk_test_poke32(t, "d.vmdk", RGD_BYTE, 1);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_assert_zero(node, 0, 10 * MIB);
    test_co_write_pattern(node, 3 * GRAIN + 5, 2 * GRAIN, 2);
    test_co_close(node);
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_zero(node, 0, 3 * GRAIN + 5);
    test_co_assert_pattern(node, 3 * GRAIN + 5, 2 * GRAIN, 2);
    test_co_assert_zero(node, 6 * GRAIN, MIB);
    test_co_close(node);
}

/* -- unclean
 * -------------------------------------------------------------------------------
 */

static void
test_unclean_disk_is_checked_before_writing(TestCo *t)
{
    VdNode *node;

    make_disk(t, "");
    vmdk_test_poke(t, "d.vmdk", 72, "\1", 1);
    node = vmdk_test_open(t, "d.vmdk", 0);
    g_assert_cmpuint(t->warnings->len, ==, 1);
    test_co_close(node);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 512, 3);
    test_co_close(node);
    g_assert_cmphex(vmdk_test_peek32(t, "d.vmdk", 72) & 0xff, ==, 0);

    vmdk_test_poke(t, "d.vmdk", 72, "\1", 1);
    poke_both(t, 1, 21);
    vmdk_test_assert_refused(t, "d.vmdk", VD_OPEN_RDWR, VD_ERROR_CORRUPT);
    test_co_close(vmdk_test_open(t, "d.vmdk", 0));
}

static void
test_stale_copy_after_a_crash_is_renewed(TestCo *t)
{
    VdNode *node;

    make_disk(t, "");
    vmdk_test_poke32(t, "d.vmdk", RGT_BYTE + 4, 0);
    g_assert_cmpuint(check(t).corruptions, ==, 1);
    vmdk_test_poke(t, "d.vmdk", 72, "\1", 1);
    g_assert_cmpuint(check(t).corruptions, ==, 0);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 512, 3);
    test_co_close(node);
    g_assert_cmpuint(check(t).corruptions, ==, 0);
    g_assert_cmpuint(vmdk_test_peek32(t, "d.vmdk", RGT_BYTE + 4), ==,
                     vmdk_test_peek32(t, "d.vmdk", GT_BYTE + 4));
}

static void
test_short_flat_file_is_found(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d-flat.vmdk");

    vmdk_test_create(t, "d.vmdk", MIB, "subformat=monolithicFlat");
    g_assert_cmpuint(check(t).corruptions, ==, 0);
    test_file_make(path, MIB / 2);
    g_assert_cmpuint(check(t).corruptions, ==, 1);
}

/* -- repair: of the header ------------------------------------------------- */

static bool
try_repair(TestCo *t, GError **error)
{
    VdCheckResult result = {0};
    VdNode *node = vmdk_test_open(t, "d.vmdk",
                                  VD_OPEN_CHECK | VD_OPEN_RDWR | VD_OPEN_UNMAP);
    bool ok = vd_vmdk_driver.co_check(
        node, &(VdCheckParams){.repair = VD_REPAIR_ALL}, &result, error);

    g_clear_pointer(&result.findings, g_ptr_array_unref);
    test_co_close(node);
    return ok;
}

/* No grain is taken for a part of the descriptor. */
static void
test_descriptor_is_not_that_long(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    VdNode *node;

    make_disk(t, "");
    vmdk_test_poke32(t, "d.vmdk", 36, 200);
    g_assert_cmpuint(check(t).corruptions, >=, 1);
    try_repair(t, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(check(t).corruptions, ==, 0);
    g_assert_cmpuint(vmdk_test_peek32(t, "d.vmdk", 36), ==, 20);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_assert_pattern(node, 0, 4 * GRAIN, 1);
    test_co_close(node);
}

/* Not even what writing would otherwise begin with: to forget a table that a
 * crash has left in the redundant directory only. */
static void
test_refused_repair_writes_nothing(TestCo *t)
{
    g_autofree char *before = NULL, *after = NULL;
    g_autoptr(GError) error = NULL;
    size_t len, len_after;

    make_disk(t, "");
    vmdk_test_poke32(t, "d.vmdk", 16, 1); /* a capacity of 2 TiB */
    vmdk_test_poke(t, "d.vmdk", 72, "\1", 1);
    vmdk_test_poke32(t, "d.vmdk", GD_BYTE, 0);
    before = vmdk_test_read_file(t, "d.vmdk", &len);
    g_assert_false(try_repair(t, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    after = vmdk_test_read_file(t, "d.vmdk", &len_after);
    g_assert_cmpmem(before, len, after, len_after);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) test_co_add("/vmdk/damage/" path, fn)
    ADD("sound", test_sound_disk);
    ADD("redundant-entry", test_redundant_entry_stands_in);
    ADD("misaligned-entry", test_misaligned_entry_gives_way_to_a_good_one);
    ADD("bad-entry-alone", test_entry_bad_in_both_copies_fails_alone);
    ADD("zero-mark", test_zero_mark_needs_the_headers_word);
    ADD("into-metadata", test_entry_into_metadata_is_never_written);
    ADD("shared-grain", test_shared_grain_is_found);
    ADD("grain-numbers", test_findings_tell_their_grain);
    ADD("leaks", test_leaked_grains_are_counted);
    ADD("behind-the-disk", test_entries_behind_the_disk_do_not_matter);
    ADD("copies-differ", test_copies_that_differ_are_found);
    ADD("unreadable-table", test_unreadable_table_has_a_copy);
    ADD("directory-entry", test_directory_entry_has_a_copy);
    ADD("directory", test_directory_has_a_copy);
    ADD("missing-table", test_missing_table_is_made_by_a_write);
    ADD("directory-entry-1", test_directory_entry_1_is_a_table_of_zero_marks);
    ADD("unclean", test_unclean_disk_is_checked_before_writing);
    ADD("stale-copy", test_stale_copy_after_a_crash_is_renewed);
    ADD("short-flat", test_short_flat_file_is_found);
    ADD("long-descriptor", test_descriptor_is_not_that_long);
    ADD("refused-repair", test_refused_repair_writes_nothing);
#undef ADD
    return g_test_run();
}
