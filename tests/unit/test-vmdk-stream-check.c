/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-stream-check.c - what check finds in a stream. */
#include <string.h>

#include "io/bytes.h"
#include "block/finding.h"
#include "tests/support/leaf.h"
#include "tests/unit/stream-image.h"

#define CAPACITY (1024 * 128) /* sectors: 1024 grains, two tables */

/* -- helpers ------------------------------------------------------------------
 */

static VdCheckResult
check(TestCo *t, const StreamImage *image)
{
    VdCheckResult result = {.max_findings = 100};
    VdNode *file = stream_image_open(t, image);
    g_autoptr(GError) error = NULL;
    VmdkHeader hdr = image->hdr;

    g_assert_true(vmdk_stream_co_locate(file, &hdr, &error));
    vmdk_stream_co_check(file, &hdr, &result, &error);
    g_assert_no_error(error);
    test_co_close(file);
    return result;
}

static void
result_clear(VdCheckResult *result)
{
    g_clear_pointer(&result->findings, g_ptr_array_unref);
}

/* Exactly one finding: of this kind, about this grain, at this byte, with these
 * words. */
static void
assert_finds(TestCo *t, const StreamImage *image, const char *kind,
             uint64_t grain, uint64_t offset, const char *words)
{
    VdCheckResult result = check(t, image);
    const VdFinding *f;

    g_assert_nonnull(result.findings);
    f = result.findings->pdata[0];
    g_assert_cmpstr(f->kind, ==, kind);
    g_assert_cmpuint(f->offset, ==, offset);
    g_assert_cmpuint(f->grain, ==, grain);
    if (!strstr(f->detail, words))
        g_error("no '%s' in '%s'", words, f->detail);
    g_assert_cmpuint(result.findings->len, ==, 1);
    g_assert_cmpuint(result.corruptions, ==, strcmp(kind, "corruption") == 0);
    g_assert_cmpuint(result.leaks, ==, strcmp(kind, "leak") == 0);
    g_assert_cmpuint(result.check_errors, ==, 0);
    result_clear(&result);
}

static void
assert_finds_nothing(TestCo *t, const StreamImage *image, uint64_t n_grains)
{
    VdCheckResult result = check(t, image);

    for (guint i = 0; result.findings && i < result.findings->len; i++)
        g_error("found: %s", ((VdFinding *) result.findings->pdata[i])->detail);
    g_assert_cmpuint(result.allocated_clusters, ==, n_grains);
    g_assert_cmpuint(result.compressed_clusters, ==, n_grains);
    g_assert_cmpuint(result.total_clusters, ==, 1024);
    result_clear(&result);
}

#define N_GRAINS 20

/* Grains 500 to 519, so that both tables have some. */
static StreamImage *
image_new(bool at_end, uint64_t *records)
{
    StreamImage *image = stream_image_new(CAPACITY, at_end);

    for (unsigned i = 0; i < N_GRAINS; i++) {
        if (at_end && i == 12)
            stream_image_add_table(image, 0);
        records[i] = stream_image_add(image, 500 + i);
    }
    if (at_end)
        stream_image_add_table(image, 1);
    return image;
}

static StreamImage *
image_in_front(uint64_t *records)
{
    StreamImage *image = image_new(false, records);

    stream_image_end_in_front(image);
    return image;
}

/* Where the table entry of a grain stands, directory in front. */
static uint8_t *
entry_at(StreamImage *image, uint64_t grain)
{
    uint64_t gt = vmdk_header_gt_sector(&image->hdr, grain / STREAM_GTES);

    return image->bytes->data + gt * VMDK_SECTOR + grain % STREAM_GTES * 4;
}

/* -- sound files ----------------------------------------------------------- */

