/* SPDX-License-Identifier: BSD-3-Clause */
/* io/http.c - clients of HTTP: their life, and the sockets and timers of
 * libcurl.
 *
 * For each socket that libcurl waits for there is a coroutine that polls it.
 * Connections that are kept and not in use are not waited for, so an idle
 * client has nothing under way in the loop.
 *
 * Concurrency: the client's loop.
 */
#include "io/http.h"

#include <errno.h>
#include <poll.h>

#include "io/http-internal.h"
#include "io/loop-internal.h"
#include "io/module.h"
#include "io/outside.h"

#define HTTP_CONNECT_NS UINT64_C(30000000000)
#define HTTP_IDLE_NS UINT64_C(60000000000)

static VioModule http_module = {
    .file = "vdisk-http.so",
    .symbol = VIO_HTTP_SYMBOL,
    .size = sizeof(VioHttpTransfer),
    .what = "HTTP",
    .folder = "io",
#ifndef VIO_HAVE_HTTP
    .absent = "built without HTTP (libcurl)",
#endif
};

/* A socket that libcurl waits for. */
typedef struct HttpWatch {
    VioHttp *http;
    int fd;
    short events; /* 0 = no more: it leaves */
    short ready;
    VioOp *poll; /* under way, or NULL */
    VioCo *co;
} HttpWatch;

const char *
vio_http_missing(void)
{
    return vio_module_missing(&http_module);
}

/* -- sockets -------------------------------------------------------------- */

static void
watch_act(void *opaque)
{
    HttpWatch *watch = opaque;

    if (watch->events) /* may have changed its mind meanwhile */
        watch->http->ops->act(watch->http->engine, watch->fd, watch->ready);
}

/* Until it is ready for what is wanted, or something else is wanted. */
static void
watch_co_poll(HttpWatch *watch)
{
    VioOp op = {
        .code = VIO_OP_POLL,
        .fd = watch->fd,
        .flags = (unsigned short) watch->events,
    };
    int64_t ready;

    watch->poll = &op;
    ready = vio_op_co_submit(watch->http->loop, &op);
    watch->poll = NULL;
    if (ready == -ECANCELED || ready == -EINTR || ready == -EAGAIN)
        return;
    watch->ready = ready < 0 ? POLLERR : (short) ready;
    vio_co_outside(watch->http->loop, watch_act, watch);
}

/* A coroutine entry. */
static void
watch_main(void *opaque)
{
    HttpWatch *watch = opaque;
    VioHttp *http = watch->http;

    while (watch->events)
        watch_co_poll(watch);
    g_free(watch);
    if (--http->watching == 0 && http->closer)
        vio_co_wake(g_steal_pointer(&http->closer));
}

static void
watch_set(HttpWatch *watch, short events)
{
    VioLoop *loop = watch->http->loop;

    if (watch->events == events)
        return;
    watch->events = events;
    /* At once: libcurl may close the descriptor next. */
    if (watch->poll)
        loop->engine->cancel(loop, watch->poll);
}

static void
http_watch(void *client, int fd, short events)
{
    VioHttp *http = client;
    gpointer key = GINT_TO_POINTER(fd);
    HttpWatch *watch = g_hash_table_lookup(http->watches, key);

    if (watch) {
        watch_set(watch, events);
        if (!events)
            (void) g_hash_table_remove(http->watches, key);
    } else if (events) {
        watch = g_new0(HttpWatch, 1);
        *watch = (HttpWatch){.http = http, .fd = fd, .events = events};
        (void) g_hash_table_insert(http->watches, key, watch);
        http->watching++;
        vio_co_start(http->loop, watch_main, watch);
    }
}

/* -- time ----------------------------------------------------------------- */

static void
http_expired(VioTimer *timer)
{
    VioHttp *http = (VioHttp *) ((char *) timer - offsetof(VioHttp, timer));

    http->ops->act(http->engine, -1, 0);
}

static void
http_timer(void *client, long ms)
{
    VioHttp *http = client;

    vio_timer_stop(&http->loop->timers, &http->timer);
    if (ms >= 0)
        vio_timer_start(&http->loop->timers, &http->timer,
                        vio_now_ns() + (uint64_t) ms * 1000000);
}

const VioHttpHost vio_http_host = {
    .watch = http_watch,
    .timer = http_timer,
    .on_connected = vio_http_on_connected,
    .on_head = vio_http_on_head,
    .on_body = vio_http_on_body,
    .on_source = vio_http_on_source,
    .on_over = vio_http_on_over,
};

/* -- life ----------------------------------------------------------------- */

VioHttp *
vio_http_new(VioLoop *loop, const VioHttpParams *params, char **why)
{
    const VioHttpOps *ops = vio_module_table(&http_module);
    VioHttpParams p = *params;
    VioHttp *http;

    *why = NULL;
    if (!ops) {
        *why = g_strdup(vio_http_missing());
        return NULL;
    }
    http = g_new0(VioHttp, 1);
    http->loop = loop;
    http->ops = ops;
    http->timer.fn = http_expired;
    http->watches = g_hash_table_new(NULL, NULL);
    if (!p.connect_ns)
        p.connect_ns = HTTP_CONNECT_NS;
    http->connect_ns = p.connect_ns;
    http->idle_ns = p.idle_ns ? p.idle_ns : HTTP_IDLE_NS;
    http->co_renew = params->co_renew;
    http->renew_arg = params->renew_arg;
    http->engine = ops->engine_new(&vio_http_host, http, &p, why);
    if (http->engine)
        return http;
    g_hash_table_unref(http->watches);
    g_free(http);
    return NULL;
}

static void
http_close(void *opaque)
{
    VioHttp *http = opaque;

    http->ops->engine_free(http->engine);
}

void
vio_http_co_free(VioHttp *http)
{
    if (!http)
        return;
    g_assert(http->exchanges == 0);
    vio_co_outside(http->loop, http_close, http);
    vio_timer_stop(&http->loop->timers, &http->timer);
    if (http->watching > 0) {
        http->closer = vio_co_self();
        vio_co_yield();
    }
    g_hash_table_unref(http->watches);
    vio_http_set_headers(http, NULL);
    g_free(http);
}

void
vio_http_set_headers(VioHttp *http, const char *const *headers)
{
    char **copy = g_strdupv((char **) headers);

    for (char **line = http->headers; line && *line; line++)
        explicit_bzero(*line, strlen(*line));
    g_strfreev(http->headers);
    http->headers = copy;
}
