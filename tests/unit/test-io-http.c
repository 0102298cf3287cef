/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-io-http.c - the client of HTTP against servers good and
 * bad. */
#include <errno.h>

#include "io/http.h"
#include "io/sync.h"
#include "tests/unit/http-server.h"
#include "tests/unit/io-test.h"

#define MILLISECOND UINT64_C(1000000)
#define BODY_LIMIT (1u << 20)

/* One server and one client. */
typedef struct World {
    IoFixture *f;
    HttpServer *server;
    VioHttpParams params;
    VioHttp *http;
    VioHttpReply reply;
    char *why;
    int ret;
} World;

static void
world_co_open(World *w)
{
    char *why = NULL;

    w->http = vio_http_new(w->f->loop, &w->params, &why);
    g_assert_cmpstr(why, ==, NULL);
    g_assert_nonnull(w->http);
}

static void
world_co_close(World *w)
{
    vio_http_co_free(w->http);
    vio_http_reply_clear(&w->reply);
    g_clear_pointer(&w->why, g_free);
}

static void
world_co_call(World *w, const char *method, const char *path, bool follow)
{
    g_autofree char *url = http_server_url(w->server, path);
    VioHttpRequest request = {.method = method, .url = url, .follow = follow};

    vio_http_reply_clear(&w->reply);
    g_clear_pointer(&w->why, g_free);
    w->ret = vio_http_co_call(w->http, &request, BODY_LIMIT, &w->reply, NULL,
                              &w->why);
    g_assert_true((w->ret == 0) == (w->why == NULL));
}

static void
world_run(IoFixture *f, HttpServerFunc serve, void *arg, VioCoFunc test)
{
    World w = {.f = f, .server = http_server_new(serve, arg, NULL)};

    io_test_run(f, test, &w);
    http_server_free(w.server);
}

static void
assert_failed(const World *w, int ret, const char *words)
{
    g_test_message("%s", w->why);
    g_assert_cmpint(w->ret, ==, ret);
    g_assert_nonnull(strstr(w->why, words));
    g_assert_nonnull(strstr(w->why, "127.0.0.1"));
}

/* -- plain calls ---------------------------------------------------------- */

static void
serve_plain(HttpPeer *peer, void *arg)
{
    g_autofree char *path = http_peer_path(peer);
    g_autofree char *length = http_peer_header(peer, "Content-Length");
    g_autofree char *cookie = http_peer_header(peer, "Cookie");
    char body[256] = "";

    if (length)
        (void) http_peer_read(peer, body,
                              MIN(sizeof(body) - 1, strlen("ping")));
    if (g_str_equal(path, "/cookie"))
        http_peer_answer(peer, "200 OK", "Set-Cookie: a=\"b\"; Path=/\r\n",
                         cookie ? cookie : "none");
    else if (g_str_equal(path, "/chunks"))
        (void) http_peer_say(peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                                   "chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0"
                                   "\r\nTrailer: x\r\n\r\n");
    else
        http_peer_answer(peer, g_str_equal(path, "/") ? "200 OK" : "404 Gone",
                         "X-Two: 1\r\nx-two:  2\r\n", body[0] ? body : "hello");
}

static void
call_main(void *opaque)
{
    World *w = opaque;

    world_co_open(w);
    world_co_call(w, "GET", "/", false);
    g_assert_cmpint(w->reply.status, ==, 200);
    g_assert_cmpstr(w->reply.body, ==, "hello");
    g_assert_cmpuint(w->reply.len, ==, 5);
    g_assert_cmpstr(vio_http_header(&w->reply, "X-TWO", 0), ==, "1");
    g_assert_cmpstr(vio_http_header(&w->reply, "X-Two", 1), ==, "2");
    g_assert_null(vio_http_header(&w->reply, "X-Two", 2));
    world_co_call(w, "GET", "/nothing", false);
    g_assert_cmpint(w->reply.status, ==, 404);
    world_co_call(w, "GET", "/chunks", false);
    g_assert_cmpstr(w->reply.body, ==, "onetwo");
    g_assert_null(vio_http_header(&w->reply, "Trailer", 0));
    g_assert_cmpint(http_server_connections(w->server), ==, 1);
    world_co_close(w);
}

