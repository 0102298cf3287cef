/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/conn.c - one connection that talks in frames: sending, the
 * end.
 *
 * Numbers of requests rise in the order in which they are sent.
 *
 * Concurrency: one loop.
 */
#include "block/proto/nfc/conn.h"

#include <errno.h>
#include <string.h>

#define SECOND_NS UINT64_C(1000000000)
#define FAREWELL_S 1u
#define FAREWELL_BYTES (1u << 20)

/* -- jobs ------------------------------------------------------------------ */

static void
job_begin(NfcJob *job)
{
    nfc_job_clear(job);
    job->sent = job->refused = job->read_only = job->locked = false;
    job->outlived = false;
}

void
nfc_job_clear(NfcJob *job)
{
    vd_cover_clear(&job->cover);
    g_clear_pointer(&job->reason, g_free);
    g_clear_pointer(&job->reply_extra, g_free);
    g_clear_pointer(&job->pieces, g_array_unref);
    job->kept = 0;
}

/* -- sending --------------------------------------------------------------- */

static void
send_co_read(NfcConn *conn, const NfcJob *job)
{
    uint8_t bytes[NFC_HEADER_BYTES + NFC_IO_BYTES];
    NfcHeader header = {.type = NFC_IO, .size = NFC_IO_BYTES, .op = job->op};
    uint32_t len = (uint32_t) job->data->len;
    NfcIo io = {
        .handle = conn->file.handle,
        .direction = NFC_READ,
        .compression = conn->target->compression,
        .off = job->off,
        .total = len,
        .part_len = len,
        .extra_len = len,
    };

    nfc_put_header(&header, bytes);
    nfc_put_io(&io, bytes + NFC_HEADER_BYTES);
    vd_peer_co_send(&conn->peer, bytes, sizeof(bytes), NULL);
}

static void
send_co_call(NfcConn *conn, NfcJob *job)
{
    uint8_t head[NFC_HEADER_BYTES];
    NfcHeader header = {
        .type = job->type, .size = (uint32_t) job->request_len, .op = job->op};
    bool has_handle =
        job->type == NFC_DDB_GET || job->type == NFC_QUERY_ALLOCATED;
    struct iovec iov[2] = {
        {job->request, job->request_len},
        {(char *) job->extra, job->extra ? strlen(job->extra) : 0},
    };
    VioVec payload = vio_vec_from_iov(iov, 2);

    if (has_handle) /* of this connection; always in front */
        nfc_put_handle(conn->file.handle, job->request);
    nfc_put_header(&header, head);
    vd_peer_co_send(&conn->peer, head, sizeof(head), &payload);
}

static bool
is_write(const NfcJob *job)
{
    return job->type == NFC_IO && job->direction == NFC_WRITE;
}

static void
conn_co_send(NfcConn *conn, NfcJob *job, NfcPack *pack)
{
    job->op = conn->next_op++;
    job->sent = true;
    g_hash_table_insert(conn->jobs, GUINT_TO_POINTER(job->op), job);
    if (is_write(job)) {
        nfc_pack_set_op(pack, job->op);
        vd_peer_co_send(&conn->peer, NULL, 0, &pack->vec);
    } else if (job->type == NFC_IO) {
        send_co_read(conn, job);
    } else {
        send_co_call(conn, job);
    }
}

static bool
conn_co_read(void *opaque)
{
    return nfc_frame_co_read(opaque);
}

/* What comes compressed may be garbage; then nothing of the server is. */
static void
conn_co_unpack(NfcConn *conn, NfcJob *job)
{
    g_autoptr(GError) error = NULL;

    if (!job->await.done || job->refused || !job->pieces ||
        nfc_co_unpack(conn->peer.env->loop, job, &error))
        return;
    (void) vd_peer_violation(&conn->peer, "%s", error->message);
    job->await.done = false;
    job->await.lost = true;
}

void
nfc_conn_co_run(NfcConn *conn, NfcJob *job)
{
    NfcPack pack = {0};
    bool begun;

    job_begin(job);
    begun = vd_peer_co_begin(&conn->peer, &job->await, NFC_SLOTS);
    if (begun) {
        if (is_write(job))
            nfc_pack_co_make(&pack, conn, job);
        if (!conn->peer.relay.broken) /* packing has taken its time */
            conn_co_send(conn, job, &pack);
        vd_relay_co_wait(&conn->peer.relay, &job->await, conn_co_read, conn);
        if (job->sent)
            g_hash_table_remove(conn->jobs, GUINT_TO_POINTER(job->op));
        conn_co_unpack(conn, job);
        job->outlived = job->await.done && conn->peer.relay.broken;
    }
    vd_peer_end(&conn->peer, &job->await, begun);
    nfc_pack_clear(&pack);
}

