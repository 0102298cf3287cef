/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-io-stream.c - streams over sockets and pipes, in clear. */
#include "tests/unit/io-ends.h"

#include <errno.h>
#include <signal.h>

#include "io/bytes.h"
#include "io/sync.h"

#define HEAD 12u /* of a message of these tests: number, length of the rest */

/* -- reading -------------------------------------------------------------- */

static void
peek_main(void *opaque)
{
    Ends *e = opaque;
    const void *bytes;
    size_t have;

    io_ends_co_send(e->a, "abcdef");
    g_assert_cmpint(vio_stream_co_peek(e->b, 4, &bytes, &have, NULL), ==, 0);
    g_assert_cmpuint(have, ==, 6);
    g_assert_cmpmem(bytes, have, "abcdef", 6);
    vio_stream_consume(e->b, 4);
    g_assert_cmpuint(vio_stream_buffered(e->b), ==, 2);
    io_ends_co_send(e->a, "ghi");
    g_assert_cmpint(vio_stream_co_peek(e->b, 3, &bytes, &have, NULL), ==, 0);
    g_assert_cmpmem(bytes, have, "efghi", 5);
    vio_stream_consume(e->b, 5);
    g_assert_cmpint(vio_stream_co_peek(e->b, 0, &bytes, &have, NULL), ==, 0);
    g_assert_cmpuint(have, ==, 0);
    io_ends_co_close(e);
}

static void
test_peek(IoFixture *f, gconstpointer engine)
{
    io_ends_run_both(f, peek_main);
}

#define BORDER_RECORDS 3000u

/* Records of 1 to 4096 bytes, so that they lie across every border of the
 * buffer. */
static size_t
record_size(unsigned i)
{
    return 1 + i * 2654435761u % VIO_STREAM_MAX_PEEK;
}

static void
border_sender(void *opaque)
{
    Ends *e = opaque;
    uint64_t off = 0;

    for (unsigned i = 0; i < BORDER_RECORDS; i++) {
        g_autofree uint8_t *data = io_ends_pattern(off, record_size(i));

        g_assert_cmpint(
            vio_stream_co_send(e->a, data, record_size(i), NULL, NULL), ==, 0);
        off += record_size(i);
    }
    e->running--;
}

static void
border_main(void *opaque)
{
    Ends *e = opaque;
    uint64_t off = 0;

    e->running = 1;
    vio_co_start(e->loop, border_sender, e);
    for (unsigned i = 0; i < BORDER_RECORDS; i++) {
        size_t len = record_size(i), have;
        const void *bytes;

        g_assert_cmpint(vio_stream_co_peek(e->b, len, &bytes, &have, NULL), ==,
                        0);
        g_assert_cmpuint(have, >=, len);
        io_test_assert_pattern(bytes, off, len);
        vio_stream_consume(e->b, len);
        off += len;
    }
    g_assert_cmpuint(vio_stream_buffered(e->b), ==, 0);
    io_ends_co_close(e);
}

static void
test_peek_over_borders(IoFixture *f, gconstpointer engine)
{
    io_ends_run_both(f, border_main);
}

typedef struct Bulk {
    Ends *e;
    uint8_t *data;
    size_t len;
} Bulk;

/* A head and a payload in many pieces, some empty, then a word. */
static void
bulk_sender(void *opaque)
{
    Bulk *bulk = opaque;
    struct iovec iov[101];
    size_t step = bulk->len / 100;
    VioVec vec;

    for (int i = 0; i < 100; i++)
        iov[i] = (struct iovec){
            .iov_base = bulk->data + (size_t) i * step,
            .iov_len = i % 7 ? step : 0,
        };
    iov[100] = (struct iovec){bulk->data, bulk->len};
    vec = vio_vec_from_iov(iov, 101);
    g_assert_cmpint(vio_stream_co_send(bulk->e->a, "head", 4, &vec, NULL), ==,
                    0);
    memset(bulk->data, 0xee, bulk->len); /* it is ours again */
    io_ends_co_send(bulk->e->a, "tail");
    bulk->e->running--;
}

static void
bulk_main_of(Ends *e, size_t len)
{
    Bulk bulk = {.e = e, .data = io_ends_pattern(0, len), .len = len};
    g_autofree uint8_t *back = g_malloc0(len * 2 + 1);
    size_t step = len / 100, pieces = step * 85;
    struct iovec iov[3] = {
        {back, 1},
        {back + 1, pieces - 1},
        {back + pieces, len},
    };
    VioVec dst = vio_vec_from_iov(iov, 3);

    e->running = 1;
    vio_co_start(e->loop, bulk_sender, &bulk);
    io_ends_co_expect(e->b, "head");
    g_assert_cmpint(vio_stream_co_readv(e->b, &dst, NULL), ==, 0);
    io_ends_co_expect(e->b, "tail");
    for (size_t i = 0, at = 0; i < 100; i++) {
        if (i % 7 == 0)
            continue;
        io_test_assert_pattern(back + at, i * step, step);
        at += step;
    }
    io_test_assert_pattern(back + pieces, 0, len);
    while (e->running > 0)
        vio_co_reschedule();
    g_free(bulk.data);
}

