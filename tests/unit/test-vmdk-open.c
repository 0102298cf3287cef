/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-open.c - descriptors of all sorts at work: every extent
 * line counts, odd files are read right, hostile ones refused. */
#include "tests/unit/vmdk-test.h"

#include <stdio.h>
#include <string.h>

static void
write_text(TestCo *t, const char *name, const char *text)
{
    vmdk_test_write_file(t, name, text, strlen(text));
}

/* A raw file of @len pattern bytes. */
static void
write_raw(TestCo *t, const char *name, size_t len, uint32_t seed)
{
    g_autofree uint8_t *bytes = g_malloc(len);

    test_pattern_fill(bytes, len, 0, seed);
    vmdk_test_write_file(t, name, bytes, len);
}

static void
assert_bytes(VdNode *node, uint64_t off, uint64_t file_off, size_t len,
             uint32_t seed)
{
    g_autofree uint8_t *got = g_malloc(len), *wanted = g_malloc(len);
    g_autoptr(GError) error = NULL;

    test_pattern_fill(wanted, len, file_off, seed);
    vd_node_co_pread(node, off, got, len, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(got, len, wanted, len);
}

#define HEAD "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n"

static void
test_all_lines_count(TestCo *t)
{
    VdNode *node;

    write_raw(t, "a.raw", 16 * KIB, 1);
    write_raw(t, "b.raw", 16 * KIB, 2);
    write_text(t, "d.vmdk",
               HEAD "createType=\"custom\"\n\n"
                    "RW 8 FLAT \"a.raw\" 8\n\n"
                    "RW 8 ZERO \n"
                    "RDONLY 8 FLAT \"b.raw\" 16\n"
                    "NOACCESS 8 FLAT \"missing.raw\" 0\n"
                    "RW 8 VMFS \"b.raw\"\n");
    node = vmdk_test_open(t, "d.vmdk", 0);
    g_assert_cmpuint(vd_node_size(node), ==, 5 * 4096);
    assert_bytes(node, 0, 4096, 4096, 1);
    test_co_assert_zero(node, 4096, 4096);
    assert_bytes(node, 8192, 8192, 4096, 2);
    test_co_assert_zero(node, 12288, 4096);
    assert_bytes(node, 16384, 0, 4096, 2);
    test_co_close(node);
}

/* Every word that files are known to have there, and none of them known. */
static void
test_create_type_is_hearsay(TestCo *t)
{
    static const char *const words[] = {
        "monolithicSparse",
        "twoGbMaxExtentSparse",
        "2GbMaxExtentSparse",
        "monolithicFlat",
        "twoGbMaxExtentFlat",
        "2GbMaxExtentFlat",
        "streamOptimized",
        "vmfs",
        "vmfsThin",
        "vmfsPreallocated",
        "vmfsEagerZeroedThick",
        "vmfsThick",
        "vmfsSparse",
        "seSparse",
        "vmfsSeSparse",
        "vsanSparse",
        "vmfsRawDeviceMap",
        "vmfsRDM",
        "vmfsPassthroughRawDeviceMap",
        "vmfsRDMP",
        "vmfsRaw",
        "fullDevice",
        "partitionedDevice",
        "custom",
        "whatever comes next",
    };

    write_raw(t, "a.raw", 4096, 1);
    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        g_autofree char *text = g_strdup_printf(
            HEAD "createType=\"%s\"\nRW 8 VMFS \"a.raw\"\n", words[i]);
        VdNode *node;

        write_text(t, "d.vmdk", text);
        node = vmdk_test_open(t, "d.vmdk", 0);
        g_assert_cmpuint(vd_node_size(node), ==, 4096);
        assert_bytes(node, 0, 0, 4096, 1);
        test_co_close(node);
    }
}

