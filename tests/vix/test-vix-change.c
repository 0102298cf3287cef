/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/vix/test-vix-change.c - growing, shrinking, repairing, renaming and
 * removing disks. */
#include "tests/vix/vix-test.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CAPACITY (64 * GRAIN)
#define READ_ONLY VIXDISKLIB_FLAG_OPEN_READ_ONLY

static uint64
file_size(const char *path)
{
    struct stat st;

    g_assert_cmpint(g_stat(path, &st), ==, 0);
    return (uint64) st.st_size;
}

static const char *
make_child_of(const VixTest *t, const char *parent)
{
    const char *child = vix_test_path(t, "child.vmdk");
    VixDiskLibHandle disk = vix_test_open(t, parent, READ_ONLY);

    assert_ok(VixDiskLib_CreateChild(
        disk, child, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, NULL, NULL));
    vix_test_close(disk);
    return child;
}

/* -- growing ----------------------------------------------------------------
 */

static VixError
grow(const VixTest *t, const char *path, uint64 capacity, Bool geometry)
{
    return VixDiskLib_Grow(t->connection, path, capacity, geometry, NULL, NULL);
}

static void
check_grow(VixTest *t, VixDiskLibDiskType type, Bool geometry)
{
    const char *path = vix_test_create(t, "g.vmdk", type, CAPACITY);
    VixDiskLibHandle disk = vix_test_open(t, path, 0);
    g_autofree char *before = vix_test_meta(disk, "geometry.cylinders");
    g_autofree char *after = NULL;
    VixTestProgress p;

    vix_test_write(disk, CAPACITY - 1, 1, 3);
    vix_test_close(disk);
    vix_test_progress_init(&p);
    assert_ok(VixDiskLib_Grow(t->connection, path, 1000 * CAPACITY + 1,
                              geometry, vix_test_progress, &p));
    vix_test_assert_progress(&p);
    disk = vix_test_open(t, path, 0);
    after = vix_test_meta(disk, "geometry.cylinders");
    g_assert_cmpint(strcmp(before, after) != 0, ==, geometry);
    vix_test_assert_reads(disk, CAPACITY - 1, 1, 3);
    vix_test_assert_reads(disk, CAPACITY, CAPACITY, 0);
    vix_test_write(disk, 1000 * CAPACITY, 1, 4);
    vix_test_assert_reads(disk, 1000 * CAPACITY, 1, 4);
    vix_test_close(disk);
    vix_test_assert_sound(path);
    assert_ok(VixDiskLib_Unlink(t->connection, path));
}

static void
test_grow(VixTest *t, gconstpointer data)
{
    check_grow(t, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, TRUE);
    check_grow(t, VIXDISKLIB_DISK_SPLIT_SPARSE, FALSE);
    check_grow(t, VIXDISKLIB_DISK_VMFS_FLAT, TRUE);
    check_grow(t, VIXDISKLIB_DISK_SPLIT_FLAT, FALSE);
}

