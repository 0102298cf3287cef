/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-bitmap.c - dirty bitmaps of an image through the API:
 * what they are afterwards, and how it fails. */
#include "include/vdisk-snapshot.h"
#include "tests/unit/api-test.h"

static const ApiTestKind v3 = {"qcow2", NULL};
static const ApiTestKind v2 = {"qcow2", "compat=0.10"};
static const ApiTestKind raw = {"raw", NULL};

static VdDisk *
make(const ApiTest *t, const char *name, const ApiTestKind *kind, uint64_t size)
{
    const char *path = api_test_path(t, name);

    api_test_create(t, path, kind, size);
    return api_test_open(t, path, kind->format, VD_OPEN_RDWR);
}

static void
assert_bitmap(VdDisk *disk, unsigned i, const char *name, uint64_t granularity,
              bool enabled)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) list = vd_disk_list_bitmaps(disk, &error);
    const VdBitmap *bitmap;

    g_assert_no_error(error);
    g_assert_cmpuint(list->len, >, i);
    bitmap = list->pdata[i];
    g_assert_cmpstr(bitmap->name, ==, name);
    g_assert_cmpuint(bitmap->granularity, ==, granularity);
    g_assert_cmpint(bitmap->enabled, ==, enabled);
    g_assert_false(bitmap->in_use);
}

static unsigned
count(VdDisk *disk)
{
    g_autoptr(GPtrArray) list = vd_disk_list_bitmaps(disk, NULL);

    g_assert_nonnull(list);
    return list->len;
}

static void
assert_fails(bool ok, GError **error, VdErrorCode code)
{
    g_assert_false(ok);
    g_assert_error(*error, VD_ERROR, (int) code);
    g_clear_error(error);
}

static void
test_changes(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = make(t, "a.qcow2", &v3, MIB);
    g_autoptr(GArray) dirty = NULL;

    g_assert_true(vd_disk_add_bitmap(disk, "a", 0, true, NULL));
    g_assert_true(vd_disk_add_bitmap(disk, "b", 512, false, NULL));
    assert_bitmap(disk, 0, "a", 64 * KIB, true);
    assert_bitmap(disk, 1, "b", 512, false);
    g_assert_true(vd_disk_enable_bitmap(disk, "b", true, NULL));
    g_assert_true(vd_disk_enable_bitmap(disk, "a", false, NULL));
    assert_bitmap(disk, 0, "a", 64 * KIB, false);
    assert_bitmap(disk, 1, "b", 512, true);
    g_assert_true(vd_disk_clear_bitmap(disk, "b", NULL));
    g_assert_true(vd_disk_merge_bitmap(disk, "a", NULL, "b", NULL));
    dirty = vd_disk_get_dirty(disk, "a", 0, MIB, NULL);
    g_assert_nonnull(dirty);
    g_assert_cmpuint(dirty->len, ==, 0);
    g_assert_true(vd_disk_remove_bitmap(disk, "a", NULL));
    assert_bitmap(disk, 0, "b", 512, true);
    g_assert_cmpuint(count(disk), ==, 1);
    api_test_close(disk);
}

