/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-stream-lint.c - the rules of "esxi-import": files that
 * keep them all, and one broken rule after the other. */
#include <string.h>

#include "io/bytes.h"
#include "tests/unit/stream-image.h"

#define CAPACITY (1024 * 128 - 28) /* sectors: the last grain is a part */
#define LAST_GRAIN 1023
#define LAST_BYTES ((128 - 28) * VMDK_SECTOR)
#define RECORD_DATA 12 /* bytes in front of the data */

typedef struct {
    const char *rule;
    bool at_end;
    void (*damage)(StreamImage *image);
} Case;

static const char good_text[] = "# Disk DescriptorFile\n"
                                "version=1\n"
                                "CID=12345678\n"
                                "parentCID=ffffffff\n"
                                "createType=\"streamOptimized\"\n"
                                "# Extent description\n"
                                "RW 131044 SPARSE \"disk.vmdk\"\n"
                                "# The Disk Data Base\n"
                                "ddb.adapterType = \"lsilogic\"\n";

/* -- files -------------------------------------------------------------------
 */

static void
set_text(StreamImage *image, const char *text)
{
    uint8_t *area = image->bytes->data + VMDK_SECTOR;

    g_assert_cmpuint(strlen(text), <, VMDK_DESC_SECTORS * VMDK_SECTOR);
    memset(area, 0, VMDK_DESC_SECTORS * VMDK_SECTOR);
    memcpy(area, text, strlen(text));
}

static void
replace_text(StreamImage *image, const char *from, const char *to)
{
    g_auto(GStrv) parts = g_strsplit(good_text, from, -1);
    g_autofree char *text = g_strjoinv(to, parts);

    g_assert_cmpuint(g_strv_length(parts), ==, 2);
    set_text(image, text);
}

static StreamImage *
image_new(bool at_end)
{
    StreamImage *image = stream_image_new(CAPACITY, at_end);

    set_text(image, good_text);
    stream_image_add(image, 3);
    stream_image_add(image, 500);
    if (at_end)
        stream_image_add_table(image, 0);
    stream_image_add(image, LAST_GRAIN);
    if (at_end)
        stream_image_add_table(image, 1);
    return image;
}

static void
image_end(StreamImage *image, bool at_end)
{
    if (at_end)
        stream_image_end_behind(image, false);
    else
        stream_image_end_in_front(image);
}

static VdCheckResult
lint(TestCo *t, const StreamImage *image)
{
    VdCheckResult result = {.max_findings = 100};
    VdNode *file = stream_image_open(t, image);
    g_autoptr(GError) error = NULL;
    VmdkHeader hdr;

    g_assert_true(vmdk_header_decode(image->bytes->data, "f", &hdr, &error));
    g_assert_true(vmdk_stream_co_locate(file, &hdr, &error));
    vmdk_stream_co_lint(file, &hdr, &result, &error);
    g_assert_no_error(error);
    test_co_close(file);
    return result;
}

static const VdFinding *
find_finding(const VdCheckResult *result, const char *kind, const char *rule)
{
    for (guint i = 0; result->findings && i < result->findings->len; i++) {
        const VdFinding *f = result->findings->pdata[i];

        if (strcmp(f->kind, kind) == 0 && g_strcmp0(f->rule, rule) == 0)
            return f;
    }
    return NULL;
}

static bool
has_finding(const VdCheckResult *result, const char *kind, const char *rule)
{
    return find_finding(result, kind, rule) != NULL;
}

static void
result_clear(VdCheckResult *result)
{
    g_clear_pointer(&result->findings, g_ptr_array_unref);
}

static void
assert_clean(TestCo *t, const StreamImage *image)
{
    VdCheckResult result = lint(t, image);

    for (guint i = 0; result.findings && i < result.findings->len; i++)
        g_error("found: %s", ((VdFinding *) result.findings->pdata[i])->detail);
    g_assert_cmpuint(result.breaches, ==, 0);
    result_clear(&result);
}

/* -- sound files -------------------------------------------------------------
 */

static void
test_both_layouts_pass(TestCo *t)
{
    for (unsigned at_end = 0; at_end < 2; at_end++) {
        g_autoptr(StreamImage) image = image_new(at_end);

        image_end(image, at_end);
        assert_clean(t, image);
    }
}

static void
test_patched_header_passes(TestCo *t)
{
    g_autoptr(StreamImage) image = image_new(true);

    stream_image_end_behind(image, true);
    assert_clean(t, image);
}

static void
test_empty_disk_passes(TestCo *t)
{
    for (unsigned at_end = 0; at_end < 2; at_end++) {
        g_autoptr(StreamImage) image = stream_image_new(CAPACITY, at_end);

        set_text(image, good_text);
        image_end(image, at_end);
        assert_clean(t, image);
    }
}

