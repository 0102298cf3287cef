/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-io-tls.c - streams in TLS, both ends ours: who is trusted,
 * what is said if not, and that bytes get through. */
#include "tests/unit/io-tls-ends.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "io/sync.h"

/* -- certificates --------------------------------------------------------- */

static void
test_names_and_addresses(IoFixture *f, gconstpointer engine)
{
    g_autofree char *dir =
        io_tls_pki(f, "pki",
                   "DNS:disk.example,DNS:*.wild.example,IP:127.0.0.1,"
                   "IP:::1",
                   100);
    static const char *const good[] = {"disk.example", "DISK.example",
                                       "a.wild.example", "127.0.0.1", "::1"};
    static const char *const bad[] = {"other.example", "wild.example",
                                      "127.0.0.2", "::2"};

    for (size_t i = 0; i < G_N_ELEMENTS(good); i++)
        io_tls_assert_agree(f, io_tls_x509(false, dir, true),
                            io_tls_x509(true, dir, false), good[i]);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        io_tls_assert_refused(f, io_tls_x509(false, dir, true),
                              io_tls_x509(true, dir, false), bad[i],
                              "is not for", "certificate");
    /* Without a name nothing can be verified, unless that was asked for. */
    {
        g_autofree char *none = g_build_filename(f->dir, "none", NULL);

        io_tls_assert_agree(f, io_tls_x509(false, none, false),
                            io_tls_x509(true, dir, false), NULL);
    }
}

static void
test_no_name_to_verify(IoFixture *f, gconstpointer engine)
{
    g_autofree char *dir = io_tls_pki(f, "pki", "DNS:disk.example", 100);

    io_tls_assert_refused(f, io_tls_x509(false, dir, true),
                          io_tls_x509(true, dir, false), NULL,
                          "no name of a host", NULL);
}

static void
test_expired_and_unknown(IoFixture *f, gconstpointer engine)
{
    g_autofree char *old = io_tls_pki(f, "old", "DNS:a.example", 0);
    g_autofree char *pki = io_tls_pki(f, "pki", "DNS:a.example", 100);
    g_autofree char *other = io_tls_pki(f, "other", "DNS:a.example", 100);

    io_tls_assert_refused(f, io_tls_x509(false, old, true),
                          io_tls_x509(true, old, false), "a.example",
                          "certificate has expired", "expired");
    io_tls_assert_refused(f, io_tls_x509(false, other, true),
                          io_tls_x509(true, pki, false), "a.example",
                          "certificate of the other end", NULL);
    /* Whom the system trusts: not us. */
    {
        g_autofree char *none = g_build_filename(f->dir, "none", NULL);

        io_tls_assert_refused(f, io_tls_x509(false, none, true),
                              io_tls_x509(true, pki, false), "a.example",
                              "certificate of the other end", NULL);
    }
}

static void
test_revoked(IoFixture *f, gconstpointer engine)
{
    g_autofree char *dir = g_build_filename(f->dir, "pki", NULL);
    g_autoptr(IoCa) ca = io_ca_new(dir, "test CA");

    io_ca_sign(ca, dir, "server", "DNS:a.example", 100);
    io_ca_revoke(ca, dir, FALSE);
    io_tls_assert_agree(f, io_tls_x509(false, dir, true),
                        io_tls_x509(true, dir, false), "a.example");
    io_ca_revoke(ca, dir, TRUE);
    io_tls_assert_refused(f, io_tls_x509(false, dir, true),
                          io_tls_x509(true, dir, false), "a.example", "revoked",
                          "revoked");
}

