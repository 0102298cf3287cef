/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-io-tls-peer.c - TLS with another program at the other end:
 * openssl s_server and s_client.
 *
 * Peers with GnuTLS are in tests/protocol.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "io/net.h"
#include "tests/unit/io-certs.h"
#include "tests/unit/io-ends.h"

#define PATIENCE (60 * UINT64_C(1000000000))

/* A peer and what we are to it. */
typedef struct Peer {
    IoFixture *f;
    VioLoop *loop;
    VioTlsCreds *creds;
    VioNetAddress addr; /* a unix socket */
    GPid pid;
    int in, out; /* its stdin and stdout */
    int listener;
    VioCancel *patience;
    const char *cipher; /* must be part of what was agreed on */
} Peer;

/* Runs "openssl ARGS"; SOCKET and DIR/ are put in. */
static void
peer_spawn(Peer *p, const char *args, const char *dir)
{
    g_autofree char *line = g_strdup_printf("openssl %s", args);
    g_auto(GStrv) argv = g_strsplit(line, " ", -1);
    g_autoptr(GError) error = NULL;

    for (char **arg = argv; *arg; arg++) {
        const char *rest = NULL;
        char *full = NULL;

        if (g_str_equal(*arg, "SOCKET"))
            full = g_strdup(p->addr.path);
        else if (g_str_has_prefix(*arg, "DIR/"))
            rest = *arg + strlen("DIR/");
        if (rest)
            full = g_build_filename(dir, rest, NULL);
        if (full) {
            g_free(*arg);
            *arg = full;
        }
    }
    (void) g_spawn_async_with_pipes(
        NULL, argv, NULL,
        G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD |
            G_SPAWN_STDERR_TO_DEV_NULL,
        NULL, NULL, &p->pid, &p->in, &p->out, NULL, &error);
    g_assert_no_error(error);
}

static void
peer_open(Peer *p, IoFixture *f, VioTlsCreds *creds, const char *cipher)
{
    *p = (Peer){
        .f = f,
        .loop = f->loop,
        .creds = creds,
        .cipher = cipher,
        .patience = vio_cancel_new(),
    };
    vio_cancel_set_deadline(p->patience, vio_now_ns() + PATIENCE);
    p->addr.kind = VIO_NET_UNIX;
    p->addr.path = g_build_filename(f->dir, "socket", NULL);
}

static void
peer_close(Peer *p)
{
    int status;

    (void) kill(p->pid, SIGKILL);
    g_assert_cmpint(waitpid(p->pid, &status, 0), ==, p->pid);
    (void) unlink(p->addr.path);
    vio_net_address_clear(&p->addr);
    vio_cancel_unref(p->patience);
    vio_tls_creds_unref(p->creds);
}

static bool
have_openssl(void)
{
    g_autofree char *path = g_find_program_in_path("openssl");

    if (!path)
        g_test_skip("no openssl");
    return path != NULL;
}

static VioStream *
peer_co_start_tls(Peer *p, int fd, const char *hostname)
{
    VioStream *s = vio_stream_new(p->loop, fd, fd);
    VioTlsSession *tls = vio_tls_session_new(p->creds, hostname);
    int ret = vio_stream_co_start_tls(s, tls, p->patience);

    g_assert_cmpstr(vio_stream_tls_why(s), ==, NULL);
    g_assert_cmpint(ret, ==, 0);
    g_test_message("%s", vio_tls_session_cipher(tls));
    g_assert_nonnull(strstr(vio_tls_session_cipher(tls), p->cipher));
    return s;
}

/* -- against s_server ----------------------------------------------------- */

static int
peer_co_connect(Peer *p)
{
    int fd;

    for (;;) { /* until it listens */
        g_autofree char *why = NULL;
        int ret = vio_net_co_connect(p->loop, &p->addr, p->patience, &fd, &why);

        if (ret == 0)
            return fd;
        g_assert_true(ret == -ENOENT || ret == -ECONNREFUSED);
        g_assert_cmpint(vio_co_sleep(p->loop, 5 * MS, p->patience), ==, 0);
    }
}

/* It sends every line back, in reverse. */
static void
client_main(void *opaque)
{
    Peer *p = opaque;
    VioStream *s = peer_co_start_tls(p, peer_co_connect(p), "a.example");

    io_ends_co_send(s, "first line\n");
    io_ends_co_expect(s, "enil tsrif\n");
    io_ends_co_send(s, "second\nthird\n");
    io_ends_co_expect(s, "dnoces\ndriht\n");
    g_assert_cmpint(vio_stream_co_end(s, NULL), ==, 0);
    vio_stream_co_close(s);
    (void) close(p->in);
    (void) close(p->out);
}

