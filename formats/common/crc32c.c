/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/common/crc32c.c - CRC-32C: ISA-L's where there is one.
 *
 * Its function takes and gives the register as it is, without the inversions
 * before and after.
 *
 * Concurrency: any thread.
 */
#include "formats/common/crc32c.h"

#include <glib.h>

#ifdef VD_HAVE_ISAL
#    include <isa-l/crc.h>

#    define PIECE_BYTES (1u << 30) /* lengths are int */

static uint32_t
advance(uint32_t state, const uint8_t *p, size_t len)
{
    for (size_t n; len; p += n, len -= n) {
        n = MIN(len, PIECE_BYTES);
        /* It only reads, though its type does not say so. */
        state = crc32_iscsi((unsigned char *) (uintptr_t) p, (int) n, state);
    }
    return state;
}

#else

#    define POLYNOMIAL UINT32_C(0x82f63b78) /* bits reversed */

static uint32_t
entry_of(uint32_t byte)
{
    for (unsigned bit = 0; bit < 8; bit++)
        byte = byte & 1 ? byte >> 1 ^ POLYNOMIAL : byte >> 1;
    return byte;
}

static const uint32_t *
get_table(void)
{
    static uint32_t table[256];
    static gsize ready;

    if (g_once_init_enter(&ready)) {
        for (uint32_t i = 0; i < 256; i++)
            table[i] = entry_of(i);
        g_once_init_leave(&ready, 1);
    }
    return table;
}

static uint32_t
advance(uint32_t state, const uint8_t *p, size_t len)
{
    const uint32_t *table = get_table();

    while (len-- > 0)
        state = state >> 8 ^ table[(state ^ *p++) & 0xff];
    return state;
}

#endif

uint32_t
vd_crc32c(uint32_t crc, const void *bytes, size_t len)
{
    return ~advance(~crc, bytes, len);
}

uint32_t
vd_crc32c_around(const void *bytes, size_t len, size_t at)
{
    static const uint8_t none[4];
    const uint8_t *p = bytes;
    uint32_t crc = vd_crc32c(0, p, at);

    crc = vd_crc32c(crc, none, sizeof(none));
    return vd_crc32c(crc, p + at + sizeof(none), len - at - sizeof(none));
}
