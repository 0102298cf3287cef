/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-io-tls-pin.c - servers known by their thumbprints, and
 * leaving TLS in the middle of a connection. */
#include "tests/unit/io-tls-ends.h"

#include <errno.h>
#include <sys/socket.h>

/* -- thumbprints ---------------------------------------------------------- */

/* The digest of the server's certificate in @dir, as hex digits. */
static char *
cert_digest(const char *dir, GChecksumType type)
{
    g_autofree char *path = g_build_filename(dir, "server-cert.pem", NULL);
    g_autofree char *pem = NULL;
    g_autofree guchar *der = NULL;
    char *begin;
    gsize len;

    g_assert_true(g_file_get_contents(path, &pem, NULL, NULL));
    begin = strchr(pem, '\n');
    *strstr(begin, "-----END") = '\0';
    der = g_base64_decode(begin, &len);
    return g_compute_checksum_for_data(type, der, len);
}

/* As vSphere writes them. */
static char *
with_colons(const char *digits)
{
    GString *out = g_string_new(NULL);

    for (; *digits; digits += 2)
        g_string_append_printf(out, "%s%.2s", out->len > 0 ? ":" : "", digits);
    return g_string_free(g_string_ascii_up(out), FALSE);
}

static VioTlsCreds *
pinned(const char *dir, const char *thumbprint)
{
    VioTlsParams params = {
        .dir = dir,
        .verify_peer = true,
        .thumbprint = thumbprint,
    };
    g_autofree char *why = NULL;
    VioTlsCreds *creds = vio_tls_creds_new(&params, &why);

    g_assert_cmpstr(why, ==, NULL);
    return creds;
}

/* Neither the name nor the date nor the authority count, nor that there is no
 * name at all. */
static void
test_thumbprint_alone_decides(IoFixture *f, gconstpointer engine)
{
    g_autofree char *dir = io_tls_pki(f, "old", "DNS:a.example", 0);
    g_autofree char *other = io_tls_pki(f, "other", NULL, 100);
    g_autofree char *none = g_build_filename(f->dir, "none", NULL);
    g_autofree char *sha1 = cert_digest(dir, G_CHECKSUM_SHA1);
    g_autofree char *sha256 = cert_digest(dir, G_CHECKSUM_SHA256);
    g_autofree char *text = with_colons(sha1);
    g_autofree char *found = cert_digest(other, G_CHECKSUM_SHA1);
    g_autofree char *found_text = with_colons(found);
    g_autofree char *why =
        g_strdup_printf("thumbprint %s, not %s", found_text, text);

    io_tls_assert_agree(f, pinned(none, sha1), io_tls_x509(true, dir, false),
                        "b");
    io_tls_assert_agree(f, pinned(none, text), io_tls_x509(true, dir, false),
                        NULL);
    io_tls_assert_agree(f, pinned(dir, sha256), io_tls_x509(true, dir, false),
                        NULL);
    io_tls_assert_refused(f, pinned(other, text),
                          io_tls_x509(true, other, false), NULL, why,
                          "certificate");
    io_tls_assert_refused(f, pinned(none, sha256),
                          io_tls_x509(true, other, false), "a.example",
                          ", not ", "certificate");
}

static void
mistaken_main(void *opaque)
{
    IoTls *t = opaque;

    io_tls_co_begin(t);
    g_assert_cmpint(t->client_ret, ==, -EKEYREJECTED);
    while (t->e.running > 0)
        g_assert_cmpint(vio_co_sleep(t->e.loop, MS / 10, NULL), ==, 0);
}

/* Told apart from all else that goes wrong, which may be tried again. */
static void
test_thumbprint_has_its_own_error(IoFixture *f, gconstpointer engine)
{
    g_autofree char *dir = io_tls_pki(f, "pki", "DNS:a.example", 100);
    IoTls t;

    io_tls_open(&t, f,
                pinned(dir, "00:11:22:33:44 55 66 77 88 99 aa bb cc dd ee "
                            "ff 00 11 22 33"),
                io_tls_x509(true, dir, false), "a.example");
    io_test_run(f, mistaken_main, &t);
    io_tls_close(&t);
}

static void
test_bad_thumbprints(IoFixture *f, gconstpointer engine)
{
    static const char *const bad[] = {
        "",
        "00112233445566778899aabbccddeeff0011223",
        "00112233445566778899aabbccddeeff001122334455",
        "0g112233445566778899aabbccddeeff00112233",
        IO_TLS_KEY_A "00",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        VioTlsParams params = {.thumbprint = bad[i]};

        io_tls_assert_bad_params(&params, "thumbprint is 40");
    }
}

/* -- old servers ----------------------------------------------------------- */

static VioTlsCreds *
lenient(bool server, const char *dir)
{
    VioTlsParams params = {
        .server = server,
        .dir = dir,
        .verify_peer = !server,
        .low_security = true,
    };
    g_autofree char *why = NULL;
    VioTlsCreds *creds = vio_tls_creds_new(&params, &why);

    g_assert_cmpstr(why, ==, NULL);
    return creds;
}

