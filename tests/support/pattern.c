/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/pattern.c - bytes that tell where they belong. */
#include "tests/support/pattern.h"

#include "block/rw.h"
#include "io/zero.h"

#include <string.h>

#define CHUNK ((size_t) 256 << 10)

/* The eight bytes at @index * 8 (a step of splitmix64). */
static uint64_t
pattern_word(uint64_t index, uint32_t seed)
{
    uint64_t z =
        (index + 1) * UINT64_C(0x9e3779b97f4a7c15) + ((uint64_t) seed << 32);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void
test_pattern_fill(void *buf, size_t len, uint64_t off, uint32_t seed)
{
    uint8_t *out = buf;

    for (size_t i = 0, n; i < len; i += n) {
        uint64_t word = GUINT64_TO_LE(pattern_word((off + i) / 8, seed));
        size_t skip = (off + i) % 8;

        n = MIN(8 - skip, len - i);
        if (n == 8)
            memcpy(out + i, &word, 8); /* of a length that compilers know */
        else
            memcpy(out + i, (const uint8_t *) &word + skip, n);
    }
}

size_t
test_pattern_differs(const void *buf, size_t len, uint64_t off, uint32_t seed)
{
    const uint8_t *bytes = buf;
    uint8_t wanted[1024];

    for (size_t i = 0, n; i < len; i += n) {
        n = MIN(sizeof(wanted), len - i);
        test_pattern_fill(wanted, n, off + i, seed);
        for (size_t k = 0; memcmp(bytes + i, wanted, n) != 0; k++)
            if (bytes[i + k] != wanted[k])
                return i + k;
    }
    return len;
}

void
test_co_write_pattern(VdNode *node, uint64_t off, uint64_t len, uint32_t seed)
{
    g_autofree uint8_t *buf = g_malloc(MIN(CHUNK, len));

    while (len > 0) {
        size_t n = MIN(CHUNK, len);
        g_autoptr(GError) error = NULL;

        test_pattern_fill(buf, n, off, seed);
        vd_node_co_pwrite(node, off, buf, n, &error);
        g_assert_no_error(error);
        off += n;
        len -= n;
    }
}

void
test_co_assert_pattern(VdNode *node, uint64_t off, uint64_t len, uint32_t seed)
{
    g_autofree uint8_t *buf = g_malloc(MIN(CHUNK, len));

    while (len > 0) {
        size_t n = MIN(CHUNK, len);
        g_autoptr(GError) error = NULL;

        vd_node_co_pread(node, off, buf, n, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(off + test_pattern_differs(buf, n, off, seed), ==,
                         off + n);
        off += n;
        len -= n;
    }
}

void
test_co_assert_zero(VdNode *node, uint64_t off, uint64_t len)
{
    g_autofree uint8_t *buf = g_malloc(MIN(CHUNK, len));

    while (len > 0) {
        size_t n = MIN(CHUNK, len);
        g_autoptr(GError) error = NULL;

        memset(buf, 0xa5, n);
        vd_node_co_pread(node, off, buf, n, &error);
        g_assert_no_error(error);
        g_assert_true(vio_is_zero(buf, n));
        off += n;
        len -= n;
    }
}
