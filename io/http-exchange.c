/* SPDX-License-Identifier: BSD-3-Clause */
/* io/http-exchange.c - one request and its answer, piece by piece.
 *
 * libcurl is told to pause where nobody takes what has come, or has anything
 * to send, so memory stays small: of what has come at most a chunk (16 KiB) is
 * kept for the next read.  Silence counts while somebody waits, and no longer.
 *
 * Concurrency: one coroutine at a time uses an exchange; what libcurl does
 * comes from the runner, outside of coroutines.
 */
#include <errno.h>
#include <string.h>

#include "io/http-internal.h"
#include "io/loop-internal.h"
#include "io/outside.h"

/* -- what libcurl tells --------------------------------------------------- */

static void
exchange_wake(VioHttpExchange *ex)
{
    if (ex->waiter)
        vio_co_wake(g_steal_pointer(&ex->waiter));
}

static VioHttpExchange *
exchange_moved(VioHttpTransfer *transfer)
{
    VioHttpExchange *ex = (VioHttpExchange *) transfer;

    ex->moved_ns = vio_now_ns();
    return ex;
}

void
vio_http_on_connected(VioHttpTransfer *transfer)
{
    exchange_moved(transfer)->connected = true;
}

bool
vio_http_on_head(VioHttpTransfer *transfer, const char *line, size_t len)
{
    VioHttpExchange *ex = exchange_moved(transfer);
    bool ok = vio_http_head_line(ex, line, len);

    if (ex->head_done)
        exchange_wake(ex);
    return ok;
}

bool
vio_http_on_body(VioHttpTransfer *transfer, const void *bytes, size_t len)
{
    VioHttpExchange *ex = exchange_moved(transfer);
    size_t now = MIN(len, ex->dst_len);

    if (now == 0 && ex->rest->len > 0) {
        ex->body_paused = true;
        return false;
    }
    if (now > 0) {
        memcpy(ex->dst, bytes, now);
        ex->dst += now;
        ex->dst_len -= now;
    }
    g_byte_array_append(ex->rest, (const uint8_t *) bytes + now,
                        (guint) (len - now));
    if (ex->dst_len == 0)
        exchange_wake(ex);
    return true;
}

ssize_t
vio_http_on_source(VioHttpTransfer *transfer, void *buf, size_t len)
{
    VioHttpExchange *ex = exchange_moved(transfer);
    size_t now = MIN(len, ex->src_len);

    if (now == 0) {
        ex->source_paused = !ex->source_ended;
        exchange_wake(ex);
        return ex->source_ended ? 0 : -EAGAIN;
    }
    memcpy(buf, ex->src, now);
    ex->src += now;
    ex->src_len -= now;
    ex->written += now;
    if (ex->src_len == 0)
        exchange_wake(ex);
    return (ssize_t) now;
}

/* The name of a certificate, which may be in it, is the server's choice. */
static char *
exchange_clean(const char *text)
{
    char *clean = g_strdup(text);

    for (char *c = clean; *c; c++)
        if ((unsigned char) *c < ' ' || *c == 0x7f)
            *c = '?';
    return clean;
}

int
vio_http_fail(VioHttpExchange *ex, int ret, const char *why)
{
    g_autofree char *where = NULL;
    g_autofree char *clean = NULL;

    if (ex->ret != 0)
        return ex->ret;
    where = ex->shown ? g_strdup(ex->shown) : vio_http_shown(ex->url);
    clean = exchange_clean(why);
    ex->ret = ret;
    ex->why = g_strdup_printf("%s: %s", where, clean);
    return ret;
}

void
vio_http_on_over(VioHttpTransfer *transfer, int ret, const char *why)
{
    VioHttpExchange *ex = (VioHttpExchange *) transfer;

    ex->over = true;
    if (ret != 0)
        (void) vio_http_fail(ex, ret, why);
    exchange_wake(ex);
}

/* -- waiting -------------------------------------------------------------- */

typedef struct ExchangeWait {
    VioTimer timer; /* first */
    VioWatch watch;
    VioHttpExchange *ex;
} ExchangeWait;

static void
wait_expired(VioTimer *timer)
{
    exchange_wake(((ExchangeWait *) timer)->ex);
}