static void
test_calls_share_a_connection(IoFixture *f, gconstpointer engine)
{
    world_run(f, serve_plain, NULL, call_main);
}

static void
post_main(void *opaque)
{
    World *w = opaque;
    g_autofree char *url = http_server_url(w->server, "/");
    VioHttpRequest request = {
        .method = "POST", .url = url, .body = "ping", .body_len = 4};

    world_co_open(w);
    w->ret = vio_http_co_call(w->http, &request, BODY_LIMIT, &w->reply, NULL,
                              &w->why);
    g_assert_cmpint(w->ret, ==, 0);
    g_assert_cmpstr(w->reply.body, ==, "ping");
    world_co_call(w, "HEAD", "/", false);
    g_assert_cmpuint(w->reply.len, ==, 0);
    g_assert_cmpstr(vio_http_header(&w->reply, "content-length", 0), ==, "5");
    world_co_close(w);
}

static void
test_sends_a_body(IoFixture *f, gconstpointer engine)
{
    world_run(f, serve_plain, NULL, post_main);
}

static void
cookie_main(void *opaque)
{
    World *w = opaque;

    w->params.cookies = true;
    world_co_open(w);
    world_co_call(w, "GET", "/cookie", false);
    g_assert_cmpstr(w->reply.body, ==, "none");
    world_co_call(w, "GET", "/cookie", false);
    g_assert_cmpstr(w->reply.body, ==, "a=\"b\"");
    world_co_close(w);
}

static void
test_keeps_cookies(IoFixture *f, gconstpointer engine)
{
    world_run(f, serve_plain, NULL, cookie_main);
}

static bool
member_co_call(void *arg, GError **error)
{
    World w = *(World *) arg;

    w.reply = (VioHttpReply){0};
    w.why = NULL;
    for (int i = 0; i < 5; i++) {
        world_co_call(&w, "GET", "/", false);
        g_assert_cmpstr(w.reply.body, ==, "hello");
    }
    vio_http_reply_clear(&w.reply);
    return true;
}

static void
many_main(void *opaque)
{
    World *w = opaque;
    g_autoptr(VioCoGroup) group = vio_co_group_new(16);

    world_co_open(w);
    for (int i = 0; i < 16; i++)
        vio_co_group_spawn(group, member_co_call, w, NULL);
    g_assert_true(vio_co_group_join(group, NULL));
    g_assert_cmpint(http_server_requests(w->server), ==, 80);
    world_co_close(w);
}

static void
test_many_at_a_time(IoFixture *f, gconstpointer engine)
{
    world_run(f, serve_plain, NULL, many_main);
}

/* -- bad requests --------------------------------------------------------- */

static void
refuse_main(void *opaque)
{
    static const char *const headers[] = {"A: b\r\nEvil: yes", NULL};
    static const VioHttpRequest requests[] = {
        {.method = "GET", .url = "file:///etc/passwd"},
        {.method = "GET", .url = "ftp://127.0.0.1/x"},
        {.method = "GET", .url = "http://u:secret@127.0.0.1/"},
        {.method = "GET", .url = "http://127.0.0.1/a b"},
        {.method = "GET", .url = "http://127.0.0.1/a\r\nb"},
        {.method = "GET", .url = "http://127.0.0.1/", .headers = headers},
        {.method = "BREW", .url = "http://127.0.0.1/"},
        {.method = "GET", .url = "http://"},
    };
    World *w = opaque;

    world_co_open(w);
    for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
        g_autofree char *why = NULL;
        int ret = vio_http_co_call(w->http, &requests[i], BODY_LIMIT, &w->reply,
                                   NULL, &why);

        g_test_message("%s: %s", requests[i].url, why);
        g_assert_cmpint(ret, ==, -EINVAL);
        g_assert_nonnull(why);
        g_assert_null(strstr(why, "secret"));
    }
    vio_http_set_headers(w->http, headers);
    world_co_call(w, "GET", "/", false);
    g_assert_cmpint(w->ret, ==, -EINVAL);
    g_assert_cmpint(http_server_connections(w->server), ==, 0);
    world_co_close(w);
}

