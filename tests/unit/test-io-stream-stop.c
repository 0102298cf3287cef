/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-io-stream-stop.c - streams that stand still, are aborted,
 * cancelled, freed. */
#include "tests/unit/io-ends.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/fd.h"

#define STREAM_TEST_PIECES 128u /* more than go down in one call */

/* -- a peer that does not read -------------------------------------------- */

static void
pressure_sender(void *opaque)
{
    Ends *e = opaque;
    g_autofree uint8_t *data = io_ends_pattern(0, 1000);

    for (unsigned i = 0; i < 4000; i++) {
        g_assert_cmpint(vio_stream_co_send(e->a, data, 1000, NULL, NULL), ==,
                        0);
        e->result++;
    }
    e->running--;
}

static void
pressure_main(void *opaque)
{
    Ends *e = opaque;
    uint8_t buf[1000];
    int before;

    e->running = 1;
    vio_co_start(e->loop, pressure_sender, e);
    do { /* until it stands still */
        before = e->result;
        g_assert_cmpint(vio_co_sleep(e->loop, 5 * MS, NULL), ==, 0);
    } while (e->result == 0 || e->result != before);
    g_assert_cmpint(e->result, <, 4000);
    for (unsigned i = 0; i < 4000; i++) {
        g_assert_cmpint(vio_stream_co_read(e->b, buf, 1000, NULL), ==, 0);
        io_test_assert_pattern(buf, 0, 1000);
    }
    io_ends_co_close(e);
}

static void
test_back_pressure(IoFixture *f, gconstpointer engine)
{
    io_ends_run_both(f, pressure_main);
}

/* -- abort ---------------------------------------------------------------- */

static void
abort_reader(void *opaque)
{
    Ends *e = opaque;
    const void *bytes;
    size_t have;

    g_assert_cmpint(vio_stream_co_peek(e->a, 1, &bytes, &have, NULL), ==,
                    -ESHUTDOWN);
    e->running--;
}

static void
abort_writer(void *opaque)
{
    Ends *e = opaque;
    size_t len = 4 << 20;
    g_autofree uint8_t *data = g_malloc0(len);
    struct iovec iov;
    VioVec vec = vio_vec_from_buf(&iov, data, len);

    g_assert_cmpint(vio_stream_co_send(e->a, "h", 1, &vec, NULL), ==,
                    -ESHUTDOWN);
    e->running--;
}

static void
abort_flusher(void *opaque)
{
    Ends *e = opaque;

    g_assert_cmpint(vio_stream_co_flush(e->a, NULL), ==, -ESHUTDOWN);
    e->running--;
}

static void
abort_main(void *opaque)
{
    Ends *e = opaque;

    e->running = 4;
    vio_co_start(e->loop, abort_reader, e);
    vio_co_start(e->loop, abort_writer, e);
    vio_co_start(e->loop, abort_writer, e);
    vio_co_start(e->loop, abort_flusher, e);
    g_assert_cmpint(vio_co_sleep(e->loop, 5 * MS, NULL), ==, 0);
    g_assert_cmpuint(e->running, ==, 4);
    vio_stream_abort(e->a);
    vio_stream_abort(e->a);
    g_assert_cmpint(vio_stream_co_send(e->a, "x", 1, NULL, NULL), ==,
                    -ESHUTDOWN);
    g_assert_cmpint(vio_stream_co_skip(e->a, 1, NULL), ==, -ESHUTDOWN);
    io_ends_co_close(e);
}

static void
test_abort_wakes_everybody(IoFixture *f, gconstpointer engine)
{
    io_ends_run_both(f, abort_main);
}

#define RESET_BYTES (100u << 10)

