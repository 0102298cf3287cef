/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/fuzz-inflate.c - any bytes to every inflate library.
 *
 * zlib is the yardstick, as it is the strictest: what it takes, all take, and
 * to the same data, whatever the room.  The others also let pass what no
 * encoder makes (libdeflate: length codes 286 and 287), so not the reverse.
 * What an encoder of ours made, all take.
 */
#include "block/codec/backend.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define MAX_ROOM 65536

typedef struct {
    const char *problem;
    size_t len;
    uint8_t *data;
} Result;

static Result
inflate_with(const VdCodecBackend *b, VdCodecFrame frame, const uint8_t *data,
             size_t size, size_t room)
{
    Result r = {.len = room, .data = g_malloc(room)};
    VdCodecSlot *slot;
    void *ctx = vd_codec_pool_get(b, frame, 0, &slot);

    r.problem = b->inflate(ctx, frame, data, size, r.data, &r.len);
    vd_codec_pool_put(slot, ctx);
    return r;
}

static void
compare(VdCodecFrame frame, const uint8_t *data, size_t size, size_t room)
{
    const VdCodecBackend *const *b = vd_codec_backends();
    Result first = inflate_with(*b, frame, data, size, room);

    while (*++b) {
        Result r = inflate_with(*b, frame, data, size, room);

        g_assert_cmpuint(r.len, <=, room);
        if (!first.problem && r.problem)
            g_error("zlib takes %zu bytes to %zu, %s says: %s", size, first.len,
                    (*b)->name, r.problem);
        if (!first.problem)
            g_assert_cmpmem(r.data, r.len, first.data, first.len);
        g_free(r.data);
    }
    g_free(first.data);
}

/* The input as contents: each encoder's output is read by all. */
static void
round_trip(const uint8_t *data, size_t size)
{
    size_t room = vd_codec_bound(size);
    g_autofree uint8_t *packed = g_malloc(room);

    for (int level = 1; level <= 5; level += 2) {
        size_t used = room;
        Result r;

        g_assert_true(vd_codec_deflate(VD_CODEC_ZLIB, level, data, size, packed,
                                       &used, NULL));
        for (const VdCodecBackend *const *b = vd_codec_backends(); *b; b++) {
            r = inflate_with(*b, VD_CODEC_ZLIB, packed, used, size);
            g_assert_cmpstr(r.problem, ==, NULL);
            g_assert_cmpmem(r.data, r.len, data, size);
            g_free(r.data);
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t room;

    if (size < 2 || size > MAX_ROOM)
        return 0;
    room = (size_t) (data[0] | data[1] << 8);
    data += 2;
    size -= 2;
    compare(VD_CODEC_ZLIB, data, size, room);
    compare(VD_CODEC_RAW, data, size, room);
    round_trip(data, size);
    return 0;
}
