/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/reply.c - one reply or chunk: what it may be, and where it
 * goes.
 *
 * Everything that comes is compared with the job that it answers before a byte
 * is stored.  Whatever does not fit leaves the stream out of step, so the
 * connection breaks; a job that failed by the rules leaves it alive.
 *
 * Concurrency: one reader at a time (conn.c).
 */
#include "block/proto/nbd/conn.h"

#include "block/proto/text.h"
#include "io/bytes.h"

#include <errno.h>
#include <inttypes.h>

#define SLOT_BITS 16
/* Errors, and extents that nobody wants, in one reply: the rest of its chunks
 * are limited by what they bring. */
#define MAX_FRUITLESS 1024u

/* -- data, of a job -------------------------------------------------------- */

static bool
reply_co_take_data(NbdConn *conn, NbdJob *job, uint64_t at, uint64_t len)
{
    VioVec part = vio_vec_slice(job->data, (size_t) at, (size_t) len);

    return vd_peer_co_take_data(&conn->peer, &part);
}

/* -- the end of a job ------------------------------------------------------ */

/* The first error of a job is the one that counts. */
static void
fail(NbdJob *job, uint32_t error, char *text)
{
    if (job->error == 0) {
        job->error = error ? error : NBD_EINVAL;
        job->text = text;
    } else {
        g_free(text);
    }
}

static bool
is_complete(NbdConn *conn, const NbdJob *job)
{
    if (job->error)
        return true;
    if (job->command == NBD_CMD_READ && job->cover.bytes != job->len)
        return vd_peer_violation(&conn->peer,
                                 "%" PRIu64 " of %" PRIu64
                                 " bytes came of the read at offset %" PRIu64,
                                 job->cover.bytes, job->len, job->off);
    return true;
}

/* A reply without end would be waited for without end. */
static bool
count_fruitless(NbdConn *conn, NbdJob *job)
{
    return ++job->fruitless <= MAX_FRUITLESS ||
           vd_peer_violation(
               &conn->peer, "more than %u errors or unwanted chunks in a reply",
               MAX_FRUITLESS);
}

/* -- simple replies -------------------------------------------------------- */

static bool
simple_co_read(NbdConn *conn, NbdJob *job, const NbdReply *reply)
{
    bool structured = conn->export.headers != NBD_HEADERS_SIMPLE;
    bool chunks = job->command == NBD_CMD_READ ||
                  (job->command == NBD_CMD_BLOCK_STATUS && reply->error == 0);

    if (structured && chunks)
        return vd_peer_violation(&conn->peer, "simple reply to a request of %s",
                                 nbd_command_name(job->command));
    if (reply->error)
        fail(job, reply->error, NULL);
    else if (job->command == NBD_CMD_READ &&
             !reply_co_take_data(conn, job, 0, job->len))
        return false;
    vd_await_finish(&job->await);
    return true;
}

/* -- chunks of data -------------------------------------------------------- */

/* Is [off, off + len) of the disk a part of the read that is still missing? */
static bool
check_part(NbdConn *conn, NbdJob *job, uint64_t off, uint64_t len)
{
    if (len == 0 || off < job->off || off - job->off > job->len ||
        len > job->len - (off - job->off))
        return vd_peer_violation(&conn->peer,
                                 "chunk of %" PRIu64 " bytes at offset %" PRIu64
                                 " for a read of %" PRIu64
                                 " bytes at offset %" PRIu64,
                                 len, off, job->len, job->off);
    return vd_cover_add(&job->cover, off, len) ||
           vd_peer_violation(
               &conn->peer,
               "chunk of %" PRIu64 " bytes at offset %" PRIu64
               " overlaps others of the same read, or they are too many",
               len, off);
}

static bool
data_co_read(NbdConn *conn, NbdJob *job, uint64_t len)
{
    uint8_t head[8];
    uint64_t off;

    if (job->command != NBD_CMD_READ || len <= sizeof(head))
        return vd_peer_violation(&conn->peer,
                                 "data chunk of %" PRIu64 " bytes for a %s",
                                 len, nbd_command_name(job->command));
    if (!vd_peer_co_take(&conn->peer, head, sizeof(head)))
        return false;
    off = vio_get_be64(head);
    len -= sizeof(head);
    return check_part(conn, job, off, len) &&
           reply_co_take_data(conn, job, off - job->off, len);
}

