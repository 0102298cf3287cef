/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/https/upload.c - new files: one PUT (or POST), from the first
 * byte to the last.
 *
 * The request begins with the first byte and ends when the transaction commits:
 * whatever fails before that breaks the connection off, so that no server takes
 * what it has got for the whole file.  If the size is known when the file is
 * made it is announced, and the last byte waits for the commit; else the body
 * is chunked.
 *
 * Concurrency: one loop; bytes leave in order (block/proto/sink.h).
 */
#include "block/proto/https/client.h"

#include <errno.h>
#include <inttypes.h>

#include "block/transaction.h"

struct HttpsUpload {
    VdSink sink; /* first */
    HttpsTarget *target;
    HttpsAdmission admission;
    VioHttp *http;
    VioHttpExchange *exchange; /* NULL: has not begun */
    int64_t length;            /* or VIO_HTTP_CHUNKED */
    bool holds_last;
    uint8_t last; /* of the announced bytes */
};

/* -- sending --------------------------------------------------------------- */

static VioCancel *
upload_cancel(const HttpsUpload *up)
{
    return up->admission.cancel ? up->admission.cancel : up->sink.cancel;
}

static bool
upload_co_throw(HttpsUpload *up, int ret, char *why, GError **error)
{
    const VioHttpReply *reply =
        up->exchange ? vio_http_exchange_reply(up->exchange) : NULL;

    if (ret != -EPIPE || !reply)
        return https_co_throw(&up->admission, ret, why, error);
    g_free(why);
    return https_throw_status(up->target->name, reply->status, error);
}

static bool
upload_co_begin(HttpsUpload *up, GError **error)
{
    const HttpsTarget *t = up->target;
    g_autofree char *type = g_strconcat(
        "Content-Type: ", t->post ? t->post : "application/octet-stream", NULL);
    const char *const headers[] = {type, NULL};
    VioHttpRequest request = {.method = t->post ? "POST" : "PUT",
                              .url = t->url,
                              .shown = t->shown,
                              .headers = headers};
    char *why = NULL;
    int ret =
        vio_http_co_upload(up->http, &request, up->length, &up->exchange, &why);

    return ret == 0 || upload_co_throw(up, ret, why, error);
}

static bool
upload_co_write(HttpsUpload *up, const void *data, size_t len, GError **error)
{
    char *why = NULL;
    int ret =
        vio_http_co_write(up->exchange, data, len, upload_cancel(up), &why);

    return ret == 0 || upload_co_throw(up, ret, why, error);
}

static bool
upload_co_send(VdSink *sink, const void *data, size_t len, GError **error)
{
    HttpsUpload *up = (HttpsUpload *) sink;
    uint64_t end = sink->pos + len;

    if (up->length >= 0 && end > (uint64_t) up->length)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: %" PRId64 " bytes were announced to the server, "
                        "it cannot become longer",
                        sink->name, up->length);
    if (!up->exchange && !upload_co_begin(up, error))
        return false;
    if (len > 0 && up->length >= 0 && end == (uint64_t) up->length) {
        up->holds_last = true;
        up->last = ((const uint8_t *) data)[--len];
    }
    return len == 0 || upload_co_write(up, data, len, error);
}

/* -- the end --------------------------------------------------------------- */

static bool
upload_co_complete(HttpsUpload *up, GError **error)
{
    const VioHttpReply *reply;
    char *why = NULL;
    int ret;

    if (!vd_sink_co_fill(&up->sink, error) ||
        (!up->exchange && !upload_co_begin(up, error)) ||
        (up->holds_last && !upload_co_write(up, &up->last, 1, error)))
        return false;
    ret = vio_http_co_end(up->exchange, upload_cancel(up), &why);
    if (ret != 0)
        return upload_co_throw(up, ret, why, error);
    reply = vio_http_exchange_reply(up->exchange);
    return (reply->status >= 200 && reply->status <= 204) ||
           https_throw_status(up->target->name, reply->status, error);
}

static bool
upload_co_end(void *opaque, bool commit, GError **error)
{
    HttpsUpload *up = opaque;

    if (commit && up->sink.failure) {
        g_propagate_error(error, g_error_copy(up->sink.failure));
        return false;
    }
    if (commit && !upload_co_complete(up, error))
        return false;
    vio_http_co_close(g_steal_pointer(&up->exchange));
    vio_http_co_free(g_steal_pointer(&up->http));
    return true;
}

static void
upload_free(void *opaque)
{
    HttpsUpload *up = opaque;

    https_admission_clear(&up->admission);
    g_clear_pointer(&up->target, https_target_free);
    vd_sink_clear(&up->sink);
    g_free(up);
}

/* -- nodes on it ----------------------------------------------------------- */

/* Takes over the target and the admission of @node. */
static HttpsUpload *
upload_co_new(VdNode *node, GError **error)
{
    HttpsState *s = vd_node_state(node);
    HttpsUpload *up;

    if (!https_co_connect(node, error))
        return NULL;
    up = g_new0(HttpsUpload, 1);
    vd_sink_init(&up->sink, node, s->target->name);
    up->sink.co_send = upload_co_send;
    up->length = VIO_HTTP_CHUNKED;
    up->target = g_steal_pointer(&s->target);
    up->admission = s->admission;
    s->admission = (HttpsAdmission){0};
    up->http = g_steal_pointer(&s->http);
    return up;
}

bool
https_co_open_upload(VdNode *node, GError **error)
{
    HttpsState *s = vd_node_state(node);
    VdTransaction *tx = vd_node_env(node)->tx;
    const char *name = s->target->name;

    if (!tx)
        return vd_throw(error, VD_ERROR_READ_ONLY,
                        "%s: files of web servers are not changed, a new image "
                        "is sent as a whole",
                        name);
    if (vd_tx_is_careful(tx))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: nobody can make sure that there is no such file "
                        "on the server",
                        name);
    s->upload = vd_tx_kept(tx, name);
    if (!s->upload) {
        g_autofree char *key = g_strdup(name);

        s->upload = upload_co_new(node, error);
        if (!s->upload)
            return false;
        vd_tx_keep(tx, key, s->upload, upload_co_end, upload_free);
    }
    vd_node_limits(node)->sequential = true;
    vd_node_set_size(node, s->upload->sink.size);
    return true;
}

bool
https_co_read_back(VdNode *node, uint64_t off, const VioVec *dst,
                   GError **error)
{
    const HttpsState *s = vd_node_state(node);

    return vd_sink_read(&s->upload->sink, off, dst, error);
}

bool
https_co_pwritev(VdNode *node, uint64_t off, const VioVec *src,
                 VdReqFlags flags, GError **error)
{
    HttpsState *s = vd_node_state(node);

    return vd_sink_co_pwritev(&s->upload->sink, off, src, error);
}

bool
https_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc,
                  GError **error)
{
    HttpsUpload *up = ((HttpsState *) vd_node_state(node))->upload;

    /* It grows as it comes. */
    if (!up->exchange && up->length >= 0 && size != (uint64_t) up->length)
        up->length = VIO_HTTP_CHUNKED;
    return vd_sink_truncate(&up->sink, node, size, error);
}

/* Whoever makes the file and writes nothing knows how long it will be. */
bool
https_co_finish(VdNode *node, GError **error)
{
    HttpsUpload *up = ((HttpsState *) vd_node_state(node))->upload;

    if (up && up->sink.pos == 0 && !up->sink.failure && up->sink.size > 0 &&
        !up->exchange)
        up->length = (int64_t) up->sink.size;
    return true;
}
