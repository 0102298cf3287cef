/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-codec.c - every deflate library against every other.
 *
 * Sources and targets end at an unreadable page, so that a library that reads
 * or writes one byte too far does not go unnoticed, assembly included.
 */
#include "block/codec/backend.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#define GRAIN 65536

/* -- memory that ends at a guard page ---------------------------------------
 */

typedef struct {
    uint8_t *map, *base; /* base + len is the guard page */
    size_t map_len, len;
} Guarded;

static Guarded
guarded_new(size_t len)
{
    size_t page = (size_t) sysconf(_SC_PAGESIZE);
    size_t body = (len + page - 1) / page * page;
    Guarded g = {.map_len = body + page, .len = len};

    g.map = mmap(NULL, g.map_len, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert(g.map != MAP_FAILED);
    g_assert_cmpint(mprotect(g.map + body, page, PROT_NONE), ==, 0);
    g.base = g.map + body - len;
    return g;
}

static Guarded
guarded_copy(const void *data, size_t len)
{
    Guarded g = guarded_new(len);

    memcpy(g.base, data, len);
    return g;
}

static void
guarded_free(Guarded *g)
{
    munmap(g->map, g->map_len);
}

/* -- what to compress --------------------------------------------------------
 */

typedef struct {
    const char *name;
    void (*fill)(uint8_t *buf, size_t len);
} Corpus;

static void
fill_zero(uint8_t *buf, size_t len)
{
    memset(buf, 0, len);
}

static void
fill_noise(uint8_t *buf, size_t len)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(4711);

    for (size_t i = 0; i < len; i++)
        buf[i] = (uint8_t) g_rand_int(rand);
}

static void
fill_text(uint8_t *buf, size_t len)
{
    static const char *const words[] = {
        "grain ", "table ", "sector ", "extent ", "the ", "of ", "\n"};
    g_autoptr(GRand) rand = g_rand_new_with_seed(42);
    size_t done = 0;

    while (done < len) {
        const char *w = words[g_rand_int_range(rand, 0, G_N_ELEMENTS(words))];
        size_t n = MIN(strlen(w), len - done);
        memcpy(buf + done, w, n);
        done += n;
    }
}

/* Stretches of each kind, as programs have them. */
static void
fill_mixed(uint8_t *buf, size_t len)
{
    fill_text(buf, len);
    fill_noise(buf + len / 4, len / 4);
    fill_zero(buf + len / 2, len / 4);
}

static const Corpus corpora[] = {
    {"zero", fill_zero},
    {"noise", fill_noise},
    {"text", fill_text},
    {"mixed", fill_mixed},
};

static const size_t lengths[] = {0, 1, 511, 512, 4096, GRAIN - 1, GRAIN};

/* -- helpers ------------------------------------------------------------------
 */

static size_t
deflate_with(const VdCodecBackend *b, VdCodecFrame frame, int level,
             const void *src, size_t len, void *dst, size_t room)
{
    VdCodecSlot *slot;
    void *ctx = vd_codec_pool_get(b, frame, level, &slot);
    size_t used = b->deflate(ctx, src, len, dst, room);

    vd_codec_pool_put(slot, ctx);
    return used;
}

static const char *
inflate_with(const VdCodecBackend *b, VdCodecFrame frame, const void *src,
             size_t len, void *dst, size_t *dst_len)
{
    VdCodecSlot *slot;
    void *ctx = vd_codec_pool_get(b, frame, 0, &slot);
    const char *problem = b->inflate(ctx, frame, src, len, dst, dst_len);

    vd_codec_pool_put(slot, ctx);
    return problem;
}

/* Every library reads @packed back to @want, into exact and larger room. */
static void
assert_all_inflate(VdCodecFrame frame, const void *packed, size_t packed_len,
                   const void *want, size_t want_len)
{
    const VdCodecBackend *const *b = vd_codec_backends();
    Guarded src = guarded_copy(packed, packed_len);

    for (; *b; b++)
        for (size_t extra = 0; extra <= 700; extra += 700) {
            Guarded dst = guarded_new(want_len + extra);
            size_t n = dst.len;

            g_assert_cmpstr(
                inflate_with(*b, frame, src.base, src.len, dst.base, &n), ==,
                NULL);
            g_assert_cmpmem(dst.base, n, want, want_len);
            guarded_free(&dst);
        }
    guarded_free(&src);
}

