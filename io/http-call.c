/* SPDX-License-Identifier: BSD-3-Clause */
/* io/http-call.c - making requests: redirects, renewed tickets, whole bodies.
 *
 * Concurrency: coroutines of the client's loop.
 */
#include "io/http.h"

#include <errno.h>

#include "io/http-internal.h"

#define CALL_STEP (64u << 10) /* a body grows by as much */
#define CALL_MAX (256u << 20) /* that somebody may want in memory */

/* One request, to the head of its answer. */
static int
call_co_try(VioHttp *http, const VioHttpRequest *request, const char *url,
            bool with_body, VioHttpExchange **out, VioCancel *cancel,
            char **why)
{
    VioHttpExchange *ex;
    int ret = vio_http_check_request(http, request, why);

    if (ret != 0)
        return ret;
    ex = vio_http_exchange_new(http, request, url);
    if (with_body) {
        ex->transfer.body = request->body;
        ex->transfer.body_len = request->body_len;
    }
    ret = vio_http_exchange_co_start(ex, why);
    if (ret == 0)
        ret = vio_http_exchange_co_head(ex, cancel, why);
    if (ret == 0)
        *out = ex;
    else
        vio_http_co_close(ex);
    return ret;
}

static bool
call_is_redirect(const VioHttpRequest *request, const VioHttpReply *reply)
{
    int status = reply->status;

    return request->follow &&
           (g_str_equal(request->method, "GET") ||
            g_str_equal(request->method, "HEAD")) &&
           (status == 301 || status == 302 || status == 303 || status == 307 ||
            status == 308);
}

/* *@url becomes what the answer says.  0 or -EPROTO. */
static int
call_redirect(VioHttp *http, const VioHttpReply *reply, const char *shown,
              unsigned nth, char **url, char **why)
{
    const char *location = vio_http_header(reply, "Location", 0);
    g_autofree char *where = shown ? g_strdup(shown) : vio_http_shown(*url);
    g_autofree char *reason = NULL;
    char *to = NULL;

    if (nth >= VIO_HTTP_MAX_REDIRECTS)
        reason = g_strdup("it leads from one place to the next");
    else if (!location)
        reason = g_strdup("it is elsewhere, and nobody says where");
    else
        to = http->ops->redirect(*url, location, &reason);
    if (!to) {
        *why = g_strdup_printf("%s: %s", where, reason);
        return -EPROTO;
    }
    g_free(*url);
    *url = to;
    return 0;
}

/* For a request that was made after so many @renewals.  Of several that were
 * refused at the same time the first one does it for all. */
static bool
call_co_renew(VioHttp *http, unsigned renewals, VioCancel *cancel)
{
    bool ok = true;

    vio_co_mutex_lock(&http->renewing);
    if (http->renewals == renewals) {
        ok = http->co_renew(http->renew_arg, http, cancel);
        http->renewals += ok;
    }
    vio_co_mutex_unlock(&http->renewing);
    return ok;
}

static int
call_co_open(VioHttp *http, const VioHttpRequest *request, bool with_body,
             VioHttpExchange **out, VioCancel *cancel, char **why)
{
    g_autofree char *url = g_strdup(request->url);
    bool renewed = http->co_renew == NULL;
    unsigned redirects = 0;
    int ret = 0;

    *why = NULL;
    while (ret == 0) {
        unsigned renewals = http->renewals;
        VioHttpExchange *ex = NULL;

        ret = call_co_try(http, request, url, with_body, &ex, cancel, why);
        if (ret != 0)
            break;
        if (ex->reply.status == 401 && !renewed) {
            renewed = true;
            if (!call_co_renew(http, renewals, cancel)) {
                *out = ex;
                break;
            }
        } else if (call_is_redirect(request, &ex->reply)) {
            ret = call_redirect(http, &ex->reply, request->shown, redirects++,
                                &url, why);
        } else {
            *out = ex;
            break;
        }
        vio_http_co_close(ex);
    }
    return ret;
}

int
vio_http_co_open(VioHttp *http, const VioHttpRequest *request,
                 VioHttpExchange **out, VioCancel *cancel, char **why)
{
    return call_co_open(http, request, false, out, cancel, why);
}

int
vio_http_co_upload(VioHttp *http, const VioHttpRequest *request, int64_t len,
                   VioHttpExchange **out, char **why)
{
    VioHttpExchange *ex;
    int ret;

    *why = NULL;
    ret = vio_http_check_request(http, request, why);
    if (ret != 0)
        return ret;
    ex = vio_http_exchange_new(http, request, request->url);
    ex->transfer.upload = true;
    ex->transfer.upload_len = len;
    ret = vio_http_exchange_co_start(ex, why);
    if (ret == 0)
        *out = ex;
    else
        vio_http_co_close(ex);
    return ret;
}

/* -- the whole exchange --------------------------------------------------- */

/* All of the body, up to @max bytes. */
static int
call_co_body(VioHttpExchange *ex, size_t max, VioHttpReply *reply,
             VioCancel *cancel, char **why)
{
    g_autoptr(GByteArray) body = g_byte_array_new();
    size_t used = 0;
    ssize_t n = 0;

    g_assert(max <= CALL_MAX);
    do {
        used += (size_t) n;
        g_byte_array_set_size(body, (guint) (used + CALL_STEP));
        n = vio_http_co_read(ex, body->data + used, CALL_STEP, cancel, why);
        if (n > 0 && used + (size_t) n > max) {
            n = vio_http_fail(ex, -EMSGSIZE, "the answer is too large");
            *why = g_strdup(ex->why);
        }
    } while (n == CALL_STEP);
    if (n < 0)
        return (int) n;
    used += (size_t) n; /* there is room behind it, for n < CALL_STEP */
    body->data[used] = 0;
    reply->len = used;
    reply->body = g_byte_array_free(g_steal_pointer(&body), FALSE);
    return 0;
}

int
vio_http_co_call(VioHttp *http, const VioHttpRequest *request, size_t max_body,
                 VioHttpReply *reply, VioCancel *cancel, char **why)
{
    VioHttpReply got = {0};
    VioHttpExchange *ex = NULL;
    int ret = call_co_open(http, request, true, &ex, cancel, why);

    if (ret != 0)
        return ret;
    ret = call_co_body(ex, max_body, &got, cancel, why);
    if (ret == 0) {
        got.status = ex->reply.status;
        got.headers = g_steal_pointer(&ex->reply.headers);
        *reply = got;
    }
    vio_http_co_close(ex);
    return ret;
}
