/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/https/fetch.c - parts of a file.
 *
 * A read is cut into pieces, each a request, several at a time.  What each
 * answer says of itself and of the file is held against what was asked for and
 * what the first answer said: a file that is replaced while it is read does not
 * become a mixture.  A piece whose connection is lost is asked for again from
 * where it broke off.
 *
 * Concurrency: any number of reads.
 */
#include "block/proto/https/client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "io/op.h"

#define PIECE_BYTES (UINT64_C(1) << 20)
#define PIECE_TRIES 4
#define RETRY_NS                                                               \
    UINT64_C(100000000) /* before the first; then twice as long                \
                         */

static const VioHttpRequest get_whole = {.method = "GET", .follow = true};

/* "bytes 0-99/1000" */
typedef struct {
    uint64_t first, last, total;
} ContentRange;

static bool
range_number(const char **text, char end, uint64_t *value)
{
    char *after;

    if (!g_ascii_isdigit(**text))
        return false;
    errno = 0;
    *value = g_ascii_strtoull(*text, &after, 10);
    if (errno != 0 || *after != end || *value > INT64_MAX)
        return false;
    *text = after + (end != '\0');
    return true;
}

static bool
range_parse(const VioHttpReply *reply, ContentRange *range)
{
    const char *text = vio_http_header(reply, "Content-Range", 0);

    if (!text || g_ascii_strncasecmp(text, "bytes ", 6) != 0)
        return false;
    text += 6;
    return range_number(&text, '-', &range->first) &&
           range_number(&text, '/', &range->last) &&
           range_number(&text, '\0', &range->total) &&
           range->first <= range->last && range->last < range->total;
}

/* -- one request ----------------------------------------------------------- */

/* @len 0: all of the file. */
static int
fetch_co_open(VdNode *node, uint64_t off, uint64_t len,
              VioHttpExchange **exchange, char **why)
{
    HttpsState *s = vd_node_state(node);
    g_autofree char *range = g_strdup_printf(
        "Range: bytes=%" PRIu64 "-%" PRIu64, off, off + len - 1);
    const char *const headers[] = {"Accept-Encoding: identity",
                                   len > 0 ? range : NULL, NULL};
    VioHttpRequest request = get_whole;

    request.url = s->target->url;
    request.shown = s->target->shown;
    request.headers = headers;
    return vio_http_co_open(s->http, &request, exchange, https_cancel(node),
                            why);
}

static bool
check_same(const char *name, const char *before, const char *now,
           GError **error)
{
    return g_strcmp0(before, now) == 0 ||
           https_throw_reply(name,
                             "the file on the server has changed since "
                             "it was opened",
                             error);
}

/* Is it the part that was asked for, of the file that was opened? */
static bool
check_part(VdNode *node, const VioHttpReply *reply, uint64_t off, uint64_t len,
           GError **error)
{
    const HttpsState *s = vd_node_state(node);
    const char *name = s->target->name;
    ContentRange range;

    if (reply->status == 200)
        return https_throw_reply(name,
                                 "the server sends no parts of the file "
                                 "any more",
                                 error);
    if (reply->status != 206)
        return https_throw_status(name, reply->status, error);
    if (!check_same(name, s->etag, vio_http_header(reply, "ETag", 0), error) ||
        !check_same(name, s->modified,
                    vio_http_header(reply, "Last-Modified", 0), error) ||
        !https_check_encoding(name, reply, error))
        return false;
    if (!range_parse(reply, &range))
        return https_throw_reply(name,
                                 "the server does not say which part of "
                                 "the file it sends",
                                 error);
    if (range.total != vd_node_size(node))
        return vd_throw(error, VD_ERROR_IO,
                        "%s: the file on the server has changed: %" PRIu64
                        " bytes, not %" PRIu64,
                        name, range.total, vd_node_size(node));
    return (range.first == off && range.last == off + len - 1) ||
           vd_throw(error, VD_ERROR_IO,
                    "%s: the server sends bytes %" PRIu64 " to %" PRIu64
                    ", not %" PRIu64 " to %" PRIu64,
                    name, range.first, range.last, off, off + len - 1);
}

