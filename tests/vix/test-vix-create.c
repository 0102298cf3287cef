/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/vix/test-vix-create.c - new disks. */
#include "tests/vix/vix-test.h"

#include <glib/gstdio.h>
#include <string.h>

#define CAPACITY (5 * GRAIN + 3) /* the last grain is not whole */

static const VixDiskLibCreateParams plain = {
    .diskType = VIXDISKLIB_DISK_MONOLITHIC_SPARSE,
    .adapterType = VIXDISKLIB_ADAPTER_IDE,
    .hwVersion = VIXDISKLIB_HWVERSION_WORKSTATION_5,
    .capacity = CAPACITY,
};

static VixError
create(const VixTest *t, const char *path, const VixDiskLibCreateParams *params)
{
    return VixDiskLib_Create(t->connection, path, params, NULL, NULL);
}

/* -- kinds ---------------------------------------------------------------- */

typedef struct {
    VixDiskLibDiskType type;
    const char *create_type, *data_file; /* beside k.vmdk; NULL = none */
} Kind;

static const Kind kinds[] = {
    {VIXDISKLIB_DISK_MONOLITHIC_SPARSE, "monolithicSparse", NULL},
    {VIXDISKLIB_DISK_MONOLITHIC_FLAT, "monolithicFlat", "k-flat.vmdk"},
    {VIXDISKLIB_DISK_SPLIT_SPARSE, "twoGbMaxExtentSparse", "k-s001.vmdk"},
    {VIXDISKLIB_DISK_SPLIT_FLAT, "twoGbMaxExtentFlat", "k-f001.vmdk"},
    {VIXDISKLIB_DISK_VMFS_FLAT, "vmfs", "k-flat.vmdk"},
    {VIXDISKLIB_DISK_STREAM_OPTIMIZED, "streamOptimized", NULL},
    {VIXDISKLIB_DISK_VMFS_THIN, "vmfs", "k-flat.vmdk"},
    {VIXDISKLIB_DISK_VMFS_SPARSE, "vmfsSparse", "k-delta.vmdk"},
};

static void
assert_create_type(const char *path, const char *wanted)
{
    VdContext *ctx = vd_context_new(NULL, NULL);
    VdDisk *disk = vd_disk_open(ctx, path, "vmdk", NULL, 0, NULL);
    g_autoptr(VdInfo) info = vd_disk_get_info(disk, NULL);
    const char *type = NULL;

    g_assert_true(g_variant_lookup(info->specific, "create-type", "&s", &type));
    g_assert_cmpstr(type, ==, wanted);
    g_assert_true(vd_disk_close(disk, NULL));
    vd_context_free(ctx);
}

/* A stream is filled once; then it can no longer be changed. */
static void
write_and_read(VixTest *t, const char *path, VixDiskLibDiskType type)
{
    VixDiskLibHandle disk = vix_test_open(t, path, 0);

    vix_test_write(disk, 0, GRAIN + 1, 7);
    vix_test_assert_meta(disk, "virtualHWVersion", "4");
    vix_test_close(disk);
    disk = vix_test_open(t, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    vix_test_assert_reads(disk, 0, GRAIN + 1, 7);
    vix_test_close(disk);
    if (type != VIXDISKLIB_DISK_STREAM_OPTIMIZED)
        return;
    assert_fails(VixDiskLib_Open(t->connection, path, 0, &disk),
                 VIX_E_FILE_READ_ONLY, path);
    g_assert_null(disk);
}

static void
check_info(VixDiskLibHandle disk)
{
    VixDiskLibInfo *info;

    assert_ok(VixDiskLib_GetInfo(disk, &info));
    g_assert_cmpuint(info->capacity, ==, CAPACITY);
    g_assert_cmpint(info->adapterType, ==, VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC);
    g_assert_cmpuint(info->logicalSectorSize, ==, 512);
    g_assert_cmpuint(info->physicalSectorSize, ==, 512);
    g_assert_cmpint(info->numLinks, ==, 1);
    VixDiskLib_FreeInfo(info);
}

static void
check_kind(VixTest *t, const Kind *kind)
{
    const char *path = vix_test_create(t, "k.vmdk", kind->type, CAPACITY);
    VixDiskLibHandle disk =
        vix_test_open(t, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);

    check_info(disk);
    vix_test_assert_reads(disk, 0, CAPACITY, 0);
    vix_test_close(disk);
    write_and_read(t, path, kind->type);
    assert_create_type(path, kind->create_type);
    if (kind->data_file)
        g_assert_true(vix_test_exists(vix_test_path(t, kind->data_file)));
    vix_test_assert_sound(path);
    assert_ok(VixDiskLib_Unlink(t->connection, path));
    g_assert_false(vix_test_exists(path));
    if (kind->data_file)
        g_assert_false(vix_test_exists(vix_test_path(t, kind->data_file)));
}

static void
test_kinds(VixTest *t, gconstpointer data)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++)
        check_kind(t, &kinds[i]);
}