/* -- tests --------------------------------------------------------------------
 */

static void
check_encoder(const VdCodecBackend *b, int level, const Corpus *corpus,
              size_t len)
{
    Guarded src = guarded_new(len);

    corpus->fill(src.base, len);
    for (int f = VD_CODEC_ZLIB; f <= VD_CODEC_RAW; f++) {
        Guarded dst = guarded_new(vd_codec_bound(len));
        size_t used = deflate_with(b, (VdCodecFrame) f, level, src.base, len,
                                   dst.base, dst.len);

        g_assert_cmpuint(used, >, 0);
        g_assert_cmpuint(used, <=, dst.len);
        assert_all_inflate((VdCodecFrame) f, dst.base, used, src.base, len);
        guarded_free(&dst);
    }
    guarded_free(&src);
}

static void
test_any_decoder_reads_any_encoder(gconstpointer data)
{
    const VdCodecBackend *b = data;

    for (int level = 1; level <= b->max_level; level++)
        for (size_t c = 0; c < G_N_ELEMENTS(corpora); c++)
            for (size_t l = 0; l < G_N_ELEMENTS(lengths); l++)
                check_encoder(b, level, &corpora[c], lengths[l]);
}

/* The checksum makes it right data or a refusal, whatever byte was changed. */
static void
check_flip(const VdCodecBackend *b, Guarded *packed, const void *want,
           size_t want_len)
{
    Guarded dst = guarded_new(want_len);
    size_t n = dst.len;
    const char *problem =
        inflate_with(b, VD_CODEC_ZLIB, packed->base, packed->len, dst.base, &n);

    if (!problem)
        g_assert_cmpmem(dst.base, n, want, want_len);
    guarded_free(&dst);
}

static void
test_corrupt_byte_never_gives_wrong_data(gconstpointer data)
{
    const VdCodecBackend *b = data;
    uint8_t plain[600], packed[1024];
    Guarded src;
    size_t used;

    fill_text(plain, sizeof(plain));
    used = deflate_with(&vd_codec_zlib, VD_CODEC_ZLIB, 6, plain, sizeof(plain),
                        packed, sizeof(packed));
    g_assert_cmpuint(used, >, 20);
    src = guarded_copy(packed, used);
    for (size_t i = 0; i < src.len; i++) {
        uint8_t good = src.base[i];

        for (int v = 0; v < 256; v += i < 16 ? 1 : 17) {
            src.base[i] = (uint8_t) v;
            check_flip(b, &src, plain, sizeof(plain));
        }
        src.base[i] = good;
    }
    guarded_free(&src);
}

static void
test_cut_stream_is_refused(gconstpointer data)
{
    const VdCodecBackend *b = data;
    uint8_t plain[600], packed[1024], out[600];
    size_t used;

    fill_text(plain, sizeof(plain));
    used = deflate_with(&vd_codec_zlib, VD_CODEC_ZLIB, 6, plain, sizeof(plain),
                        packed, sizeof(packed));
    for (size_t len = 0; len < used; len++) {
        Guarded src = guarded_copy(packed, len);
        size_t n = sizeof(out);

        g_assert_nonnull(
            inflate_with(b, VD_CODEC_ZLIB, src.base, len, out, &n));
        guarded_free(&src);
    }
}

static void
test_output_beyond_room_is_refused(gconstpointer data)
{
    const VdCodecBackend *b = data;
    g_autofree uint8_t *plain = g_malloc(GRAIN);
    g_autofree uint8_t *packed = g_malloc(vd_codec_bound(GRAIN));

    for (size_t c = 0; c < G_N_ELEMENTS(corpora); c++)
        for (int f = VD_CODEC_ZLIB; f <= VD_CODEC_RAW; f++) {
            static const size_t rooms[] = {0, 1, 100, 4096, GRAIN - 1};
            size_t used;

            corpora[c].fill(plain, GRAIN);
            used = deflate_with(&vd_codec_zlib, (VdCodecFrame) f, 6, plain,
                                GRAIN, packed, vd_codec_bound(GRAIN));
            for (size_t r = 0; r < G_N_ELEMENTS(rooms); r++) {
                Guarded dst = guarded_new(rooms[r]);
                size_t n = dst.len;

                g_assert_nonnull(inflate_with(b, (VdCodecFrame) f, packed, used,
                                              dst.base, &n));
                guarded_free(&dst);
            }
        }
}

