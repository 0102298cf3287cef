/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/blocks/bits.h - bitmaps that tell which sectors of a block count. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

static inline bool
vd_bits_get(const uint8_t *bits, uint64_t i, bool msb_first)
{
    unsigned shift = (unsigned) (i % 8);

    return bits[i / 8] >> (msb_first ? 7 - shift : shift) & 1;
}

/* Up to @end: the end of those from @first on that are as the first. */
uint64_t vd_bits_run_end(const uint8_t *bits, uint64_t first, uint64_t end,
                         bool msb_first);
