/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-vmware-lock.c - VD_OPEN_VMWARE_LOCK: what is locked, how,
 * and that nothing is left behind.  A lock directory that is would make the
 * end of each test fail: the scratch directory must go. */
#include "tests/unit/api-test.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/vmware-test.h"

#define LOCK VD_OPEN_VMWARE_LOCK
#define FLAT "subformat=twoGbMaxExtentFlat"

static VdCreateParams
params_of(const char *path, const char *options)
{
    return (VdCreateParams){.filename = path,
                            .format = "vmdk",
                            .size = 4 * MIB,
                            .options = options};
}

static const char *
make(ApiTest *t, const char *name, const char *options, const char *parent)
{
    const char *path = api_test_path(t, name);
    VdCreateParams params = params_of(path, options);
    GError *error = NULL;

    params.backing_file = parent;
    vd_create(t->ctx, &params, &error);
    g_assert_no_error(error);
    return path;
}

static void
assert_held(const char *path, const char *expected)
{
    g_autofree char *held = vmware_test_held(path);

    g_assert_cmpstr(held, ==, expected);
}

static void
assert_open_fails(const ApiTest *t, const char *path, VdOpenFlags flags,
                  int code)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(vd_disk_open(t->ctx, path, NULL, NULL, flags, &error));
    g_assert_error(error, VD_ERROR, code);
}

/* -- what is locked -------------------------------------------------------- */

static void
test_writing_locks_all_files_alone(ApiTest *t, gconstpointer unused)
{
    const char *path = make(t, "d.vmdk", FLAT, NULL);
    const char *extent = api_test_path(t, "d-f001.vmdk");
    VdDisk *disk = api_test_open(t, path, NULL, VD_OPEN_RDWR | LOCK);

    assert_held(path, "X");
    assert_held(extent, "X");
    api_test_close(disk);
    assert_held(path, "");
    assert_held(extent, "");
}

static void
test_reading_locks_the_image_with_others(ApiTest *t, gconstpointer unused)
{
    const char *path = make(t, "d.vmdk", FLAT, NULL);
    VdDisk *first = api_test_open(t, path, NULL, LOCK);
    VdDisk *second = api_test_open(t, path, NULL, LOCK);

    assert_held(path, "SS");
    assert_held(api_test_path(t, "d-f001.vmdk"), "");
    assert_open_fails(t, path, VD_OPEN_RDWR | LOCK, VD_ERROR_IN_USE);
    assert_open_fails(t, path, VD_OPEN_RDWR, VD_ERROR_IN_USE);
    api_test_close(first);
    assert_held(path, "S");
    api_test_close(second);
}

static void
test_parents_are_read(ApiTest *t, gconstpointer unused)
{
    const char *base = make(t, "b.vmdk", NULL, NULL);
    const char *one = make(t, "one.vmdk", NULL, "b.vmdk");
    const char *two = make(t, "two.vmdk", NULL, "b.vmdk");
    VdDisk *first = api_test_open(t, one, NULL, VD_OPEN_RDWR | LOCK);
    VdDisk *second = api_test_open(t, two, NULL, VD_OPEN_RDWR | LOCK);

    assert_held(base, "SS");
    assert_held(one, "X");
    assert_held(two, "X");
    api_test_close(second);
    api_test_close(first);
    first = api_test_open(t, base, NULL, VD_OPEN_RDWR | LOCK);
    assert_open_fails(t, one, LOCK, VD_ERROR_IN_USE);
    assert_held(base, "X");
    assert_held(one, "");
    api_test_close(first);
}

static void
test_some_want_no_lock(ApiTest *t, gconstpointer unused)
{
    static const VdOpenFlags flags[] = {0, VD_OPEN_RDWR,
                                        VD_OPEN_RDWR | LOCK | VD_OPEN_NO_LOCK,
                                        LOCK | VD_OPEN_FORCE_SHARE};
    const char *path = make(t, "d.vmdk", FLAT, NULL);

    for (unsigned i = 0; i < G_N_ELEMENTS(flags); i++) {
        VdDisk *disk = api_test_open(t, path, NULL, flags[i]);

        assert_held(path, "");
        assert_held(api_test_path(t, "d-f001.vmdk"), "");
        api_test_close(disk);
    }
}

static void
test_descriptors_have_no_lock(ApiTest *t, gconstpointer unused)
{
    const char *path = make(t, "d.vmdk", NULL, NULL);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    g_autofree char *name = g_strdup_printf("/dev/fd/%d", fd);

    api_test_close(api_test_open(t, name, "vmdk", VD_OPEN_RDWR | LOCK));
    (void) close(fd);
}

/* -- locks of others ------------------------------------------------------- */

