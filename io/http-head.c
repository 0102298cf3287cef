/* SPDX-License-Identifier: BSD-3-Clause */
/* io/http-head.c - the heads of requests and answers.
 *
 * Concurrency: any thread, one a reply.
 */
#include "io/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/http-internal.h"

/* -- answers -------------------------------------------------------------- */

/* "HTTP/1.1 206 Partial Content": the number, or 0. */
static int
head_status(const char *line, size_t len)
{
    const char *at = memchr(line, ' ', len);
    int status = 0;

    if (!at || len - (size_t) (at - line) < 4)
        return 0;
    for (int i = 1; i <= 3; i++) {
        if (!g_ascii_isdigit(at[i]))
            return 0;
        status = status * 10 + (at[i] - '0');
    }
    return status;
}

/* A head begins: what came before it was "100 Continue" or the like. */
static bool
head_begin(VioHttpExchange *ex, const char *line, size_t len)
{
    ex->reply.status = head_status(line, len);
    g_ptr_array_set_size(ex->reply.headers, 0);
    if (ex->reply.status >= 100)
        return true;
    (void) vio_http_fail(ex, -EPROTO, "the answer has no status");
    return false;
}

/* The answer that counts.  A yes to an upload that has not been sent whole is
 * none: its end would be cut off when the exchange is closed. */
static bool
head_end(VioHttpExchange *ex)
{
    int64_t len = ex->transfer.upload_len;
    bool all = len < 0 ? ex->source_ended : ex->written == (uint64_t) len;

    ex->head_done = !ex->transfer.upload || all || ex->reply.status >= 300;
    if (!ex->head_done)
        (void) vio_http_fail(ex, -EPROTO,
                             "the server has answered before it had all of it");
    return ex->head_done;
}

bool
vio_http_head_line(VioHttpExchange *ex, const char *line, size_t len)
{
    ex->head_bytes += len;
    if (ex->head_bytes > VIO_HTTP_MAX_HEAD) {
        (void) vio_http_fail(ex, -EPROTO,
                             "the headers of the answer are too long");
        return false;
    }
    if (ex->head_done) /* behind the body */
        return true;
    if (len > 5 && g_ascii_strncasecmp(line, "HTTP/", 5) == 0)
        return head_begin(ex, line, len);
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
        len--;
    if (len > 0)
        g_ptr_array_add(ex->reply.headers, g_strndup(line, len));
    return len > 0 || ex->reply.status < 200 || head_end(ex);
}

const char *
vio_http_header(const VioHttpReply *reply, const char *name, unsigned nth)
{
    size_t len = strlen(name);

    for (guint i = 0; reply->headers && i < reply->headers->len; i++) {
        const char *line = g_ptr_array_index(reply->headers, i);

        if (g_ascii_strncasecmp(line, name, len) != 0 || line[len] != ':' ||
            nth-- > 0)
            continue;
        for (line += len + 1; *line == ' ' || *line == '\t'; line++)
            ;
        return line;
    }
    return NULL;
}

void
vio_http_reply_clear(VioHttpReply *reply)
{
    g_clear_pointer(&reply->headers, g_ptr_array_unref);
    g_clear_pointer(&reply->body, g_free);
    reply->len = 0;
}

/* -- requests ------------------------------------------------------------- */

static bool
head_is_plain(const char *text, bool blanks)
{
    for (; *text; text++)
        if ((unsigned char) *text < ' ' || *text == 0x7f ||
            (*text == ' ' && !blanks))
            return false;
    return true;
}

/* Another line in one of them would be a header, or a request, of its own. */
static bool
head_are_lines(const char *const *headers)
{
    for (; headers && *headers; headers++)
        if (!head_is_plain(*headers, true) || !strchr(*headers, ':'))
            return false;
    return true;
}

int
vio_http_check_request(const VioHttp *http, const VioHttpRequest *request,
                       char **why)
{
    static const char *const methods[] = {"GET", "HEAD",   "POST",
                                          "PUT", "DELETE", NULL};

    if (!g_strv_contains(methods, request->method))
        *why = g_strdup("no such method");
    else if (!head_is_plain(request->url, false))
        *why = g_strdup("the URL has characters that must be percent-encoded");
    else if (!head_are_lines(request->headers) ||
             !head_are_lines((const char *const *) http->headers))
        *why = g_strdup("a header for the request is malformed");
    return *why ? -EINVAL : 0;
}

char *
vio_http_shown(const char *url)
{
    const char *host = strstr(url, "://");
    size_t scheme = host ? (size_t) (host - url) + 3 : 0;
    size_t name = scheme + strcspn(url + scheme, "/?#");
    const char *at = NULL;

    for (size_t i = scheme; i < name; i++)
        if (url[i] == '@')
            at = url + i + 1;
    host = at ? at : url + scheme;
    return g_strdup_printf("%.*s%.*s", (int) scheme, url,
                           (int) strcspn(host, "?#"), host);
}