static void
test_trailing_bytes_are_ignored(gconstpointer data)
{
    const VdCodecBackend *b = data;
    uint8_t plain[600], packed[2048], out[600];

    fill_text(plain, sizeof(plain));
    for (int f = VD_CODEC_ZLIB; f <= VD_CODEC_RAW; f++) {
        size_t n = sizeof(out);
        size_t used;

        memset(packed, 0xa5, sizeof(packed));
        used = deflate_with(&vd_codec_zlib, (VdCodecFrame) f, 6, plain,
                            sizeof(plain), packed, 1024);
        g_assert_cmpstr(
            inflate_with(b, (VdCodecFrame) f, packed, used + 511, out, &n), ==,
            NULL);
        g_assert_cmpmem(out, n, plain, sizeof(plain));
    }
}

static void
test_too_little_room_to_deflate_is_told(gconstpointer data)
{
    const VdCodecBackend *b = data;
    g_autofree uint8_t *plain = g_malloc(GRAIN);

    fill_noise(plain, GRAIN);
    for (size_t room = 1; room < GRAIN; room = room * 3 + 1) {
        Guarded dst = guarded_new(room);

        g_assert_cmpuint(
            deflate_with(b, VD_CODEC_ZLIB, 1, plain, GRAIN, dst.base, room), ==,
            0);
        guarded_free(&dst);
    }
}

static void
test_header_is_zlib_with_full_window(void)
{
    const VdCodecBackend *const *b = vd_codec_backends();
    uint8_t plain[512] = {1}, packed[1024];

    for (; *b; b++) {
        size_t used = deflate_with(*b, VD_CODEC_ZLIB, 1, plain, sizeof(plain),
                                   packed, sizeof(packed));

        g_assert_cmpuint(used, >, 6);
        g_assert_cmphex(packed[0], ==, 0x78);
        g_assert_cmphex(packed[1], ==, 0x01); /* as VMware's own tools */
    }
}

static void
test_bound_holds_for_incompressible_data(void)
{
    g_autofree uint8_t *plain = g_malloc(1 << 20);
    g_autofree uint8_t *packed = g_malloc(vd_codec_bound(1 << 20));
    const VdCodecBackend *const *b;

    fill_noise(plain, 1 << 20);
    for (size_t len = 1; len <= 1 << 20; len *= 4)
        for (b = vd_codec_backends(); *b; b++)
            for (int level = 1; level <= (*b)->max_level; level++)
                g_assert_cmpuint(deflate_with(*b, VD_CODEC_ZLIB, level, plain,
                                              len, packed, vd_codec_bound(len)),
                                 >, 0);
    /* What the record of a VMDK stream counts on. */
    g_assert_cmpuint(12 + vd_codec_bound(GRAIN), <=, 129 * 512);
}

static void
test_every_user_level_round_trips(void)
{
    g_autofree uint8_t *plain = g_malloc(GRAIN);
    g_autofree uint8_t *packed = g_malloc(vd_codec_bound(GRAIN));
    g_autofree uint8_t *out = g_malloc(GRAIN);

    fill_mixed(plain, GRAIN);
    for (int level = 1; level <= VD_CODEC_LEVEL_MAX; level++) {
        g_autoptr(GError) error = NULL;
        size_t used = vd_codec_bound(GRAIN), n = GRAIN;

        if (level > VD_CODEC_LEVEL_BEST && level < VD_CODEC_LEVEL_MAX)
            continue;
        g_assert_true(vd_codec_deflate(VD_CODEC_ZLIB, level, plain, GRAIN,
                                       packed, &used, &error));
        g_assert_no_error(error);
        g_assert_true(
            vd_codec_inflate(VD_CODEC_ZLIB, packed, used, out, &n, &error));
        g_assert_no_error(error);
        g_assert_cmpmem(out, n, plain, GRAIN);
    }
}

