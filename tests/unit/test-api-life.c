/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-life.c - metadata, names, copies and the end of disks, as
 * users of the library see them. */
#include "tests/unit/api-test.h"

#include <string.h>
#include <unistd.h>

static const char *
make(const ApiTest *t, const char *name, const char *options)
{
    const char *path = api_test_path(t, name);
    VdCreateParams params = {.filename = path,
                             .format = "vmdk",
                             .size = 4 * MIB,
                             .options = options};
    g_autoptr(GError) error = NULL;

    vd_create(t->ctx, &params, &error);
    g_assert_no_error(error);
    return path;
}

static void
make_child(const ApiTest *t, const char *name, const char *parent)
{
    VdCreateParams params = {.filename = api_test_path(t, name),
                             .format = "vmdk",
                             .size = UINT64_MAX,
                             .backing_file = parent,
                             .backing_format = "vmdk"};
    g_autoptr(GError) error = NULL;

    vd_create(t->ctx, &params, &error);
    g_assert_no_error(error);
}

static void
assert_error(GError **error, int code)
{
    g_assert_error(*error, VD_ERROR, code);
    g_clear_error(error);
}

/* -- metadata
 * ---------------------------------------------------------------------------
 */

static void
test_metadata_of_a_chain(ApiTest *t, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *own = NULL, *from_parent = NULL, *none = NULL;
    g_auto(GStrv) keys = NULL;
    VdDisk *disk;

    make(t, "base.vmdk", NULL);
    disk = api_test_open(t, api_test_path(t, "base.vmdk"), NULL, VD_OPEN_RDWR);
    g_assert_true(vd_disk_set_meta(disk, "below", "1", &error));
    g_assert_true(vd_disk_set_meta(disk, "both", "1", &error));
    api_test_close(disk);
    make_child(t, "top.vmdk", "base.vmdk");
    disk = api_test_open(t, api_test_path(t, "top.vmdk"), NULL, VD_OPEN_RDWR);
    g_assert_true(vd_disk_set_meta(disk, "Both", "2", &error));
    own = vd_disk_get_meta(disk, "both");
    from_parent = vd_disk_get_meta(disk, "below");
    none = vd_disk_get_meta(disk, "nowhere");
    keys = vd_disk_list_meta(disk);
    g_assert_cmpstr(own, ==, "2");
    g_assert_cmpstr(from_parent, ==, "1");
    g_assert_null(none);
    g_assert_true(g_strv_contains((const char *const *) keys, "below"));
    g_assert_true(g_strv_contains((const char *const *) keys, "Both"));
    g_assert_false(g_strv_contains((const char *const *) keys, "both"));
    api_test_close(disk);
}

static void
test_metadata_that_cannot_be(ApiTest *t, gconstpointer unused)
{
    const char *path = make(t, "d.vmdk", NULL);
    VdDisk *disk = api_test_open(t, path, NULL, 0);
    VdDisk *memory = api_test_memory(t, MIB);
    g_auto(GStrv) keys = vd_disk_list_meta(memory);
    GError *error = NULL;

    g_assert_false(vd_disk_set_meta(disk, "k", "v", &error));
    assert_error(&error, VD_ERROR_READ_ONLY);
    g_assert_false(vd_disk_set_meta(memory, "k", "v", &error));
    assert_error(&error, VD_ERROR_NOT_SUPPORTED);
    g_assert_cmpuint(g_strv_length(keys), ==, 0);
    api_test_close(memory);
    api_test_close(disk);
}

/* -- names
 * ------------------------------------------------------------------------------
 */

static void
test_files_of_a_disk(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = api_test_open(
        t, make(t, "d.vmdk", "subformat=twoGbMaxExtentSparse,split_size=2M"),
        NULL, 0);
    g_auto(GStrv) files = vd_disk_list_files(disk);

    g_assert_cmpuint(g_strv_length(files), ==, 3);
    g_assert_cmpstr(files[0], ==, api_test_path(t, "d.vmdk"));
    g_assert_cmpstr(files[2], ==, api_test_path(t, "d-s002.vmdk"));
    api_test_close(disk);
}

