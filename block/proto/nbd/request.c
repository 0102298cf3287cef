/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/request.c - reads, writes, zeroes, trim, flush.
 *
 * Bounds, alignment and the length of payloads are the door's: a server sees
 * no request that it would have to refuse for these, which some do badly.
 * Flags are sent only if the server has offered them.
 *
 * Concurrency: changes that overlap wait for each other, because a server may
 * do what it has in any order.
 */
#include "block/proto/nbd/client.h"

#include "io/sync.h"

#include <errno.h>
#include <inttypes.h>

/* Requests without a payload that most servers take; well aligned. */
#define LONGEST (UINT64_C(1) << 31)
/* Every server answers a read of so much in one piece; well aligned. */
#define SHORTEST_READ (UINT64_C(64) << 10)
/* nbd-server zeroes only the first 64 MiB of what it is asked for, and says
 * nothing.  It offers none of these. */
#define LONGEST_ZEROES_UNTRUSTED (UINT64_C(32) << 20)
/* Of one long request of that kind. */
#define PIECES_IN_FLIGHT 4u

/* -- results --------------------------------------------------------------- */

static bool
throw_result(NbdClient *client, NbdJob *job, GError **error)
{
    int errnum = nbd_error_to_errno(job->error);
    const char *name = nbd_command_name(job->command);
    const char *text = job->text ? job->text : g_strerror(errnum);
    g_autofree char *where =
        g_strdup_printf("%s: %s of %" PRIu64 " bytes at offset %" PRIu64,
                        client->target->name, name, job->len, job->off);

    switch (errnum) {
    case EOPNOTSUPP:
        if (job->flags & NBD_CMD_FLAG_FAST_ZERO)
            return vd_throw(error, VD_ERROR_NOT_SUPPORTED, "%s: %s", where,
                            text);
        break;
    case EPERM:
        return vd_throw(error, VD_ERROR_PERMISSION, "%s: %s", where, text);
    case ENOSPC:
        return vd_throw(error, VD_ERROR_NO_SPACE, "%s: %s", where, text);
    default:
        break;
    }
    return vd_throw(error, VD_ERROR_IO, "%s: %s", where, text);
}

static bool
request_co_run(NbdClient *client, NbdJob *job, GError **error)
{
    bool ok = nbd_client_co_run(client, job, error) &&
              (!job->error || throw_result(client, job, error));

    nbd_job_clear(job);
    return ok;
}

/* -- data ------------------------------------------------------------------ */

static bool
read_co_halves(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    size_t half = dst->len / 2 / SHORTEST_READ * SHORTEST_READ;
    VioVec first = vio_vec_slice(dst, 0, half);
    VioVec second = vio_vec_slice(dst, half, dst->len - half);

    return nbd_co_preadv(node, off, &first, error) &&
           nbd_co_preadv(node, off + half, &second, error);
}

/* A server may find a read too long, above all in one piece. */
bool
nbd_co_preadv(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    NbdClient *client = vd_node_state(node);
    NbdJob job = {
        .command = NBD_CMD_READ,
        .off = off,
        .len = dst->len,
        .data = dst,
    };
    bool ok = nbd_client_co_run(client, &job, error), again;

    again = ok && job.error == NBD_EOVERFLOW && dst->len >= 2 * SHORTEST_READ;
    if (ok && job.error && !again)
        ok = throw_result(client, &job, error);
    nbd_job_clear(&job);
    return again ? read_co_halves(node, off, dst, error) : ok;
}

/* The last change before the first that is still under way. */
static uint64_t
last_settled(NbdClient *client)
{
    const NbdJob *first = g_queue_peek_head(&client->in_flight);

    return first ? first->number - 1 : client->begun;
}

/* The server has the change, if it lives. */
static void
count_change(NbdClient *client, const NbdJob *job)
{
    if (job->error || (job->flags & NBD_CMD_FLAG_FUA))
        return;
    client->acked++;
    if (job->outlived)
        nbd_client_check_loss(client);
}

/* A change, from before to after. */
static bool
change_co_run(NbdClient *client, NbdJob *job, GError **error)
{
    VioRange *range =
        vio_range_co_lock(client->changes, job->off, job->len, true);
    GList link = {.data = job};
    bool ok;

    job->number = ++client->begun;
    g_queue_push_tail_link(&client->in_flight, &link);
    nbd_status_changed(client, job->off, job->len);
    ok = nbd_client_co_run(client, job, error);
    nbd_status_changed(client, job->off, job->len);
    g_queue_unlink(&client->in_flight, &link);
    vio_range_unlock(client->changes, range);
    if (ok)
        count_change(client, job);
    return ok;
}

bool
nbd_co_pwritev(VdNode *node, uint64_t off, const VioVec *src, VdReqFlags flags,
               GError **error)
{
    NbdClient *client = vd_node_state(node);
    NbdJob job = {
        .command = NBD_CMD_WRITE,
        .flags = flags & VD_REQ_FUA ? NBD_CMD_FLAG_FUA : 0,
        .off = off,
        .len = src->len,
        .data = src,
    };
    bool ok = change_co_run(client, &job, error) &&
              (!job.error || throw_result(client, &job, error));

    nbd_job_clear(&job);
    return ok;
}

/* -- zeroes and trim ------------------------------------------------------- */

static uint64_t
longest_zeroes(const NbdClient *client)
{
    const NbdExport *e = &client->export;
    bool trusted = (e->flags & NBD_FLAG_SEND_FAST_ZERO) || e->has_sizes ||
                   e->has_allocation || e->headers == NBD_HEADERS_EXTENDED;

    return trusted ? LONGEST : LONGEST_ZEROES_UNTRUSTED;
}