/* Nothing may follow. */
static bool
check_co_over(const char *name, VioHttpExchange *exchange, VioCancel *cancel,
              GError **error)
{
    char *why = NULL;
    uint8_t extra;
    ssize_t n = vio_http_co_read(exchange, &extra, 1, cancel, &why);

    if (n < 0)
        return https_throw((int) n, why, error);
    return n == 0 || https_throw_reply(
                         name, "the server sends more than it has said", error);
}

/* -- pieces ---------------------------------------------------------------- */

typedef struct {
    VdNode *node;
    uint64_t off;
    VioVec dst; /* what is still to come */
    bool lost;  /* the connection was */
} Piece;

static bool
is_lost(int ret)
{
    return ret == -ECONNRESET || ret == -EPIPE || ret == -ECONNREFUSED;
}

/* Takes from @dst what has come. */
static int
piece_co_receive(Piece *piece, VioHttpExchange *exchange, VioCancel *cancel,
                 char **why)
{
    while (piece->dst.len > 0) {
        struct iovec iov;
        ssize_t n;

        (void) vio_vec_fill(&piece->dst, &iov, 1, NULL);
        n = vio_http_co_read(exchange, iov.iov_base, iov.iov_len, cancel, why);
        if (n < 0)
            return (int) n;
        piece->off += (uint64_t) n;
        piece->dst =
            vio_vec_slice(&piece->dst, (size_t) n, piece->dst.len - (size_t) n);
        if ((size_t) n < iov.iov_len) {
            *why = NULL;
            return -ENODATA;
        }
    }
    return 0;
}

static bool
piece_co_try(Piece *piece, GError **error)
{
    HttpsState *s = vd_node_state(piece->node);
    VioCancel *cancel = https_cancel(piece->node);
    VioHttpExchange *exchange = NULL;
    char *why = NULL;
    int ret =
        fetch_co_open(piece->node, piece->off, piece->dst.len, &exchange, &why);
    bool ok = false;

    if (ret == 0) {
        const VioHttpReply *reply = vio_http_exchange_reply(exchange);

        piece->lost = reply->status >= 502 && reply->status <= 504;
        ok = check_part(piece->node, reply, piece->off, piece->dst.len, error);
        if (ok)
            ret = piece_co_receive(piece, exchange, cancel, &why);
    }
    if (ret != 0) {
        piece->lost = is_lost(ret);
        ok = why ? https_co_throw(&s->admission, ret, why, error)
                 : https_throw_reply(s->target->name,
                                     "the server sends less than it has said",
                                     error);
    }
    ok = ok && check_co_over(s->target->name, exchange, cancel, error);
    vio_http_co_close(exchange);
    return ok;
}

/* In front of another try.  Who is stopped meanwhile is told that. */
static bool
piece_co_pause(Piece *piece, uint64_t ns, GError **error)
{
    const HttpsState *s = vd_node_state(piece->node);
    int ret =
        vio_co_sleep(vd_node_loop(piece->node), ns, https_cancel(piece->node));

    piece->lost = false;
    return ret == 0 ||
           https_co_throw(
               &s->admission, ret,
               g_strdup_printf("%s: %s while waiting to ask again",
                               s->target->name,
                               ret == -ECANCELED ? "cancelled" : "timed out"),
               error);
}

static void
piece_co_begin(HttpsState *s)
{
    while (s->in_flight >= s->target->connections)
        vio_co_queue_wait(&s->turn);
    s->in_flight++;
}

static void
piece_end(HttpsState *s)
{
    s->in_flight--;
    (void) vio_co_queue_wake_one(&s->turn);
}

static bool
piece_co_read(void *arg, GError **error)
{
    Piece *piece = arg;
    HttpsState *s = vd_node_state(piece->node);
    uint64_t pause = RETRY_NS;
    GError *failure = NULL;
    bool ok;

    piece_co_begin(s);
    ok = piece_co_try(piece, &failure);
    for (int i = 1; !ok && piece->lost && i < PIECE_TRIES; i++, pause *= 2) {
        g_clear_error(&failure);
        ok = piece_co_pause(piece, pause, &failure) &&
             piece_co_try(piece, &failure);
    }
    piece_end(s);
    if (!ok)
        g_propagate_prefixed_error(error, failure,
                                   "reading at byte %" PRIu64 ": ", piece->off);
    return ok;
}

