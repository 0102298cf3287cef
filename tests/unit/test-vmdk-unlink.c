/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-unlink.c - disks go with all their files, and with no
 * others. */
#include "tests/unit/moves-test.h"
#include "tests/unit/vmdk-test.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE (4 * MIB)
#define SPLIT "subformat=twoGbMaxExtentSparse,split_size=2M"

/* As api/names.c does it. */
static bool
try_unlink(TestCo *t, const char *name, unsigned flags, GError **error)
{
    g_autoptr(VdMoves) moves = vd_moves_new();
    g_autofree char *path = test_co_path(t, name);
    VdNode *node;
    bool ok;

    if (!vd_moves_hold(moves, path, error))
        return false;
    node = vmdk_test_try_open(t, name, MOVES_TEST_FLAGS, error);
    if (!node)
        return false;
    ok = vd_vmdk_driver.co_unlink(node, flags, moves, error);
    test_co_close(node);
    return ok;
}

static void
unlink_disk(TestCo *t, const char *name, unsigned flags)
{
    g_autoptr(GError) error = NULL;

    try_unlink(t, name, flags, &error);
    g_assert_no_error(error);
}

static void
assert_refused(TestCo *t, const char *name, VdErrorCode code)
{
    g_autofree char *before = moves_test_names_in(t->dir), *after = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_false(try_unlink(t, name, 0, &error));
    g_assert_error(error, VD_ERROR, (int) code);
    after = moves_test_names_in(t->dir);
    g_assert_cmpstr(after, ==, before);
}

static void
assert_names(TestCo *t, const char *wanted)
{
    g_autofree char *names = moves_test_names_in(t->dir);

    g_assert_cmpstr(names, ==, wanted);
}

static void
write_text(TestCo *t, const char *name, const char *text)
{
    vmdk_test_write_file(t, name, text, strlen(text));
}

#define HEAD                                                                   \
    "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n"     \
    "createType=\"custom\"\n"

/* -- what goes
 * ------------------------------------------------------------------------- */

static void
test_each_kind(TestCo *t)
{
    static const char *const kinds[] = {"", "subformat=monolithicFlat", SPLIT,
                                        "subformat=streamOptimized"};

    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        write_text(t, "d-s003.vmdk", "not of this disk");
        write_text(t, "dd.vmdk", "nor is this");
        vmdk_test_create(t, "d.vmdk", SIZE, kinds[i]);
        unlink_disk(t, "d.vmdk", 0);
        assert_names(t, "d-s003.vmdk dd.vmdk");
    }
}

static void
test_missing_extents_are_not_missed(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d-s001.vmdk");

    vmdk_test_create(t, "d.vmdk", SIZE, SPLIT);
    g_assert_cmpint(unlink(path), ==, 0);
    unlink_disk(t, "d.vmdk", 0);
    assert_names(t, "");
}

static void
test_damaged_extents_go_too(TestCo *t)
{
    vmdk_test_create(t, "d.vmdk", SIZE, SPLIT);
    write_text(t, "d-s001.vmdk", "junk");
    unlink_disk(t, "d.vmdk", 0);
    assert_names(t, "");
}

static void
test_side_files_go_too(TestCo *t)
{
    write_text(t, "d.vmdk",
               HEAD "RW 8 ZERO\nchangeTrackPath=\"d-ctk.vmdk\"\n"
                    "ddb.digestFilename = \"d-digest.vmdk\"\n"
                    "ddb.comment = \"other.vmdk\"\n");
    write_text(t, "d-ctk.vmdk", "c");
    write_text(t, "d-digest.vmdk", "d");
    write_text(t, "d-digest-flat.vmdk", "f");
    write_text(t, "other.vmdk", "o");
    unlink_disk(t, "d.vmdk", 0);
    assert_names(t, "other.vmdk");
}

static void
test_a_digest_that_is_not_named_stays(TestCo *t)
{
    write_text(t, "d-digest.vmdk", "a disk that is called so");
    vmdk_test_create(t, "d.vmdk", SIZE, "");
    unlink_disk(t, "d.vmdk", 0);
    assert_names(t, "d-digest.vmdk");
}

