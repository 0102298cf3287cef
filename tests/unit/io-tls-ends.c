/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/io-tls-ends.c - two ends of one connection with TLS between. */
#include "tests/unit/io-tls-ends.h"

#include <errno.h>
#include <sys/socket.h>

void
io_tls_echo(void *opaque)
{
    IoTls *t = opaque;
    const void *bytes;
    size_t have;

    t->server_ret = vio_stream_co_start_tls(
        t->e.b, vio_tls_session_new(t->server, NULL), NULL);
    while (t->server_ret == 0) {
        g_autofree char *copy = NULL;

        t->server_ret = vio_stream_co_peek(t->e.b, 1, &bytes, &have, NULL);
        if (t->server_ret != 0)
            break;
        copy = g_memdup2(bytes, have);
        vio_stream_consume(t->e.b, have);
        t->server_ret = vio_stream_co_send(t->e.b, copy, have, NULL, NULL);
    }
    if (t->server_ret == -ENODATA)
        g_assert_cmpint(vio_stream_co_end(t->e.b, NULL), ==, 0);
    else
        vio_stream_abort(t->e.b);
    t->e.running--;
}

void
io_tls_co_begin(IoTls *t)
{
    t->e.running = 1;
    vio_co_start(t->e.loop, io_tls_echo, t);
    t->client_ret = vio_stream_co_start_tls(
        t->e.a, vio_tls_session_new(t->client, t->hostname), NULL);
}

static void
tls_co_run(void *opaque)
{
    IoTls *t = opaque;
    const void *bytes;
    size_t have;

    io_tls_co_begin(t);
    if (t->client_ret != 0)
        return;
    g_assert_cmpint(vio_stream_co_send(t->e.a, "ping", 4, NULL, NULL), ==, 0);
    t->client_ret = vio_stream_co_peek(t->e.a, 4, &bytes, &have, NULL);
    if (t->client_ret != 0)
        return;
    io_ends_co_expect(t->e.a, "ping");
    g_assert_cmpint(vio_stream_co_end(t->e.a, NULL), ==, 0);
    g_assert_cmpint(vio_stream_co_peek(t->e.a, 1, &bytes, &have, NULL), ==,
                    -ENODATA);
}

static void
tls_main(void *opaque)
{
    IoTls *t = opaque;

    tls_co_run(t);
    if (t->client_ret != 0) /* the server will not wait for what never comes */
        g_assert_cmpint(shutdown(t->fd[0], SHUT_RDWR), ==, 0);
    while (t->e.running > 0)
        g_assert_cmpint(vio_co_sleep(t->e.loop, MS / 10, NULL), ==, 0);
}

void
io_tls_open(IoTls *t, IoFixture *f, VioTlsCreds *client, VioTlsCreds *server,
            const char *hostname)
{
    *t = (IoTls){
        .e = {.f = f, .loop = f->loop},
        .client = client,
        .server = server,
        .hostname = hostname,
    };
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, t->fd),
                    ==, 0);
    t->e.a = vio_stream_new(f->loop, t->fd[0], t->fd[0]);
    t->e.b = vio_stream_new(f->loop, t->fd[1], t->fd[1]);
}

static void
tls_close_main(void *opaque)
{
    io_ends_co_close(opaque);
}

void
io_tls_close(IoTls *t)
{
    io_test_run(t->e.f, tls_close_main, &t->e);
    vio_tls_creds_unref(t->client);
    vio_tls_creds_unref(t->server);
}

void
io_tls_assert_agree(IoFixture *f, VioTlsCreds *client, VioTlsCreds *server,
                    const char *hostname)
{
    IoTls t;

    io_tls_open(&t, f, client, server, hostname);
    io_test_run(f, tls_main, &t);
    g_assert_cmpstr(vio_stream_tls_why(t.e.a), ==, NULL);
    g_assert_cmpstr(vio_stream_tls_why(t.e.b), ==, NULL);
    g_assert_cmpint(t.client_ret, ==, 0);
    g_assert_cmpint(t.server_ret, ==, -ENODATA);
    io_tls_close(&t);
}

void
io_tls_assert_refused(IoFixture *f, VioTlsCreds *client, VioTlsCreds *server,
                      const char *hostname, const char *client_why,
                      const char *server_why)
{
    IoTls t;

    io_tls_open(&t, f, client, server, hostname);
    io_test_run(f, tls_main, &t);
    g_assert_cmpint(t.client_ret, !=, 0);
    g_assert_cmpint(t.server_ret, !=, 0);
    g_assert_nonnull(vio_stream_tls_why(t.e.a));
    g_assert_nonnull(vio_stream_tls_why(t.e.b));
    g_test_message("client: %s; server: %s", vio_stream_tls_why(t.e.a),
                   vio_stream_tls_why(t.e.b));
    if (client_why)
        g_assert_nonnull(strstr(vio_stream_tls_why(t.e.a), client_why));
    if (server_why)
        g_assert_nonnull(strstr(vio_stream_tls_why(t.e.b), server_why));
    io_tls_close(&t);
}

void
io_tls_assert_bad_params(const VioTlsParams *params, const char *word)
{
    g_autofree char *why = NULL;

    g_assert_null(vio_tls_creds_new(params, &why));
    g_assert_nonnull(why);
    g_test_message("%s", why);
    g_assert_nonnull(strstr(why, word));
}
