/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/vix/test-vix-metadata.c - keys and values that disks carry. */
#include "tests/vix/vix-test.h"

#include <string.h>

#define CAPACITY (5 * GRAIN)

static VixDiskLibHandle
open_new(const VixTest *t, uint32 flags)
{
    const char *path = vix_test_create(
        t, "m.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CAPACITY);

    return vix_test_open(t, path, flags);
}

/* -- the sizing protocol -------------------------------------------------- */

static void
test_sizes_of_values(VixTest *t, gconstpointer data)
{
    VixDiskLibHandle disk = open_new(t, 0);
    const char *key = "adapterType";
    char buf[32];
    size_t len = 99;

    assert_vix(VixDiskLib_ReadMetadata(disk, key, NULL, 0, &len),
               VIX_E_BUFFER_TOOSMALL);
    g_assert_cmpuint(len, ==, sizeof("buslogic"));
    memset(buf, 'x', sizeof(buf));
    assert_mistake(VixDiskLib_ReadMetadata(disk, key, buf, len - 1, NULL),
                   VIX_E_BUFFER_TOOSMALL, "9 bytes are needed");
    g_assert_cmpint(buf[0], ==, 'x');
    assert_ok(VixDiskLib_ReadMetadata(disk, key, buf, len, NULL));
    g_assert_cmpstr(buf, ==, "buslogic");
    g_assert_cmpint(buf[len], ==, 'x');
    len = 0;
    assert_ok(VixDiskLib_ReadMetadata(disk, key, buf, sizeof(buf), &len));
    g_assert_cmpuint(len, ==, sizeof("buslogic"));
    /* The case of keys does not matter. */
    assert_ok(VixDiskLib_ReadMetadata(disk, "ADAPTERtype", buf, 9, NULL));
    vix_test_close(disk);
}

static void
test_sizes_of_keys(VixTest *t, gconstpointer data)
{
    VixDiskLibHandle disk = open_new(t, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    g_autofree char *keys = NULL;
    size_t len = 0, n = 0;

    assert_vix(VixDiskLib_GetMetadataKeys(disk, NULL, 0, &len),
               VIX_E_BUFFER_TOOSMALL);
    g_assert_cmpuint(len, >, 1);
    keys = g_malloc(len);
    memset(keys, 'x', len);
    assert_mistake(VixDiskLib_GetMetadataKeys(disk, keys, len - 1, NULL),
                   VIX_E_BUFFER_TOOSMALL, "bytes are needed");
    g_assert_cmpint(keys[0], ==, 'x');
    assert_ok(VixDiskLib_GetMetadataKeys(disk, keys, len, NULL));
    for (const char *key = keys; *key; key += strlen(key) + 1, n++) {
        g_autofree char *value = vix_test_meta(disk, key);

        g_assert_nonnull(value);
        g_assert_false(g_str_has_prefix(key, "ddb."));
    }
    g_assert_cmpuint(n, >=, 7);
    g_assert_cmpint(keys[len - 1], ==, '\0');
    g_assert_cmpint(keys[len - 2], ==, '\0');
    vix_test_close(disk);
}

/* A disk without any: one empty string. */
static void
test_no_keys(VixTest *t, gconstpointer data)
{
    const char *path = vix_test_path(t, "bare.vmdk");
    VixDiskLibHandle disk;
    size_t len = 0;
    char buf[2] = "xx";

    g_file_set_contents(path,
                        "# Disk DescriptorFile\n"
                        "version=1\nCID=00000001\nparentCID=ffffffff\n"
                        "createType=\"monolithicFlat\"\n"
                        "RW 8 FLAT \"bare-flat.vmdk\" 0\n",
                        -1, NULL);
    g_file_set_contents(vix_test_path(t, "bare-flat.vmdk"), "", 0, NULL);
    disk = vix_test_open(t, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    assert_vix(VixDiskLib_GetMetadataKeys(disk, NULL, 0, &len),
               VIX_E_BUFFER_TOOSMALL);
    g_assert_cmpuint(len, ==, 1);
    assert_ok(VixDiskLib_GetMetadataKeys(disk, buf, 1, NULL));
    g_assert_cmpint(buf[0], ==, '\0');
    g_assert_cmpint(buf[1], ==, 'x');
    vix_test_close(disk);
}

/* -- writing -------------------------------------------------------------- */

static void
test_while_the_disk_is_open(VixTest *t, gconstpointer data)
{
    VixDiskLibHandle disk = open_new(t, 0);
    const char *path = vix_test_path(t, "m.vmdk");

    vix_test_write(disk, 0, GRAIN, 1);
    assert_ok(VixDiskLib_WriteMetadata(disk, "note", "first"));
    vix_test_write(disk, 2 * GRAIN, GRAIN, 2);
    assert_ok(VixDiskLib_WriteMetadata(disk, "note", "second"));
    assert_ok(VixDiskLib_WriteMetadata(disk, "empty", ""));
    vix_test_assert_meta(disk, "note", "second");
    vix_test_close(disk);
    disk = vix_test_open(t, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    vix_test_assert_meta(disk, "note", "second");
    vix_test_assert_meta(disk, "empty", "");
    vix_test_assert_reads(disk, 0, GRAIN, 1);
    vix_test_assert_reads(disk, GRAIN, GRAIN, 0);
    vix_test_assert_reads(disk, 2 * GRAIN, GRAIN, 2);
    vix_test_close(disk);
    vix_test_assert_sound(path);
}

/* As Bareos does: every key of one disk into a new one. */
static void
test_restoring_all_keys(VixTest *t, gconstpointer data)
{
    static const char uuid[] =
        "60 00 C2 93 7b a0 3a 03-9f 22 56 c5 29 93 b7 27";
    VixDiskLibHandle from = open_new(t, 0), to;
    const char *path = vix_test_create(
        t, "n.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CAPACITY);
    char keys[4096];
    VixDiskLibInfo *info;

    assert_ok(VixDiskLib_WriteMetadata(from, "uuid", uuid));
    assert_ok(VixDiskLib_WriteMetadata(from, "adapterType", "lsilogic"));
    assert_ok(VixDiskLib_WriteMetadata(from, "geometry.cylinders", "5"));
    assert_ok(VixDiskLib_WriteMetadata(from, "geometry.heads", "2"));
    assert_ok(VixDiskLib_WriteMetadata(from, "geometry.sectors", "63"));
    assert_ok(VixDiskLib_WriteMetadata(from, "geometry.biosHeads", "16"));
    to = vix_test_open(t, path, 0);
    assert_ok(VixDiskLib_GetMetadataKeys(from, keys, sizeof(keys), NULL));
    for (const char *key = keys; *key; key += strlen(key) + 1) {
        g_autofree char *value = vix_test_meta(from, key);

        assert_ok(VixDiskLib_WriteMetadata(to, key, value));
        vix_test_assert_meta(to, key, value);
    }
    vix_test_write(to, 1, 1, 5);
    vix_test_close(from);
    vix_test_close(to);
    to = vix_test_open(t, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    assert_ok(VixDiskLib_GetInfo(to, &info));
    g_assert_cmpstr(info->uuid, ==, uuid);
    g_assert_cmpint(info->adapterType, ==, VIXDISKLIB_ADAPTER_SCSI_LSILOGIC);
    g_assert_cmpuint(info->physGeo.cylinders, ==, 5);
    g_assert_cmpuint(info->physGeo.heads, ==, 2);
    g_assert_cmpuint(info->physGeo.sectors, ==, 63);
    g_assert_cmpuint(info->biosGeo.heads, ==, 16);
    VixDiskLib_FreeInfo(info);
    vix_test_close(to);
    vix_test_assert_sound(path);
}

/* -- mistakes ------------------------------------------------------------- */

static void
test_mistakes(VixTest *t, gconstpointer data)
{
    VixDiskLibHandle disk = open_new(t, 0);
    char buf[8];
    size_t len = 0;

    assert_mistake(VixDiskLib_ReadMetadata(disk, "ddb.uuid", NULL, 0, &len),
                   VIX_E_DISK_KEY_NOTFOUND, "no key \"ddb.uuid\"");
    assert_mistake(VixDiskLib_ReadMetadata(disk, NULL, buf, 8, &len),
                   VIX_E_INVALID_ARG, "no key");
    assert_mistake(VixDiskLib_ReadMetadata(disk, "", buf, 8, &len),
                   VIX_E_INVALID_ARG, "no key");
    assert_mistake(VixDiskLib_ReadMetadata(disk, "uuid", NULL, 8, &len),
                   VIX_E_INVALID_ARG, "no buffer");
    assert_mistake(VixDiskLib_ReadMetadata(disk, "uuid", NULL, 0, NULL),
                   VIX_E_INVALID_ARG, "no buffer");
    assert_mistake(VixDiskLib_GetMetadataKeys(disk, NULL, 0, NULL),
                   VIX_E_INVALID_ARG, "no buffer");
    assert_mistake(VixDiskLib_WriteMetadata(disk, NULL, "v"), VIX_E_INVALID_ARG,
                   "no key");
    assert_mistake(VixDiskLib_WriteMetadata(disk, "k", NULL), VIX_E_INVALID_ARG,
                   "no value");
    assert_fails(VixDiskLib_WriteMetadata(disk, "k=", "v"), VIX_E_INVALID_ARG,
                 "k=");
    assert_fails(VixDiskLib_WriteMetadata(disk, "k", "a\"b\n"),
                 VIX_E_INVALID_ARG, "");
    vix_test_close(disk);
    disk = vix_test_open(t, vix_test_path(t, "m.vmdk"),
                         VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    assert_mistake(VixDiskLib_WriteMetadata(disk, "k", "v"),
                   VIX_E_FILE_READ_ONLY, "read-only");
    vix_test_close(disk);
    assert_mistake(VixDiskLib_ReadMetadata(disk, "uuid", buf, 8, &len),
                   VIX_E_INVALID_HANDLE, "no handle");
    assert_mistake(VixDiskLib_GetMetadataKeys(NULL, buf, 8, &len),
                   VIX_E_INVALID_HANDLE, "no handle");
    assert_mistake(VixDiskLib_WriteMetadata(disk, "k", "v"),
                   VIX_E_INVALID_HANDLE, "no handle");
}

/* The text in a monolithic disk has room for so much and no more. */
static void
test_no_room(VixTest *t, gconstpointer data)
{
    VixDiskLibHandle disk = open_new(t, 0);
    g_autofree char *large = g_strnfill(100000, 'v');

    assert_fails(VixDiskLib_WriteMetadata(disk, "large", large),
                 VIX_E_DISK_FULL, "");
    assert_mistake(VixDiskLib_ReadMetadata(disk, "large", NULL, 0, NULL),
                   VIX_E_DISK_KEY_NOTFOUND, "large");
    vix_test_close(disk);
    vix_test_assert_sound(vix_test_path(t, "m.vmdk"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    vix_test_add("/vix/metadata/sizes-of-values", test_sizes_of_values);
    vix_test_add("/vix/metadata/sizes-of-keys", test_sizes_of_keys);
    vix_test_add("/vix/metadata/no-keys", test_no_keys);
    vix_test_add("/vix/metadata/while-the-disk-is-open",
                 test_while_the_disk_is_open);
    vix_test_add("/vix/metadata/restoring-all-keys", test_restoring_all_keys);
    vix_test_add("/vix/metadata/mistakes", test_mistakes);
    vix_test_add("/vix/metadata/no-room", test_no_room);
    return g_test_run();
}