static void
assert_write(VdNode *node, uint64_t off, bool ok)
{
    static const char bytes[512] = "x";
    g_autoptr(GError) error = NULL;

    vd_node_co_pwrite(node, off, bytes, sizeof(bytes), &error);
    if (ok)
        g_assert_no_error(error);
    else
        g_assert_error(error, VD_ERROR, VD_ERROR_READ_ONLY);
}

static void
test_access_words_are_obeyed(TestCo *t)
{
    g_autofree char *after = NULL;
    VdNode *node;
    size_t len;

    write_raw(t, "a.raw", 4096, 1);
    write_raw(t, "b.raw", 4096, 2);
    write_text(t, "d.vmdk",
               HEAD "RW 8 FLAT \"a.raw\" 0\nRDONLY 8 FLAT \"b.raw\" 0\n"
                    "NOACCESS 8 ZERO\nRW 8 ZERO\n");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    assert_write(node, 0, true);
    assert_write(node, 4096, false);
    assert_write(node, 8192, false);
    assert_write(node, 12288, false);
    test_co_close(node);
    after = vmdk_test_read_file(t, "b.raw", &len);
    g_assert_cmpuint(test_pattern_differs(after, len, 0, 2), ==, len);
}

static void
test_names_in_other_forms(TestCo *t)
{
    VdNode *node;

    write_raw(t, "a \"b\" c.raw", 4096, 1);
    write_raw(t, "日本.raw", 4096, 2);
    write_text(t, "q.vmdk",
               "version = 1 \r\nCID=1\r\nencoding=\"Shift_JIS\" \r\n"
               "RW 8 FLAT \"a \"b\" c.raw\" 0 \"uuid\" \"dev\"\r\n"
               "RW 8 FLAT \"\x93\xfa\x96\x7b.raw\" 0");
    node = vmdk_test_open(t, "q.vmdk", 0);
    assert_bytes(node, 0, 0, 4096, 1);
    assert_bytes(node, 4096, 0, 4096, 2);
    test_co_close(node);
}

/* Odd names and line ends, before and after the text is written anew. */
static void
test_odd_descriptor_survives_the_first_write(TestCo *t)
{
    VdNode *node;

    write_raw(t, "a \"b\" c.raw", 4096, 1);
    write_raw(t, "日本.raw", 4096, 2);
    write_text(t, "q.vmdk",
               "version = 1 \r\nCID=1\r\nparentCID=ffffffff\r\n"
               "encoding=\"Shift_JIS\" \r\n"
               "RW 8 FLAT \"a \"b\" c.raw\" 0 \"uuid\" \"dev\"\r\n"
               "RW 8 FLAT \"\x93\xfa\x96\x7b.raw\" 0");
    node = vmdk_test_open(t, "q.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 4096 - 512, 1024, 3);
    test_co_close(node);
    node = vmdk_test_open(t, "q.vmdk", VD_OPEN_RDWR);
    assert_bytes(node, 0, 0, 4096 - 512, 1);
    test_co_assert_pattern(node, 4096 - 512, 1024, 3);
    g_assert_cmphex(vmdk_test_state(node)->cid, !=, 1);
    g_assert_cmpuint(vmdk_test_state(node)->n_extents, ==, 2);
    test_co_write_pattern(node, 0, 512, 4);
    test_co_close(node);
    node = vmdk_test_open(t, "q.vmdk", 0);
    test_co_assert_pattern(node, 0, 512, 4);
    test_co_assert_pattern(node, 4096 - 512, 1024, 3);
    test_co_close(node);
}

static void
test_short_flat_file_reads_as_zero_behind_its_end(TestCo *t)
{
    VdNode *node;

    write_raw(t, "a.raw", 5000, 1);
    write_text(t, "d.vmdk", HEAD "RW 16 FLAT \"a.raw\" 0\n");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    g_assert_cmpuint(t->warnings->len, ==, 1);
    assert_bytes(node, 0, 0, 5000, 1);
    test_co_assert_zero(node, 5000, 8192 - 5000);
    test_co_write_pattern(node, 7000, 1192, 3);
    test_co_assert_pattern(node, 7000, 1192, 3);
    test_co_assert_zero(node, 5000, 2000);
    test_co_close(node);
}

/* -- sparse extents
 * -------------------------------------------------------------------- */

/* The same past the page cache, where everything comes in whole blocks: the
 * file ends in the middle of one, the extent begins in the middle of one. */
static void
test_short_flat_file_without_page_cache(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "a.raw");
    g_autoptr(GError) error = NULL;
    VdNode *node;

    write_raw(t, "a.raw", 10000, 1);
    write_text(t, "d.vmdk", HEAD "RW 100 FLAT \"a.raw\" 3\n");
    node =
        vmdk_test_try_open(t, "d.vmdk", VD_OPEN_RDWR | VD_OPEN_DIRECT, &error);
    if (vd_error_is(error, VD_ERROR_NOT_SUPPORTED)) {
        g_test_skip("no direct I/O here");
        return;
    }
    g_assert_no_error(error);
    assert_bytes(node, 0, 1536, 10000 - 1536, 1);
    test_co_assert_zero(node, 10000 - 1536, 100 * 512 - (10000 - 1536));
    test_co_write_pattern(node, 9000, 3, 2);
    test_co_write_pattern(node, 20001, 7000, 3);
    test_co_close(node);
    g_assert_cmpuint(test_file_size(path), ==, 1536 + 27001);
    node = vmdk_test_open(t, "d.vmdk", 0);
    assert_bytes(node, 0, 1536, 10000 - 1536, 1);
    test_co_assert_zero(node, 10000 - 1536, 9000 - (10000 - 1536));
    test_co_assert_pattern(node, 9000, 3, 2);
    test_co_assert_zero(node, 9003, 20001 - 9003);
    test_co_assert_pattern(node, 20001, 7000, 3);
    test_co_assert_zero(node, 27001, 100 * 512 - 27001);
    test_co_close(node);
}

