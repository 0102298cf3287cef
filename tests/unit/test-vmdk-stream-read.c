/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-stream-read.c - footers, records, the cache of grains,
 * reading ahead; and damage of each.
 */
#include <string.h>

#include "io/bytes.h"
#include "formats/vmdk/stream/reader.h"
#include "tests/support/leaf.h"
#include "tests/unit/stream-image.h"

#define CAPACITY (64 * 128) /* sectors: 64 grains */

/* -- helpers ------------------------------------------------------------------
 */

static bool
co_read(VmdkStreamReader *reader, uint64_t record, uint64_t grain, size_t skip,
        void *buf, size_t len, GError **error)
{
    struct iovec iov;
    VioVec vec = vio_vec_from_buf(&iov, buf, len);

    return vmdk_stream_co_read(reader, record, grain, skip, &vec, error);
}

static void
assert_reads(VmdkStreamReader *reader, uint64_t record, uint64_t grain,
             size_t skip, size_t len)
{
    g_autofree uint8_t *plain = g_malloc(STREAM_GRAIN);
    g_autofree uint8_t *buf = g_malloc(len);
    g_autoptr(GError) error = NULL;

    stream_plain(grain, plain);
    g_assert_true(co_read(reader, record, grain, skip, buf, len, &error));
    g_assert_no_error(error);
    g_assert_cmpmem(buf, len, plain + skip, len);
}

