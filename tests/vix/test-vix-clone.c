/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/vix/test-vix-clone.c - copies, and how large they would be. */
#include "tests/vix/vix-test.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#define CAPACITY (40 * GRAIN + 5)
#define READ_ONLY VIXDISKLIB_FLAG_OPEN_READ_ONLY

static VixError
copy_disk(const VixTest *t, const char *to, const char *from,
          const VixDiskLibCreateParams *params, Bool overwrite)
{
    return VixDiskLib_Clone(t->connection, to, t->connection, from, params,
                            NULL, NULL, overwrite);
}

/* Grain 0 is of the base, grain 20 of the child. */
static const char *
make_chain(const VixTest *t, VixDiskLibDiskType type)
{
    const char *base = vix_test_create(t, "base.vmdk", type, CAPACITY);
    const char *child = vix_test_path(t, "child.vmdk");
    VixDiskLibHandle disk = vix_test_open(t, base, 0);

    vix_test_write(disk, 0, GRAIN, 1);
    assert_ok(VixDiskLib_WriteMetadata(disk, "note", "kept"));
    assert_ok(VixDiskLib_CreateChild(
        disk, child, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, NULL, NULL));
    vix_test_close(disk);
    disk = vix_test_open(t, child, 0);
    vix_test_write(disk, 20 * GRAIN, GRAIN, 2);
    vix_test_close(disk);
    return child;
}

static void
assert_like_chain(const VixTest *t, const char *path, uint64 capacity)
{
    VixDiskLibHandle disk = vix_test_open(t, path, READ_ONLY);
    VixDiskLibInfo *info;

    assert_ok(VixDiskLib_GetInfo(disk, &info));
    g_assert_cmpint(info->numLinks, ==, 1);
    g_assert_null(info->parentFileNameHint);
    g_assert_cmpuint(info->capacity, ==, capacity);
    VixDiskLib_FreeInfo(info);
    vix_test_assert_reads(disk, 0, GRAIN, 1);
    vix_test_assert_reads(disk, GRAIN, 19 * GRAIN, 0);
    vix_test_assert_reads(disk, 20 * GRAIN, GRAIN, 2);
    vix_test_assert_reads(disk, 21 * GRAIN, capacity - 21 * GRAIN, 0);
    vix_test_assert_meta(disk, "note", "kept");
    vix_test_close(disk);
    vix_test_assert_sound(path);
}

/* -- copies ---------------------------------------------------------------- */

static void
test_all_kinds(VixTest *t, gconstpointer data)
{
    const char *child = make_chain(t, VIXDISKLIB_DISK_SPLIT_SPARSE);
    const char *copy = vix_test_path(t, "copy.vmdk");
    VixDiskLibCreateParams params = {
        .adapterType = VIXDISKLIB_ADAPTER_SCSI_LSILOGIC,
        .hwVersion = 10,
        .capacity = 1,
    };
    VixDiskLibHandle disk;

    for (unsigned type = 1; type <= 8; type++) {
        params.diskType = type;
        assert_ok(copy_disk(t, copy, child, &params, FALSE));
        assert_like_chain(t, copy, CAPACITY);
        disk = vix_test_open(t, copy, READ_ONLY);
        vix_test_assert_meta(disk, "adapterType", "lsilogic");
        vix_test_assert_meta(disk, "virtualHWVersion", "10");
        vix_test_close(disk);
        assert_ok(VixDiskLib_Unlink(t->connection, copy));
    }
}

/* What the parameters leave open is as in the source, the kind of its base. */
static void
test_like_the_source(VixTest *t, gconstpointer data)
{
    const VixDiskLibCreateParams open = {
        .diskType = VIXDISKLIB_DISK_UNKNOWN,
        .adapterType = VIXDISKLIB_ADAPTER_UNKNOWN,
    };
    const char *child = make_chain(t, VIXDISKLIB_DISK_MONOLITHIC_FLAT);
    const VixDiskLibCreateParams *params[] = {&open, NULL};
    VixDiskLibHandle disk;

    for (unsigned i = 0; i < G_N_ELEMENTS(params); i++) {
        const char *copy = vix_test_path(t, i ? "c.vmdk" : "d.vmdk");

        assert_ok(copy_disk(t, copy, child, params[i], FALSE));
        assert_like_chain(t, copy, CAPACITY);
        g_assert_true(vix_test_exists(
            vix_test_path(t, i ? "c-flat.vmdk" : "d-flat.vmdk")));
        disk = vix_test_open(t, copy, READ_ONLY);
        vix_test_assert_meta(disk, "adapterType", "buslogic");
        vix_test_close(disk);
    }
}