/* A server may find a request without a payload too long. */
static bool
can_be_shorter(NbdClient *client, const NbdJob *job, uint64_t *longest)
{
    uint64_t smallest = client->export.max_payload;

    if ((job->error != NBD_EINVAL && job->error != NBD_EOVERFLOW) ||
        job->len <= smallest)
        return false;
    *longest =
        MAX(job->len / 2 / NBD_MAX_MIN_BLOCK * NBD_MAX_MIN_BLOCK, smallest);
    return true;
}

/* In pieces of at most *@longest, one after another. */
static bool
change_co_in_turn(NbdClient *client, const NbdJob *how, uint64_t *longest,
                  GError **error)
{
    uint64_t done = 0;

    while (done < how->len) {
        NbdJob job = *how;
        bool ok;

        job.off += done;
        job.len = MIN(how->len - done, *longest);
        if (!change_co_run(client, &job, error))
            return false;
        ok = !job.error;
        if (ok)
            done += job.len;
        else if (!can_be_shorter(client, &job, longest))
            (void) throw_result(client, &job, error);
        else
            ok = true;
        nbd_job_clear(&job);
        if (!ok)
            return false;
    }
    return true;
}

typedef struct Piece {
    NbdClient *client;
    NbdJob how;
    uint64_t *longest;
} Piece;

static bool
piece_co_main(void *opaque, GError **error)
{
    Piece *piece = opaque;

    return change_co_in_turn(piece->client, &piece->how, piece->longest, error);
}

/* In pieces of at most *@longest, several at a time: a server that takes only
 * short ones, or zeroes by writing, has something to do all the time. */
static bool
change_co_range(NbdClient *client, const NbdJob *how, uint64_t *longest,
                GError **error)
{
    g_autoptr(VioCoGroup) group = NULL;
    uint64_t done = 0;

    if (how->len <= *longest)
        return change_co_in_turn(client, how, longest, error);
    group = vio_co_group_new(PIECES_IN_FLIGHT);
    while (done < how->len && !vio_co_group_failed(group)) {
        Piece *piece = g_new(Piece, 1);

        *piece = (Piece){client, *how, longest};
        piece->how.off += done;
        piece->how.len = MIN(how->len - done, *longest);
        done += piece->how.len;
        vio_co_group_spawn(group, piece_co_main, piece, g_free);
    }
    return vio_co_group_join(group, error);
}

bool
nbd_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len, VdReqFlags flags,
                    GError **error)
{
    NbdClient *client = vd_node_state(node);
    unsigned offered = client->export.flags;
    NbdJob how = {.command = NBD_CMD_WRITE_ZEROES, .off = off, .len = len};

    if (!(offered & NBD_FLAG_SEND_WRITE_ZEROES) ||
        ((flags & VD_REQ_NO_FALLBACK) && !(offered & NBD_FLAG_SEND_FAST_ZERO)))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: the server does not offer %s zeroes",
                        client->target->name,
                        flags & VD_REQ_NO_FALLBACK ? "fast" : "to write");
    if (flags & VD_REQ_FUA)
        how.flags |= NBD_CMD_FLAG_FUA;
    if (flags & VD_REQ_NO_FALLBACK)
        how.flags |= NBD_CMD_FLAG_FAST_ZERO;
    if (!(flags & VD_REQ_MAY_UNMAP))
        how.flags |= NBD_CMD_FLAG_NO_HOLE;
    if (client->longest_zeroes == 0)
        client->longest_zeroes = longest_zeroes(client);
    return change_co_range(client, &how, &client->longest_zeroes, error);
}

bool
nbd_co_discard(VdNode *node, uint64_t off, uint64_t len, GError **error)
{
    NbdClient *client = vd_node_state(node);
    NbdJob how = {.command = NBD_CMD_TRIM, .off = off, .len = len};

    if (!(client->export.flags & NBD_FLAG_SEND_TRIM))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: the server does not offer to trim",
                        client->target->name);
    if (client->longest_trim == 0)
        client->longest_trim = LONGEST;
    return change_co_range(client, &how, &client->longest_trim, error);
}

/* -- flush ----------------------------------------------------------------- */

static bool
check_losses(NbdClient *client, GError **error)
{
    if (!client->losses)
        return true;
    client->losses = false;
    client->flushed = client->acked;
    client->covered = last_settled(client);
    return vd_throw(error, VD_ERROR_IO,
                    "%s: flush: the connection was lost while changes had not "
                    "been flushed; the server may have forgotten them",
                    client->target->name);
}

/* One is enough: only a server that offers it has several connections. */
bool
nbd_co_flush(VdNode *node, GError **error)
{
    NbdClient *client = vd_node_state(node);
    NbdJob job = {.command = NBD_CMD_FLUSH};
    uint64_t acked = client->acked, settled = last_settled(client);

    if (!(client->export.flags & NBD_FLAG_SEND_FLUSH)) {
        if (!client->no_flush_told)
            vd_node_warn(node,
                         "%s: the server does not offer to flush: nobody knows "
                         "whether what is written is durable",
                         client->target->name);
        client->no_flush_told = true;
        return check_losses(client, error);
    }
    if (!request_co_run(client, &job, error) || !check_losses(client, error))
        return false;
    client->flushed = MAX(client->flushed, acked);
    client->covered = MAX(client->covered, settled);
    return true;
}
