/* SPDX-License-Identifier: BSD-3-Clause */
/* block/codec/codec.c - which library serves a job.
 *
 * Deflate: ISA-L for the two fast levels where its assembly runs (x86-64),
 * libdeflate above, zlib for want of them.  Inflate: libdeflate, ISA-L, zlib.
 * Measurements: docs/FORMATS.md.
 *
 * Concurrency: any thread; the choice is made once and constant after.
 */
#include "block/codec/backend.h"

#include <pthread.h>
#include <string.h>

typedef struct {
    const VdCodecBackend *forced; /* by VDISK_CODEC; NULL = choose */
    const char *unknown;          /* VDISK_CODEC names no codec of ours */
} CodecChoice;

/* Own scale of each library by the user's level; 0 = leave it to the next. */
#define CODEC_N_LEVELS (VD_CODEC_LEVEL_MAX + 1)
static const uint8_t codec_isal_levels[CODEC_N_LEVELS] = {
    [1] = 1,
    [2] = 3,
};
static const uint8_t codec_libdeflate_levels[CODEC_N_LEVELS] = {
    [1] = 1, [2] = 1, [3] = 3, [4] = 3,  [5] = 5,
    [6] = 6, [7] = 7, [8] = 8, [9] = 10, [12] = 12,
};

const VdCodecBackend *const *
vd_codec_backends(void)
{
    static const VdCodecBackend *const backends[] = {
        &vd_codec_zlib,
#ifdef VD_HAVE_LIBDEFLATE
        &vd_codec_libdeflate,
#endif
#ifdef VD_HAVE_ISAL
        &vd_codec_isal,
#endif
        NULL,
    };

    return backends;
}

static const VdCodecBackend *
codec_find(const char *name)
{
    const VdCodecBackend *const *b = vd_codec_backends();

    while (*b && strcmp((*b)->name, name) != 0)
        b++;
    return *b;
}

static CodecChoice the_choice;

static void
codec_choose(void)
{
    const char *name = g_getenv("VDISK_CODEC");

    if (!name || !*name)
        return;
    the_choice.forced = codec_find(name);
    if (!the_choice.forced)
        the_choice.unknown = g_strdup(name);
}

static const CodecChoice *
codec_choice(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void) pthread_once(&once, codec_choose); /* fails for no valid once */
    return &the_choice;
}

/* The user's level on @backend's own scale; 0 = not its field. */
static int
codec_native_level(const VdCodecBackend *backend, int level)
{
    if (strcmp(backend->name, "isal") == 0)
        return codec_isal_levels[level];
    if (strcmp(backend->name, "libdeflate") == 0)
        return codec_libdeflate_levels[level];
    return MIN(level, backend->max_level);
}

static const VdCodecBackend *
codec_zstd(void)
{
#ifdef VD_HAVE_ZSTD
    return &vd_codec_zstd;
#else
    return NULL;
#endif
}

static const VdCodecBackend *
codec_isal_for(int level)
{
#ifdef __x86_64__
    const VdCodecBackend *b = codec_find("isal");

    return b && codec_native_level(b, level) > 0 ? b : NULL;
#else
    return NULL;
#endif
}

/* libdeflate knows one window only. */
static bool
codec_can_deflate(const VdCodecBackend *backend, VdCodecFrame frame)
{
    return frame != VD_CODEC_RAW_4K || strcmp(backend->name, "libdeflate") != 0;
}

static const VdCodecBackend *
codec_deflate_backend(VdCodecFrame frame, int level)
{
    const VdCodecBackend *b = codec_choice()->forced;

    if (frame == VD_CODEC_ZSTD)
        return codec_zstd();
    if (!b)
        b = codec_isal_for(level);
    if (!b)
        b = codec_find("libdeflate");
    return b && codec_can_deflate(b, frame) ? b : &vd_codec_zlib;
}

static const VdCodecBackend *
codec_inflate_backend(VdCodecFrame frame)
{
    const VdCodecBackend *b = codec_choice()->forced;

    if (frame == VD_CODEC_ZSTD)
        return codec_zstd();
    if (!b)
        b = codec_find("libdeflate");
    if (!b)
        b = codec_find("isal");
    return b ? b : &vd_codec_zlib;
}

static bool
codec_check_choice(GError **error)
{
    const VdCodecBackend *const *b = vd_codec_backends();
    const char *unknown = codec_choice()->unknown;
    g_autoptr(GString) names = NULL;

    if (!unknown)
        return true;
    names = g_string_new((*b)->name);
    while (*++b)
        g_string_append_printf(names, ", %s", (*b)->name);
    return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "VDISK_CODEC names '%s', this build has %s", unknown,
                    names->str);
}

bool
vd_codec_check(VdCodecFrame frame, GError **error)
{
    return frame != VD_CODEC_ZSTD || codec_zstd() ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "compression type zstd: this build has no libzstd");
}

size_t
vd_codec_bound(size_t len)
{
    /* Above the bounds that the three libraries state for their levels
     * (stored blocks of at least 4 KiB, 5 bytes each, plus slack and frame);
     * for 64 KiB: 65920, so that a record fits 129 sectors. */
    return len + len / 512 + 256;
}

