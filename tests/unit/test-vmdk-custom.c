/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-custom.c - disks put together from pieces of any sort:
 * partitioned disks, raw device mappings, several pieces of one file, sparse
 * extents with odd grains; and what is kept of their descriptors. */
#include "tests/support/leaf.h"
#include "tests/unit/vmdk-test.h"

#include <stdio.h>
#include <string.h>

#define HEAD                                                                   \
    "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n"            \
    "createType=\"custom\"\n\n"

static void
write_text(TestCo *t, const char *name, const char *text)
{
    vmdk_test_write_file(t, name, text, strlen(text));
}

static void
write_raw(TestCo *t, const char *name, size_t len, uint32_t seed)
{
    g_autofree uint8_t *bytes = g_malloc(len);

    test_pattern_fill(bytes, len, 0, seed);
    vmdk_test_write_file(t, name, bytes, len);
}

/* Bytes of a file of write_raw() that are at another place of a disk. */
static void
assert_from(VdNode *node, uint64_t off, uint64_t file_off, size_t len,
            uint32_t seed)
{
    g_autofree uint8_t *got = g_malloc(len);
    g_autoptr(GError) error = NULL;

    vd_node_co_pread(node, off, got, len, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(test_pattern_differs(got, len, file_off, seed), ==, len);
}

static VdNode *
open_with(TestCo *t, const char *name, const char *more, VdOpenFlags flags,
          GError **error)
{
    g_autofree char *path = test_co_path(t, name);
    g_autofree char *options =
        g_strdup_printf("driver=vmdk,file.filename=%s%s", path, more);

    return test_co_try_open(t, options, flags, error);
}

/* -- refusing to write
 * --------------------------------------------------------------- */

typedef enum { DO_WRITE, DO_ZERO } Change;

static void
assert_refused(VdNode *node, Change change, uint64_t off, uint64_t len,
               const char *range)
{
    g_autofree uint8_t *buf = g_malloc0(len);
    g_autoptr(GError) error = NULL;
    bool ok = change == DO_WRITE
                  ? vd_node_co_pwrite(node, off, buf, len, &error)
                  : vd_node_co_write_zeroes(node, off, len, 0, &error);

    g_assert_false(ok);
    g_assert_error(error, VD_ERROR, VD_ERROR_READ_ONLY);
    if (!strstr(error->message, range))
        g_error("\"%s\" lacks \"%s\"", error->message, range);
}

static void
test_refusals_name_the_range(TestCo *t)
{
    VdNode *node;

    write_raw(t, "a.raw", 4096, 1);
    write_raw(t, "b.raw", 4096, 2);
    write_text(t, "d.vmdk",
               HEAD "RW 8 FLAT \"a.raw\" 0\nRDONLY 8 FLAT \"b.raw\" 0\n"
                    "NOACCESS 8 FLAT \"gone.raw\" 0\nNOACCESS 8 ZERO\n");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    g_assert_cmpuint(vd_node_size(node), ==, 4 * 4096);
    for (Change change = DO_WRITE; change <= DO_ZERO; change++) {
        assert_refused(node, change, 4096, 512,
                       "bytes 4096 to 8191 are marked RDONLY");
        assert_refused(node, change, 8192, 512,
                       "bytes 8192 to 12287 are marked NOACCESS");
        assert_refused(node, change, 12288 + 512, 512,
                       "bytes 12288 to 16383 are marked NOACCESS");
    }
    /* Advice is not an error, and does nothing. */
    g_assert_true(vd_node_co_discard(node, 0, 4 * 4096, NULL));
    test_co_assert_zero(node, 8192, 8192);
    assert_from(node, 4096, 0, 4096, 2);
    test_co_close(node);
}

/* -- pieces of one file
 * -------------------------------------------------------------- */

/* The tables in a small file, two partitions and the gap between them: as
 * partitionedDevice disks are, with a file for the device. */
#define PARTITIONED                                                            \
    HEAD "RW 8 FLAT \"d-pt.vmdk\" 0\n"                                         \
         "RW 16 FLAT \"disk.raw\" 8\n"                                         \
         "NOACCESS 8 FLAT \"disk.raw\" 24\n"                                   \
         "RW 8 ZERO\n"                                                         \
         "RDONLY 16 FLAT \"disk.raw\" 40\n"                                    \
         "RW 8 FLAT \"disk.raw\" 32\n"

static void
test_partitioned_disk(TestCo *t)
{
    g_autofree char *after = NULL;
    VdNode *node;
    size_t len;

    write_raw(t, "disk.raw", 56 * 512, 1);
    write_raw(t, "d-pt.vmdk", 8 * 512, 2);
    write_text(t, "d.vmdk", PARTITIONED);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    g_assert_cmpuint(vd_node_size(node), ==, 64 * 512);
    assert_from(node, 0, 0, 8 * 512, 2);
    assert_from(node, 8 * 512, 8 * 512, 16 * 512, 1);
    test_co_assert_zero(node, 24 * 512, 16 * 512);
    assert_from(node, 40 * 512, 40 * 512, 16 * 512, 1);
    assert_from(node, 56 * 512, 32 * 512, 8 * 512, 1);
    test_co_write_pattern(node, 23 * 512, 512, 3);
    test_co_write_pattern(node, 56 * 512, 1024, 3);
    test_co_close(node);
    after = vmdk_test_read_file(t, "disk.raw", &len);
    g_assert_cmpuint(len, ==, 56 * 512);
    g_assert_cmpuint(test_pattern_differs(after, 23 * 512, 0, 1), ==, 23 * 512);
    g_assert_cmpuint(test_pattern_differs(after + 23 * 512, 512, 23 * 512, 3),
                     ==, 512);
    g_assert_cmpuint(
        test_pattern_differs(after + 24 * 512, 8 * 512, 24 * 512, 1), ==,
        8 * 512);
    g_assert_cmpuint(test_pattern_differs(after + 32 * 512, 1024, 56 * 512, 3),
                     ==, 1024);
    g_assert_cmpuint(
        test_pattern_differs(after + 34 * 512, 22 * 512, 34 * 512, 1), ==,
        22 * 512);
}

static void
test_pieces_that_overlap_are_read_only(TestCo *t)
{
    static const char *const lines[] = {
        "RW 16 FLAT \"disk.raw\" 8\nRW 8 FLAT \"disk.raw\" 23\n",
        "RW 8 FLAT \"disk.raw\" 23\nRDONLY 16 FLAT \"disk.raw\" 8\n",
        "RW 8 FLAT \"disk.raw\" 0\nRW 8 VMFS \"disk.raw\"\n",
    };

    write_raw(t, "disk.raw", 56 * 512, 1);
    for (unsigned i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autofree char *text = g_strconcat(HEAD, lines[i], NULL);

        write_text(t, "d.vmdk", text);
        test_co_close(vmdk_test_open(t, "d.vmdk", 0));
        vmdk_test_assert_refused(t, "d.vmdk", VD_OPEN_RDWR, VD_ERROR_REFUSED);
    }
    write_text(t, "d.vmdk",
               HEAD "RDONLY 8 FLAT \"disk.raw\" 0\n"
                    "RDONLY 8 FLAT \"disk.raw\" 4\nRW 8 ZERO\n");
    test_co_close(vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR));
}