static void
test_refuses_bad_requests(IoFixture *f, gconstpointer engine)
{
    world_run(f, serve_plain, NULL, refuse_main);
}

static void
nobody_main(void *opaque)
{
    World *w = opaque;
    g_autofree char *url = http_server_url(w->server, "/x?secret=1");
    VioHttpRequest request = {.method = "GET", .url = url};

    world_co_open(w);
    http_server_free(g_steal_pointer(&w->server));
    w->ret = vio_http_co_call(w->http, &request, BODY_LIMIT, &w->reply, NULL,
                              &w->why);
    assert_failed(w, -ECONNREFUSED, "/x");
    g_assert_null(strstr(w->why, "secret"));
    world_co_close(w);
}

static void
test_nobody_listens(IoFixture *f, gconstpointer engine)
{
    World w = {.f = f, .server = http_server_new(serve_plain, NULL, NULL)};

    io_test_run(f, nobody_main, &w);
}

static void
test_shows_no_secrets(void)
{
    static const char *const pairs[][2] = {
        {"https://u:p@h:1/a/b?c=d", "https://h:1/a/b"},
        {"http://h/a@b", "http://h/a@b"},
        {"http://h?u@x", "http://h"},
        {"http://h/a#x=y", "http://h/a"},
        {"nonsense", "nonsense"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
        g_autofree char *shown = vio_http_shown(pairs[i][0]);

        g_assert_cmpstr(shown, ==, pairs[i][1]);
    }
}

/* -- bad servers ---------------------------------------------------------- */

static void
say_for_ever(HttpPeer *peer, const char *text)
{
    while (http_peer_say(peer, "%s", text))
        ;
    peer->hang_up = true;
}

static void
serve_badly(HttpPeer *peer, void *arg)
{
    g_autofree char *path = http_peer_path(peer);
    g_autofree char *long_line = g_strnfill(16384, 'x');
    char buf[16];

    peer->hang_up = true;
    if (g_str_equal(path, "/endless-headers")) {
        (void) http_peer_say(peer, "HTTP/1.1 200 OK\r\n");
        say_for_ever(peer, "A: b\r\n");
    } else if (g_str_equal(path, "/endless-line")) {
        (void) http_peer_say(peer, "HTTP/1.1 200 OK\r\nA: ");
        say_for_ever(peer, long_line);
    } else if (g_str_equal(path, "/endless-continue")) {
        say_for_ever(peer, "HTTP/1.1 100 Continue\r\n\r\n");
    } else if (g_str_equal(path, "/endless-body")) {
        (void) http_peer_say(peer, "HTTP/1.1 200 OK\r\n\r\n");
        say_for_ever(peer, long_line);
    } else if (g_str_equal(path, "/short")) {
        (void) http_peer_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"
                                   "\r\n12345");
    } else if (g_str_equal(path, "/short-chunk")) {
        (void) http_peer_say(peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                                   "chunked\r\n\r\n5\r\n12345\r\n");
    } else if (g_str_equal(path, "/no-http")) {
        (void) http_peer_say(peer, "SSH-2.0-OpenSSH_9.2\r\n");
    } else if (g_str_equal(path, "/two-lengths")) {
        (void) http_peer_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"
                                   "Content-Length: -5\r\n\r\n12345");
    } else if (g_str_equal(path, "/stall")) {
        (void) http_peer_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"
                                   "\r\n12345");
        (void) http_peer_read(peer, buf, sizeof(buf)); /* until it leaves */
    }
}

