/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-create.c - new images: all or nothing. */
#include "tests/unit/api-test.h"

#include <glib/gstdio.h>

#include <string.h>

static bool
exists(const char *path)
{
    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void
test_created_image_has_its_size(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "new");
    VdCreateParams params = {
        .filename = path, .format = "raw", .size = 3 * MIB, .sync = true};
    GError *error = NULL;

    vd_create(t->ctx, &params, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(api_test_file_size(path), ==, 3 * MIB);
}

static void
test_size_may_be_an_option(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "new");
    VdCreateParams params = {.filename = path,
                             .format = "raw",
                             .size = UINT64_MAX,
                             .options = "size=2M"};
    g_autoptr(GError) error = NULL;

    g_assert_true(vd_create(t->ctx, &params, &error));
    g_assert_cmpuint(api_test_file_size(path), ==, 2 * MIB);

    params.size = MIB;
    g_assert_false(vd_create(t->ctx, &params, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    g_assert_cmpuint(api_test_file_size(path), ==, 2 * MIB);
}

static void
assert_create_fails(const ApiTest *t, const VdCreateParams *params, int code)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(vd_create_begin(t->ctx, params, &error));
    g_assert_error(error, VD_ERROR, code);
    g_assert_false(exists(params->filename));
}

static void
test_impossible_creations_leave_nothing(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "new");
    VdCreateParams sizeless = {
        .filename = path, .format = "raw", .size = UINT64_MAX};
    VdCreateParams vast = {
        .filename = path, .format = "raw", .size = UINT64_MAX - 1};
    VdCreateParams unknown = {.filename = path, .format = "cake", .size = MIB};
    VdCreateParams filter = {.filename = path, .format = "log", .size = MIB};
    VdCreateParams option = {
        .filename = path, .format = "raw", .size = MIB, .options = "sugar=2"};

    assert_create_fails(t, &sizeless, VD_ERROR_INVALID_ARGUMENT);
    assert_create_fails(t, &vast, VD_ERROR_LIMIT);
    assert_create_fails(t, &unknown, VD_ERROR_UNKNOWN_FORMAT);
    assert_create_fails(t, &filter, VD_ERROR_NOT_SUPPORTED);
    assert_create_fails(t, &option, VD_ERROR_INVALID_ARGUMENT);
}

static void
test_abort_removes_what_was_made(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "new");
    VdCreateParams params = {.filename = path, .format = "raw", .size = MIB};
    VdCreation *creation = vd_create_begin(t->ctx, &params, NULL);

    g_assert_nonnull(creation);
    g_assert_true(exists(path));
    vd_creation_abort(creation);
    g_assert_false(exists(path));
}

/* The old file until commit, the new one after. */
static void
test_existing_target_lives_until_commit(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "new");
    const char *copy = api_test_path(t, "copy");
    VdCreateParams params = {.filename = path, .format = "raw", .size = MIB};
    VdCreation *creation;
    VdDisk *disk;
    uint8_t byte = 5;

    api_test_make_full(path, 2 * MIB, 1);
    api_test_make_full(copy, 2 * MIB, 1);
    for (int commit = 0; commit <= 1; commit++) {
        creation = vd_create_begin(t->ctx, &params, NULL);
        g_assert_nonnull(creation);
        disk = vd_creation_disk(creation, NULL);
        g_assert_true(vd_disk_pwrite(disk, &byte, 1, 0, 0, NULL));
        api_test_close(disk);
        api_test_assert_same_files(path, copy);
        if (!commit)
            vd_creation_abort(creation);
        else
            g_assert_true(vd_creation_commit(creation, NULL));
    }
    g_assert_cmpuint(api_test_file_size(path), ==, MIB);
}

static void
test_no_clobber_refuses_existing_target(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "new");
    VdCreateParams params = {
        .filename = path, .format = "raw", .size = MIB, .no_clobber = true};
    g_autoptr(GError) error = NULL;

    api_test_make_full(path, 2 * MIB, 1);
    g_assert_false(vd_create(t->ctx, &params, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_EXISTS);
    g_assert_cmpuint(api_test_file_size(path), ==, 2 * MIB);
}