static bool
hole_co_read(NbdConn *conn, NbdJob *job, uint64_t len)
{
    uint8_t body[12];
    uint64_t off;
    uint32_t size;
    VioVec part;

    if (job->command != NBD_CMD_READ || len != sizeof(body))
        return vd_peer_violation(&conn->peer,
                                 "hole chunk of %" PRIu64 " bytes for a %s",
                                 len, nbd_command_name(job->command));
    if (!vd_peer_co_take(&conn->peer, body, sizeof(body)))
        return false;
    off = vio_get_be64(body);
    size = vio_get_be32(body + 8);
    if (!check_part(conn, job, off, size))
        return false;
    part = vio_vec_slice(job->data, (size_t) (off - job->off), size);
    vio_vec_zero(&part);
    return true;
}

/* -- chunks of block status ------------------------------------------------ */

static bool
is_wanted_context(const NbdConn *conn, const NbdJob *job, uint32_t id)
{
    const NbdExport *e = &conn->export;

    return job->own_context ? e->has_context && id == e->context_id
                            : e->has_allocation && id == e->allocation_id;
}

/* All but the last end inside of the request, and none is empty. */
static bool
take_extent(NbdConn *conn, NbdJob *job, uint64_t *at, NbdExtent extent,
            bool last)
{
    uint64_t left = conn->export.size - *at;

    if (extent.len == 0 || *at >= job->off + job->len)
        return vd_peer_violation(
            &conn->peer,
            "extent of %" PRIu64 " bytes at offset %" PRIu64
            " for a request of %" PRIu64 " bytes at %" PRIu64,
            extent.len, *at, job->len, job->off);
    if (extent.len > left && !last)
        return vd_peer_violation(&conn->peer,
                                 "extents reach beyond the end of the export");
    extent.len = MIN(extent.len, left);
    g_array_append_val(job->extents, extent);
    *at += extent.len;
    return true;
}

static bool
take_extents(NbdConn *conn, NbdJob *job, const uint8_t *p, uint64_t n,
             bool wide)
{
    uint64_t at = job->off;

    if (job->extents->len > 0)
        return vd_peer_violation(&conn->peer, "two answers about one context");
    for (uint64_t i = 0; i < n; i++, p += wide ? 16 : 8) {
        NbdExtent extent = {
            .len = wide ? vio_get_be64(p) : vio_get_be32(p),
            .status = wide ? vio_get_be64(p + 8) : vio_get_be32(p + 4),
        };

        if (!take_extent(conn, job, &at, extent, i + 1 == n))
            return false;
    }
    return true;
}

static bool
status_co_read(NbdConn *conn, NbdJob *job, const NbdReply *reply)
{
    bool wide = reply->type == NBD_CHUNK_BLOCK_STATUS_EXT;
    uint64_t head = wide ? 8 : 4, unit = wide ? 16 : 8, n;
    g_autofree uint8_t *body = NULL;

    if (job->command != NBD_CMD_BLOCK_STATUS || reply->len < head + unit ||
        (reply->len - head) % unit != 0 ||
        (reply->len - head) / unit > NBD_MAX_EXTENTS)
        return vd_peer_violation(&conn->peer,
                                 "status chunk of %" PRIu64 " bytes for a %s",
                                 reply->len, nbd_command_name(job->command));
    n = (reply->len - head) / unit;
    body = g_try_malloc(reply->len);
    if (!body)
        return vd_peer_lost(&conn->peer, ENOMEM);
    if (!vd_peer_co_take(&conn->peer, body, (size_t) reply->len))
        return false;
    if (wide && vio_get_be32(body + 4) != n)
        return vd_peer_violation(
            &conn->peer, "status chunk with %" PRIu64 " extents, not %u", n,
            (unsigned) vio_get_be32(body + 4));
    if (!is_wanted_context(conn, job, vio_get_be32(body)))
        return count_fruitless(conn, job);
    return take_extents(conn, job, body + head, n, wide);
}

/* -- chunks of errors ------------------------------------------------------ */

