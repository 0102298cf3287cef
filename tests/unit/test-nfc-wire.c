/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-nfc-wire.c - NFC in bytes: a table of what goes over the
 * wire, as the protocol's description has it. */
#include "block/proto/nfc/wire.h"

#include <glib.h>
#include <string.h>

/* Hex digits with any blanks; unset bytes at the end are zero. */
static void
unhex(const char *text, uint8_t *bytes, size_t len)
{
    size_t digits = 0;

    memset(bytes, 0, len);
    for (; *text; text++) {
        int digit = g_ascii_xdigit_value(*text);

        if (digit < 0)
            continue;
        g_assert_cmpuint(digits / 2, <, len);
        bytes[digits / 2] = (uint8_t) (bytes[digits / 2] << 4 | digit);
        digits++;
    }
    g_assert_cmpuint(digits % 2, ==, 0);
}

static void
assert_bytes(const uint8_t *found, size_t len, const char *wanted)
{
    g_autofree uint8_t *bytes = g_malloc(len);

    unhex(wanted, bytes, len);
    g_assert_cmpmem(found, len, bytes, len);
}

/* -- classic --------------------------------------------------------------- */

static void
test_classic(void)
{
    uint8_t m[NFC_CLASSIC_BYTES];
    NfcClassicError e;

    nfc_put_nonce(m);
    assert_bytes(m, sizeof(m), "2b000000 50 6c 61 69 6e 54 65 78 74");
    nfc_put_classic(NFC_SESSION_PARAMS, 0, 0, m);
    assert_bytes(m, sizeof(m), "21000000");
    nfc_put_classic(NFC_PROTOCOL_VERSION, NFC_VERSION, 0, m);
    assert_bytes(m, sizeof(m), "33000000 0b000000");
    nfc_put_classic(NFC_CONNECTION_DATA, 4, 7, m);
    assert_bytes(m, sizeof(m), "36000000 04000000 07000000");
    nfc_put_classic(NFC_FEATURE_SET, NFC_FEATURES, 0, m);
    assert_bytes(m, sizeof(m), "37000000 03000000");
    nfc_put_classic(NFC_AIO_OPEN, 0, 0, m);
    assert_bytes(m, sizeof(m), "34000000");
    nfc_put_classic(NFC_SESSION_COMPLETE, 0, 0, m);
    assert_bytes(m, sizeof(m), "04000000");

    unhex("14000000 01000000 05000000 30000000", m, sizeof(m));
    g_assert_cmpuint(nfc_classic_type(m), ==, NFC_ERROR);
    nfc_get_classic_error(m, &e);
    g_assert_cmpuint(e.type, ==, 1);
    g_assert_cmpuint(e.code, ==, 5);
    g_assert_cmpuint(e.text_len, ==, 48);
}

/* -- frames ---------------------------------------------------------------- */

static void
test_header(void)
{
    uint8_t bytes[NFC_HEADER_BYTES];
    NfcHeader header = {.type = NFC_IO, .size = NFC_IO_BYTES, .op = 18};

    nfc_put_header(&header, bytes);
    assert_bytes(bytes, sizeof(bytes), "7ada00a1 07000000 2c000000 12000000");
    header = (NfcHeader){0};
    g_assert_true(nfc_get_header(bytes, &header));
    g_assert_cmpuint(header.type, ==, NFC_IO);
    g_assert_cmpuint(header.size, ==, 44);
    g_assert_cmpuint(header.op, ==, 18);
    bytes[3] = 0;
    g_assert_false(nfc_get_header(bytes, &header));
}

static void
test_error(void)
{
    uint8_t bytes[16];

    unhex("01000000 0b000000 00000000", bytes, sizeof(bytes));
    g_assert_true(nfc_error_has(bytes, sizeof(bytes), NFC_REASON_READ_ONLY));
    g_assert_true(nfc_error_has(bytes, 8, NFC_REASON_READ_ONLY));
    g_assert_false(nfc_error_has(bytes, 7, NFC_REASON_READ_ONLY));
    g_assert_false(nfc_error_has(bytes, 0, NFC_REASON_READ_ONLY));
}