/* Never smaller than the source. */
static void
test_capacities(VixTest *t, gconstpointer data)
{
    const char *child = make_chain(t, VIXDISKLIB_DISK_MONOLITHIC_SPARSE);
    VixDiskLibCreateParams params = {
        .diskType = VIXDISKLIB_DISK_MONOLITHIC_SPARSE,
        .adapterType = VIXDISKLIB_ADAPTER_IDE,
        .capacity = CAPACITY - 1,
    };

    assert_ok(copy_disk(t, vix_test_path(t, "s.vmdk"), child, &params, FALSE));
    assert_like_chain(t, vix_test_path(t, "s.vmdk"), CAPACITY);
    params.capacity = 2 * CAPACITY;
    assert_ok(copy_disk(t, vix_test_path(t, "l.vmdk"), child, &params, FALSE));
    assert_like_chain(t, vix_test_path(t, "l.vmdk"), 2 * CAPACITY);
    params.capacity = UINT64_MAX;
    assert_mistake(
        copy_disk(t, vix_test_path(t, "x.vmdk"), child, &params, FALSE),
        VIX_E_ARGUMENT_TOO_BIG, "capacity");
    g_assert_false(vix_test_exists(vix_test_path(t, "x.vmdk")));
}

static void
test_overwriting(VixTest *t, gconstpointer data)
{
    const char *child = make_chain(t, VIXDISKLIB_DISK_MONOLITHIC_SPARSE);
    const char *copy = vix_test_create(
        t, "copy.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, GRAIN);
    VixDiskLibHandle disk;

    assert_fails(copy_disk(t, copy, child, NULL, FALSE),
                 VIX_E_FILE_ALREADY_EXISTS, copy);
    disk = vix_test_open(t, copy, READ_ONLY);
    assert_fails(copy_disk(t, copy, child, NULL, TRUE),
                 VIX_E_FILE_ALREADY_LOCKED, copy);
    vix_test_assert_reads(disk, 0, GRAIN, 0);
    vix_test_close(disk);
    assert_ok(copy_disk(t, copy, child, NULL, TRUE));
    assert_like_chain(t, copy, CAPACITY);
    assert_fails(copy_disk(t, child, child, NULL, TRUE),
                 VIX_E_FILE_ALREADY_LOCKED, child);
    assert_like_chain(t, copy, CAPACITY);
}

static void
test_failures(VixTest *t, gconstpointer data)
{
    const char *child = make_chain(t, VIXDISKLIB_DISK_MONOLITHIC_SPARSE);
    const char *copy = vix_test_path(t, "copy.vmdk");
    const char *junk = vix_test_path(t, "junk.vmdk");
    VixDiskLibCreateParams params = {.diskType = 9};

    assert_mistake(copy_disk(t, copy, child, &params, FALSE), VIX_E_INVALID_ARG,
                   "subformat 9");
    assert_mistake(copy_disk(t, NULL, child, NULL, FALSE), VIX_E_INVALID_ARG,
                   "no path");
    assert_mistake(copy_disk(t, copy, "", NULL, FALSE), VIX_E_INVALID_ARG,
                   "no path");
    assert_mistake(VixDiskLib_Clone(NULL, copy, t->connection, child, NULL,
                                    NULL, NULL, TRUE),
                   VIX_E_DISK_INVALID_CONNECTION, "no connection");
    assert_mistake(VixDiskLib_Clone(t->connection, copy, NULL, child, NULL,
                                    NULL, NULL, TRUE),
                   VIX_E_DISK_INVALID_CONNECTION, "no connection");
    assert_fails(copy_disk(t, copy, vix_test_path(t, "none.vmdk"), NULL, FALSE),
                 VIX_E_FILE_NOT_FOUND, "none.vmdk");
    g_file_set_contents(junk, "junk", 4, NULL);
    assert_fails(copy_disk(t, copy, junk, NULL, FALSE), VIX_E_DISK_INVALIDDISK,
                 "");
    assert_fails(
        copy_disk(t, vix_test_path(t, "no/copy.vmdk"), child, NULL, FALSE),
        VIX_E_FILE_NOT_FOUND, "copy.vmdk");
    g_assert_cmpint(g_unlink(vix_test_path(t, "base.vmdk")), ==, 0);
    assert_fails(copy_disk(t, copy, child, NULL, FALSE), VIX_E_DISK_OPENPARENT,
                 "base.vmdk");
    g_assert_false(vix_test_exists(copy));
}

static void
test_progress(VixTest *t, gconstpointer data)
{
    const char *path = vix_test_create(
        t, "big.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT, 1024 * GRAIN);
    const char *copy = vix_test_path(t, "copy.vmdk");
    VixDiskLibHandle disk = vix_test_open(t, path, 0);
    VixTestProgress p;

    for (unsigned i = 0; i < 1024; i += 16)
        vix_test_write(disk, i * GRAIN, 16 * GRAIN, i + 1);
    vix_test_close(disk);
    vix_test_progress_init(&p);
    assert_ok(VixDiskLib_Clone(t->connection, copy, t->connection, path, NULL,
                               vix_test_progress, &p, FALSE));
    vix_test_assert_progress(&p);
    g_assert_cmpuint(p.calls, >, 2);
    VixDiskLibExt_SetProgressCancels(TRUE);
    vix_test_progress_init(&p);
    p.stop_at = 1;
    assert_fails(VixDiskLib_Clone(t->connection, vix_test_path(t, "c2.vmdk"),
                                  t->connection, path, NULL, vix_test_progress,
                                  &p, FALSE),
                 VIX_E_CANCELLED, "");
    g_assert_cmpint(p.last, <, 100);
    g_assert_false(vix_test_exists(vix_test_path(t, "c2.vmdk")));
    g_assert_false(vix_test_exists(vix_test_path(t, "c2-flat.vmdk")));
    VixDiskLibExt_SetProgressCancels(FALSE);
}

/* -- how large ------------------------------------------------------------- */

static uint64
bytes_of(const VixTest *t, const char *name)
{
    struct stat st;

    if (g_stat(vix_test_path(t, name), &st) != 0)
        return 0;
    return (uint64) st.st_size;
}

/* Of all the names that a copy can have. */
static uint64
bytes_of_copy(const VixTest *t)
{
    return bytes_of(t, "k.vmdk") + bytes_of(t, "k-flat.vmdk") +
           bytes_of(t, "k-s001.vmdk") + bytes_of(t, "k-f001.vmdk") +
           bytes_of(t, "k-delta.vmdk");
}

static void
check_space(VixTest *t, VixDiskLibHandle disk, const char *source,
            VixDiskLibDiskType type)
{
    VixDiskLibCreateParams params = {.diskType = type,
                                     .adapterType = VIXDISKLIB_ADAPTER_UNKNOWN};
    const char *copy = vix_test_path(t, "k.vmdk");
    uint64 needed = 0, found;

    assert_ok(VixDiskLib_SpaceNeededForClone(disk, type, &needed));
    assert_ok(copy_disk(t, copy, source, &params, FALSE));
    found = bytes_of_copy(t);
    g_test_message("type %u: %" G_GUINT64_FORMAT
                   " bytes said, %" G_GUINT64_FORMAT " there",
                   type, needed, found);
    g_assert_cmpuint(found, <=, needed);
    g_assert_cmpuint(needed, <=, found + 65536);
    assert_ok(VixDiskLib_Unlink(t->connection, copy));
}

static void
test_space(VixTest *t, gconstpointer data)
{
    const char *child = make_chain(t, VIXDISKLIB_DISK_VMFS_FLAT);
    VixDiskLibHandle disk = vix_test_open(t, child, READ_ONLY);
    uint64 needed, same;

    for (unsigned type = 1; type <= 8; type++)
        check_space(t, disk, child, type);
    check_space(t, disk, child, VIXDISKLIB_DISK_UNKNOWN);
    assert_ok(VixDiskLib_SpaceNeededForClone(disk, VIXDISKLIB_DISK_VMFS_FLAT,
                                             &needed));
    assert_ok(
        VixDiskLib_SpaceNeededForClone(disk, VIXDISKLIB_DISK_UNKNOWN, &same));
    g_assert_cmpuint(needed, ==, same);
    needed = 1;
    assert_mistake(VixDiskLib_SpaceNeededForClone(disk, 9, &needed),
                   VIX_E_INVALID_ARG, "type 9");
    g_assert_cmpuint(needed, ==, 0);
    assert_mistake(VixDiskLib_SpaceNeededForClone(disk, 1, NULL),
                   VIX_E_INVALID_ARG, "no place");
    vix_test_close(disk);
    assert_mistake(VixDiskLib_SpaceNeededForClone(disk, 1, &needed),
                   VIX_E_INVALID_HANDLE, "no handle");
    assert_ok(VixDiskLib_Disconnect(t->connection));
    VixDiskLib_Exit();
    assert_vix(VixDiskLib_SpaceNeededForClone(disk, 1, &needed),
               VIX_E_DISK_NOINIT);
    assert_vix(VixDiskLib_Clone(NULL, "a", NULL, "b", NULL, NULL, NULL, FALSE),
               VIX_E_DISK_NOINIT);
    t->connection = NULL;
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    vix_test_add("/vix/clone/all-kinds", test_all_kinds);
    vix_test_add("/vix/clone/like-the-source", test_like_the_source);
    vix_test_add("/vix/clone/capacities", test_capacities);
    vix_test_add("/vix/clone/overwriting", test_overwriting);
    vix_test_add("/vix/clone/failures", test_failures);
    vix_test_add("/vix/clone/progress", test_progress);
    vix_test_add("/vix/clone/space", test_space);
    return g_test_run();
}
