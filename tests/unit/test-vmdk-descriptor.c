/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-descriptor.c - reading any descriptor, writing ours. */
#include "formats/vmdk/descriptor/descriptor.h"

#include <string.h>

#include "tests/support/effort.h"

static VmdkDescriptor *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    VmdkDescriptor *desc =
        vmdk_descriptor_parse(text, strlen(text), "t.vmdk", &error);

    g_assert_no_error(error);
    g_assert_nonnull(desc);
    return desc;
}

static void
assert_refused(const char *text, VdErrorCode code)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(vmdk_descriptor_parse(text, strlen(text), "t.vmdk", &error));
    g_assert_error(error, VD_ERROR, (int) code);
}

static VmdkExtentLine
parse_extent(const char *text)
{
    g_autoptr(GError) error = NULL;
    VmdkExtentLine line = {0};

    g_assert_true(vmdk_extent_line_parse(text, &line, &error));
    g_assert_no_error(error);
    return line;
}

static void
assert_extent_file(const char *text, const char *file, uint64_t offset)
{
    VmdkExtentLine line = parse_extent(text);

    g_assert_cmpstr(line.file, ==, file);
    g_assert_cmpuint(line.offset_sectors, ==, offset);
    vmdk_extent_line_clear(&line);
}

static char *
text_of(const VmdkDescriptor *desc)
{
    size_t len;
    char *text = vmdk_descriptor_text(desc, &len);

    g_assert_cmpuint(len, ==, strlen(text));
    return text;
}

#define VMFS_THICK                                                             \
    "# Disk DescriptorFile\n"                                                  \
    "version=1\n"                                                              \
    "encoding=\"UTF-8\"\n"                                                     \
    "CID=0172e8a4\n"                                                           \
    "parentCID=ffffffff\n"                                                     \
    "createType=\"vmfs\"\n"                                                    \
    "\n"                                                                       \
    "# Extent description\n"                                                   \
    "RW 4096 VMFS \"vmfs_thick-flat.vmdk\"\n"                                  \
    "\n"                                                                       \
    "# The Disk Data Base \n"                                                  \
    "#DDB\n"                                                                   \
    "\n"                                                                       \
    "ddb.adapterType = \"lsilogic\"\n"                                         \
    "ddb.geometry.cylinders = \"2\"\n"

static void
test_reads_what_esxi_writes(void)
{
    g_autoptr(VmdkDescriptor) desc = parse(VMFS_THICK);
    const VmdkExtentLine *extent;

    g_assert_cmpstr(vmdk_descriptor_get(desc, "createType"), ==, "vmfs");
    g_assert_cmphex(vmdk_descriptor_cid(desc, "CID"), ==, 0x0172e8a4);
    g_assert_cmphex(vmdk_descriptor_cid(desc, "parentCID"), ==, VMDK_CID_NONE);
    g_assert_cmpuint(
        vmdk_descriptor_get_uint(desc, "ddb.geometry.cylinders", 9), ==, 2);
    g_assert_cmpuint(vmdk_descriptor_n_extents(desc), ==, 1);
    extent = vmdk_descriptor_extent(desc, 0);
    g_assert_cmpint(extent->type, ==, VMDK_TYPE_VMFS);
    g_assert_cmpint(extent->access, ==, VMDK_ACCESS_RW);
    g_assert_cmpuint(extent->sectors, ==, 4096);
    g_assert_cmpstr(extent->file, ==, "vmfs_thick-flat.vmdk");
}

static void
test_unchanged_text_comes_back_as_it_was(void)
{
    const char *odd =
        "\n  # my own remark\nversion=1\nfoo bar\nCID=1\n"
        "x.unknown =  \"kept\"  \n\tRW  8\tZERO \nddb.a = \"1\"\n";
    g_autoptr(VmdkDescriptor) desc = parse(odd);
    g_autofree char *text = text_of(desc);

    g_assert_cmpstr(text, ==, odd);
}

static void
test_changing_a_key_leaves_all_other_lines(void)
{
    g_autoptr(VmdkDescriptor) desc =
        parse("version=1\n# remark\nCID=1\nnew.key = \"x\"\nRW 8 ZERO \n");
    g_autofree char *text = NULL;

    vmdk_descriptor_set_cid(desc, "cid", 0xabc);
    text = text_of(desc);

    g_assert_cmpstr(text, ==,
                    "version=1\n# remark\nCID=00000abc\nnew.key = \"x\"\n"
                    "RW 8 ZERO \n");
}

