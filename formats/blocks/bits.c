/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/blocks/bits.c - bitmaps that tell which sectors of a block count.
 *
 * Concurrency: never yields.
 */
#include "formats/blocks/bits.h"

uint64_t
vd_bits_run_end(const uint8_t *bits, uint64_t first, uint64_t end,
                bool msb_first)
{
    bool set = vd_bits_get(bits, first, msb_first);
    uint8_t uniform = set ? 0xff : 0;
    uint64_t i = first + 1;

    while (i < end) {
        if (i % 8 == 0 && end - i >= 8 && bits[i / 8] == uniform)
            i += 8;
        else if (vd_bits_get(bits, i, msb_first) == set)
            i++;
        else
            return i;
    }
    return end;
}
