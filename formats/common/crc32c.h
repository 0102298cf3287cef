/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/common/crc32c.h - CRC-32C (Castagnoli). */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Of what @crc (0 = nothing) is of, and @len bytes behind it. */
uint32_t vd_crc32c(uint32_t crc, const void *bytes, size_t len);
/* Of @bytes in which the 4 bytes at @at, the checksum itself, count as zeroes.
 */
uint32_t vd_crc32c_around(const void *bytes, size_t len, size_t at);
