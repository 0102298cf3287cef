/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-stream-record.c - records and markers as bytes. */
#include <string.h>

#include "block/codec/codec.h"
#include "io/bytes.h"
#include "tests/unit/stream-image.h"

/* -- encode -------------------------------------------------------------------
 */

static void
test_record_is_padded_to_sectors(void)
{
    g_autofree uint8_t *plain = g_malloc(STREAM_GRAIN);
    g_autofree uint8_t *out = g_malloc(vmdk_stream_record_bound());
    size_t used = vmdk_stream_record_bound(), n;

    stream_plain(3, plain);
    memset(out, 0xee, used);
    g_assert_true(vmdk_stream_encode(3 * STREAM_GRAIN, plain, STREAM_GRAIN, 6,
                                     out, &used, NULL));
    g_assert_cmpuint(used % VMDK_SECTOR, ==, 0);
    g_assert_cmpuint(vio_get_le64(out), ==, 3 * 128);
    n = 12 + vio_get_le32(out + 8);
    g_assert_cmpuint((n + 511) / 512 * 512, ==, used);
    for (; n < used; n++)
        g_assert_cmphex(out[n], ==, 0);
}

static void
test_any_grain_fits_129_sectors(void)
{
    static const int levels[] = {1, 2, 3, 6, 9, 12};
    g_autofree uint8_t *plain = g_malloc(STREAM_GRAIN);
    g_autofree uint8_t *out = g_malloc(vmdk_stream_record_bound());
    g_autoptr(GRand) rand = g_rand_new_with_seed(9);

    for (size_t i = 0; i < STREAM_GRAIN; i++)
        plain[i] = (uint8_t) g_rand_int(rand);
    g_assert_cmpuint(vmdk_stream_record_bound(), ==, 129 * 512);
    for (size_t i = 0; i < G_N_ELEMENTS(levels); i++) {
        size_t used = vmdk_stream_record_bound();

        g_assert_true(vmdk_stream_encode(0, plain, STREAM_GRAIN, levels[i], out,
                                         &used, NULL));
        g_assert_cmpuint(used, ==, 129 * 512);
    }
}

static void
test_short_grain_is_filled_with_zeroes(void)
{
    g_autofree uint8_t *plain = g_malloc(STREAM_GRAIN);
    g_autofree uint8_t *out = g_malloc(vmdk_stream_record_bound());
    g_autofree uint8_t *back = g_malloc(STREAM_GRAIN);
    size_t used = vmdk_stream_record_bound(), n = STREAM_GRAIN;

    stream_plain(1, plain);
    g_assert_true(
        vmdk_stream_encode(STREAM_GRAIN, plain, 513, 1, out, &used, NULL));
    g_assert_true(vd_codec_inflate(VD_CODEC_ZLIB, out + 12,
                                   vio_get_le32(out + 8), back, &n, NULL));
    g_assert_cmpuint(n, ==, STREAM_GRAIN);
    memset(plain + 513, 0, STREAM_GRAIN - 513);
    g_assert_cmpmem(back, n, plain, STREAM_GRAIN);
}

/* -- parsing --------------------------------------------------------------- */

static VmdkHeader
stream_header(bool markers)
{
    VmdkHeader hdr;

    vmdk_header_layout_stream(&hdr, 20480, false);
    if (!markers)
        hdr.flags &= ~(uint32_t) VMDK_FLAG_MARKERS;
    return hdr;
}

static void
test_record_says_where_it_ends(void)
{
    static const uint32_t sizes[] = {1, 500, 501, 65569, 131072};
    static const uint64_t spans[] = {512, 512, 1024, 66048, 131584};
    VmdkHeader hdr = stream_header(true);

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        uint8_t raw[VMDK_MARKER_HEAD] = {0};
        VmdkRecord rec;

        vio_put_le64(raw, 1280);
        vio_put_le32(raw + 8, sizes[i]);
        vmdk_record_parse(&hdr, raw, &rec);
        g_assert_cmpuint(rec.value, ==, 1280);
        g_assert_cmpuint(rec.data_bytes, ==, sizes[i]);
        g_assert_cmpuint(rec.head_bytes, ==, 12);
        g_assert_cmpuint(vmdk_record_span(&hdr, &rec), ==, spans[i]);
    }
}

