/* SPDX-License-Identifier: BSD-3-Clause */
/* block/codec/libdeflate.c - whole-buffer codec: the fastest inflate, and
 * zlib's ratios at more than twice its speed.  Its window is 32 KiB in any
 * case.
 */
#include "block/codec/backend.h"

#include <libdeflate.h>

typedef struct {
    struct libdeflate_compressor *c;
    VdCodecFrame frame;
} LibdeflateDeflater;

static const char *
libdeflate_version(void)
{
    return LIBDEFLATE_VERSION_STRING;
}

static void *
libdeflate_deflater_new(VdCodecFrame frame, int level)
{
    LibdeflateDeflater *d = g_new(LibdeflateDeflater, 1);

    d->frame = frame;
    d->c = libdeflate_alloc_compressor(level);
    if (!d->c)
        g_error("libdeflate: no memory for a compressor");
    return d;
}

static void
libdeflate_deflater_free(void *ctx)
{
    LibdeflateDeflater *d = ctx;

    libdeflate_free_compressor(d->c);
    g_free(d);
}

static size_t
libdeflate_deflate(void *ctx, const void *src, size_t len, void *dst,
                   size_t room)
{
    const LibdeflateDeflater *d = ctx;

    if (d->frame != VD_CODEC_ZLIB)
        return libdeflate_deflate_compress(d->c, src, len, dst, room);
    return libdeflate_zlib_compress(d->c, src, len, dst, room);
}

static void *
libdeflate_inflater_new(void)
{
    void *ctx = libdeflate_alloc_decompressor();

    if (!ctx)
        g_error("libdeflate: no memory for a decompressor");
    return ctx;
}

static void
libdeflate_inflater_free(void *ctx)
{
    libdeflate_free_decompressor(ctx);
}

static const char *
libdeflate_inflate(void *ctx, VdCodecFrame frame, const void *src, size_t len,
                   void *dst, size_t *dst_len)
{
    enum libdeflate_result result;
    size_t out = 0;

    if (frame != VD_CODEC_ZLIB)
        result =
            libdeflate_deflate_decompress(ctx, src, len, dst, *dst_len, &out);
    else
        result = libdeflate_zlib_decompress(ctx, src, len, dst, *dst_len, &out);
    switch (result) {
    case LIBDEFLATE_SUCCESS:
        *dst_len = out;
        return NULL;
    case LIBDEFLATE_INSUFFICIENT_SPACE:
        return VD_CODEC_TOO_LONG;
    default: /* it does not tell damage from a missing end */
        return VD_CODEC_BAD;
    }
}

const VdCodecBackend vd_codec_libdeflate = {
    .name = "libdeflate",
    .version = libdeflate_version,
    .max_level = 12,
    .deflater_new = libdeflate_deflater_new,
    .deflater_free = libdeflate_deflater_free,
    .deflate = libdeflate_deflate,
    .inflater_new = libdeflate_inflater_new,
    .inflater_free = libdeflate_inflater_free,
    .inflate = libdeflate_inflate,
};