/* -- what stays
 * ------------------------------------------------------------------------ */

static void
test_files_elsewhere_stop_it(TestCo *t)
{
    static const char *const names[] = {"../victim", "/etc/hostname",
                                        "sub/../../victim"};

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *text =
            g_strdup_printf(HEAD "RW 8 FLAT \"%s\" 0\n", names[i]);
        g_autofree char *inner = test_co_path(t, "inner");
        g_autofree char *victim = test_co_path(t, "victim");
        TestCo below = *t;

        (void) mkdir(inner, 0755);
        {
            g_autofree char *sub = g_build_filename(inner, "sub", NULL);

            (void) mkdir(sub, 0755);
        }
        write_text(t, "victim", "v");
        below.dir = inner;
        write_text(&below, "d.vmdk", text);
        if (i != 1 || g_file_test(names[1], G_FILE_TEST_EXISTS))
            assert_refused(&below, "d.vmdk", VD_ERROR_REFUSED);
        g_assert_true(g_file_test(victim, G_FILE_TEST_EXISTS));
    }
}

static void
test_devices_stay(TestCo *t)
{
    write_text(t, "d.vmdk", HEAD "RW 8 FLAT \"/dev/null\" 0\n");
    unlink_disk(t, "d.vmdk", 0);
    assert_names(t, "");
    g_assert_true(g_file_test("/dev/null", G_FILE_TEST_EXISTS));
    g_assert_cmpuint(t->warnings->len, ==, 1);
    g_assert_nonnull(strstr(t->warnings->pdata[0], "/dev/null"));
}

static void
test_what_links_lead_to_stays(TestCo *t)
{
    g_autofree char *link = test_co_path(t, "d-flat.vmdk");

    write_text(t, "data", "d");
    g_assert_cmpint(symlink("data", link), ==, 0);
    write_text(t, "d.vmdk", HEAD "RW 8 FLAT \"d-flat.vmdk\" 0\n");
    unlink_disk(t, "d.vmdk", 0);
    assert_names(t, "data");
}

static void
test_directories_stop_it(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d-flat.vmdk");

    g_assert_cmpint(mkdir(path, 0755), ==, 0);
    write_text(t, "d.vmdk", HEAD "RW 8 FLAT \"d-flat.vmdk\" 0\n");
    assert_refused(t, "d.vmdk", VD_ERROR_REFUSED);
}

static void
test_a_disk_that_names_itself(TestCo *t)
{
    write_text(t, "d.vmdk", HEAD "RW 8 FLAT \"d.vmdk\" 0\n");
    unlink_disk(t, "d.vmdk", 0);
    assert_names(t, "");
}

static void
test_children_stop_it(TestCo *t)
{
    vmdk_test_create(t, "base.vmdk", SIZE, "");
    vmdk_test_create_child(t, "child.vmdk", SIZE, SPLIT, "base.vmdk");
    assert_refused(t, "base.vmdk", VD_ERROR_REFUSED);
    unlink_disk(t, "child.vmdk", 0);
    assert_names(t, "base.vmdk");
    vmdk_test_create_child(t, "child.vmdk", SIZE, "", "base.vmdk");
    unlink_disk(t, "base.vmdk", VD_UNLINK_FORCE);
    assert_names(t, "child.vmdk");
}

static void
test_not_deletable(TestCo *t)
{
    write_text(t, "d.vmdk", HEAD "RW 8 ZERO\nddb.deletable = \"false\"\n");
    assert_refused(t, "d.vmdk", VD_ERROR_REFUSED);
    unlink_disk(t, "d.vmdk", VD_UNLINK_FORCE);
    write_text(t, "d.vmdk", HEAD "RW 8 ZERO\nddb.deletable = \"true\"\n");
    unlink_disk(t, "d.vmdk", 0);
    assert_names(t, "");
}