static void
test_renaming_and_removing(ApiTest *t, gconstpointer unused)
{
    const char *old = make(t, "old.vmdk", "subformat=monolithicFlat");
    const char *new = api_test_path(t, "new.vmdk");
    GError *error = NULL;
    VdDisk *disk = api_test_open(t, old, NULL, 0);

    g_assert_false(vd_image_rename(t->ctx, old, new, 0, &error));
    assert_error(&error, VD_ERROR_IN_USE);
    g_assert_false(vd_image_unlink(t->ctx, old, 0, &error));
    assert_error(&error, VD_ERROR_IN_USE);
    api_test_close(disk);
    g_assert_true(vd_image_rename(t->ctx, old, new, 0, &error));
    g_assert_no_error(error);
    g_assert_false(vd_image_rename(t->ctx, old, new, 0, &error));
    assert_error(&error, VD_ERROR_NOT_FOUND);
    g_assert_true(vd_image_unlink(t->ctx, new, 0, &error));
    g_assert_no_error(error);
    g_assert_cmpint(access(api_test_path(t, "new-flat.vmdk"), F_OK), ==, -1);
    g_assert_false(vd_image_unlink(t->ctx, "json:{}", 0, &error));
    assert_error(&error, VD_ERROR_INVALID_ARGUMENT);
}

/* -- copies
 * -----------------------------------------------------------------------------
 */

static void
test_a_clone_is_like_its_source(ApiTest *t, gconstpointer unused)
{
    const char *raw = api_test_path(t, "raw");
    const char *copy = api_test_path(t, "copy.vmdk");
    const char *source = api_test_path(t, "source.vmdk");
    VdCloneParams as_split = {.options = "subformat=twoGbMaxExtentSparse"};
    VdCloneParams again = {.overwrite = true};
    VdCopyResult result = {0};
    GError *error = NULL;
    VdDisk *disk;

    api_test_make_sparse(raw, 4 * MIB, 9);
    g_assert_true(vd_clone(t->ctx, raw, source, &as_split, &result, &error));
    g_assert_cmpuint(result.bytes_written, >, 0);
    g_assert_true(vd_clone(t->ctx, source, copy, NULL, NULL, &error));
    g_assert_cmpint(access(api_test_path(t, "copy-s001.vmdk"), F_OK), ==, 0);
    g_assert_false(vd_clone(t->ctx, source, copy, NULL, NULL, &error));
    assert_error(&error, VD_ERROR_EXISTS);
    g_assert_true(vd_clone(t->ctx, source, copy, &again, NULL, &error));
    g_assert_false(vd_clone(t->ctx, copy, copy, &again, NULL, &error));
    assert_error(&error, VD_ERROR_IN_USE);
    disk = api_test_open(t, copy, NULL, 0);
    api_test_assert_disk_is_file(disk, raw);
    api_test_close(disk);
}

/* Zeroes are added behind the end, nothing is cut off. */
static void
test_a_clone_may_be_larger(ApiTest *t, gconstpointer unused)
{
    const char *raw = api_test_path(t, "raw");
    const char *copy = api_test_path(t, "copy.vmdk");
    VdCloneParams params = {.size = 6 * MIB};
    GError *error = NULL;
    VdDisk *disk;

    api_test_make_sparse(raw, 4 * MIB, 9);
    for (unsigned i = 0; i < 2; i++) {
        g_assert_true(vd_clone(t->ctx, raw, copy, &params, NULL, &error));
        g_assert_no_error(error);
        disk = api_test_open(t, copy, NULL, 0);
        g_assert_cmpuint(vd_disk_size(disk), ==, (i ? 4 : 6) * MIB);
        api_test_assert_disk_is_file(disk, raw);
        api_test_close(disk);
        params = (VdCloneParams){.size = 512, .overwrite = true};
    }
}

static void
assert_clone_subformat(ApiTest *t, const char *name, const char *wanted)
{
    VdDisk *disk = api_test_open(t, api_test_path(t, name), NULL, 0);
    g_autofree char *found = vd_clone_subformat(disk);

    g_assert_cmpstr(found, ==, wanted);
    api_test_close(disk);
}

static void
test_the_kind_of_a_clone(ApiTest *t, gconstpointer unused)
{
    make(t, "flat.vmdk", "subformat=monolithicFlat");
    make(t, "thin.vmdk", "subformat=vmfsThin");
    make(t, "redo.vmdk", "subformat=vmfsSparse");
    make_child(t, "top.vmdk", "flat.vmdk");
    assert_clone_subformat(t, "top.vmdk", "monolithicFlat");
    assert_clone_subformat(t, "thin.vmdk", "vmfsThin");
    assert_clone_subformat(t, "redo.vmdk", "monolithicSparse");
}