static void
test_grow_refused(VixTest *t, gconstpointer data)
{
    const char *path = vix_test_create(
        t, "g.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CAPACITY);
    const char *stream = vix_test_create(
        t, "s.vmdk", VIXDISKLIB_DISK_STREAM_OPTIMIZED, CAPACITY);
    const char *child;
    VixDiskLibHandle disk;

    assert_mistake(grow(t, NULL, CAPACITY, TRUE), VIX_E_INVALID_ARG, "no path");
    assert_mistake(VixDiskLib_Grow(NULL, path, CAPACITY, TRUE, NULL, NULL),
                   VIX_E_DISK_INVALID_CONNECTION, "no connection");
    assert_mistake(grow(t, path, CAPACITY - 1, TRUE), VIX_E_INVALID_ARG,
                   "less than the 8192");
    assert_mistake(grow(t, path, 0, TRUE), VIX_E_INVALID_ARG, "less than");
    assert_mistake(grow(t, path, UINT64_MAX, TRUE), VIX_E_ARGUMENT_TOO_BIG,
                   "capacity");
    assert_fails(grow(t, path, G_MAXINT64 / SECTOR, TRUE),
                 VIX_E_ARGUMENT_TOO_BIG, "");
    assert_ok(grow(t, path, CAPACITY, TRUE)); /* it has that already */
    assert_fails(grow(t, vix_test_path(t, "none"), CAPACITY, TRUE),
                 VIX_E_FILE_NOT_FOUND, "none");
    assert_fails(grow(t, stream, 2 * CAPACITY, TRUE), VIX_E_FILE_READ_ONLY,
                 "s.vmdk");
    disk = vix_test_open(t, path, READ_ONLY);
    assert_fails(grow(t, path, 2 * CAPACITY, TRUE), VIX_E_FILE_ALREADY_LOCKED,
                 path);
    vix_test_close(disk);
    child = make_child_of(t, path);
    assert_fails(grow(t, path, 2 * CAPACITY, TRUE), VIX_E_DISK_NOTSUPPORTED,
                 child);
    assert_fails(grow(t, child, 2 * CAPACITY, TRUE), VIX_E_DISK_NOTSUPPORTED,
                 "has a parent");
    disk = vix_test_open(t, child, READ_ONLY);
    vix_test_assert_reads(disk, 0, CAPACITY, 0);
    vix_test_close(disk);
}

static void
test_grow_cancelled(VixTest *t, gconstpointer data)
{
    const char *path = vix_test_create(
        t, "g.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CAPACITY);
    VixDiskLibHandle disk;
    VixDiskLibInfo *info;
    VixTestProgress p;

    VixDiskLibExt_SetProgressCancels(TRUE);
    vix_test_progress_init(&p);
    p.stop_at = 0;
    assert_mistake(VixDiskLib_Grow(t->connection, path, 2 * CAPACITY, TRUE,
                                   vix_test_progress, &p),
                   VIX_E_CANCELLED, "progress");
    VixDiskLibExt_SetProgressCancels(FALSE);
    disk = vix_test_open(t, path, READ_ONLY);
    assert_ok(VixDiskLib_GetInfo(disk, &info));
    g_assert_cmpuint(info->capacity, ==, CAPACITY);
    VixDiskLib_FreeInfo(info);
    vix_test_close(disk);
}

/* -- shrinking and defragmenting --------------------------------------------
 */

/* Grains in descending order; every second one is zeroes. */
static VixDiskLibHandle
open_scattered(const VixTest *t, VixDiskLibDiskType type)
{
    VixDiskLibHandle disk =
        vix_test_open(t, vix_test_create(t, "s.vmdk", type, CAPACITY), 0);

    for (unsigned i = 64; i-- > 0;)
        vix_test_write(disk, i * GRAIN, GRAIN, i % 2 ? i : 0);
    return disk;
}

static void
assert_scattered(VixDiskLibHandle disk)
{
    for (unsigned i = 0; i < 64; i++)
        vix_test_assert_reads(disk, i * GRAIN, GRAIN, i % 2 ? i : 0);
}

static void
test_shrink(VixTest *t, gconstpointer data)
{
    VixDiskLibHandle disk =
        open_scattered(t, VIXDISKLIB_DISK_MONOLITHIC_SPARSE);
    const char *path = vix_test_path(t, "s.vmdk");
    uint64 before, after;
    VixTestProgress p;

    assert_ok(VixDiskLib_Flush(disk));
    before = file_size(path);
    vix_test_progress_init(&p);
    p.inside = disk;
    assert_ok(VixDiskLib_Shrink(disk, vix_test_progress, &p));
    vix_test_assert_progress(&p);
    assert_scattered(disk);
    vix_test_write(disk, 0, 1, 0);
    vix_test_close(disk);
    after = file_size(path);
    g_assert_cmpuint(after, <=, before - 30 * GRAIN * SECTOR);
    disk = vix_test_open(t, path, READ_ONLY);
    assert_scattered(disk);
    vix_test_close(disk);
    vix_test_assert_sound(path);
}

/* A handle can be used as before when its operation was cancelled. */
static void
test_shrink_cancelled(VixTest *t, gconstpointer data)
{
    VixDiskLibHandle disk = open_scattered(t, VIXDISKLIB_DISK_SPLIT_SPARSE);
    VixTestProgress p;

    VixDiskLibExt_SetProgressCancels(TRUE);
    for (int stop = 0; stop < 3; stop++) {
        vix_test_progress_init(&p);
        p.stop_at = stop;
        assert_vix(VixDiskLib_Shrink(disk, vix_test_progress, &p),
                   VIX_E_CANCELLED);
        vix_test_forgive();
        assert_scattered(disk);
    }
    VixDiskLibExt_SetProgressCancels(FALSE);
    assert_ok(VixDiskLib_Shrink(disk, NULL, NULL));
    assert_ok(VixDiskLib_Defragment(disk, NULL, NULL));
    assert_scattered(disk);
    vix_test_close(disk);
    vix_test_assert_sound(vix_test_path(t, "s.vmdk"));
}

static void
test_shrink_refused(VixTest *t, gconstpointer data)
{
    const char *path = vix_test_create(
        t, "p.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CAPACITY);
    const char *child = make_child_of(t, path);
    VixDiskLibHandle disk = vix_test_open(t, child, 0);

    assert_mistake(VixDiskLib_Shrink(disk, NULL, NULL), VIX_E_DISK_CANTSHRINK,
                   "has a parent");
    vix_test_close(disk);
    disk = vix_test_open(t, child, VIXDISKLIB_FLAG_OPEN_SINGLE_LINK);
    assert_mistake(VixDiskLib_Shrink(disk, NULL, NULL), VIX_E_DISK_CANTSHRINK,
                   "has a parent");
    vix_test_close(disk);
    disk = vix_test_open(t, path, 0);
    assert_mistake(VixDiskLib_Shrink(disk, NULL, NULL), VIX_E_DISK_CANTSHRINK,
                   "has children");
    vix_test_close(disk);
    disk = vix_test_open(t, path, READ_ONLY);
    assert_mistake(VixDiskLib_Shrink(disk, NULL, NULL), VIX_E_FILE_READ_ONLY,
                   "read-only");
    assert_mistake(VixDiskLib_Defragment(disk, NULL, NULL),
                   VIX_E_FILE_READ_ONLY, "read-only");
    vix_test_close(disk);
    assert_mistake(VixDiskLib_Shrink(disk, NULL, NULL), VIX_E_INVALID_HANDLE,
                   "no handle");
    assert_mistake(VixDiskLib_Defragment(NULL, NULL, NULL),
                   VIX_E_INVALID_HANDLE, "no handle");
}

static void
check_flat(VixTest *t, VixDiskLibDiskType type)
{
    VixDiskLibHandle disk =
        vix_test_open(t, vix_test_create(t, "f.vmdk", type, CAPACITY), 0);
    VixTestProgress p;

    vix_test_write(disk, 5, 1, 1);
    assert_mistake(VixDiskLib_Shrink(disk, NULL, NULL), VIX_E_DISK_CANTSHRINK,
                   "is flat");
    vix_test_progress_init(&p);
    assert_ok(VixDiskLib_Defragment(disk, vix_test_progress, &p));
    vix_test_assert_progress(&p);
    vix_test_assert_reads(disk, 5, 1, 1);
    vix_test_close(disk);
    assert_ok(VixDiskLib_Unlink(t->connection, vix_test_path(t, "f.vmdk")));
}

static void
test_flat_disks(VixTest *t, gconstpointer data)
{
    check_flat(t, VIXDISKLIB_DISK_MONOLITHIC_FLAT);
    check_flat(t, VIXDISKLIB_DISK_SPLIT_FLAT);
    check_flat(t, VIXDISKLIB_DISK_VMFS_THIN);
}

static void
test_defragment(VixTest *t, gconstpointer data)
{
    VixDiskLibHandle disk =
        open_scattered(t, VIXDISKLIB_DISK_MONOLITHIC_SPARSE);
    const char *path = vix_test_path(t, "s.vmdk"), *child;
    VixTestProgress p;

    vix_test_progress_init(&p);
    p.inside = disk;
    assert_ok(VixDiskLib_Defragment(disk, vix_test_progress, &p));
    vix_test_assert_progress(&p);
    assert_scattered(disk);
    vix_test_close(disk);
    vix_test_assert_sound(path);
    /* A child is as good as any other link. */
    child = make_child_of(t, path);
    disk = vix_test_open(t, child, 0);
    for (unsigned i = 10; i-- > 0;)
        vix_test_write(disk, i * GRAIN, GRAIN, 100 + i);
    assert_ok(VixDiskLib_Defragment(disk, NULL, NULL));
    for (unsigned i = 0; i < 10; i++)
        vix_test_assert_reads(disk, i * GRAIN, GRAIN, 100 + i);
    vix_test_close(disk);
}

/* -- checking ----------------------------------------------------------------
 */

static VixError
check(const VixTest *t, const char *path, Bool repair)
{
    return VixDiskLib_CheckRepair(t->connection, path, repair);
}

static void
overwrite(const char *path, uint64 off, const void *bytes, size_t len)
{
    int fd = g_open(path, O_RDWR, 0);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pwrite(fd, bytes, len, (off_t) off), ==, (int) len);
    g_assert_cmpint(close(fd), ==, 0);
}

static uint64
le64_at(const char *path, uint64 off)
{
    uint64 value;
    int fd = g_open(path, O_RDONLY, 0);

    g_assert_cmpint(pread(fd, &value, sizeof(value), (off_t) off), ==, 8);
    g_assert_cmpint(close(fd), ==, 0);
    return GUINT64_FROM_LE(value);
}

/* The first table of one copy names places far behind the file's end. */
static void
break_table(const char *path, uint64 directory_field)
{
    uint64 gd = le64_at(path, directory_field) * SECTOR;
    uint64 gt = (le64_at(path, gd) & 0xffffffff) * SECTOR;
    uint32 bad = GUINT32_TO_LE(0x00ffff80);

    overwrite(path, gt, &bad, sizeof(bad));
}

#define RGD_FIELD 48
#define GD_FIELD 56

static const char *
make_written(const VixTest *t)
{
    const char *path = vix_test_create(
        t, "c.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CAPACITY);
    VixDiskLibHandle disk = vix_test_open(t, path, 0);

    vix_test_write(disk, 0, 10 * GRAIN, 1);
    vix_test_close(disk);
    return path;
}

static void
test_check(VixTest *t, gconstpointer data)
{
    const char *path = make_written(t), *child;

    assert_ok(check(t, path, FALSE));
    assert_ok(check(t, path, TRUE));
    for (unsigned type = 1; type <= 8; type++) {
        const char *other = vix_test_create(t, "k.vmdk", type, CAPACITY);

        assert_ok(check(t, other, FALSE));
        assert_ok(check(t, other, TRUE));
        assert_ok(VixDiskLib_Unlink(t->connection, other));
    }
    /* One link; its parent is not looked at. */
    child = make_child_of(t, path);
    g_assert_cmpint(g_unlink(path), ==, 0);
    assert_ok(check(t, child, FALSE));
    assert_ok(check(t, child, TRUE));
}

static void
test_repair(VixTest *t, gconstpointer data)
{
    const char *path = make_written(t);
    VixDiskLibHandle disk;

    break_table(path, GD_FIELD);
    assert_mistake(check(t, path, FALSE), VIX_E_DISK_NEEDSREPAIR, path);
    assert_mistake(check(t, path, FALSE), VIX_E_DISK_NEEDSREPAIR, path);
    assert_ok(check(t, path, TRUE));
    assert_ok(check(t, path, FALSE));
    disk = vix_test_open(t, path, READ_ONLY);
    vix_test_assert_reads(disk, 0, 10 * GRAIN, 1);
    vix_test_close(disk);
    vix_test_assert_sound(path);
}

/* A data file that is lost; directories that no field leads to; words. */
static void
test_beyond_repair(VixTest *t, gconstpointer data)
{
    const uint64 two_files = UINT64_C(3) << 21, nowhere = GUINT64_TO_LE(99999);
    const char *split = vix_test_create(
        t, "split.vmdk", VIXDISKLIB_DISK_SPLIT_SPARSE, two_files);
    const char *path = make_written(t);
    const char *junk = vix_test_path(t, "junk.vmdk");
    g_autofree char *before = NULL, *after = NULL;
    gsize len_before, len_after;

    g_assert_cmpint(g_unlink(vix_test_path(t, "split-s002.vmdk")), ==, 0);
    assert_mistake(check(t, split, FALSE), VIX_E_DISK_NEEDSREPAIR, split);
    for (unsigned i = 0; i < 2; i++)
        assert_mistake(check(t, split, TRUE), VIX_E_DISK_CANTREPAIR, split);
    overwrite(path, GD_FIELD, &nowhere, sizeof(nowhere));
    overwrite(path, RGD_FIELD, &nowhere, sizeof(nowhere));
    g_file_get_contents(path, &before, &len_before, NULL);
    assert_mistake(check(t, path, FALSE), VIX_E_DISK_INVALIDDISK, path);
    assert_fails(check(t, path, TRUE), VIX_E_DISK_CANTREPAIR, path);
    g_file_get_contents(path, &after, &len_after, NULL);
    g_assert_cmpmem(before, len_before, after, len_after);
    g_file_set_contents(junk, "junk", 4, NULL);
    assert_mistake(check(t, junk, FALSE), VIX_E_DISK_INVALIDDISK, "version");
    assert_fails(check(t, junk, TRUE), VIX_E_DISK_CANTREPAIR, "");
}

/* What neither copy of a table knows is lost; the disk is sound then. */
static void
test_repair_with_loss(VixTest *t, gconstpointer data)
{
    const char *path = make_written(t);
    VixDiskLibHandle disk;

    break_table(path, GD_FIELD);
    break_table(path, RGD_FIELD);
    assert_mistake(check(t, path, FALSE), VIX_E_DISK_NEEDSREPAIR, path);
    assert_ok(check(t, path, TRUE));
    assert_ok(check(t, path, FALSE));
    disk = vix_test_open(t, path, READ_ONLY);
    vix_test_assert_reads(disk, 0, GRAIN, 0);
    vix_test_assert_reads(disk, GRAIN, 9 * GRAIN, 1);
    vix_test_close(disk);
}

static void
test_repair_stream(VixTest *t, gconstpointer data)
{
    const char *path = make_written(t);
    const char *stream = vix_test_path(t, "s.vmdk");
    VixDiskLibCreateParams params = {.diskType =
                                         VIXDISKLIB_DISK_STREAM_OPTIMIZED,
                                     .adapterType = VIXDISKLIB_ADAPTER_UNKNOWN};
    const uint64 nowhere = GUINT64_TO_LE(99999);
    VixDiskLibHandle disk;
    uint64 size;

    assert_ok(VixDiskLib_Clone(t->connection, stream, t->connection, path,
                               &params, NULL, NULL, FALSE));
    assert_ok(check(t, stream, TRUE));
    overwrite(stream, le64_at(stream, GD_FIELD) * SECTOR, &nowhere, 4);
    assert_vix(check(t, stream, FALSE), VIX_E_DISK_NEEDSREPAIR);
    vix_test_assert_quiet();
    assert_ok(check(t, stream, TRUE));
    assert_ok(check(t, stream, FALSE));
    disk = vix_test_open(t, stream, READ_ONLY);
    vix_test_assert_reads(disk, 0, 10 * GRAIN, 1);
    vix_test_close(disk);
    /* A grain that is cut off would be lost with a repair. */
    size = file_size(stream);
    g_assert_cmpint(truncate(stream, (off_t) size - 16 * SECTOR), ==, 0);
    assert_vix(check(t, stream, FALSE), VIX_E_DISK_NEEDSREPAIR);
    vix_test_assert_quiet();
    assert_fails(check(t, stream, TRUE), VIX_E_DISK_CANTREPAIR, "damaged");
}

static void
test_check_refused(VixTest *t, gconstpointer data)
{
    const char *path = make_written(t);
    VixDiskLibHandle disk = vix_test_open(t, path, 0);

    assert_fails(check(t, path, FALSE), VIX_E_FILE_ALREADY_LOCKED, path);
    assert_fails(check(t, path, TRUE), VIX_E_FILE_ALREADY_LOCKED, path);
    vix_test_close(disk);
    assert_fails(check(t, vix_test_path(t, "none"), TRUE), VIX_E_FILE_NOT_FOUND,
                 "none");
    assert_mistake(check(t, NULL, TRUE), VIX_E_INVALID_ARG, "no path");
    assert_mistake(check(t, "", FALSE), VIX_E_INVALID_ARG, "no path");
    assert_mistake(VixDiskLib_CheckRepair(NULL, path, FALSE),
                   VIX_E_DISK_INVALID_CONNECTION, "no connection");
}

/* -- names -------------------------------------------------------------------
 */

static void
test_rename(VixTest *t, gconstpointer data)
{
    const char *path = vix_test_create(
        t, "old.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT, CAPACITY);
    const char *child = make_child_of(t, path);
    const char *new = vix_test_path(t, "new.vmdk");
    VixDiskLibHandle disk = vix_test_open(t, path, READ_ONLY);

    assert_fails(VixDiskLib_Rename(path, new), VIX_E_FILE_ALREADY_LOCKED, path);
    vix_test_close(disk);
    assert_fails(VixDiskLib_Rename(path, child), VIX_E_FILE_ALREADY_EXISTS,
                 child);
    assert_ok(VixDiskLib_Rename(path, new));
    g_assert_false(vix_test_exists(path));
    g_assert_true(vix_test_exists(vix_test_path(t, "new-flat.vmdk")));
    /* The child has followed. */
    disk = vix_test_open(t, child, 0);
    vix_test_assert_reads(disk, 0, CAPACITY, 0);
    vix_test_close(disk);
    assert_fails(VixDiskLib_Rename(path, new), VIX_E_FILE_NOT_FOUND,
                 "old.vmdk");
    assert_mistake(VixDiskLib_Rename(NULL, new), VIX_E_INVALID_ARG, "no path");
    assert_mistake(VixDiskLib_Rename(path, ""), VIX_E_INVALID_ARG, "no path");
}

static void
test_unlink(VixTest *t, gconstpointer data)
{
    const char *path =
        vix_test_create(t, "u.vmdk", VIXDISKLIB_DISK_SPLIT_SPARSE, CAPACITY);
    const char *text = vix_test_path(t, "precious.txt");
    const char *child = make_child_of(t, path);
    VixDiskLibHandle disk = vix_test_open(t, child, READ_ONLY);

    assert_fails(VixDiskLib_Unlink(t->connection, child),
                 VIX_E_FILE_ALREADY_LOCKED, child);
    vix_test_close(disk);
    assert_fails(VixDiskLib_Unlink(t->connection, path),
                 VIX_E_FILE_ACCESS_ERROR, child);
    assert_ok(VixDiskLib_Unlink(t->connection, child));
    assert_fails(VixDiskLib_Unlink(t->connection, child), VIX_E_FILE_NOT_FOUND,
                 child);
    g_assert_true(vix_test_exists(path));
    assert_ok(VixDiskLib_Unlink(t->connection, path));
    g_assert_false(vix_test_exists(vix_test_path(t, "u-s001.vmdk")));
    /* What is no disk is not ours to remove or rename. */
    g_file_set_contents(text, "words", 5, NULL);
    assert_fails(VixDiskLib_Unlink(t->connection, text), VIX_E_DISK_INVALIDDISK,
                 "");
    assert_fails(VixDiskLib_Rename(text, path), VIX_E_DISK_INVALIDDISK, "");
    g_assert_true(vix_test_exists(text));
    assert_mistake(VixDiskLib_Unlink(t->connection, NULL), VIX_E_INVALID_ARG,
                   "no path");
    assert_mistake(VixDiskLib_Unlink(t->connection, ""), VIX_E_INVALID_ARG,
                   "no path");
    assert_mistake(VixDiskLib_Unlink(NULL, path), VIX_E_DISK_INVALID_CONNECTION,
                   "no connection");
}

static void
test_after_the_end(VixTest *t, gconstpointer data)
{
    const char *path = make_written(t);
    VixDiskLibHandle disk = vix_test_open(t, path, 0);

    VixDiskLib_Exit();
    assert_vix(grow(t, path, 1, TRUE), VIX_E_DISK_NOINIT);
    assert_vix(check(t, path, TRUE), VIX_E_DISK_NOINIT);
    assert_vix(VixDiskLib_Shrink(disk, NULL, NULL), VIX_E_DISK_NOINIT);
    assert_vix(VixDiskLib_Defragment(disk, NULL, NULL), VIX_E_DISK_NOINIT);
    assert_vix(VixDiskLib_Rename(path, "x"), VIX_E_DISK_NOINIT);
    assert_vix(VixDiskLib_Unlink(t->connection, path), VIX_E_DISK_NOINIT);
    t->connection = NULL;
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    vix_test_add("/vix/change/grow", test_grow);
    vix_test_add("/vix/change/grow-refused", test_grow_refused);
    vix_test_add("/vix/change/grow-cancelled", test_grow_cancelled);
    vix_test_add("/vix/change/shrink", test_shrink);
    vix_test_add("/vix/change/shrink-cancelled", test_shrink_cancelled);
    vix_test_add("/vix/change/shrink-refused", test_shrink_refused);
    vix_test_add("/vix/change/flat-disks", test_flat_disks);
    vix_test_add("/vix/change/defragment", test_defragment);
    vix_test_add("/vix/change/check", test_check);
    vix_test_add("/vix/change/repair", test_repair);
    vix_test_add("/vix/change/beyond-repair", test_beyond_repair);
    vix_test_add("/vix/change/repair-with-loss", test_repair_with_loss);
    vix_test_add("/vix/change/repair-stream", test_repair_stream);
    vix_test_add("/vix/change/check-refused", test_check_refused);
    vix_test_add("/vix/change/rename", test_rename);
    vix_test_add("/vix/change/unlink", test_unlink);
    vix_test_add("/vix/change/after-the-end", test_after_the_end);
    return g_test_run();
}