static void
test_thin_says_so(VixTest *t, gconstpointer data)
{
    const char *path =
        vix_test_create(t, "t.vmdk", VIXDISKLIB_DISK_VMFS_THIN, CAPACITY);
    VixDiskLibHandle disk = vix_test_open(t, path, 0);

    vix_test_assert_meta(disk, "thinProvisioned", "1");
    vix_test_close(disk);
}

/* -- parameters ----------------------------------------------------------- */

static void
check_adapter(VixTest *t, VixDiskLibAdapterType adapter, const char *wanted)
{
    VixDiskLibCreateParams params = plain;
    const char *path = vix_test_path(t, "a.vmdk");
    VixDiskLibHandle disk;

    params.adapterType = adapter;
    params.hwVersion = VIXDISKLIB_HWVERSION_CURRENT;
    assert_ok(create(t, path, &params));
    disk = vix_test_open(t, path, 0);
    vix_test_assert_meta(disk, "adapterType", wanted);
    vix_test_assert_meta(disk, "virtualHWVersion", "13");
    vix_test_close(disk);
    assert_ok(VixDiskLib_Unlink(t->connection, path));
}

static void
test_adapters(VixTest *t, gconstpointer data)
{
    check_adapter(t, VIXDISKLIB_ADAPTER_IDE, "ide");
    check_adapter(t, VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC, "buslogic");
    check_adapter(t, VIXDISKLIB_ADAPTER_SCSI_LSILOGIC, "lsilogic");
    check_adapter(t, VIXDISKLIB_ADAPTER_UNKNOWN, "ide");
}

static void
check_sector_sizes(VixTest *t, uint32 logical, uint32 physical,
                   uint32 found_logical, uint32 found_physical)
{
    VixDiskLibCreateParams params = plain;
    const char *path = vix_test_path(t, "s.vmdk");
    VixDiskLibHandle disk;
    VixDiskLibInfo *info;

    params.capacity = 800;
    params.logicalSectorSize = logical;
    params.physicalSectorSize = physical;
    assert_ok(create(t, path, &params));
    disk = vix_test_open(t, path, 0);
    assert_ok(VixDiskLib_GetInfo(disk, &info));
    g_assert_cmpuint(info->logicalSectorSize, ==, found_logical);
    g_assert_cmpuint(info->physicalSectorSize, ==, found_physical);
    g_assert_cmpuint(info->capacity, ==, 800);
    VixDiskLib_FreeInfo(info);
    vix_test_close(disk);
    assert_ok(VixDiskLib_Unlink(t->connection, path));
}

static void
test_sector_sizes(VixTest *t, gconstpointer data)
{
    check_sector_sizes(t, 0, 0, 512, 512);
    check_sector_sizes(t, 512, 512, 512, 512);
    check_sector_sizes(t, 512, 4096, 512, 4096);
    check_sector_sizes(t, 4096, 4096, 4096, 4096);
    check_sector_sizes(t, 4096, 0, 4096, 4096);
    /* What is behind an older, shorter structure. */
    check_sector_sizes(t, 0xdeadbeef, 1, 512, 512);
    check_sector_sizes(t, 1024, 8192, 512, 512);
}