static void
test_target_in_use_is_refused(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "new");
    VdCreateParams params = {.filename = path, .format = "raw", .size = MIB};
    g_autoptr(GError) error = NULL;
    VdDisk *user;

    api_test_make_full(path, 2 * MIB, 1);
    user = api_test_open(t, path, "raw", 0);
    g_assert_false(vd_create(t->ctx, &params, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IN_USE);
    api_test_close(user);
    g_assert_cmpuint(api_test_file_size(path), ==, 2 * MIB);
}

/* A copy that fails half-way leaves the target's name as it was. */
static void
test_failed_copy_leaves_no_trace(ApiTest *t, gconstpointer unused)
{
    const char *src = api_test_path(t, "src"), *dst = api_test_path(t, "dst");
    const char *old = api_test_path(t, "old");
    VdCreateParams params = {.filename = dst, .format = "raw", .size = 8 * MIB};
    VdDisk *source;

    api_test_make_full(src, 8 * MIB, 1);
    api_test_make_full(old, MIB, 2);
    source = api_test_open_opts(t, 0,
                                "driver=raw,file.driver=fault,"
                                "file.fail-op=read,file.fail-nth=5,"
                                "file.fail-count=1000,"
                                "file.file.filename=%s",
                                src);
    for (int existed = 0; existed <= 1; existed++) {
        VdCreation *creation;
        VdDisk *target;

        if (existed)
            api_test_make_full(dst, MIB, 2);
        creation = vd_create_begin(t->ctx, &params, NULL);
        target = vd_creation_disk(creation, NULL);
        g_assert_false(vd_copy(&source, 1, target, NULL, NULL, NULL));
        api_test_close(target);
        vd_creation_abort(creation);
        if (existed)
            api_test_assert_same_files(dst, old);
        else
            g_assert_false(exists(dst));
    }
    api_test_close(source);
}

/* -- words -------------------------------------------------------------------
 */

static void
test_describe_gives_sizes_in_bytes(void)
{
    VdCreateParams params = {.filename = "x",
                             .format = "raw",
                             .size = 64 * MIB,
                             .options = "preallocation=falloc"};
    g_autofree char *text = vd_create_describe(&params, NULL);

    g_assert_cmpstr(text, ==, "size=67108864 preallocation=falloc");
}

static void
test_describe_doubles_commas(void)
{
    VdCreateParams params = {.filename = "x",
                             .format = "vmdk",
                             .size = UINT64_MAX,
                             .backing_file = "a,b.vmdk"};
    g_autofree char *text = vd_create_describe(&params, NULL);

    if (!vd_format_exists("vmdk")) {
        g_test_skip("no format that takes a parent");
        return;
    }
    g_assert_true(g_str_has_prefix(text, "backing_file=a,,b.vmdk"));
}