static void
test_embedded_extent_is_the_file_itself(TestCo *t)
{
    g_autofree char *from = test_co_path(t, "old.vmdk");
    g_autofree char *to = test_co_path(t, "new.vmdk");
    VdNode *node;

    vmdk_test_create(t, "old.vmdk", MIB, "");
    node = vmdk_test_open(t, "old.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, MIB, 1);
    test_co_close(node);
    g_assert_cmpint(rename(from, to), ==, 0);
    node = vmdk_test_open(t, "new.vmdk", 0);
    test_co_assert_pattern(node, 0, MIB, 1);
    test_co_close(node);
}

static void
test_mixed_sparse_and_flat(TestCo *t)
{
    VdNode *node;

    vmdk_test_create(t, "s.vmdk", MIB,
                     "subformat=twoGbMaxExtentSparse,split_size=1M");
    write_raw(t, "a.raw", MIB, 1);
    write_text(t, "d.vmdk",
               HEAD "RW 2048 FLAT \"a.raw\" 0\nRW 2048 SPARSE "
                    "\"s-s001.vmdk\"\n");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    g_assert_cmpuint(vd_node_size(node), ==, 2 * MIB);
    test_co_write_pattern(node, MIB - 70000, 140000, 5);
    test_co_assert_pattern(node, MIB - 70000, 140000, 5);
    vmdk_test_assert_sound(node, false);
    test_co_close(node);
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_pattern(node, MIB - 70000, 140000, 5);
    assert_bytes(node, 0, 0, MIB - 70000, 1);
    test_co_close(node);
}

static void
test_line_smaller_than_the_header_counts(TestCo *t)
{
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", MIB, "");
    vmdk_test_replace(t, "d.vmdk", "RW 2048 ", "RW 2040 ");
    node = vmdk_test_open(t, "d.vmdk", 0);
    g_assert_cmpuint(vd_node_size(node), ==, 2040 * 512);
    test_co_close(node);
    vmdk_test_replace(t, "d.vmdk", "RW 2040 ", "RW 9999 ");
    node = vmdk_test_open(t, "d.vmdk", 0);
    g_assert_cmpuint(vd_node_size(node), ==, 2048 * 512);
    g_assert_cmpuint(t->warnings->len, ==, 1);
    test_co_close(node);
}

static void
test_bare_extent_is_read_only(TestCo *t)
{
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", MIB, "subformat=twoGbMaxExtentSparse");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, MIB, 1);
    test_co_close(node);
    node = vmdk_test_open(t, "d-s001.vmdk", 0);
    test_co_assert_pattern(node, 0, MIB, 1);
    test_co_close(node);
    vmdk_test_assert_refused(t, "d-s001.vmdk", VD_OPEN_RDWR,
                             VD_ERROR_READ_ONLY);
}

static void
test_one_sector_descriptor(TestCo *t)
{
    char sector[512] = HEAD "RW 2048 SPARSE \"x\"\n";
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", MIB, "");
    vmdk_test_poke32(t, "d.vmdk", 36, 1); /* descriptorSize */
    vmdk_test_poke(t, "d.vmdk", 512, sector, sizeof(sector));
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    g_assert_cmpuint(vd_node_size(node), ==, MIB);
    test_co_write_pattern(node, 0, 4096, 1); /* rewrites the descriptor */
    test_co_close(node);
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_pattern(node, 0, 4096, 1);
    test_co_close(node);
}

static void
test_header_that_only_holds_a_descriptor(TestCo *t)
{
    g_autofree char *text = g_malloc0(20 * 512);
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", MIB, "");
    write_raw(t, "a.raw", 4096, 1);
    vmdk_test_poke32(t, "d.vmdk", 12, 0); /* capacity */
    strcpy(text, HEAD "RW 8 FLAT \"a.raw\" 0\n");
    vmdk_test_poke(t, "d.vmdk", 512, text, 20 * 512);
    node = vmdk_test_open(t, "d.vmdk", 0);
    assert_bytes(node, 0, 0, 4096, 1);
    test_co_close(node);
}

/* -- refusals
 * ----------------------------------------------------------------------------
 */

static void
test_extents_outside_the_directory_are_refused(TestCo *t)
{
    VdNode *node;

    write_text(t, "d.vmdk", HEAD "RW 1 FLAT \"/etc/hostname\" 0\n");
    vmdk_test_assert_refused(t, "d.vmdk", 0, VD_ERROR_REFUSED);
    write_text(t, "e.vmdk", HEAD "RW 1 FLAT \"../../etc/hostname\" 0\n");
    vmdk_test_assert_refused(t, "e.vmdk", 0, VD_ERROR_REFUSED);
    write_text(t, "f.vmdk", HEAD "RW 1 FLAT \"..\\..\\etc\\hostname\" 0\n");
    vmdk_test_assert_refused(t, "f.vmdk", 0, VD_ERROR_REFUSED);
    t->env.allow_any_path = true;
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_close(node);
}

static void
test_one_file_twice_is_read_only(TestCo *t)
{
    write_raw(t, "a.raw", 4096, 1);
    write_text(t, "d.vmdk",
               HEAD "RW 4 FLAT \"a.raw\" 0\nRW 4 FLAT \"a.raw\" 0\n");
    test_co_close(vmdk_test_open(t, "d.vmdk", 0));
    vmdk_test_assert_refused(t, "d.vmdk", VD_OPEN_RDWR, VD_ERROR_REFUSED);
    write_text(t, "e.vmdk", HEAD "RW 1 FLAT \"e.vmdk\" 0\n");
    vmdk_test_assert_refused(t, "e.vmdk", VD_OPEN_RDWR, VD_ERROR_REFUSED);
}

typedef struct {
    const char *text;
    VdErrorCode code;
} Refusal;

static void
test_what_cannot_be_opened_is_refused(TestCo *t)
{
    static const Refusal cases[] = {
        {HEAD, VD_ERROR_CORRUPT},
        {HEAD "RW 1 FLAT \"missing\" 0\n", VD_ERROR_NOT_FOUND},
        {HEAD "RW 1 SPARSE \"missing\"\n", VD_ERROR_NOT_FOUND},
        {HEAD "RW 1 SPARSE \"d.vmdk\"\n", VD_ERROR_CORRUPT},
        {HEAD "RW 8 VMFSSPARSE \"missing\"\n", VD_ERROR_NOT_FOUND},
        {HEAD "RW 8 SESPARSE \"x\"\n", VD_ERROR_NOT_FOUND},
        {HEAD "RW 8 SESPARSE \"d.vmdk\"\n", VD_ERROR_CORRUPT},
        {HEAD "RW 8 VMFSRDM \"x\"\n", VD_ERROR_NOT_SUPPORTED},
        {HEAD "RW 8 VSANSPARSE \"x\"\n", VD_ERROR_NOT_SUPPORTED},
        {HEAD "RW 18446744073709551615 ZERO\n", VD_ERROR_LIMIT},
        {HEAD "RW 18014398509481983 ZERO\nRW 18014398509481983 ZERO\n",
         VD_ERROR_LIMIT},
        {HEAD "RW 8 FLAT \"d.vmdk\" 18446744073709551615\n", VD_ERROR_LIMIT},
        {HEAD "encryptionKeys=\"vmware:key/x\"\nRW 8 ZERO\n",
         VD_ERROR_ENCRYPTED},
        {"COWD\1\0\0\0", VD_ERROR_CORRUPT},
        {"KDMV", VD_ERROR_CORRUPT},
        {"hello", VD_ERROR_CORRUPT},
        {"", VD_ERROR_CORRUPT},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("case %u", i);
        write_text(t, "d.vmdk", cases[i].text);
        vmdk_test_assert_refused(t, "d.vmdk", 0, cases[i].code);
    }
    vmdk_test_write_file(t, "s.vmdk", "\xbe\xba\xfe\xca\0\0\0\0", 8);
    vmdk_test_assert_refused(t, "s.vmdk", 0, VD_ERROR_CORRUPT);
}

static void
test_newer_versions_can_be_read(TestCo *t)
{
    write_text(t, "d.vmdk", "version=4\nCID=1\nRW 8 ZERO\n");
    test_co_close(vmdk_test_open(t, "d.vmdk", 0));
    g_assert_cmpuint(t->warnings->len, ==, 1);
    vmdk_test_assert_refused(t, "d.vmdk", VD_OPEN_RDWR, VD_ERROR_NOT_SUPPORTED);
}

static void
test_info_needs_no_extents(TestCo *t)
{
    VdNodeInfo info;
    g_autoptr(GVariant) specific = NULL;
    VdNode *node;

    write_text(t, "d.vmdk",
               HEAD "RW 8 SPARSE \"x\"\nRW 8 VMFSSPARSE \"y\"\n"
                    "encryptionKeys=\"vmware:key/x\"\n");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_NO_IO);
    g_assert_cmpuint(vd_node_size(node), ==, 16 * 512);
    vd_vmdk_driver.get_info(node, &info);
    g_assert_true(info.encrypted);
    specific = g_variant_ref_sink(vd_vmdk_driver.describe(node));
    g_assert_true(g_variant_is_of_type(specific, G_VARIANT_TYPE_VARDICT));
    test_co_close(node);
}

