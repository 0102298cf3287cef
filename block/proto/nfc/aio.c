/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/aio.c - one frame that comes: what it may be, and where it
 * goes.
 *
 * Everything is compared with the job whose number it has before a byte is
 * stored.  A read's fragments come in any order, and each byte of it once.
 * Whatever does not fit leaves the stream out of step, so the connection
 * breaks; a job that the server refuses leaves it alive.
 *
 * Concurrency: one reader at a time (block/proto/relay.h).
 */
#include "block/proto/nfc/conn.h"

#include "block/proto/text.h"

#include <errno.h>
#include <inttypes.h>

/* What a fragment may gain by being compressed. */
#define MAX_GAIN 1024u
#define GAIN_SHIFT 4
/* All of a read, kept until the last one comes, may take twice the memory that
 * its data do, and this: or thousands of tiny ones would take all there is. */
#define KEPT_MORE (64u << 10)

/* -- errors ---------------------------------------------------------------- */

static char *
hex(const uint8_t *bytes, size_t len)
{
    GString *out = g_string_new("error");

    for (size_t i = 0; i < len; i++)
        g_string_append_printf(out, "%s%02x", i % 4 == 0 ? " " : "", bytes[i]);
    return g_string_free(out, FALSE);
}

/* What it takes a file for that it would have to change.  Others have the same
 * number somewhere by accident. */
static bool
is_for_writing(const NfcJob *job)
{
    return job->type == NFC_OPEN_FILE ||
           (job->type == NFC_IO && job->direction == NFC_WRITE);
}

/* What stands in its payload nobody has told: it is shown. */
static bool
error_co_read(NfcConn *conn, NfcJob *job, uint32_t size)
{
    uint8_t kept[NFC_ERROR_KEPT];
    uint32_t n = MIN(size, NFC_ERROR_KEPT);

    if (size > NFC_MAX_ERROR_PAYLOAD)
        return vd_peer_violation(&conn->peer, "an error of %u bytes", size);
    if (!vd_peer_co_take(&conn->peer, kept, n) ||
        !vd_peer_co_skip(&conn->peer, size - n))
        return false;
    job->refused = true;
    job->read_only =
        is_for_writing(job) && nfc_error_has(kept, n, NFC_REASON_READ_ONLY);
    job->locked = job->type == NFC_OPEN_FILE && !job->read_only &&
                  nfc_error_has(kept, n, NFC_REASON_LOCKED);
    job->reason = hex(kept, n);
    vd_await_finish(&job->await);
    return true;
}

/* -- data ------------------------------------------------------------------ */

static bool
check_fragment(NfcConn *conn, NfcJob *job, const NfcIo *io)
{
    uint64_t len = job->data->len;

    if (io->direction != NFC_READ || io->total != len || io->part_len == 0 ||
        io->part_off > len || io->part_len > len - io->part_off ||
        (io->off != job->off && io->off != job->off + io->part_off))
        return vd_peer_violation(
            &conn->peer,
            "%u bytes at %u of %u at offset %" PRIu64 " for a read of %" PRIu64
            " bytes at offset %" PRIu64,
            io->part_len, io->part_off, io->total, io->off, len, job->off);
    return vd_cover_add(&job->cover, io->part_off, io->part_len) ||
           vd_peer_violation(&conn->peer,
                             "fragment of %u bytes at %u overlaps others of "
                             "the same read, or they are too many",
                             io->part_len, io->part_off);
}

static void
piece_clear(void *opaque)
{
    NfcPiece *piece = opaque;

    g_free(piece->bytes);
}

static bool
check_compressed(NfcConn *conn, NfcJob *job, const NfcIo *io)
{
    uint32_t most = io->part_len + (io->part_len >> GAIN_SHIFT) + MAX_GAIN;
    uint64_t most_kept = 2 * (uint64_t) job->data->len + KEPT_MORE;

    if (io->compression != conn->target->compression || io->extra_len == 0 ||
        io->extra_len > most)
        return vd_peer_violation(&conn->peer,
                                 "%u bytes in compression %u for %u bytes",
                                 io->extra_len, io->compression, io->part_len);
    job->kept += sizeof(NfcPiece) + io->extra_len;
    return job->kept <= most_kept ||
           vd_peer_violation(&conn->peer,
                             "compressed fragments of a read of %zu bytes take "
                             "more than %" PRIu64,
                             job->data->len, most_kept);
}

