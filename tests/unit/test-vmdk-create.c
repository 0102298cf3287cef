/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-create.c - the files of new disks, and what is refused.
 */
#include "tests/unit/vmdk-test.h"

#include <string.h>
#include <unistd.h>

/* -- layout
 * ---------------------------------------------------------------------- */

typedef struct {
    const char *options, *file;
    uint64_t sectors;
    uint32_t n_gts, rgd, rgt0, gd, gt0, overhead;
} Layout;

/* Figures from files that VMware's products made, and their formula. */
static const Layout layouts[] = {
    {"", "d.vmdk", 20480, 1, 21, 22, 26, 27, 128},
    {"", "d.vmdk", 2097152, 32, 21, 22, 150, 151, 384},
    {"", "d.vmdk", 16777216, 256, 21, 23, 1047, 1049, 2176},
    {"", "d.vmdk", 83886080, 1280, 21, 31, 5151, 5161, 10368},
    {"", "d.vmdk", 125829120, 1920, 21, 36, 7716, 7731, 15488},
    {"", "d.vmdk", 2147483648, 32768, 21, 277, 131349, 131605, 262784},
    {"", "d.vmdk", 4294967295, 65536, 21, 533, 262677, 263189, 525440},
    {"subformat=twoGbMaxExtentSparse", "d-s001.vmdk", 20480, 1, 1, 2, 6, 7,
     128},
    {"subformat=twoGbMaxExtentSparse", "d-s001.vmdk", 4192256, 64, 1, 2, 258,
     259, 640},
    {"subformat=twoGbMaxExtentSparse,split_size=4064M", "d-s001.vmdk", 8323072,
     127, 1, 2, 510, 511, 1024},
};

static void
assert_layout(TestCo *t, const Layout *l)
{
    g_autofree char *path = test_co_path(t, l->file);

    vmdk_test_create(t, "d.vmdk", l->sectors * 512, l->options);
    g_assert_cmpuint(vmdk_test_peek32(t, l->file, 12), ==,
                     (uint32_t) l->sectors);
    g_assert_cmpuint(vmdk_test_peek32(t, l->file, 48), ==, l->rgd);
    g_assert_cmpuint(vmdk_test_peek32(t, l->file, 56), ==, l->gd);
    g_assert_cmpuint(vmdk_test_peek32(t, l->file, 64), ==, l->overhead);
    g_assert_cmpuint(vmdk_test_peek32(t, l->file, l->rgd * 512), ==, l->rgt0);
    g_assert_cmpuint(vmdk_test_peek32(t, l->file, l->gd * 512), ==, l->gt0);
    for (uint32_t i = 1; i < l->n_gts; i += l->n_gts / 3 + 1) {
        g_assert_cmpuint(vmdk_test_peek32(t, l->file, l->rgd * 512 + i * 4), ==,
                         l->rgt0 + 4 * i);
        g_assert_cmpuint(vmdk_test_peek32(t, l->file, l->gd * 512 + i * 4), ==,
                         l->gt0 + 4 * i);
    }
    g_assert_cmpuint(test_file_size(path), ==, (uint64_t) l->overhead * 512);
    test_dir_empty(t->dir);
}

static void
test_layout(TestCo *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(layouts); i++)
        assert_layout(t, &layouts[i]);
}

static void
test_header_is_vmwares_to_the_byte(TestCo *t)
{
    static const uint8_t wanted[80] =
        "KDMV\1\0\0\0\3\0\0\0\0\x50\0\0\0\0\0\0\x80\0\0\0\0\0\0\0\1\0\0\0\0\0\0"
        "\0\x14\0\0\0\0\0\0\0\0\2\0\0\x15\0\0\0\0\0\0\0\x1a\0\0\0\0\0\0\0\x80\0"
        "\0\0\0\0\0\0\0\n \r\n\0\0";
    size_t len;
    g_autofree char *bytes = NULL;

    vmdk_test_create(t, "d.vmdk", 10 * MIB, "");
    bytes = vmdk_test_read_file(t, "d.vmdk", &len);
    g_assert_cmpmem(bytes, 79, wanted, 79);
}

static void
test_a_2_tib_image_is_small_and_reads_as_zero(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d.vmdk");
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", 2048 * GIB, "");
    g_assert_cmpuint(test_file_allocated(path), <, 4 * MIB);
    node = vmdk_test_open(t, "d.vmdk", 0);
    g_assert_cmpuint(vd_node_size(node), ==, 2048 * GIB);
    test_co_assert_zero(node, 2048 * GIB - MIB, MIB);
    test_co_close(node);
}

