/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/http-server.c - a web server that does what a test wants. */
#include "tests/unit/http-server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX (64u << 10)
#define TLS_HANDSHAKE 0x16 /* how a client of TLS begins */

struct HttpServer {
    HttpServerFunc fn;
    void *arg;
    SSL_CTX *ctx; /* or NULL */
    int listener, port;
    GThread *thread;
    pthread_mutex_t lock; /* TSan does not see GLib's */
    GPtrArray *threads;   /* of connections; under the lock */
    GArray *fds;          /* int, open ones; under the lock */
    bool stopping;        /* under the lock */
    int requests, connections;
    gint64 sent;
};

/* -- bytes ---------------------------------------------------------------- */

static ssize_t
peer_send_some(HttpPeer *peer, const void *bytes, size_t len)
{
    if (peer->ssl)
        return SSL_write(peer->ssl, bytes, (int) MIN(len, 16384u));
    return send(peer->fd, bytes, len, MSG_NOSIGNAL);
}

bool
http_peer_send(HttpPeer *peer, const void *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = peer_send_some(peer, bytes, len);

        if (n <= 0)
            return false;
        __atomic_add_fetch(&peer->server->sent, n, __ATOMIC_SEQ_CST);
        bytes = (const char *) bytes + n;
        len -= (size_t) n;
    }
    return true;
}

bool
http_peer_say(HttpPeer *peer, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    return http_peer_send(peer, text, strlen(text));
}

void
http_peer_answer(HttpPeer *peer, const char *status, const char *headers,
                 const char *body)
{
    (void) http_peer_say(peer, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n%s",
                         status, strlen(body), headers, body);
}

size_t
http_peer_read(HttpPeer *peer, void *buf, size_t len)
{
    size_t now = MIN(len, peer->more->len);
    ssize_t n;

    if (now > 0) {
        memcpy(buf, peer->more->data, now);
        g_byte_array_remove_range(peer->more, 0, (guint) now);
        return now;
    }
    n = peer->ssl ? SSL_read(peer->ssl, buf, (int) len)
                  : recv(peer->fd, buf, len, 0);
    return n > 0 ? (size_t) n : 0;
}

/* -- requests ------------------------------------------------------------- */

char *
http_peer_path(const HttpPeer *peer)
{
    g_auto(GStrv) words = g_strsplit(peer->head, " ", 3);

    return g_strdup(g_strv_length(words) > 1 ? words[1] : "");
}

char *
http_peer_header(const HttpPeer *peer, const char *name)
{
    g_auto(GStrv) lines = g_strsplit(peer->head, "\r\n", -1);
    size_t len = strlen(name);

    for (char **line = lines; *line; line++)
        if (g_ascii_strncasecmp(*line, name, len) == 0 && (*line)[len] == ':')
            return g_strdup(g_strstrip(*line + len + 1));
    return NULL;
}

static bool
peer_read_head(HttpPeer *peer)
{
    GByteArray *got = peer->more;
    char buf[2048];

    g_clear_pointer(&peer->head, g_free);
    while (got->len < HEAD_MAX) {
        const char *end =
            got->len ? g_strstr_len((char *) got->data, got->len, "\r\n\r\n")
                     : NULL;
        ssize_t n;

        if (end) {
            size_t len = (size_t) (end + 4 - (char *) got->data);

            peer->head = g_strndup((char *) got->data, len);
            g_byte_array_remove_range(got, 0, (guint) len);
            return true;
        }
        n = peer->ssl ? SSL_read(peer->ssl, buf, sizeof(buf))
                      : recv(peer->fd, buf, sizeof(buf), 0);
        if (n <= 0)
            return false;
        g_byte_array_append(got, (uint8_t *) buf, (guint) n);
        if (!peer->ssl && got->data[0] == TLS_HANDSHAKE) {
            (void) http_peer_say(peer, "HTTP/1.1 400 What\r\n\r\n");
            return false;
        }
    }
    return false;
}

static void
peer_serve(HttpPeer *peer)
{
    if (peer->ssl && SSL_accept(peer->ssl) != 1)
        return;
    while (!peer->hang_up && peer_read_head(peer)) {
        __atomic_add_fetch(&peer->server->requests, 1, __ATOMIC_SEQ_CST);
        peer->server->fn(peer, peer->server->arg);
    }
}

/* -- life ----------------------------------------------------------------- */

