/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/open.c - from nothing to an opened disk.
 *
 *   ticket -> authd -> classic session -> OPEN_SESSION -> OPEN_FILE
 *
 * Options of the socket and the pool of resources on the host are left as they
 * are.  A host's memory for buffers is limited for all its clients together, so
 * one that does not want large ones is asked for small ones: on the same
 * connection first, then, with another ticket, on a new one.  One with which
 * there is no TLS, and whose thumbprint we have, is asked for what was safe
 * enough when it was new.
 *
 * Concurrency: an opening belongs to the coroutine that connects.
 */
#include "block/proto/nfc/open.h"

#include "block/proto/nfc/conn.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define DEFAULT_BUFFER (1u << 20)
#define LEAST_SECTOR 512u
#define MOST_SECTOR 4096u
#define FLAG_READ_ONLY 0x04u

/* -- failures -------------------------------------------------------------- */

bool
nfc_opening_lost(NfcOpening *o, int errnum, const char *doing, GError **error)
{
    switch (errnum) {
    case ENODATA:
    case ECONNRESET:
    case EPIPE:
        return vd_throw(error, VD_ERROR_HANDSHAKE,
                        "%s: the server closed the connection (%s)", o->name,
                        doing);
    default:
        return vd_throw_errno(error, errnum, "%s: %s", o->name, doing);
    }
}

bool
nfc_opening_violation(NfcOpening *o, GError **error, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    o->final = true;
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the server breaks the protocol: %s", o->name, text);
}

/* -- calls ----------------------------------------------------------------- */

/* False: lost.  Else the server may have refused. */
static bool
call_co_run(NfcOpening *o, NfcConn *conn, NfcJob *job, GError **error)
{
    nfc_conn_co_run(conn, job);
    if (!job->await.lost)
        return true;
    o->final = conn->peer.is_violated;
    g_propagate_error(error, g_error_copy(conn->peer.error));
    return false;
}

static bool
is_large(const NfcOpening *o)
{
    return o->buffer_size > NFC_SMALL_BUFFER;
}

static bool
session_co_ask(NfcOpening *o, NfcConn *conn, bool *refused, GError **error)
{
    NfcJob job = {
        .type = NFC_OPEN_SESSION,
        .request_len = NFC_OPEN_SESSION_BYTES,
        .reply_len = NFC_OPEN_SESSION_BYTES,
    };
    bool ok;

    nfc_put_open_session(conn->buffer_size, (uint32_t) o->target->buffer_count,
                         job.request);
    ok = call_co_run(o, conn, &job, error);
    *refused = ok && job.refused;
    if (*refused)
        ok = vd_throw(error, VD_ERROR_IO,
                      "%s: the server does not open a session with %" PRIu64
                      " buffers of %u bytes: %s",
                      o->name, o->target->buffer_count, conn->buffer_size,
                      job.reason);
    nfc_job_clear(&job);
    return ok;
}

static bool
session_co_open(NfcOpening *o, NfcConn *conn, GError **error)
{
    bool refused;

    o->too_large = is_large(o);
    if (!session_co_ask(o, conn, &refused, error)) {
        if (!refused || !o->too_large)
            return false;
        g_clear_error(error);
        conn->buffer_size = NFC_SMALL_BUFFER;
        if (!session_co_ask(o, conn, &refused, error))
            return false;
    }
    o->too_large = false;
    o->buffer_size = conn->buffer_size;
    conn->has_session = true;
    return true;
}

/* -- the file -------------------------------------------------------------- */

static bool
check_file(NfcOpening *o, const NfcFile *file, GError **error)
{
    uint32_t sector = file->sector_size;

    if (sector < LEAST_SECTOR || sector > MOST_SECTOR ||
        (sector & (sector - 1)) != 0 || file->capacity % sector != 0 ||
        file->capacity == 0 || file->capacity > (uint64_t) VD_MAX_SIZE)
        return nfc_opening_violation(
            o, error, "a disk of %" PRIu64 " bytes in sectors of %u",
            file->capacity, sector);
    if (!o->writable || !(file->flags & FLAG_READ_ONLY))
        return true;
    o->final = true;
    return vd_throw(error, VD_ERROR_READ_ONLY,
                    "%s: the server opened it for reading only", o->name);
}

/* Others may have it for now, so it is worth another try. */
static bool
throw_refused(NfcOpening *o, const NfcJob *job, GError **error)
{
    if (job->read_only && o->writable) {
        o->final = true;
        return vd_throw(error, VD_ERROR_READ_ONLY,
                        "%s: the ticket is for reading only: %s", o->name,
                        job->reason);
    }
    return vd_throw(error, job->locked ? VD_ERROR_IN_USE : VD_ERROR_IO,
                    "%s: the server does not open the disk%s (that of a "
                    "running machine is open to others behind a snapshot "
                    "only): %s",
                    o->name,
                    job->locked ? ", which somebody else has open" : "",
                    job->reason);
}