/* A connection over TCP whose receiving end @fd takes little at a time. */
static void
reset_connect(Ends *e, int *fd)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr *address = (struct sockaddr *) &in;
    socklen_t len = sizeof(in);
    const int little = 4096, much = 2 * RESET_BYTES;
    VIO_AUTO_FD listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    g_assert_cmpint(
        setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little)),
        ==, 0);
    g_assert_cmpint(setsockopt(out, SOL_SOCKET, SO_SNDBUF, &much, sizeof(much)),
                    ==, 0);
    g_assert_cmpint(bind(listener, address, len), ==, 0);
    g_assert_cmpint(listen(listener, 1), ==, 0);
    g_assert_cmpint(getsockname(listener, address, &len), ==, 0);
    g_assert_cmpint(connect(out, address, len), ==, 0);
    *fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    g_assert_cmpint(*fd, >=, 0);
    e->a = vio_stream_new(e->loop, out, out);
}

/* The kernel has the message, and not all of it leaves. */
static void
reset_main(void *opaque)
{
    Ends *e = opaque;
    g_autofree uint8_t *data = g_malloc0(RESET_BYTES);
    struct iovec iov;
    VioVec vec = vio_vec_from_buf(&iov, data, RESET_BYTES);
    VIO_AUTO_FD fd = -1;
    size_t got = 0;
    ssize_t n;

    reset_connect(e, &fd);
    g_assert_cmpint(vio_stream_co_send(e->a, NULL, 0, &vec, NULL), ==, 0);
    vio_stream_reset(e->a);
    vio_stream_co_close(g_steal_pointer(&e->a));
    while ((n = recv(fd, data, RESET_BYTES, 0)) > 0)
        got += (size_t) n;
    g_assert_cmpint(n, <, 0);
    g_assert_cmpint(errno, ==, ECONNRESET);
    g_assert_cmpuint(got, <, RESET_BYTES);
}

static void
test_reset_takes_back_what_has_not_left(IoFixture *f, gconstpointer engine)
{
    Ends e = {.f = f, .loop = f->loop};

    io_test_run(f, reset_main, &e);
}

/* -- patience -------------------------------------------------------------- */

#define PATIENCE (1000 * MS)
#define SLOW_PIECES 64u
#define SLOW_WAIT (20 * MS)

typedef struct Slow {
    Ends *e;
    size_t piece;
    unsigned taken;
    uint64_t longest_ns; /* that one piece has taken */
} Slow;

/* Coroutine entry: takes everything, in pieces, and waits a while
 * before each. */
static void
slow_reader_main(void *opaque)
{
    Slow *slow = opaque;
    g_autofree uint8_t *data = g_malloc(slow->piece);
    int ret = 0;

    while (ret == 0 && slow->taken < SLOW_PIECES) {
        uint64_t begin = vio_now_ns();

        g_assert_cmpint(vio_co_sleep(slow->e->loop, SLOW_WAIT, NULL), ==, 0);
        ret = vio_stream_co_read(slow->e->b, data, slow->piece, NULL);
        slow->longest_ns = MAX(slow->longest_ns, vio_now_ns() - begin);
        slow->taken += ret == 0;
    }
    slow->e->running--;
}

/* All of it is taken, in more time than the patience is.  False: the machine
 * stood still for so long that nobody could tell it from a reader that does. */
static bool
slow_reader_is_waited_for(Ends *e, const VioVec *vec)
{
    Slow slow = {.e = e, .piece = vec->len / SLOW_PIECES};
    int ret;

    vio_stream_set_send_timeout(e->a, PATIENCE);
    e->running = 1;
    vio_co_start(e->loop, slow_reader_main, &slow);
    ret = vio_stream_co_send(e->a, NULL, 0, vec, NULL);
    if (ret != 0)
        vio_stream_abort(e->b);
    while (e->running > 0)
        g_assert_cmpint(vio_co_sleep(e->loop, MS, NULL), ==, 0);
    if (ret == -ETIMEDOUT && slow.longest_ns >= PATIENCE / 4)
        return false;
    g_assert_cmpint(ret, ==, 0);
    g_assert_cmpuint(slow.taken, ==, SLOW_PIECES);
    return true;
}