static void
bulk_main(void *opaque)
{
    Ends *e = opaque;

    for (size_t len = 100; len <= 6400000; len *= 20)
        bulk_main_of(e, len);
    io_ends_co_close(e);
}

static void
test_payloads_of_all_sizes(IoFixture *f, gconstpointer engine)
{
    io_ends_run_both(f, bulk_main);
}

#define LONG_PAYLOAD 40000u /* less than sockets and pipes hold in any case */
#define AFTER_LONG 512u

static void
send_flushed(Ends *e, const void *head, size_t head_len, const void *bytes,
             size_t len)
{
    struct iovec iov = {(void *) bytes, len};
    VioVec vec = vio_vec_from_iov(&iov, 1);

    g_assert_cmpint(vio_stream_co_send(e->a, head, head_len, &vec, NULL), ==,
                    0);
    g_assert_cmpint(vio_stream_co_flush(e->a, NULL), ==, 0);
}

static void
ahead_main(void *opaque)
{
    Ends *e = opaque;
    g_autofree uint8_t *data = io_ends_pattern(0, LONG_PAYLOAD);
    g_autofree uint8_t *back = g_malloc(LONG_PAYLOAD);
    const void *bytes;
    size_t have;

    for (unsigned i = 0; i < 3; i++) {
        send_flushed(e, "head", 4, data, LONG_PAYLOAD);
        g_assert_cmpint(vio_stream_co_peek(e->b, 4, &bytes, &have, NULL), ==,
                        0);
        g_assert_cmpmem(bytes, 4, "head", 4);
        if (i > 0)
            g_assert_cmpuint(have, ==, AFTER_LONG);
        vio_stream_consume(e->b, 4);
        memset(back, 0, LONG_PAYLOAD);
        g_assert_cmpint(vio_stream_co_read(e->b, back, LONG_PAYLOAD, NULL), ==,
                        0);
        io_test_assert_pattern(back, 0, LONG_PAYLOAD);
    }
    /* Once; then much again. */
    send_flushed(e, NULL, 0, data, 4000);
    g_assert_cmpint(vio_stream_co_peek(e->b, 1, &bytes, &have, NULL), ==, 0);
    g_assert_cmpuint(have, ==, AFTER_LONG);
    g_assert_cmpint(vio_stream_co_peek(e->b, 1000, &bytes, &have, NULL), ==, 0);
    g_assert_cmpuint(have, ==, 4000);
    io_test_assert_pattern(bytes, 0, 4000);
    io_ends_co_close(e);
}

static void
test_little_is_read_ahead_of_long_payloads(IoFixture *f, gconstpointer engine)
{
    io_ends_run_both(f, ahead_main);
}

static void
skip_sender(void *opaque)
{
    Ends *e = opaque;
    g_autofree uint8_t *data = io_ends_pattern(0, 1000000);
    struct iovec iov;
    VioVec vec = vio_vec_from_buf(&iov, data, 1000000);

    g_assert_cmpint(vio_stream_co_send(e->a, NULL, 0, &vec, NULL), ==, 0);
    e->running--;
}

static void
skip_main(void *opaque)
{
    Ends *e = opaque;
    uint8_t byte;

    e->running = 1;
    vio_co_start(e->loop, skip_sender, e);
    g_assert_cmpint(vio_stream_co_skip(e->b, 0, NULL), ==, 0);
    g_assert_cmpint(vio_stream_co_skip(e->b, 10, NULL), ==, 0);
    g_assert_cmpint(vio_stream_co_read(e->b, &byte, 1, NULL), ==, 0);
    io_test_assert_pattern(&byte, 10, 1);
    g_assert_cmpint(vio_stream_co_skip(e->b, 999988, NULL), ==, 0);
    g_assert_cmpint(vio_stream_co_read(e->b, &byte, 1, NULL), ==, 0);
    io_test_assert_pattern(&byte, 999999, 1);
    io_ends_co_close(e);
}

static void
test_skip(IoFixture *f, gconstpointer engine)
{
    io_ends_run_both(f, skip_main);
}

/* -- the end -------------------------------------------------------------- */