static void
as_client(IoFixture *f, VioTlsCreds *creds, const char *args, const char *dir,
          const char *cipher)
{
    g_autofree char *line =
        g_strconcat("s_server -unix SOCKET -rev ", args, NULL);
    Peer p;

    peer_open(&p, f, creds, cipher);
    peer_spawn(&p, line, dir);
    io_test_run(f, client_main, &p);
    peer_close(&p);
}

#define SERVER_FILES "-cert DIR/server-cert.pem -key DIR/server-key.pem"
#define VERIFY_CLIENT " -CAfile DIR/ca-cert.pem -Verify 1 -verify_return_error"

static void
test_client_with_certificates(IoFixture *f, gconstpointer engine)
{
    g_autofree char *dir = NULL;

    if (!have_openssl())
        return;
    dir = io_tls_pki(f, "pki", "DNS:a.example", 100);
    as_client(f, io_tls_x509(false, dir, true),
              SERVER_FILES VERIFY_CLIENT " -tls1_3", dir, "TLSv1.3");
    as_client(f, io_tls_x509(false, dir, true),
              SERVER_FILES VERIFY_CLIENT " -tls1_2", dir, "TLSv1.2");
}

static void
test_client_with_key(IoFixture *f, gconstpointer engine)
{
    static const char content[] = "alice:" IO_TLS_KEY_A;

    if (!have_openssl())
        return;
    as_client(f, io_tls_psk(f, false, "keys", "alice", content),
              "-nocert -psk_identity alice -psk " IO_TLS_KEY_A " -tls1_3", "",
              "TLS_AES_128_GCM_SHA256");
    as_client(f, io_tls_psk(f, false, "keys", "alice", content),
              "-nocert -psk_identity alice -psk " IO_TLS_KEY_A " -tls1_2", "",
              "TLSv1.2");
}

/* -- against s_client ----------------------------------------------------- */

/* What is typed there is read here, and the other way round. */
static void
server_main(void *opaque)
{
    Peer *p = opaque;
    VioStream *terminal = vio_stream_new(p->loop, p->out, p->in);
    int fd = vio_co_accept(p->loop, p->listener, p->patience);
    VioStream *s;

    g_assert_cmpint(fd, >=, 0);
    s = peer_co_start_tls(p, fd, NULL);
    io_ends_co_send(terminal, "typed\n");
    io_ends_co_expect(s, "typed\n");
    io_ends_co_send(s, "shown\n");
    io_ends_co_expect(terminal, "shown\n");
    vio_stream_co_close(s);
    vio_stream_co_close(terminal);
}

static void
as_server(IoFixture *f, VioTlsCreds *creds, const char *args, const char *dir,
          const char *cipher)
{
    g_autofree char *line =
        g_strconcat("s_client -unix SOCKET -quiet ", args, NULL);
    g_autofree char *why = NULL;
    g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
    Peer p;

    peer_open(&p, f, creds, cipher);
    g_assert_cmpint(vio_net_listen(&p.addr, 1, fds, &why), ==, 0);
    p.listener = g_array_index(fds, int, 0);
    peer_spawn(&p, line, dir);
    io_test_run(f, server_main, &p);
    (void) close(p.listener);
    peer_close(&p);
}

#define CLIENT_FILES                                                           \
    "-cert DIR/client-cert.pem -key DIR/client-key.pem"                        \
    " -CAfile DIR/ca-cert.pem -verify_return_error -verify_hostname a.example"

static void
test_server_with_certificates(IoFixture *f, gconstpointer engine)
{
    g_autofree char *dir = NULL;

    if (!have_openssl())
        return;
    dir = io_tls_pki(f, "pki", "DNS:a.example", 100);
    as_server(f, io_tls_x509(true, dir, true), CLIENT_FILES " -tls1_3", dir,
              "TLSv1.3");
    as_server(f, io_tls_x509(true, dir, true), CLIENT_FILES " -tls1_2", dir,
              "TLSv1.2");
}

static void
test_server_with_key(IoFixture *f, gconstpointer engine)
{
    static const char content[] = "alice:" IO_TLS_KEY_A;

    if (!have_openssl())
        return;
    as_server(f, io_tls_psk(f, true, "keys", NULL, content),
              "-psk_identity alice -psk " IO_TLS_KEY_A " -tls1_3", "",
              "TLS_AES_128_GCM_SHA256");
    as_server(f, io_tls_psk(f, true, "keys", NULL, content),
              "-psk_identity alice -psk " IO_TLS_KEY_A " -tls1_2", "",
              "TLSv1.2");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    io_test_add("tls-peer/client-with-certificates",
                test_client_with_certificates);
    io_test_add("tls-peer/client-with-key", test_client_with_key);
    io_test_add("tls-peer/server-with-certificates",
                test_server_with_certificates);
    io_test_add("tls-peer/server-with-key", test_server_with_key);
    return g_test_run();
}