/* It takes a multiple of the time, but always goes on; then it does not. */
static void
patience_main(void *opaque)
{
    Ends *e = opaque;
    size_t len = 16 << 20;
    g_autofree uint8_t *data = g_malloc0(len);
    struct iovec iov;
    VioVec vec = vio_vec_from_buf(&iov, data, len);

    while (!slow_reader_is_waited_for(e, &vec)) {
        io_ends_co_close(e);
        io_ends_open_sockets(e);
    }
    g_assert_cmpint(vio_stream_co_send(e->a, "h", 1, &vec, NULL), ==,
                    -ETIMEDOUT);
    g_assert_false(vio_stream_is_sending(e->a));
    g_assert_cmpint(vio_stream_co_send(e->a, "x", 1, NULL, NULL), ==,
                    -ETIMEDOUT);
    io_ends_co_close(e);
}

static void
test_patience_ends(IoFixture *f, gconstpointer engine)
{
    io_ends_run_sockets(f, patience_main);
}

/* Freed while the kernel is still at it: the pump cleans up. */
static void
free_early_main(void *opaque)
{
    Ends *e = opaque;
    g_autofree uint8_t *data = g_malloc0(10000);

    for (unsigned i = 0; i < 50; i++) {
        if (vio_stream_co_send(e->a, data, 1000, NULL, NULL) != 0)
            break;
        vio_co_reschedule();
    }
    vio_stream_free(g_steal_pointer(&e->a));
    g_assert_cmpint(vio_co_sleep(e->loop, MS, NULL), ==, 0);
    io_ends_co_close(e);
}

static void
test_free_with_bytes_waiting(IoFixture *f, gconstpointer engine)
{
    io_ends_run_both(f, free_early_main);
}

/* Never flushed, never turned again: nothing is left in the loop. */
static void
test_free_outside_of_the_loop(IoFixture *f, gconstpointer engine)
{
    Ends e = {.f = f, .loop = f->loop};

    io_ends_open_sockets(&e);
    vio_stream_free(e.a);
    vio_stream_free(e.b);
}

/* -- cancelling ----------------------------------------------------------- */

/* Coroutine entry: runs when who waits with the token does. */
static void
fire_main(void *opaque)
{
    Ends *e = opaque;

    vio_cancel_fire(e->cancel);
    e->running--;
}

/* Coroutine entry: fires when something has arrived. */
static void
fire_when_begun_main(void *opaque)
{
    Ends *e = opaque;
    const void *bytes;
    size_t have;

    g_assert_cmpint(vio_stream_co_peek(e->b, 1, &bytes, &have, NULL), ==, 0);
    fire_main(e);
}

static void
fire_later(Ends *e, VioCoFunc fn)
{
    vio_cancel_unref(e->cancel);
    e->cancel = vio_cancel_new();
    e->running++;
    vio_co_start(e->loop, fn, e);
}

static void
cancel_read_main(void *opaque)
{
    Ends *e = opaque;
    const void *bytes;
    size_t have;
    char buf[4];

    io_ends_co_send(e->a, "ab");
    io_ends_cancel_after(e, 3 * MS);
    g_assert_cmpint(vio_stream_co_peek(e->b, 4, &bytes, &have, e->cancel), ==,
                    -ETIMEDOUT);
    g_assert_cmpint(vio_stream_co_peek(e->b, 1, &bytes, &have, e->cancel), ==,
                    -ETIMEDOUT);
    io_ends_co_send(e->a, "cd");
    io_ends_co_expect(e->b, "abcd"); /* nothing was lost */
    io_ends_cancel_after(e, 3 * MS);
    g_assert_cmpint(vio_stream_co_read(e->b, buf, 4, e->cancel), ==,
                    -ETIMEDOUT);
    io_ends_co_send(e->a, "efgh");
    io_ends_co_expect(e->b, "efgh"); /* it had not begun */
    io_ends_co_send(e->a, "ij");
    g_assert_cmpint(vio_stream_co_peek(e->b, 2, &bytes, &have, NULL), ==, 0);
    fire_later(e, fire_main);
    g_assert_cmpint(vio_stream_co_read(e->b, buf, 4, e->cancel), ==,
                    -ECANCELED);
    io_ends_co_send(e->a, "klmn"); /* "ij" is gone */
    g_assert_cmpint(vio_stream_co_read(e->b, buf, 4, NULL), ==, -ECANCELED);
    io_ends_co_close(e);
}