static void
half_close_main(void *opaque)
{
    Ends *e = opaque;
    const void *bytes;
    size_t have;

    io_ends_co_send(e->a, "last");
    g_assert_cmpint(vio_stream_co_end(e->a, NULL), ==, 0);
    g_assert_cmpint(vio_stream_co_send(e->a, "x", 1, NULL, NULL), ==, -EPIPE);
    io_ends_co_expect(e->b, "last");
    g_assert_cmpint(vio_stream_co_peek(e->b, 1, &bytes, &have, NULL), ==,
                    -ENODATA);
    g_assert_cmpint(vio_stream_co_peek(e->b, 1, &bytes, &have, NULL), ==,
                    -ENODATA);
    io_ends_co_send(e->b, "answer"); /* the other way is still open */
    io_ends_co_expect(e->a, "answer");
    io_ends_co_close(e);
}

static void
test_half_close(IoFixture *f, gconstpointer engine)
{
    io_ends_run_both(f, half_close_main);
}

typedef int (*ReadFunc)(VioStream *stream, void *buf, size_t len);

static int
peek_into(VioStream *stream, void *buf, size_t len)
{
    const void *bytes;
    size_t have;

    return vio_stream_co_peek(stream, len, &bytes, &have, NULL);
}

static int
read_into(VioStream *stream, void *buf, size_t len)
{
    return vio_stream_co_read(stream, buf, len, NULL);
}

static int
skip_over(VioStream *stream, void *buf, size_t len)
{
    return vio_stream_co_skip(stream, len, NULL);
}

static void
end_in_the_middle_main(void *opaque)
{
    static const ReadFunc funcs[] = {peek_into, read_into, skip_over};
    Ends *e = opaque;
    char buf[10];

    io_ends_co_close(e);
    for (size_t i = 0; i < G_N_ELEMENTS(funcs); i++) {
        io_ends_open_sockets(e);
        io_ends_co_send(e->a, "12345");
        g_assert_cmpint(vio_stream_co_end(e->a, NULL), ==, 0);
        g_assert_cmpint(funcs[i](e->b, buf, 6), ==, -ECONNRESET);
        g_assert_cmpint(funcs[i](e->b, buf, 6), ==, -ECONNRESET);
        io_ends_co_close(e);
    }
}

static void
test_end_in_the_middle(IoFixture *f, gconstpointer engine)
{
    io_ends_run_sockets(f, end_in_the_middle_main);
}

/* Nobody reads any more: an error that stays, and no signal. */
static void
broken_main(void *opaque)
{
    Ends *e = opaque;

    vio_stream_co_close(g_steal_pointer(&e->b));
    io_ends_co_send(e->a, "x"); /* copied: nobody has noticed yet */
    g_assert_cmpint(vio_stream_co_flush(e->a, NULL), ==, -EPIPE);
    g_assert_cmpint(vio_stream_co_send(e->a, "y", 1, NULL, NULL), ==, -EPIPE);
    io_ends_co_close(e);
}

static void
test_nobody_reads_any_more(IoFixture *f, gconstpointer engine)
{
    sigset_t pending;

    g_assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    io_ends_run_both(f, broken_main);
    g_assert_cmpint(sigpending(&pending), ==, 0);
    g_assert_false(sigismember(&pending, SIGPIPE));
}

static void
modes_main(void *opaque)
{
    Ends *e = opaque;

    io_ends_co_send(e->a, "x");
    io_ends_co_expect(e->b, "x");
    io_ends_co_close(e);
}

/* Who gave us its stdin and stdout finds them as they were. */
static void
test_descriptors_stay_as_they_were(IoFixture *f, gconstpointer engine)
{
    Ends e = {.f = f, .loop = f->loop};
    int to_b[2], to_a[2], kept[2];

    g_assert_cmpint(pipe2(to_b, O_CLOEXEC), ==, 0);
    g_assert_cmpint(pipe2(to_a, O_CLOEXEC | O_NONBLOCK), ==, 0);
    kept[0] = dup(to_b[0]);
    kept[1] = dup(to_a[1]);
    e.a = vio_stream_new(f->loop, to_a[0], to_b[1]);
    e.b = vio_stream_new(f->loop, to_b[0], to_a[1]);
    io_test_run(f, modes_main, &e);
    g_assert_cmpint(fcntl(kept[0], F_GETFL) & O_NONBLOCK, ==, 0);
    g_assert_cmpint(fcntl(kept[1], F_GETFL) & O_NONBLOCK, ==, O_NONBLOCK);
    (void) close(kept[0]);
    (void) close(kept[1]);
}

/* -- many writers --------------------------------------------------------- */

#define WRITERS 50u
#define MESSAGES 40u

typedef struct Writer {
    Ends *e;
    unsigned number;
} Writer;

static size_t
message_size(unsigned writer, unsigned i)
{
    static const size_t sizes[] = {0, 1, 500, 4096, 16384, 20000, 70000};

    return sizes[(writer + i * 3) % G_N_ELEMENTS(sizes)];
}