static bool
file_co_open(NfcOpening *o, NfcConn *conn, GError **error)
{
    const char *path = o->target->path;
    NfcJob job = {
        .type = NFC_OPEN_FILE,
        .request_len = NFC_OPEN_FILE_BYTES,
        .extra = path,
        .reply_len = NFC_OPEN_FILE_BYTES,
    };
    bool ok;

    nfc_put_open_file((uint32_t) strlen(path), o->writable, job.request);
    ok = call_co_run(o, conn, &job, error);
    if (ok && job.refused)
        ok = throw_refused(o, &job, error);
    if (ok) {
        nfc_get_open_file(job.reply, &conn->file);
        conn->has_file = true;
        ok = check_file(o, &conn->file, error);
    }
    nfc_job_clear(&job);
    return ok;
}

/* -- all of it ------------------------------------------------------------- */

void
nfc_opening_clear(NfcOpening *o)
{
    vd_ticket_clear(&o->ticket);
    g_clear_pointer(&o->name, g_free);
    g_clear_pointer(&o->digest, g_free);
}

/* A source that cannot reach its server now may do so later. */
static bool
may_pass(const GError *why)
{
    static const VdErrorCode passing[] = {
        VD_ERROR_IO,
        VD_ERROR_TIMED_OUT,
        VD_ERROR_BUSY,
        VD_ERROR_HOST_NOT_FOUND,
        VD_ERROR_CONNECTION_REFUSED,
        VD_ERROR_CONNECTION_LOST,
        VD_ERROR_CANNOT_CONNECT,
        VD_ERROR_SOCKET,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(passing); i++)
        if (vd_error_is(why, passing[i]))
            return true;
    return false;
}

static bool
ticket_co_take(NfcOpening *o, GError **error)
{
    GError *why = NULL;

    if (nfc_ticket_co_get(o->target, o->env->loop, o->cancel, &o->ticket,
                          &why)) {
        o->name = g_strdup_printf("%s on %s:%u", o->target->name,
                                  o->ticket.host, o->ticket.port);
        return true;
    }
    o->final = !may_pass(why);
    g_propagate_error(error, why);
    return false;
}

/* Within the time for all of an opening, not with as much for each answer. */
static bool
disk_co_open(NfcOpening *o, NfcConn *conn, GError **error)
{
    VdEnv env = *o->env;
    bool ok;

    env.cancel = o->cancel;
    conn->peer.env = &env;
    conn->peer.patience_s = 0;
    ok = session_co_open(o, conn, error) && file_co_open(o, conn, error);
    conn->peer.env = o->env;
    conn->peer.patience_s = o->target->request_timeout;
    return ok;
}

static NfcConn *
open_co_try(NfcOpening *o, GError **error)
{
    NfcConn *conn;

    nfc_opening_clear(o);
    o->tls_failed = o->too_large = o->final = false;
    if (!ticket_co_take(o, error))
        return NULL;
    if (!nfc_authd_co_enter(o, error) || !nfc_classic_co_agree(o, error)) {
        vio_stream_co_close(g_steal_pointer(&o->stream));
        return NULL;
    }
    conn = nfc_conn_new(o);
    if (disk_co_open(o, conn, error))
        return conn;
    nfc_conn_co_close(conn);
    return NULL;
}

/* Is there another way to ask, and time for it?  Only a certificate that is
 * known by its digest may be signed badly. */
static bool
ask_for_less(NfcOpening *o)
{
    if (o->final || vio_cancel_check(o->cancel) != 0)
        return false;
    if (o->too_large && is_large(o)) {
        o->buffer_size = NFC_SMALL_BUFFER;
        return true;
    }
    if (o->tls_failed && !o->low_security && o->ticket.thumbprint)
        return o->low_security = true;
    return false;
}

NfcConn *
nfc_co_open(NfcOpening *o, GError **error)
{
    GError *cause = NULL;
    NfcConn *conn;

    if (o->buffer_size == 0)
        o->buffer_size = o->target->buffer_size
                             ? (uint32_t) o->target->buffer_size
                             : DEFAULT_BUFFER;
    while (!(conn = open_co_try(o, &cause)) && ask_for_less(o))
        g_clear_error(&cause);
    nfc_opening_clear(o);
    if (cause)
        g_propagate_error(error, cause);
    return conn;
}