static void
test_sound_files_have_no_findings(TestCo *t)
{
    uint64_t records[N_GRAINS];
    g_autoptr(StreamImage) front = image_in_front(records);
    g_autoptr(StreamImage) behind = image_new(true, records);
    g_autoptr(StreamImage) patched = image_new(true, records);

    assert_finds_nothing(t, front, N_GRAINS);
    stream_image_end_behind(behind, false);
    assert_finds_nothing(t, behind, N_GRAINS);
    stream_image_end_behind(patched, true);
    assert_finds_nothing(t, patched, N_GRAINS);
}

static void
test_empty_stream_has_no_findings(TestCo *t)
{
    g_autoptr(StreamImage) image = stream_image_new(CAPACITY, false);

    stream_image_end_in_front(image);
    assert_finds_nothing(t, image, 0);
}

static void
test_records_without_markers_are_checked(TestCo *t)
{
    g_autoptr(StreamImage) image = stream_image_new(CAPACITY, false);
    uint64_t record;

    image->hdr.flags &= ~(uint32_t) VMDK_FLAG_MARKERS;
    stream_image_add(image, 3);
    record = stream_image_add(image, 1023);
    stream_image_end_in_front(image);
    assert_finds_nothing(t, image, 2);
    memset(image->bytes->data + record + 500, 0x77, 50);
    assert_finds(t, image, "corruption", 1023, record, "compressed data");
}

/* -- what importers refuse ------------------------------------------------- */

static void
test_missing_end_is_noted(TestCo *t)
{
    uint64_t records[N_GRAINS];
    g_autoptr(StreamImage) image = image_in_front(records);

    g_byte_array_set_size(image->bytes, image->bytes->len - 512);
    assert_finds(t, image, "note", VD_NO_GRAIN, image->bytes->len,
                 "no end-of-stream");
}

static void
test_zero_tail_is_noted(TestCo *t)
{
    uint64_t records[N_GRAINS];
    g_autoptr(StreamImage) image = image_in_front(records);
    uint64_t end = image->bytes->len;

    stream_image_add_zeroes(image, 3 << 20);
    assert_finds(t, image, "note", VD_NO_GRAIN, end, "3145728 bytes of zeroes");
}

static void
test_unordered_grains_are_noted_once(TestCo *t)
{
    g_autoptr(StreamImage) image = stream_image_new(CAPACITY, false);
    uint64_t record;

    stream_image_add(image, 7);
    record = stream_image_add(image, 6);
    stream_image_add(image, 5);
    stream_image_end_in_front(image);
    assert_finds(t, image, "note", 6, record, "ascending");
}

/* -- leaks ----------------------------------------------------------------- */

static void
test_tail_of_data_is_a_leak(TestCo *t)
{
    uint64_t records[N_GRAINS];
    g_autoptr(StreamImage) image = image_in_front(records);
    uint64_t end = image->bytes->len;

    stream_image_add_zeroes(image, 3 << 20);
    image->bytes->data[end + (5 << 19)] = 1;
    assert_finds(t, image, "leak", VD_NO_GRAIN, end, "nothing uses");
}

static void
test_superseded_record_is_a_leak(TestCo *t)
{
    g_autoptr(StreamImage) image = stream_image_new(CAPACITY, false);
    uint64_t first = stream_image_add(image, 7);

    image->hdr.grain_sectors = 128;
    stream_image_add(image, 8);
    image->entries[7] = image->entries[8];
    image->entries[8] = 0;
    /* The second record is now grain 7's, too. */
    vio_put_le64(image->bytes->data + image->entries[7] * 512, 7 * 128);
    stream_image_end_in_front(image);
    {
        VdCheckResult result = check(t, image);
        const VdFinding *f = result.findings->pdata[0];

        g_assert_cmpuint(result.leaks, ==, 1);
        g_assert_cmpuint(result.corruptions, ==, 0);
        g_assert_cmpuint(f->offset, ==, first);
        result_clear(&result);
    }
}

/* -- corruptions ----------------------------------------------------------- */