static bool
error_co_read(NbdConn *conn, NbdJob *job, const NbdReply *reply)
{
    g_autofree uint8_t *text = NULL;
    uint64_t text_len, rest;
    uint8_t head[6];

    if (reply->len < sizeof(head) || reply->len > NBD_MAX_PAYLOAD)
        return vd_peer_violation(
            &conn->peer, "error chunk of %" PRIu64 " bytes", reply->len);
    if (!vd_peer_co_take(&conn->peer, head, sizeof(head)))
        return false;
    text_len = vio_get_be16(head + 4);
    rest = reply->len - sizeof(head);
    if (text_len > rest)
        return vd_peer_violation(&conn->peer,
                                 "error text of %" PRIu64
                                 " bytes in a chunk of %" PRIu64,
                                 text_len, reply->len);
    text_len = MIN(text_len, NBD_MAX_STRING);
    text = g_malloc(text_len);
    if (!vd_peer_co_take(&conn->peer, text, (size_t) text_len))
        return false;
    if (!vd_peer_co_skip(&conn->peer, rest - text_len))
        return false;
    fail(job, vio_get_be32(head),
         text_len ? vd_escape_text(text, (size_t) text_len) : NULL);
    return count_fruitless(conn, job);
}

/* -- all chunks ------------------------------------------------------------ */

static bool
chunk_co_payload(NbdConn *conn, NbdJob *job, const NbdReply *reply)
{
    if (reply->type & NBD_CHUNK_IS_ERROR)
        return error_co_read(conn, job, reply);
    switch (reply->type) {
    case NBD_CHUNK_NONE:
        return (reply->len == 0 && (reply->flags & NBD_REPLY_FLAG_DONE)) ||
               vd_peer_violation(&conn->peer,
                                 "empty chunk with %" PRIu64
                                 " bytes, or not the last one",
                                 reply->len);
    case NBD_CHUNK_OFFSET_DATA:
        return data_co_read(conn, job, reply->len);
    case NBD_CHUNK_OFFSET_HOLE:
        return hole_co_read(conn, job, reply->len);
    case NBD_CHUNK_BLOCK_STATUS:
        if (conn->export.headers == NBD_HEADERS_STRUCTURED)
            return status_co_read(conn, job, reply);
        break;
    case NBD_CHUNK_BLOCK_STATUS_EXT:
        if (conn->export.headers == NBD_HEADERS_EXTENDED)
            return status_co_read(conn, job, reply);
        break;
    default:
        break;
    }
    return vd_peer_violation(&conn->peer, "chunk of type %u", reply->type);
}

static bool
chunk_co_read(NbdConn *conn, NbdJob *job, const NbdReply *reply)
{
    if (!chunk_co_payload(conn, job, reply))
        return false;
    if (!(reply->flags & NBD_REPLY_FLAG_DONE))
        return true;
    if (!is_complete(conn, job))
        return false;
    vd_await_finish(&job->await);
    return true;
}

/* -- headers --------------------------------------------------------------- */

static NbdJob *
find_job(NbdConn *conn, uint64_t cookie)
{
    uint64_t slot = cookie & ((1u << SLOT_BITS) - 1);
    NbdJob *job = slot < NBD_SLOTS ? conn->slots[slot].job : NULL;

    if (job && !job->await.done &&
        conn->slots[slot].generation == cookie >> SLOT_BITS)
        return job;
    (void) vd_peer_violation(&conn->peer,
                             "reply with the cookie %" PRIx64
                             ", which belongs to no request",
                             cookie);
    return NULL;
}

/* The next header. */
static bool
header_co_read(NbdConn *conn, NbdReply *reply)
{
    VdPeer *peer = &conn->peer;
    const void *bytes;
    size_t len, available;

    if (!vd_peer_co_await(peer, 4, &bytes, &available))
        return false;
    len = nbd_reply_size(conn->export.headers, bytes);
    if (len == 0)
        return vd_peer_violation(peer, "reply with magic %08" PRIx32,
                                 vio_get_be32(bytes));
    if (available < len && !vd_peer_co_peek(peer, len, &bytes))
        return false;
    nbd_get_reply(bytes, reply);
    vio_stream_consume(peer->stream, len);
    return true;
}

bool
nbd_reply_co_read(NbdConn *conn)
{
    NbdReply reply;
    NbdJob *job;

    if (!header_co_read(conn, &reply))
        return false;
    job = find_job(conn, reply.cookie);
    if (!job)
        return false;
    return reply.simple ? simple_co_read(conn, job, &reply)
                        : chunk_co_read(conn, job, &reply);
}
