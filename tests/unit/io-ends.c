/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/io-ends.c - two ends of one connection on one loop. */
#include "tests/unit/io-ends.h"

#include <errno.h>
#include <sys/socket.h>

void
io_ends_open_sockets(Ends *e)
{
    int fd[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), ==,
                    0);
    e->a = vio_stream_new(e->loop, fd[0], fd[0]);
    e->b = vio_stream_new(e->loop, fd[1], fd[1]);
}

void
io_ends_open_pipes(Ends *e)
{
    int to_b[2], to_a[2];

    g_assert_cmpint(pipe2(to_b, O_CLOEXEC), ==, 0);
    g_assert_cmpint(pipe2(to_a, O_CLOEXEC), ==, 0);
    e->a = vio_stream_new(e->loop, to_a[0], to_b[1]);
    e->b = vio_stream_new(e->loop, to_b[0], to_a[1]);
}

void
io_ends_co_close(Ends *e)
{
    while (e->running > 0)
        g_assert_cmpint(vio_co_sleep(e->loop, MS / 10, NULL), ==, 0);
    vio_stream_co_close(g_steal_pointer(&e->a));
    vio_stream_co_close(g_steal_pointer(&e->b));
}

static void
run_on(IoFixture *f, VioCoFunc fn, EndsFunc open_ends)
{
    Ends e = {.f = f, .loop = f->loop, .cancel = vio_cancel_new()};

    open_ends(&e);
    io_test_run(f, fn, &e);
    vio_stream_free(e.a);
    vio_stream_free(e.b);
    vio_cancel_unref(e.cancel);
}

void
io_ends_run_sockets(IoFixture *f, VioCoFunc fn)
{
    run_on(f, fn, io_ends_open_sockets);
}

void
io_ends_run_both(IoFixture *f, VioCoFunc fn)
{
    run_on(f, fn, io_ends_open_sockets);
    run_on(f, fn, io_ends_open_pipes);
}

void
io_ends_co_send(VioStream *s, const char *text)
{
    g_assert_cmpint(vio_stream_co_send(s, text, strlen(text), NULL, NULL), ==,
                    0);
}

void
io_ends_co_expect(VioStream *s, const char *text)
{
    char buf[64];

    g_assert_cmpint(vio_stream_co_read(s, buf, strlen(text), NULL), ==, 0);
    g_assert_cmpmem(buf, strlen(text), text, strlen(text));
}

uint8_t *
io_ends_pattern(uint64_t off, size_t len)
{
    uint8_t *data = g_malloc(len + 1);

    for (size_t i = 0; i < len; i++)
        data[i] = io_test_byte(off + i);
    return data;
}

void
io_ends_cancel_after(Ends *e, uint64_t ns)
{
    vio_cancel_unref(e->cancel);
    e->cancel = vio_cancel_new();
    vio_cancel_set_deadline(e->cancel, vio_now_ns() + ns);
}
