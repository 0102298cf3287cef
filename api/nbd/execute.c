/* SPDX-License-Identifier: BSD-3-Clause */
/* api/nbd/execute.c - a request is done and answered.
 *
 * Concurrency: one coroutine a request; any number of a client, in any order.
 */
#include "api/nbd/server.h"

#include "io/buffer.h"
#include "io/bytes.h"

/* So long a stretch is zeroed or trimmed at a time: others have their turn. */
#define JOB_SLICE (UINT64_C(128) << 20)
#define JOB_CACHE_MAX (UINT64_C(64) << 20)
/* Chunks of one answer; what is behind them is data. */
#define JOB_PIECES 16u
/* Shorter holes between data are read like them. */
#define JOB_HOLE_MIN 4096u

static VdNode *
job_node(const NbdJob *job)
{
    return job->client->export->disk->node;
}

/* As soon as it is not needed: an answer may have to wait for long. */
static void
job_release_memory(NbdJob *job)
{
    NbdClient *client = job->client;

    if (job->buf != NULL)
        vio_buffer_put(client->server->loop, job->buf, job->reserved);
    if (job->reserved > 0)
        vd_nbd_memory_give(client, job->reserved);
    job->buf = NULL;
    job->reserved = 0;
}

void
vd_nbd_job_free(NbdJob *job)
{
    job_release_memory(job);
    g_free(job->ids);
    g_free(job);
}

static void
job_co_fail(NbdJob *job, const char *doing, GError *error)
{
    job_release_memory(job);
    (void) vd_nbd_reply_co_gerror(job, doing, error); /* see its comment */
}

/* -- reading --------------------------------------------------------------- */

typedef struct {
    uint64_t off, len; /* from the beginning of the request */
    bool hole;
} Piece;

typedef struct {
    Piece piece[JOB_PIECES];
    unsigned n;
} Pieces;

static void
pieces_add(Pieces *pieces, uint64_t off, uint64_t len, bool hole)
{
    Piece *last = pieces->n > 0 ? &pieces->piece[pieces->n - 1] : NULL;

    if (last != NULL && last->hole == hole)
        last->len += len;
    else
        pieces->piece[pieces->n++] = (Piece){off, len, hole};
}

/* What the tables know to be zero; a failed look-up fails again when it is
 * read. */
static void
pieces_co_find(const NbdJob *job, Pieces *pieces)
{
    VdNode *node = job_node(job);
    unsigned epoch = vd_node_enter(node);
    uint64_t len;

    for (uint64_t off = 0; off < job->len; off += len) {
        uint64_t left = job->len - off;
        VdChainRun found;
        bool hole;

        len = left;
        if (pieces->n + 1 >= JOB_PIECES ||
            !vd_chain_co_map(node, job->req.offset + off, left, VD_WANT_DEFAULT,
                             &found, NULL)) {
            pieces_add(pieces, off, left, false);
            break;
        }
        len = found.run.len;
        hole = found.run.kind == VD_RUN_ZERO && !found.parent_missing &&
               (len >= JOB_HOLE_MIN || len == job->len);
        pieces_add(pieces, off, len, hole);
    }
    vd_node_leave(node, epoch);
}

static bool
piece_co_read(const NbdJob *job, const Piece *piece, GError **error)
{
    return piece->hole ||
           vd_node_co_pread(job_node(job), job->req.offset + piece->off,
                            job->buf + piece->off, piece->len, error);
}

static bool
piece_co_send(const NbdJob *job, const Piece *piece, bool done)
{
    uint8_t body[12];
    struct iovec iov;
    VioVec payload;

    vio_put_be64(body, job->req.offset + piece->off);
    if (piece->hole) {
        vio_put_be32(body + 8, (uint32_t) piece->len);
        return vd_nbd_reply_co_chunk(job, NBD_CHUNK_OFFSET_HOLE, done, body, 12,
                                     NULL);
    }
    payload = vio_vec_from_buf(&iov, job->buf + piece->off, piece->len);
    return vd_nbd_reply_co_chunk(job, NBD_CHUNK_OFFSET_DATA, done, body, 8,
                                 &payload);
}

/* Everything is read before anything is sent: an answer that has begun well can
 * no longer fail. */
static void
read_co_pieces(NbdJob *job, const Pieces *pieces)
{
    GError *error = NULL;
    bool ok = true;

    if (pieces->n > 1 || !pieces->piece[0].hole)
        job->buf = vio_co_buffer_get(job->client->server->loop, job->len);
    else
        job_release_memory(job);
    for (unsigned i = 0; i < pieces->n && ok; i++)
        ok = piece_co_read(job, &pieces->piece[i], &error);
    if (!ok) {
        job_co_fail(job, "read", error);
        return;
    }
    for (unsigned i = 0; i < pieces->n && ok; i++)
        ok = piece_co_send(job, &pieces->piece[i], i + 1 == pieces->n);
}

static void
read_co_simple(NbdJob *job)
{
    struct iovec iov;
    VioVec payload;
    GError *error = NULL;

    job->buf = vio_co_buffer_get(job->client->server->loop, job->len);
    payload = vio_vec_from_buf(&iov, job->buf, job->len);
    if (vd_node_co_preadv(job_node(job), job->req.offset, &payload, &error))
        (void) vd_nbd_reply_co_data(job, &payload);
    else
        job_co_fail(job, "read", error);
}