static void
test_client_certificates(IoFixture *f, gconstpointer engine)
{
    g_autofree char *dir = io_tls_pki(f, "pki", "DNS:a.example", 100);
    g_autofree char *other = io_tls_pki(f, "other", "DNS:a.example", 100);
    g_autofree char *only_ca = g_build_filename(f->dir, "only-ca", NULL);
    g_autofree char *from = g_build_filename(dir, "ca-cert.pem", NULL);
    g_autofree char *to = g_build_filename(only_ca, "ca-cert.pem", NULL);
    g_autofree char *other_ca = g_build_filename(other, "ca-cert.pem", NULL);

    io_tls_assert_agree(f, io_tls_x509(false, dir, true),
                        io_tls_x509(true, dir, true), "a.example");
    /* No certificate; then one by a stranger.  With TLS 1.3 the client learns
     * it after its handshake. */
    g_assert_cmpint(g_mkdir(only_ca, 0700), ==, 0);
    g_assert_cmpint(link(from, to), ==, 0);
    io_tls_assert_refused(f, io_tls_x509(false, only_ca, true),
                          io_tls_x509(true, dir, true), "a.example",
                          "certificate required", "certificate");
    g_assert_cmpint(unlink(other_ca), ==, 0);
    g_assert_cmpint(link(from, other_ca), ==, 0);
    io_tls_assert_refused(f, io_tls_x509(false, other, true),
                          io_tls_x509(true, dir, true), "a.example",
                          "ended the TLS session", "certificate");
}

/* -- pre-shared keys ------------------------------------------------------ */

static void
test_psk(IoFixture *f, gconstpointer engine)
{
    static const char both[] =
        "# users\n\nalice:" IO_TLS_KEY_A "\nbob:" IO_TLS_KEY_B "\n";

    io_tls_assert_agree(
        f, io_tls_psk(f, false, "c", "alice", "alice:" IO_TLS_KEY_A "\n"),
        io_tls_psk(f, true, "s", NULL, both), "anything");
    io_tls_assert_agree(f, io_tls_psk(f, false, "c", "bob", both),
                        io_tls_psk(f, true, "s", NULL, both), NULL);
    io_tls_assert_agree(
        f, io_tls_psk(f, false, "c", NULL, "qemu:" IO_TLS_KEY_A),
        io_tls_psk(f, true, "s", NULL, "qemu:" IO_TLS_KEY_A), NULL);
    io_tls_assert_refused(
        f, io_tls_psk(f, false, "c", "alice", "alice:" IO_TLS_KEY_B),
        io_tls_psk(f, true, "s", NULL, both), NULL, "key of user \"alice\"",
        "another key");
    io_tls_assert_refused(
        f, io_tls_psk(f, false, "c", "e\x1bve", "e\x1bve:" IO_TLS_KEY_B),
        io_tls_psk(f, true, "s", NULL, both), NULL, "key of user \"e",
        "unknown user \"e\\033ve\"");
}

/* Neither kind is taken for the other. */
static void
test_psk_against_certificates(IoFixture *f, gconstpointer engine)
{
    g_autofree char *dir = io_tls_pki(f, "pki", "DNS:a.example", 100);

    io_tls_assert_refused(
        f, io_tls_psk(f, false, "c", "alice", "alice:" IO_TLS_KEY_A),
        io_tls_x509(true, dir, false), "a.example", NULL, NULL);
    io_tls_assert_refused(f, io_tls_x509(false, dir, true),
                          io_tls_psk(f, true, "s", NULL, "alice:" IO_TLS_KEY_A),
                          "a.example", NULL, NULL);
}

/* -- what is wrong with files --------------------------------------------- */

static void
test_bad_certificate_files(IoFixture *f, gconstpointer engine)
{
    g_autofree char *dir = io_tls_pki(f, "pki", "DNS:a.example", 100);
    g_autofree char *key = g_build_filename(dir, "server-key.pem", NULL);
    g_autofree char *cert = g_build_filename(dir, "client-cert.pem", NULL);
    g_autofree char *crl = g_build_filename(dir, "ca-crl.pem", NULL);
    g_autofree char *ca = g_build_filename(dir, "ca-cert.pem", NULL);
    VioTlsParams server = {.server = true, .dir = dir, .verify_peer = true};
    VioTlsParams client = {.dir = dir, .verify_peer = true};
    VioTlsParams nothing = {.server = true};
    VioTlsParams both = {.dir = dir, .psk_file = key};

    io_tls_assert_bad_params(&nothing, "needs certificates");
    io_tls_assert_bad_params(&both, "exclude");
    g_assert_true(g_file_set_contents(crl, "no CRL", -1, NULL));
    io_tls_assert_bad_params(&client, "ca-crl.pem: no usable list");
    g_assert_cmpint(unlink(crl), ==, 0);
    g_assert_cmpint(symlink("nowhere", crl), ==, 0);
    io_tls_assert_bad_params(&client, "ca-crl.pem: no usable list");
    g_assert_cmpint(unlink(crl), ==, 0);
    g_assert_true(g_file_set_contents(key, "no key", -1, NULL));
    io_tls_assert_bad_params(&server, "server-key.pem: no usable private key");
    g_assert_cmpint(unlink(key), ==, 0);
    io_tls_assert_bad_params(&server, "server-key.pem: No such file");
    g_assert_cmpint(unlink(cert), ==, 0);
    io_tls_assert_bad_params(&client, "client-cert.pem: No such file");
    g_assert_true(g_file_set_contents(ca, "", -1, NULL));
    io_tls_assert_bad_params(&client, "client-cert.pem: No such file");
    server.dir = client.dir = f->dir;
    io_tls_assert_bad_params(&server, "server-cert.pem: No such file");
}

