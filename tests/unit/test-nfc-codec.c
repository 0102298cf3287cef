/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-nfc-codec.c - FastLZ and SkipZ: blocks made by hand, there
 * and back, and damaged ones. */
#include "block/proto/nfc/codec.h"

#include <glib.h>
#include <string.h>

#define BYTES(text) (const uint8_t *) (text), sizeof(text) - 1

/* -- by hand --------------------------------------------------------------- */

static void
assert_fastlz(const uint8_t *src, size_t len, const char *wanted)
{
    size_t n = strlen(wanted);
    g_autofree uint8_t *out = g_malloc(n + 1);

    g_assert_true(nfc_fastlz_decode(src, len, out, n));
    g_assert_cmpmem(out, n, wanted, n);
    /* Neither more nor less. */
    g_assert_false(nfc_fastlz_decode(src, len, out, n - 1));
    g_assert_false(nfc_fastlz_decode(src, len, out, n + 1));
}

static void
test_fastlz_level_1(void)
{
    g_autofree char *a20 = g_strnfill(20, 'a');

    assert_fastlz(BYTES("\x02"
                        "abc"),
                  "abc");
    assert_fastlz(BYTES("\x02"
                        "abc\x20\x02"),
                  "abcabc");
    assert_fastlz(BYTES("\x03"
                        "abcd\xc0\x03\x00"
                        "e"),
                  "abcdabcdabcde");
    assert_fastlz(BYTES("\x00"
                        "a\xe0\x0a\x00"),
                  a20);
}

static void
test_fastlz_level_2(void)
{
    g_autoptr(GByteArray) block = g_byte_array_new();
    g_autofree char *b9001 = g_strnfill(9001, 'b');
    g_autofree char *far_text = g_strdup_printf("a%sabb", b9001);
    g_autofree char *a273 = g_strnfill(273, 'a');

    assert_fastlz(BYTES("\x22"
                        "abc\x20\x02"),
                  "abcabc");
    /* A length that goes on: 1 + 9 + 255 + 8. */
    assert_fastlz(BYTES("\x20"
                        "a\xe0\xff\x08\x00"),
                  a273);
    /* 9000 = 9 + 35 * 255 + 66 bytes from right behind, then from far. */
    g_byte_array_append(block, BYTES("\x21"
                                     "ab\xe0"));
    for (unsigned i = 0; i < 35; i++)
        g_byte_array_append(block, BYTES("\xff"));
    g_byte_array_append(block, BYTES("\x42\x00"));
    g_byte_array_append(block, BYTES("\x3f\xff\x03\x2a"));
    assert_fastlz(block->data, block->len, far_text);
}

static void
test_fastlz_damaged(void)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"", 0}, /* nothing */
        {"\x05"
         "abc",
         4}, /* literals that are not there */
        {"\x40"
         "abc",
         4}, /* no such level */
        {"\x02"
         "abc\x20",
         5}, /* a match without distance */
        {"\x02"
         "abc\x20\x03",
         6}, /* before the beginning */
        {"\x02"
         "abc\xe0",
         5}, /* a long one without length */
        {"\x22"
         "abc\xe0\xff",
         6}, /* a length that does not end */
        {"\x22"
         "abc\x3f\xff\x00",
         7}, /* half a far distance */
        {"\x1f"
         "abc",
         4},
    };
    uint8_t out[64];

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        g_assert_false(nfc_fastlz_decode((const uint8_t *) rows[i].bytes,
                                         rows[i].len, out, sizeof(out)));
}

