/* SPDX-License-Identifier: BSD-3-Clause */
/* block/codec/backend.h - what codec.c asks of a deflate library.
 *
 * Private to this folder and its tests, which run every library against every
 * other.
 *
 * Concurrency: a context serves one thread at a time; the functions keep
 * nothing outside of it.
 */
#pragma once

#include "block/codec/codec.h"

typedef struct VdCodecBackend {
    const char *name; /* as VDISK_CODEC has it */
    const char *(*version)(void);
    int max_level; /* its own scale, which starts at 1 */

    /* Allocation failures abort: these sizes are ours. */
    void *(*deflater_new)(VdCodecFrame frame, int level);
    void (*deflater_free)(void *ctx);
    /* Bytes written; 0 = @room was too small for this library. */
    size_t (*deflate)(void *ctx, const void *src, size_t len, void *dst,
                      size_t room);

    void *(*inflater_new)(void);
    void (*inflater_free)(void *ctx);
    /* NULL, or what is wrong with @src (a phrase for a message).  *dst_len as
     * in vd_codec_inflate(). */
    const char *(*inflate)(void *ctx, VdCodecFrame frame, const void *src,
                           size_t len, void *dst, size_t *dst_len);
} VdCodecBackend;

extern const VdCodecBackend vd_codec_zlib;
extern const VdCodecBackend vd_codec_libdeflate;
extern const VdCodecBackend vd_codec_isal;
extern const VdCodecBackend vd_codec_zstd; /* no deflate: none of the list */

/* Those of this build, NULL-terminated, zlib first. */
const VdCodecBackend *const *vd_codec_backends(void);

/* Phrases that all backends use. */
#define VD_CODEC_BAD "not a valid deflate stream"
#define VD_CODEC_BAD_ZSTD "no valid Zstandard frames"
#define VD_CODEC_BAD_HEADER "no zlib header"
#define VD_CODEC_BAD_SUM "checksum (Adler-32) does not match"
#define VD_CODEC_CUT "deflate stream is cut off"
#define VD_CODEC_CUT_ZSTD "Zstandard frame is cut off"
#define VD_CODEC_TOO_LONG "inflates to more than there is room for"

/* -- contexts, reused (pool.c) --------------------------------------------- */

typedef struct VdCodecSlot VdCodecSlot; /* idle contexts of one kind */

/* @level 0: an inflater, which serves all frames of its library. */
void *vd_codec_pool_get(const VdCodecBackend *backend, VdCodecFrame frame,
                        int level, VdCodecSlot **slot);
void vd_codec_pool_put(VdCodecSlot *slot, void *ctx);
