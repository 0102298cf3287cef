/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-io-memory.c - buffer pool, views, zero detection. */
#include "tests/unit/io-test.h"

#include "io/buffer.h"
#include "io/digest.h"
#include "io/vec.h"
#include "io/zero.h"

/* -- buffers -------------------------------------------------------------- */

typedef struct Pool {
    VioLoop *loop;
    GString *log;
    unsigned left;
} Pool;

typedef struct Taker {
    Pool *p;
    char name;
    size_t len;
} Taker;

static void
pool_loop(IoFixture *f, gconstpointer engine, size_t limit)
{
    VioLoopParams params = {
        .engine = *(const VioEngineKind *) engine,
        .buffer_limit = limit,
    };

    vio_loop_free(f->loop);
    g_assert_cmpint(vio_loop_new(&params, &f->loop), ==, 0);
}

static void
sizes_main(void *opaque)
{
    static const size_t sizes[] = {
        1, 512, 4096, 4097, 65536, 1 << 20, 2 << 20, (2 << 20) + 1, 5 << 20, 0};
    Pool *p = opaque;
    void *bufs[G_N_ELEMENTS(sizes)];

    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
            bufs[i] = vio_co_buffer_get(p->loop, sizes[i]);
            g_assert_cmpuint((uintptr_t) bufs[i] % 4096, ==, 0);
            memset(bufs[i], (int) i + 1, sizes[i]);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
            for (size_t at = 0; at < sizes[i]; at += 511)
                g_assert_cmpint(((char *) bufs[i])[at], ==, (int) i + 1);
            vio_buffer_put(p->loop, bufs[i], sizes[i]);
        }
    }
}

static void
test_buffer_longest(void)
{
    static const size_t rooms[] = {
        4096,          4097,    8191,    8192,          (1 << 20) + 1,
        (2 << 20) - 1, 2 << 20, 3 << 20, (4 << 20) - 1, (6 << 20) + 1};

    g_assert_cmpuint(vio_buffer_longest(0), ==, 0);
    g_assert_cmpuint(vio_buffer_longest(4095), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(rooms); i++) {
        size_t len = vio_buffer_longest(rooms[i]);

        g_assert_cmpuint(vio_buffer_size(len), ==, len);
        g_assert_cmpuint(len, <=, rooms[i]);
        g_assert_cmpuint(vio_buffer_size(len + 1), >, rooms[i]);
    }
}

static void
test_buffer_sizes(IoFixture *f, gconstpointer engine)
{
    Pool p = {.loop = f->loop};
    VioLoopStats stats;

    io_test_run(f, sizes_main, &p);
    vio_loop_get_stats(f->loop, &stats);
    g_assert_cmpuint(stats.buffer_bytes, ==, 0);
    g_assert_cmpuint(stats.buffer_bytes_peak, >, 10 << 20);
}

static void
reuse_main(void *opaque)
{
    Pool *p = opaque;
    void *a = vio_co_buffer_get(p->loop, 65536);
    void *b = vio_co_buffer_get(p->loop, 65536);

    g_assert_true(a != b);
    vio_buffer_put(p->loop, a, 65536);
    vio_buffer_put(p->loop, b, 65536);
    g_assert_true(vio_co_buffer_get(p->loop, 65536) == b);
    g_assert_true(vio_co_buffer_get(p->loop, 65536) == a);
    vio_buffer_put(p->loop, a, 65536);
    vio_buffer_put(p->loop, b, 65536);
}

static void
test_buffer_last_in_first_out(IoFixture *f, gconstpointer engine)
{
    Pool p = {.loop = f->loop};

    io_test_run(f, reuse_main, &p);
}

static void
taker_main(void *opaque)
{
    Taker *t = opaque;
    void *buf = vio_co_buffer_get(t->p->loop, t->len);

    g_string_append_c(t->p->log, t->name);
    vio_co_reschedule();
    vio_co_reschedule();
    vio_buffer_put(t->p->loop, buf, t->len);
    t->p->left--;
}

