/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-chain.c - redo logs: whose byte is it, where is the
 * parent, is it still the same? */
#include "block/chain.h"
#include "tests/unit/vmdk-test.h"

#include <glib/gstdio.h>
#include <string.h>

#define SIZE (40 * MIB)
#define GRAIN (64 * KIB)

static void
make_base(TestCo *t, const char *name)
{
    VdNode *node;

    vmdk_test_create(t, name, SIZE, "");
    node = vmdk_test_open(t, name, VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 4 * GRAIN, 1);
    test_co_write_pattern(node, 33 * MIB, GRAIN, 1);
    test_co_close(node);
}

static void
test_first_link_that_has_it_wins(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    VdNode *node;

    make_base(t, "base.vmdk");
    vmdk_test_create_child(t, "c.vmdk", SIZE, "zeroed_grain=on", "base.vmdk");
    node = vmdk_test_open(t, "c.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, GRAIN, GRAIN, 2);
    vd_node_co_write_zeroes(node, 2 * GRAIN, GRAIN, VD_REQ_MAY_UNMAP, &error);
    g_assert_no_error(error);
    test_co_close(node);

    node = vmdk_test_open(t, "c.vmdk", 0);
    test_co_assert_pattern(node, 0, GRAIN, 1);         /* GTE 0 */
    test_co_assert_pattern(node, GRAIN, GRAIN, 2);     /* GTE x */
    test_co_assert_zero(node, 2 * GRAIN, GRAIN);       /* GTE 1 */
    test_co_assert_pattern(node, 3 * GRAIN, GRAIN, 1); /* GTE 0 */
    test_co_assert_pattern(node, 33 * MIB, GRAIN, 1);  /* another table */
    test_co_assert_zero(node, 34 * MIB, MIB);          /* nobody */
    test_co_close(node);
    node = vmdk_test_open(t, "base.vmdk", 0);
    test_co_assert_pattern(node, 0, 4 * GRAIN, 1);
    test_co_close(node);
}

static void
test_partial_write_keeps_the_parents_bytes(TestCo *t)
{
    VdNode *node;

    make_base(t, "base.vmdk");
    vmdk_test_create_child(t, "c.vmdk", SIZE, "", "base.vmdk");
    node = vmdk_test_open(t, "c.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, GRAIN + 1000, 3 * GRAIN + 77, 2);
    test_co_assert_pattern(node, 0, GRAIN + 1000, 1);
    test_co_assert_pattern(node, GRAIN + 1000, 3 * GRAIN + 77, 2);
    test_co_assert_zero(node, 4 * GRAIN + 1077, MIB);
    test_co_close(node);
    node = vmdk_test_open(t, "c.vmdk", 0);
    test_co_assert_pattern(node, 0, GRAIN + 1000, 1);
    test_co_assert_pattern(node, GRAIN + 1000, 3 * GRAIN + 77, 2);
    test_co_assert_zero(node, 4 * GRAIN + 1077, MIB);
    test_co_close(node);
}

static void
test_mixed_granules(TestCo *t)
{
    VdNode *node;

    make_base(t, "base.vmdk");
    vmdk_test_create_child(t, "a.vmdk", SIZE, "grain_size=4k", "base.vmdk");
    node = vmdk_test_open(t, "a.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 8 * KIB, 4 * KIB, 2);
    test_co_close(node);
    vmdk_test_create_child(t, "b.vmdk", SIZE, "grain_size=16k", "a.vmdk");
    node = vmdk_test_open(t, "b.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 100, 100, 3);
    test_co_assert_pattern(node, 100, 100, 3);
    test_co_assert_pattern(node, 200, 8 * KIB - 200, 1);
    test_co_assert_pattern(node, 8 * KIB, 4 * KIB, 2);
    test_co_assert_pattern(node, 12 * KIB, 4 * KIB, 1);
    test_co_close(node);
}

static void
test_thirty_links_need_one_device_read(TestCo *t)
{
    g_autofree char *last = NULL;
    VdStats before;
    VdNode *node;

    make_base(t, "0.vmdk");
    for (unsigned i = 1; i <= 30; i++) {
        g_autofree char *parent = g_strdup_printf("%u.vmdk", i - 1);

        g_free(last);
        last = g_strdup_printf("%u.vmdk", i);
        vmdk_test_create_child(t, last, SIZE, "", parent);
    }
    node = vmdk_test_open(t, last, 0);
    g_assert_cmpuint(vd_chain_depth(node), ==, 31);
    test_co_assert_pattern(node, 0, 4 * GRAIN, 1); /* loads the tables */
    before = *vd_node_stats(node);
    test_co_assert_pattern(node, 5000, 3 * GRAIN, 1);
    g_assert_cmpuint(vd_node_stats(node)->leaf_reads, ==,
                     before.leaf_reads + 1);
    test_co_close(node);
}

/* -- content ids
 * ---------------------------------------------------------------------- */

static uint32_t
cid_of(TestCo *t, const char *name)
{
    VdNode *node = vmdk_test_open(t, name, VD_OPEN_NO_PARENT);
    uint32_t cid = vmdk_test_state(node)->cid;

    test_co_close(node);
    return cid;
}

static void
write_once(TestCo *t, const char *name)
{
    VdNode *node = vmdk_test_open(t, name, VD_OPEN_RDWR);

    test_co_write_pattern(node, 0, 512, 9);
    test_co_close(node);
}

static void
assert_cid_changes_with_a_write(TestCo *t, const char *options)
{
    VdNode *node;
    uint32_t cid;

    vmdk_test_create(t, "d.vmdk", SIZE, options);
    cid = cid_of(t, "d.vmdk");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_close(node);
    g_assert_cmphex(cid_of(t, "d.vmdk"), ==, cid);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 512, 9);
    g_assert_cmphex(vmdk_test_state(node)->cid, !=, cid);
    cid = vmdk_test_state(node)->cid;
    test_co_write_pattern(node, MIB, 512, 9);
    test_co_close(node);
    g_assert_cmphex(cid_of(t, "d.vmdk"), ==, cid);
}

static void
test_cid_changes_once_with_the_first_write(TestCo *t)
{
    assert_cid_changes_with_a_write(t, "");
    assert_cid_changes_with_a_write(t, "subformat=monolithicFlat");
    assert_cid_changes_with_a_write(t, "subformat=twoGbMaxExtentSparse");
}

static void
test_long_content_id_follows(TestCo *t)
{
    g_autofree char *cid = NULL;
    const char *long_cid;
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", SIZE, "");
    write_once(t, "d.vmdk");
    node = vmdk_test_open(t, "d.vmdk", 0);
    cid = g_strdup_printf("%08x", vmdk_test_state(node)->cid);
    long_cid =
        vmdk_descriptor_get(vmdk_test_state(node)->desc, "ddb.longContentID");
    g_assert_true(g_str_has_suffix(long_cid, cid));
    test_co_close(node);
}

static void
test_changed_parent_is_refused(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *cid = NULL;
    VdNode *node;

    make_base(t, "base.vmdk");
    vmdk_test_create_child(t, "c.vmdk", SIZE, "", "base.vmdk");
    write_once(t, "base.vmdk");
    g_assert_null(vmdk_test_try_open(t, "c.vmdk", 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_PARENT_MISMATCH);
    cid = g_strdup_printf("%08x", cid_of(t, "base.vmdk"));
    g_assert_nonnull(strstr(error->message, cid));

    vmdk_test_assert_refused(t, "c.vmdk", VD_OPEN_RDWR | VD_OPEN_IGNORE_CID,
                             VD_ERROR_PARENT_MISMATCH);
    node = vmdk_test_open(t, "c.vmdk", VD_OPEN_IGNORE_CID);
    test_co_assert_pattern(node, 0, 512, 9);
    test_co_close(node);
}

/* The one finding must speak of @words. */
static void
assert_check_says(TestCo *t, const char *name, const char *words)
{
    VdCheckResult result = {.max_findings = 3};
    g_autoptr(GError) error = NULL;
    VdNode *node = vmdk_test_open(t, name, VD_OPEN_CHECK);
    const VdFinding *finding;

    vd_vmdk_driver.co_check(node, &(VdCheckParams){0}, &result, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(result.corruptions, ==, 1);
    finding = g_ptr_array_index(result.findings, 0);
    g_assert_nonnull(strstr(finding->detail, words));
    g_clear_pointer(&result.findings, g_ptr_array_unref);
    test_co_close(node);
}

static void
test_check_tells_of_a_broken_chain(TestCo *t)
{
    g_autofree char *base = test_co_path(t, "base.vmdk");

    make_base(t, "base.vmdk");
    vmdk_test_create_child(t, "c.vmdk", SIZE, "", "base.vmdk");
    vmdk_test_create_child(t, "d.vmdk", SIZE, "", "c.vmdk");
    write_once(t, "base.vmdk");
    assert_check_says(t, "c.vmdk", "was modified since");
    assert_check_says(t, "d.vmdk", "c.vmdk: the parent");
    g_assert_cmpint(g_remove(base), ==, 0);
    assert_check_says(t, "c.vmdk", "not found");
    assert_check_says(t, "d.vmdk", "c.vmdk: parent");
    vmdk_test_assert_refused(t, "d.vmdk", 0, VD_ERROR_NOT_FOUND);
}

static void
test_reads_that_need_a_parent_left_out_fail(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *buf = g_malloc(GRAIN);
    VdNode *node;

    make_base(t, "base.vmdk");
    vmdk_test_create_child(t, "c.vmdk", SIZE, "", "base.vmdk");
    node = vmdk_test_open(t, "c.vmdk", VD_OPEN_RDWR | VD_OPEN_NO_PARENT);
    test_co_write_pattern(node, GRAIN, GRAIN, 2); /* a whole grain: no need */
    test_co_assert_pattern(node, GRAIN, GRAIN, 2);
    g_assert_false(vd_node_co_pread(node, 0, buf, 512, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_FOUND);
    g_clear_error(&error);
    g_assert_false(vd_node_co_pwrite(node, 0, buf, 512, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_FOUND);
    test_co_close(node);
}

/* -- where is the parent?
 * --------------------------------------------------------------- */

/* A child in dir/ whose hint says @hint; its parent lies at @place. */
static void
make_moved(TestCo *t, const char *hint, const char *place)
{
    static const char made[] = "dir/base-with-a-long-name.vmdk";
    g_autofree char *dir = test_co_path(t, "dir");
    g_autofree char *base_dir = test_co_path(t, "base");
    g_autofree char *from = test_co_path(t, made);
    g_autofree char *to = test_co_path(t, place);
    g_autofree char *old = g_strdup_printf("\"%s\"", made);
    g_autofree char *quoted = g_strdup_printf("\"%s\"", hint);
    g_autofree char *new = g_strdup_printf("%-*s", (int) strlen(old), quoted);

    test_dir_empty(t->dir);
    g_mkdir(dir, 0700);
    g_mkdir(base_dir, 0700);
    make_base(t, made);
    vmdk_test_create_child(t, "dir/c.vmdk", SIZE, "", made);
    vmdk_test_replace(t, "dir/c.vmdk", old, new);
    g_assert_cmpint(g_rename(from, to), ==, 0);
}

static void
assert_found(TestCo *t, const char *hint, const char *place, bool found)
{
    g_test_message("hint %s, parent at %s", hint, place);
    make_moved(t, hint, place);
    if (found) {
        VdNode *node = vmdk_test_open(t, "dir/c.vmdk", 0);

        test_co_assert_pattern(node, 0, GRAIN, 1);
        test_co_close(node);
    } else {
        vmdk_test_assert_refused(t, "dir/c.vmdk", 0, VD_ERROR_NOT_FOUND);
    }
}

static void
test_hints_of_all_sorts(TestCo *t)
{
    assert_found(t, "b.vmdk", "dir/b.vmdk", true);
    assert_found(t, "../base/b.vmdk", "base/b.vmdk", true);
    assert_found(t, "..\\base\\b.vmdk", "base/b.vmdk", true);
    assert_found(t, "C:\\vm\\b.vmdk", "dir/b.vmdk", true);
    assert_found(t, "/vmfs/volumes/b.vmdk", "dir/b.vmdk", true);
    assert_found(t, "/no/base/b.vmdk", "base/b.vmdk", true);
    assert_found(t, "C:\\base\\b.vmdk", "base/b.vmdk", true);
    assert_found(t, "file:b.vmdk", "dir/b.vmdk", true);
    assert_found(t, "b.vmdk", "base/b.vmdk", false);
    assert_found(t, "json:{}", "dir/b.vmdk", false);
}

static void
test_parent_by_option(TestCo *t)
{
    g_autofree char *from = test_co_path(t, "base.vmdk");
    g_autofree char *to = test_co_path(t, "else.vmdk");
    g_autofree char *child = test_co_path(t, "c.vmdk");
    g_autofree char *options =
        g_strdup_printf("driver=vmdk,file.filename=%s,parent=%s", child, to);
    VdNode *node;

    make_base(t, "base.vmdk");
    vmdk_test_create_child(t, "c.vmdk", SIZE, "", "base.vmdk");
    g_assert_cmpint(g_rename(from, to), ==, 0);
    vmdk_test_assert_refused(t, "c.vmdk", 0, VD_ERROR_NOT_FOUND);
    node = test_co_open(t, options, 0);
    test_co_assert_pattern(node, 0, GRAIN, 1);
    test_co_close(node);
}

static void
test_parent_in_a_given_directory(TestCo *t)
{
    g_autofree char *from = test_co_path(t, "base.vmdk");
    g_autofree char *dir = test_co_path(t, "elsewhere");
    g_autofree char *to = test_co_path(t, "elsewhere/base.vmdk");
    g_autofree char *child = test_co_path(t, "c.vmdk");
    g_autofree char *options = g_strdup_printf(
        "driver=vmdk,file.filename=%s,parent-dirs=/nowhere:%s", child, dir);
    VdNode *node;

    make_base(t, "base.vmdk");
    vmdk_test_create_child(t, "c.vmdk", SIZE, "", "base.vmdk");
    g_mkdir(dir, 0700);
    g_assert_cmpint(g_rename(from, to), ==, 0);
    node = test_co_open(t, options, 0);
    test_co_assert_pattern(node, 0, GRAIN, 1);
    test_co_close(node);
}

/* The first candidate is another disk of the same name. */
static void
test_candidate_with_another_cid_is_passed_over(TestCo *t)
{
    g_autofree char *dir = test_co_path(t, "dir");
    g_autofree char *base_dir = test_co_path(t, "base");
    VdNode *node;

    g_mkdir(dir, 0700);
    g_mkdir(base_dir, 0700);
    make_base(t, "base/b.vmdk");
    vmdk_test_create_child(t, "c.vmdk", SIZE, "", "base/b.vmdk");
    {
        g_autofree char *from = test_co_path(t, "c.vmdk");
        g_autofree char *to = test_co_path(t, "dir/c.vmdk");

        g_assert_cmpint(g_rename(from, to), ==, 0);
    }
    vmdk_test_create(t, "dir/b.vmdk", SIZE, "");
    node = vmdk_test_open(t, "dir/c.vmdk", 0);
    test_co_assert_pattern(node, 0, GRAIN, 1);
    test_co_close(node);
}

static void
test_loops_are_found(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    uint32_t cid;
    char text[64], old[64];

    make_base(t, "a.vmdk");
    vmdk_test_create_child(t, "b.vmdk", SIZE, "", "a.vmdk");
    vmdk_test_create_child(t, "c.vmdk", SIZE, "", "b.vmdk");
    /* b becomes its own parent. */
    cid = cid_of(t, "b.vmdk");
    g_snprintf(old, sizeof(old), "parentCID=%08x", cid_of(t, "a.vmdk"));
    g_snprintf(text, sizeof(text), "parentCID=%08x", cid);
    vmdk_test_replace(t, "b.vmdk", old, text);
    vmdk_test_replace(t, "b.vmdk", "Hint=\"a.vmdk\"", "Hint=\"b.vmdk\"");
    g_assert_null(vmdk_test_try_open(t, "c.vmdk", 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
}

static void
test_missing_grandparent_is_named(TestCo *t)
{
    g_autofree char *base = test_co_path(t, "a.vmdk");
    g_autoptr(GError) error = NULL;

    make_base(t, "a.vmdk");
    vmdk_test_create_child(t, "b.vmdk", SIZE, "", "a.vmdk");
    vmdk_test_create_child(t, "c.vmdk", SIZE, "", "b.vmdk");
    g_assert_cmpint(g_unlink(base), ==, 0);
    g_assert_null(vmdk_test_try_open(t, "c.vmdk", 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(error->message, "\"a.vmdk\""));
}

/* A bad entry costs the bytes that it stands for, not those beside them. */
static void
test_bad_entry_deep_in_a_chain_fails_alone(TestCo *t)
{
    g_autofree char *below = g_strdup("l0.vmdk");
    g_autoptr(GError) error = NULL;
    char buf[512];
    VdNode *node;

    make_base(t, below);
    for (unsigned i = 1; i < 8; i++) {
        char *name = g_strdup_printf("l%u.vmdk", i);

        vmdk_test_create_child(t, name, SIZE, "grain_size=4k", below);
        g_free(below);
        below = name;
    }
    /* 20 tables: directories at 21 and 102, tables at 22 and 103. */
    vmdk_test_poke32(t, "l4.vmdk", 22 * 512 + 4 * 4, 0x7fffffff);
    vmdk_test_poke32(t, "l4.vmdk", 103 * 512 + 4 * 4, 0x7fffffff);
    node = vmdk_test_open(t, below, 0);
    test_co_assert_pattern(node, 0, 4096, 1);
    test_co_assert_pattern(node, 5 * 4096, 4096, 1);
    g_assert_false(vd_node_co_pread(node, 4 * 4096, buf, sizeof(buf), &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    test_co_close(node);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) test_co_add("/vmdk/chain/" path, fn)
    ADD("first-link-wins", test_first_link_that_has_it_wins);
    ADD("partial-write", test_partial_write_keeps_the_parents_bytes);
    ADD("mixed-granules", test_mixed_granules);
    ADD("thirty-links", test_thirty_links_need_one_device_read);
    ADD("cid-changes-once", test_cid_changes_once_with_the_first_write);
    ADD("long-content-id", test_long_content_id_follows);
    ADD("changed-parent", test_changed_parent_is_refused);
    ADD("check", test_check_tells_of_a_broken_chain);
    ADD("parent-left-out", test_reads_that_need_a_parent_left_out_fail);
    ADD("hints", test_hints_of_all_sorts);
    ADD("parent-option", test_parent_by_option);
    ADD("parent-dirs", test_parent_in_a_given_directory);
    ADD("other-cid-passed-over",
        test_candidate_with_another_cid_is_passed_over);
    ADD("loop", test_loops_are_found);
    ADD("missing-grandparent", test_missing_grandparent_is_named);
    ADD("bad-entry-alone", test_bad_entry_deep_in_a_chain_fails_alone);
#undef ADD
    return g_test_run();
}
