/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/https/endless.c - servers that send files whole only.
 *
 * A small file is kept, and a large one if that was asked for (keep.c).  Any
 * other can be copied as it comes, once: the node is open ended, as a pipe is.
 * What is kept can be read while the rest is coming, too.
 *
 * Concurrency: one request at a time.
 */
#include "block/proto/https/client.h"

#include <string.h>

/* Where the connection's end would be the end of the file nobody could tell one
 * that has broken off. */
static bool
end_is_told(const VioHttpReply *reply)
{
    const char *coding = vio_http_header(reply, "Transfer-Encoding", 0);

    return vio_http_header(reply, "Content-Length", 0) ||
           (coding && g_ascii_strcasecmp(coding, "chunked") == 0);
}

static bool
endless_co_head(VdNode *node, VioHttpExchange *exchange, GError **error)
{
    HttpsState *s = vd_node_state(node);
    const VioHttpReply *reply = vio_http_exchange_reply(exchange);
    char *why = NULL;
    ssize_t n;

    if (!https_check_encoding(s->target->name, reply, error))
        return false;
    if (!end_is_told(reply))
        return https_throw_reply(s->target->name,
                                 "the server does not say where the file ends",
                                 error);
    s->head = g_malloc(HTTPS_HEAD);
    n = vio_http_co_read(exchange, s->head, HTTPS_HEAD, https_cancel(node),
                         &why);
    if (n < 0)
        return https_co_throw(&s->admission, (int) n, why, error);
    s->head_len = (size_t) n;
    vd_node_set_size(node, s->head_len);
    return true;
}

static bool
throw_whole_only(const HttpsState *s, GError **error)
{
    return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: the server sends no parts of files, so all that can "
                    "be done with it is to convert it from raw to raw; "
                    "with download=SIZE it is downloaded first",
                    s->target->name);
}

/* All of it, if it is to be kept. */
static bool
endless_co_rest(VdNode *node, VioHttpExchange *exchange, GError **error)
{
    const HttpsState *s = vd_node_state(node);
    bool ended;

    return s->target->download > 0
               ? https_co_keep(node, exchange, UINT64_MAX, &ended, error)
               : throw_whole_only(s, error);
}

bool
https_co_begin_endless(VdNode *node, VioHttpExchange *exchange, GError **error)
{
    HttpsState *s = vd_node_state(node);
    bool ok = endless_co_head(node, exchange, error);
    bool more = ok && s->head_len == HTTPS_HEAD;

    if (more && (vd_node_flags(node) & VD_OPEN_OPEN_ENDED)) {
        s->stream = exchange;
        vd_node_limits(node)->open_ended = true;
        return true;
    }
    if (more)
        ok = endless_co_rest(node, exchange, error);
    vio_http_co_close(exchange);
    return ok;
}

bool
https_co_read_on(VdNode *node, void *buf, size_t len, size_t *got,
                 GError **error)
{
    HttpsState *s = vd_node_state(node);
    size_t known =
        s->taken < s->head_len ? MIN(len, s->head_len - s->taken) : 0;
    char *why = NULL;
    ssize_t n = 0;

    memcpy(buf, s->head + s->taken, known);
    if (known < len)
        n = vio_http_co_read(s->stream, (uint8_t *) buf + known, len - known,
                             https_cancel(node), &why);
    if (n < 0)
        return https_co_throw(&s->admission, (int) n, why, error);
    *got = known + (size_t) n;
    s->taken += *got;
    return true;
}

bool
https_co_find_end(VdNode *node, GError **error)
{
    HttpsState *s = vd_node_state(node);
    bool ok = endless_co_rest(node, s->stream, error);

    vio_http_co_close(g_steal_pointer(&s->stream));
    return ok;
}

bool
https_co_await(VdNode *node, uint64_t size, bool *ended, GError **error)
{
    HttpsState *s = vd_node_state(node);

    if (s->target->download == 0)
        return throw_whole_only(s, error);
    if (!s->failure &&
        https_co_keep(node, s->stream, size, ended, &s->failure)) {
        if (*ended)
            vio_http_co_close(g_steal_pointer(&s->stream));
        return true;
    }
    g_propagate_error(error, g_error_copy(s->failure));
    return false;
}