static void
test_cancel_reading(IoFixture *f, gconstpointer engine)
{
    io_ends_run_both(f, cancel_read_main);
}

static void
cancel_write_main(void *opaque)
{
    Ends *e = opaque;
    size_t len = 8 << 20;
    g_autofree uint8_t *data = g_malloc0(len);
    struct iovec iov;
    VioVec vec = vio_vec_from_buf(&iov, data, len);

    fire_later(e, fire_when_begun_main);
    g_assert_cmpint(vio_stream_co_send(e->a, "h", 1, &vec, e->cancel), ==,
                    -ECANCELED);
    g_assert_cmpint(vio_stream_co_send(e->a, "x", 1, NULL, NULL), ==,
                    -ECANCELED); /* half a message is out */
    g_assert_cmpint(vio_stream_co_flush(e->a, NULL), ==, -ECANCELED);
    io_ends_co_close(e);
}

static void
test_cancel_in_the_middle_of_a_message(IoFixture *f, gconstpointer engine)
{
    io_ends_run_both(f, cancel_write_main);
}

static void
cancel_waiting_first(void *opaque)
{
    Ends *e = opaque;
    size_t len = 4 << 20;
    g_autofree uint8_t *data = io_ends_pattern(0, len);
    struct iovec iov[STREAM_TEST_PIECES];
    VioVec vec;

    for (unsigned i = 0; i < STREAM_TEST_PIECES; i++)
        iov[i] = (struct iovec){data + i * (len / STREAM_TEST_PIECES),
                                len / STREAM_TEST_PIECES};
    vec = vio_vec_from_iov(iov, STREAM_TEST_PIECES);
    g_assert_cmpint(vio_stream_co_send(e->a, NULL, 0, &vec, NULL), ==, 0);
    e->running--;
}

/* What has not begun to leave is taken back whole. */
static void
cancel_waiting_main(void *opaque)
{
    Ends *e = opaque;
    size_t len = 4 << 20;
    g_autofree uint8_t *data = g_malloc0(len);
    struct iovec iov;
    VioVec vec = vio_vec_from_buf(&iov, data, len);

    e->running = 1;
    vio_co_start(e->loop, cancel_waiting_first, e);
    vio_co_reschedule();
    io_ends_cancel_after(e, 5 * MS);
    g_assert_cmpint(vio_stream_co_send(e->a, "bad", 3, &vec, e->cancel), ==,
                    -ETIMEDOUT);
    io_ends_cancel_after(e, 5 * MS);
    g_assert_cmpint(vio_stream_co_flush(e->a, e->cancel), ==, -ETIMEDOUT);
    io_ends_co_send(e->a, "good");
    g_assert_cmpint(vio_stream_co_read(e->b, data, len, NULL), ==, 0);
    io_test_assert_pattern(data, 0, len);
    io_ends_co_expect(e->b, "good");
    io_ends_co_close(e);
}

static void
test_cancel_before_it_begins(IoFixture *f, gconstpointer engine)
{
    io_ends_run_both(f, cancel_waiting_main);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    io_test_add("stream/back-pressure", test_back_pressure);
    io_test_add("stream/abort-wakes-everybody", test_abort_wakes_everybody);
    io_test_add("stream/reset-takes-back-what-has-not-left",
                test_reset_takes_back_what_has_not_left);
    io_test_add("stream/patience-ends", test_patience_ends);
    io_test_add("stream/free-with-bytes-waiting", test_free_with_bytes_waiting);
    io_test_add("stream/free-outside-of-the-loop",
                test_free_outside_of_the_loop);
    io_test_add("stream/cancel-reading", test_cancel_reading);
    io_test_add("stream/cancel-in-the-middle-of-a-message",
                test_cancel_in_the_middle_of_a_message);
    io_test_add("stream/cancel-before-it-begins", test_cancel_before_it_begins);
    return g_test_run();
}
