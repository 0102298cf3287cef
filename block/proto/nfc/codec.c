/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/codec.c - fragments of data, compressed one by one: which
 * codec does it.
 *
 * Concurrency: pure processor time, any thread.
 */
#include "block/proto/nfc/codec.h"

#include "block/codec/codec.h"

static const char *const codec_names[] = {"none", "zlib", "FastLZ", "SkipZ"};

static bool
throw_bad(NfcCompression how, size_t len, size_t dst_len, GError **error)
{
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%zu bytes of %s are damaged, or not the %zu bytes that "
                    "they should be",
                    len, codec_names[how], dst_len);
}

bool
nfc_decode(NfcCompression how, const uint8_t *src, size_t len, uint8_t *dst,
           size_t dst_len, GError **error)
{
    switch (how) {
    case NFC_ZLIB:
        return vd_codec_inflate_whole(VD_CODEC_ZLIB, src, len, dst, dst_len,
                                      error);
    case NFC_FASTLZ:
        return nfc_fastlz_decode(src, len, dst, dst_len) ||
               throw_bad(how, len, dst_len, error);
    case NFC_SKIPZ:
        return nfc_skipz_decode(src, len, dst, dst_len) ||
               throw_bad(how, len, dst_len, error);
    case NFC_PLAIN:
        break;
    }
    g_assert_not_reached();
}

size_t
nfc_encode(NfcCompression how, const uint8_t *src, size_t len, uint8_t *dst,
           size_t room)
{
    size_t used = room;

    switch (how) {
    case NFC_ZLIB:
        return vd_codec_shrink(VD_CODEC_ZLIB, VD_CODEC_LEVEL_FAST, src, len,
                               dst, &used, NULL)
                   ? used
                   : 0;
    case NFC_FASTLZ:
        return nfc_fastlz_encode(src, len, dst, room);
    case NFC_SKIPZ:
        return nfc_skipz_encode(src, len, dst, room);
    case NFC_PLAIN:
        return 0;
    }
    g_assert_not_reached();
}