static void
test_mistakes(VixTest *t, gconstpointer data)
{
    const char *path = vix_test_path(t, "m.vmdk");
    VixDiskLibCreateParams params = plain;

    assert_mistake(create(t, NULL, &plain), VIX_E_INVALID_ARG, "no path");
    assert_mistake(create(t, "", &plain), VIX_E_INVALID_ARG, "no path");
    assert_mistake(create(t, path, NULL), VIX_E_INVALID_ARG, "no parameters");
    params.capacity = 0;
    assert_mistake(create(t, path, &params), VIX_E_INVALID_ARG, "0 sectors");
    params = plain;
    params.diskType = 9;
    assert_mistake(create(t, path, &params), VIX_E_INVALID_ARG, "subformat 9");
    params.diskType = 0;
    assert_mistake(create(t, path, &params), VIX_E_INVALID_ARG, "subformat 0");
    params.diskType = VIXDISKLIB_DISK_UNKNOWN;
    assert_mistake(create(t, path, &params), VIX_E_INVALID_ARG, "no disk type");
    params = plain;
    params.adapterType = 4;
    assert_mistake(create(t, path, &params), VIX_E_INVALID_ARG, "adapter_type");
    g_assert_false(vix_test_exists(path));
    assert_mistake(VixDiskLib_Create(NULL, path, &plain, NULL, NULL),
                   VIX_E_DISK_INVALID_CONNECTION, "no connection");
    assert_mistake(
        VixDiskLib_Create((VixDiskLibConnection) t, path, &plain, NULL, NULL),
        VIX_E_DISK_INVALID_CONNECTION, "no connection");
}

/* -- limits --------------------------------------------------------------- */

static void
check_too_large(VixTest *t, VixDiskLibDiskType type, uint64 capacity)
{
    const char *path = vix_test_path(t, "l.vmdk");
    VixDiskLibCreateParams params = plain;

    params.diskType = type;
    params.capacity = capacity;
    assert_fails(create(t, path, &params), VIX_E_ARGUMENT_TOO_BIG, "");
    g_assert_false(vix_test_exists(path));
}

static void
test_capacities(VixTest *t, gconstpointer data)
{
    const uint64 tib = (UINT64_C(1) << 40) / SECTOR;
    VixDiskLibHandle disk;
    const char *path;

    check_too_large(t, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, UINT64_MAX);
    check_too_large(t, VIXDISKLIB_DISK_MONOLITHIC_FLAT, UINT64_MAX / SECTOR);
    check_too_large(t, VIXDISKLIB_DISK_MONOLITHIC_FLAT,
                    (UINT64_C(1) << 63) / SECTOR);
    check_too_large(t, VIXDISKLIB_DISK_VMFS_SPARSE, 2 * tib);
    path = vix_test_create(t, "b.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE,
                           4 * tib);
    disk = vix_test_open(t, path, 0);
    vix_test_write(disk, 4 * tib - 1, 1, 3);
    vix_test_assert_reads(disk, 4 * tib - 1, 1, 3);
    vix_test_close(disk);
    path = vix_test_create(t, "s.vmdk", VIXDISKLIB_DISK_SPLIT_SPARSE, 1);
    disk = vix_test_open(t, path, 0);
    vix_test_assert_reads(disk, 0, 1, 0);
    vix_test_close(disk);
}

/* -- the file system ------------------------------------------------------ */