static void
test_line_ends_and_blanks_do_not_matter(void)
{
    g_autoptr(VmdkDescriptor) desc =
        parse("# Disk DescriptorFile\r\nversion=1 \r\nCID=bb17cc39 \r\n"
              "parentCID=ffffffff \t\r\ncreateType = \"streamOptimized\" \r\n"
              "  RDONLY 61440 SPARSE \"x.vmdk\" \r\nddb.adapterType = "
              "\"ide\"  ");

    g_assert_cmpstr(vmdk_descriptor_get(desc, "version"), ==, "1");
    g_assert_cmphex(vmdk_descriptor_cid(desc, "CID"), ==, 0xbb17cc39);
    g_assert_cmphex(vmdk_descriptor_cid(desc, "parentCID"), ==, VMDK_CID_NONE);
    g_assert_cmpstr(vmdk_descriptor_get(desc, "createtype"), ==,
                    "streamOptimized");
    g_assert_cmpstr(vmdk_descriptor_get(desc, "DDB.adaptertype"), ==, "ide");
    g_assert_cmpuint(vmdk_descriptor_n_extents(desc), ==, 1);
    g_assert_cmpint(vmdk_descriptor_extent(desc, 0)->access, ==,
                    VMDK_ACCESS_RDONLY);
}

static void
test_blank_line_before_extent_counts_it_once(void)
{
    g_autoptr(VmdkDescriptor) desc =
        parse("version=1\n\n\nRW 8 ZERO\n\nRW 16 ZERO\n");

    g_assert_cmpuint(vmdk_descriptor_n_extents(desc), ==, 2);
    g_assert_cmpuint(vmdk_descriptor_extent(desc, 1)->sectors, ==, 16);
}

static void
test_every_access_word_and_type_counts(void)
{
    g_autoptr(VmdkDescriptor) desc =
        parse("version=1\nRDONLY 1 FLAT \"a\" 7\nnoaccess 2 flat \"b\"\n"
              "NOACCESS 3 ZERO\nRW 4 Zero \"\"\nRW 5 SESPARSE \"c\"\n"
              "RW 6 VMFSSESPARSE \"d\"\n");
    uint64_t sum = 0;

    g_assert_cmpuint(vmdk_descriptor_n_extents(desc), ==, 6);
    for (unsigned i = 0; i < 6; i++)
        sum += vmdk_descriptor_extent(desc, i)->sectors;
    g_assert_cmpuint(sum, ==, 21);
    g_assert_cmpint(vmdk_descriptor_extent(desc, 1)->access, ==,
                    VMDK_ACCESS_NOACCESS);
    g_assert_null(vmdk_descriptor_extent(desc, 3)->file);
    g_assert_cmpint(vmdk_descriptor_extent(desc, 5)->type, ==,
                    VMDK_TYPE_SESPARSE);
}

static void
test_extent_line_with_seven_values(void)
{
    assert_extent_file("RW 63 FLAT \"\\\\.\\PhysicalDrive0\" 12 "
                       "\"9b6f-uuid\" \"SCSI disk (x)\"",
                       "\\\\.\\PhysicalDrive0", 12);
    assert_extent_file("RW 63 FLAT \"a\" 12 \"uuid\"", "a", 12);
}

static void
test_file_names_may_hold_blanks_and_quotes(void)
{
    assert_extent_file("RW 8 FLAT \"a b  c-flat.vmdk\" 0", "a b  c-flat.vmdk",
                       0);
    assert_extent_file("RW 8 FLAT \"say \"hi\" to.vmdk\" 3",
                       "say \"hi\" to.vmdk", 3);
    assert_extent_file("RW 8 VMFS \"ends in \"quote\"\"", "ends in \"quote\"",
                       0);
}

static void
test_flat_offset_may_be_missing(void)
{
    assert_extent_file("RW 8 FLAT \"a\"", "a", 0);
    assert_extent_file("RW 8 VMFS \"a\" 5", "a", 5);
}