static void
limit_main(void *opaque)
{
    Pool *p = opaque;
    static Taker takers[] = {
        {NULL, 'a', 40000}, {NULL, 'b', 60000}, {NULL, 'c', 200000},
        {NULL, 'd', 4096},  {NULL, 'e', 4096},
    };

    p->left = G_N_ELEMENTS(takers);
    for (size_t i = 0; i < G_N_ELEMENTS(takers); i++) {
        takers[i].p = p;
        vio_co_start(p->loop, taker_main, &takers[i]);
    }
    vio_co_reschedule();
    /* Those who wait go first, even if there were room. */
    g_assert_null(vio_buffer_try_get(p->loop, 1));
    while (p->left > 0)
        vio_co_reschedule();
}

/* 128 KiB: a and b fit; c is larger than all of it and waits for an idle pool;
 * d and e fit, but came later. */
static void
test_buffer_limit(IoFixture *f, gconstpointer engine)
{
    Pool p = {.log = g_string_new(NULL)};
    void *buf;

    pool_loop(f, engine, 128 << 10);
    p.loop = f->loop;
    io_test_run(f, limit_main, &p);
    g_assert_cmpstr(p.log->str, ==, "abcde");
    buf = vio_buffer_try_get(f->loop, 128 << 10);
    g_assert_nonnull(buf);
    g_assert_null(vio_buffer_try_get(f->loop, 1));
    vio_buffer_put(f->loop, buf, 128 << 10);
    g_string_free(p.log, TRUE);
}

/* -- views ---------------------------------------------------------------- */

#define VEC_BYTES 500

typedef struct Scatter {
    struct iovec iov[40];
    int niov;
    uint8_t bytes[VEC_BYTES * 2]; /* gaps between the pieces */
    uint16_t at[VEC_BYTES];       /* index in bytes of each byte of the view */
    size_t len;
} Scatter;

static void
scatter_random(Scatter *s)
{
    size_t pos = 0;

    memset(s, 0, sizeof(*s));
    s->niov = g_test_rand_int_range(1, 40);
    for (int i = 0; i < s->niov; i++) {
        size_t len = (size_t) g_test_rand_int_range(0, 12);

        s->iov[i] = (struct iovec){s->bytes + pos, len};
        for (size_t k = 0; k < len; k++)
            s->at[s->len++] = (uint16_t) (pos + k);
        pos += len + (size_t) g_test_rand_int_range(0, 3);
    }
}

static void
slice_check(Scatter *s, const VioVec *vec, size_t off)
{
    struct iovec out[40];
    uint8_t flat[VEC_BYTES];
    size_t covered, done = 0;
    int n = vio_vec_fill(vec, out, 40, &covered);

    g_assert_cmpuint(covered, ==, vec->len);
    g_assert_cmpint(n, ==, vio_vec_count(vec));
    for (int i = 0; i < n; i++)
        for (size_t k = 0; k < out[i].iov_len; k++)
            g_assert_true((uint8_t *) out[i].iov_base + k ==
                          s->bytes + s->at[off + done++]);
    g_assert_cmpuint(done, ==, vec->len);
    vio_vec_copy_out(vec, flat);
    for (size_t i = 0; i < vec->len; i++)
        g_assert_cmpuint(flat[i], ==, s->bytes[s->at[off + i]]);
}

static void
test_vec_slices(void)
{
    for (int round = 0; round < 3000; round++) {
        Scatter s;
        VioVec vec, slice, again;
        size_t off, len, off2;

        scatter_random(&s);
        for (size_t i = 0; i < sizeof(s.bytes); i++)
            s.bytes[i] = (uint8_t) g_test_rand_int();
        vec = vio_vec_from_iov(s.iov, s.niov);
        g_assert_cmpuint(vec.len, ==, s.len);
        off = (size_t) g_test_rand_int_range(0, (gint32) s.len + 1);
        len = (size_t) g_test_rand_int_range(0, (gint32) (s.len - off) + 1);
        slice = vio_vec_slice(&vec, off, len);
        slice_check(&s, &slice, off);
        off2 = (size_t) g_test_rand_int_range(0, (gint32) len + 1);
        again = vio_vec_slice(&slice, off2, len - off2);
        slice_check(&s, &again, off + off2);
    }
}

