/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-io-http-tls.c - whom the client of HTTP trusts; and who may
 * have made its module, and with which library.
 *
 * Where it does not, the server must not have seen a byte of a request.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "io/http.h"
#include "io/module.h"
#include "tests/unit/http-server.h"
#include "tests/unit/io-certs.h"

#define LOOPBACK "IP:127.0.0.1"

typedef struct Try {
    IoFixture *f;
    HttpServer *server;
    VioHttpParams params;
    const char *url; /* or NULL: the server's */
    int ret;
    char *why;
} Try;

static void
serve(HttpPeer *peer, void *arg)
{
    http_peer_answer(peer, "200 OK", "", "hello");
}

static void
try_main(void *opaque)
{
    Try *t = opaque;
    g_autofree char *url = http_server_url(t->server, "/");
    VioHttpRequest request = {.method = "GET", .url = t->url ? t->url : url};
    g_auto(VioHttpReply) reply = {0};
    VioHttp *http = vio_http_new(t->f->loop, &t->params, &t->why);

    if (!http) {
        t->ret = -EINVAL;
        return;
    }
    t->ret = vio_http_co_call(http, &request, 1000, &reply, NULL, &t->why);
    if (t->ret == 0)
        g_assert_cmpstr(reply.body, ==, "hello");
    vio_http_co_free(http);
}

/* 0: it must work; else the error, and what @why must tell. */
static void
try_one(IoFixture *f, const char *dir, const VioHttpParams *params, int ret,
        const char *words)
{
    Try t = {.f = f, .params = *params};

    t.params.user = "u";
    t.params.password = "secret";
    t.server = http_server_new(serve, NULL, dir);
    io_test_run(f, try_main, &t);
    g_test_message("%s", t.why ? t.why : "good");
    g_assert_cmpint(t.ret, ==, ret);
    g_assert_cmpint(http_server_requests(t.server), ==, ret == 0);
    if (words)
        g_assert_nonnull(strstr(t.why, words));
    if (t.why)
        g_assert_null(strstr(t.why, "secret"));
    http_server_free(t.server);
    g_free(t.why);
}

/* In hex with @between between bytes. */
static char *
thumbprint(const char *dir, const EVP_MD *kind, const char *between)
{
    g_autofree char *path = g_build_filename(dir, "server-cert.pem", NULL);
    GString *text = g_string_new(NULL);
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    FILE *file = fopen(path, "r");
    X509 *cert = PEM_read_X509(file, NULL, NULL, NULL);

    g_assert_cmpint(X509_digest(cert, kind, digest, &len), ==, 1);
    for (unsigned i = 0; i < len; i++)
        g_string_append_printf(text, "%s%02X", i ? between : "", digest[i]);
    X509_free(cert);
    (void) fclose(file);
    return g_string_free(text, FALSE);
}

static void
test_thumbprint(IoFixture *f, gconstpointer engine)
{
    g_autofree char *dir = io_tls_pki(f, "pki", "DNS:elsewhere.example", 30);
    g_autofree char *other = io_tls_pki(f, "other", LOOPBACK, 30);
    g_autofree char *sha1 = thumbprint(dir, EVP_sha1(), ":");
    g_autofree char *sha256 = thumbprint(dir, EVP_sha256(), "");
    g_autofree char *lower = g_ascii_strdown(sha1, -1);
    g_autofree char *wrong1 = thumbprint(other, EVP_sha1(), " ");
    g_autofree char *wrong256 = thumbprint(other, EVP_sha256(), ":");
    g_autofree char *other_ca = g_build_filename(other, "ca-cert.pem", NULL);
    g_autofree char *ca = g_build_filename(dir, "ca-cert.pem", NULL);

    /* It alone decides, whatever else is right or wrong. */
    try_one(f, dir, &(VioHttpParams){.thumbprint = sha1}, 0, NULL);
    try_one(f, dir, &(VioHttpParams){.thumbprint = lower, .ca_file = other_ca},
            0, NULL);
    try_one(f, dir, &(VioHttpParams){.thumbprint = sha256}, 0, NULL);
    try_one(f, dir, &(VioHttpParams){.thumbprint = wrong1}, -EKEYREJECTED,
            sha1);
    try_one(f, dir, &(VioHttpParams){.thumbprint = wrong256, .ca_file = ca},
            -EKEYREJECTED, wrong256);
    try_one(f, dir, &(VioHttpParams){.thumbprint = wrong256, .insecure = true},
            -EKEYREJECTED, wrong256);
}

