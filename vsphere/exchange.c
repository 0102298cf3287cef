/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/exchange.c - one request over HTTP, and its answer.
 *
 * The cookie of the session is kept here and sent as it came, quotes included.
 * Whatever a server says may have our password in it, out of malice or not:
 * texts of errors go through hide_secrets().
 *
 * Concurrency: in turn; the calling thread runs the session's loop meanwhile.
 */
#include "vsphere/session-internal.h"

#include "block/error.h"
#include "vsphere/reply.h"
#include "vsphere/request.h"

#include <errno.h>
#include <string.h>

#define HTTP_OK 200
#define HTTP_UNAUTHORIZED 401
#define HTTP_FORBIDDEN 403
#define HTTP_FAULT 500

/* -- errors -----------------------------------------------------------------
 */

static VdErrorCode
code_of_http(int err)
{
    switch (err) {
    case -EHOSTUNREACH:
        return VD_ERROR_HOST_NOT_FOUND;
    case -ECONNREFUSED:
        return VD_ERROR_CONNECTION_REFUSED;
    case -EKEYREJECTED:
    case -EPROTO:
        return VD_ERROR_CANNOT_CONNECT;
    case -ETIMEDOUT:
    case -ECONNRESET:
        return VD_ERROR_CONNECTION_LOST;
    case -EMSGSIZE:
        return VD_ERROR_LIMIT;
    case -EINVAL:
        return VD_ERROR_INVALID_ARGUMENT;
    case -ECANCELED:
        return VD_ERROR_CANCELLED;
    case -EOPNOTSUPP:
        return VD_ERROR_NOT_SUPPORTED;
    default:
        return VD_ERROR_SOCKET;
    }
}

bool
vs_session_is_out_of_reach(const GError *error)
{
    return vd_error_is(error, VD_ERROR_HOST_NOT_FOUND) ||
           vd_error_is(error, VD_ERROR_CONNECTION_REFUSED) ||
           vd_error_is(error, VD_ERROR_CANNOT_CONNECT) ||
           vd_error_is(error, VD_ERROR_CONNECTION_LOST) ||
           vd_error_is(error, VD_ERROR_SOCKET) ||
           vd_error_is(error, VD_ERROR_TIMED_OUT);
}

static bool
throw_status(const VsSession *session, const char *op, int status,
             GError **error)
{
    bool refused = status == HTTP_UNAUTHORIZED || status == HTTP_FORBIDDEN;

    return vd_throw(error, refused ? VD_ERROR_LOGIN : VD_ERROR_CANNOT_CONNECT,
                    "%s: %s: HTTP status %d instead of an answer",
                    session->name, op, status);
}

static void
hide(char **text, const char *secret)
{
    g_auto(GStrv) parts = NULL;

    if (!*secret || !strstr(*text, secret))
        return;
    parts = g_strsplit(*text, secret, -1);
    g_free(*text);
    *text = g_strjoinv("(hidden)", parts);
}

/* However short: it may be all but the last byte that is left of a secret. */
static void
hide_at_cuts(char **text, const char *secret)
{
    size_t most = MIN(strlen(secret), strlen(*text));

    for (size_t n = most; n > 0 && strstr(*text, VS_XML_CUT); n--) {
        char *beginning = g_strdup_printf("%.*s" VS_XML_CUT, (int) n, secret);

        hide(text, beginning);
        vs_wipe(beginning);
    }
}

/* As it is, and as vs_xml_shown() leaves it. */
static void
hide_secret(char **text, const char *secret)
{
    char *line;

    if (!secret)
        return;
    line = vs_xml_line(secret);
    hide(text, secret);
    hide(text, line);
    hide_at_cuts(text, line);
    vs_wipe(line);
}

/* @error as it may be shown; NULL and unset errors stay. */
static void
hide_secrets(VsSession *session, GError **error)
{
    if (!error || !*error)
        return;
    hide_secret(&(*error)->message, session->password);
    g_mutex_lock(&session->lock);
    hide_secret(&(*error)->message, session->cookie);
    g_mutex_unlock(&session->lock);
}

/* -- cookie -----------------------------------------------------------------
 */

