/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/fastlz.c - FastLZ, after the description of its format.
 *
 * A block is a row of instructions.  The three upper bits of the first byte are
 * the block's level less one; those of the byte that begins an instruction say
 * what it is (the first one is always a literal):
 *
 *   000LLLLL                     L + 1 bytes follow, as they are
 *   TTTDDDDD dddddddd            T + 2 bytes (T is 1 to 6) from D:d + 1 behind
 *   111DDDDD length dddddddd     length + 9 bytes from there
 *
 * At level 2 a length goes on as long as its bytes are 255, and if D:d is all
 * ones, then two more bytes (big-endian) follow, the distance being 8192 more
 * than they say.  We write level 1, which each reader of level 2 knows as well.
 *
 * Concurrency: pure processor time, any thread.
 */
#include "block/proto/nfc/codec.h"

#include <string.h>

#define LITERAL_MAX 32u
#define MATCH_MIN 3u
#define SHORT_MOST 8u /* a match of more has a byte for its length */
#define LONG_LEAST 9u
#define LONG_MOST (LONG_LEAST + 255u)
#define FAR_FROM 8192u /* level 2: from here on two bytes more */
#define DISTANCE_MAX 8192u
#define LAST_LITERALS 5u /* the end of a block is never a match */
#define HASH_BITS 13

/* -- decoding -------------------------------------------------------------- */

typedef struct {
    const uint8_t *src, *src_end;
    uint8_t *dst;
    size_t at, dst_len;
    bool second; /* level 2 */
} Decoder;

static bool
take(Decoder *d, unsigned *byte)
{
    if (d->src == d->src_end)
        return false;
    *byte = *d->src++;
    return true;
}

static bool
copy_literals(Decoder *d, size_t n)
{
    if (n > (size_t) (d->src_end - d->src) || n > d->dst_len - d->at)
        return false;
    memcpy(d->dst + d->at, d->src, n);
    d->src += n;
    d->at += n;
    return true;
}

/* They may overlap: what is copied repeats itself then. */
static bool
copy_match(Decoder *d, size_t distance, size_t n)
{
    uint8_t *to = d->dst + d->at;
    const uint8_t *from;

    if (distance > d->at || n > d->dst_len - d->at)
        return false;
    from = to - distance;
    if (distance >= n)
        memcpy(to, from, n);
    else
        for (size_t i = 0; i < n; i++)
            to[i] = from[i];
    d->at += n;
    return true;
}

/* A length above what fits its instruction. */
static bool
take_length(Decoder *d, size_t *n)
{
    unsigned byte;

    do {
        if (!take(d, &byte))
            return false;
        *n += byte;
        if (*n > d->dst_len)
            return false;
    } while (d->second && byte == 255);
    return true;
}

static bool
match(Decoder *d, unsigned op)
{
    size_t n = (op >> 5) + 2, distance = (op & 31) << 8;
    unsigned low, high;

    if (n == LONG_LEAST && !take_length(d, &n))
        return false;
    if (!take(d, &low))
        return false;
    distance += low + 1;
    if (d->second && distance == FAR_FROM) {
        if (!take(d, &high) || !take(d, &low))
            return false;
        distance += (high << 8) + low;
    }
    return copy_match(d, distance, n);
}

bool
nfc_fastlz_decode(const uint8_t *src, size_t len, uint8_t *dst, size_t dst_len)
{
    Decoder d = {
        .src = src, .src_end = src + len, .dst = dst, .dst_len = dst_len};
    unsigned op;

    if (!take(&d, &op) || op >> 5 > 1)
        return false;
    d.second = op >> 5 == 1;
    op &= 31;
    do {
        if (!(op < LITERAL_MAX ? copy_literals(&d, op + 1) : match(&d, op)))
            return false;
    } while (take(&d, &op));
    return d.at == dst_len;
}

/* -- encoding -------------------------------------------------------------- */

typedef struct {
    uint8_t *dst;
    size_t used, room;
} Encoder;

static bool
put_literals(Encoder *e, const uint8_t *src, size_t n)
{
    while (n > 0) {
        size_t part = MIN(n, LITERAL_MAX);

        if (part + 1 > e->room - e->used)
            return false;
        e->dst[e->used++] = (uint8_t) (part - 1);
        memcpy(e->dst + e->used, src, part);
        e->used += part;
        src += part;
        n -= part;
    }
    return true;
}

/* Of a long match, without leaving less than a match. */
static size_t
match_part(size_t n)
{
    if (n <= LONG_MOST)
        return n;
    return n - LONG_MOST < MATCH_MIN ? LONG_MOST - MATCH_MIN : LONG_MOST;
}

static bool
put_match(Encoder *e, size_t distance, size_t n)
{
    unsigned high = (unsigned) (distance - 1) >> 8;

    while (n > 0) {
        size_t part = match_part(n);

        if (e->room - e->used < 3)
            return false;
        if (part <= SHORT_MOST) {
            e->dst[e->used++] = (uint8_t) ((part - 2) << 5 | high);
        } else {
            e->dst[e->used++] = (uint8_t) (7u << 5 | high);
            e->dst[e->used++] = (uint8_t) (part - LONG_LEAST);
        }
        e->dst[e->used++] = (uint8_t) (distance - 1);
        n -= part;
    }
    return true;
}

static unsigned
hash(const uint8_t *p)
{
    uint32_t v = p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16;

    return v * UINT32_C(2654435761) >> (32 - HASH_BITS);
}

static size_t
match_length(const uint8_t *a, const uint8_t *b, size_t most)
{
    size_t n = 0;

    while (n < most && a[n] == b[n])
        n++;
    return n;
}

/* @places: of the last bytes with each hash, plus one; all 0 at first. */
static bool
encode_block(Encoder *e, const uint8_t *src, size_t len, uint32_t *places)
{
    size_t end = len > LAST_LITERALS ? len - LAST_LITERALS : 0;
    size_t done = 0, at = 1; /* the first instruction is a literal */

    while (at + MATCH_MIN <= end) {
        uint32_t *place = &places[hash(src + at)];
        size_t from = *place, n = 0;

        *place = (uint32_t) at + 1;
        if (from > 0 && at - (from - 1) <= DISTANCE_MAX)
            n = match_length(src + from - 1, src + at, end - at);
        if (n < MATCH_MIN) {
            at++;
            continue;
        }
        if (!put_literals(e, src + done, at - done) ||
            !put_match(e, at - (from - 1), n))
            return false;
        at += n;
        done = at;
    }
    return put_literals(e, src + done, len - done);
}

size_t
nfc_fastlz_encode(const uint8_t *src, size_t len, uint8_t *dst, size_t room)
{
    g_autofree uint32_t *places = g_new0(uint32_t, 1u << HASH_BITS);
    Encoder e = {.dst = dst, .room = room};

    return len > 0 && encode_block(&e, src, len, places) ? e.used : 0;
}
