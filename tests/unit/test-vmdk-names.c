/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-names.c - geometry, file names and ids of VMDKs. */
#include "formats/vmdk/descriptor/geometry.h"
#include "formats/vmdk/descriptor/ids.h"
#include "formats/vmdk/descriptor/names.h"

#include <string.h>

static void
assert_geometry(const char *adapter, uint64_t sectors, uint64_t cylinders,
                unsigned heads, unsigned spt)
{
    VmdkGeometry geo = vmdk_geometry_for(adapter, sectors);

    g_assert_cmpuint(geo.cylinders, ==, cylinders);
    g_assert_cmpuint(geo.heads, ==, heads);
    g_assert_cmpuint(geo.sectors, ==, spt);
}

static void
test_geometry_of_real_scsi_disks(void)
{
    assert_geometry("lsilogic", 4096, 2, 64, 32);
    assert_geometry("lsilogic", 61440, 30, 64, 32);
    assert_geometry("lsilogic", 83886080, 5221, 255, 63);
    assert_geometry("lsilogic", 125829120, 7832, 255, 63);
}

static void
test_geometry_at_the_borders(void)
{
    assert_geometry("buslogic", 2097151, 1023, 64, 32);
    assert_geometry("buslogic", 2097152, 512, 128, 32);
    assert_geometry("buslogic", 4194303, 1023, 128, 32);
    assert_geometry("buslogic", 4194304, 261, 255, 63);
    assert_geometry("lsilogic", 1, 1, 64, 32);
    assert_geometry("lsilogic", UINT64_C(1) << 40, 65535, 255, 63);
    assert_geometry("ide", 1, 1, 16, 63);
    assert_geometry("IDE", 20480, 20, 16, 63);
    assert_geometry("ide", UINT64_C(1) << 40, 16383, 16, 63);
}

static void
assert_name(const char *path, VmdkNameKind kind, unsigned index,
            const char *wanted)
{
    g_autofree char *name = vmdk_name_extent(path, kind, index);

    g_assert_cmpstr(name, ==, wanted);
}

static void
test_extent_names(void)
{
    assert_name("/d/x.vmdk", VMDK_NAME_FLAT, 0, "/d/x-flat.vmdk");
    assert_name("x.vmdk", VMDK_NAME_SPLIT_FLAT, 1, "x-f001.vmdk");
    assert_name("x.vmdk", VMDK_NAME_SPLIT_SPARSE, 12, "x-s012.vmdk");
    assert_name("x.vmdk", VMDK_NAME_SPLIT_SPARSE, 1000, "x-s1000.vmdk");
    assert_name("/d.d/x", VMDK_NAME_FLAT, 0, "/d.d/x-flat");
    assert_name("/d/x.y.img", VMDK_NAME_FLAT, 0, "/d/x.y-flat.img");
    assert_name("/d/.hidden", VMDK_NAME_FLAT, 0, "/d/.hidden-flat");
}

static void
assert_local(const char *stored, const char *wanted)
{
    g_autofree char *name = vmdk_name_localise(stored);

    g_assert_cmpstr(name, ==, wanted);
}

static void
test_stored_names_in_local_form(void)
{
    assert_local("base.vmdk", "base.vmdk");
    assert_local("..\\base\\b.vmdk", "../base/b.vmdk");
    assert_local("C:\\vm\\b.vmdk", "C:/vm/b.vmdk");
    assert_local("file:/a/b.vmdk", "/a/b.vmdk");
    assert_local("a:b.vmdk", "a:b.vmdk");
    assert_local("json:{\"driver\":\"x\"}", NULL);
    assert_local("nbd://host/x", NULL);
    assert_local("", NULL);
    g_assert_true(vmdk_name_is_foreign("C:/vm/b.vmdk"));
    g_assert_true(vmdk_name_is_foreign("//server/share/b.vmdk"));
    g_assert_false(vmdk_name_is_foreign("/vm/b.vmdk"));
    g_assert_false(vmdk_name_is_foreign("b.vmdk"));
}

