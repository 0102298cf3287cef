/* SPDX-License-Identifier: BSD-3-Clause */
/* io/http-internal.h - between the client of HTTP and the module that knows
 * libcurl.
 *
 * The module does no I/O of its own accord: the client tells it when sockets
 * are ready and when time has passed, and moves bytes when it is asked.  All
 * calls into the module are made outside of coroutines, on the runner's own
 * stack, which is as deep as libcurl may want it; so all calls back are, too.
 *
 * Concurrency: the runner of the client's loop.
 */
#pragma once

#include "io/http.h"
#include "io/sync.h"
#include "io/timer.h"

#include <stdint.h>

typedef struct VioHttpEngine VioHttpEngine; /* the module's */

/* A request on its way.  The module reads what is above, and owns @easy. */
typedef struct VioHttpTransfer {
    const char *method, *url;
    GPtrArray *headers; /* char *, without a NULL at the end */
    const void *body;   /* or NULL */
    size_t body_len;
    bool upload;        /* the body comes from on_source */
    int64_t upload_len; /* or VIO_HTTP_CHUNKED */
    VioHttpEngine *engine;
    void *easy;        /* NULL while nothing is under way */
    void *header_list; /* of libcurl */
    char error[256];   /* likewise, CURL_ERROR_SIZE */
} VioHttpTransfer;

/* What the module calls. */
typedef struct VioHttpHost {
    /* From now on tell when @fd is ready for @events of poll(2), again and
     * again; 0 = no more, it may be closed right after. */
    void (*watch)(void *client, int fd, short events);
    /* Tell when @ms have passed; -1: do not. */
    void (*timer)(void *client, long ms);
    /* There is a connection; the request leaves now. */
    void (*on_connected)(VioHttpTransfer *transfer);
    /* A line of a head, with its end.  False: break it off. */
    bool (*on_head)(VioHttpTransfer *transfer, const char *line, size_t len);
    /* False: not now, none of it; until resume(). */
    bool (*on_body)(VioHttpTransfer *transfer, const void *bytes, size_t len);
    /* A count; 0: that was all; -EAGAIN: not now, until resume(). */
    ssize_t (*on_source)(VioHttpTransfer *transfer, void *buf, size_t len);
    /* Nothing is under way any more.  @ret: 0 or -errno; @why: static. */
    void (*on_over)(VioHttpTransfer *transfer, int ret, const char *why);
} VioHttpHost;

typedef struct VioHttpOps {
    size_t transfer_size; /* that of who built it: must be ours */
    VioHttpEngine *(*engine_new)(const VioHttpHost *host, void *client,
                                 const VioHttpParams *params, char **why);
    void (*engine_free)(VioHttpEngine *engine); /* nothing is under way */
    /* @fd -1: the time has come. */
    void (*act)(VioHttpEngine *engine, int fd, short revents);
    /* on_over() follows, later, if 0 is returned. */
    int (*start)(VioHttpTransfer *transfer, const char **why);
    /* No on_over(); the connection is closed unless all has been done. */
    void (*stop)(VioHttpTransfer *transfer);
    void (*resume)(VioHttpTransfer *transfer);
    /* Where an answer to @url with such a header Location leads, or NULL: then
     * why nobody shall go there.  Any stack, any thread. */
    char *(*redirect)(const char *url, const char *location, char **why);
} VioHttpOps;

#define VIO_HTTP_SYMBOL "vio_http_curl" /* a VioHttpOps */

struct VioHttp {
    VioLoop *loop;
    const VioHttpOps *ops;
    VioHttpEngine *engine;
    VioTimer timer;      /* libcurl's */
    GHashTable *watches; /* fd -> HttpWatch, those that are wanted */
    unsigned watching;   /* coroutines, those that are on their way out, too */
    VioCo *closer;       /* waits for them */
    unsigned exchanges;  /* open ones */
    char **headers;      /* or NULL */
    uint64_t connect_ns, idle_ns;
    bool (*co_renew)(void *arg, VioHttp *http, VioCancel *cancel);
    void *renew_arg;
    VioCoMutex renewing;
    unsigned renewals; /* that have succeeded */
};

/* -- io/http-exchange.c --------------------------------------------------- */

struct VioHttpExchange {
    VioHttpTransfer transfer; /* first */
    VioHttp *http;
    char *method, *url;
    char *shown; /* or NULL */
    VioHttpReply reply;
    size_t head_bytes;
    bool connected, over;
    bool head_done; /* of the answer that counts */
    bool body_paused, source_paused, source_ended;
    int ret; /* how it ended: 0 or -errno */
    char *why;
    uint64_t moved_ns; /* when a byte did last */
    uint8_t *dst;      /* of who reads, or NULL */
    size_t dst_len;
    GByteArray *rest; /* came and did not fit there; a chunk at most */
    size_t rest_taken;
    const uint8_t *src; /* of who writes */
    size_t src_len;
    uint64_t written;
    VioCo *waiter;
};

extern const VioHttpHost vio_http_host; /* io/http.c */

/* Copies what it needs. */
VioHttpExchange *vio_http_exchange_new(VioHttp *http,
                                       const VioHttpRequest *request,
                                       const char *url);
/* 0 or -errno and *@why. */
int vio_http_exchange_co_start(VioHttpExchange *exchange, char **why);
int vio_http_exchange_co_head(VioHttpExchange *exchange, VioCancel *cancel,
                              char **why);

/* The part of the host that is about transfers. */
void vio_http_on_connected(VioHttpTransfer *transfer);
bool vio_http_on_head(VioHttpTransfer *transfer, const char *line, size_t len);
bool vio_http_on_body(VioHttpTransfer *transfer, const void *bytes, size_t len);
ssize_t vio_http_on_source(VioHttpTransfer *transfer, void *buf, size_t len);
void vio_http_on_over(VioHttpTransfer *transfer, int ret, const char *why);

/* What went wrong, and where; the first reason counts.  Returns @ret. */
int vio_http_fail(VioHttpExchange *exchange, int ret, const char *why);

/* io/http-head.c: false: too much, or no head (vio_http_fail was called). */
bool vio_http_head_line(VioHttpExchange *exchange, const char *line,
                        size_t len);
/* Is the request fit to be sent by @http?  0 or -EINVAL. */
int vio_http_check_request(const VioHttp *http, const VioHttpRequest *request,
                           char **why);