static void
test_record_without_markers_has_a_short_head(void)
{
    VmdkHeader hdr = stream_header(false);
    uint8_t raw[VMDK_MARKER_HEAD] = {0};
    VmdkRecord rec;

    vio_put_le32(raw, 508);
    vmdk_record_parse(&hdr, raw, &rec);
    g_assert_cmpuint(rec.data_bytes, ==, 508);
    g_assert_cmpuint(rec.head_bytes, ==, 4);
    g_assert_cmpuint(vmdk_record_span(&hdr, &rec), ==, 512);
    vio_put_le32(raw, 0);
    vmdk_record_parse(&hdr, raw, &rec);
    g_assert_cmpuint(vmdk_record_span(&hdr, &rec), ==, 0);
}

static void
test_marker_says_where_its_payload_ends(void)
{
    static const struct {
        uint32_t type;
        uint64_t value, span;
    } cases[] = {
        {VMDK_MARKER_EOS, 0, 0},
        {VMDK_MARKER_GT, 4, 2560},
        {VMDK_MARKER_GD, 1, 1024},
        {VMDK_MARKER_FOOTER, 1, 1024},
        {VMDK_MARKER_PROGRESS, UINT64_MAX, 512},
        {9, 3, 2048},
        {9, UINT64_MAX, 0},
        {VMDK_MARKER_GT, UINT64_C(1) << 55, 0},
    };
    VmdkHeader hdr = stream_header(true);

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint8_t raw[VMDK_SECTOR];
        VmdkRecord rec;

        vmdk_marker_encode(raw, (VmdkMarker) cases[i].type, cases[i].value);
        vmdk_record_parse(&hdr, raw, &rec);
        g_assert_cmpuint(rec.data_bytes, ==, 0);
        g_assert_cmpuint(rec.marker, ==, cases[i].type);
        g_assert_cmpuint(vmdk_record_span(&hdr, &rec), ==, cases[i].span);
    }
}

static void
test_tiny_grains_may_grow(void)
{
    VmdkHeader hdr = stream_header(true);

    g_assert_cmpuint(vmdk_record_max_data(&hdr), ==, 2 * STREAM_GRAIN);
    hdr.grain_sectors = 1;
    g_assert_cmpuint(vmdk_record_max_data(&hdr), ==, 1024);
}

/* Data with a zlib header and a wrong checksum never pass as raw deflate. */
static void
test_bad_zlib_is_not_tried_raw(void)
{
    /* As raw deflate: two stored blocks, the first with one byte. */
    static const uint8_t data[] = {0x78, 0x01, 0x00, 0xfe, 0xff, 'x',
                                   0x01, 0x00, 0x00, 0xff, 0xff};
    g_autofree uint8_t *out = g_malloc(STREAM_GRAIN);
    g_autoptr(GError) error = NULL;
    size_t n = STREAM_GRAIN, used;

    g_assert_true(
        vd_codec_inflate(VD_CODEC_RAW, data, sizeof(data), out, &n, NULL));
    g_assert_cmpuint(n, ==, 1);
    g_assert_false(vmdk_record_inflate(data, sizeof(data), out, STREAM_GRAIN,
                                       &used, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
}

#define ADD(path, fn) g_test_add_func("/vmdk/stream/record/" path, fn)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmdk/stream/encode/record-is-padded-to-sectors",
                    test_record_is_padded_to_sectors);
    g_test_add_func("/vmdk/stream/encode/any-grain-fits-129-sectors",
                    test_any_grain_fits_129_sectors);
    g_test_add_func("/vmdk/stream/encode/short-grain-is-filled-with-zeroes",
                    test_short_grain_is_filled_with_zeroes);
    ADD("says-where-it-ends", test_record_says_where_it_ends);
    ADD("without-markers-has-a-short-head",
        test_record_without_markers_has_a_short_head);
    ADD("marker-says-where-its-payload-ends",
        test_marker_says_where_its_payload_ends);
    ADD("tiny-grains-may-grow", test_tiny_grains_may_grow);
    ADD("bad-zlib-is-not-tried-raw", test_bad_zlib_is_not_tried_raw);
    return g_test_run();
}