/* What repeats itself after 5000 and 30000 bytes, and text. */
static void
fill_far(uint8_t *buf, size_t len)
{
    fill_text(buf, len);
    fill_noise(buf, 20000);
    memcpy(buf + 5000, buf, 5000);
    memcpy(buf + 30000, buf, 5000);
}

/* A reader that really has no more than the last 4 KiB: zlib, given small
 * room again and again. */
static void
assert_small_window_reads(const void *packed, size_t packed_len,
                          const uint8_t *want, size_t want_len)
{
    z_stream z = {.next_in = (z_const Bytef *) packed,
                  .avail_in = (uInt) packed_len};
    uint8_t piece[512];
    int status = Z_OK;

    g_assert_cmpint(inflateInit2(&z, -12), ==, Z_OK);
    while (status == Z_OK) {
        size_t before = z.total_out;

        z.next_out = piece;
        z.avail_out = sizeof(piece);
        status = inflate(&z, Z_NO_FLUSH);
        g_assert_cmpint(status, >=, Z_OK);
        g_assert_cmpmem(piece, z.total_out - before, want + before,
                        z.total_out - before);
    }
    g_assert_cmpint(status, ==, Z_STREAM_END);
    g_assert_cmpuint(z.total_out, ==, want_len);
    g_assert_cmpint(inflateEnd(&z), ==, Z_OK);
}

static void
test_small_window_is_kept(void)
{
    size_t len = 4 * GRAIN;
    g_autofree uint8_t *plain = g_malloc(len);
    g_autofree uint8_t *packed = g_malloc(len);

    fill_far(plain, len);
    for (int level = 1; level <= VD_CODEC_LEVEL_MAX; level++) {
        size_t used = len;

        if (level > VD_CODEC_LEVEL_BEST && level < VD_CODEC_LEVEL_MAX)
            continue;
        g_assert_true(vd_codec_shrink(VD_CODEC_RAW_4K, level, plain, len,
                                      packed, &used, NULL));
        g_assert_cmpuint(used, >, 0);
        assert_small_window_reads(packed, used, plain, len);
        assert_all_inflate(VD_CODEC_RAW, packed, used, plain, len);
    }
}