static void
test_open(void)
{
    uint8_t session[NFC_OPEN_SESSION_BYTES], file[NFC_OPEN_FILE_BYTES];
    NfcFile found;

    nfc_put_open_session(65536, 4, session);
    assert_bytes(session, sizeof(session), "00000000 00000100 04000000");
    nfc_put_open_file(20, false, file);
    assert_bytes(file, sizeof(file),
                 "14000000 00000000 00000000 00000000 02000000 1e000000");
    nfc_put_open_file(20, true, file);
    assert_bytes(file, sizeof(file),
                 "14000000 00000000 00000000 00000000 02000000 1a000000");

    unhex("0000000000000000 3412000000000000 02000000 1e000000 00000000"
          "0000008002000000 00020000 19050000 ff000000 3f000000",
          file, sizeof(file));
    nfc_get_open_file(file, &found);
    g_assert_cmpuint(found.handle, ==, 0x1234);
    g_assert_cmpuint(found.flags, ==, NFC_FLAGS_READ_ONLY);
    g_assert_cmpuint(found.capacity, ==, UINT64_C(10) << 30);
    g_assert_cmpuint(found.sector_size, ==, 512);
    g_assert_cmpuint(found.cylinders, ==, 1305);
    g_assert_cmpuint(found.heads, ==, 255);
    g_assert_cmpuint(found.sectors, ==, 63);
}

/* -- data ------------------------------------------------------------------ */

static const struct {
    NfcIo io;
    const char *bytes;
} io_rows[] = {
    /* a sector at 0 is read */
    {{.handle = 0x1234,
      .direction = NFC_READ,
      .total = 512,
      .part_len = 512,
      .extra_len = 512},
     "34120000 00000000 01000000 00000000 00000000 00000000"
     "00020000 00000000 00020000 00020000 00000000"},
    /* the two fragments in which 129 sectors come */
    {{.direction = NFC_READ,
      .total = 66048,
      .part_len = 65536,
      .extra_len = 65536},
     "00000000 00000000 01000000 00000000 00000000 00000000"
     "00020100 00000000 00000100 00000100 00000000"},
    {{.direction = NFC_READ,
      .total = 66048,
      .part_off = 65536,
      .part_len = 512,
      .extra_len = 512},
     "00000000 00000000 01000000 00000000 00000000 00000000"
     "00020100 00000100 00020000 00020000 00000000"},
    /* FastLZ, far out, written */
    {{.handle = UINT64_C(0x8877665544332211),
      .direction = NFC_WRITE,
      .compression = NFC_FASTLZ,
      .off = UINT64_C(0x10000000200),
      .total = 65536,
      .part_len = 65536,
      .extra_len = 0x123},
     "11223344 55667788 00000000 02000000 00020000 00010000"
     "00000100 00000000 00000100 23010000 00000000"},
};

static void
test_io(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(io_rows); i++) {
        uint8_t bytes[NFC_IO_BYTES], again[NFC_IO_BYTES];
        NfcIo io;

        nfc_put_io(&io_rows[i].io, bytes);
        assert_bytes(bytes, sizeof(bytes), io_rows[i].bytes);
        nfc_get_io(bytes, &io);
        nfc_put_io(&io, again);
        g_assert_cmpmem(bytes, sizeof(bytes), again, sizeof(again));
        g_assert_cmpuint(io.extra_len, ==, io_rows[i].io.extra_len);
    }
}

/* -- what is known about a file -------------------------------------------- */

static void
test_questions(void)
{
    uint8_t get[NFC_DDB_GET_BYTES], bytes[NFC_QUERY_BYTES];
    NfcQuery query = {.chunk = 65536, .start = UINT64_C(1) << 32, .count = 33};

    nfc_put_ddb_get(11, get);
    nfc_put_handle(0x1234, get);
    assert_bytes(get, sizeof(get), "34120000 00000000 0b000000");
    unhex("00000000 00000000 00000000 08000000", get, sizeof(get));
    g_assert_cmpuint(nfc_get_value_len(get), ==, 8);

    nfc_put_query(&query, bytes);
    nfc_put_handle(0x1234, bytes);
    assert_bytes(bytes, sizeof(bytes),
                 "34120000 00000000 00000000 00000000 00000100 00000000"
                 "00000000 01000000 21000000 00000000");
    g_assert_cmpuint(nfc_get_query_count(bytes), ==, 33);
    g_assert_cmpuint(nfc_bitmap_bytes(0), ==, 0);
    g_assert_cmpuint(nfc_bitmap_bytes(1), ==, 4);
    g_assert_cmpuint(nfc_bitmap_bytes(32), ==, 4);
    g_assert_cmpuint(nfc_bitmap_bytes(33), ==, 8);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nfc/wire/classic", test_classic);
    g_test_add_func("/nfc/wire/header", test_header);
    g_test_add_func("/nfc/wire/error", test_error);
    g_test_add_func("/nfc/wire/open", test_open);
    g_test_add_func("/nfc/wire/io", test_io);
    g_test_add_func("/nfc/wire/questions", test_questions);
    return g_test_run();
}