static void
test_describe_reports_bad_options(void)
{
    VdCreateParams params = {
        .filename = "x", .format = "raw", .size = 1, .options = "sugar=2"};
    g_autoptr(GError) error = NULL;

    g_assert_null(vd_create_describe(&params, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
}

static void
test_formats_list_their_options(void)
{
    const VdOptionInfo *infos = vd_format_create_options("raw");
    bool found = false;

    g_assert_nonnull(infos);
    for (unsigned i = 0; infos[i].name != NULL; i++) {
        g_assert_nonnull(infos[i].type);
        g_assert_nonnull(infos[i].help);
        if (strcmp(infos[i].name, "preallocation") == 0) {
            found = true;
            g_assert_nonnull(infos[i].choices);
        }
    }
    g_assert_true(found);
    g_assert_true(vd_format_create_options("raw") == infos);
    g_assert_null(vd_format_create_options("log"));
    g_assert_null(vd_format_create_options("cake"));
}

static void
test_format_list_is_sorted_and_true(void)
{
    g_auto(GStrv) names = vd_format_list();

    g_assert_true(g_strv_contains((const char *const *) names, "raw"));
    for (unsigned i = 0; names[i] != NULL; i++) {
        g_assert_true(vd_format_exists(names[i]));
        if (i > 0)
            g_assert_cmpstr(names[i - 1], <, names[i]);
    }
    g_assert_false(vd_format_exists("cake"));
}

static void
assert_child_names(ApiTest *t, const char *child, const char *parent,
                   const char *stored)
{
    VdCreateParams params = {.filename = child,
                             .format = "vmdk",
                             .size = UINT64_MAX,
                             .backing_file = parent,
                             .backing_format = "vmdk",
                             .backing_from_here = true};
    GError *error = NULL;
    VdDisk *disk;
    VdInfo *info;

    vd_create(t->ctx, &params, &error);
    g_assert_no_error(error);
    disk = api_test_open(t, child, "vmdk", 0);
    g_assert_cmpuint(vd_disk_count_links(disk), ==, 2);
    info = vd_disk_get_info(disk, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(info->backing_filename, ==, stored);
    vd_info_free(info);
    api_test_close(disk);
    g_assert_cmpint(g_unlink(child), ==, 0);
}

static void
test_parents_named_from_here(ApiTest *t, gconstpointer data)
{
    g_autofree char *here = g_get_current_dir();
    const char *sub = api_test_path(t, "sub");
    VdCreateParams parent = {
        .filename = api_test_path(t, "p.vmdk"), .format = "vmdk", .size = MIB};
    GError *error = NULL;

    vd_create(t->ctx, &parent, &error);
    g_assert_no_error(error);
    assert_child_names(t, api_test_path(t, "c.vmdk"), parent.filename,
                       "p.vmdk");
    g_assert_cmpint(g_mkdir(sub, 0777), ==, 0);
    g_assert_cmpint(g_chdir(t->dir), ==, 0);
    assert_child_names(t, "sub/c.vmdk", "p.vmdk", "../p.vmdk");
    assert_child_names(t, "./c.vmdk", "./sub/../p.vmdk", "p.vmdk");
    g_assert_cmpint(g_chdir(here), ==, 0);
    g_assert_cmpint(g_rmdir(sub), ==, 0);
    parent.filename = api_test_path(t, "no/c.vmdk");
    parent.backing_file = api_test_path(t, "p.vmdk");
    parent.backing_from_here = true;
    g_assert_false(vd_create(t->ctx, &parent, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_FOUND);
    g_clear_error(&error);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    api_test_add("/api/create/created-image-has-its-size",
                 test_created_image_has_its_size);
    api_test_add("/api/create/size-may-be-an-option",
                 test_size_may_be_an_option);
    api_test_add("/api/create/impossible-creations-leave-nothing",
                 test_impossible_creations_leave_nothing);
    api_test_add("/api/create/abort-removes-what-was-made",
                 test_abort_removes_what_was_made);
    api_test_add("/api/create/existing-target-lives-until-commit",
                 test_existing_target_lives_until_commit);
    api_test_add("/api/create/no-clobber-refuses-existing-target",
                 test_no_clobber_refuses_existing_target);
    api_test_add("/api/create/target-in-use-is-refused",
                 test_target_in_use_is_refused);
    api_test_add("/api/create/failed-copy-leaves-no-trace",
                 test_failed_copy_leaves_no_trace);
    g_test_add_func("/api/create/describe-gives-sizes-in-bytes",
                    test_describe_gives_sizes_in_bytes);
    g_test_add_func("/api/create/describe-doubles-commas",
                    test_describe_doubles_commas);
    g_test_add_func("/api/create/describe-reports-bad-options",
                    test_describe_reports_bad_options);
    g_test_add_func("/api/create/formats-list-their-options",
                    test_formats_list_their_options);
    g_test_add_func("/api/create/format-list-is-sorted-and-true",
                    test_format_list_is_sorted_and_true);
    api_test_add("/api/create/parents_named_from_here",
                 test_parents_named_from_here);
    return g_test_run();
}