static void
test_bad_key_files(IoFixture *f, gconstpointer engine)
{
    static const struct {
        const char *content, *word;
    } rows[] = {
        {"", "no key of user \"alice\""},
        {"bob:" IO_TLS_KEY_A, "no key of user \"alice\""},
        {"alice", ":1: no line of the form"},
        {"# x\n:" IO_TLS_KEY_A, ":2: no line of the form"},
        {"alice:", ":1: key is not"},
        {"alice:abc", ":1: key is not"},
        {"alice:0g", ":1: key is not"},
        {"alice:" IO_TLS_KEY_A IO_TLS_KEY_A IO_TLS_KEY_A, ":1: key is not"},
        {"alice:" IO_TLS_KEY_A "\nalice:" IO_TLS_KEY_B, ":2: user stands"},
    };
    g_autofree char *path = g_build_filename(f->dir, "keys", NULL);
    VioTlsParams params = {.psk_file = path, .psk_user = "alice"};

    io_tls_assert_bad_params(&params, "No such file");
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert_true(g_file_set_contents_full(path, rows[i].content, -1,
                                               G_FILE_SET_CONTENTS_CONSISTENT,
                                               0640, NULL));
        io_tls_assert_bad_params(&params, rows[i].word);
    }
    g_assert_true(g_file_set_contents(path, "alice:" IO_TLS_KEY_A, -1, NULL));
    g_assert_cmpint(chmod(path, 0644), ==, 0);
    io_tls_assert_bad_params(&params, "0644");
    params.psk_file = f->dir;
    io_tls_assert_bad_params(&params, "no regular file");
}

/* -- clear and enciphered ------------------------------------------------- */

static void
clear_main(void *opaque)
{
    IoTls *t = opaque;
    const void *bytes;
    size_t have;

    io_ends_co_send(t->e.a, "clear");
    g_assert_cmpint(vio_stream_co_peek(t->e.b, 1, &bytes, &have, NULL), ==, 0);
    g_assert_cmpint(vio_stream_co_start_tls(
                        t->e.b, vio_tls_session_new(t->server, NULL), NULL),
                    ==, -EBADMSG);
    g_assert_cmpint(vio_stream_co_send(t->e.b, "x", 1, NULL, NULL), ==,
                    -EBADMSG);
    g_assert_cmpint(vio_stream_co_peek(t->e.b, 1, &bytes, &have, NULL), ==,
                    -EBADMSG);
    io_ends_co_close(&t->e);
    /* Not read yet: taken for a record, and for none. */
    io_ends_open_sockets(&t->e);
    io_ends_co_send(t->e.a, "GET / HTTP/1.0\r\n\r\n");
    g_assert_cmpint(vio_stream_co_start_tls(
                        t->e.b, vio_tls_session_new(t->server, NULL), NULL),
                    ==, -EPROTO);
    g_assert_cmpstr(vio_stream_tls_why(t->e.b), ==,
                    "what the other end sent is no TLS");
    io_ends_co_close(&t->e);
}

static void
test_clear_bytes_before_the_handshake(IoFixture *f, gconstpointer engine)
{
    g_autofree char *dir = io_tls_pki(f, "pki", "DNS:a.example", 100);
    IoTls t;

    io_tls_open(&t, f, io_tls_x509(false, dir, true),
                io_tls_x509(true, dir, false), NULL);
    io_test_run(f, clear_main, &t);
    vio_tls_creds_unref(t.client);
    vio_tls_creds_unref(t.server);
}