static void
test_damaged_grain_is_found(TestCo *t)
{
    static const unsigned which[] = {0, 7, 8, N_GRAINS - 1};

    for (size_t i = 0; i < G_N_ELEMENTS(which); i++) {
        uint64_t records[N_GRAINS];
        g_autoptr(StreamImage) image = image_in_front(records);
        uint64_t at = records[which[i]];

        image->bytes
            ->data[at + 12 + vio_get_le32(image->bytes->data + at + 8) - 1] ^=
            4;
        assert_finds(t, image, "corruption", 500 + which[i], at,
                     "compressed data");
    }
}

static void
test_record_missing_from_its_table_is_found(TestCo *t)
{
    uint64_t records[N_GRAINS];
    g_autoptr(StreamImage) image = image_in_front(records);

    vio_put_le32(entry_at(image, 505), 0);
    assert_finds(t, image, "corruption", 505, records[5],
                 "missing from its table");
}

static void
test_entry_that_names_another_record_is_found(TestCo *t)
{
    uint64_t records[N_GRAINS];
    g_autoptr(StreamImage) image = image_in_front(records);

    vio_put_le32(entry_at(image, 900), (uint32_t) (records[3] / 512));
    assert_finds(t, image, "corruption", 900, records[3],
                 "names a record of sector 64384, want sector 115200");
}

static void
test_entry_outside_of_the_file_is_found(TestCo *t)
{
    uint64_t records[N_GRAINS];
    g_autoptr(StreamImage) image = image_in_front(records);

    vio_put_le32(entry_at(image, 1000), 0x7fffffff);
    assert_finds(t, image, "corruption", 1000, UINT64_C(0x7fffffff) * 512,
                 "the file ends");
}

static void
test_table_outside_of_the_file_is_found(TestCo *t)
{
    uint64_t records[N_GRAINS];
    g_autoptr(StreamImage) image = image_in_front(records);
    VdCheckResult result;
    const VdFinding *f;

    vio_put_le32(image->bytes->data + image->hdr.gd_sector * 512 + 4, 1 << 30);
    result = check(t, image);
    f = result.findings->pdata[0];
    g_assert_cmpuint(f->offset, ==, image->hdr.gd_sector * 512 + 4);
    g_assert_nonnull(strstr(f->detail, "grain table 1"));
    /* The table once, and each of the eight grains that it had. */
    g_assert_cmpuint(result.corruptions, ==, 9);
    result_clear(&result);
}

static void
test_impossible_sector_is_found(TestCo *t)
{
    g_autoptr(StreamImage) image = stream_image_new(CAPACITY, false);
    uint64_t record;

    stream_image_add(image, 7);
    record = stream_image_add(image, 9);
    image->entries[9] = 0;
    vio_put_le64(image->bytes->data + record, CAPACITY);
    stream_image_end_in_front(image);
    assert_finds(t, image, "corruption", VD_NO_GRAIN, record,
                 "want a multiple of 128");
    vio_put_le64(image->bytes->data + record, 9 * 128 + 1);
    assert_finds(t, image, "corruption", VD_NO_GRAIN, record,
                 "want a multiple of 128");
}

/* The walk ends at a record of impossible length; what lies behind it is
 * still looked at by way of the tables. */
static void
test_damage_behind_damage_is_found(TestCo *t)
{
    uint64_t records[N_GRAINS];
    g_autoptr(StreamImage) image = image_in_front(records);
    VdCheckResult result;
    bool found = false;

    vio_put_le32(image->bytes->data + records[3] + 8, 1 << 24);
    memset(image->bytes->data + records[10] + 600, 0x11, 64);
    result = check(t, image);
    for (guint i = 0; i < result.findings->len; i++) {
        const VdFinding *f = result.findings->pdata[i];

        found |= f->offset == records[10];
    }
    g_assert_true(found);
    g_assert_cmpuint(result.corruptions, >=, 2);
    result_clear(&result);
}

static void
test_unknown_marker_is_found(TestCo *t)
{
    g_autoptr(StreamImage) image = stream_image_new(CAPACITY, false);
    uint64_t at;

    stream_image_add(image, 1);
    at = image->bytes->len;
    stream_image_add_marker(image, 9, 2);
    stream_image_add_zeroes(image, 1024);
    stream_image_add(image, 2);
    stream_image_end_in_front(image);
    assert_finds(t, image, "corruption", VD_NO_GRAIN, at, "unknown type 9");
}