/* What is behind a piece is somebody else's. */
static void
test_pieces_are_not_resized(TestCo *t)
{
    static const uint64_t sizes[] = {64 * 512 + 4096, 60 * 512};
    g_autofree char *after = NULL;
    size_t len;

    write_raw(t, "disk.raw", 56 * 512, 1);
    write_raw(t, "d-pt.vmdk", 8 * 512, 2);
    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GError) error = NULL;
        VdNode *node;

        write_text(t, "d.vmdk", PARTITIONED);
        node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
        g_assert_false(
            vd_node_co_truncate(node, sizes[i], VD_PREALLOC_OFF, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
        test_co_close(node);
    }
    after = vmdk_test_read_file(t, "disk.raw", &len);
    g_assert_cmpuint(test_pattern_differs(after, len, 0, 1), ==, 56 * 512);
}

/* A piece at the end of a file that is longer than the disk. */
static void
test_flat_inside_a_bigger_file(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "disk.raw");
    VdNode *node;

    write_raw(t, "disk.raw", 100 * 512, 1);
    write_text(t, "d.vmdk", HEAD "RW 50 FLAT \"disk.raw\" 30\n");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    assert_from(node, 0, 30 * 512, 50 * 512, 1);
    test_co_write_pattern(node, 49 * 512, 512, 2);
    g_assert_true(vd_node_co_write_zeroes(node, 0, 512, 0, NULL));
    vmdk_test_assert_sound(node, false);
    test_co_close(node);
    g_assert_cmpuint(test_file_size(path), ==, 100 * 512);
    write_text(t, "all.vmdk", HEAD "RW 100 FLAT \"disk.raw\" 0\n");
    node = vmdk_test_open(t, "all.vmdk", 0);
    assert_from(node, 0, 0, 30 * 512, 1);
    test_co_assert_zero(node, 30 * 512, 512);
    assert_from(node, 31 * 512, 31 * 512, 48 * 512, 1);
    assert_from(node, 79 * 512, 49 * 512, 512, 2);
    assert_from(node, 80 * 512, 80 * 512, 20 * 512, 1);
    test_co_close(node);
}