static void
test_small_window_in_every_environment(gconstpointer data)
{
    const VdCodecBackend *b = data;

    if (g_test_subprocess()) {
        g_setenv("VDISK_CODEC", b->name, TRUE);
        test_small_window_is_kept();
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
}

static void
test_noise_does_not_shrink(void)
{
    static const VdCodecFrame frames[] = {VD_CODEC_RAW, VD_CODEC_RAW_4K,
                                          VD_CODEC_ZSTD};
    g_autofree uint8_t *plain = g_malloc(GRAIN);
    g_autofree uint8_t *packed = g_malloc(GRAIN);

    fill_noise(plain, GRAIN);
    for (size_t i = 0; i < G_N_ELEMENTS(frames); i++) {
        size_t used = GRAIN - 1;

        if (!vd_codec_check(frames[i], NULL))
            continue;
        g_assert_true(
            vd_codec_shrink(frames[i], 1, plain, GRAIN, packed, &used, NULL));
        g_assert_cmpuint(used, ==, 0);
    }
}

/* -- Zstandard ---------------------------------------------------------------
 */

/* Two frames of a half each; @used of both. */
static void
two_frames(const uint8_t *plain, uint8_t *packed, size_t *used)
{
    size_t first = GRAIN, second = GRAIN;

    g_assert_true(vd_codec_shrink(VD_CODEC_ZSTD, 1, plain, GRAIN / 2, packed,
                                  &first, NULL));
    g_assert_true(vd_codec_shrink(VD_CODEC_ZSTD, 12, plain + GRAIN / 2,
                                  GRAIN / 2, packed + first, &second, NULL));
    g_assert_cmpuint(MIN(first, second), >, 0);
    *used = first + second;
}

static void
assert_zstd_fails(const uint8_t *packed, size_t len, size_t room)
{
    g_autofree uint8_t *out = g_malloc(room);
    g_autoptr(GError) error = NULL;
    size_t n = room;

    if (vd_codec_inflate(VD_CODEC_ZSTD, packed, len, out, &n, &error))
        g_assert_cmpuint(n, !=, GRAIN); /* whole frames, but not all */
    else
        g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
}

static void
test_zstd_reads_frame_by_frame(void)
{
    g_autofree uint8_t *plain = g_malloc(GRAIN);
    g_autofree uint8_t *packed = g_malloc0(3 * GRAIN);
    g_autofree uint8_t *out = g_malloc(GRAIN);
    size_t used, n = GRAIN;

    if (!vd_codec_check(VD_CODEC_ZSTD, NULL)) {
        g_test_skip("built without libzstd");
        return;
    }
    fill_text(plain, GRAIN);
    two_frames(plain, packed, &used);
    /* What is behind a full room is not ours to judge. */
    memset(packed + used, 0xee, 100);
    g_assert_true(
        vd_codec_inflate(VD_CODEC_ZSTD, packed, used + 100, out, &n, NULL));
    g_assert_cmpmem(out, n, plain, GRAIN);
    for (size_t cut = 0; cut < used; cut += 97)
        assert_zstd_fails(packed, cut, GRAIN);
    assert_zstd_fails(packed, used, GRAIN - 1);
    packed[0] ^= 1;
    assert_zstd_fails(packed, used, GRAIN);
}

static void
test_unknown_level_is_refused(void)
{
    static const int levels[] = {-1, 0, 10, 11, 13};
    uint8_t plain[16] = {0}, packed[512];

    for (size_t i = 0; i < G_N_ELEMENTS(levels); i++) {
        g_autoptr(GError) error = NULL;
        size_t n = sizeof(packed);

        g_assert_false(vd_codec_deflate(VD_CODEC_ZLIB, levels[i], plain,
                                        sizeof(plain), packed, &n, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    }
}

static void
test_bad_data_is_corrupt_and_says_why(void)
{
    g_autoptr(GError) error = NULL;
    uint8_t bad[64] = {0x78, 0x01, 0xff, 0xff}, out[64];
    size_t n = sizeof(out);

    g_assert_false(
        vd_codec_inflate(VD_CODEC_ZLIB, bad, sizeof(bad), out, &n, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    g_assert_nonnull(strstr(error->message, "64 bytes"));
    g_assert_cmpuint(n, ==, sizeof(out)); /* left alone */
}

static gpointer
worker_round_trips(gpointer data)
{
    g_autofree uint8_t *plain = g_malloc(GRAIN);
    g_autofree uint8_t *packed = g_malloc(vd_codec_bound(GRAIN));
    g_autofree uint8_t *out = g_malloc(GRAIN);
    const Corpus *corpus = data;

    corpus->fill(plain, GRAIN);
    for (int i = 0; i < 40; i++) {
        size_t used = vd_codec_bound(GRAIN), n = GRAIN;

        g_assert_true(vd_codec_deflate(VD_CODEC_ZLIB, 1 + i % 4, plain, GRAIN,
                                       packed, &used, NULL));
        g_assert_true(
            vd_codec_inflate(VD_CODEC_ZLIB, packed, used, out, &n, NULL));
        g_assert_cmpmem(out, n, plain, GRAIN);
    }
    return NULL;
}

static void
test_threads_do_not_share_contexts(void)
{
    GThread *threads[G_N_ELEMENTS(corpora)];

    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] =
            g_thread_new("codec", worker_round_trips, (gpointer) &corpora[i]);
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
}

static void
test_context_is_used_again(void)
{
    VdCodecSlot *slot;
    void *first = vd_codec_pool_get(&vd_codec_zlib, VD_CODEC_ZLIB, 5, &slot);
    void *second;

    vd_codec_pool_put(slot, first);
    second = vd_codec_pool_get(&vd_codec_zlib, VD_CODEC_ZLIB, 5, &slot);
    g_assert_true(second == first);
    vd_codec_pool_put(slot, second);
}

/* -- VDISK_CODEC is read once, so each case has a process of its own ---------
 */

static void
test_environment_forces_codec(gconstpointer data)
{
    const VdCodecBackend *b = data;
    g_autofree char *want =
        g_strdup_printf("deflate %s %s, inflate %s %s*", b->name, b->version(),
                        b->name, b->version());

    if (g_test_subprocess()) {
        uint8_t plain[16] = {0}, packed[512];
        size_t n = sizeof(packed);

        g_setenv("VDISK_CODEC", b->name, TRUE);
        g_print("%s\n", vd_codec_describe());
        g_assert_true(vd_codec_deflate(VD_CODEC_ZLIB, 12, plain, sizeof(plain),
                                       packed, &n, NULL));
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    want[strlen(want) - 1] = '\0';
    {
        g_autofree char *pattern = g_strdup_printf("*%s*", want);
        g_test_trap_assert_stdout(pattern);
    }
}

static void
test_environment_with_unknown_codec_is_refused(void)
{
    if (g_test_subprocess()) {
        g_autoptr(GError) error = NULL;
        uint8_t plain[16] = {0}, packed[512];
        size_t n = sizeof(packed);

        g_setenv("VDISK_CODEC", "lzma", TRUE);
        g_assert_false(vd_codec_deflate(VD_CODEC_ZLIB, 1, plain, sizeof(plain),
                                        packed, &n, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
        g_clear_error(&error);
        g_assert_false(
            vd_codec_inflate(VD_CODEC_ZLIB, packed, n, plain, &n, &error));
        g_print("%s\n", error->message);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stdout("*names 'lzma', this build has zlib*");
}

static void
add_per_backend(const char *name, GTestDataFunc func)
{
    const VdCodecBackend *const *b = vd_codec_backends();

    for (; *b; b++) {
        g_autofree char *path =
            g_strdup_printf("/codec/%s/%s", (*b)->name, name);
        g_test_add_data_func(path, *b, func);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_per_backend("any-decoder-reads-it", test_any_decoder_reads_any_encoder);
    add_per_backend("corrupt-byte-never-gives-wrong-data",
                    test_corrupt_byte_never_gives_wrong_data);
    add_per_backend("cut-stream-is-refused", test_cut_stream_is_refused);
    add_per_backend("output-beyond-room-is-refused",
                    test_output_beyond_room_is_refused);
    add_per_backend("trailing-bytes-are-ignored",
                    test_trailing_bytes_are_ignored);
    add_per_backend("too-little-room-is-told",
                    test_too_little_room_to_deflate_is_told);
    add_per_backend("environment-forces-it", test_environment_forces_codec);
    add_per_backend("small-window", test_small_window_in_every_environment);
    g_test_add_func("/codec/environment-with-unknown-codec-is-refused",
                    test_environment_with_unknown_codec_is_refused);
    g_test_add_func("/codec/header-is-zlib-with-full-window",
                    test_header_is_zlib_with_full_window);
    g_test_add_func("/codec/bound-holds-for-incompressible-data",
                    test_bound_holds_for_incompressible_data);
    g_test_add_func("/codec/every-user-level-round-trips",
                    test_every_user_level_round_trips);
    g_test_add_func("/codec/small-window-is-kept", test_small_window_is_kept);
    g_test_add_func("/codec/noise-does-not-shrink", test_noise_does_not_shrink);
    g_test_add_func("/codec/zstd-reads-frame-by-frame",
                    test_zstd_reads_frame_by_frame);
    g_test_add_func("/codec/unknown-level-is-refused",
                    test_unknown_level_is_refused);
    g_test_add_func("/codec/bad-data-is-corrupt-and-says-why",
                    test_bad_data_is_corrupt_and_says_why);
    g_test_add_func("/codec/threads-do-not-share-contexts",
                    test_threads_do_not_share_contexts);
    g_test_add_func("/codec/context-is-used-again", test_context_is_used_again);
    return g_test_run();
}
