/* SPDX-License-Identifier: BSD-3-Clause */
/* block/codec/zlib.c - the codec that every build has.
 *
 * Slowest of the three, and the yardstick for the others' results.
 */
#include "block/codec/backend.h"

#include <zlib.h>

#define ZLIB_WINDOW_BITS 15
#define ZLIB_SMALL_WINDOW_BITS 12
#define ZLIB_MEM_LEVEL 8 /* zlib's default; its bound holds up to here */

static int
zlib_window_bits(VdCodecFrame frame)
{
    return frame == VD_CODEC_ZLIB ? ZLIB_WINDOW_BITS : -ZLIB_WINDOW_BITS;
}

static void *
zlib_deflater_new(VdCodecFrame frame, int level)
{
    z_stream *z = g_new0(z_stream, 1);

    int bits = frame == VD_CODEC_RAW_4K ? -ZLIB_SMALL_WINDOW_BITS
                                        : zlib_window_bits(frame);

    if (deflateInit2(z, level, Z_DEFLATED, bits, ZLIB_MEM_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        g_error("zlib: no memory for a compressor");
    return z;
}

static void
zlib_deflater_free(void *ctx)
{
    (void) deflateEnd(ctx); /* only tells that output was pending */
    g_free(ctx);
}

static size_t
zlib_deflate(void *ctx, const void *src, size_t len, void *dst, size_t room)
{
    z_stream *z = ctx;

    if (deflateReset(z) != Z_OK)
        return 0;
    z->next_in = (z_const Bytef *) src;
    z->avail_in = (uInt) len;
    z->next_out = dst;
    z->avail_out = (uInt) MIN(room, UINT32_MAX);
    return deflate(z, Z_FINISH) == Z_STREAM_END ? z->total_out : 0;
}

static void *
zlib_inflater_new(void)
{
    z_stream *z = g_new0(z_stream, 1);

    if (inflateInit2(z, ZLIB_WINDOW_BITS) != Z_OK)
        g_error("zlib: no memory for a decompressor");
    return z;
}

static void
zlib_inflater_free(void *ctx)
{
    (void) inflateEnd(ctx); /* cannot fail on a stream of ours */
    g_free(ctx);
}

static const char *
zlib_inflate_problem(const z_stream *z, int status)
{
    switch (status) {
    case Z_STREAM_END:
        return NULL;
    case Z_OK:
    case Z_BUF_ERROR:
        return z->avail_in == 0 ? VD_CODEC_CUT : VD_CODEC_TOO_LONG;
    case Z_MEM_ERROR:
        g_error("zlib: no memory for a window");
    default:
        return z->msg ? z->msg : VD_CODEC_BAD;
    }
}

static const char *
zlib_inflate(void *ctx, VdCodecFrame frame, const void *src, size_t len,
             void *dst, size_t *dst_len)
{
    z_stream *z = ctx;
    const char *problem;
    Bytef none; /* zlib wants an address even for no room */

    if (inflateReset2(z, zlib_window_bits(frame)) != Z_OK)
        return VD_CODEC_BAD;
    z->next_in = (z_const Bytef *) src;
    z->avail_in = (uInt) len;
    z->next_out = *dst_len > 0 ? dst : &none;
    z->avail_out = (uInt) MIN(*dst_len, UINT32_MAX);
    problem = zlib_inflate_problem(z, inflate(z, Z_FINISH));
    if (!problem)
        *dst_len = z->total_out;
    return problem;
}

const VdCodecBackend vd_codec_zlib = {
    .name = "zlib",
    .version = zlibVersion,
    .max_level = 9,
    .deflater_new = zlib_deflater_new,
    .deflater_free = zlib_deflater_free,
    .deflate = zlib_deflate,
    .inflater_new = zlib_inflater_new,
    .inflater_free = zlib_inflater_free,
    .inflate = zlib_inflate,
};