void
vs_exchange_set_cookie(VsSession *session, const char *cookie)
{
    g_autofree char *line =
        cookie ? g_strdup_printf("Cookie: " VS_SESSION_COOKIE "=%s", cookie)
               : NULL;
    g_autofree char *action =
        g_strdup_printf("SOAPAction: \"%s\"", session->action);
    const char *headers[] = {"Content-Type: text/xml; charset=utf-8", action,
                             line, NULL};
    char *old;

    g_mutex_lock(&session->lock);
    old = session->cookie;
    session->cookie = g_strdup(cookie);
    g_mutex_unlock(&session->lock);
    vs_wipe(old);
    vio_http_set_headers(session->http, headers);
}

/* "vmware_soap_session=VALUE; Path=/; ..." */
static void
take_cookie(VsSession *session, const VioHttpReply *reply)
{
    const char *line;

    for (unsigned i = 0; (line = vio_http_header(reply, "Set-Cookie", i));
         i++) {
        g_autofree char *value = NULL;

        if (!g_str_has_prefix(line, VS_SESSION_COOKIE "="))
            continue;
        line += strlen(VS_SESSION_COOKIE "=");
        value = g_strndup(line, strcspn(line, ";"));
        g_strstrip(value);
        if (*value)
            vs_exchange_set_cookie(session, value);
    }
}

/* -- the exchange -----------------------------------------------------------
 */

typedef struct {
    VsSession *session;
    VioHttpRequest request;
    VioHttpReply reply;
    VioCancel *cancel;
    int err;
    char *why;
} Call;

/* coroutine entry */
static void
call_main(void *opaque)
{
    Call *call = opaque;

    call->err =
        vio_http_co_call(call->session->http, &call->request, VS_XML_MAX_BYTES,
                         &call->reply, call->cancel, &call->why);
}

static bool
post(VsSession *session, const char *op, const char *body, size_t len,
     VioHttpReply *reply, GError **error)
{
    Call call = {
        .session = session,
        .request = {.method = "POST",
                    .url = session->url,
                    .body = body,
                    .body_len = len},
        .cancel = vio_cancel_new_child(vs_session_thread_cancel()),
    };

    vio_cancel_set_deadline(call.cancel, vio_now_ns() + session->timeout_ms *
                                                            UINT64_C(1000000));
    vio_loop_run_sync(session->loop, call_main, &call);
    vio_cancel_unref(call.cancel);
    if (call.err != 0)
        (void) vd_throw(error, code_of_http(call.err), "%s: %s: %s",
                        session->name, op,
                        call.why ? call.why : g_strerror(-call.err));
    g_free(call.why);
    if (call.err == 0)
        *reply = call.reply;
    return call.err == 0;
}

VsReply *
vs_exchange_in_turn(VsSession *session, VsRequest *request, VsFault **fault,
                    GError **error)
{
    g_auto(VioHttpReply) answer = {0};
    const char *op = vs_request_op(request);
    size_t len;
    const char *body = vs_request_finish(request, &len, error);
    VsReply *reply;

    *fault = NULL;
    if (!body)
        return vd_prefix_null(error, "%s: ", session->name);
    if (!post(session, op, body, len, &answer, error)) {
        hide_secrets(session, error);
        return NULL;
    }
    if (answer.status != HTTP_OK && answer.status != HTTP_FAULT) {
        (void) throw_status(session, op, answer.status, error);
        return NULL;
    }
    reply = vs_reply_parse(session->name, op, answer.body, answer.len, fault,
                           error);
    if (reply)
        take_cookie(session, &answer);
    else
        hide_secrets(session, error);
    return reply;
}

void *
vs_exchange_throw(VsSession *session, const VsFault *fault, const char *op,
                  GError **error)
{
    (void) vs_fault_throw(error, fault, session->name, op);
    hide_secrets(session, error);
    return NULL;
}

VsReply *
vs_exchange_or_throw_in_turn(VsSession *session, VsRequest *request,
                             GError **error)
{
    g_autoptr(VsFault) fault = NULL;
    VsReply *reply = vs_exchange_in_turn(session, request, &fault, error);

    return fault ? vs_exchange_throw(session, fault, vs_request_op(request),
                                     error)
                 : reply;
}