static void
test_bad_thumbprint(IoFixture *f, gconstpointer engine)
{
    g_autofree char *dir = io_tls_pki(f, "pki", LOOPBACK, 30);
    g_autofree char *sha1 = thumbprint(dir, EVP_sha1(), ":");
    g_autofree char *short_one = g_strndup(sha1, strlen(sha1) - 1);
    g_autofree char *long_one = g_strconcat(sha1, ":00", NULL);

    try_one(f, dir, &(VioHttpParams){.thumbprint = short_one}, -EINVAL, "40");
    try_one(f, dir, &(VioHttpParams){.thumbprint = long_one}, -EINVAL, "40");
    try_one(f, dir, &(VioHttpParams){.thumbprint = ""}, -EINVAL, "40");
    try_one(f, dir, &(VioHttpParams){.thumbprint = "xyz"}, -EINVAL, "40");
    /* There is nothing to be compared without TLS. */
    try_one(f, NULL, &(VioHttpParams){.thumbprint = sha1}, -EINVAL, "http");
}

static void
test_authorities(IoFixture *f, gconstpointer engine)
{
    g_autofree char *good = io_tls_pki(f, "good", LOOPBACK, 30);
    g_autofree char *other = io_tls_pki(f, "other", LOOPBACK, 30);
    g_autofree char *name = io_tls_pki(f, "name", "DNS:elsewhere.example", 30);
    g_autofree char *late = io_tls_pki(f, "late", LOOPBACK, 0);
    g_autofree char *good_ca = g_build_filename(good, "ca-cert.pem", NULL);
    g_autofree char *other_ca = g_build_filename(other, "ca-cert.pem", NULL);
    g_autofree char *name_ca = g_build_filename(name, "ca-cert.pem", NULL);
    g_autofree char *late_ca = g_build_filename(late, "ca-cert.pem", NULL);

    try_one(f, good, &(VioHttpParams){.ca_file = good_ca}, 0, NULL);
    try_one(f, good, &(VioHttpParams){.insecure = true}, 0, NULL);
    try_one(f, good, &(VioHttpParams){.ca_file = other_ca}, -EKEYREJECTED,
            "certificate");
    try_one(f, good, &(VioHttpParams){0}, -EKEYREJECTED, "certificate");
    try_one(f, name, &(VioHttpParams){.ca_file = name_ca}, -EKEYREJECTED,
            "name");
    try_one(f, late, &(VioHttpParams){.ca_file = late_ca}, -EKEYREJECTED,
            "expired");
    try_one(f, good, &(VioHttpParams){.ca_file = "/nonexistent"}, -EINVAL,
            "nonexistent");
}

static void
test_no_tls(IoFixture *f, gconstpointer engine)
{
    Try t = {.f = f, .server = http_server_new(serve, NULL, NULL)};
    g_autofree char *url = http_server_url(t.server, "/");
    g_autofree char *tls = g_strconcat("https", url + strlen("http"), NULL);

    t.url = tls;
    io_test_run(f, try_main, &t);
    g_test_message("%s", t.why);
    g_assert_cmpint(t.ret, ==, -EPROTO);
    g_assert_cmpint(http_server_requests(t.server), ==, 0);
    http_server_free(t.server);
    g_free(t.why);
}

/* -- the module ------------------------------------------------------------ */

#define TELL "--why-there-is-no-module"

static const char *program;

/* What a copy of this program finds in a build tree whose module is this one,
 * and whose folder has such a mode. */