static void
assert_corrupt(VmdkStreamReader *reader, uint64_t record, uint64_t grain,
               const char *words)
{
    /* By the cache and past it. */
    for (size_t len = 512; len <= STREAM_GRAIN; len *= 128) {
        g_autofree uint8_t *buf = g_malloc(len);
        g_autoptr(GError) error = NULL;

        g_assert_false(co_read(reader, record, grain, 0, buf, len, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
        if (!strstr(error->message, words))
            g_error("no '%s' in '%s'", words, error->message);
        g_assert_nonnull(strstr(error->message, "image.vmdk"));
    }
}

typedef struct {
    VdNode *file;
    VmdkStreamReader *reader;
} Opened;

static Opened
open_image(TestCo *t, const StreamImage *image)
{
    Opened o = {.file = stream_image_open(t, image)};

    o.reader = vmdk_stream_reader_new(o.file, &image->hdr);
    return o;
}

static void
close_image(Opened *o)
{
    vmdk_stream_reader_co_free(o->reader);
    test_co_close(o->file);
}

/* -- the footer ---------------------------------------------------------------
 */

static StreamImage *
image_behind(bool patched)
{
    StreamImage *image = stream_image_new(CAPACITY, true);

    stream_image_add(image, 0);
    stream_image_add(image, 9);
    stream_image_add_table(image, 0);
    stream_image_end_behind(image, patched);
    return image;
}

static void
assert_locates(TestCo *t, const StreamImage *image, uint64_t gd_sector)
{
    VdNode *file = stream_image_open(t, image);
    g_autoptr(GError) error = NULL;
    VmdkHeader hdr = image->hdr;

    g_assert_true(vmdk_stream_co_locate(file, &hdr, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(hdr.gd_sector, ==, gd_sector);
    test_co_close(file);
}

static void
assert_no_footer(TestCo *t, const StreamImage *image, const char *words)
{
    VdNode *file = stream_image_open(t, image);
    g_autoptr(GError) error = NULL;
    VmdkHeader hdr = image->hdr;

    g_assert_false(vmdk_stream_co_locate(file, &hdr, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    g_assert_nonnull(strstr(error->message, "Invalid footer"));
    if (!strstr(error->message, words))
        g_error("no '%s' in '%s'", words, error->message);
    g_assert_cmpuint(hdr.gd_sector, ==, VMDK_GD_AT_END);
    test_co_close(file);
}

/* Sectors from the end: GD 4, footer marker 3, footer 2, end 1. */
static uint64_t
gd_of(const StreamImage *image)
{
    return image->bytes->len / VMDK_SECTOR - 4;
}

static void
test_footer_in_its_place(TestCo *t)
{
    g_autoptr(StreamImage) image = image_behind(false);

    assert_locates(t, image, gd_of(image));
}

static void
test_footer_costs_one_small_read(TestCo *t)
{
    g_autoptr(StreamImage) image = image_behind(false);
    VdNode *file;

    test_leaf_install();
    file = stream_image_open(t, image);
    test_leaf_reset_counts();
    g_assert_true(vmdk_stream_co_locate(file, &image->hdr, NULL));
    g_assert_cmpuint(test_leaf_count(TEST_OP_READ), ==, 1);
    test_co_close(file);
    test_leaf_remove();
}

static void
test_footer_behind_padding(TestCo *t)
{
    static const size_t paddings[] = {512, 65536, (1 << 20) - 3 * 512};

    for (size_t i = 0; i < G_N_ELEMENTS(paddings); i++) {
        g_autoptr(StreamImage) image = image_behind(false);
        uint64_t gd = gd_of(image);

        stream_image_add_zeroes(image, paddings[i]);
        assert_locates(t, image, gd);
    }
}

static void
test_footer_before_a_partial_sector(TestCo *t)
{
    g_autoptr(StreamImage) image = image_behind(false);
    uint64_t gd = gd_of(image);

    stream_image_add_zeroes(image, 77);
    assert_locates(t, image, gd);
}

static void
test_footer_out_of_reach_is_refused(TestCo *t)
{
    g_autoptr(StreamImage) image = image_behind(false);

    stream_image_add_zeroes(image, 1 << 20);
    assert_no_footer(t, image, "want a footer marker");
}

static void
test_cut_stream_is_refused(TestCo *t)
{
    g_autoptr(StreamImage) image = stream_image_new(CAPACITY, true);

    stream_image_add(image, 0);
    stream_image_add(image, 9);
    assert_no_footer(t, image, "the file was cut off");
}

static void
test_file_without_room_for_a_footer_is_refused(TestCo *t)
{
    g_autoptr(StreamImage) image = stream_image_new(CAPACITY, true);

    for (guint len = 512; len <= 1536; len += 512) {
        g_byte_array_set_size(image->bytes, len);
        assert_no_footer(t, image, "no room");
    }
}

static void
test_header_with_directory_needs_no_footer(TestCo *t)
{
    g_autoptr(StreamImage) image = image_behind(true);
    uint64_t gd = image->hdr.gd_sector;

    g_byte_array_set_size(image->bytes, image->bytes->len - 3 * 512);
    assert_locates(t, image, gd);
}

/* Change 64 bits of the footer, which ends 512 bytes before the end. */
static StreamImage *
image_with_footer_field(guint field, uint64_t value)
{
    StreamImage *image = image_behind(false);

    vio_put_le64(image->bytes->data + image->bytes->len - 1024 + field, value);
    return image;
}

static void
test_footer_that_does_not_fit_is_refused(TestCo *t)
{
    static const struct {
        guint field;
        uint64_t value;
        const char *words;
    } cases[] = {
        {12, CAPACITY + 1, "has 8193 sectors"},
        {20, 64, "grains of 64"},
        {56, VMDK_GD_AT_END, "does not name a directory"},
        {56, 1 << 20, "behind the footer"},
        {56, 0, "directory at sector 0"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(StreamImage) image =
            image_with_footer_field(cases[i].field, cases[i].value);

        assert_no_footer(t, image, cases[i].words);
    }
}

/* -- reading --------------------------------------------------------------- */

static void
test_reads_any_part_of_a_grain(TestCo *t)
{
    static const size_t parts[][2] = {
        {0, 1},     {0, 512},   {511, 2},       {4096, 4096}, {65535, 1},
        {1, 65535}, {0, 65535}, {32768, 32768}, {0, 65536},
    };
    g_autoptr(StreamImage) image = stream_image_new(CAPACITY, false);
    uint64_t record = stream_image_add(image, 5);
    Opened o;

    stream_image_end_in_front(image);
    o = open_image(t, image);
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
        assert_reads(o.reader, record, 5, parts[i][0], parts[i][1]);
    close_image(&o);
}

static void
test_reads_into_scattered_memory(TestCo *t)
{
    g_autoptr(StreamImage) image = stream_image_new(CAPACITY, false);
    uint64_t record = stream_image_add(image, 5);
    g_autofree uint8_t *plain = g_malloc(STREAM_GRAIN);
    g_autofree uint8_t *a = g_malloc(STREAM_GRAIN);
    struct iovec iov[3] = {{a + 40000, 1000}, {a, 40000}, {a + 41000, 24536}};
    VioVec vec = vio_vec_from_iov(iov, 3);
    Opened o;

    stream_image_end_in_front(image);
    o = open_image(t, image);
    g_assert_true(vmdk_stream_co_read(o.reader, record, 5, 0, &vec, NULL));
    stream_plain(5, plain);
    g_assert_cmpmem(a + 40000, 1000, plain, 1000);
    g_assert_cmpmem(a, 40000, plain + 1000, 40000);
    g_assert_cmpmem(a + 41000, 24536, plain + 41000, 24536);
    close_image(&o);
}

static void
test_short_grain_ends_in_zeroes(TestCo *t)
{
    g_autoptr(StreamImage) image = stream_image_new(CAPACITY, false);
    g_autofree uint8_t *plain = g_malloc(STREAM_GRAIN);
    uint64_t record;
    Opened o;

    stream_plain(63, plain);
    record = stream_image_add_bytes(image, 63, plain, 1000, false);
    stream_image_end_in_front(image);
    o = open_image(t, image);
    for (size_t len = 2048; len <= STREAM_GRAIN; len *= 32) {
        g_autofree uint8_t *buf = g_malloc(len);

        memset(buf, 0xee, len);
        g_assert_true(co_read(o.reader, record, 63, 0, buf, len, NULL));
        g_assert_cmpmem(buf, 1000, plain, 1000);
        for (size_t i = 1000; i < len; i++)
            g_assert_cmphex(buf[i], ==, 0);
    }
    close_image(&o);
}

static void
test_raw_deflate_is_read(TestCo *t)
{
    g_autoptr(StreamImage) image = stream_image_new(CAPACITY, false);
    g_autofree uint8_t *plain = g_malloc(STREAM_GRAIN);
    uint64_t record;
    Opened o;

    stream_plain(3, plain);
    record = stream_image_add_bytes(image, 3, plain, STREAM_GRAIN, true);
    stream_image_end_in_front(image);
    o = open_image(t, image);
    assert_reads(o.reader, record, 3, 100, 5000);
    assert_reads(o.reader, record, 3, 0, STREAM_GRAIN);
    close_image(&o);
}

static void
test_records_without_markers_are_read(TestCo *t)
{
    g_autoptr(StreamImage) image = stream_image_new(CAPACITY, false);
    uint64_t records[5];
    Opened o;

    image->hdr.flags &= ~(uint32_t) VMDK_FLAG_MARKERS;
    for (unsigned i = 0; i < 5; i++)
        records[i] = stream_image_add(image, i * 7);
    stream_image_end_in_front(image);
    o = open_image(t, image);
    for (unsigned i = 0; i < 5; i++)
        assert_reads(o.reader, records[i], i * 7, 512, 4096);
    close_image(&o);
}

static void
test_incompressible_grain_is_read(TestCo *t)
{
    g_autoptr(StreamImage) image = stream_image_new(CAPACITY, false);
    g_autofree uint8_t *plain = g_malloc(STREAM_GRAIN);
    g_autofree uint8_t *buf = g_malloc(STREAM_GRAIN);
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    uint64_t record;
    Opened o;

    for (size_t i = 0; i < STREAM_GRAIN; i++)
        plain[i] = (uint8_t) g_rand_int(rand);
    record = stream_image_add_bytes(image, 1, plain, STREAM_GRAIN, false);
    stream_image_end_in_front(image);
    o = open_image(t, image);
    /* After small records the first read of a long one is too short. */
    o.reader->guess = 4096;
    g_assert_true(co_read(o.reader, record, 1, 0, buf, STREAM_GRAIN, NULL));
    g_assert_cmpmem(buf, STREAM_GRAIN, plain, STREAM_GRAIN);
    close_image(&o);
}

static void
test_record_at_the_very_end_needs_no_padding(TestCo *t)
{
    g_autoptr(StreamImage) image = stream_image_new(CAPACITY, false);
    uint64_t record = stream_image_add(image, 2);
    uint32_t size = vio_get_le32(image->bytes->data + record + 8);
    Opened o;

    vmdk_header_encode(&image->hdr, image->bytes->data);
    g_byte_array_set_size(image->bytes, (guint) (record + 12 + size));
    o = open_image(t, image);
    assert_reads(o.reader, record, 2, 0, 512);
    close_image(&o);
}

/* -- the cache ------------------------------------------------------------- */

static StreamImage *
image_of_grains(unsigned n, uint64_t *records)
{
    StreamImage *image = stream_image_new(n * 128, false);

    for (unsigned i = 0; i < n; i++)
        records[i] = stream_image_add(image, i);
    stream_image_end_in_front(image);
    return image;
}

static void
test_second_read_costs_no_io(TestCo *t)
{
    uint64_t records[8];
    g_autoptr(StreamImage) image = image_of_grains(8, records);
    Opened o;

    test_leaf_install();
    o = open_image(t, image);
    test_leaf_reset_counts();
    assert_reads(o.reader, records[6], 6, 0, 4096);
    g_assert_cmpuint(test_leaf_count(TEST_OP_READ), ==, 1);
    assert_reads(o.reader, records[6], 6, 60000, 4096);
    assert_reads(o.reader, records[6], 6, 0, STREAM_GRAIN);
    g_assert_cmpuint(test_leaf_count(TEST_OP_READ), ==, 1);
    close_image(&o);
    test_leaf_remove();
}

static void
test_least_recently_used_grain_leaves(TestCo *t)
{
    g_autofree uint64_t *records = g_new(uint64_t, 70);
    g_autoptr(StreamImage) image = image_of_grains(70, records);
    Opened o;

    test_leaf_install();
    o = open_image(t, image);
    /* From behind, so that nothing is read ahead. */
    for (unsigned i = 70; i-- > 5;)
        assert_reads(o.reader, records[i], i, 0, 512);
    g_assert_cmpuint(o.reader->lru.length, ==, VMDK_STREAM_CACHE_GRAINS);
    test_leaf_reset_counts();
    assert_reads(o.reader, records[68], 68, 0, 512);
    g_assert_cmpuint(test_leaf_count(TEST_OP_READ), ==, 0);
    assert_reads(o.reader, records[69], 69, 0, 512);
    g_assert_cmpuint(test_leaf_count(TEST_OP_READ), ==, 1);
    close_image(&o);
    test_leaf_remove();
}

typedef struct {
    VmdkStreamReader *reader;
    uint64_t record, grain;
    size_t skip, len;
} ReadArg;

static bool
read_co_member(void *arg, GError **error)
{
    ReadArg *r = arg;

    assert_reads(r->reader, r->record, r->grain, r->skip, r->len);
    return true;
}

static void
test_one_grain_is_loaded_once_for_many(TestCo *t)
{
    uint64_t records[4];
    g_autoptr(StreamImage) image = image_of_grains(4, records);
    g_autoptr(VioCoGroup) group = vio_co_group_new(32);
    Opened o;

    test_leaf_install();
    o = open_image(t, image);
    test_leaf_reset_counts();
    for (unsigned i = 0; i < 16; i++) {
        ReadArg r = {o.reader, records[3], 3, i * 4096, 4096};

        vio_co_group_spawn(group, read_co_member, g_memdup2(&r, sizeof(r)),
                           g_free);
    }
    g_assert_true(vio_co_group_join(group, NULL));
    g_assert_cmpuint(test_leaf_count(TEST_OP_READ), ==, 1);
    close_image(&o);
    test_leaf_remove();
}

static void
test_many_grains_at_once(TestCo *t)
{
    g_autofree uint64_t *records = g_new(uint64_t, 100);
    g_autoptr(StreamImage) image = image_of_grains(100, records);
    g_autoptr(VioCoGroup) group = vio_co_group_new(100);
    Opened o = open_image(t, image);

    for (unsigned i = 0; i < 300; i++) {
        uint64_t g = i * 37 % 100;
        bool whole = i % 3 == 0;
        ReadArg r = {o.reader, records[g], g, whole ? 0 : 777,
                     whole ? STREAM_GRAIN : 5000};

        vio_co_group_spawn(group, read_co_member, g_memdup2(&r, sizeof(r)),
                           g_free);
    }
    g_assert_true(vio_co_group_join(group, NULL));
    close_image(&o);
}

static void
test_failed_load_is_tried_again(TestCo *t)
{
    uint64_t records[2];
    g_autoptr(StreamImage) image = image_of_grains(2, records);
    g_autoptr(GError) error = NULL;
    uint8_t buf[512];
    Opened o;

    test_leaf_install();
    o = open_image(t, image);
    test_leaf_fail_nth(TEST_OP_READ, 0, EIO);
    g_assert_false(
        co_read(o.reader, records[1], 1, 0, buf, sizeof(buf), &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    g_assert_true(test_leaf_fault_fired());
    test_leaf_clear_fault();
    assert_reads(o.reader, records[1], 1, 0, 512);
    close_image(&o);
    test_leaf_remove();
}

/* -- reading ahead --------------------------------------------------------- */

static void
test_sequence_is_read_ahead(TestCo *t)
{
    g_autofree uint64_t *records = g_new(uint64_t, 40);
    g_autoptr(StreamImage) image = image_of_grains(40, records);
    Opened o;

    test_leaf_install();
    o = open_image(t, image);
    test_leaf_reset_counts();
    for (unsigned i = 0; i < 40; i++)
        for (size_t skip = 0; skip < STREAM_GRAIN; skip += 16384)
            assert_reads(o.reader, records[i], i, skip, 16384);
    g_assert_cmpuint(test_leaf_count(TEST_OP_READ), <=, 20);
    close_image(&o);
    test_leaf_remove();
}

static void
test_scattered_reads_read_nothing_ahead(TestCo *t)
{
    g_autofree uint64_t *records = g_new(uint64_t, 40);
    g_autoptr(StreamImage) image = image_of_grains(40, records);
    Opened o;

    test_leaf_install();
    o = open_image(t, image);
    test_leaf_reset_counts();
    for (unsigned i = 0; i < 40; i++)
        assert_reads(o.reader, records[i * 17 % 40], i * 17 % 40, 0, 512);
    g_assert_cmpuint(o.reader->lru.length, ==, 40);
    g_assert_cmpuint(test_leaf_count(TEST_OP_READ), ==, 40);
    close_image(&o);
    test_leaf_remove();
}

static void
test_tables_between_grains_are_passed_over(TestCo *t)
{
    g_autoptr(StreamImage) image = stream_image_new(1024 * 128, true);
    uint64_t records[12];
    Opened o;

    for (unsigned i = 0; i < 6; i++)
        records[i] = stream_image_add(image, 506 + i);
    stream_image_add_table(image, 0);
    stream_image_add_marker(image, VMDK_MARKER_PROGRESS, 50);
    for (unsigned i = 6; i < 12; i++)
        records[i] = stream_image_add(image, 506 + i);
    stream_image_add_table(image, 1);
    stream_image_end_behind(image, false);
    o = open_image(t, image);
    for (unsigned i = 0; i < 12; i++)
        for (size_t skip = 0; skip < STREAM_GRAIN; skip += 32768)
            assert_reads(o.reader, records[i], 506 + i, skip, 32768);
    close_image(&o);
}

static void
test_free_waits_for_what_is_read_ahead(TestCo *t)
{
    for (unsigned stop = 2; stop < 12; stop++) {
        uint64_t records[16];
        g_autoptr(StreamImage) image = image_of_grains(16, records);
        Opened o = open_image(t, image);

        for (unsigned i = 0; i < stop; i++)
            assert_reads(o.reader, records[i], i, 0, 512);
        close_image(&o);
    }
}

/* What comes next is damaged: nobody learns of it until he wants it. */
static void
test_damage_ahead_is_told_to_who_reads_it(TestCo *t)
{
    uint64_t records[8];
    g_autoptr(StreamImage) image = image_of_grains(8, records);
    Opened o;

    memset(image->bytes->data + records[5] + 100, 0x55, 64);
    o = open_image(t, image);
    for (unsigned i = 0; i < 5; i++)
        assert_reads(o.reader, records[i], i, 0, 512);
    assert_corrupt(o.reader, records[5], 5, "compressed data");
    assert_reads(o.reader, records[6], 6, 0, 512);
    close_image(&o);
}

/* -- damage ---------------------------------------------------------------- */

static void
test_record_of_another_grain_is_refused(TestCo *t)
{
    uint64_t records[8];
    g_autoptr(StreamImage) image = image_of_grains(8, records);
    Opened o = open_image(t, image);

    assert_corrupt(
        o.reader, records[2], 3,
        "grain of sector 256 where the table has that of sector 384");
    assert_reads(o.reader, records[2], 2, 0, 512); /* in the cache by now */
    assert_corrupt(o.reader, records[2], 3, "grain of sector 256");
    close_image(&o);
}

static void
test_marker_in_place_of_a_record_is_refused(TestCo *t)
{
    g_autoptr(StreamImage) image = stream_image_new(CAPACITY, false);
    uint64_t at = image->bytes->len;
    Opened o;

    stream_image_add_marker(image, VMDK_MARKER_FOOTER, 1);
    stream_image_end_in_front(image);
    o = open_image(t, image);
    assert_corrupt(o.reader, at, 0, "found a marker of type 3");
    close_image(&o);
}

static void
test_oversized_record_is_refused(TestCo *t)
{
    static const uint32_t sizes[] = {131073, 1 << 20, UINT32_MAX};

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        uint64_t records[4];
        g_autoptr(StreamImage) image = image_of_grains(4, records);
        Opened o;

        vio_put_le32(image->bytes->data + records[0] + 8, sizes[i]);
        o = open_image(t, image);
        assert_corrupt(o.reader, records[0], 0, "at most 131072");
        close_image(&o);
    }
}

static void
test_cut_record_is_refused(TestCo *t)
{
    uint64_t records[2];
    g_autoptr(StreamImage) image = image_of_grains(2, records);
    Opened o;

    g_byte_array_set_size(image->bytes, (guint) records[1] + 700);
    o = open_image(t, image);
    assert_corrupt(o.reader, records[1], 1, "but the file ends at byte");
    close_image(&o);
}

static void
test_record_outside_of_the_file_is_refused(TestCo *t)
{
    uint64_t records[2];
    g_autoptr(StreamImage) image = image_of_grains(2, records);
    uint64_t size = image->bytes->len;
    Opened o = open_image(t, image);

    assert_corrupt(o.reader, size, 0, "the file ends");
    assert_corrupt(o.reader, size - 8, 0, "the file ends");
    assert_corrupt(o.reader, UINT32_MAX * UINT64_C(512), 0, "the file ends");
    close_image(&o);
}

static void
test_wrong_checksum_is_refused(TestCo *t)
{
    uint64_t records[2];
    g_autoptr(StreamImage) image = image_of_grains(2, records);
    uint32_t size = vio_get_le32(image->bytes->data + records[0] + 8);
    Opened o;

    image->bytes->data[records[0] + 12 + size - 1] ^= 1;
    o = open_image(t, image);
    assert_corrupt(o.reader, records[0], 0, "compressed data");
    close_image(&o);
}

static void
test_more_than_a_grain_is_refused(TestCo *t)
{
    g_autoptr(StreamImage) image = stream_image_new(CAPACITY, false);
    g_autofree uint8_t *plain = g_malloc0(STREAM_GRAIN + 1);
    uint64_t record =
        stream_image_add_bytes(image, 0, plain, STREAM_GRAIN + 1, false);
    Opened o;

    stream_image_end_in_front(image);
    o = open_image(t, image);
    assert_corrupt(o.reader, record, 0, "compressed data");
    close_image(&o);
}

#define ADD(path, fn) test_co_add("/vmdk/stream/" path, fn)

static void
add_footer_tests(void)
{
    ADD("footer/in-its-place", test_footer_in_its_place);
    ADD("footer/costs-one-small-read", test_footer_costs_one_small_read);
    ADD("footer/behind-padding", test_footer_behind_padding);
    ADD("footer/before-a-partial-sector", test_footer_before_a_partial_sector);
    ADD("footer/out-of-reach-is-refused", test_footer_out_of_reach_is_refused);
    ADD("footer/cut-stream-is-refused", test_cut_stream_is_refused);
    ADD("footer/no-room-is-refused",
        test_file_without_room_for_a_footer_is_refused);
    ADD("footer/not-needed-with-directory-in-header",
        test_header_with_directory_needs_no_footer);
    ADD("footer/that-does-not-fit-is-refused",
        test_footer_that_does_not_fit_is_refused);
}

static void
add_damage_tests(void)
{
    ADD("damage/record-of-another-grain",
        test_record_of_another_grain_is_refused);
    ADD("damage/marker-in-place-of-a-record",
        test_marker_in_place_of_a_record_is_refused);
    ADD("damage/oversized-record", test_oversized_record_is_refused);
    ADD("damage/cut-record", test_cut_record_is_refused);
    ADD("damage/record-outside-of-the-file",
        test_record_outside_of_the_file_is_refused);
    ADD("damage/wrong-checksum", test_wrong_checksum_is_refused);
    ADD("damage/more-than-a-grain", test_more_than_a_grain_is_refused);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_footer_tests();
    ADD("read/any-part-of-a-grain", test_reads_any_part_of_a_grain);
    ADD("read/into-scattered-memory", test_reads_into_scattered_memory);
    ADD("read/short-grain-ends-in-zeroes", test_short_grain_ends_in_zeroes);
    ADD("read/raw-deflate", test_raw_deflate_is_read);
    ADD("read/records-without-markers", test_records_without_markers_are_read);
    ADD("read/incompressible-grain", test_incompressible_grain_is_read);
    ADD("read/record-at-the-very-end",
        test_record_at_the_very_end_needs_no_padding);
    ADD("cache/second-read-costs-no-io", test_second_read_costs_no_io);
    ADD("cache/least-recently-used-grain-leaves",
        test_least_recently_used_grain_leaves);
    ADD("cache/one-grain-is-loaded-once-for-many",
        test_one_grain_is_loaded_once_for_many);
    ADD("cache/many-grains-at-once", test_many_grains_at_once);
    ADD("cache/failed-load-is-tried-again", test_failed_load_is_tried_again);
    ADD("ahead/sequence-is-read-ahead", test_sequence_is_read_ahead);
    ADD("ahead/scattered-reads-read-nothing-ahead",
        test_scattered_reads_read_nothing_ahead);
    ADD("ahead/tables-between-grains-are-passed-over",
        test_tables_between_grains_are_passed_over);
    ADD("ahead/free-waits", test_free_waits_for_what_is_read_ahead);
    ADD("ahead/damage-is-told-to-who-reads-it",
        test_damage_ahead_is_told_to_who_reads_it);
    add_damage_tests();
    return g_test_run();
}
