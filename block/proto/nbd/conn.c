/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/conn.c - one connection: opening, sending, the end.
 *
 * Who reads: relay.h.
 *
 * Concurrency: one loop.
 */
#include "block/proto/nbd/conn.h"

#include "block/proto/dial.h"
#include "io/op.h"

#include <errno.h>

#define SECOND_NS UINT64_C(1000000000)
#define FAREWELL_NS (2 * SECOND_NS)

void
nbd_job_clear(NbdJob *job)
{
    vd_cover_clear(&job->cover);
    g_clear_pointer(&job->text, g_free);
}

/* -- opening --------------------------------------------------------------- */

NbdConn *
nbd_conn_new(const VdEnv *env, NbdHandshake *h)
{
    NbdConn *conn = g_new0(NbdConn, 1);

    conn->target = h->target;
    conn->export = h->export;
    vd_peer_init(&conn->peer, env, h->target->name, g_steal_pointer(&h->stream),
                 h->target->request_timeout);
    return conn;
}

/* Leave out what the server seems to have choked on. */
static bool
can_do_without(NbdHandshake *h)
{
    bool *leave = h->asked == NBD_OPT_EXTENDED_HEADERS   ? &h->no_extended
                  : h->asked == NBD_OPT_STRUCTURED_REPLY ? &h->no_structured
                                                         : NULL;

    if (!h->lost || !leave || *leave)
        return false;
    *leave = true;
    return true;
}

static NbdConn *
conn_co_try(const VdEnv *env, NbdHandshake *h, GError **error)
{
    h->export = (NbdExport){.headers = NBD_HEADERS_SIMPLE};
    h->asked = 0;
    h->lost = h->fresh_tls = false;
    h->stream =
        vd_co_dial(env, h->target->name, &h->target->address, h->cancel, error);
    if (!h->stream)
        return NULL;
    if (nbd_shake_co_go(h, error))
        return nbd_conn_new(env, h);
    vio_stream_co_close(g_steal_pointer(&h->stream));
    return NULL;
}

NbdConn *
nbd_conn_co_open(const VdEnv *env, const NbdTarget *target, VioCancel *cancel,
                 uint64_t timeout_ns, bool *final, GError **error)
{
    g_autofree NbdHandshake *h = g_new0(NbdHandshake, 1);
    g_autoptr(VioCancel) deadline = vio_cancel_new_child(cancel);
    NbdConn *conn;
    GError *cause = NULL;

    h->target = target;
    h->cancel = deadline;
    if (timeout_ns > 0)
        vio_cancel_set_deadline(deadline, vio_now_ns() + timeout_ns);
    while (!(conn = conn_co_try(env, h, &cause)) && can_do_without(h))
        g_clear_error(&cause);
    *final = h->final;
    if (cause)
        g_propagate_error(error, cause);
    return conn;
}

/* -- slots ----------------------------------------------------------------- */

/* Less than all of them are in use. */
static unsigned
conn_take_slot(NbdConn *conn, NbdJob *job)
{
    unsigned slot = 0;

    while (conn->slots[slot].job)
        slot++;
    conn->slots[slot].job = job;
    conn->slots[slot].generation++;
    return slot;
}

/* -- requests -------------------------------------------------------------- */

static void
conn_co_send(NbdConn *conn, const NbdJob *job, unsigned slot)
{
    bool writes = job->command == NBD_CMD_WRITE;
    uint8_t head[NBD_EXT_REQUEST_SIZE];
    NbdHeaders headers = conn->export.headers;
    NbdRequest request = {
        .flags = (uint16_t) job->flags,
        .command = (uint16_t) job->command,
        .cookie = conn->slots[slot].generation << 16 | slot,
        .offset = job->off,
        .len = job->len,
    };
    size_t len;

    if (writes && headers == NBD_HEADERS_EXTENDED)
        request.flags |= NBD_CMD_FLAG_PAYLOAD_LEN;
    len = nbd_put_request(headers, &request, head);
    vd_peer_co_send(&conn->peer, head, len, writes ? job->data : NULL);
}

static bool
conn_co_read(void *opaque)
{
    return nbd_reply_co_read(opaque);
}

/* A connection that came later may have shorter headers; an answer may be about
 * less than was asked. */
static void
shorten(const NbdConn *conn, NbdJob *job)
{
    if (job->command == NBD_CMD_BLOCK_STATUS &&
        conn->export.headers != NBD_HEADERS_EXTENDED)
        job->len = MIN(job->len, NBD_LONGEST_ASK);
}

void
nbd_conn_co_run(NbdConn *conn, NbdJob *job)
{
    bool begun;

    shorten(conn, job);
    job->sent = false;
    job->error = 0;
    begun = vd_peer_co_begin(&conn->peer, &job->await, NBD_SLOTS);
    if (begun) {
        unsigned slot = conn_take_slot(conn, job);

        job->sent = true;
        conn_co_send(conn, job, slot);
        vd_relay_co_wait(&conn->peer.relay, &job->await, conn_co_read, conn);
        conn->slots[slot].job = NULL;
    }
    vd_peer_end(&conn->peer, &job->await, begun);
}

/* -- the end --------------------------------------------------------------- */

static void
conn_co_say_goodbye(void *opaque)
{
    NbdConn *conn = opaque;
    VioStream *stream = conn->peer.stream;
    g_autoptr(VioCancel) deadline = vio_cancel_new();
    uint8_t head[NBD_EXT_REQUEST_SIZE];
    NbdRequest request = {.command = NBD_CMD_DISC};
    size_t len = nbd_put_request(conn->export.headers, &request, head);

    vio_cancel_set_deadline(deadline, vio_now_ns() + FAREWELL_NS);
    if (vio_stream_co_send(stream, head, len, NULL, deadline) == 0)
        (void) vio_stream_co_end(stream, deadline); /* nobody minds */
}

void
nbd_conn_co_close(NbdConn *conn)
{
    vd_peer_co_close(&conn->peer, conn_co_say_goodbye, conn);
    nbd_conn_unref(conn);
}

NbdConn *
nbd_conn_ref(NbdConn *conn)
{
    conn->peer.refs++;
    return conn;
}

void
nbd_conn_unref(NbdConn *conn)
{
    if (--conn->peer.refs > 0)
        return;
    vd_peer_clear(&conn->peer);
    g_free(conn);
}
