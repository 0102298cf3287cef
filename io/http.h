/* SPDX-License-Identifier: BSD-3-Clause */
/* io/http.h - a client of HTTP/1.1, plain or in TLS.
 *
 * The work is done by libcurl, which is in a module of its own (vdisk-http)
 * that is loaded on first use: linked in it would cost every start.  It sees
 * nothing but sockets and timers of the loop and never blocks; names are
 * looked up on threads of its own.
 *
 * Calls return a count, 0 or -errno, and with each failure *@why, to be freed:
 * the reason in words, with host and path, without user, query, header or
 * cookie.  A status of HTTP is a result, never an error.
 *
 *   -EHOSTUNREACH   no such name, no way there
 *   -ECONNREFUSED   nobody listens
 *   -EKEYREJECTED   the certificate is not the one that was asked for, or is
 *                   not to be trusted; nothing of a request has left
 *   -EPROTO         other trouble with TLS; what came is no HTTP, or too much
 *   -EINVAL         the request makes no sense: URL, scheme, header, file
 *   -ETIMEDOUT      no connection in time, or nothing moved for too long
 *   -ECONNRESET     the connection was lost in the middle
 *   -EMSGSIZE       the body is larger than the caller takes
 *   -ECANCELED      by the token; -ETIMEDOUT if by its deadline
 *   -EOPNOTSUPP     there is no module: vio_http_missing()
 *
 * Concurrency: coroutines of the client's loop, any number at a time.
 */
#pragma once

#include "io/cancel.h"
#include "io/loop.h"

#include <sys/types.h>

#define VIO_HTTP_MAX_HEAD (64u << 10) /* bytes of the headers of an answer */
#define VIO_HTTP_MAX_REDIRECTS 5

/* Connections that are kept, cookies, and whom to trust. */
typedef struct VioHttp VioHttp;

/* All that is not set is off, none or the default, which is the safe one. */
typedef struct VioHttpParams {
    /* Digest of the server's certificate, SHA-1 or SHA-256: 40 or 64 hex
     * digits, any case, with or without colons and blanks.  It alone decides:
     * authorities, names and dates are not looked at. */
    const char *thumbprint;
    const char *ca_file; /* PEM; NULL: those that the system trusts */
    bool insecure;       /* no look at the certificate at all */
    const char *proxy;   /* URL; NULL: none, whatever the environment says */
    bool proxy_from_env; /* ... but for this */
    const char *user, *password; /* Basic, with each request from the first */
    bool cookies;                /* take what servers set, for all requests */
    unsigned connections; /* kept for further requests; 0 = 4.  More requests
                             at a time have more connections. */
    uint64_t connect_ns;  /* name, connection and TLS; 0 = 30 s */
    uint64_t idle_ns;     /* without a byte while somebody waits; 0 = 60 s */
    /* Before a request is made again, once, to which the answer was 401: have
     * new headers ready (vio_http_set_headers).  One call at a time, whose
     * headers serve all requests that were refused.  @cancel is that of the
     * first one, or NULL.  False: leave it at that.  NULL: there is nothing to
     * renew.  Not for uploads. */
    bool (*co_renew)(void *arg, VioHttp *http, VioCancel *cancel);
    void *renew_arg;
} VioHttpParams;

/* NULL if there is a module. */
const char *vio_http_missing(void);

/* @params is copied.  Reads no file yet.  NULL and *@why on failure. */
VioHttp *vio_http_new(VioLoop *loop, const VioHttpParams *params, char **why);
/* Closes all connections.  No call may be under way, no exchange open. */
void vio_http_co_free(VioHttp *http);

/* Lines "Name: value" that go with all requests from now on, besides those of
 * the request itself; NULL: none.  For tickets and cookies: they are sent to
 * whatever host a request goes to. */
void vio_http_set_headers(VioHttp *http, const char *const *headers);

typedef struct VioHttpRequest {
    const char *method; /* GET, HEAD, POST, PUT, DELETE */
    const char *url;    /* http: or https:, percent-encoded, without a user */
    const char *shown;  /* what @*why calls it; NULL = vio_http_shown(url) */
    const char *const *headers; /* "Name: value", up to a NULL; or NULL */
    const void *body;           /* of call: what to send */
    size_t body_len;
    bool follow; /* GET and HEAD: go where the answer says, within this host
                    and never from https: to http: */
} VioHttpRequest;

typedef struct VioHttpReply {
    int status;         /* 200 ... */
    GPtrArray *headers; /* char *: "Name: value" lines as they came */
    void *body;         /* of call: a NUL behind it that does not count */
    size_t len;
} VioHttpReply;

void vio_http_reply_clear(VioHttpReply *reply); /* what it points to */
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VioHttpReply, vio_http_reply_clear)

/* The value of the header @name (any case), the @nth from 0 on if there are
 * several, or NULL.  Lives as long as the reply. */
const char *vio_http_header(const VioHttpReply *reply, const char *name,
                            unsigned nth);

/* The whole exchange.  @reply is set if 0 is returned.  @max_body: at most
 * 256 MiB. */
int vio_http_co_call(VioHttp *http, const VioHttpRequest *request,
                     size_t max_body, VioHttpReply *reply, VioCancel *cancel,
                     char **why);

/* -- piece by piece ------------------------------------------------------- */

/* One request and its answer; one coroutine at a time. */
typedef struct VioHttpExchange VioHttpExchange;

#define VIO_HTTP_CHUNKED (-1) /* as long as what is written */

/* Send a request (its body is not looked at) and wait until the head of the
 * answer is there.  The body comes by reading: while nobody reads, the server
 * is not read from either. */
int vio_http_co_open(VioHttp *http, const VioHttpRequest *request,
                     VioHttpExchange **out, VioCancel *cancel, char **why);

/* Begin an upload (PUT or POST) of @len bytes, or VIO_HTTP_CHUNKED.  Waits for
 * nothing: the first write tells whether there is a server. */
int vio_http_co_upload(VioHttp *http, const VioHttpRequest *request,
                       int64_t len, VioHttpExchange **out, char **why);

/* The head of the answer, without a body; NULL as long as there is none. */
const VioHttpReply *vio_http_exchange_reply(const VioHttpExchange *exchange);

/* Fills @buf; fewer bytes than @len: the body is over, and whole. */
ssize_t vio_http_co_read(VioHttpExchange *exchange, void *buf, size_t len,
                         VioCancel *cancel, char **why);

/* Returns when libcurl has taken all of it.  -EPIPE: the server has answered
 * and takes no more; see the reply. */
int vio_http_co_write(VioHttpExchange *exchange, const void *buf, size_t len,
                      VioCancel *cancel, char **why);

/* The body of an upload ends here: send what is left and wait for the head of
 * the answer, whose body is then there to be read.  Fails if less was written
 * than was announced. */
int vio_http_co_end(VioHttpExchange *exchange, VioCancel *cancel, char **why);

/* At any time; NULL is nothing.  What is not over is broken off by closing the
 * connection: no server can take half an upload for a whole one. */
void vio_http_co_close(VioHttpExchange *exchange);

/* -- names ---------------------------------------------------------------- */

/* For messages, to be freed: @url without user and query. */
char *vio_http_shown(const char *url);