/* -- descriptors
 * ------------------------------------------------------------------- */

static char *
descriptor_of(TestCo *t, const char *options, uint64_t size)
{
    VdNode *node;
    char *text;
    size_t len;

    vmdk_test_create(t, "d.vmdk", size, options);
    node = vmdk_test_open(t, "d.vmdk", 0);
    text = vmdk_descriptor_text(vmdk_test_state(node)->desc, &len);
    test_co_close(node);
    return text;
}

static void
assert_lines(const char *text, const char *const *lines)
{
    for (unsigned i = 0; lines[i]; i++) {
        if (!strstr(text, lines[i]))
            g_error("no \"%s\" in:\n%s", lines[i], text);
    }
}

static void
test_descriptor_of_a_sparse_disk(TestCo *t)
{
    static const char *const lines[] = {
        "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID=",
        "\nparentCID=ffffffff\n",
        "\ncreateType=\"monolithicSparse\"\n",
        "\n# Extent description\nRW 20480 SPARSE \"d.vmdk\"\n",
        "\n# The Disk Data Base \n#DDB\n",
        "\nddb.adapterType = \"ide\"\n",
        "\nddb.geometry.cylinders = \"20\"\n",
        "\nddb.geometry.heads = \"16\"\n",
        "\nddb.virtualHWVersion = \"4\"\n",
        "\nddb.toolsVersion = \"2147483647\"\n",
        "\nddb.uuid = \"60 00 C2 9",
        NULL,
    };
    g_autofree char *text = descriptor_of(t, "", 10 * MIB);

    assert_lines(text, lines);
}

static void
test_descriptor_of_an_export(TestCo *t)
{
    static const char *const lines[] = {
        "\ncreateType=\"streamOptimized\"\n",
        "\nRW 20480 SPARSE \"d.vmdk\"\n",
        "\nddb.adapterType = \"lsilogic\"\n",
        "\nddb.geometry.heads = \"64\"\n",
        NULL,
    };
    g_autofree char *text =
        descriptor_of(t, "subformat=streamOptimized", 10 * MIB);

    assert_lines(text, lines);
    g_assert_null(strstr(text, "uuid"));
    g_assert_null(strstr(text, "toolsVersion"));
}

static void
test_split_disks_name_their_extents(TestCo *t)
{
    static const char *const lines[] = {
        "\nRW 4192256 FLAT \"d-f001.vmdk\" 0\n"
        "RW 4192256 FLAT \"d-f002.vmdk\" 0\n"
        "RW 4096 FLAT \"d-f003.vmdk\" 0\n",
        NULL,
    };
    g_autofree char *text = descriptor_of(t, "subformat=twoGbMaxExtentFlat",
                                          2 * 2047 * MIB + 2 * MIB);
    g_autofree char *last = test_co_path(t, "d-f003.vmdk");

    assert_lines(text, lines);
    g_assert_cmpuint(test_file_size(last), ==, 2 * MIB);
}

/* What ESXi has on its datastores: one text for all three kinds. */
static void
test_vmfs_disks_name_one_flat_file(TestCo *t)
{
    static const char *const kinds[] = {"subformat=vmfs", "subformat=vmfsThin",
                                        "subformat=vmfsEagerZeroedThick"};
    static const char *const lines[] = {
        "\ncreateType=\"vmfs\"\n",
        "\n# Extent description\nRW 8192 VMFS \"d-flat.vmdk\"\n", NULL};
    static const char thin[] = "\nddb.thinProvisioned = \"1\"\n";

    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *text = descriptor_of(t, kinds[i], 4 * MIB);
        g_autofree char *path = test_co_path(t, "d-flat.vmdk");

        assert_lines(text, lines);
        g_assert_cmpint(strstr(text, thin) != NULL, ==, i == 1);
        g_assert_cmpuint(test_file_size(path), ==, 4 * MIB);
        if (i == 2)
            g_assert_cmpuint(test_file_allocated(path), >=, 4 * MIB);
        else
            g_assert_cmpuint(test_file_allocated(path), <, 4 * MIB);
    }
}

static void
test_vmfs_disks_are_allocated_as_asked(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d-flat.vmdk");

    vmdk_test_create(t, "d.vmdk", 4 * MIB,
                     "subformat=vmfs,preallocation=falloc");
    g_assert_cmpuint(test_file_allocated(path), >=, 4 * MIB);
    vmdk_test_create(t, "d.vmdk", 4 * MIB,
                     "subformat=vmfsEagerZeroedThick,preallocation=full");
    g_assert_cmpuint(test_file_allocated(path), >=, 4 * MIB);
}