static char *
told_by_copy(const IoFixture *f, unsigned mode, const char *made, gssize size)
{
    g_autofree char *bin = g_build_filename(f->dir, "tests/unit", NULL);
    g_autofree char *copy = g_build_filename(bin, "copy", NULL);
    g_autofree char *io = g_build_filename(f->dir, "io", NULL);
    g_autofree char *module = g_build_filename(io, "vdisk-http.so", NULL);
    g_autofree char *bytes = NULL;
    char *argv[] = {copy, (char *) TELL, NULL}, *told = NULL;
    gsize len;

    g_assert_true(g_file_get_contents(program, &bytes, &len, NULL));
    g_assert_cmpint(g_mkdir_with_parents(bin, 0755), ==, 0);
    g_assert_cmpint(g_mkdir_with_parents(io, 0755), ==, 0);
    g_assert_true(g_file_set_contents(copy, bytes, (gssize) len, NULL));
    g_assert_cmpint(g_chmod(copy, 0755), ==, 0);
    g_assert_true(g_file_set_contents(module, made, size, NULL));
    g_assert_cmpint(g_chmod(io, (int) mode), ==, 0);
    g_assert_true(g_spawn_sync(NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL,
                               &told, NULL, NULL, NULL));
    g_test_message("%s", told);
    return told;
}

static void
test_module_of_others(IoFixture *f, gconstpointer engine)
{
    g_autofree char *ours = told_by_copy(f, 0755, "no module", -1);
    g_autofree char *anybodys = told_by_copy(f, 0777, "no module", -1);

    g_assert_nonnull(strstr(ours, "io/vdisk-http.so"));
    g_assert_null(strstr(anybodys, "io/vdisk-http.so"));
}

/* What the module that was built becomes if it has @to wherever it has @from,
 * which is as long. */
static char *
told_by_altered(const IoFixture *f, const char *from, const char *to)
{
    g_autofree char *here = g_path_get_dirname(program);
    g_autofree char *built =
        g_build_filename(here, "../../io/vdisk-http.so", NULL);
    g_autofree char *bytes = NULL;
    char *at;
    gsize len;
    unsigned found = 0;

    g_assert_true(g_file_get_contents(built, &bytes, &len, NULL));
    at = bytes;
    while ((at = memmem(at, len - (gsize) (at - bytes), from, strlen(from)))) {
        memcpy(at, to, strlen(to));
        at += strlen(to);
        found++;
    }
    g_assert_cmpuint(found, >, 0);
    return told_by_copy(f, 0755, bytes, (gssize) len);
}

/* It has the same functions, and structures of the same sizes. */
static void
test_module_of_another_version(IoFixture *f, gconstpointer engine)
{
    g_autofree char *old = g_strdup(vio_module_stamp);
    g_autofree char *same = NULL, *other = NULL, *silent = NULL;

    old[strlen(old) - 1] = '?';
    same = told_by_altered(f, vio_module_stamp, vio_module_stamp);
    g_assert_cmpstr(same, ==, "nothing\n");
    other = told_by_altered(f, vio_module_stamp, old);
    g_assert_nonnull(strstr(other, "of another version"));
    g_assert_nonnull(strstr(other, old));
    g_assert_nonnull(strstr(other, vio_module_stamp));
    silent = told_by_altered(f, "vio_module_stamp", "vio_module_stomp");
    /* With the sanitizer of addresses a module looks for its own symbols. */
    g_assert_true(strstr(silent, "it says 'nothing'") ||
                  strstr(silent, "undefined symbol"));
}

int
main(int argc, char **argv)
{
    if (argc == 2 && g_str_equal(argv[1], TELL)) {
        g_print("%s\n", vio_http_missing() ? vio_http_missing() : "nothing");
        return 0;
    }
    program = argv[0];
    g_test_init(&argc, &argv, NULL);
    io_test_add("http-tls/thumbprint", test_thumbprint);
    io_test_add("http-tls/bad-thumbprint", test_bad_thumbprint);
    io_test_add("http-tls/authorities", test_authorities);
    io_test_add("http-tls/a-server-without", test_no_tls);
    io_test_add("http-tls/module-of-others", test_module_of_others);
    io_test_add("http-tls/module-of-another-version",
                test_module_of_another_version);
    return g_test_run();
}