static void
wait_cancelled(VioWatch *watch)
{
    ExchangeWait *wait =
        (ExchangeWait *) ((char *) watch - offsetof(ExchangeWait, watch));

    exchange_wake(wait->ex);
}

/* When silence since @since has been too long.  Until there is a connection
 * libcurl has a limit of its own, for that. */
static uint64_t
exchange_limit(const VioHttpExchange *ex, uint64_t since)
{
    uint64_t limit = MAX(ex->moved_ns, since) + ex->http->idle_ns;

    return ex->connected ? limit : limit + ex->http->connect_ns;
}

/* Until something happens, or too little. */
static int
exchange_co_wait_once(VioHttpExchange *ex, uint64_t since, VioCancel *cancel)
{
    VioLoop *loop = ex->http->loop;
    ExchangeWait wait = {.timer.fn = wait_expired, .ex = ex};
    int ret = vio_watch_add(&wait.watch, loop, cancel, wait_cancelled);

    if (ret == 0) {
        vio_timer_start(&loop->timers, &wait.timer, exchange_limit(ex, since));
        ex->waiter = vio_co_self();
        vio_co_yield();
        vio_timer_stop(&loop->timers, &wait.timer);
        vio_watch_remove(&wait.watch);
        ret = vio_cancel_check(cancel);
    }
    if (ret != 0)
        return vio_http_fail(
            ex, ret, ret == -ECANCELED ? "cancelled" : "it took too long");
    if (vio_now_ns() >= exchange_limit(ex, since))
        return vio_http_fail(ex, -ETIMEDOUT, "nothing moved for too long");
    return 0;
}

typedef bool (*ExchangeReady)(const VioHttpExchange *ex);

/* Until @ready, which is so, too, when nothing is under way any more. */
static int
exchange_co_wait(VioHttpExchange *ex, ExchangeReady ready, VioCancel *cancel)
{
    uint64_t since = vio_now_ns();

    while (ex->ret == 0 && !ex->over && !ready(ex))
        (void) exchange_co_wait_once(ex, since, cancel);
    return ex->ret;
}

static int
exchange_result(const VioHttpExchange *ex, int ret, char **why)
{
    if (ret < 0)
        *why = g_strdup(ex->why);
    return ret;
}

static bool
ready_head(const VioHttpExchange *ex)
{
    return ex->head_done;
}

static bool
ready_read(const VioHttpExchange *ex)
{
    return ex->dst_len == 0;
}

/* Or the answer is there already, and it is no. */
static bool
ready_written(const VioHttpExchange *ex)
{
    return ex->src_len == 0 || (ex->head_done && ex->reply.status >= 300);
}

/* -- life ----------------------------------------------------------------- */

static void
exchange_add_headers(VioHttpExchange *ex, const char *const *lines)
{
    for (; lines && *lines; lines++)
        g_ptr_array_add(ex->transfer.headers, g_strdup(*lines));
}

VioHttpExchange *
vio_http_exchange_new(VioHttp *http, const VioHttpRequest *request,
                      const char *url)
{
    VioHttpExchange *ex = g_new0(VioHttpExchange, 1);

    http->exchanges++;
    ex->http = http;
    ex->method = g_strdup(request->method);
    ex->url = g_strdup(url);
    ex->shown = g_strdup(request->shown);
    ex->reply.headers = g_ptr_array_new_with_free_func(g_free);
    ex->rest = g_byte_array_new();
    ex->moved_ns = vio_now_ns();
    ex->transfer.method = ex->method;
    ex->transfer.url = ex->url;
    ex->transfer.headers = g_ptr_array_new_with_free_func(g_free);
    ex->transfer.engine = http->engine;
    exchange_add_headers(ex, (const char *const *) http->headers);
    exchange_add_headers(ex, request->headers);
    return ex;
}

static void
exchange_start(void *opaque)
{
    VioHttpExchange *ex = opaque;
    const char *why = NULL;
    int ret = ex->http->ops->start(&ex->transfer, &why);

    if (ret != 0)
        (void) vio_http_fail(ex, ret, why);
}