static void
server_forget(HttpServer *server, int fd)
{
    pthread_mutex_lock(&server->lock);
    for (guint i = 0; i < server->fds->len; i++)
        if (g_array_index(server->fds, int, i) == fd) {
            g_array_remove_index_fast(server->fds, i);
            break;
        }
    (void) close(fd);
    pthread_mutex_unlock(&server->lock);
}

static void *
peer_thread(void *opaque)
{
    HttpPeer *peer = opaque;
    sigset_t pipe;

    /* OpenSSL writes to who has gone.  In other threads it would still kill. */
    (void) sigemptyset(&pipe);
    (void) sigaddset(&pipe, SIGPIPE);
    (void) pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    peer_serve(peer);
    SSL_free(peer->ssl);
    server_forget(peer->server, peer->fd);
    g_byte_array_unref(peer->more);
    g_free(peer->head);
    g_free(peer);
    return NULL;
}

static void
server_take(HttpServer *server, int fd)
{
    HttpPeer *peer = g_new0(HttpPeer, 1);

    peer->server = server;
    peer->fd = fd;
    peer->more = g_byte_array_new();
    if (server->ctx) {
        peer->ssl = SSL_new(server->ctx);
        g_assert_cmpint(SSL_set_fd(peer->ssl, fd), ==, 1);
    }
    __atomic_add_fetch(&server->connections, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_lock(&server->lock);
    if (server->stopping)
        (void) shutdown(fd, SHUT_RDWR);
    g_array_append_val(server->fds, fd);
    g_ptr_array_add(server->threads, g_thread_new("peer", peer_thread, peer));
    pthread_mutex_unlock(&server->lock);
}

static void *
server_thread(void *opaque)
{
    HttpServer *server = opaque;
    int fd;

    while ((fd = accept(server->listener, NULL, NULL)) >= 0)
        server_take(server, fd);
    return NULL;
}

static void
server_listen(HttpServer *server)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof(addr);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(server->listener, >=, 0);
    g_assert_cmpint(bind(server->listener, (struct sockaddr *) &addr, len), ==,
                    0);
    g_assert_cmpint(listen(server->listener, 64), ==, 0);
    g_assert_cmpint(
        getsockname(server->listener, (struct sockaddr *) &addr, &len), ==, 0);
    server->port = ntohs(addr.sin_port);
}

static SSL_CTX *
server_context(const char *dir)
{
    g_autofree char *cert = g_build_filename(dir, "server-cert.pem", NULL);
    g_autofree char *key = g_build_filename(dir, "server-key.pem", NULL);
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    g_assert_cmpint(SSL_CTX_use_certificate_chain_file(ctx, cert), ==, 1);
    g_assert_cmpint(SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM), ==,
                    1);
    return ctx;
}

HttpServer *
http_server_new(HttpServerFunc fn, void *arg, const char *dir)
{
    HttpServer *server = g_new0(HttpServer, 1);

    server->fn = fn;
    server->arg = arg;
    server->ctx = dir ? server_context(dir) : NULL;
    pthread_mutex_init(&server->lock, NULL);
    server->threads = g_ptr_array_new();
    server->fds = g_array_new(FALSE, FALSE, sizeof(int));
    server_listen(server);
    server->thread = g_thread_new("server", server_thread, server);
    return server;
}

void
http_server_free(HttpServer *server)
{
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    for (guint i = 0; i < server->fds->len; i++)
        (void) shutdown(g_array_index(server->fds, int, i), SHUT_RDWR);
    pthread_mutex_unlock(&server->lock);
    (void) shutdown(server->listener, SHUT_RDWR);
    (void) g_thread_join(server->thread);
    for (guint i = 0; i < server->threads->len; i++)
        (void) g_thread_join(g_ptr_array_index(server->threads, i));
    (void) close(server->listener);
    SSL_CTX_free(server->ctx);
    g_ptr_array_unref(server->threads);
    g_array_unref(server->fds);
    pthread_mutex_destroy(&server->lock);
    g_free(server);
}

char *
http_server_url(const HttpServer *server, const char *path)
{
    return g_strdup_printf("http%s://127.0.0.1:%d%s", server->ctx ? "s" : "",
                           server->port, path);
}

int
http_server_requests(HttpServer *server)
{
    return __atomic_load_n(&server->requests, __ATOMIC_SEQ_CST);
}

int
http_server_connections(HttpServer *server)
{
    return __atomic_load_n(&server->connections, __ATOMIC_SEQ_CST);
}

gint64
http_server_sent(HttpServer *server)
{
    return __atomic_load_n(&server->sent, __ATOMIC_SEQ_CST);
}