static void
test_vmfs_disks_keep_what_is_written(TestCo *t)
{
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", 4 * MIB, "subformat=vmfsThin");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, MIB + 512, 70000, 1);
    test_co_close(node);
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_zero(node, 0, MIB + 512);
    test_co_assert_pattern(node, MIB + 512, 70000, 1);
    vmdk_test_assert_sound(node, false);
    test_co_close(node);
}

static void
test_options_reach_the_descriptor(TestCo *t)
{
    static const char *const lines[] = {
        "\nddb.adapterType = \"legacyESX\"\n",
        "\nddb.virtualHWVersion = \"21\"\n",
        "\nddb.toolsVersion = \"10240\"\n",
        "\nddb.comment = \"my disk\"\n",
        "\nCID=0000abcd\n",
        "0000abcd\"\n",
        "\nddb.uuid = \"60 00 C2 98 5d 08 de f2-a0 14 2e 05 94 9d d8 38\"\n",
        NULL,
    };
    g_autofree char *text =
        descriptor_of(t,
                      "adapter_type=legacyESX,hwversion=21,toolsversion=10240,"
                      "description=my disk,content_id=abcd,"
                      "uuid=60 00 C2 98 5d 08 de f2-a0 14 2e 05 94 9d d8 38",
                      10 * MIB);

    assert_lines(text, lines);
}

static void
test_compat6(TestCo *t)
{
    static const char *const lines[] = {"\nddb.virtualHWVersion = \"6\"\n",
                                        NULL};
    g_autofree char *text = descriptor_of(t, "compat6=on", 10 * MIB);

    assert_lines(text, lines);
}

static void
test_sizes_are_rounded_up_to_sectors(TestCo *t)
{
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", 1000, "");
    node = vmdk_test_open(t, "d.vmdk", 0);
    g_assert_cmpuint(vd_node_size(node), ==, 1024);
    test_co_close(node);
}

static void
test_awkward_names(TestCo *t)
{
    static const char *const names[] = {"a b.vmdk", "say \"hi\".vmdk",
                                        "caf\xc3\xa9.vmdk", "\xff\xfe.vmdk",
                                        "a:b.vmdk"};

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        VdNode *node;

        vmdk_test_create(t, names[i], MIB, "");
        node = vmdk_test_open(t, names[i], VD_OPEN_RDWR);
        test_co_write_pattern(node, 0, MIB, 1);
        test_co_close(node);
    }
    vmdk_test_create(t, "a b\xc3\xa9.vmdk", MIB, "subformat=monolithicFlat");
    test_co_close(vmdk_test_open(t, "a b\xc3\xa9.vmdk", VD_OPEN_RDWR));
}

/* -- replacing
 * ------------------------------------------------------------------------ */

static void
test_an_existing_disk_is_replaced(TestCo *t)
{
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", 4 * MIB, "subformat=monolithicFlat");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 4 * MIB, 1);
    test_co_close(node);
    vmdk_test_create(t, "d.vmdk", 8 * MIB, "subformat=monolithicFlat");
    node = vmdk_test_open(t, "d.vmdk", 0);
    g_assert_cmpuint(vd_node_size(node), ==, 8 * MIB);
    test_co_assert_zero(node, 0, 8 * MIB);
    test_co_close(node);
}