static void
bad_main(void *opaque)
{
    static const struct {
        const char *path;
        int ret;
    } cases[] = {
        {"/endless-headers", -EPROTO},  {"/endless-line", -EPROTO},
        {"/endless-continue", -EPROTO}, {"/endless-body", -EMSGSIZE},
        {"/short", -ECONNRESET},        {"/short-chunk", -ECONNRESET},
        {"/no-http", -EPROTO},          {"/two-lengths", -EPROTO},
        {"/hangs-up", -ECONNRESET},
    };
    World *w = opaque;

    world_co_open(w);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        world_co_call(w, "GET", cases[i].path, false);
        g_test_message("%s: %d", cases[i].path, w->ret);
        assert_failed(w, cases[i].ret, cases[i].path);
    }
    world_co_close(w);
}

static void
test_bad_servers(IoFixture *f, gconstpointer engine)
{
    world_run(f, serve_badly, NULL, bad_main);
}

static void
stall_main(void *opaque)
{
    World *w = opaque;

    w->params.idle_ns = 50 * MILLISECOND;
    world_co_open(w);
    world_co_call(w, "GET", "/stall", false);
    assert_failed(w, -ETIMEDOUT, "nothing moved");
    world_co_close(w);
}

static void
test_a_server_that_stalls(IoFixture *f, gconstpointer engine)
{
    world_run(f, serve_badly, NULL, stall_main);
}

static bool
member_co_cancel(void *arg, GError **error)
{
    (void) vio_co_sleep(vio_co_loop(), 20 * MILLISECOND, NULL);
    vio_cancel_fire(arg);
    return true;
}

static void
cancel_main(void *opaque)
{
    World *w = opaque;
    g_autofree char *url = http_server_url(w->server, "/stall");
    VioHttpRequest request = {.method = "GET", .url = url};
    g_autoptr(VioCancel) cancel = vio_cancel_new();
    g_autoptr(VioCoGroup) group = vio_co_group_new(1);

    world_co_open(w);
    vio_co_group_spawn(group, member_co_cancel, cancel, NULL);
    w->ret = vio_http_co_call(w->http, &request, BODY_LIMIT, &w->reply, cancel,
                              &w->why);
    assert_failed(w, -ECANCELED, "cancelled");
    g_clear_pointer(&w->why, g_free);
    w->ret = vio_http_co_call(w->http, &request, BODY_LIMIT, &w->reply, cancel,
                              &w->why);
    assert_failed(w, -ECANCELED, "cancelled");
    g_assert_true(vio_co_group_join(group, NULL));
    world_co_close(w);
}

static void
test_cancel(IoFixture *f, gconstpointer engine)
{
    world_run(f, serve_badly, NULL, cancel_main);
}

/* -- redirects ------------------------------------------------------------ */

static void
serve_redirects(HttpPeer *peer, void *arg)
{
    g_autofree char *path = http_peer_path(peer);
    g_autofree char *header = NULL;
    const char *to = strchr(path, '=');

    if (!to) {
        http_peer_answer(peer, "200 OK", "", "arrived");
        return;
    }
    header = g_strdup_printf("Location: %s\r\n", to + 1);
    http_peer_answer(peer, "302 Found", header, "elsewhere");
}

static void
redirect_main(void *opaque)
{
    static const char *const refused[] = {
        "/go=file:///etc/passwd",  "/go=http://127.0.0.2/x",
        "/go=https://127.0.0.1/x", "/go=http://127.0.0.1:1/x",
        "/go=//other.example/x",   "/go=gopher://127.0.0.1/",
        "/go=http://u:p@[::1]/",
    };
    World *w = opaque;

    world_co_open(w);
    world_co_call(w, "GET", "/go=/there", true);
    g_assert_cmpstr(w->reply.body, ==, "arrived");
    world_co_call(w, "GET", "/go=/there", false);
    g_assert_cmpint(w->reply.status, ==, 302);
    world_co_call(w, "POST", "/go=/there", true);
    g_assert_cmpint(w->reply.status, ==, 302);
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        world_co_call(w, "GET", refused[i], true);
        assert_failed(w, -EPROTO, "it is said");
    }
    world_co_call(w, "GET", "/go=/go=/go=/go=/go=/go=/go=/go=/x", true);
    assert_failed(w, -EPROTO, "one place to the next");
    world_co_close(w);
}

