/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/http-server.h - a web server that does what a test wants, on
 * threads of its own, at 127.0.0.1. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct HttpServer HttpServer;

/* One connection. */
typedef struct HttpPeer {
    HttpServer *server;
    int fd;
    void *ssl;        /* or NULL */
    bool hang_up;     /* set by the test: no further request */
    char *head;       /* of the request, with the empty line */
    GByteArray *more; /* what came behind it already */
} HttpPeer;

/* Answers the request whose head is peer->head.  Any thread, several at a
 * time. */
typedef void (*HttpServerFunc)(HttpPeer *peer, void *arg);

/* @dir: of server-cert.pem and server-key.pem, for TLS; or NULL. */
HttpServer *http_server_new(HttpServerFunc fn, void *arg, const char *dir);
/* Ends all connections. */
void http_server_free(HttpServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpServer, http_server_free)

char *http_server_url(const HttpServer *server, const char *path);
int http_server_requests(HttpServer *server);
int http_server_connections(HttpServer *server);
/* Bytes that were handed to the system. */
gint64 http_server_sent(HttpServer *server);

/* False: the other end has gone. */
bool http_peer_send(HttpPeer *peer, const void *bytes, size_t len);
bool http_peer_say(HttpPeer *peer, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* A count, 0 at the end. */
size_t http_peer_read(HttpPeer *peer, void *buf, size_t len);
/* The whole answer. */
void http_peer_answer(HttpPeer *peer, const char *status, const char *headers,
                      const char *body);
/* Of the request line and headers; NULL; g_free. */
char *http_peer_path(const HttpPeer *peer);
char *http_peer_header(const HttpPeer *peer, const char *name);