/* -- bytes ---------------------------------------------------------------- */

#define BULK (5u << 20)
#define SMALL 1500u

static void
bulk_sender(void *opaque)
{
    IoTls *t = opaque;
    g_autofree uint8_t *data = io_ends_pattern(0, BULK);
    struct iovec iov[3] = {
        {data, 100},
        {data + 100, 1},
        {data + 101, BULK - 101},
    };
    VioVec vec = vio_vec_from_iov(iov, 3);

    g_assert_cmpint(vio_stream_co_send(t->e.a, "head", 4, &vec, NULL), ==, 0);
    memset(data, 0xee, BULK);
    for (unsigned i = 0; i < SMALL; i++)
        io_ends_co_send(t->e.a, "small message");
    g_assert_cmpint(vio_stream_co_flush(t->e.a, NULL), ==, 0);
    g_assert_cmpint(vio_stream_co_end(t->e.a, NULL), ==, 0);
    t->e.running--;
}

static void
bulk_main(void *opaque)
{
    IoTls *t = opaque;
    g_autofree uint8_t *back = g_malloc(BULK);
    const void *bytes;
    size_t have;

    io_tls_co_begin(t);
    g_assert_cmpint(t->client_ret, ==, 0);
    t->e.running++;
    vio_co_start(t->e.loop, bulk_sender, t);
    io_ends_co_expect(t->e.a, "head");
    g_assert_cmpint(vio_stream_co_read(t->e.a, back, BULK, NULL), ==, 0);
    io_test_assert_pattern(back, 0, BULK);
    for (unsigned i = 0; i < SMALL; i++)
        io_ends_co_expect(t->e.a, "small message");
    g_assert_cmpint(vio_stream_co_peek(t->e.a, 1, &bytes, &have, NULL), ==,
                    -ENODATA);
    io_ends_co_close(&t->e);
}

/* There and back through the echo, large payloads and many small messages. */
static void
test_bulk(IoFixture *f, gconstpointer engine)
{
    IoTls t;

    io_tls_open(&t, f, io_tls_psk(f, false, "c", "a", "a:" IO_TLS_KEY_A),
                io_tls_psk(f, true, "s", NULL, "a:" IO_TLS_KEY_A), NULL);
    io_test_run(f, bulk_main, &t);
    vio_tls_creds_unref(t.client);
    vio_tls_creds_unref(t.server);
}

static void
deadline_main(void *opaque)
{
    IoTls *t = opaque;

    io_ends_cancel_after(&t->e, 20 * MS);
    g_assert_cmpint(vio_stream_co_start_tls(t->e.a,
                                            vio_tls_session_new(t->client, "x"),
                                            t->e.cancel),
                    ==, -ETIMEDOUT);
    io_ends_co_close(&t->e);
    vio_cancel_unref(t->e.cancel);
}

/* A server that does not answer. */
static void
test_deadline_of_the_handshake(IoFixture *f, gconstpointer engine)
{
    IoTls t;

    io_tls_open(&t, f, io_tls_psk(f, false, "c", "a", "a:" IO_TLS_KEY_A),
                io_tls_psk(f, true, "s", NULL, "a:" IO_TLS_KEY_A), NULL);
    t.e.cancel = vio_cancel_new();
    io_test_run(f, deadline_main, &t);
    vio_tls_creds_unref(t.client);
    vio_tls_creds_unref(t.server);
}

/* -- ends that come too early --------------------------------------------- */

/* Passes bytes between two sockets until told to cut. */
typedef struct Wire {
    IoTls t;       /* first */
    int middle[2]; /* the other ends of the streams' sockets */
    size_t limit;  /* bytes from the server that are still let through */
} Wire;

/* Coroutine entry: from the server to the client, until the limit. */
static void
wire_main(void *opaque)
{
    Wire *w = opaque;
    g_autofree char *buf = g_malloc(65536);

    while (w->limit > 0) {
        ssize_t n = vio_co_recv(w->t.e.loop, w->middle[1], buf,
                                MIN(w->limit, 65536u), 0, NULL);

        if (n <= 0)
            break;
        w->limit -= (size_t) n;
        g_assert_cmpint(send(w->middle[0], buf, (size_t) n, MSG_NOSIGNAL), ==,
                        n);
    }
    (void) shutdown(w->middle[0], SHUT_RDWR);
    (void) shutdown(w->middle[1], SHUT_RDWR);
    w->t.e.running--;
}