int
vio_http_exchange_co_start(VioHttpExchange *ex, char **why)
{
    vio_co_outside(ex->http->loop, exchange_start, ex);
    return exchange_result(ex, ex->ret, why);
}

int
vio_http_exchange_co_head(VioHttpExchange *ex, VioCancel *cancel, char **why)
{
    int ret = exchange_co_wait(ex, ready_head, cancel);

    if (ret == 0 && !ex->head_done)
        ret = vio_http_fail(ex, -EPROTO, "there is no answer");
    return exchange_result(ex, ret, why);
}

const VioHttpReply *
vio_http_exchange_reply(const VioHttpExchange *ex)
{
    return ex->head_done ? &ex->reply : NULL;
}

static void
exchange_stop(void *opaque)
{
    VioHttpExchange *ex = opaque;

    ex->http->ops->stop(&ex->transfer);
}

void
vio_http_co_close(VioHttpExchange *ex)
{
    if (!ex)
        return;
    if (ex->transfer.easy)
        vio_co_outside(ex->http->loop, exchange_stop, ex);
    ex->http->exchanges--;
    g_ptr_array_unref(ex->transfer.headers);
    vio_http_reply_clear(&ex->reply);
    g_byte_array_unref(ex->rest);
    g_free(ex->method);
    g_free(ex->url);
    g_free(ex->shown);
    g_free(ex->why);
    g_free(ex);
}

/* -- the body ------------------------------------------------------------- */

static void
exchange_resume(void *opaque)
{
    VioHttpExchange *ex = opaque;

    if (ex->transfer.easy)
        ex->http->ops->resume(&ex->transfer);
}

static void
exchange_co_unpause(VioHttpExchange *ex, bool *paused)
{
    if (!*paused)
        return;
    *paused = false;
    vio_co_outside(ex->http->loop, exchange_resume, ex);
}

/* What is left of a chunk. */
static size_t
exchange_take_rest(VioHttpExchange *ex, void *buf, size_t len)
{
    size_t now = MIN(len, ex->rest->len - ex->rest_taken);

    if (now > 0)
        memcpy(buf, ex->rest->data + ex->rest_taken, now);
    ex->rest_taken += now;
    if (ex->rest_taken == ex->rest->len) {
        g_byte_array_set_size(ex->rest, 0);
        ex->rest_taken = 0;
    }
    return now;
}

ssize_t
vio_http_co_read(VioHttpExchange *ex, void *buf, size_t len, VioCancel *cancel,
                 char **why)
{
    size_t done = exchange_take_rest(ex, buf, len);
    int ret;

    *why = NULL;
    if (done == len)
        return (ssize_t) done;
    ex->dst = (uint8_t *) buf + done;
    ex->dst_len = len - done;
    exchange_co_unpause(ex, &ex->body_paused);
    ret = exchange_co_wait(ex, ready_read, cancel);
    done = len - ex->dst_len;
    ex->dst = NULL;
    ex->dst_len = 0;
    return ret < 0 ? exchange_result(ex, ret, why) : (ssize_t) done;
}

int
vio_http_co_write(VioHttpExchange *ex, const void *buf, size_t len,
                  VioCancel *cancel, char **why)
{
    bool all;
    int ret;

    *why = NULL;
    ex->src = buf;
    ex->src_len = len;
    exchange_co_unpause(ex, &ex->source_paused);
    ret = exchange_co_wait(ex, ready_written, cancel);
    all = ex->src_len == 0;
    ex->src = NULL;
    ex->src_len = 0;
    if (ret != 0 || all)
        return exchange_result(ex, ret, why);
    *why = g_strdup("the server takes no more of it");
    return -EPIPE;
}

int
vio_http_co_end(VioHttpExchange *ex, VioCancel *cancel, char **why)
{
    *why = NULL;
    if (ex->transfer.upload_len >= 0 &&
        ex->written != (uint64_t) ex->transfer.upload_len)
        return exchange_result(
            ex, vio_http_fail(ex, -EINVAL, "less was sent than announced"),
            why);
    ex->source_ended = true;
    exchange_co_unpause(ex, &ex->source_paused);
    return vio_http_exchange_co_head(ex, cancel, why);
}