static void
test_redirects_stay_at_home(IoFixture *f, gconstpointer engine)
{
    world_run(f, serve_redirects, NULL, redirect_main);
}

/* -- renewing ------------------------------------------------------------- */

static void
serve_ticket(HttpPeer *peer, void *arg)
{
    g_autofree char *ticket = http_peer_header(peer, "Ticket");

    if (g_strcmp0(ticket, "new") == 0)
        http_peer_answer(peer, "200 OK", "", "welcome");
    else
        http_peer_answer(peer, "401 Who", "", "who?");
}

static bool
renew_co(void *arg, VioHttp *http, VioCancel *cancel)
{
    static const char *const good[] = {"Ticket: new", NULL};
    static const char *const bad[] = {"Ticket: bad", NULL};
    int *times = arg;

    vio_http_set_headers(http, ++*times == 1 ? good : bad);
    return *times <= 2;
}

static void
renew_main(void *opaque)
{
    static const char *const old[] = {"Ticket: old", NULL};
    World *w = opaque;
    int times = 0;

    w->params.co_renew = renew_co;
    w->params.renew_arg = &times;
    world_co_open(w);
    vio_http_set_headers(w->http, old);
    world_co_call(w, "GET", "/", false);
    g_assert_cmpstr(w->reply.body, ==, "welcome");
    g_assert_cmpint(times, ==, 1);
    vio_http_set_headers(w->http, old);
    for (int i = 2; i <= 3; i++) { /* with no use, then not at all */
        world_co_call(w, "GET", "/", false);
        g_assert_cmpint(w->reply.status, ==, 401);
        g_assert_cmpint(times, ==, i);
    }
    world_co_close(w);
}

static void
test_renews_once(IoFixture *f, gconstpointer engine)
{
    world_run(f, serve_ticket, NULL, renew_main);
}

/* -- piece by piece ------------------------------------------------------- */

#define LARGE (40u << 20)

static void
serve_large(HttpPeer *peer, void *arg)
{
    g_autofree uint8_t *block = g_malloc(1u << 20);

    (void) http_peer_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n",
                         LARGE);
    for (uint64_t off = 0; off < LARGE; off += 1u << 20) {
        for (size_t i = 0; i < 1u << 20; i++)
            block[i] = io_test_byte(off + i);
        if (!http_peer_send(peer, block, 1u << 20))
            break;
    }
}

static void
download_main(void *opaque)
{
    World *w = opaque;
    g_autofree char *url = http_server_url(w->server, "/");
    VioHttpRequest request = {.method = "GET", .url = url};
    VioHttpExchange *exchange = NULL;
    size_t step = 100001, len = LARGE / 4;
    g_autofree uint8_t *buf = g_malloc(step);

    world_co_open(w);
    g_assert_cmpint(
        vio_http_co_open(w->http, &request, &exchange, NULL, &w->why), ==, 0);
    for (uint64_t off = 0; off < len; off += step) {
        g_assert_cmpint(vio_http_co_read(exchange, buf, step, NULL, &w->why),
                        ==, (ssize_t) step);
        io_test_assert_pattern(buf, off, step);
    }
    /* While nobody reads, what has left the server is in sockets. */
    (void) vio_co_sleep(w->f->loop, 50 * MILLISECOND, NULL);
    g_assert_cmpint(http_server_sent(w->server), <, LARGE * 3 / 4);
    vio_http_co_close(exchange); /* in the middle */
    world_co_close(w);
}

static void
test_reads_as_it_likes(IoFixture *f, gconstpointer engine)
{
    world_run(f, serve_large, NULL, download_main);
}