static void
test_bad_extent_lines_are_refused(void)
{
    static const char *const bad[] = {
        "RW x FLAT \"a\"",       "RW 0 FLAT \"a\"",
        "RW -1 FLAT \"a\"",      "RW 18446744073709551616 FLAT \"a\"",
        "RW 8 FLOPPY \"a\"",     "RW 8 FLAT",
        "RW 8 FLAT \"a",         "RW 8 FLAT \"a\" zero",
        "RW 8 FLAT \"a\" 1 2 3", "RW 8",
        "RW 8 SPARSE \"\"",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = g_strdup_printf("version=1\n%s\n", bad[i]);
        VmdkExtentLine line;

        g_assert_false(vmdk_extent_line_parse(bad[i], &line, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
        g_assert_true(g_str_has_prefix(error->message, "Invalid extent line"));
        assert_refused(text, VD_ERROR_CORRUPT);
    }
}

static void
test_first_header_key_wins_last_ddb_key_wins(void)
{
    g_autoptr(VmdkDescriptor) desc =
        parse("version=1\nCID=1\nCID=2\nddb.a = \"1\"\nddb.a = \"2\"\n");

    g_assert_cmphex(vmdk_descriptor_cid(desc, "CID"), ==, 1);
    g_assert_cmpstr(vmdk_descriptor_get(desc, "ddb.a"), ==, "2");
}

static void
test_section_titles_are_not_needed(void)
{
    g_autoptr(VmdkDescriptor) desc =
        parse("ddb.uuid = \"u\"\nRW 8 ZERO\nversion=1");

    g_assert_cmpstr(vmdk_descriptor_get(desc, "ddb.uuid"), ==, "u");
    g_assert_cmpuint(vmdk_descriptor_n_extents(desc), ==, 1);
}

static void
test_text_ends_at_the_first_nul(void)
{
    static const char text[] = "version=1\nRW 8 ZERO\n\0RW 9 ZERO\njunk";
    g_autoptr(GError) error = NULL;
    g_autoptr(VmdkDescriptor) desc =
        vmdk_descriptor_parse(text, sizeof(text), "t", &error);

    g_assert_no_error(error);
    g_assert_cmpuint(vmdk_descriptor_n_extents(desc), ==, 1);
}

static void
test_bom_is_skipped(void)
{
    g_autoptr(VmdkDescriptor) desc =
        parse("\xef\xbb\xbf# Disk DescriptorFile\nversion=1\n");

    g_assert_cmpstr(vmdk_descriptor_get(desc, "version"), ==, "1");
}

static void
test_code_pages_become_utf8(void)
{
    /* "日本" in code page 932; its second byte pair holds no ASCII. */
    g_autoptr(VmdkDescriptor) japanese =
        parse("version=1\nencoding=\"Shift_JIS\"\n"
              "RW 8 FLAT \"\x93\xfa\x96\x7b.vmdk\" 0\n");
    g_autoptr(VmdkDescriptor) western =
        parse("version=1\nRW 8 FLAT \"caf\xe9.vmdk\" 0\n");
    g_autoptr(VmdkDescriptor) older =
        parse("version=1\nRW 8 FLAT \"\xa4\xa4.vmdk\" 0\n"
              "ddb.encoding = \"Big5\"\n");

    g_assert_cmpstr(vmdk_descriptor_extent(japanese, 0)->file, ==, "日本.vmdk");
    g_assert_cmpstr(vmdk_descriptor_get(japanese, "encoding"), ==, "UTF-8");
    g_assert_cmpstr(vmdk_descriptor_extent(western, 0)->file, ==, "café.vmdk");
    g_assert_cmpstr(vmdk_descriptor_extent(older, 0)->file, ==, "中.vmdk");
}

static void
test_unknown_encoding_is_no_failure(void)
{
    g_autoptr(VmdkDescriptor) desc =
        parse("version=1\nencoding=\"klingon\"\nRW 8 FLAT \"\x81\x8d.vmdk\"\n");

    g_assert_cmpuint(vmdk_descriptor_n_extents(desc), ==, 1);
}

static void
test_text_that_is_no_descriptor_is_refused(void)
{
    assert_refused("", VD_ERROR_CORRUPT);
    assert_refused("hello = world\n", VD_ERROR_CORRUPT);
    assert_refused("# Disk DescriptorFile\n", VD_ERROR_CORRUPT);
}

static void
test_limits(void)
{
    g_autofree char *big = g_malloc0(VMDK_DESC_MAX + 2);
    g_autoptr(GString) many = g_string_new("version=1\n");
    g_autoptr(GError) error = NULL;

    g_assert_null(vmdk_descriptor_parse(big, VMDK_DESC_MAX + 1, "t", &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_LIMIT);

    for (unsigned i = 0; i <= VMDK_MAX_EXTENTS; i++)
        g_string_append(many, "RW 1 ZERO\n");
    assert_refused(many->str, VD_ERROR_LIMIT);
}

static void
test_short_cids_are_read(void)
{
    g_autoptr(VmdkDescriptor) desc =
        parse("version=1\nCID=ab\nparentCID=zz\nRW 1 ZERO\n");

    g_assert_cmphex(vmdk_descriptor_cid(desc, "CID"), ==, 0xab);
    g_assert_cmphex(vmdk_descriptor_cid(desc, "parentCID"), ==, VMDK_CID_NONE);
}

static void
test_new_descriptor_has_the_strict_form(void)
{
    g_autoptr(VmdkDescriptor) desc = vmdk_descriptor_new();
    VmdkExtentLine one = {.sectors = 10, .file = (char *) "a-f001.vmdk"};
    VmdkExtentLine two = {.sectors = 20,
                          .type = VMDK_TYPE_SPARSE,
                          .file = (char *) "a-s002.vmdk"};
    g_autofree char *text = NULL;

    vmdk_descriptor_set_cid(desc, "CID", 0x1f);
    vmdk_descriptor_set_cid(desc, "parentCID", VMDK_CID_NONE);
    g_assert_true(vmdk_descriptor_set(desc, "createType", "custom", NULL));
    g_assert_true(vmdk_descriptor_set(desc, "ddb.b", "1", NULL));
    g_assert_true(vmdk_descriptor_add_extent(desc, &one, NULL));
    g_assert_true(vmdk_descriptor_add_extent(desc, &two, NULL));
    g_assert_true(vmdk_descriptor_set(desc, "ddb.c", "2", NULL));
    text = text_of(desc);

    g_assert_cmpstr(text, ==,
                    "# Disk DescriptorFile\n"
                    "version=1\n"
                    "encoding=\"UTF-8\"\n"
                    "CID=0000001f\n"
                    "parentCID=ffffffff\n"
                    "createType=\"custom\"\n"
                    "\n"
                    "# Extent description\n"
                    "RW 10 FLAT \"a-f001.vmdk\" 0\n"
                    "RW 20 SPARSE \"a-s002.vmdk\"\n"
                    "\n"
                    "# The Disk Data Base \n"
                    "#DDB\n"
                    "\n"
                    "ddb.b = \"1\"\n"
                    "ddb.c = \"2\"\n");
}

static void
test_unwritable_words_are_refused(void)
{
    g_autoptr(VmdkDescriptor) desc = vmdk_descriptor_new();
    VmdkExtentLine line = {.sectors = 1, .file = (char *) "a\"b"};
    g_autoptr(GError) error = NULL;

    g_assert_false(vmdk_descriptor_set(desc, "ddb.x", "a\nb", &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    g_clear_error(&error);
    g_assert_false(vmdk_descriptor_add_extent(desc, &line, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    g_assert_cmpuint(vmdk_descriptor_n_extents(desc), ==, 0);
    g_assert_null(vmdk_descriptor_get(desc, "ddb.x"));
}

static void
test_removed_keys_are_gone(void)
{
    g_autoptr(VmdkDescriptor) desc = parse(
        "version=3\nchangeTrackPath=\"a\"\nCHANGETRACKPATH=\"b\"\nRW 1 ZERO\n");

    vmdk_descriptor_remove(desc, "changeTrackPath");

    g_assert_null(vmdk_descriptor_get(desc, "changeTrackPath"));
}

static void
assert_probe(const char *text, int score)
{
    g_assert_cmpint(vmdk_descriptor_probe(text, strlen(text)), ==, score);
}

static void
test_probe(void)
{
    assert_probe("# Disk DescriptorFile\nx", 100);
    assert_probe("#disk descriptor file", 100);
    assert_probe("\n\n# remark\n\nVERSION = 3 \r\n", 100);
    assert_probe("\xef\xbb\xbfversion=1\n", 100);
    assert_probe("version=1 \nCID=1\n", 100);
    assert_probe("version=4\n", 0);
    assert_probe("version=11\n", 0);
    assert_probe("CID=1\nversion=1\n", 0);
    assert_probe("", 0);
    assert_probe("#!/bin/sh\necho\n", 0);
}

/* Whatever stands there: no crash, and what is accepted survives a round. */
static void
test_garbled_text_never_crashes(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(4711);

    for (unsigned round = test_effort_steps(3000); round > 0; round--) {
        g_autofree char *text = g_strdup(VMFS_THICK);
        g_autoptr(VmdkDescriptor) desc = NULL;

        for (unsigned i = 0; i < 4; i++)
            text[g_rand_int_range(rand, 0, (int) strlen(VMFS_THICK))] =
                (char) g_rand_int_range(rand, 0, 256);
        desc = vmdk_descriptor_parse(text, strlen(VMFS_THICK), "t", NULL);
        if (desc) {
            g_autofree char *again = text_of(desc);
            g_autoptr(VmdkDescriptor) second = parse(again);

            g_assert_cmpuint(vmdk_descriptor_n_extents(desc), ==,
                             vmdk_descriptor_n_extents(second));
        }
    }
}

/* -- changing extents ------------------------------------------------------ */

#define DEVICE_LINE                                                            \
    "RW 2048 FLAT \"\\\\.\\PhysicalDrive0\" 63 \"uuid 1\" \"id 2\""

static void
test_an_extent_is_replaced_in_place(void)
{
    g_autoptr(VmdkDescriptor) desc = parse("version=1\n" DEVICE_LINE "\n"
                                           "# between\n"
                                           "RW 4096 SPARSE \"b.vmdk\"\n");
    VmdkExtentLine line = *vmdk_descriptor_extent(desc, 0);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    line.sectors = 4096;
    line.file = (char *) "x.vmdk";
    g_assert_true(vmdk_descriptor_set_extent(desc, 0, &line, &error));
    vmdk_descriptor_remove_extent(desc, 1);
    text = text_of(desc);
    g_assert_cmpstr(text, ==,
                    "version=1\n"
                    "RW 4096 FLAT \"x.vmdk\" 63 \"uuid 1\" \"id 2\"\n"
                    "# between\n");
    g_assert_cmpuint(vmdk_descriptor_n_extents(desc), ==, 1);
    line.file = (char *) "a\"b";
    g_assert_false(vmdk_descriptor_set_extent(desc, 0, &line, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    g_assert_cmpstr(vmdk_descriptor_extent(desc, 0)->file, ==, "x.vmdk");
}

static void
test_keys_are_listed_once_in_order(void)
{
    g_autoptr(VmdkDescriptor) desc =
        parse("version=1\nCID=1\nddb.b = \"1\"\ncid=2\n"
              "ddb.a = \"2\"\nddb.B = \"3\"\n");
    g_auto(GStrv) keys = vmdk_descriptor_list_keys(desc);
    g_autofree char *all = g_strjoinv(" ", keys);

    g_assert_cmpstr(all, ==, "version CID ddb.a ddb.B");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) g_test_add_func("/vmdk/descriptor/" path, fn)
    ADD("reads-what-esxi-writes", test_reads_what_esxi_writes);
    ADD("unchanged-text-comes-back", test_unchanged_text_comes_back_as_it_was);
    ADD("change-leaves-other-lines",
        test_changing_a_key_leaves_all_other_lines);
    ADD("line-ends-and-blanks", test_line_ends_and_blanks_do_not_matter);
    ADD("blank-line-before-extent",
        test_blank_line_before_extent_counts_it_once);
    ADD("every-access-word-counts", test_every_access_word_and_type_counts);
    ADD("seven-values", test_extent_line_with_seven_values);
    ADD("names-with-blanks-and-quotes",
        test_file_names_may_hold_blanks_and_quotes);
    ADD("flat-offset-may-be-missing", test_flat_offset_may_be_missing);
    ADD("bad-extent-lines", test_bad_extent_lines_are_refused);
    ADD("duplicate-keys", test_first_header_key_wins_last_ddb_key_wins);
    ADD("titles-not-needed", test_section_titles_are_not_needed);
    ADD("ends-at-nul", test_text_ends_at_the_first_nul);
    ADD("bom", test_bom_is_skipped);
    ADD("code-pages", test_code_pages_become_utf8);
    ADD("unknown-encoding", test_unknown_encoding_is_no_failure);
    ADD("no-descriptor", test_text_that_is_no_descriptor_is_refused);
    ADD("limits", test_limits);
    ADD("short-cids", test_short_cids_are_read);
    ADD("strict-form", test_new_descriptor_has_the_strict_form);
    ADD("unwritable-words", test_unwritable_words_are_refused);
    ADD("removed-keys", test_removed_keys_are_gone);
    ADD("probe", test_probe);
    ADD("garbled-text", test_garbled_text_never_crashes);
#undef ADD
    g_test_add_func("/vmdk/descriptor/an-extent-is-replaced-in-place",
                    test_an_extent_is_replaced_in_place);
    g_test_add_func("/vmdk/descriptor/keys-are-listed-once-in-order",
                    test_keys_are_listed_once_in_order);
    return g_test_run();
}
