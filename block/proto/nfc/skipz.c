/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/skipz.c - SkipZ: what is not zero, and where.
 *
 *   u32 bytes in all, u32 0
 *   of each run, ascending: u32 offset, u32 length, so many bytes
 *
 * All little-endian.  The first number is of no use to who knows how much must
 * come out; whether it counts the bytes before or after compression nobody has
 * told, so reading takes both.
 *
 * Concurrency: pure processor time, any thread.
 */
#include "block/proto/nfc/codec.h"

#include "io/bytes.h"
#include "io/zero.h"

#include <string.h>

#define HEAD_BYTES 8u
#define UNIT 512u /* runs of zeroes below that are not worth a head */

bool
nfc_skipz_decode(const uint8_t *src, size_t len, uint8_t *dst, size_t dst_len)
{
    size_t at = HEAD_BYTES, end = 0; /* of the run before */

    if (len < HEAD_BYTES ||
        (vio_get_le32(src) != dst_len && vio_get_le32(src) != len))
        return false;
    memset(dst, 0, dst_len);
    while (at < len) {
        size_t off, n;

        if (len - at < HEAD_BYTES)
            return false;
        off = vio_get_le32(src + at);
        n = vio_get_le32(src + at + 4);
        at += HEAD_BYTES;
        if (off < end || off > dst_len || n > dst_len - off || n > len - at)
            return false;
        memcpy(dst + off, src + at, n);
        at += n;
        end = off + n;
    }
    return true;
}

size_t
nfc_skipz_encode(const uint8_t *src, size_t len, uint8_t *dst, size_t room)
{
    size_t used = HEAD_BYTES, n;

    if (room < HEAD_BYTES)
        return 0;
    vio_put_le32(dst, (uint32_t) len);
    vio_put_le32(dst + 4, 0);
    for (size_t at = 0; at < len; at += n) {
        bool zero;

        n = vio_zero_run(src + at, len - at, UNIT, &zero);
        if (zero)
            continue;
        if (room - used < HEAD_BYTES || n > room - used - HEAD_BYTES)
            return 0;
        vio_put_le32(dst + used, (uint32_t) at);
        vio_put_le32(dst + used + 4, (uint32_t) n);
        memcpy(dst + used + HEAD_BYTES, src + at, n);
        used += HEAD_BYTES + n;
    }
    return used;
}
