/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/authd.c - the line protocol of port 902, and TLS.
 *
 *   S: 220 VMware Authentication Daemon ...: SSL Required, ... SHA256 supported
 *   -- TLS; the host's certificate must have the ticket's thumbprint
 *   C: SESSION id                    no answer
 *   C: THUMBPRINT_SHA2 PlainText     S: 200 digest of what is behind authd
 *   C: THUMBPRINT PlainText          S: 200 the same for older ones
 *   C: PROXY service                 S: 200 Connect ...
 *   -- the end of this TLS session, without a word
 *   -- nbdssl: another one, with a certificate of that digest
 *
 * A host that may not know the first question refuses it with the number that
 * stands for an unknown session, too, so that only the last answer counts.
 *
 * Concurrency: an opening belongs to the coroutine that connects.
 */
#include "block/proto/nfc/open.h"

#include "block/proto/creds.h"
#include "block/proto/dial.h"
#include "block/proto/text.h"
#include "io/thumbprint.h"

#include <errno.h>
#include <string.h>

#define MAX_LINE 1016u

typedef struct Line {
    unsigned code;           /* 0 = there is no number in front */
    char text[MAX_LINE + 1]; /* behind it, without the end of the line */
} Line;

/* -- lines ----------------------------------------------------------------- */

static void
parse_line(const char *bytes, size_t len, Line *line)
{
    bool has_code = len >= 4 && g_ascii_isdigit(bytes[0]) &&
                    g_ascii_isdigit(bytes[1]) && g_ascii_isdigit(bytes[2]) &&
                    (bytes[3] == ' ' || bytes[3] == '-');
    size_t skip = has_code ? 4 : 0;

    line->code = 0;
    for (unsigned i = 0; has_code && i < 3; i++)
        line->code = 10 * line->code + (unsigned) (bytes[i] - '0');
    if (len > skip && bytes[len - 1] == '\r')
        len--;
    memcpy(line->text, bytes + skip, len - skip);
    line->text[len - skip] = '\0';
}

static bool
line_co_read(NfcOpening *o, Line *line, const char *doing, GError **error)
{
    const void *bytes, *end;
    size_t have = 0;

    do {
        int r =
            vio_stream_co_peek(o->stream, have + 1, &bytes, &have, o->cancel);

        if (r < 0)
            return nfc_opening_lost(o, -r, doing, error);
        end = memchr(bytes, '\n', have);
    } while (!end && have < MAX_LINE);
    if (!end || (size_t) ((const char *) end - (const char *) bytes) > MAX_LINE)
        return nfc_opening_violation(
            o, error, "a line of authd of more than %u bytes", MAX_LINE);
    have = (size_t) ((const char *) end - (const char *) bytes);
    parse_line(bytes, have, line);
    vio_stream_consume(o->stream, have + 1);
    return true;
}

static bool
line_co_send(NfcOpening *o, const char *command, const char *argument,
             GError **error)
{
    g_autofree char *line = g_strdup_printf("%s %s\r\n", command, argument);
    int r = vio_stream_co_send(o->stream, line, strlen(line), NULL, o->cancel);

    explicit_bzero(line, strlen(line));
    return r == 0 || nfc_opening_lost(o, -r, "talking to authd", error);
}

/* What a server says is shown, but not what we have told it. */
static char *
shown(const NfcOpening *o, const Line *line)
{
    const char *secret = o->ticket.session_id;

    if (strstr(line->text, secret))
        return g_strdup("(with the session's id)");
    return vd_escape_text(line->text, strlen(line->text));
}

/* -- TLS ------------------------------------------------------------------- */

static bool
tls_refused(NfcOpening *o, int errnum, GError **error)
{
    const char *why = vio_stream_tls_why(o->stream);

    if (errnum != EPROTO && errnum != EKEYREJECTED && errnum != EINVAL)
        return nfc_opening_lost(o, errnum, "TLS", error);
    o->tls_failed = errnum == EPROTO; /* by accident, perhaps */
    o->final = errnum != EPROTO;
    return vd_throw(error, VD_ERROR_HANDSHAKE, "%s: TLS: %s", o->name,
                    why ? why : "the handshake failed");
}