bool
https_co_preadv(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    const HttpsState *s = vd_node_state(node);
    g_autoptr(VioCoGroup) group = NULL;

    if (s->upload)
        return https_co_read_back(node, off, dst, error);
    if (s->kept)
        return https_co_read_kept(node, off, dst, error);
    if (off + dst->len <= s->head_len) {
        vio_vec_copy_in(dst, s->head + off);
        return true;
    }
    if (dst->len <= PIECE_BYTES)
        return piece_co_read(&(Piece){.node = node, .off = off, .dst = *dst},
                             error);
    group = vio_co_group_new((unsigned) s->target->connections);
    for (size_t at = 0; at < dst->len && !vio_co_group_failed(group);
         at += PIECE_BYTES) {
        size_t len = MIN(PIECE_BYTES, dst->len - at);
        Piece piece = {
            .node = node, .off = off + at, .dst = vio_vec_slice(dst, at, len)};

        vio_co_group_spawn(group, piece_co_read,
                           g_memdup2(&piece, sizeof(piece)), g_free);
    }
    return vio_co_group_join(group, error);
}

/* -- the first request ----------------------------------------------------- */

static bool
look_co_head(VdNode *node, VioHttpExchange *exchange, GError **error)
{
    HttpsState *s = vd_node_state(node);
    const VioHttpReply *reply = vio_http_exchange_reply(exchange);
    VioCancel *cancel = https_cancel(node);
    ContentRange range;
    char *why = NULL;
    ssize_t n;

    if (!https_check_encoding(s->target->name, reply, error))
        return false;
    if (!range_parse(reply, &range) || range.first != 0)
        return https_throw_reply(s->target->name,
                                 "the server does not say how long the file "
                                 "is",
                                 error);
    vd_node_set_size(node, range.total);
    s->etag = g_strdup(vio_http_header(reply, "ETag", 0));
    s->modified = g_strdup(vio_http_header(reply, "Last-Modified", 0));
    s->head_len = (size_t) MIN(HTTPS_HEAD, range.total);
    if (range.last + 1 != s->head_len)
        return https_throw_reply(s->target->name,
                                 "the server sends another part of the file",
                                 error);
    s->head = g_malloc(s->head_len);
    n = vio_http_co_read(exchange, s->head, s->head_len, cancel, &why);
    if (n < 0)
        return https_co_throw(&s->admission, (int) n, why, error);
    if ((size_t) n < s->head_len)
        return https_throw_reply(
            s->target->name, "the server sends less than it has said", error);
    return check_co_over(s->target->name, exchange, cancel, error);
}

/* An empty file has no part. */
static bool
look_is_empty(const VioHttpReply *reply)
{
    const char *range = vio_http_header(reply, "Content-Range", 0);

    return reply->status == 416 && range &&
           g_ascii_strcasecmp(range, "bytes */0") == 0;
}

static bool
look_co_once(VdNode *node, bool *lost, GError **error)
{
    HttpsState *s = vd_node_state(node);
    VioHttpExchange *exchange = NULL;
    char *why = NULL;
    int ret = fetch_co_open(node, 0, s->target->download > 0 ? 0 : HTTPS_HEAD,
                            &exchange, &why);
    const VioHttpReply *reply;
    bool ok = true;

    *lost = ret == -ECONNRESET;
    if (ret != 0)
        return https_co_throw(&s->admission, ret, why, error);
    reply = vio_http_exchange_reply(exchange);
    if (reply->status == 200)
        return https_co_begin_endless(node, exchange, error);
    if (reply->status == 206)
        ok = look_co_head(node, exchange, error);
    else if (!look_is_empty(reply))
        ok = https_throw_status(s->target->name, reply->status, error);
    vio_http_co_close(exchange);
    return ok;
}

bool
https_co_look(VdNode *node, GError **error)
{
    GError *failure = NULL;
    bool lost = false;

    if (look_co_once(node, &lost, &failure))
        return true;
    if (lost) {
        g_error_free(failure);
        return look_co_once(node, &lost, error);
    }
    g_propagate_error(error, failure);
    return false;
}