static void
test_others_keep_us_out_and_are_told(ApiTest *t, gconstpointer unused)
{
    const char *path = make(t, "d.vmdk", NULL, NULL);
    g_autoptr(GError) error = NULL;

    vmware_test_member(path, "M00042.lck", VMWARE_TEST_OTHER, "77-5(vmx)", 1,
                       'X');
    g_assert_null(vd_disk_open(t->ctx, path, NULL, NULL, LOCK, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IN_USE);
    g_assert_nonnull(strstr(error->message, path));
    g_assert_nonnull(strstr(error->message, "d.vmdk.lck/M00042.lck"));
    g_assert_nonnull(strstr(error->message, "process 77 (vmx) of another"));
    assert_open_fails(t, path, VD_OPEN_RDWR | LOCK, VD_ERROR_IN_USE);
    api_test_close(api_test_open(t, path, NULL, 0));
    assert_held(path, "X");
    vmware_test_remove(path, "M00042.lck");
}

static void
test_the_own_lock_keeps_us_out_as_well(ApiTest *t, gconstpointer unused)
{
    const char *path = make(t, "d.vmdk", NULL, NULL);
    const char *to = api_test_path(t, "e.vmdk");
    VdDisk *disk = api_test_open(t, path, NULL, LOCK);
    g_autoptr(GError) renamed = NULL, removed = NULL;

    g_assert_false(vd_image_rename(t->ctx, path, to, 0, &renamed));
    g_assert_error(renamed, VD_ERROR, VD_ERROR_IN_USE);
    g_assert_false(vd_image_unlink(t->ctx, path, 0, &removed));
    g_assert_error(removed, VD_ERROR, VD_ERROR_IN_USE);
    api_test_close(disk);
    g_assert_true(vd_image_rename(t->ctx, path, to, 0, NULL));
}

static void
test_an_extent_of_somebody_keeps_writers_out(ApiTest *t, gconstpointer unused)
{
    const char *path = make(t, "d.vmdk", FLAT, NULL);
    const char *extent = api_test_path(t, "d-f001.vmdk");

    vmware_test_member(extent, "M00042.lck", VMWARE_TEST_OTHER, "77-5(vmx)", 1,
                       'S');
    assert_open_fails(t, path, VD_OPEN_RDWR | LOCK, VD_ERROR_IN_USE);
    assert_held(path, "");
    api_test_close(api_test_open(t, path, NULL, LOCK));
    vmware_test_remove(extent, "M00042.lck");
}

/* -- opens that fail ------------------------------------------------------- */

static void
test_failed_opens_leave_nothing(ApiTest *t, gconstpointer unused)
{
    const char *path = make(t, "d.vmdk", FLAT, NULL);
    const char *base = make(t, "b.vmdk", NULL, NULL);
    const char *child = make(t, "c.vmdk", NULL, "b.vmdk");
    VdDisk *disk;

    g_assert_cmpint(g_unlink(api_test_path(t, "d-f001.vmdk")), ==, 0);
    assert_open_fails(t, path, VD_OPEN_RDWR | LOCK, VD_ERROR_NOT_FOUND);
    assert_held(path, "");
    assert_open_fails(t, path, LOCK, VD_ERROR_NOT_FOUND);
    assert_held(path, "");
    g_assert_true(
        g_file_set_contents(path, "# Disk DescriptorFile\n?", -1, NULL));
    g_assert_null(
        vd_disk_open(t->ctx, path, NULL, NULL, VD_OPEN_RDWR | LOCK, NULL));
    assert_held(path, "");
    /* The byte-range locks come behind. */
    disk = api_test_open(t, base, NULL, VD_OPEN_RDWR);
    assert_open_fails(t, base, LOCK, VD_ERROR_IN_USE);
    assert_open_fails(t, child, VD_OPEN_RDWR | LOCK, VD_ERROR_IN_USE);
    api_test_close(disk);
    assert_held(base, "");
    g_assert_cmpint(g_unlink(base), ==, 0);
    assert_open_fails(t, child, VD_OPEN_RDWR | LOCK, VD_ERROR_NOT_FOUND);
    assert_held(child, "");
    assert_open_fails(t, api_test_path(t, "none"), LOCK, VD_ERROR_NOT_FOUND);
}

/* -- while it is open ------------------------------------------------------ */

static void
test_replaced_files_stay_locked(ApiTest *t, gconstpointer unused)
{
    const char *path = make(t, "d.vmdk", FLAT, NULL);
    VdDisk *disk = api_test_open(t, path, NULL, VD_OPEN_RDWR | LOCK);
    GError *error = NULL;

    g_assert_true(vd_disk_set_meta(disk, "comment", "new", &error));
    assert_held(path, "X");
    g_assert_true(vd_disk_resize(disk, 5000 * MIB, NULL, &error));
    g_assert_no_error(error);
    assert_held(path, "X");
    api_test_close(disk);
    assert_held(path, "");
    assert_held(api_test_path(t, "d-f001.vmdk"), "");
    assert_held(api_test_path(t, "d-f003.vmdk"), "");
}

static void
test_commit_locks_what_it_writes(ApiTest *t, gconstpointer unused)
{
    const char *base = make(t, "b.vmdk", NULL, NULL);
    const char *top = make(t, "c.vmdk", NULL, "b.vmdk");
    VdCommitParams params = {.image = {.name = top, .flags = LOCK}};
    GError *error = NULL;

    vmware_test_member(base, "M00042.lck", VMWARE_TEST_OTHER, "7-5(x)", 1, 'S');
    g_assert_false(vd_commit(t->ctx, &params, NULL, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IN_USE);
    g_clear_error(&error);
    assert_held(top, "");
    vmware_test_remove(base, "M00042.lck");
    vd_commit(t->ctx, &params, NULL, &error);
    g_assert_no_error(error);
    assert_held(base, "");
}

/* -- creating -------------------------------------------------------------- */

static void
test_a_creation_holds_its_files(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "d.vmdk");
    const char *extent = api_test_path(t, "d-f001.vmdk");

    for (unsigned round = 0; round < 4; round++) { /* new, old; abort, commit */
        VdCreateParams params = params_of(path, FLAT);
        GError *error = NULL;
        VdCreation *creation;
        VdDisk *disk;

        params.open_flags = LOCK;
        creation = vd_create_begin(t->ctx, &params, &error);
        g_assert_no_error(error);
        assert_held(path, "X");
        assert_held(extent, "X");
        disk = vd_creation_disk(creation, &error);
        g_assert_no_error(error);
        assert_held(path, "X");
        g_assert_true(vd_disk_pwrite(disk, "x", 1, 0, 0, &error));
        api_test_close(disk);
        assert_held(extent, "X");
        if (round % 2 == 0)
            vd_creation_abort(creation);
        else
            g_assert_true(vd_creation_commit(creation, &error));
        assert_held(path, "");
        assert_held(extent, "");
    }
    api_test_close(api_test_open(t, path, NULL, LOCK));
}

static void
test_a_creation_reads_its_parent(ApiTest *t, gconstpointer unused)
{
    const char *base = make(t, "b.vmdk", NULL, NULL);
    VdCreateParams params = params_of(api_test_path(t, "c.vmdk"), NULL);
    g_autoptr(GError) error = NULL;

    params.backing_file = "b.vmdk";
    params.open_flags = LOCK;
    vmware_test_member(base, "M00042.lck", VMWARE_TEST_OTHER, "7-5(x)", 1, 'X');
    g_assert_false(vd_create(t->ctx, &params, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IN_USE);
    assert_held(params.filename, "");
    vmware_test_remove(base, "M00042.lck");
    g_assert_true(vd_create(t->ctx, &params, NULL));
    assert_held(base, "");
}

static void
test_names_of_others_are_not_created(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "d.vmdk");
    const char *extent = api_test_path(t, "d-f001.vmdk");
    VdCreateParams params = params_of(path, FLAT);
    g_autoptr(GError) error = NULL;

    params.open_flags = LOCK;
    vmware_test_member(extent, "M00042.lck", VMWARE_TEST_OTHER, "7-5(x)", 1,
                       'S');
    g_assert_false(vd_create(t->ctx, &params, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IN_USE);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    g_assert_false(g_file_test(extent, G_FILE_TEST_EXISTS));
    assert_held(path, "");
    vmware_test_remove(extent, "M00042.lck");
}

static void
test_clones_lock_both_sides(ApiTest *t, gconstpointer unused)
{
    const char *source = make(t, "d.vmdk", FLAT, NULL);
    const char *target = api_test_path(t, "e.vmdk");
    VdCloneParams params = {.source_flags = LOCK};
    g_autoptr(GError) error = NULL;

    vmware_test_member(target, "M00042.lck", VMWARE_TEST_OTHER, "7-5(x)", 1,
                       'S');
    g_assert_false(vd_clone(t->ctx, source, target, &params, NULL, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IN_USE);
    assert_held(source, "");
    vmware_test_remove(target, "M00042.lck");
    g_assert_true(vd_clone(t->ctx, source, target, &params, NULL, NULL));
    assert_held(target, "");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) api_test_add("/api/vmware-lock/" #name, test_##name)
    TEST(writing_locks_all_files_alone);
    TEST(reading_locks_the_image_with_others);
    TEST(parents_are_read);
    TEST(some_want_no_lock);
    TEST(descriptors_have_no_lock);
    TEST(others_keep_us_out_and_are_told);
    TEST(the_own_lock_keeps_us_out_as_well);
    TEST(an_extent_of_somebody_keeps_writers_out);
    TEST(failed_opens_leave_nothing);
    TEST(replaced_files_stay_locked);
    TEST(commit_locks_what_it_writes);
    TEST(a_creation_holds_its_files);
    TEST(a_creation_reads_its_parent);
    TEST(names_of_others_are_not_created);
    TEST(clones_lock_both_sides);
    return g_test_run();
}
