/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/option.c - one option of the handshake and its replies.
 *
 * One option is outstanding at a time.  No length from the wire is more than
 * a number of bytes to skip until it was compared with what is expected.
 *
 * Concurrency: a handshake belongs to the coroutine that connects.
 */
#include "block/proto/nbd/handshake.h"

#include "block/proto/text.h"
#include "io/bytes.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Longest reply that is skipped rather than taken for garbage. */
#define MAX_REPLY (UINT32_C(32) << 20)

/* -- bytes ----------------------------------------------------------------- */

static const char *
tls_why(const NbdHandshake *h)
{
    const char *why = vio_stream_tls_why(h->stream);

    return why ? why : "the handshake failed";
}

/* In TLS 1.3 a server judges the client when the client is done already. */
static bool
tls_refused(NbdHandshake *h, GError **error)
{
    h->final = !h->target->agreed;
    return vd_throw(error, VD_ERROR_PERMISSION,
                    "%s: the server closed the connection after the TLS "
                    "handshake; it may require a client certificate",
                    h->target->name);
}

static bool
shake_failed(NbdHandshake *h, int errnum, GError **error)
{
    const char *name = h->target->name;
    const char *what = nbd_option_name(h->asked);

    switch (errnum) {
    case ENODATA:
    case ECONNRESET:
    case EPIPE:
        h->lost = !h->fresh_tls;
        if (h->fresh_tls)
            return tls_refused(h, error);
        return vd_throw(error, VD_ERROR_IO,
                        "%s: the server closed the connection in the "
                        "handshake, %s%s",
                        name, what ? "after option " : "before any option",
                        what ? what : "");
    case ETIMEDOUT:
        return vd_throw(error, VD_ERROR_TIMED_OUT,
                        "%s: the server does not answer: handshake timed out",
                        name);
    case EPROTO:
        h->final = !h->target->agreed;
        return vd_throw(error, VD_ERROR_PERMISSION, "%s: TLS: %s", name,
                        tls_why(h));
    default:
        return vd_throw_errno(error, errnum, "%s: handshake", name);
    }
}

bool
nbd_shake_co_read(NbdHandshake *h, void *buf, size_t len, GError **error)
{
    int r = vio_stream_co_read(h->stream, buf, len, h->cancel);

    if (r < 0)
        return shake_failed(h, -r, error);
    h->fresh_tls = false;
    return true;
}

bool
nbd_shake_co_send(NbdHandshake *h, const void *buf, size_t len, GError **error)
{
    int r = vio_stream_co_send(h->stream, buf, len, NULL, h->cancel);

    if (r == 0)
        r = vio_stream_co_flush(h->stream, h->cancel);
    return r == 0 || shake_failed(h, -r, error);
}

bool
nbd_shake_violation(NbdHandshake *h, GError **error, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    h->final = true;
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the server breaks the protocol: %s", h->target->name,
                    text);
}

/* -- options --------------------------------------------------------------- */

bool
nbd_option_co_send(NbdHandshake *h, uint32_t option, const void *data,
                   size_t len, GError **error)
{
    g_autofree uint8_t *bytes = g_malloc(NBD_OPTION_SIZE + len);

    vio_put_be64(bytes, NBD_OPTION_MAGIC);
    vio_put_be32(bytes + 8, option);
    vio_put_be32(bytes + 12, (uint32_t) len);
    if (len > 0)
        memcpy(bytes + NBD_OPTION_SIZE, data, len);
    h->asked = option;
    return nbd_shake_co_send(h, bytes, NBD_OPTION_SIZE + len, error);
}

static bool
option_co_payload(NbdHandshake *h, NbdOptionReply *reply, GError **error)
{
    int r;

    reply->kept = MIN(reply->len, (uint32_t) NBD_REPLY_KEPT);
    reply->bytes = h->payload;
    if (!nbd_shake_co_read(h, h->payload, reply->kept, error))
        return false;
    r = vio_stream_co_skip(h->stream, reply->len - reply->kept, h->cancel);
    return r == 0 || shake_failed(h, -r, error);
}