/* VMware's own exports have these. */
static void
test_what_importers_take_is_noted(TestCo *t)
{
    static const struct {
        const char *from, *to, *rule;
    } odd[] = {
        {"\"lsilogic\"", "\"buslogic\"", "descriptor-adapter"},
        {"version=1", "version=1 ", "descriptor-blanks"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(odd); i++) {
        g_autoptr(StreamImage) image = image_new(false);
        VdCheckResult result;

        replace_text(image, odd[i].from, odd[i].to);
        image_end(image, false);
        result = lint(t, image);
        g_assert_cmpuint(result.breaches, ==, 0);
        g_assert_true(has_finding(&result, "note", odd[i].rule));
        result_clear(&result);
    }
}

static void
test_short_last_grain_is_noted(TestCo *t)
{
    g_autoptr(StreamImage) image = stream_image_new(CAPACITY, false);
    g_autofree uint8_t *plain = g_malloc(STREAM_GRAIN);
    VdCheckResult result;

    set_text(image, good_text);
    stream_plain(LAST_GRAIN, plain);
    stream_image_add_bytes(image, LAST_GRAIN, plain, LAST_BYTES, false);
    image_end(image, false);
    result = lint(t, image);
    g_assert_cmpuint(result.breaches, ==, 0);
    g_assert_true(has_finding(&result, "note", "record-size"));
    result_clear(&result);
}

/* -- one rule broken ---------------------------------------------------------
 */

/* Done before the end is written. */
static void
put_header(StreamImage *image, unsigned at, uint8_t value)
{
    image->bytes->data[at] = value;
}

static void
damage_version(StreamImage *image)
{
    put_header(image, 4, 1);
}

static void
damage_flags(StreamImage *image)
{
    put_header(image, 8, 3);
}

static void
damage_redundant(StreamImage *image)
{
    put_header(image, 48, 21);
}

static void
damage_unclean(StreamImage *image)
{
    put_header(image, 72, 1);
}

static void
damage_title(StreamImage *image)
{
    replace_text(image, "# Disk DescriptorFile", "# disk");
}

static void
damage_type(StreamImage *image)
{
    replace_text(image, "streamOptimized", "monolithicSparse");
}

static void
damage_parent(StreamImage *image)
{
    replace_text(image, "parentCID=ffffffff", "parentCID=00000001");
}

static void
damage_tracking(StreamImage *image)
{
    replace_text(image, "version=1", "version=1\nchangeTrackPath=\"x-ctk\"");
}

static void
damage_adapter(StreamImage *image)
{
    replace_text(image, "lsilogic", "virtio");
}

static void
damage_extent(StreamImage *image)
{
    replace_text(image, "RW 131044 SPARSE \"disk.vmdk\"\n",
                 "RW 65536 SPARSE \"disk.vmdk\"\nRW 65508 ZERO\n");
}

static void
damage_capacity(StreamImage *image)
{
    replace_text(image, "131044", "131040");
}

/* A comment of 600 bytes in front of what counts. */
static void
damage_head(StreamImage *image)
{
    g_autofree char *fill = g_strnfill(600, 'x');
    g_autofree char *to = g_strdup_printf("version=1\n#%s", fill);

    replace_text(image, "version=1", to);
}

static void
damage_text(StreamImage *image)
{
    set_text(image, "RW what SPARSE\n");
}

static uint8_t *
last_record(StreamImage *image)
{
    return image->bytes->data + image->entries[LAST_GRAIN] * VMDK_SECTOR;
}

static void
damage_padding(StreamImage *image)
{
    uint8_t *rec = last_record(image);
    uint32_t end = RECORD_DATA + vio_get_le32(rec + 8);

    g_assert_cmpuint(end % VMDK_SECTOR, !=, 0);
    rec[end] = 1;
}

static void
damage_eos_tail(StreamImage *image)
{
    stream_image_add_zeroes(image, VMDK_SECTOR);
}

static void
damage_eos_missing(StreamImage *image)
{
    g_byte_array_set_size(image->bytes, image->bytes->len - VMDK_SECTOR);
}

/* From the end: footer marker, footer, end-of-stream. */
static uint8_t *
from_end(StreamImage *image, unsigned sectors)
{
    return image->bytes->data + image->bytes->len - sectors * VMDK_SECTOR;
}

static void
damage_footer(StreamImage *image)
{
    from_end(image, 2)[8] ^= 2;
}

static void
damage_marker_value(StreamImage *image)
{
    from_end(image, 3)[0] = 2;
}

static void
damage_marker_padding(StreamImage *image)
{
    from_end(image, 3)[100] = 1;
}

static void
damage_directory_marker(StreamImage *image)
{
    vio_put_le32(from_end(image, 5) + 12, VMDK_MARKER_GT);
}

static void
damage_gd_entry(StreamImage *image)
{
    vio_put_le32(image->bytes->data + image->hdr.gd_sector * VMDK_SECTOR, 0);
}

static const Case cases[] = {
    {"header-version", false, damage_version},
    {"header-flags", false, damage_flags},
    {"header-redundant", false, damage_redundant},
    {"header-unclean", false, damage_unclean},
    {"descriptor-title", false, damage_title},
    {"descriptor-type", false, damage_type},
    {"descriptor-parent", false, damage_parent},
    {"descriptor-tracking", false, damage_tracking},
    {"descriptor-adapter", false, damage_adapter},
    {"descriptor-extent", false, damage_extent},
    {"descriptor-head", false, damage_head},
    {"descriptor-text", false, damage_text},
    {"capacity", false, damage_capacity},
    {"record-padding", false, damage_padding},
    {"eos-tail", false, damage_eos_tail},
    {"eos-missing", false, damage_eos_missing},
    {"eos-tail", true, damage_eos_tail},
    {"footer-header", true, damage_footer},
    {"marker-value", true, damage_marker_value},
    {"marker-padding", true, damage_marker_padding},
    {"directory-complete", false, damage_gd_entry},
    {"marker-order", true, damage_directory_marker},
};

static void
test_each_broken_rule_is_told(TestCo *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Case *c = &cases[i];
        g_autoptr(StreamImage) image = image_new(c->at_end);
        VdCheckResult result;

        image_end(image, c->at_end);
        c->damage(image);
        result = lint(t, image);
        if (!has_finding(&result, "breach", c->rule))
            g_error("%s is not told", c->rule);
        g_assert_cmpuint(result.breaches, >, 0);
        result_clear(&result);
    }
}

