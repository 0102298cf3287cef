/* SPDX-License-Identifier: BSD-3-Clause */
/* block/codec/codec.h - deflate and inflate behind one table; Zstandard.
 *
 * zlib is always there; libdeflate, ISA-L and libzstd where the build found
 * them.  The
 * best is chosen per job and level (docs/FORMATS.md); VDISK_CODEC=zlib |
 * libdeflate | isal forces one.  Contexts are big: one per worker and job,
 * reused; never on a coroutine stack.  Thread-safe: contexts come from an
 * internal free list.
 */
#pragma once

#include "block/error.h"
#include "block/options.h"
#include "io/loop.h"

typedef enum VdCodecFrame {
    VD_CODEC_ZLIB,   /* RFC 1950: header and Adler-32, both checked */
    VD_CODEC_RAW,    /* RFC 1951 */
    VD_CODEC_RAW_4K, /* the same, for readers with a window of 4 KiB: no match
                        is further away */
    VD_CODEC_ZSTD,   /* RFC 8878, frames behind one another */
} VdCodecFrame;

#define VD_CODEC_LEVEL_FAST 1
#define VD_CODEC_LEVEL_BEST 9
#define VD_CODEC_LEVEL_MAX 12

/* Largest input of one call, either way. */
#define VD_CODEC_MAX_BYTES (UINT32_C(1) << 31)

/* NOT_SUPPORTED if this build cannot read and write such streams. */
bool vd_codec_check(VdCodecFrame frame, GError **error);

/* Bytes that deflate of @len may need, with any of the libraries. */
size_t vd_codec_bound(size_t len);

/* One independent stream of @src.  *dst_len: in room, out used.  Levels 1..9,
 * 12 (docs/FORMATS.md).  Fails only if the room is below vd_codec_bound(), the
 * level is none of those, or VDISK_CODEC names no codec of this build. */
bool vd_codec_deflate(VdCodecFrame frame, int level, const void *src,
                      size_t len, void *dst, size_t *dst_len, GError **error);

/* The same, for what is stored as it is if it does not shrink: *dst_len, in:
 * any room, becomes 0 if the stream does not fit. */
bool vd_codec_shrink(VdCodecFrame frame, int level, const void *src, size_t len,
                     void *dst, size_t *dst_len, GError **error);

/* Inflate @src into at most *dst_len bytes; *dst_len becomes what came out.
 * More output than room, bad data or checksum: CORRUPT.  Bytes behind the
 * stream are ignored; Zstandard goes on frame by frame until the room is full
 * or the bytes end. */
bool vd_codec_inflate(VdCodecFrame frame, const void *src, size_t len,
                      void *dst, size_t *dst_len, GError **error);

/* The same, where @dst_len bytes must come out. */
bool vd_codec_inflate_whole(VdCodecFrame frame, const void *src, size_t len,
                            void *dst, size_t dst_len, GError **error);
/* On a worker of @loop; yields. */
bool vd_codec_co_inflate_whole(VioLoop *loop, VdCodecFrame frame,
                               const void *src, size_t len, void *dst,
                               size_t dst_len, GError **error);

/* "compress_level" of creating and of filling: *level is left alone if it is
 * not there. */
bool vd_codec_take_level(VdOptions *opts, int *level, GError **error);
void vd_codec_set_level(VdOptions *opts, int level);

/* "deflate isal 2.30, inflate libdeflate 1.14, zlib 1.2.13, zstd 1.5.4" */
const char *vd_codec_describe(void);