static void
test_vec_changes_only_its_bytes(void)
{
    for (int round = 0; round < 1000; round++) {
        Scatter s;
        VioVec vec, slice;
        uint8_t ones[VEC_BYTES];
        size_t off, len, sum = 0;

        scatter_random(&s);
        memset(ones, 1, sizeof(ones));
        vec = vio_vec_from_iov(s.iov, s.niov);
        off = (size_t) g_test_rand_int_range(0, (gint32) s.len + 1);
        len = (size_t) g_test_rand_int_range(0, (gint32) (s.len - off) + 1);
        slice = vio_vec_slice(&vec, off, len);
        vio_vec_copy_in(&slice, ones);
        for (size_t i = 0; i < sizeof(s.bytes); i++)
            sum += s.bytes[i];
        g_assert_cmpuint(sum, ==, len);
        g_assert_true(vio_vec_is_zero(&vec) == (len == 0));
        vio_vec_zero(&slice);
        g_assert_true(vio_is_zero(s.bytes, sizeof(s.bytes)));
    }
}

static void
test_vec_contiguous(void)
{
    uint8_t bytes[100];
    struct iovec iov[] = {
        {bytes, 10}, {NULL, 0}, {bytes + 10, 20}, {bytes + 31, 5}};
    VioVec vec = vio_vec_from_iov(iov, 4);
    VioVec first = vio_vec_slice(&vec, 5, 25);
    VioVec gap = vio_vec_slice(&vec, 25, 10);
    VioVec last = vio_vec_slice(&vec, 30, 5);

    g_assert_null(vio_vec_contiguous(&vec));
    g_assert_true(vio_vec_contiguous(&first) == bytes + 5);
    g_assert_null(vio_vec_contiguous(&gap));
    g_assert_true(vio_vec_contiguous(&last) == bytes + 31);
}

static void
test_vec_fill_stops_at_max(void)
{
    uint8_t bytes[100];
    struct iovec iov[] = {{bytes, 10}, {bytes + 20, 20}, {bytes + 50, 5}};
    VioVec vec = vio_vec_from_iov(iov, 3);
    struct iovec out[2];
    size_t covered;

    g_assert_cmpint(vio_vec_fill(&vec, out, 2, &covered), ==, 2);
    g_assert_cmpuint(covered, ==, 30);
    g_assert_cmpint(vio_vec_fill(&vec, out, 0, &covered), ==, 0);
    g_assert_cmpuint(covered, ==, 0);
}

static void
test_vec_alignment(void)
{
    g_autofree uint8_t *raw = g_malloc(8192 * 2);
    uint8_t *base = (uint8_t *) (((uintptr_t) raw + 4095) & ~(uintptr_t) 4095);
    struct iovec iov[] = {{base, 1024}, {base + 2048, 512}};
    VioVec vec = vio_vec_from_iov(iov, 2);
    VioVec odd = vio_vec_slice(&vec, 0, 1100);

    g_assert_true(vio_vec_is_aligned(&vec, 512, 512));
    g_assert_false(vio_vec_is_aligned(&vec, 4096, 512));
    g_assert_false(vio_vec_is_aligned(&vec, 512, 1024));
    g_assert_false(vio_vec_is_aligned(&odd, 512, 512));
}

/* -- zeroes --------------------------------------------------------------- */

static bool
naive_is_zero(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i])
            return false;
    return true;
}

static size_t
naive_run(const uint8_t *p, size_t len, size_t block, bool *zero)
{
    size_t done = 0;

    *zero = naive_is_zero(p, MIN(block, len));
    while (done < len &&
           naive_is_zero(p + done, MIN(block, len - done)) == *zero)
        done += MIN(block, len - done);
    return done;
}

/* Every place of one set byte, every length, every misalignment: small. */
static void
test_zero_single_byte(void)
{
    static uint8_t bytes[600];

    for (size_t start = 0; start < 20; start += 3)
        for (size_t len = 0; len < 560; len += len < 300 ? 1 : 17) {
            g_assert_true(vio_is_zero(bytes + start, len));
            for (size_t at = 0; at < len; at += 1 + len / 40) {
                bytes[start + at] = 0x80;
                g_assert_false(vio_is_zero(bytes + start, len));
                bytes[start + at] = 0;
            }
            /* Neighbours do not count. */
            bytes[start + len] = 1;
            if (start > 0)
                bytes[start - 1] = 1;
            g_assert_true(vio_is_zero(bytes + start, len));
            bytes[start + len] = 0;
            if (start > 0)
                bytes[start - 1] = 0;
        }
}

