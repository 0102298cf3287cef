/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/pattern.h - bytes that tell where they belong.
 *
 * Each byte follows from its offset and a seed, so data that ended up in the
 * wrong place, or that is older than it should be, does not match.  A pattern
 * never contains a whole sector of zeroes.
 */
#pragma once

#include "block/node.h"

void test_pattern_fill(void *buf, size_t len, uint64_t off, uint32_t seed);

/* Index of the first byte that differs; @len if none does. */
size_t test_pattern_differs(const void *buf, size_t len, uint64_t off,
                            uint32_t seed);

/* Through the door of @node; any length.  Failures end the test. */
void test_co_write_pattern(VdNode *node, uint64_t off, uint64_t len,
                           uint32_t seed);
void test_co_assert_pattern(VdNode *node, uint64_t off, uint64_t len,
                            uint32_t seed);
void test_co_assert_zero(VdNode *node, uint64_t off, uint64_t len);