bool
nbd_option_co_reply(NbdHandshake *h, NbdOptionReply *reply, GError **error)
{
    uint8_t head[NBD_OPTION_REPLY_SIZE];
    uint64_t magic;
    uint32_t option;

    if (!nbd_shake_co_read(h, head, sizeof(head), error))
        return false;
    magic = vio_get_be64(head);
    option = vio_get_be32(head + 8);
    reply->type = vio_get_be32(head + 12);
    reply->len = vio_get_be32(head + 16);
    if (magic != NBD_OPTION_REPLY_MAGIC)
        return nbd_shake_violation(
            h, error, "option reply with magic %016" PRIx64, magic);
    if (option != h->asked)
        return nbd_shake_violation(
            h, error, "reply to option %" PRIu32 ", asked was %" PRIu32, option,
            h->asked);
    if (reply->len > MAX_REPLY)
        return nbd_shake_violation(h, error,
                                   "option reply of %" PRIu32
                                   " bytes, at most %" PRIu32 " make sense",
                                   reply->len, MAX_REPLY);
    if (reply->type == NBD_REP_ACK && reply->len != 0)
        return nbd_shake_violation(
            h, error, "acknowledgement of %" PRIu32 " bytes, not 0",
            reply->len);
    return option_co_payload(h, reply, error);
}

bool
nbd_option_refused(NbdHandshake *h, const NbdOptionReply *reply, GError **error)
{
    const char *option = nbd_option_name(h->asked);
    g_autofree char *text =
        vd_escape_text(reply->bytes, MIN(reply->kept, NBD_MAX_STRING));
    VdErrorCode code = VD_ERROR_NOT_SUPPORTED;

    h->final = reply->type != NBD_REP_ERR_SHUTDOWN;
    switch (reply->type) {
    case NBD_REP_ERR_UNKNOWN:
        code = VD_ERROR_NOT_FOUND;
        break;
    case NBD_REP_ERR_POLICY:
    case NBD_REP_ERR_TLS_REQD:
        code = VD_ERROR_PERMISSION;
        break;
    case NBD_REP_ERR_SHUTDOWN:
        code = VD_ERROR_IO;
        break;
    default:
        break;
    }
    return vd_throw(error, code, "%s: the server refuses option %s: %s%s%s%s",
                    h->target->name, option, nbd_option_error_name(reply->type),
                    *text ? ": " : "", text,
                    reply->type == NBD_REP_ERR_TLS_REQD ? " (use nbds://)"
                                                        : "");
}

bool
nbd_option_co_simple(NbdHandshake *h, uint32_t option, bool *accepted,
                     GError **error)
{
    NbdOptionReply reply;

    if (!nbd_option_co_send(h, option, NULL, 0, error) ||
        !nbd_option_co_reply(h, &reply, error))
        return false;
    *accepted = reply.type == NBD_REP_ACK;
    if (*accepted)
        return true;
    if (reply.type == NBD_REP_ERR_SHUTDOWN)
        return nbd_option_refused(h, &reply, error);
    return (reply.type & NBD_REP_IS_ERROR) ||
           nbd_shake_violation(h, error,
                               "reply of type %" PRIu32 " to option %s",
                               reply.type, nbd_option_name(option));
}

bool
nbd_shake_co_start_tls(NbdHandshake *h, GError **error)
{
    VioTlsSession *session = nbd_target_tls_session(h->target);
    int r = vio_stream_co_start_tls(h->stream, session, h->cancel);

    if (r == -EBADMSG)
        return nbd_shake_violation(h, error, "clear text where TLS begins");
    h->fresh_tls = r == 0;
    return r == 0 || shake_failed(h, -r, error);
}

void
nbd_option_co_abort(NbdHandshake *h)
{
    (void) nbd_option_co_send(h, NBD_OPT_ABORT, NULL, 0, NULL);
}