static size_t
codec_run_deflate(const VdCodecBackend *backend, VdCodecFrame frame, int level,
                  const void *src, size_t len, void *dst, size_t room)
{
    VdCodecSlot *slot;
    void *ctx = vd_codec_pool_get(backend, frame, level, &slot);
    size_t used = backend->deflate(ctx, src, len, dst, room);

    vd_codec_pool_put(slot, ctx);
    return used;
}

static bool
codec_check_job(VdCodecFrame frame, int level, size_t len, GError **error)
{
    if (!codec_check_choice(error) || !vd_codec_check(frame, error))
        return false;
    if (level < 1 || level > VD_CODEC_LEVEL_MAX ||
        codec_libdeflate_levels[level] == 0)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "compression level %d, there are 1 to %d and %d", level,
                        VD_CODEC_LEVEL_BEST, VD_CODEC_LEVEL_MAX);
    if (len > VD_CODEC_MAX_BYTES)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "cannot compress %zu bytes at once, at most %u", len,
                        VD_CODEC_MAX_BYTES);
    return true;
}

bool
vd_codec_shrink(VdCodecFrame frame, int level, const void *src, size_t len,
                void *dst, size_t *dst_len, GError **error)
{
    const VdCodecBackend *backend;
    int native;

    if (!codec_check_job(frame, level, len, error))
        return false;
    backend = codec_deflate_backend(frame, level);
    native = codec_native_level(backend, level);
    *dst_len = codec_run_deflate(backend, frame,
                                 native > 0 ? native : backend->max_level, src,
                                 len, dst, *dst_len);
    return true;
}

bool
vd_codec_deflate(VdCodecFrame frame, int level, const void *src, size_t len,
                 void *dst, size_t *dst_len, GError **error)
{
    size_t used = *dst_len;

    if (!vd_codec_shrink(frame, level, src, len, dst, &used, error))
        return false;
    /* ISA-L may refuse room that suffices: zlib never does. */
    if (used == 0 && frame != VD_CODEC_ZSTD)
        used = codec_run_deflate(&vd_codec_zlib, frame, 1, src, len, dst,
                                 *dst_len);
    if (used == 0)
        return vd_throw(
            error, VD_ERROR_FAILED,
            "compressed data do not fit %zu bytes, want room for %zu", *dst_len,
            vd_codec_bound(len));
    *dst_len = used;
    return true;
}

bool
vd_codec_inflate(VdCodecFrame frame, const void *src, size_t len, void *dst,
                 size_t *dst_len, GError **error)
{
    const VdCodecBackend *backend = codec_inflate_backend(frame);
    const char *problem;
    VdCodecSlot *slot;
    void *ctx;

    if (!codec_check_choice(error) || !vd_codec_check(frame, error))
        return false;
    if (len > VD_CODEC_MAX_BYTES)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "cannot inflate %zu bytes at once, at most %u", len,
                        VD_CODEC_MAX_BYTES);

    ctx = vd_codec_pool_get(backend, frame, 0, &slot);
    problem = backend->inflate(ctx, frame, src, len, dst, dst_len);
    vd_codec_pool_put(slot, ctx);
    if (problem)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "compressed data of %zu bytes: %s", len, problem);
    return true;
}

bool
vd_codec_inflate_whole(VdCodecFrame frame, const void *src, size_t len,
                       void *dst, size_t dst_len, GError **error)
{
    size_t got = dst_len;

    return vd_codec_inflate(frame, src, len, dst, &got, error) &&
           (got == dst_len ||
            vd_throw(error, VD_ERROR_CORRUPT, "inflates to %zu bytes, not %zu",
                     got, dst_len));
}

bool
vd_codec_take_level(VdOptions *opts, int *level, GError **error)
{
    uint64_t value = (uint64_t) *level;

    if (!vd_options_take_uint(opts, "compress_level", &value, error))
        return false;
    if ((value < 1 || value > VD_CODEC_LEVEL_BEST) &&
        value != VD_CODEC_LEVEL_MAX)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "compress_level must be from 1 to %d, or %d",
                        VD_CODEC_LEVEL_BEST, VD_CODEC_LEVEL_MAX);
    *level = (int) value;
    return true;
}

void
vd_codec_set_level(VdOptions *opts, int level)
{
    g_autofree char *text = g_strdup_printf("%d", level);

    vd_options_set(opts, "compress_level", text);
}

static char *the_description;

static void
codec_make_description(void)
{
    const VdCodecBackend *deflate =
        codec_deflate_backend(VD_CODEC_ZLIB, VD_CODEC_LEVEL_FAST);
    const VdCodecBackend *inflate = codec_inflate_backend(VD_CODEC_ZLIB);
    const VdCodecBackend *zstd = codec_zstd();
    bool others = deflate != &vd_codec_zlib && inflate != &vd_codec_zlib;

    the_description = g_strdup_printf(
        "deflate %s %s, inflate %s %s%s%s%s%s", deflate->name,
        deflate->version(), inflate->name, inflate->version(),
        others ? ", zlib " : "", others ? vd_codec_zlib.version() : "",
        zstd ? ", zstd " : "", zstd ? zstd->version() : "");
}

const char *
vd_codec_describe(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void) pthread_once(&once, codec_make_description); /* as above */
    return the_description;
}