/* -- the end --------------------------------------------------------------- */

static void
farewell_co_send(NfcConn *conn, NfcType type, uint64_t argument, size_t len,
                 VioCancel *deadline)
{
    uint8_t bytes[NFC_HEADER_BYTES + NFC_CLOSE_FILE_BYTES];
    NfcHeader header = {
        .type = type, .size = (uint32_t) len, .op = conn->next_op++};

    nfc_put_header(&header, bytes);
    argument = GUINT64_TO_LE(argument);
    memcpy(bytes + NFC_HEADER_BYTES, &argument, len);
    (void) vio_stream_co_send(conn->peer.stream, bytes, NFC_HEADER_BYTES + len,
                              NULL, deadline); /* nobody minds */
}

/* Nobody else is asking, so the first that comes is the answer to @op, which
 * closes the file; hanging up in peace is as good. */
static bool
farewell_co_is_heard(VioStream *stream, uint32_t op, VioCancel *deadline)
{
    const void *bytes;
    size_t available;
    NfcHeader header;
    int r = vio_stream_co_peek(stream, NFC_HEADER_BYTES, &bytes, &available,
                               deadline);

    if (r < 0)
        return r == -ENODATA;
    return nfc_get_header(bytes, &header) && header.type == NFC_CLOSE_FILE &&
           header.op == op;
}

static bool
farewell_co_tell(NfcConn *conn, VioCancel *deadline)
{
    VioStream *stream = conn->peer.stream;
    uint8_t message[NFC_CLASSIC_BYTES];

    if (conn->has_file)
        farewell_co_send(conn, NFC_CLOSE_FILE, conn->file.handle,
                         NFC_CLOSE_FILE_BYTES, deadline);
    farewell_co_send(conn, NFC_CLOSE_SESSION, 0, NFC_CLOSE_SESSION_BYTES,
                     deadline);
    nfc_put_classic(NFC_SESSION_COMPLETE, 0, 0, message);
    return vio_stream_co_send(stream, message, sizeof(message), NULL,
                              deadline) == 0 &&
           vio_stream_co_end(stream, deadline) == 0;
}

/* Until the server hangs up: what it has got it has done then. */
static void
conn_co_say_goodbye(void *opaque)
{
    NfcConn *conn = opaque;
    VioStream *stream = conn->peer.stream;
    g_autoptr(VioCancel) deadline = vio_cancel_new(), end = vio_cancel_new();
    uint32_t op = conn->next_op;

    if (!conn->has_session)
        return;
    vio_cancel_set_deadline(deadline,
                            vio_now_ns() + conn->farewell_s * SECOND_NS);
    if (!farewell_co_tell(conn, deadline))
        return;
    conn->left_well = farewell_co_is_heard(stream, op, deadline);
    vio_cancel_set_deadline(end, vio_now_ns() + FAREWELL_S * SECOND_NS);
    (void) vio_stream_co_skip(stream, FAREWELL_BYTES, end);
}

void
nfc_conn_co_close(NfcConn *conn)
{
    vd_peer_co_close(&conn->peer, conn_co_say_goodbye, conn);
    nfc_conn_unref(conn);
}

/* -- life ------------------------------------------------------------------ */

NfcConn *
nfc_conn_new(NfcOpening *o)
{
    NfcConn *conn = g_new0(NfcConn, 1);

    conn->target = o->target;
    conn->name = g_strdup(o->name);
    conn->buffer_size = o->buffer_size;
    conn->farewell_s = FAREWELL_S;
    conn->jobs = g_hash_table_new(NULL, NULL);
    vd_peer_init(&conn->peer, o->env, conn->name, g_steal_pointer(&o->stream),
                 o->target->request_timeout);
    return conn;
}

NfcConn *
nfc_conn_ref(NfcConn *conn)
{
    conn->peer.refs++;
    return conn;
}

void
nfc_conn_unref(NfcConn *conn)
{
    if (--conn->peer.refs > 0)
        return;
    vd_peer_clear(&conn->peer);
    g_hash_table_unref(conn->jobs);
    g_free(conn->name);
    g_free(conn);
}