static void
test_an_open_disk_is_not_replaced(TestCo *t)
{
    VdNode *node;
    g_autoptr(GError) error = NULL;

    vmdk_test_create(t, "d.vmdk", 4 * MIB, "");
    node = vmdk_test_open(t, "d.vmdk", 0);
    g_assert_false(vmdk_test_try_create(t, "d.vmdk", MIB, "", NULL, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IN_USE);
    test_co_assert_zero(node, 0, 4 * MIB);
    test_co_close(node);
}

/* -- refusals
 * -------------------------------------------------------------------------- */

/* All grains in the order of the disk, whatever is behind them. */
static void
test_sparse_is_preallocated(TestCo *t)
{
    static const char *const options[] = {
        "preallocation=metadata", "preallocation=falloc", "preallocation=full",
        "preallocation=full,subformat=twoGbMaxExtentSparse,split_size=33M"};

    for (unsigned i = 0; i < G_N_ELEMENTS(options); i++) {
        g_autofree char *path =
            test_co_path(t, i < 3 ? "d.vmdk" : "d-s001.vmdk");
        uint64_t size = i < 3 ? 40 * MIB + 512 : 33 * MIB;
        VdCheckResult result = {0};
        VdNode *node;

        test_dir_empty(t->dir);
        vmdk_test_create(t, "d.vmdk", 40 * MIB + 512, options[i]);
        node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
        test_co_assert_zero(node, 0, 40 * MIB + 512);
        vmdk_test_assert_sound(node, false);
        vd_vmdk_driver.co_check(node, &(VdCheckParams){0}, &result, NULL);
        g_assert_cmpuint(result.allocated_clusters, ==, 641);
        g_clear_pointer(&result.findings, g_ptr_array_unref);
        test_co_write_pattern(node, 30 * MIB, MIB, 5);
        test_co_close(node);
        g_assert_cmpuint(test_file_size(path), ==,
                         65536 + (size + 65535) / 65536 * 65536);
        if (i == 0)
            g_assert_cmpuint(test_file_allocated(path), <, 3 * MIB);
        else
            g_assert_cmpuint(test_file_allocated(path), >=, size);
    }
}

static const char *
created_key(TestCo *t, const char *options, uint64_t size, const char *key)
{
    g_autofree char *with_flat =
        g_strconcat(options, ",subformat=monolithicFlat", NULL);
    const char *value;
    VdNode *node;

    test_dir_empty(t->dir);
    vmdk_test_create(t, "d.vmdk", size, with_flat);
    node = vmdk_test_open(t, "d.vmdk", 0);
    value =
        g_intern_string(vmdk_descriptor_get(vmdk_test_state(node)->desc, key));
    test_co_close(node);
    return value;
}

static void
test_adapters_are_stored_in_known_words(TestCo *t)
{
    static const char *const words[][2] = {
        {"ide", "ide"},           {"buslogic", "buslogic"},
        {"lsilogic", "lsilogic"}, {"legacyESX", "legacyESX"},
        {"pvscsi", "lsilogic"},   {"lsisas1068", "lsilogic"},
        {"nvme", "lsilogic"},     {"sata", "lsilogic"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        g_autofree char *option =
            g_strconcat("adapter_type=", words[i][0], NULL);

        g_assert_cmpstr(created_key(t, option, MIB, "ddb.adapterType"), ==,
                        words[i][1]);
    }
}

static void
test_geometry_follows_adapter_and_size(TestCo *t)
{
    static const struct {
        const char *option;
        uint64_t sectors;
        const char *cylinders, *heads, *spt;
    } rows[] = {
        {"adapter_type=lsilogic", 4096, "2", "64", "32"},
        {"adapter_type=pvscsi", 61440, "30", "64", "32"},
        {"adapter_type=buslogic", 2097151, "1023", "64", "32"},
        {"adapter_type=lsilogic", 2097152, "512", "128", "32"},
        {"adapter_type=lsilogic", 4194304, "261", "255", "63"},
        {"adapter_type=lsilogic", 83886080, "5221", "255", "63"},
        {"adapter_type=nvme", 125829120, "7832", "255", "63"},
        {"adapter_type=lsilogic", UINT64_C(1) << 31, "65535", "255", "63"},
        {"adapter_type=ide", 20480, "20", "16", "63"},
        {"adapter_type=ide", 1, "1", "16", "63"},
        {"adapter_type=ide", UINT64_C(1) << 30, "16383", "16", "63"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        uint64_t size = rows[i].sectors * 512;

        g_assert_cmpstr(
            created_key(t, rows[i].option, size, "ddb.geometry.cylinders"), ==,
            rows[i].cylinders);
        g_assert_cmpstr(
            created_key(t, rows[i].option, size, "ddb.geometry.heads"), ==,
            rows[i].heads);
        g_assert_cmpstr(
            created_key(t, rows[i].option, size, "ddb.geometry.sectors"), ==,
            rows[i].spt);
    }
}

static void
test_sector_sizes_are_told(TestCo *t)
{
    VdNode *node;

    g_assert_cmpstr(created_key(t, "logical_sector_size=4k", MIB + 512,
                                "ddb.logicalSectorSize"),
                    ==, "4096");
    node = vmdk_test_open(t, "d.vmdk", 0);
    g_assert_cmpuint(vd_node_size(node), ==, MIB + 4096);
    test_co_close(node);
    g_assert_cmpstr(
        created_key(t, "physical_sector_size=4k", MIB, "ddb.logicalSectorSize"),
        ==, "512");
    g_assert_cmpstr(created_key(t, "physical_sector_size=4k", MIB,
                                "ddb.physicalSectorSize"),
                    ==, "4096");
    g_assert_null(
        created_key(t, "adapter_type=ide", MIB, "ddb.logicalSectorSize"));
}

typedef struct {
    const char *options;
    uint64_t size;
    VdErrorCode code;
    const char *text;
} Refusal;

static void
test_what_makes_no_sense_is_refused(TestCo *t)
{
    static const Refusal cases[] = {
        {"subformat=foo", MIB, VD_ERROR_INVALID_ARGUMENT, "subformat"},
        {"adapter_type=foo", MIB, VD_ERROR_INVALID_ARGUMENT, "adapter_type"},
        {"subformat=monolithicFlat,zeroed_grain=on", MIB,
         VD_ERROR_INVALID_ARGUMENT, "Flat image can't enable zeroed grain"},
        {"subformat=vmfs,zeroed_grain=on", MIB, VD_ERROR_INVALID_ARGUMENT,
         "Flat image can't enable zeroed grain"},
        {"subformat=vmfsThin,preallocation=full", MIB,
         VD_ERROR_INVALID_ARGUMENT, "preallocation=off"},
        {"subformat=vmfsEagerZeroedThick,preallocation=falloc", MIB,
         VD_ERROR_INVALID_ARGUMENT, "preallocation=full"},
        {"compat6=on,hwversion=7", MIB, VD_ERROR_INVALID_ARGUMENT, "compat6"},
        {"hwversion=x", MIB, VD_ERROR_INVALID_ARGUMENT, "hwversion"},
        {"subformat=monolithicFlat,preallocation=metadata", MIB,
         VD_ERROR_INVALID_ARGUMENT, "no metadata"},
        {"subformat=streamOptimized,preallocation=full", MIB,
         VD_ERROR_INVALID_ARGUMENT, "cannot be preallocated"},
        {"preallocation=metadata", UINT64_C(1) << 42, VD_ERROR_LIMIT, "2 TiB"},
        {"logical_sector_size=1024", MIB, VD_ERROR_INVALID_ARGUMENT,
         "sector_size"},
        {"logical_sector_size=4k,physical_sector_size=512", MIB,
         VD_ERROR_INVALID_ARGUMENT, "no less"},
        {"grain_size=3k", MIB, VD_ERROR_INVALID_ARGUMENT, "grain_size"},
        {"split_size=1000", MIB, VD_ERROR_INVALID_ARGUMENT, "split_size"},
        {"uuid=1234", MIB, VD_ERROR_INVALID_ARGUMENT, "uuid"},
        {"content_id=ffffffff", MIB, VD_ERROR_INVALID_ARGUMENT, "content_id"},
        {"description=a\"b", MIB, VD_ERROR_INVALID_ARGUMENT, "quote"},
        {"subformat=streamOptimized,zeroed_grain=on", MIB,
         VD_ERROR_INVALID_ARGUMENT, "streamOptimized"},
        {"", 0, VD_ERROR_INVALID_ARGUMENT, "size of 0"},
        {"", UINT64_C(1) << 61, VD_ERROR_LIMIT, "too large"},
        {"subformat=twoGbMaxExtentFlat,split_size=1M", 70000 * MIB,
         VD_ERROR_LIMIT, "extents"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *path = test_co_path(t, "d.vmdk");

        g_assert_false(vmdk_test_try_create(t, "d.vmdk", cases[i].size,
                                            cases[i].options, NULL, &error));
        g_assert_error(error, VD_ERROR, (int) cases[i].code);
        if (!strstr(error->message, cases[i].text))
            g_error("\"%s\" lacks \"%s\"", error->message, cases[i].text);
        g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    }
}

static void
test_flat_and_stream_have_no_parent(TestCo *t)
{
    static const char *const options[] = {
        "subformat=monolithicFlat", "subformat=twoGbMaxExtentFlat",
        "subformat=vmfs", "subformat=streamOptimized"};

    vmdk_test_create(t, "base.vmdk", MIB, "");
    for (unsigned i = 0; i < G_N_ELEMENTS(options); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(vmdk_test_try_create(t, "c.vmdk", MIB, options[i],
                                            "base.vmdk", &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
        g_assert_true(
            g_str_has_suffix(error->message, "can't have backing file"));
    }
}

/* VMware's are as large; what a shorter parent does not have is zero. */
static void
test_child_may_have_another_size(TestCo *t)
{
    static const uint64_t sizes[] = {MIB / 2, 2 * MIB};
    VdNode *base;

    vmdk_test_create(t, "base.vmdk", MIB, "");
    base = vmdk_test_open(t, "base.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(base, 0, MIB, 1);
    test_co_close(base);
    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        uint64_t common = MIN(sizes[i], MIB);
        VdNode *child;

        vmdk_test_create_child(t, "c.vmdk", sizes[i], "", "base.vmdk");
        child = vmdk_test_open(t, "c.vmdk", VD_OPEN_RDWR);
        g_assert_cmpuint(vd_node_size(child), ==, sizes[i]);
        test_co_assert_pattern(child, 0, common, 1);
        test_co_assert_zero(child, common, sizes[i] - common);
        test_co_write_pattern(child, sizes[i] - 1000, 500, 2);
        test_co_assert_pattern(child, sizes[i] - 1000, 500, 2);
        vmdk_test_assert_sound(child, false);
        test_co_close(child);
    }
}

static void
test_preallocated_flat(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d-flat.vmdk");

    vmdk_test_create(t, "d.vmdk", 4 * MIB,
                     "subformat=monolithicFlat,preallocation=full");
    g_assert_cmpuint(test_file_allocated(path), >=, 4 * MIB);
    vmdk_test_create(t, "d.vmdk", 4 * MIB, "subformat=monolithicFlat");
    g_assert_cmpuint(test_file_allocated(path), <, 4 * MIB);
}

/* -- names that are one file
 * ---------------------------------------------------------------- */

static void
assert_not_created(TestCo *t, const char *link, const char *to,
                   const char *options)
{
    g_autofree char *path = test_co_path(t, link);
    g_autofree char *target = test_co_path(t, to);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(symlink(to, path), ==, 0);
    g_assert_false(
        vmdk_test_try_create(t, "d.vmdk", 3 * MIB, options, NULL, &error));
    /* A file that is still open is found by its lock. */
    g_assert_true(vd_error_is(error, VD_ERROR_REFUSED) ||
                  vd_error_is(error, VD_ERROR_IN_USE));
    g_assert_false(g_file_test(target, G_FILE_TEST_EXISTS));
    g_assert_cmpint(unlink(path), ==, 0);
}

static void
test_links_to_its_own_files_are_refused(TestCo *t)
{
    assert_not_created(t, "d.vmdk", "d-flat.vmdk", "subformat=monolithicFlat");
    assert_not_created(t, "d-s002.vmdk", "d-s001.vmdk",
                       "subformat=twoGbMaxExtentSparse,split_size=1M");
    assert_not_created(t, "d-flat.vmdk", "d.vmdk", "subformat=monolithicFlat");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) test_co_add("/vmdk/create/" path, fn)
    ADD("sparse-preallocated", test_sparse_is_preallocated);
    ADD("adapters", test_adapters_are_stored_in_known_words);
    ADD("geometry-rules", test_geometry_follows_adapter_and_size);
    ADD("sector-sizes", test_sector_sizes_are_told);
    ADD("layout", test_layout);
    ADD("header-bytes", test_header_is_vmwares_to_the_byte);
    ADD("2-tib", test_a_2_tib_image_is_small_and_reads_as_zero);
    ADD("sparse-descriptor", test_descriptor_of_a_sparse_disk);
    ADD("export-descriptor", test_descriptor_of_an_export);
    ADD("split-names", test_split_disks_name_their_extents);
    ADD("vmfs-files", test_vmfs_disks_name_one_flat_file);
    ADD("vmfs-allocation", test_vmfs_disks_are_allocated_as_asked);
    ADD("vmfs-written", test_vmfs_disks_keep_what_is_written);
    ADD("options", test_options_reach_the_descriptor);
    ADD("compat6", test_compat6);
    ADD("rounding", test_sizes_are_rounded_up_to_sectors);
    ADD("awkward-names", test_awkward_names);
    ADD("replaces", test_an_existing_disk_is_replaced);
    ADD("in-use", test_an_open_disk_is_not_replaced);
    ADD("refusals", test_what_makes_no_sense_is_refused);
    ADD("no-parent", test_flat_and_stream_have_no_parent);
    ADD("child-size", test_child_may_have_another_size);
    ADD("preallocated", test_preallocated_flat);
    ADD("links-to-own-files", test_links_to_its_own_files_are_refused);
#undef ADD
    return g_test_run();
}
