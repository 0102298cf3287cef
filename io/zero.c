/* SPDX-License-Identifier: BSD-3-Clause */
/* io/zero.c - zero detection at memory speed.
 *
 * 128 bytes a step is enough to be limited by memory with SSE2 or NEON; AVX2
 * helps for data that is still in a cache, which is where a copy scans.
 *
 * Concurrency: pure functions.
 */
#include "io/zero.h"

#include <string.h>

#if defined(__x86_64__)
#    include <immintrin.h>
#elif defined(__aarch64__)
#    include <arm_neon.h>
#endif

#define ZERO_STEP 128

static inline uint64_t
load_u64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static bool
zero_small(const uint8_t *p, size_t len)
{
    uint64_t bits = 0;

    for (; len >= 8; p += 8, len -= 8)
        bits |= load_u64(p);
    for (; len > 0; p++, len--)
        bits |= *p;
    return bits == 0;
}

/* The step functions look at @len bytes, a multiple of ZERO_STEP. */
#if defined(__x86_64__)

static inline __m128i
load_sse(const uint8_t *p)
{
    return _mm_loadu_si128((const void *) p);
}

static bool
zero_steps_base(const uint8_t *p, size_t len)
{
    const __m128i zero = _mm_setzero_si128();

    for (const uint8_t *end = p + len; p < end; p += ZERO_STEP) {
        __m128i v = load_sse(p);

        for (int i = 16; i < ZERO_STEP; i += 16)
            v = _mm_or_si128(v, load_sse(p + i));
        if (_mm_movemask_epi8(_mm_cmpeq_epi8(v, zero)) != 0xffff)
            return false;
    }
    return true;
}

__attribute__((target("avx2"))) static bool
zero_steps_avx2(const uint8_t *p, size_t len)
{
    for (const uint8_t *end = p + len; p < end; p += ZERO_STEP) {
        __m256i a = _mm256_loadu_si256((const void *) p);
        __m256i b = _mm256_loadu_si256((const void *) (p + 32));
        __m256i c = _mm256_loadu_si256((const void *) (p + 64));
        __m256i d = _mm256_loadu_si256((const void *) (p + 96));

        a = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
        if (!_mm256_testz_si256(a, a))
            return false;
    }
    return true;
}

static bool
zero_steps(const uint8_t *p, size_t len)
{
    return __builtin_cpu_supports("avx2") ? zero_steps_avx2(p, len)
                                          : zero_steps_base(p, len);
}

#elif defined(__aarch64__)

static bool
zero_steps(const uint8_t *p, size_t len)
{
    for (const uint8_t *end = p + len; p < end; p += ZERO_STEP) {
        uint8x16_t v = vld1q_u8(p);

        for (int i = 16; i < ZERO_STEP; i += 16)
            v = vorrq_u8(v, vld1q_u8(p + i));
        if (vmaxvq_u8(v) != 0)
            return false;
    }
    return true;
}

#else

static bool
zero_steps(const uint8_t *p, size_t len)
{
    for (const uint8_t *end = p + len; p < end; p += ZERO_STEP)
        if (!zero_small(p, ZERO_STEP))
            return false;
    return true;
}

#endif

bool
vio_is_zero(const void *buf, size_t len)
{
    const uint8_t *p = buf;
    size_t body = len - len % ZERO_STEP;

    if (len < ZERO_STEP)
        return zero_small(p, len);
    /* Data mostly shows itself at once; do not start the loop for it. */
    if (load_u64(p) | load_u64(p + len / 2) | load_u64(p + len - 8))
        return false;
    return zero_steps(p, body) && zero_small(p + body, len - body);
}

size_t
vio_zero_run(const void *buf, size_t len, size_t block, bool *zero)
{
    const uint8_t *p = buf;
    size_t done = block < len ? block : len;

    *zero = vio_is_zero(p, done);
    while (done < len) {
        size_t n = block < len - done ? block : len - done;

        if (vio_is_zero(p + done, n) != *zero)
            break;
        done += n;
    }
    return done;
}

size_t
vio_zero_stretch(const void *buf, size_t len, size_t block, size_t least,
                 bool *zero)
{
    const uint8_t *at = buf;
    size_t n = vio_zero_run(at, len, block, zero);

    if (*zero && n >= least)
        return n;
    *zero = false;
    while (n < len) {
        bool next_zero;
        size_t next = vio_zero_run(at + n, len - n, block, &next_zero);

        if (next_zero && next >= least)
            break;
        n += next;
    }
    return n;
}
