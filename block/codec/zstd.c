/* SPDX-License-Identifier: BSD-3-Clause */
/* block/codec/zstd.c - Zstandard: one frame written, any number read. */
#include "block/codec/backend.h"

#include <zstd.h>

static void *
zstd_deflater_new(VdCodecFrame frame, int level)
{
    ZSTD_CCtx *ctx = ZSTD_createCCtx();

    if (!ctx || ZSTD_isError(ZSTD_CCtx_setParameter(
                    ctx, ZSTD_c_compressionLevel, level)))
        g_error("libzstd: no memory for a compressor");
    return ctx;
}

static void
zstd_deflater_free(void *ctx)
{
    (void) ZSTD_freeCCtx(ctx); /* cannot fail */
}

static size_t
zstd_deflate(void *ctx, const void *src, size_t len, void *dst, size_t room)
{
    size_t used = ZSTD_compress2(ctx, dst, room, src, len);

    return ZSTD_isError(used) ? 0 : used;
}

static void *
zstd_inflater_new(void)
{
    ZSTD_DCtx *ctx = ZSTD_createDCtx();

    if (!ctx)
        g_error("libzstd: no memory for a decompressor");
    return ctx;
}

static void
zstd_inflater_free(void *ctx)
{
    (void) ZSTD_freeDCtx(ctx); /* cannot fail */
}

/* What is behind the frame that fills the room is not looked at. */
static const char *
zstd_inflate(void *ctx, VdCodecFrame frame, const void *src, size_t len,
             void *dst, size_t *dst_len)
{
    ZSTD_inBuffer in = {.src = src, .size = len};
    ZSTD_outBuffer out = {.dst = dst, .size = *dst_len};
    size_t rest = 0; /* 0: between two frames */

    (void) ZSTD_DCtx_reset(ctx, ZSTD_reset_session_only); /* cannot fail */
    while (in.pos < in.size && (out.pos < out.size || rest)) {
        size_t in_before = in.pos, out_before = out.pos;

        rest = ZSTD_decompressStream(ctx, &out, &in);
        if (ZSTD_isError(rest))
            return VD_CODEC_BAD_ZSTD;
        if (in.pos == in_before && out.pos == out_before)
            return VD_CODEC_TOO_LONG;
    }
    if (rest)
        return out.pos == out.size ? VD_CODEC_TOO_LONG : VD_CODEC_CUT_ZSTD;
    *dst_len = out.pos;
    return NULL;
}

const VdCodecBackend vd_codec_zstd = {
    .name = "zstd",
    .version = ZSTD_versionString,
    .max_level = 19,
    .deflater_new = zstd_deflater_new,
    .deflater_free = zstd_deflater_free,
    .deflate = zstd_deflate,
    .inflater_new = zstd_inflater_new,
    .inflater_free = zstd_inflater_free,
    .inflate = zstd_inflate,
};