static void
test_short_keys_where_allowed(IoFixture *f, gconstpointer engine)
{
    g_autofree char *dir = g_build_filename(f->dir, "pki", NULL);
    g_autoptr(IoCa) ca = io_ca_new(dir, "test CA");

    io_ca_sign_short(ca, dir, "server", "DNS:a.example");
    io_tls_assert_refused(f, io_tls_x509(false, dir, true), lenient(true, dir),
                          "a.example", "key too weak", NULL);
    io_tls_assert_agree(f, lenient(false, dir), lenient(true, dir),
                        "a.example");
}

/* -- leaving -------------------------------------------------------------- */

/* Coroutine entry: a server that leaves TLS behind its answer, talks in clear,
 * and begins anew. */
static void
leaving_server(void *opaque)
{
    IoTls *t = opaque;
    VioStream *b = t->e.b;

    g_assert_cmpint(
        vio_stream_co_start_tls(b, vio_tls_session_new(t->server, NULL), NULL),
        ==, 0);
    io_ends_co_expect(b, "leave");
    io_ends_co_send(b, "200\n");
    g_assert_cmpint(vio_stream_co_leave_tls(b, NULL), ==, 0);
    io_ends_co_expect(b, "clear");
    io_ends_co_send(b, "very clear");
    g_assert_cmpint(vio_stream_co_flush(b, NULL), ==, 0);
    g_assert_cmpint(
        vio_stream_co_start_tls(b, vio_tls_session_new(t->server, NULL), NULL),
        ==, 0);
    io_ends_co_expect(b, "again");
    t->e.running--;
}

/* What a look at the socket finds: clear text, or records of TLS. */
static void
leaving_main(void *opaque)
{
    IoTls *t = opaque;
    VioStream *a = t->e.a;

    t->e.running = 1;
    vio_co_start(t->e.loop, leaving_server, t);
    g_assert_cmpint(
        vio_stream_co_start_tls(a, vio_tls_session_new(t->client, NULL), NULL),
        ==, 0);
    io_ends_co_send(a, "leave");
    io_ends_co_expect(a, "200\n");
    g_assert_cmpint(vio_stream_co_leave_tls(a, NULL), ==, 0);
    g_assert_cmpstr(vio_stream_tls_why(a), ==, NULL);
    io_ends_co_send(a, "clear");
    io_ends_co_expect(a, "very clear");
    g_assert_cmpint(
        vio_stream_co_start_tls(a, vio_tls_session_new(t->client, NULL), NULL),
        ==, 0);
    io_ends_co_send(a, "again");
    while (t->e.running > 0)
        g_assert_cmpint(vio_co_sleep(t->e.loop, MS / 10, NULL), ==, 0);
}

static void
test_leave_and_begin_anew(IoFixture *f, gconstpointer engine)
{
    g_autofree char *dir = io_tls_pki(f, "pki", "DNS:a.example", 100);
    g_autofree char *sha256 = cert_digest(dir, G_CHECKSUM_SHA256);
    IoTls t;

    io_tls_open(&t, f, pinned(dir, sha256), io_tls_x509(true, dir, false),
                NULL);
    io_test_run(f, leaving_main, &t);
    io_tls_close(&t);
}

/* More has been deciphered than was wanted: nobody knows to whom it belongs. */
static void
leave_early_main(void *opaque)
{
    IoTls *t = opaque;
    const void *bytes;
    size_t have;

    io_tls_co_begin(t);
    io_ends_co_send(t->e.a, "200\nmore");
    g_assert_cmpint(vio_stream_co_peek(t->e.a, 8, &bytes, &have, NULL), ==, 0);
    vio_stream_consume(t->e.a, 4);
    g_assert_cmpint(vio_stream_co_leave_tls(t->e.a, NULL), ==, -EBADMSG);
    g_assert_cmpint(vio_stream_co_peek(t->e.a, 1, &bytes, &have, NULL), ==,
                    -EBADMSG);
    g_assert_cmpint(vio_stream_co_send(t->e.a, "x", 1, NULL, NULL), ==,
                    -EBADMSG);
    g_assert_cmpint(shutdown(t->fd[0], SHUT_WR), ==, 0);
    while (t->e.running > 0)
        g_assert_cmpint(vio_co_sleep(t->e.loop, MS / 10, NULL), ==, 0);
}

static void
test_leave_with_bytes_left(IoFixture *f, gconstpointer engine)
{
    IoTls t;

    io_tls_open(&t, f, io_tls_psk(f, false, "c", "a", "a:" IO_TLS_KEY_A),
                io_tls_psk(f, true, "s", NULL, "a:" IO_TLS_KEY_A), NULL);
    io_test_run(f, leave_early_main, &t);
    io_tls_close(&t);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    io_test_add("tls/thumbprint-alone-decides", test_thumbprint_alone_decides);
    io_test_add("tls/thumbprint-has-its-own-error",
                test_thumbprint_has_its_own_error);
    io_test_add("tls/bad-thumbprints", test_bad_thumbprints);
    io_test_add("tls/short-keys-where-allowed", test_short_keys_where_allowed);
    io_test_add("tls/leave-and-begin-anew", test_leave_and_begin_anew);
    io_test_add("tls/leave-with-bytes-left", test_leave_with_bytes_left);
    return g_test_run();
}