static void
test_stream_cannot_be_written_in_place(TestCo *t)
{
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", MIB, "subformat=streamOptimized");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR); /* empty: filled once */
    test_co_write_pattern(node, 0, 512, 1);
    test_co_close(node);
    vmdk_test_assert_refused(t, "d.vmdk", VD_OPEN_RDWR, VD_ERROR_READ_ONLY);
}

static void
test_unfinished_stream_is_told(TestCo *t)
{
    g_autoptr(GError) error = NULL;

    vmdk_test_create(t, "d.vmdk", MIB, "subformat=streamOptimized");
    vmdk_test_poke(t, "d.vmdk", 0, "kdmv", 4);
    g_assert_null(vmdk_test_try_open(t, "d.vmdk", 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    g_assert_nonnull(strstr(error->message, "unfinished"));
}

static void
test_change_tracking_ends_with_the_first_write(TestCo *t)
{
    g_autofree char *text = NULL;
    VdNode *node;
    size_t len;

    write_raw(t, "a.raw", 4096, 1);
    write_text(t, "d.vmdk",
               "# Disk DescriptorFile\nversion=3\nCID=1\nparentCID=ffffffff\n"
               "RW 8 FLAT \"a.raw\" 0\n\n# Change Tracking File\n"
               "changeTrackPath=\"a-ctk.vmdk\"\n");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    g_assert_cmpuint(t->warnings->len, ==, 0);
    test_co_write_pattern(node, 0, 512, 1);
    test_co_write_pattern(node, 512, 512, 1);
    g_assert_cmpuint(t->warnings->len, ==, 1);
    test_co_close(node);
    text = vmdk_test_read_file(t, "d.vmdk", &len);
    g_assert_null(strstr(text, "changeTrackPath"));
    g_assert_nonnull(strstr(text, "version=1\n"));
    g_assert_nonnull(strstr(text, "# Change Tracking File\n"));
}

static void
test_change_tracking_may_be_kept(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d.vmdk");
    g_autofree char *options =
        g_strdup_printf("driver=vmdk,keep-cbt=on,file.filename=%s", path);
    g_autoptr(GError) error = NULL;
    char bytes[512] = {1};
    VdNode *node;

    write_raw(t, "a.raw", 4096, 1);
    write_text(t, "d.vmdk",
               "version=3\nCID=1\nparentCID=ffffffff\nRW 8 FLAT \"a.raw\" 0\n"
               "changeTrackPath=\"a-ctk.vmdk\"\n");
    node = test_co_open(t, options, VD_OPEN_RDWR);
    g_assert_false(vd_node_co_pwrite(node, 0, bytes, sizeof(bytes), &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_REFUSED);
    assert_bytes(node, 0, 0, 4096, 1);
    test_co_close(node);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) test_co_add("/vmdk/open/" path, fn)
    ADD("all-lines-count", test_all_lines_count);
    ADD("create-types", test_create_type_is_hearsay);
    ADD("access-words", test_access_words_are_obeyed);
    ADD("names", test_names_in_other_forms);
    ADD("odd-descriptor-written", test_odd_descriptor_survives_the_first_write);
    ADD("short-flat-direct", test_short_flat_file_without_page_cache);
    ADD("short-flat", test_short_flat_file_reads_as_zero_behind_its_end);
    ADD("embedded-is-itself", test_embedded_extent_is_the_file_itself);
    ADD("mixed", test_mixed_sparse_and_flat);
    ADD("line-against-header", test_line_smaller_than_the_header_counts);
    ADD("bare-extent", test_bare_extent_is_read_only);
    ADD("one-sector-descriptor", test_one_sector_descriptor);
    ADD("descriptor-in-header", test_header_that_only_holds_a_descriptor);
    ADD("outside", test_extents_outside_the_directory_are_refused);
    ADD("same-file-twice", test_one_file_twice_is_read_only);
    ADD("refusals", test_what_cannot_be_opened_is_refused);
    ADD("newer-versions", test_newer_versions_can_be_read);
    ADD("info", test_info_needs_no_extents);
    ADD("stream-in-place", test_stream_cannot_be_written_in_place);
    ADD("unfinished-stream", test_unfinished_stream_is_told);
    ADD("cbt-ends", test_change_tracking_ends_with_the_first_write);
    ADD("cbt-kept", test_change_tracking_may_be_kept);
#undef ADD
    return g_test_run();
}