static void
test_skipz_by_hand(void)
{
    uint8_t out[16];

    g_assert_true(nfc_skipz_decode(BYTES("\x10\0\0\0\0\0\0\0"), out, 16));
    g_assert_cmpmem(out, 16, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    g_assert_true(nfc_skipz_decode(
        BYTES("\x10\0\0\0\0\0\0\0\x02\0\0\0\x01\0\0\0a\x0e\0\0\0\x02\0\0\0bc"),
        out, 16));
    g_assert_cmpmem(out, 16, "\0\0a\0\0\0\0\0\0\0\0\0\0\0bc", 16);
    /* The first number may count what is on the wire. */
    g_assert_true(nfc_skipz_decode(BYTES("\x08\0\0\0\0\0\0\0"), out, 16));
}

static void
test_skipz_damaged(void)
{
    uint8_t out[16];

    g_assert_false(nfc_skipz_decode(BYTES("\x10\0\0\0\0\0\0"), out, 16));
    g_assert_false(nfc_skipz_decode(BYTES("\x11\0\0\0\0\0\0\0"), out, 16));
    /* Half a head, a run beyond the end of either, and one that goes back. */
    g_assert_false(
        nfc_skipz_decode(BYTES("\x10\0\0\0\0\0\0\0\x02\0\0\0"), out, 16));
    g_assert_false(nfc_skipz_decode(
        BYTES("\x10\0\0\0\0\0\0\0\x10\0\0\0\x01\0\0\0a"), out, 16));
    g_assert_false(nfc_skipz_decode(
        BYTES("\x10\0\0\0\0\0\0\0\x02\0\0\0\x02\0\0\0a"), out, 16));
    g_assert_false(
        nfc_skipz_decode(BYTES("\x10\0\0\0\0\0\0\0\x02\0\0\0\xff\xff\xff\xff"
                               "a"),
                         out, 16));
    g_assert_false(nfc_skipz_decode(
        BYTES("\x10\0\0\0\0\0\0\0\x02\0\0\0\x01\0\0\0a\x02\0\0\0\x01\0\0\0b"),
        out, 16));
}

/* -- there and back -------------------------------------------------------- */

/* Zeroes, text, noise and repetitions of all lengths. */
static uint8_t *
make_data(GRand *rand, size_t len)
{
    uint8_t *data = g_malloc0(len);

    for (size_t at = 0; at < len;) {
        size_t most = (size_t) g_rand_int_range(rand, 1, 3000);
        size_t n = MIN(most, len - at);
        int kind = g_rand_int_range(rand, 0, 4);
        size_t period = (size_t) g_rand_int_range(rand, 1, 9000);

        for (size_t i = 0; i < n; i++)
            if (kind == 1)
                data[at + i] = (uint8_t) g_rand_int(rand);
            else if (kind == 2 && at + i >= period)
                data[at + i] = data[at + i - period];
            else if (kind == 3)
                data[at + i] = (uint8_t) ("the quick brown fox "[i % 20]);
        at += n;
    }
    return data;
}

static void
round_trip(NfcCompression how, const uint8_t *data, size_t len, bool must_fit)
{
    size_t room = must_fit ? 2 * len + 64 : len - 1;
    g_autofree uint8_t *packed = g_malloc(room), *back = g_malloc(len);
    size_t n = nfc_encode(how, data, len, packed, room);

    if (must_fit)
        g_assert_cmpuint(n, >, 0);
    if (n == 0)
        return;
    g_assert_cmpuint(n, <=, room);
    g_assert_true(nfc_decode(how, packed, n, back, len, NULL));
    g_assert_cmpmem(data, len, back, len);
    /* A cut block is never taken for a whole one. */
    g_assert_false(nfc_decode(how, packed, n - 1, back, len, NULL));
}

static void
test_there_and_back(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(20261127);

    for (unsigned i = 0; i < 60; i++) {
        size_t len = i < 30 ? 512u * (i + 1) : 65536u * (1 + i % 3);
        g_autofree uint8_t *data = make_data(rand, len);

        for (unsigned how = NFC_ZLIB; how <= NFC_SKIPZ; how++) {
            round_trip((NfcCompression) how, data, len, true);
            round_trip((NfcCompression) how, data, len, false);
        }
    }
}

static void
test_zeroes_are_small(void)
{
    g_autofree uint8_t *zeroes = g_malloc0(65536);
    uint8_t packed[2048];

    g_assert_cmpuint(
        nfc_encode(NFC_SKIPZ, zeroes, 65536, packed, sizeof(packed)), ==, 8);
    g_assert_cmpuint(
        nfc_encode(NFC_FASTLZ, zeroes, 65536, packed, sizeof(packed)), >, 0);
    g_assert_cmpuint(
        nfc_encode(NFC_ZLIB, zeroes, 65536, packed, sizeof(packed)), >, 0);
}

/* Whatever is changed in a block: an error or other bytes, never a crash. */
static void
test_flipped(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(4711);
    size_t len = 8192;
    g_autofree uint8_t *data = make_data(rand, len), *back = g_malloc(len);
    g_autofree uint8_t *packed = g_malloc(2 * len);

    for (unsigned how = NFC_ZLIB; how <= NFC_SKIPZ; how++) {
        size_t n = nfc_encode((NfcCompression) how, data, len, packed, 2 * len);

        g_assert_cmpuint(n, >, 0);
        for (unsigned i = 0; i < 2000; i++) {
            size_t at = g_rand_int(rand) % n;
            uint8_t old = packed[at];

            packed[at] = (uint8_t) g_rand_int(rand);
            (void) nfc_decode((NfcCompression) how, packed, n, back, len, NULL);
            packed[at] = old;
        }
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nfc/codec/fastlz-level-1", test_fastlz_level_1);
    g_test_add_func("/nfc/codec/fastlz-level-2", test_fastlz_level_2);
    g_test_add_func("/nfc/codec/fastlz-damaged", test_fastlz_damaged);
    g_test_add_func("/nfc/codec/skipz-by-hand", test_skipz_by_hand);
    g_test_add_func("/nfc/codec/skipz-damaged", test_skipz_damaged);
    g_test_add_func("/nfc/codec/there-and-back", test_there_and_back);
    g_test_add_func("/nfc/codec/zeroes-are-small", test_zeroes_are_small);
    g_test_add_func("/nfc/codec/flipped", test_flipped);
    return g_test_run();
}