/* Coroutine entry: from the client to the server. */
static void
wire_back_main(void *opaque)
{
    Wire *w = opaque;
    char buf[2048];
    ssize_t n;

    while ((n = vio_co_recv(w->t.e.loop, w->middle[0], buf, sizeof(buf), 0,
                            NULL)) > 0)
        (void) send(w->middle[1], buf, (size_t) n, MSG_NOSIGNAL);
    w->t.e.running--;
}

static void
wire_open(Wire *w)
{
    int a[2], b[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, a), ==,
                    0);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, b), ==,
                    0);
    w->t.e.a = vio_stream_new(w->t.e.loop, a[0], a[0]);
    w->t.e.b = vio_stream_new(w->t.e.loop, b[0], b[0]);
    w->middle[0] = a[1];
    w->middle[1] = b[1];
}

/* Answers get through up to byte @limit.  Whatever that cuts, the client gets
 * an error or a clean end, never a byte that was not sent. */
static void
cut_once(Wire *w, size_t limit)
{
    const void *bytes;
    size_t have;
    int ret;

    wire_open(w);
    w->limit = limit;
    w->t.e.running = 3;
    vio_co_start(w->t.e.loop, wire_main, w);
    vio_co_start(w->t.e.loop, wire_back_main, w);
    vio_co_start(w->t.e.loop, io_tls_echo, &w->t);
    ret = vio_stream_co_start_tls(w->t.e.a,
                                  vio_tls_session_new(w->t.client, "x"), NULL);
    if (ret == 0)
        ret = vio_stream_co_send(w->t.e.a, "0123456789", 10, NULL, NULL);
    if (ret == 0)
        ret = vio_stream_co_peek(w->t.e.a, 10, &bytes, &have, NULL);
    g_assert_true(ret == -ECONNRESET || ret == -ENODATA || ret == -EPIPE);
    if (ret == -ECONNRESET && limit < 50)
        g_assert_nonnull(strstr(vio_stream_tls_why(w->t.e.a), "during"));
    vio_stream_abort(w->t.e.a);
    io_ends_co_close(&w->t.e);
    (void) close(w->middle[0]);
    (void) close(w->middle[1]);
}

/* The handshake with a key takes less than 300 bytes, the answer 32. */
static void
cuts_main(void *opaque)
{
    Wire *w = opaque;

    for (size_t limit = 0; limit < 200; limit += 7)
        cut_once(w, limit);
}

static void
test_cut_anywhere(IoFixture *f, gconstpointer engine)
{
    Wire w = {0};

    w.t.e.f = f;
    w.t.e.loop = f->loop;
    w.t.client = io_tls_psk(f, false, "c", "a", "a:" IO_TLS_KEY_A);
    w.t.server = io_tls_psk(f, true, "s", NULL, "a:" IO_TLS_KEY_A);
    io_test_run(f, cuts_main, &w);
    vio_tls_creds_unref(w.t.client);
    vio_tls_creds_unref(w.t.server);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    io_test_add("tls/names-and-addresses", test_names_and_addresses);
    io_test_add("tls/no-name-to-verify", test_no_name_to_verify);
    io_test_add("tls/expired-and-unknown", test_expired_and_unknown);
    io_test_add("tls/revoked", test_revoked);
    io_test_add("tls/client-certificates", test_client_certificates);
    io_test_add("tls/psk", test_psk);
    io_test_add("tls/psk-against-certificates", test_psk_against_certificates);
    io_test_add("tls/bad-certificate-files", test_bad_certificate_files);
    io_test_add("tls/bad-key-files", test_bad_key_files);
    io_test_add("tls/clear-bytes-before-the-handshake",
                test_clear_bytes_before_the_handshake);
    io_test_add("tls/bulk", test_bulk);
    io_test_add("tls/deadline-of-the-handshake",
                test_deadline_of_the_handshake);
    io_test_add("tls/cut-anywhere", test_cut_anywhere);
    return g_test_run();
}