static void
test_zero_runs_random(void)
{
    static const size_t blocks[] = {1, 16, 512, 4096, 5000, 100000};
    g_autofree uint8_t *bytes = g_malloc(40000);

    for (int round = 0; round < 500; round++) {
        size_t len = (size_t) g_test_rand_int_range(1, 40000);
        size_t block = blocks[round % (int) G_N_ELEMENTS(blocks)];
        bool zero, naive;

        memset(bytes, 0, len);
        for (int i = g_test_rand_int_range(0, 12); i > 0; i--) {
            size_t at = (size_t) g_test_rand_int_range(0, (gint32) len);
            size_t n = (size_t) g_test_rand_int_range(1, 9000);

            memset(bytes + at, 7, MIN(n, len - at));
        }
        g_assert_cmpuint(vio_zero_run(bytes, len, block, &zero), ==,
                         naive_run(bytes, len, block, &naive));
        g_assert_true(zero == naive);
        g_assert_true(vio_is_zero(bytes, len) == naive_is_zero(bytes, len));
    }
}

/* -- digests -------------------------------------------------------------- */

static bool
same_digest(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    VioDigest x = vio_digest(a, a_len), y = vio_digest(b, b_len);

    return x.word[0] == y.word[0] && x.word[1] == y.word[1];
}

static void
test_digest_sees_every_bit(void)
{
    uint8_t a[203], b[203];

    for (size_t i = 0; i < sizeof(a); i++)
        a[i] = (uint8_t) (i * 37);
    memcpy(b, a, sizeof(a));
    for (size_t len = 1; len <= sizeof(a); len += len < 70 ? 1 : 19)
        for (size_t bit = 0; bit < 8 * len; bit++) {
            g_assert_true(same_digest(a, len, b, len));
            b[bit / 8] ^= (uint8_t) (1 << bit % 8);
            g_assert_false(same_digest(a, len, b, len));
            b[bit / 8] = a[bit / 8];
        }
}

static void
test_digest_sees_lengths(void)
{
    static const uint8_t zeroes[300];

    for (size_t a = 0; a < sizeof(zeroes); a++)
        for (size_t b = 0; b < a; b++)
            g_assert_false(same_digest(zeroes, a, zeroes, b));
}

static void
test_digest_sees_what_was_exchanged(void)
{
    uint8_t a[1024], b[1024];

    for (size_t i = 0; i < sizeof(a); i++)
        a[i] = (uint8_t) (i / 8);
    for (size_t from = 0; from < 1024; from += 8)
        for (size_t to = 0; to < from; to += 8) {
            memcpy(b, a, sizeof(b));
            memcpy(b + to, a + from, 8);
            memcpy(b + from, a + to, 8);
            g_assert_false(same_digest(a, 1024, b, 1024));
        }
}

static void
test_digest_does_not_care_where(void)
{
    uint8_t a[600];

    for (size_t len = 0; len < 500; len += 7)
        for (size_t at = 0; at < 40; at++) {
            memset(a, 0x55, sizeof(a));
            for (size_t i = 0; i < len; i++)
                a[at + i] = (uint8_t) (i * 11);
            VioDigest moved = vio_digest(a + at, len);

            memmove(a, a + at, len);
            g_assert_cmpmem(&moved, sizeof(moved),
                            &(VioDigest[]){vio_digest(a, len)},
                            sizeof(VioDigest));
        }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    io_test_add("buffer/sizes", test_buffer_sizes);
    g_test_add_func("/io/buffer/longest", test_buffer_longest);
    io_test_add("buffer/last-in-first-out", test_buffer_last_in_first_out);
    io_test_add("buffer/limit", test_buffer_limit);
    g_test_add_func("/io/vec/slices", test_vec_slices);
    g_test_add_func("/io/vec/own-bytes", test_vec_changes_only_its_bytes);
    g_test_add_func("/io/vec/contiguous", test_vec_contiguous);
    g_test_add_func("/io/vec/fill-stops", test_vec_fill_stops_at_max);
    g_test_add_func("/io/vec/alignment", test_vec_alignment);
    g_test_add_func("/io/zero/single-byte", test_zero_single_byte);
    g_test_add_func("/io/zero/runs-random", test_zero_runs_random);
    g_test_add_func("/io/digest/every-bit", test_digest_sees_every_bit);
    g_test_add_func("/io/digest/lengths", test_digest_sees_lengths);
    g_test_add_func("/io/digest/exchanged",
                    test_digest_sees_what_was_exchanged);
    g_test_add_func("/io/digest/anywhere", test_digest_does_not_care_where);
    return g_test_run();
}