static void
test_cids_differ_and_avoid_the_reserved(void)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

    for (unsigned i = 0; i < 1000; i++) {
        uint32_t cid = vmdk_cid_new();

        g_assert_cmphex(cid, <, 0xfffffffe);
        g_hash_table_add(seen, GUINT_TO_POINTER(cid));
    }
    g_assert_cmpuint(g_hash_table_size(seen), >, 990);
}

static void
test_long_cid_ends_in_the_cid(void)
{
    char text[VMDK_LONG_CID_CHARS + 1];

    vmdk_long_cid_new(0x12ab, text);

    g_assert_cmpuint(strlen(text), ==, VMDK_LONG_CID_CHARS);
    g_assert_cmpstr(text + 24, ==, "000012ab");
}

static void
test_uuid_has_vmwares_prefix(void)
{
    char text[VMDK_UUID_CHARS + 1];

    vmdk_uuid_new(text);

    g_assert_true(g_str_has_prefix(text, "60 00 C2 9"));
    g_assert_true(vmdk_uuid_is_valid(text));
    g_assert_true(
        vmdk_uuid_is_valid("60 00 C2 98 5d 08 de f2-a0 14 2e 05 94 9d d8 38"));
    g_assert_false(vmdk_uuid_is_valid("60 00 C2 98"));
    g_assert_false(
        vmdk_uuid_is_valid("60 00 C2 98 5d 08 de f2 a0 14 2e 05 94 9d d8 38"));
}

static void
test_renewed_ids_agree(void)
{
    g_autoptr(VmdkDescriptor) desc = vmdk_descriptor_new();
    g_autofree char *cid = NULL;

    vmdk_ids_renew(desc, false);
    g_assert_null(vmdk_descriptor_get(desc, "ddb.longContentID"));
    vmdk_ids_renew(desc, true);
    cid = g_strdup_printf("%08x", vmdk_descriptor_cid(desc, "CID"));
    g_assert_true(
        g_str_has_suffix(vmdk_descriptor_get(desc, "ddb.longContentID"), cid));
    vmdk_ids_renew(desc, false);
    g_assert_false(
        g_str_has_suffix(vmdk_descriptor_get(desc, "ddb.longContentID"), cid));
}

static void
assert_relative(const char *from, const char *path, const char *wanted)
{
    g_autofree char *name = vmdk_name_relative(from, path);

    g_assert_cmpstr(name, ==, wanted);
}

static void
test_relative_names(void)
{
    assert_relative("/a/b", "/a/b/x", "x");
    assert_relative("/a/b", "/a/b/c/x", "c/x");
    assert_relative("/a/b", "/a/x", "../x");
    assert_relative("/a/b", "/a/bc/x", "../bc/x");
    assert_relative("/a/bc", "/a/b/x", "../b/x");
    assert_relative("/a/b/c", "/x", "../../../x");
    assert_relative("/", "/a/x", "a/x");
    assert_relative("/a", "/b/x", "../b/x");
}

static void
test_stems(void)
{
    static const char *const pairs[][2] = {{"x.vmdk", "x"},
                                           {"/a.b/x", "x"},
                                           {"/a/x.y.vmdk", "x.y"},
                                           {".hidden", ".hidden"}};

    for (unsigned i = 0; i < G_N_ELEMENTS(pairs); i++) {
        g_autofree char *stem = vmdk_name_stem(pairs[i][0]);

        g_assert_cmpstr(stem, ==, pairs[i][1]);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmdk/geometry/real-scsi-disks",
                    test_geometry_of_real_scsi_disks);
    g_test_add_func("/vmdk/geometry/borders", test_geometry_at_the_borders);
    g_test_add_func("/vmdk/names/extents", test_extent_names);
    g_test_add_func("/vmdk/names/relative", test_relative_names);
    g_test_add_func("/vmdk/names/stems", test_stems);
    g_test_add_func("/vmdk/names/local-form", test_stored_names_in_local_form);
    g_test_add_func("/vmdk/ids/cids", test_cids_differ_and_avoid_the_reserved);
    g_test_add_func("/vmdk/ids/long-cid", test_long_cid_ends_in_the_cid);
    g_test_add_func("/vmdk/ids/uuid", test_uuid_has_vmwares_prefix);
    g_test_add_func("/vmdk/ids/renewed", test_renewed_ids_agree);
    return g_test_run();
}