/* What an upload came to. */
typedef struct Upload {
    int whole, broken;
    gint64 bytes;
} Upload;

#define UPLOAD_READ (64u << 10)

/* Chunks, up to the last one; or bytes, up to the length. */
static void
serve_upload(HttpPeer *peer, void *arg)
{
    g_autofree char *length = http_peer_header(peer, "Content-Length");
    g_autofree char *expect = http_peer_header(peer, "Expect");
    g_autofree char *path = http_peer_path(peer);
    g_autoptr(GByteArray) got = g_byte_array_new();
    guint64 want = length ? g_ascii_strtoull(length, NULL, 10) : 0;
    Upload *upload = arg;
    g_autofree char *buf = g_malloc(UPLOAD_READ);
    size_t n;

    if (g_str_equal(path, "/forbidden")) {
        http_peer_answer(peer, "403 No", "", "go away");
        return;
    }
    if (expect)
        (void) http_peer_say(peer, "HTTP/1.1 100 Continue\r\n\r\n");
    if (g_str_equal(path, "/hasty")) {
        (void) http_peer_read(peer, buf, UPLOAD_READ);
        http_peer_answer(peer, "201 Created", "", "thanks");
        while (http_peer_read(peer, buf, UPLOAD_READ) > 0)
            ;
        return;
    }
    while ((length ? got->len < want
                   : got->len < 5 ||
                         memcmp(got->data + got->len - 5, "0\r\n\r\n", 5)) &&
           (n = http_peer_read(peer, buf, UPLOAD_READ)) > 0)
        g_byte_array_append(got, (uint8_t *) buf, (guint) n);
    __atomic_store_n(&upload->bytes, got->len, __ATOMIC_SEQ_CST);
    if (length ? got->len == want
               : got->len >= 5 &&
                     !memcmp(got->data + got->len - 5, "0\r\n\r\n", 5)) {
        __atomic_add_fetch(&upload->whole, 1, __ATOMIC_SEQ_CST);
        http_peer_answer(peer, "201 Created", "", "thanks");
    } else {
        __atomic_add_fetch(&upload->broken, 1, __ATOMIC_SEQ_CST);
    }
}

#define UPLOAD_STEP (300u << 10)
#define UPLOAD_STEPS 10

/* All of it, or all but its end. */
static void
upload_co_one(World *w, int64_t len, bool whole)
{
    g_autofree char *url = http_server_url(w->server, "/up");
    g_autofree uint8_t *buf = g_malloc0(UPLOAD_STEP);
    VioHttpRequest request = {.method = "PUT", .url = url};
    VioHttpExchange *exchange = NULL;
    char *why = NULL;

    g_assert_cmpint(vio_http_co_upload(w->http, &request, len, &exchange, &why),
                    ==, 0);
    for (int i = 0; i < UPLOAD_STEPS; i++)
        g_assert_cmpint(
            vio_http_co_write(exchange, buf, UPLOAD_STEP, NULL, &why), ==, 0);
    if (whole) {
        g_assert_cmpint(vio_http_co_end(exchange, NULL, &why), ==, 0);
        g_assert_cmpint(vio_http_exchange_reply(exchange)->status, ==, 201);
        g_assert_cmpint(vio_http_co_read(exchange, buf, 100, NULL, &why), ==,
                        6);
    }
    vio_http_co_close(exchange);
}

static void
upload_main(void *opaque)
{
    World *w = opaque;

    world_co_open(w);
    upload_co_one(w, VIO_HTTP_CHUNKED, true);
    upload_co_one(w, UPLOAD_STEPS * UPLOAD_STEP, true);
    upload_co_one(w, VIO_HTTP_CHUNKED, false);
    upload_co_one(w, UPLOAD_STEPS * UPLOAD_STEP + 1, false);
    world_co_close(w);
}

static void
test_uploads_whole_or_broken(IoFixture *f, gconstpointer engine)
{
    Upload upload = {0};

    world_run(f, serve_upload, &upload, upload_main);
    g_assert_cmpint(upload.whole, ==, 2);
    g_assert_cmpint(upload.broken, ==, 2);
}