/* -- raw device mappings
 * -------------------------------------------------------------- */

static const char *const rdm_kinds[] = {
    "vmfsRawDeviceMap", "vmfsRDM", "vmfsPassthroughRawDeviceMap", "vmfsRDMP"};

static void
test_mapped_device_is_not_in_the_file(TestCo *t)
{
    /* What a mapping file holds is not the disk's data. */
    write_raw(t, "d-rdm.vmdk", 8 * 512, 1);
    for (unsigned i = 0; i < G_N_ELEMENTS(rdm_kinds); i++) {
        g_autofree char *text = g_strdup_printf(
            HEAD "createType=\"%s\"\nRW 8 VMFSRDM \"d-rdm.vmdk\"\n",
            rdm_kinds[i]);
        g_autoptr(GError) error = NULL;
        VdNode *node;

        write_text(t, "d.vmdk", text);
        g_assert_null(vmdk_test_try_open(t, "d.vmdk", 0, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
        g_assert_nonnull(strstr(error->message, "on a LUN"));
        node = vmdk_test_open(t, "d.vmdk", VD_OPEN_NO_IO);
        g_assert_cmpuint(vd_node_size(node), ==, 8 * 512);
        test_co_close(node);
    }
}

static void
test_mapped_device_can_be_named(TestCo *t)
{
    g_autofree char *lun = test_co_path(t, "lun.raw");
    g_autofree char *more = g_strdup_printf(",extents.0.filename=%s", lun);
    g_autofree char *after = NULL;
    g_autoptr(GError) error = NULL;
    size_t len;

    write_raw(t, "d-rdm.vmdk", 512, 9);
    write_text(t, "d.vmdk", HEAD "RW 16 VMFSRDM \"d-rdm.vmdk\"\n");
    write_raw(t, "lun.raw", 16 * 512, 1);
    for (unsigned i = 0; i < 2; i++) {
        VdNode *node = open_with(t, "d.vmdk", more, VD_OPEN_RDWR, &error);

        g_assert_no_error(error);
        assert_from(node, 0, 0, 15 * 512, 1);
        test_co_write_pattern(node, 15 * 512, 512, 2);
        test_co_assert_pattern(node, 15 * 512, 512, 2);
        vmdk_test_assert_sound(node, false);
        test_co_close(node);
    }
    after = vmdk_test_read_file(t, "d-rdm.vmdk", &len);
    g_assert_cmpuint(test_pattern_differs(after, len, 0, 9), ==, 512);
}

/* The line names the device itself. */
static void
test_vmfsraw_is_the_device(TestCo *t)
{
    g_autofree char *text = NULL, *path = test_co_path(t, "lun.raw");
    VdNode *node;

    write_raw(t, "lun.raw", 16 * 512, 1);
    text = g_strdup_printf(HEAD "RW 16 VMFSRAW \"%s\"\n", path);
    write_text(t, "d.vmdk", text);
    node = vmdk_test_open(t, "d.vmdk", 0);
    assert_from(node, 0, 0, 16 * 512, 1);
    test_co_close(node);
    write_text(t, "d.vmdk", HEAD "RW 16 VMFSRAW \"/vmfs/devices/x\"\n");
    vmdk_test_assert_refused(t, "d.vmdk", 0, VD_ERROR_REFUSED);
}

static void
test_one_named_file_for_several_lines(TestCo *t)
{
    g_autofree char *lun = test_co_path(t, "lun.raw");
    g_autofree char *both = g_strdup_printf(
        ",extents.0.filename=%s,extents.1.filename=%s", lun, lun);
    g_autofree char *more = g_strdup_printf("%s,extents.1.driver=file", both);
    g_autoptr(GError) error = NULL;
    VdNode *node;

    write_raw(t, "lun.raw", 32 * 512, 1);
    write_text(t, "d.vmdk",
               HEAD "RW 16 FLAT \"/dev/x\" 16\nRW 16 FLAT \"/dev/x\" 0\n");
    vmdk_test_assert_refused(t, "d.vmdk", 0, VD_ERROR_REFUSED);
    node = open_with(t, "d.vmdk", both, VD_OPEN_RDWR, &error);
    g_assert_no_error(error);
    assert_from(node, 0, 16 * 512, 16 * 512, 1);
    assert_from(node, 16 * 512, 0, 16 * 512, 1);
    test_co_write_pattern(node, 15 * 512, 1024, 2);
    test_co_close(node);
    /* Options that would have no effect are an error. */
    g_assert_null(open_with(t, "d.vmdk", more, 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
}

static void
test_devices_are_not_opened_unasked(TestCo *t)
{
    static const char *const allow[] = {"/dev", NULL};
    g_autoptr(GError) error = NULL;
    VdNode *node;

    write_text(t, "d.vmdk", HEAD "RW 8 FLAT \"/dev/zero\" 63\n");
    g_assert_null(vmdk_test_try_open(t, "d.vmdk", 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_REFUSED);
    g_assert_nonnull(strstr(error->message, "allowed explicitly"));
    /* The policy is content; no disk is a stream of characters, though. */
    t->env.allow_paths = allow;
    g_clear_error(&error);
    node = vmdk_test_try_open(t, "d.vmdk", 0, &error);
    if (node)
        test_co_close(node);
    else
        g_assert_false(vd_error_is(error, VD_ERROR_REFUSED));
}

/* -- the caller's word
 * --------------------------------------------------------------- */

/* RW in the descriptor does not make a writer of a reader. */
static void
test_reading_opens_no_extent_for_writing(TestCo *t)
{
    VdNode *node;

    write_raw(t, "a.raw", 4096, 1);
    vmdk_test_create(t, "s.vmdk", MIB, "subformat=twoGbMaxExtentSparse");
    write_text(t, "d.vmdk",
               HEAD "RW 8 FLAT \"a.raw\" 0\nRW 2048 SPARSE \"s-s001.vmdk\"\n");
    node = vmdk_test_open(t, "d.vmdk", 0);
    for (unsigned i = 0; i < 2; i++)
        g_assert_false(
            vd_node_is_writable(vmdk_test_state(node)->extents[i].file));
    test_co_close(node);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    for (unsigned i = 0; i < 2; i++)
        g_assert_true(
            vd_node_is_writable(vmdk_test_state(node)->extents[i].file));
    test_co_close(node);
}

/* -- sparse pieces
 * ------------------------------------------------------------------- */

static void
test_extents_with_different_grains(TestCo *t)
{
    static const char *const grains[] = {"4k", "8k", "64k", "1M"};
    g_autoptr(GString) text = g_string_new(HEAD);
    uint64_t size = 5 * MIB + 3 * 512;
    VdNode *node;

    for (unsigned i = 0; i < G_N_ELEMENTS(grains); i++) {
        g_autofree char *name = g_strdup_printf("g%u.vmdk", i);
        g_autofree char *options =
            g_strdup_printf("subformat=twoGbMaxExtentSparse,grain_size=%s,"
                            "zeroed_grain=%s",
                            grains[i], i % 2 ? "on" : "off");

        vmdk_test_create(t, name, size, options);
        g_string_append_printf(
            text, "RW %" G_GUINT64_FORMAT " SPARSE \"g%u-s001.vmdk\"\n",
            size / 512, i);
    }
    write_text(t, "d.vmdk", text->str);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    g_assert_cmpuint(vd_node_size(node), ==, 4 * size);
    /* Over all borders between them. */
    for (unsigned i = 1; i < 4; i++)
        test_co_write_pattern(node, i * size - 70000, 140000, i);
    test_co_write_pattern(node, 4 * size - 512, 512, 4);
    g_assert_true(
        vd_node_co_write_zeroes(node, size - 3 * 512, 6 * 512, 0, NULL));
    test_co_close(node);
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_pattern(node, size - 70000, 70000 - 3 * 512, 1);
    test_co_assert_zero(node, size - 3 * 512, 6 * 512);
    test_co_assert_pattern(node, size + 3 * 512, 70000 - 3 * 512, 1);
    for (unsigned i = 2; i < 4; i++)
        test_co_assert_pattern(node, i * size - 70000, 140000, i);
    test_co_assert_pattern(node, 4 * size - 512, 512, 4);
    vmdk_test_assert_sound(node, false);
    test_co_close(node);
}

/* -- what is kept of the text
 * --------------------------------------------------------------- */

static void
test_seven_values_survive_rewriting(TestCo *t)
{
    static const char line[] =
        "RW 8 FLAT \"a.raw\" 0 \"{5a3e-0001}\" \"\\\\.\\PhysicalDrive0\"\n";
    g_autofree char *text = g_strconcat(HEAD, line, NULL);
    g_autofree char *after = NULL;
    VdNode *node;
    size_t len;

    write_raw(t, "a.raw", 4096, 1);
    write_text(t, "d.vmdk", text);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 512, 2); /* a new content id */
    test_co_close(node);
    after = vmdk_test_read_file(t, "d.vmdk", &len);
    g_assert_nonnull(strstr(after, line));
    g_assert_null(strstr(after, "CID=1\n"));
}

/* Names in a code page come back as UTF-8, and the text says so. */
static void
test_names_in_a_code_page_are_rewritten(TestCo *t)
{
    g_autofree char *after = NULL;
    VdNode *node;
    size_t len;

    write_raw(t, "\xe8\xa1\xa8.raw", 4096, 1); /* U+8868: 0x95 0x5c in cp932 */
    write_text(t, "d.vmdk",
               "# Disk DescriptorFile\nversion=1\nencoding=\"Shift_JIS\"\n"
               "CID=1\nparentCID=ffffffff\nRW 8 FLAT \"\x95\x5c.raw\" 0\n"
               "ddb.comment = \"\x95\x5c\"\n");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 512, 2);
    test_co_close(node);
    after = vmdk_test_read_file(t, "d.vmdk", &len);
    g_assert_nonnull(strstr(after, "encoding=\"UTF-8\"\n"));
    g_assert_nonnull(strstr(after, "RW 8 FLAT \"\xe8\xa1\xa8.raw\" 0\n"));
    g_assert_nonnull(strstr(after, "ddb.comment = \"\xe8\xa1\xa8\"\n"));
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_pattern(node, 0, 512, 2);
    assert_from(node, 512, 512, 4096 - 512, 1);
    test_co_close(node);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) test_co_add("/vmdk/custom/" path, fn)
    ADD("refusals", test_refusals_name_the_range);
    ADD("partitioned", test_partitioned_disk);
    ADD("pieces-keep-size", test_pieces_are_not_resized);
    ADD("overlap", test_pieces_that_overlap_are_read_only);
    ADD("bigger-file", test_flat_inside_a_bigger_file);
    ADD("rdm", test_mapped_device_is_not_in_the_file);
    ADD("rdm-named", test_mapped_device_can_be_named);
    ADD("vmfsraw", test_vmfsraw_is_the_device);
    ADD("named-twice", test_one_named_file_for_several_lines);
    ADD("devices", test_devices_are_not_opened_unasked);
    ADD("read-only", test_reading_opens_no_extent_for_writing);
    ADD("grains", test_extents_with_different_grains);
    ADD("seven-values", test_seven_values_survive_rewriting);
    ADD("code-page", test_names_in_a_code_page_are_rewritten);
#undef ADD
    return g_test_run();
}