static void
test_children(ApiTest *t, gconstpointer unused)
{
    g_auto(GStrv) found = NULL, none = NULL, unknown = NULL;
    GError *error = NULL;
    VdDisk *disk, *memory = api_test_memory(t, MIB);

    make(t, "base.vmdk", NULL);
    make_child(t, "top.vmdk", "base.vmdk");
    disk = api_test_open(t, api_test_path(t, "base.vmdk"), NULL, 0);
    found = vd_disk_list_children(disk, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(g_strv_length(found), ==, 1);
    g_assert_cmpstr(found[0], ==, api_test_path(t, "top.vmdk"));
    api_test_close(disk);
    disk = api_test_open(t, api_test_path(t, "top.vmdk"), NULL, 0);
    none = vd_disk_list_children(disk, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(g_strv_length(none), ==, 0);
    api_test_close(disk);
    unknown = vd_disk_list_children(memory, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(g_strv_length(unknown), ==, 0);
    api_test_close(memory);
}

static void
test_measuring(ApiTest *t, gconstpointer unused)
{
    VdMeasureParams params = {.format = "vmdk", .size = 10 * MIB};
    VdMeasureResult result;
    GError *error = NULL;

    g_assert_true(vd_measure(t->ctx, NULL, &params, &result, &error));
    g_assert_cmpuint(result.required, ==, 128 * 512);
    g_assert_cmpuint(result.fully_allocated, ==, 128 * 512 + 10 * MIB);
    params.size = UINT64_MAX;
    g_assert_false(vd_measure(t->ctx, NULL, &params, &result, &error));
    g_clear_error(&error);
    params.size = 10 * MIB;
    params.options = "backing_file=x";
    g_assert_false(vd_measure(t->ctx, NULL, &params, &result, &error));
    assert_error(&error, VD_ERROR_NOT_SUPPORTED);
    params.format = "memory";
    g_assert_false(vd_measure(t->ctx, NULL, &params, &result, &error));
    assert_error(&error, VD_ERROR_NOT_SUPPORTED);
}

static void
test_a_chain_is_examined(ApiTest *t, gconstpointer unused)
{
    g_autoptr(GPtrArray) links = NULL, broken = NULL;
    const VdChainLink *link;
    GError *error = NULL;

    make(t, "base.vmdk", NULL);
    make_child(t, "top.vmdk", "base.vmdk");
    links =
        vd_chain_examine(t->ctx, api_test_path(t, "top.vmdk"), NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(links->len, ==, 2);
    for (unsigned i = 0; i < links->len; i++) {
        link = links->pdata[i];
        g_assert_cmpuint(link->problems->len, ==, 0);
        g_assert_cmpuint(link->files->len, ==, 1);
    }
    g_assert_cmpint(unlink(api_test_path(t, "base.vmdk")), ==, 0);
    broken =
        vd_chain_examine(t->ctx, api_test_path(t, "top.vmdk"), NULL, &error);
    g_assert_no_error(error);
    link = broken->pdata[broken->len - 1];
    g_assert_cmpuint(link->problems->len, ==, 1);
    g_assert_null(
        vd_chain_examine(t->ctx, api_test_path(t, "absent"), NULL, &error));
    assert_error(&error, VD_ERROR_NOT_FOUND);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    api_test_add("/api/life/metadata-of-a-chain", test_metadata_of_a_chain);
    api_test_add("/api/life/metadata-impossible", test_metadata_that_cannot_be);
    api_test_add("/api/life/files", test_files_of_a_disk);
    api_test_add("/api/life/rename-and-unlink", test_renaming_and_removing);
    api_test_add("/api/life/clone", test_a_clone_is_like_its_source);
    api_test_add("/api/life/larger-clone", test_a_clone_may_be_larger);
    api_test_add("/api/life/kind-of-a-clone", test_the_kind_of_a_clone);
    api_test_add("/api/life/children", test_children);
    api_test_add("/api/life/measure", test_measuring);
    api_test_add("/api/life/chain", test_a_chain_is_examined);
    return g_test_run();
}