static bool
compressed_co_read(NfcConn *conn, NfcJob *job, const NfcIo *io)
{
    NfcPiece piece = {
        .how = (NfcCompression) io->compression,
        .off = io->part_off,
        .len = io->part_len,
        .n = io->extra_len,
    };

    if (!check_compressed(conn, job, io))
        return false;
    piece.bytes = g_try_malloc(piece.n);
    if (!piece.bytes)
        return vd_peer_lost(&conn->peer, ENOMEM);
    if (!job->pieces) {
        job->pieces = g_array_new(FALSE, FALSE, sizeof(NfcPiece));
        g_array_set_clear_func(job->pieces, piece_clear);
    }
    g_array_append_val(job->pieces, piece);
    return vd_peer_co_take(&conn->peer, piece.bytes, piece.n);
}

static bool
plain_co_read(NfcConn *conn, NfcJob *job, const NfcIo *io)
{
    VioVec part = vio_vec_slice(job->data, io->part_off, io->part_len);

    if (io->extra_len != io->part_len)
        return vd_peer_violation(&conn->peer,
                                 "%u bytes follow for a fragment of %u",
                                 io->extra_len, io->part_len);
    return vd_peer_co_take_data(&conn->peer, &part);
}

static bool
io_co_read(NfcConn *conn, NfcJob *job)
{
    uint8_t bytes[NFC_IO_BYTES];
    NfcIo io;

    if (!vd_peer_co_take(&conn->peer, bytes, sizeof(bytes)))
        return false;
    nfc_get_io(bytes, &io);
    if (job->direction == NFC_WRITE) {
        if (io.direction != NFC_WRITE)
            return vd_peer_violation(&conn->peer, "data for a write");
        vd_await_finish(&job->await);
        return true;
    }
    if (!check_fragment(conn, job, &io) ||
        !(io.compression == NFC_PLAIN ? plain_co_read(conn, job, &io)
                                      : compressed_co_read(conn, job, &io)))
        return false;
    if (job->cover.bytes == job->data->len)
        vd_await_finish(&job->await);
    return true;
}

/* -- all else -------------------------------------------------------------- */

/* Bytes behind the payload. */
static bool
extra_len(NfcConn *conn, const NfcJob *job, uint64_t *len)
{
    uint64_t chunks;

    *len = 0;
    if (job->type == NFC_DDB_GET) {
        *len = nfc_get_value_len(job->reply);
        return *len <= NFC_MAX_VALUE ||
               vd_peer_violation(&conn->peer, "a value of %" PRIu64 " bytes",
                                 *len);
    }
    if (job->type != NFC_QUERY_ALLOCATED)
        return true;
    chunks = nfc_get_query_count(job->reply);
    if (chunks > job->asked)
        return vd_peer_violation(&conn->peer,
                                 "an answer about %" PRIu64
                                 " chunks to a question about %" PRIu64,
                                 chunks, job->asked);
    *len = nfc_bitmap_bytes(chunks);
    return true;
}

static bool
call_co_read(NfcConn *conn, NfcJob *job)
{
    uint64_t len;

    if (!vd_peer_co_take(&conn->peer, job->reply, job->reply_len) ||
        !extra_len(conn, job, &len))
        return false;
    job->reply_extra_len = (size_t) len;
    job->reply_extra = g_malloc(job->reply_extra_len + 1);
    job->reply_extra[len] = '\0';
    if (!vd_peer_co_take(&conn->peer, job->reply_extra, job->reply_extra_len))
        return false;
    vd_await_finish(&job->await);
    return true;
}

/* -- headers --------------------------------------------------------------- */

static bool
header_co_read(NfcConn *conn, NfcHeader *header)
{
    VdPeer *peer = &conn->peer;
    const void *bytes;
    size_t available;
    bool known;

    if (!vd_peer_co_await(peer, 4, &bytes, &available) ||
        !vd_peer_co_peek(peer, NFC_HEADER_BYTES, &bytes))
        return false;
    known = nfc_get_header(bytes, header);
    vio_stream_consume(peer->stream, NFC_HEADER_BYTES);
    return known || vd_peer_violation(peer, "frame without magic");
}

bool
nfc_frame_co_read(NfcConn *conn)
{
    NfcHeader header;
    NfcJob *job;
    size_t wanted;

    if (!header_co_read(conn, &header))
        return false;
    job = g_hash_table_lookup(conn->jobs, GUINT_TO_POINTER(header.op));
    if (!job || job->await.done)
        return vd_peer_violation(&conn->peer,
                                 "frame of type %u for request %u, which is "
                                 "not under way",
                                 header.type, header.op);
    if (header.type == NFC_AIO_ERROR)
        return error_co_read(conn, job, header.size);
    wanted = job->type == NFC_IO ? NFC_IO_BYTES : job->reply_len;
    if (header.type != job->type || header.size != wanted)
        return vd_peer_violation(&conn->peer,
                                 "frame of type %u with %u bytes to a request "
                                 "of type %u",
                                 header.type, header.size, job->type);
    return job->type == NFC_IO ? io_co_read(conn, job)
                               : call_co_read(conn, job);
}