/* Until it fails. */
static void
upload_co_endlessly(World *w, const char *path, int64_t len)
{
    g_autofree char *url = http_server_url(w->server, path);
    g_autofree uint8_t *buf = g_malloc0(UPLOAD_STEP);
    VioHttpRequest request = {.method = "PUT", .url = url};
    VioHttpExchange *exchange = NULL;

    g_clear_pointer(&w->why, g_free);
    w->ret = vio_http_co_upload(w->http, &request, len, &exchange, &w->why);
    for (int i = 0; i < 1000 && w->ret == 0; i++)
        w->ret = vio_http_co_write(exchange, buf, UPLOAD_STEP, NULL, &w->why);
    if (w->ret == -EPIPE)
        g_assert_cmpint(vio_http_exchange_reply(exchange)->status, ==, 403);
    vio_http_co_close(exchange);
}

static void
forbidden_main(void *opaque)
{
    World *w = opaque;

    world_co_open(w);
    upload_co_endlessly(w, "/forbidden", VIO_HTTP_CHUNKED);
    g_assert_cmpint(w->ret, ==, -EPIPE);
    upload_co_endlessly(w, "/hasty", VIO_HTTP_CHUNKED);
    assert_failed(w, -EPROTO, "before it had all");
    upload_co_endlessly(w, "/hasty", INT64_MAX);
    assert_failed(w, -EPROTO, "before it had all");
    world_co_close(w);
}

static void
test_upload_that_is_refused(IoFixture *f, gconstpointer engine)
{
    Upload upload = {0};

    world_run(f, serve_upload, &upload, forbidden_main);
    g_assert_cmpint(upload.whole, ==, 0);
}

static void
less_main(void *opaque)
{
    World *w = opaque;
    g_autofree char *url = http_server_url(w->server, "/up");
    VioHttpRequest request = {.method = "PUT", .url = url};
    VioHttpExchange *exchange = NULL;

    world_co_open(w);
    g_assert_cmpint(
        vio_http_co_upload(w->http, &request, 10, &exchange, &w->why), ==, 0);
    g_assert_cmpint(vio_http_co_write(exchange, "12345", 5, NULL, &w->why), ==,
                    0);
    w->ret = vio_http_co_end(exchange, NULL, &w->why);
    assert_failed(w, -EINVAL, "less was sent");
    vio_http_co_close(exchange);
    world_co_close(w);
}

static void
test_upload_that_is_too_short(IoFixture *f, gconstpointer engine)
{
    Upload upload = {0};

    world_run(f, serve_upload, &upload, less_main);
    g_assert_cmpint(upload.whole, ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/io/http/shows-no-secrets", test_shows_no_secrets);
    io_test_add("http/calls-share-a-connection", test_calls_share_a_connection);
    io_test_add("http/sends-a-body", test_sends_a_body);
    io_test_add("http/keeps-cookies", test_keeps_cookies);
    io_test_add("http/many-at-a-time", test_many_at_a_time);
    io_test_add("http/refuses-bad-requests", test_refuses_bad_requests);
    io_test_add("http/nobody-listens", test_nobody_listens);
    io_test_add("http/bad-servers", test_bad_servers);
    io_test_add("http/a-server-that-stalls", test_a_server_that_stalls);
    io_test_add("http/cancel", test_cancel);
    io_test_add("http/redirects-stay-at-home", test_redirects_stay_at_home);
    io_test_add("http/renews-once", test_renews_once);
    io_test_add("http/reads-as-it-likes", test_reads_as_it_likes);
    io_test_add("http/uploads-whole-or-broken", test_uploads_whole_or_broken);
    io_test_add("http/upload-that-is-refused", test_upload_that_is_refused);
    io_test_add("http/upload-that-is-too-short", test_upload_that_is_too_short);
    return g_test_run();
}
