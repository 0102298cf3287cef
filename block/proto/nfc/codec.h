/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/codec.h - fragments of data, compressed one by one.
 *
 *   codec.c    which one
 *   fastlz.c   FastLZ
 *   skipz.c    SkipZ: zeroes are left out
 *
 * Concurrency: pure processor time, any thread.
 */
#pragma once

#include "block/error.h"
#include "block/proto/nfc/wire.h"

/* Exactly @dst_len bytes come out, or CORRUPT. */
bool nfc_decode(NfcCompression how, const uint8_t *src, size_t len,
                uint8_t *dst, size_t dst_len, GError **error);
/* Bytes in @dst; 0: it does not fit @room, so that it is not worth it. */
size_t nfc_encode(NfcCompression how, const uint8_t *src, size_t len,
                  uint8_t *dst, size_t room);

bool nfc_fastlz_decode(const uint8_t *src, size_t len, uint8_t *dst,
                       size_t dst_len);
size_t nfc_fastlz_encode(const uint8_t *src, size_t len, uint8_t *dst,
                         size_t room);
bool nfc_skipz_decode(const uint8_t *src, size_t len, uint8_t *dst,
                      size_t dst_len);
size_t nfc_skipz_encode(const uint8_t *src, size_t len, uint8_t *dst,
                        size_t room);