static void
job_co_read(NbdJob *job)
{
    NbdClient *client = job->client;
    Pieces pieces = {.n = 0};

    client->server->stats.read_bytes += job->len;
    if (job->len == 0) {
        (void) vd_nbd_reply_co_ok(job);
        return;
    }
    if (client->headers == NBD_HEADERS_SIMPLE) {
        read_co_simple(job);
        return;
    }
    if (client->export->sparse_reads && !(job->req.flags & NBD_CMD_FLAG_DF))
        pieces_co_find(job, &pieces);
    else
        pieces_add(&pieces, 0, job->len, false);
    read_co_pieces(job, &pieces);
}

/* For the page cache of whatever is below; whether it works does not matter. */
static bool
job_co_cache(NbdJob *job, GError **error)
{
    uint64_t len = MIN(job->len, JOB_CACHE_MAX);
    VdNode *node = job_node(job);

    if (len == 0 || (vd_node_flags(node) & VD_OPEN_DIRECT))
        return true;
    job->buf = vio_co_buffer_get(job->client->server->loop, job->reserved);
    for (uint64_t off = 0; off < len; off += job->reserved) {
        size_t n = MIN(len - off, job->reserved);

        if (!vd_node_co_pread(node, job->req.offset + off, job->buf, n, NULL))
            break;
    }
    return true;
}

/* -- writing --------------------------------------------------------------- */

static VdReqFlags
job_fua(const NbdJob *job)
{
    return job->req.flags & NBD_CMD_FLAG_FUA ? VD_REQ_FUA : 0;
}

static bool
job_co_write(NbdJob *job, GError **error)
{
    struct iovec iov;
    VioVec src = vio_vec_from_buf(&iov, job->buf, job->len);

    job->client->server->stats.written_bytes += job->len;
    return vd_node_co_pwritev(job_node(job), job->req.offset, &src,
                              job_fua(job), error);
}

/* A lost client does not keep the disk busy for long. */
static bool
job_check(const NbdJob *job, GError **error)
{
    return !job->client->gone ||
           vd_throw(error, VD_ERROR_CANCELLED, "the client is gone");
}

/* FAST_ZERO promises that a failure has changed nothing, so only the first
 * slice may fail for being slow. */
static bool
job_co_zeroes(NbdJob *job, GError **error)
{
    unsigned flags = job_fua(job);
    uint64_t n;

    if (!(job->req.flags & NBD_CMD_FLAG_NO_HOLE))
        flags |= VD_REQ_MAY_UNMAP;
    if (job->req.flags & NBD_CMD_FLAG_FAST_ZERO)
        flags |= VD_REQ_NO_FALLBACK;
    for (uint64_t done = 0; done < job->len; done += n) {
        n = MIN(job->len - done, JOB_SLICE);
        if (!job_check(job, error) ||
            !vd_node_co_write_zeroes(job_node(job), job->req.offset + done, n,
                                     (VdReqFlags) flags, error))
            return false;
        flags &= ~VD_REQ_NO_FALLBACK;
        vio_co_reschedule();
    }
    return true;
}

static bool
job_co_trim(NbdJob *job, GError **error)
{
    uint64_t n;

    for (uint64_t done = 0; done < job->len; done += n) {
        n = MIN(job->len - done, JOB_SLICE);
        if (!job_check(job, error) ||
            !vd_node_co_discard(job_node(job), job->req.offset + done, n,
                                error))
            return false;
        vio_co_reschedule();
    }
    return !(job->req.flags & NBD_CMD_FLAG_FUA) ||
           vd_node_co_flush(job_node(job), error);
}

static bool
job_co_flush(NbdJob *job, GError **error)
{
    return vd_node_co_flush(job_node(job), error);
}

/* -- any ------------------------------------------------------------------- */

static void
job_co_change(NbdJob *job)
{
    static const struct {
        const char *name;
        bool (*co_run)(NbdJob *job, GError **error);
    } kinds[] = {
        [NBD_CMD_WRITE] = {"write", job_co_write},
        [NBD_CMD_FLUSH] = {"flush", job_co_flush},
        [NBD_CMD_TRIM] = {"trim", job_co_trim},
        [NBD_CMD_CACHE] = {"cache", job_co_cache},
        [NBD_CMD_WRITE_ZEROES] = {"write zeroes", job_co_zeroes},
    };
    unsigned command = job->req.command;
    GError *error = NULL;

    if (command != NBD_CMD_FLUSH && command != NBD_CMD_CACHE)
        job->client->export->written = true;
    if (kinds[command].co_run(job, &error)) {
        job_release_memory(job);
        (void) vd_nbd_reply_co_ok(job);
    } else {
        job_co_fail(job, kinds[command].name, error);
    }
}

/* Coroutine entry. */
static void
job_co_run(void *opaque)
{
    NbdJob *job = opaque;
    NbdClient *client = job->client;
    bool status = job->req.command == NBD_CMD_BLOCK_STATUS;

    if (status)
        (void) vd_nbd_status_co_run(job);
    else if (job->req.command == NBD_CMD_READ)
        job_co_read(job);
    else
        job_co_change(job);
    vd_nbd_job_free(job);
    vd_disk_leave(client->export->disk);
    client->statuses -= status;
    client->in_flight--;
    vio_co_queue_wake_all(&client->less);
}

void
vd_nbd_job_start(NbdJob *job)
{
    NbdClient *client = job->client;

    client->in_flight++;
    client->statuses += job->req.command == NBD_CMD_BLOCK_STATUS;
    vd_disk_enter(client->export->disk);
    vio_co_start(client->server->loop, job_co_run, job);
}