static void
assert_breach(TestCo *t, const StreamImage *image, const char *rule)
{
    VdCheckResult result = lint(t, image);

    g_assert_true(has_finding(&result, "breach", rule));
    result_clear(&result);
}

static void
assert_no_breach(TestCo *t, const StreamImage *image, const char *rule)
{
    VdCheckResult result = lint(t, image);

    g_assert_false(has_finding(&result, "breach", rule));
    result_clear(&result);
}

static void
test_unordered_records(TestCo *t)
{
    g_autoptr(StreamImage) image = stream_image_new(CAPACITY, false);
    VdCheckResult result;
    const VdFinding *f;

    set_text(image, good_text);
    stream_image_add(image, 9);
    stream_image_add(image, 8);
    image_end(image, false);
    result = lint(t, image);
    f = find_finding(&result, "breach", "record-order");
    g_assert_nonnull(f);
    g_assert_cmpuint(f->grain, ==, 8);
    result_clear(&result);
}

static void
test_raw_deflate(TestCo *t)
{
    g_autoptr(StreamImage) image = stream_image_new(CAPACITY, false);
    g_autofree uint8_t *plain = g_malloc(STREAM_GRAIN);

    set_text(image, good_text);
    stream_plain(5, plain);
    stream_image_add_bytes(image, 5, plain, STREAM_GRAIN, true);
    image_end(image, false);
    assert_breach(t, image, "record-zlib");
}

static void
test_short_grain_in_the_middle(TestCo *t)
{
    g_autoptr(StreamImage) image = stream_image_new(CAPACITY, false);
    g_autofree uint8_t *plain = g_malloc(STREAM_GRAIN);

    set_text(image, good_text);
    stream_plain(5, plain);
    stream_image_add_bytes(image, 5, plain, STREAM_GRAIN / 2, false);
    image_end(image, false);
    assert_breach(t, image, "record-size");
}

/* Zeroes in the middle end the stream for who reads record by record. */
static void
test_record_behind_the_end(TestCo *t)
{
    g_autoptr(StreamImage) image = stream_image_new(CAPACITY, false);

    set_text(image, good_text);
    stream_image_add(image, 5);
    stream_image_add_zeroes(image, VMDK_SECTOR);
    stream_image_add(image, 6);
    image_end(image, false);
    assert_breach(t, image, "record-stray");
}

/* One that is longer than what the check reads at once otherwise; its last 12
 * bytes, and then the padding, are in a sector of their own. */
static void
test_padding_of_the_longest_record(TestCo *t)
{
    g_autoptr(StreamImage) image = stream_image_new(CAPACITY, false);
    size_t len;
    g_autofree uint8_t *data = NULL;

    image->hdr.grain_sectors = 8192;
    len = 2 * image->hdr.grain_sectors * VMDK_SECTOR;
    data = g_malloc0(len);
    data[0] = 0x78;
    data[1] = 0x01;
    set_text(image, good_text);
    image->entries[0] = (uint32_t) (image->bytes->len / VMDK_SECTOR);
    (void) stream_image_add_packed(image, 0, data, len);
    image_end(image, false);
    assert_no_breach(t, image, "record-padding");
    image->bytes->data[image->bytes->len - VMDK_SECTOR - 1] = 1;
    assert_breach(t, image, "record-padding");
}

#define ADD(path, fn) test_co_add("/vmdk/stream/lint/" path, fn)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("both-layouts-pass", test_both_layouts_pass);
    ADD("patched-header-passes", test_patched_header_passes);
    ADD("empty-disk-passes", test_empty_disk_passes);
    ADD("what-importers-take-is-noted", test_what_importers_take_is_noted);
    ADD("short-last-grain-is-noted", test_short_last_grain_is_noted);
    ADD("each-broken-rule-is-told", test_each_broken_rule_is_told);
    ADD("unordered-records", test_unordered_records);
    ADD("raw-deflate", test_raw_deflate);
    ADD("short-grain-in-the-middle", test_short_grain_in_the_middle);
    ADD("record-behind-the-end", test_record_behind_the_end);
    ADD("longest-record", test_padding_of_the_longest_record);
    return g_test_run();
}