/* -- limits ---------------------------------------------------------------- */

static void
test_findings_are_counted_beyond_what_is_kept(TestCo *t)
{
    uint64_t records[N_GRAINS];
    g_autoptr(StreamImage) image = image_in_front(records);
    VdCheckResult result = {.max_findings = 3};
    VdNode *file;

    for (unsigned i = 0; i < 10; i++)
        memset(image->bytes->data + records[i] + 700, 0x3c, 32);
    file = stream_image_open(t, image);
    g_assert_true(vmdk_stream_co_check(file, &image->hdr, &result, NULL));
    g_assert_cmpuint(result.corruptions, ==, 10);
    g_assert_cmpuint(result.findings->len, ==, 3);
    result_clear(&result);
    test_co_close(file);
}

static void
test_failed_read_is_no_finding(TestCo *t)
{
    uint64_t records[N_GRAINS];
    g_autoptr(StreamImage) image = image_in_front(records);
    VdCheckResult result = {.max_findings = 3};
    g_autoptr(GError) error = NULL;
    VdNode *file;

    test_leaf_install();
    file = stream_image_open(t, image);
    test_leaf_fail_nth(TEST_OP_READ, 0, EIO);
    g_assert_false(vmdk_stream_co_check(file, &image->hdr, &result, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    g_assert_null(result.findings);
    test_co_close(file);
    test_leaf_remove();
}

static void
test_check_can_be_cancelled(TestCo *t)
{
    uint64_t records[N_GRAINS];
    g_autoptr(StreamImage) image = image_in_front(records);
    g_autoptr(VioCancel) cancel = vio_cancel_new();
    VdCheckResult result = {.max_findings = 3};
    g_autoptr(GError) error = NULL;
    VdNode *file;

    t->env.cancel = cancel;
    file = stream_image_open(t, image);
    vio_cancel_fire(cancel);
    g_assert_false(vmdk_stream_co_check(file, &image->hdr, &result, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CANCELLED);
    test_co_close(file);
    t->env.cancel = NULL;
}

#define ADD(path, fn) test_co_add("/vmdk/stream/check/" path, fn)

static void
add_corruption_tests(void)
{
    ADD("damaged-grain", test_damaged_grain_is_found);
    ADD("record-missing-from-its-table",
        test_record_missing_from_its_table_is_found);
    ADD("entry-that-names-another-record",
        test_entry_that_names_another_record_is_found);
    ADD("entry-outside-of-the-file", test_entry_outside_of_the_file_is_found);
    ADD("table-outside-of-the-file", test_table_outside_of_the_file_is_found);
    ADD("impossible-sector", test_impossible_sector_is_found);
    ADD("damage-behind-damage", test_damage_behind_damage_is_found);
    ADD("unknown-marker", test_unknown_marker_is_found);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("sound-files-have-no-findings", test_sound_files_have_no_findings);
    ADD("empty-stream-has-no-findings", test_empty_stream_has_no_findings);
    ADD("records-without-markers", test_records_without_markers_are_checked);
    ADD("missing-end-is-noted", test_missing_end_is_noted);
    ADD("zero-tail-is-noted", test_zero_tail_is_noted);
    ADD("unordered-grains-are-noted-once",
        test_unordered_grains_are_noted_once);
    ADD("tail-of-data-is-a-leak", test_tail_of_data_is_a_leak);
    ADD("superseded-record-is-a-leak", test_superseded_record_is_a_leak);
    add_corruption_tests();
    ADD("findings-are-counted-beyond-what-is-kept",
        test_findings_are_counted_beyond_what_is_kept);
    ADD("failed-read-is-no-finding", test_failed_read_is_no_finding);
    ADD("can-be-cancelled", test_check_can_be_cancelled);
    return g_test_run();
}