static bool
writer_co_main(void *arg, GError **error)
{
    Writer *w = arg;

    for (unsigned i = 0; i < MESSAGES; i++) {
        size_t len = message_size(w->number, i);
        g_autofree uint8_t *data = io_ends_pattern(w->number, len);
        uint8_t head[HEAD];
        struct iovec iov;
        VioVec vec = vio_vec_from_buf(&iov, data, len);

        vio_put_be32(head, w->number);
        vio_put_be64(head + 4, len);
        g_assert_cmpint(vio_stream_co_send(w->e->a, head, HEAD, &vec, NULL), ==,
                        0);
        memset(data, 0xdd, len);
        memset(head, 0xdd, HEAD);
        if (i % 3 == 0)
            vio_co_reschedule();
    }
    return true;
}

static void
writers_reader(void *opaque)
{
    Ends *e = opaque;
    unsigned seen[WRITERS] = {0};

    for (unsigned i = 0; i < WRITERS * MESSAGES; i++) {
        g_autofree uint8_t *data = NULL;
        const uint8_t *head;
        const void *bytes;
        unsigned writer;
        size_t have, len;

        g_assert_cmpint(vio_stream_co_peek(e->b, HEAD, &bytes, &have, NULL), ==,
                        0);
        head = bytes;
        writer = vio_get_be32(head);
        len = (size_t) vio_get_be64(head + 4);
        vio_stream_consume(e->b, HEAD);
        g_assert_cmpuint(writer, <, WRITERS);
        g_assert_cmpuint(len, ==, message_size(writer, seen[writer]++));
        data = g_malloc(len + 1);
        g_assert_cmpint(vio_stream_co_read(e->b, data, len, NULL), ==, 0);
        io_test_assert_pattern(data, writer, len);
    }
    e->running--;
}

static void
writers_main(void *opaque)
{
    Ends *e = opaque;
    g_autoptr(VioCoGroup) group = vio_co_group_new(WRITERS);

    e->running = 1;
    vio_co_start(e->loop, writers_reader, e);
    for (unsigned i = 0; i < WRITERS; i++) {
        Writer *w = g_new(Writer, 1);

        *w = (Writer){e, i};
        vio_co_group_spawn(group, writer_co_main, w, g_free);
    }
    g_assert_true(vio_co_group_join(group, NULL));
    g_assert_cmpint(vio_stream_co_flush(e->a, NULL), ==, 0);
    io_ends_co_close(e);
}

static void
test_messages_stay_whole(IoFixture *f, gconstpointer engine)
{
    io_ends_run_both(f, writers_main);
}

static bool
one_writer_co_main(void *arg, GError **error)
{
    Writer *w = arg;
    uint8_t head[HEAD] = {0};

    g_assert_cmpint(vio_stream_co_send(w->e->a, head, HEAD, NULL, NULL), ==, 0);
    return true;
}

static void
one_turn_main(void *opaque)
{
    Ends *e = opaque;
    g_autoptr(VioCoGroup) group = vio_co_group_new(WRITERS);
    VioStreamStats stats;

    for (unsigned i = 0; i < WRITERS; i++) {
        Writer *w = g_new(Writer, 1);

        *w = (Writer){e, i};
        vio_co_group_spawn(group, one_writer_co_main, w, g_free);
    }
    g_assert_true(vio_co_group_join(group, NULL));
    g_assert_cmpint(vio_stream_co_skip(e->b, WRITERS * HEAD, NULL), ==, 0);
    vio_stream_get_stats(e->a, &stats);
    g_assert_cmpuint(stats.sends, ==, 1);
    g_assert_cmpuint(stats.bytes_out, ==, WRITERS * HEAD);
    vio_stream_get_stats(e->b, &stats);
    g_assert_cmpuint(stats.recvs, <=, 2); /* a look, and the one that waits */
    g_assert_cmpuint(stats.bytes_in, ==, WRITERS * HEAD);
    io_ends_co_close(e);
}

static void
test_one_turn_leaves_in_one_call(IoFixture *f, gconstpointer engine)
{
    io_ends_run_sockets(f, one_turn_main);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    io_test_add("stream/peek", test_peek);
    io_test_add("stream/peek-over-borders", test_peek_over_borders);
    io_test_add("stream/payloads-of-all-sizes", test_payloads_of_all_sizes);
    io_test_add("stream/little-is-read-ahead-of-long-payloads",
                test_little_is_read_ahead_of_long_payloads);
    io_test_add("stream/skip", test_skip);
    io_test_add("stream/half-close", test_half_close);
    io_test_add("stream/end-in-the-middle", test_end_in_the_middle);
    io_test_add("stream/nobody-reads-any-more", test_nobody_reads_any_more);
    io_test_add("stream/descriptors-stay-as-they-were",
                test_descriptors_stay_as_they_were);
    io_test_add("stream/messages-stay-whole", test_messages_stay_whole);
    io_test_add("stream/one-turn-leaves-in-one-call",
                test_one_turn_leaves_in_one_call);
    return g_test_run();
}
