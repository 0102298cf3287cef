/* SPDX-License-Identifier: BSD-3-Clause */
/* block/codec/isal.c - Intel ISA-L: the fastest deflate on x86-64.
 *
 * Its output may differ between CPUs, as it picks its kernels at run time.
 */
#include "block/codec/backend.h"

#include <isa-l.h>

#define ISAL_SMALL_WINDOW_BITS 12

typedef struct {
    struct isal_zstream z;
    VdCodecFrame frame;
    uint32_t level;
    uint32_t level_buf_size;
    uint8_t *level_buf;
} IsalDeflater;

static const char *
isal_version(void)
{
    return G_STRINGIFY(ISAL_MAJOR_VERSION) "." G_STRINGIFY(ISAL_MINOR_VERSION);
}

static uint32_t
isal_level_buf_size(int level)
{
    static const uint32_t sizes[] = {
        ISAL_DEF_LVL0_DEFAULT,
        ISAL_DEF_LVL1_DEFAULT,
        ISAL_DEF_LVL2_DEFAULT,
        ISAL_DEF_LVL3_DEFAULT,
    };

    return sizes[level];
}

static void *
isal_deflater_new(VdCodecFrame frame, int level)
{
    IsalDeflater *d = g_new0(IsalDeflater, 1);

    d->frame = frame;
    d->level = (uint32_t) level;
    d->level_buf_size = isal_level_buf_size(level);
    d->level_buf = g_malloc(d->level_buf_size);
    return d;
}

static void
isal_deflater_free(void *ctx)
{
    IsalDeflater *d = ctx;

    g_free(d->level_buf);
    g_free(d);
}

static size_t
isal_deflate_block(void *ctx, const void *src, size_t len, void *dst,
                   size_t room)
{
    IsalDeflater *d = ctx;

    isal_deflate_stateless_init(&d->z);
    d->z.level = d->level;
    d->z.level_buf = d->level_buf;
    d->z.level_buf_size = d->level_buf_size;
    d->z.gzip_flag = d->frame == VD_CODEC_ZLIB ? IGZIP_ZLIB : IGZIP_DEFLATE;
    d->z.hist_bits = d->frame == VD_CODEC_RAW_4K ? ISAL_SMALL_WINDOW_BITS : 0;
    d->z.flush = NO_FLUSH;
    d->z.end_of_stream = 1;
    d->z.next_in = (uint8_t *) src;
    d->z.avail_in = (uint32_t) len;
    d->z.next_out = dst;
    d->z.avail_out = (uint32_t) MIN(room, UINT32_MAX);
    if (isal_deflate_stateless(&d->z) != COMP_OK)
        return 0;
    return d->z.total_out;
}

static void *
isal_inflater_new(void)
{
    return g_new(struct inflate_state, 1);
}

static const char *
isal_inflate_problem(const struct inflate_state *state, int status)
{
    switch (status) {
    case ISAL_DECOMP_OK:
        return state->block_state == ISAL_BLOCK_FINISH ? NULL : VD_CODEC_CUT;
    case ISAL_END_INPUT:
        return VD_CODEC_CUT;
    case ISAL_OUT_OVERFLOW:
        return VD_CODEC_TOO_LONG;
    case ISAL_INVALID_WRAPPER:
    case ISAL_UNSUPPORTED_METHOD:
        return VD_CODEC_BAD_HEADER;
    case ISAL_INCORRECT_CHECKSUM:
        return VD_CODEC_BAD_SUM;
    default:
        return VD_CODEC_BAD;
    }
}

/* ISA-L does not look at the window size. */
static bool
isal_header_is_good(const uint8_t *src, size_t len)
{
    return len >= 2 && (src[0] & 0x0f) == 8 && src[0] >> 4 <= 7 &&
           (src[0] << 8 | src[1]) % 31 == 0;
}

static const char *
isal_inflate_block(void *ctx, VdCodecFrame frame, const void *src, size_t len,
                   void *dst, size_t *dst_len)
{
    struct inflate_state *state = ctx;
    const char *problem;

    if (frame == VD_CODEC_ZLIB && !isal_header_is_good(src, len))
        return VD_CODEC_BAD_HEADER;
    isal_inflate_init(state);
    state->crc_flag = frame == VD_CODEC_ZLIB ? ISAL_ZLIB : ISAL_DEFLATE;
    state->next_in = (uint8_t *) src;
    state->avail_in = (uint32_t) len;
    state->next_out = dst;
    state->avail_out = (uint32_t) MIN(*dst_len, UINT32_MAX);
    problem = isal_inflate_problem(state, isal_inflate(state));
    if (!problem)
        *dst_len = state->total_out;
    return problem;
}

const VdCodecBackend vd_codec_isal = {
    .name = "isal",
    .version = isal_version,
    .max_level = 3,
    .deflater_new = isal_deflater_new,
    .deflater_free = isal_deflater_free,
    .deflate = isal_deflate_block,
    .inflater_new = isal_inflater_new,
    .inflater_free = g_free,
    .inflate = isal_inflate_block,
};