static bool
tls_co_start(NfcOpening *o, const char *thumbprint, GError **error)
{
    VioTlsParams params = {
        .dir = o->target->tls_certificates,
        .verify_peer = true,
        .thumbprint = thumbprint,
        .low_security = o->low_security,
    };
    g_autofree char *why = NULL;
    g_autoptr(VioTlsCreds) creds =
        vd_co_load_creds(o->env->loop, &params, &why);
    int r;

    if (!creds) {
        o->final = true;
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT, "%s: TLS: %s",
                        o->name, why);
    }
    r = vio_stream_co_start_tls(
        o->stream, vio_tls_session_new(creds, o->ticket.host), o->cancel);
    return r == 0 || tls_refused(o, -r, error);
}

/* -- steps ----------------------------------------------------------------- */

/* A session's id is not for the network to see. */
bool
nfc_authd_co_greet(NfcOpening *o, bool *sha256, GError **error)
{
    Line line;

    if (!line_co_read(o, &line, "waiting for authd", error))
        return false;
    if (line.code != 220)
        return nfc_opening_violation(o, error, "there is no authd");
    *sha256 = strstr(line.text, "SHA256 supported");
    if (strstr(line.text, "SSL"))
        return true;
    o->final = true;
    return vd_throw(error, VD_ERROR_HANDSHAKE,
                    "%s: authd does not offer TLS, and a session is not told "
                    "in clear",
                    o->name);
}

/* The digest, or none if the host does not want to tell. */
static bool
digest_co_ask(NfcOpening *o, const char *command, GError **error)
{
    VioThumbprint print;
    Line line;

    if (!line_co_send(o, command, NFC_NONCE, error) ||
        !line_co_read(o, &line, "asking for a thumbprint", error))
        return false;
    if (line.code != 200)
        return true;
    if (!vio_thumbprint_parse(line.text, &print))
        return nfc_opening_violation(o, error,
                                     "authd's answer is no thumbprint");
    o->digest = g_strdup(line.text);
    return true;
}

static bool
proxy_co_ask(NfcOpening *o, GError **error)
{
    g_autofree char *service =
        g_strconcat(o->ticket.service, o->target->tls ? "ssl" : "", NULL);
    g_autofree char *text = NULL;
    Line line;

    if (!line_co_send(o, "PROXY", service, error) ||
        !line_co_read(o, &line, "waiting to be connected", error))
        return false;
    if (line.code == 200)
        return true;
    text = shown(o, &line); /* another ticket may do */
    return vd_throw(error, VD_ERROR_HANDSHAKE,
                    "%s: authd refuses \"%s\": %u %s", o->name, service,
                    line.code, text);
}

bool
nfc_authd_co_login(NfcOpening *o, bool sha256, GError **error)
{
    if (!line_co_send(o, "SESSION", o->ticket.session_id, error))
        return false;
    if (sha256 && !digest_co_ask(o, "THUMBPRINT_SHA2", error))
        return false;
    if (!o->digest && !digest_co_ask(o, "THUMBPRINT", error))
        return false;
    return proxy_co_ask(o, error);
}

/* From here on the socket belongs to what is behind authd. */
static bool
authd_co_change(NfcOpening *o, GError **error)
{
    int r = vio_stream_co_leave_tls(o->stream, o->cancel);

    if (r == -EBADMSG)
        return nfc_opening_violation(o, error,
                                     "authd goes on behind its last answer");
    if (r < 0)
        return nfc_opening_lost(o, -r, "leaving authd", error);
    if (!o->target->tls)
        return true;
    return tls_co_start(o, o->digest ? o->digest : o->ticket.thumbprint, error);
}

bool
nfc_authd_co_enter(NfcOpening *o, GError **error)
{
    g_autofree char *port = g_strdup_printf("%u", o->ticket.port);
    VioNetAddress address = {
        .kind = VIO_NET_TCP, .host = o->ticket.host, .port = port};
    bool sha256 = false;

    o->stream = vd_co_dial(o->env, o->name, &address, o->cancel, error);
    return o->stream && nfc_authd_co_greet(o, &sha256, error) &&
           tls_co_start(o, o->ticket.thumbprint, error) &&
           nfc_authd_co_login(o, sha256, error) && authd_co_change(o, error);
}