static void
test_in_use(TestCo *t)
{
    static const char *const names[] = {"d.vmdk", "d-s002.vmdk"};

    vmdk_test_create(t, "d.vmdk", SIZE, SPLIT);
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        VdNode *user = test_co_open_file(t, "file", names[i], 0);

        assert_refused(t, "d.vmdk", VD_ERROR_IN_USE);
        test_co_close(user);
    }
}

static void
test_bare_extents(TestCo *t)
{
    vmdk_test_create(t, "d.vmdk", SIZE, SPLIT);
    assert_refused(t, "d-s001.vmdk", VD_ERROR_REFUSED);
}

/* -- failures and crashes
 * ---------------------------------------------------------------- */

static void
make_disk(TestCo *t)
{
    VdNode *node;

    test_dir_empty(t->dir);
    vmdk_test_create(t, "d.vmdk", SIZE, SPLIT);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, MIB, 70000, 3);
    test_co_close(node);
}

/* Whole, or removing it again leaves nothing. */
static void
assert_whole_or_finish(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d.vmdk");
    g_autofree char *remains = g_strconcat(path, VD_MOVES_REMOVING, NULL);
    VdNode *node;

    if (g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_assert_false(g_file_test(remains, G_FILE_TEST_EXISTS));
        node = vmdk_test_open(t, "d.vmdk", 0);
        test_co_assert_pattern(node, MIB, 70000, 3);
        test_co_close(node);
        unlink_disk(t, "d.vmdk", 0);
    } else if (g_file_test(remains, G_FILE_TEST_EXISTS)) {
        unlink_disk(t, "d.vmdk" VD_MOVES_REMOVING, 0);
    }
    assert_names(t, "");
}

static void
test_a_crash_at_each_step(TestCo *t)
{
    MovesTest m;

    make_disk(t);
    moves_test_begin_copies(&m, t->dir);
    unlink_disk(t, "d.vmdk", 0);
    moves_test_end();
    assert_names(t, "");
    g_assert_cmpuint(m.made->len, >=, 6);
    for (unsigned i = 0; i < m.made->len; i++) {
        TestCo there = *t;

        there.dir = m.made->pdata[i];
        assert_whole_or_finish(&there);
        test_dir_remove(there.dir);
    }
    g_ptr_array_unref(m.made);
}

static void
test_a_failure_at_each_step(TestCo *t)
{
    bool fired = true;
    unsigned nth;

    for (nth = 0; fired; nth++) {
        g_autoptr(GError) error = NULL;
        MovesTest m;
        bool ok;

        make_disk(t);
        moves_test_begin_failure(&m, nth, EIO);
        ok = try_unlink(t, "d.vmdk", 0, &error);
        moves_test_end();
        fired = m.count > nth;
        g_assert_cmpint(ok, ==, !fired);
        if (fired)
            g_assert_cmpint(vd_error_to_errno(error), ==, EIO);
        assert_whole_or_finish(t);
    }
    g_assert_cmpuint(nth, >, 6);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) test_co_add("/vmdk/unlink/" path, fn)
    ADD("each-kind", test_each_kind);
    ADD("missing-extents", test_missing_extents_are_not_missed);
    ADD("damaged-extents", test_damaged_extents_go_too);
    ADD("side-files", test_side_files_go_too);
    ADD("other-digest", test_a_digest_that_is_not_named_stays);
    ADD("elsewhere", test_files_elsewhere_stop_it);
    ADD("devices", test_devices_stay);
    ADD("links", test_what_links_lead_to_stays);
    ADD("directories", test_directories_stop_it);
    ADD("itself", test_a_disk_that_names_itself);
    ADD("children", test_children_stop_it);
    ADD("deletable", test_not_deletable);
    ADD("in-use", test_in_use);
    ADD("bare-extent", test_bare_extents);
    ADD("crash", test_a_crash_at_each_step);
    ADD("fault-step", test_a_failure_at_each_step);
#undef ADD
    return g_test_run();
}
