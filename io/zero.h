/* SPDX-License-Identifier: BSD-3-Clause */
/* io/zero.h - is this memory all zero? */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True if all @len bytes at @buf are zero.  Memory bandwidth is the limit. */
bool vio_is_zero(const void *buf, size_t len);

/* Length of the leading stretch of @buf that is uniformly zero or uniformly
 * not, judged in blocks of @block bytes (the last may be short).  *@zero tells
 * which.  @len > 0. */
size_t vio_zero_run(const void *buf, size_t len, size_t block, bool *zero);

/* The same where runs of zeroes shorter than @least count as the others. */
size_t vio_zero_stretch(const void *buf, size_t len, size_t block, size_t least,
                        bool *zero);