/* Also that a write ends them, and a new one stands alone then. */
static void
test_write_ends(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = make(t, "a.qcow2", &v3, MIB);
    g_autoptr(GError) error = NULL;

    g_assert_true(vd_disk_add_bitmap(disk, "a", 0, true, NULL));
    g_assert_true(vd_disk_pwrite(disk, "data", 4, 0, 0, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(count(disk), ==, 0);
    assert_fails(vd_disk_remove_bitmap(disk, "a", &error), &error,
                 VD_ERROR_NOT_FOUND);
    g_assert_true(vd_disk_add_bitmap(disk, "b", 0, true, NULL));
    assert_bitmap(disk, 0, "b", 64 * KIB, true);
    g_assert_cmpuint(count(disk), ==, 1);
    api_test_close(disk);
}

static void
test_words(ApiTest *t, gconstpointer unused)
{
    static const uint64_t granularities[] = {1, 256, 1000, 4 * GIB, UINT64_MAX};
    VdDisk *disk = make(t, "a.qcow2", &v3, MIB);
    g_autofree char *name = g_strnfill(1024, 'x');
    g_autoptr(GError) error = NULL;

    for (unsigned i = 0; i < G_N_ELEMENTS(granularities); i++)
        assert_fails(
            vd_disk_add_bitmap(disk, "a", granularities[i], true, &error),
            &error, VD_ERROR_INVALID_ARGUMENT);
    assert_fails(vd_disk_add_bitmap(disk, "", 0, true, &error), &error,
                 VD_ERROR_INVALID_ARGUMENT);
    assert_fails(vd_disk_add_bitmap(disk, name, 0, true, &error), &error,
                 VD_ERROR_LIMIT);
    g_assert_true(vd_disk_add_bitmap(disk, name + 1, 2 * GIB, true, NULL));
    assert_fails(vd_disk_add_bitmap(disk, name + 1, 0, true, &error), &error,
                 VD_ERROR_EXISTS);
    assert_bitmap(disk, 0, name + 1, 2 * GIB, true);
    g_assert_cmpuint(count(disk), ==, 1);
    api_test_close(disk);
}

static void
test_missing(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = make(t, "a.qcow2", &v3, MIB);
    g_autoptr(GError) error = NULL;

    g_assert_true(vd_disk_add_bitmap(disk, "a", 0, true, NULL));
    assert_fails(vd_disk_remove_bitmap(disk, "b", &error), &error,
                 VD_ERROR_NOT_FOUND);
    assert_fails(vd_disk_clear_bitmap(disk, "b", &error), &error,
                 VD_ERROR_NOT_FOUND);
    assert_fails(vd_disk_enable_bitmap(disk, "b", true, &error), &error,
                 VD_ERROR_NOT_FOUND);
    assert_fails(vd_disk_merge_bitmap(disk, "b", NULL, "a", &error), &error,
                 VD_ERROR_NOT_FOUND);
    assert_fails(vd_disk_merge_bitmap(disk, "a", NULL, "b", &error), &error,
                 VD_ERROR_NOT_FOUND);
    api_test_close(disk);
}

static void
test_merge_across(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = make(t, "a.qcow2", &v3, MIB);
    VdDisk *other = make(t, "b.qcow2", &v3, 2 * MIB);
    VdDisk *plain = make(t, "c.raw", &raw, MIB);
    g_autoptr(GError) error = NULL;

    g_assert_true(vd_disk_add_bitmap(disk, "a", 0, true, NULL));
    g_assert_true(vd_disk_add_bitmap(other, "a", 0, true, NULL));
    assert_fails(vd_disk_merge_bitmap(disk, "a", other, "a", &error), &error,
                 VD_ERROR_INVALID_ARGUMENT);
    assert_fails(vd_disk_merge_bitmap(disk, "a", plain, "a", &error), &error,
                 VD_ERROR_NOT_FOUND);
    api_test_close(plain);
    api_test_close(other);
    api_test_close(disk);
}

static void
test_not_there(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = make(t, "a.raw", &raw, MIB), *old;
    g_autoptr(GError) error = NULL;

    assert_fails(vd_disk_add_bitmap(disk, "a", 0, true, &error), &error,
                 VD_ERROR_NOT_SUPPORTED);
    api_test_close(disk);
    old = make(t, "old.qcow2", &v2, MIB);
    assert_fails(vd_disk_add_bitmap(old, "a", 0, true, &error), &error,
                 VD_ERROR_NOT_SUPPORTED);
    api_test_close(old);
    old = api_test_open(t, api_test_path(t, "old.qcow2"), "qcow2", 0);
    assert_fails(vd_disk_add_bitmap(old, "a", 0, true, &error), &error,
                 VD_ERROR_READ_ONLY);
    api_test_close(old);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    api_test_add("/api/bitmap/changes", test_changes);
    api_test_add("/api/bitmap/write", test_write_ends);
    api_test_add("/api/bitmap/words", test_words);
    api_test_add("/api/bitmap/missing", test_missing);
    api_test_add("/api/bitmap/across", test_merge_across);
    api_test_add("/api/bitmap/formats", test_not_there);
    return g_test_run();
}