static void
test_nothing_is_replaced(VixTest *t, gconstpointer data)
{
    const char *path = vix_test_create(
        t, "x.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CAPACITY);
    VixDiskLibCreateParams flat = plain;
    g_autofree char *before = NULL, *after = NULL;
    gsize len_before, len_after;

    g_file_get_contents(path, &before, &len_before, NULL);
    assert_fails(create(t, path, &plain), VIX_E_FILE_ALREADY_EXISTS, path);
    g_file_get_contents(path, &after, &len_after, NULL);
    g_assert_cmpmem(before, len_before, after, len_after);

    /* A data file that is in the way counts, too. */
    flat.diskType = VIXDISKLIB_DISK_MONOLITHIC_FLAT;
    g_file_set_contents(vix_test_path(t, "y-flat.vmdk"), "old", 3, NULL);
    assert_fails(create(t, vix_test_path(t, "y.vmdk"), &flat),
                 VIX_E_FILE_ALREADY_EXISTS, "y-flat.vmdk");
    g_assert_false(vix_test_exists(vix_test_path(t, "y.vmdk")));
}

static void
test_no_directory(VixTest *t, gconstpointer data)
{
    assert_fails(create(t, vix_test_path(t, "no/where.vmdk"), &plain),
                 VIX_E_FILE_NOT_FOUND, "where.vmdk");
}

/* Names count from the working directory, and are nothing but names. */
static void
test_relative_names(VixTest *t, gconstpointer data)
{
    g_autofree char *before = g_get_current_dir();
    VixDiskLibHandle disk;

    g_assert_cmpint(g_chdir(t->dir), ==, 0);
    assert_ok(create(t, "nbd:r,el.vmdk", &plain));
    disk = vix_test_open(t, "nbd:r,el.vmdk", 0);
    vix_test_close(disk);
    g_assert_true(vix_test_exists(vix_test_path(t, "nbd:r,el.vmdk")));
    assert_ok(VixDiskLib_Rename("nbd:r,el.vmdk", "file:b.vmdk"));
    g_assert_true(vix_test_exists(vix_test_path(t, "file:b.vmdk")));
    assert_ok(VixDiskLib_Unlink(t->connection, "file:b.vmdk"));
    g_assert_false(vix_test_exists(vix_test_path(t, "file:b.vmdk")));
    g_assert_cmpint(g_chdir(before), ==, 0);
}

/* -- progress ------------------------------------------------------------- */

static void
test_progress(VixTest *t, gconstpointer data)
{
    VixTestProgress p;

    vix_test_progress_init(&p);
    assert_ok(VixDiskLib_Create(t->connection, vix_test_path(t, "p.vmdk"),
                                &plain, vix_test_progress, &p));
    vix_test_assert_progress(&p);
    /* What it returns does not matter ... */
    vix_test_progress_init(&p);
    p.stop_at = 0;
    assert_ok(VixDiskLib_Create(t->connection, vix_test_path(t, "q.vmdk"),
                                &plain, vix_test_progress, &p));
    vix_test_assert_progress(&p);
    /* ... unless this thread says so. */
    g_assert_false(VixDiskLibExt_SetProgressCancels(TRUE));
    vix_test_progress_init(&p);
    p.stop_at = 0;
    assert_mistake(VixDiskLib_Create(t->connection, vix_test_path(t, "r.vmdk"),
                                     &plain, vix_test_progress, &p),
                   VIX_E_CANCELLED, "progress");
    g_assert_cmpint(p.last, ==, 0);
    g_assert_false(vix_test_exists(vix_test_path(t, "r.vmdk")));
    g_assert_true(VixDiskLibExt_SetProgressCancels(FALSE));
}

static void
test_before_and_after(VixTest *t, gconstpointer data)
{
    const char *path = vix_test_path(t, "n.vmdk");

    assert_ok(VixDiskLib_Disconnect(t->connection));
    assert_vix(create(t, path, &plain), VIX_E_DISK_INVALID_CONNECTION);
    VixDiskLib_Exit();
    assert_vix(create(t, path, &plain), VIX_E_DISK_NOINIT);
    assert_vix(VixDiskLib_Create(NULL, path, &plain, NULL, NULL),
               VIX_E_DISK_NOINIT);
    assert_vix(VixDiskLib_CreateChild(NULL, path, 1, NULL, NULL),
               VIX_E_DISK_NOINIT);
    assert_vix(VixDiskLib_Unlink(NULL, path), VIX_E_DISK_NOINIT);
    assert_vix(VixDiskLib_Rename(path, path), VIX_E_DISK_NOINIT);
    t->connection = NULL;
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    vix_test_add("/vix/create/all-kinds", test_kinds);
    vix_test_add("/vix/create/thin-says-so", test_thin_says_so);
    vix_test_add("/vix/create/adapters", test_adapters);
    vix_test_add("/vix/create/sector-sizes", test_sector_sizes);
    vix_test_add("/vix/create/mistakes", test_mistakes);
    vix_test_add("/vix/create/capacities", test_capacities);
    vix_test_add("/vix/create/nothing-is-replaced", test_nothing_is_replaced);
    vix_test_add("/vix/create/no-directory", test_no_directory);
    vix_test_add("/vix/create/relative-names", test_relative_names);
    vix_test_add("/vix/create/progress", test_progress);
    vix_test_add("/vix/create/before-and-after", test_before_and_after);
    return g_test_run();
}
