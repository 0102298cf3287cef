/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/conn.c - one connection: opening, sending, who reads, the
 * end.
 *
 * Nobody reads while nothing is in flight, so that an idle connection has
 * nothing under way in the loop, which its user may leave alone for hours.  Of
 * the jobs that wait for replies, one reads for all of them until its own has
 * come; then it hands that on.  A reply goes straight to the memory of the job
 * that asked for it: a job never ends while somebody else reads on a
 * connection that is broken.
 *
 * Concurrency: one loop.
 */
#include "block/proto/nbd/conn.h"

#include "io/net.h"
#include "io/op.h"

#include <errno.h>

#define SECOND_NS UINT64_C(1000000000)
#define FAREWELL_NS (2 * SECOND_NS)

void
nbd_job_clear(NbdJob *job)
{
    nbd_cover_clear(&job->cover);
    g_clear_pointer(&job->text, g_free);
}

/* -- opening --------------------------------------------------------------- */

static VdErrorCode
dial_code(int errnum)
{
    switch (errnum) {
    case ENOENT:
    case EHOSTUNREACH:
        return VD_ERROR_NOT_FOUND;
    case EACCES:
    case EPERM:
        return VD_ERROR_PERMISSION;
    case ETIMEDOUT:
        return VD_ERROR_TIMED_OUT;
    case ECANCELED:
        return VD_ERROR_CANCELLED;
    default:
        return VD_ERROR_IO;
    }
}

VioStream *
nbd_conn_co_dial(const VdEnv *env, const NbdTarget *target, VioCancel *cancel,
                 GError **error)
{
    g_autofree char *why = NULL;
    int fd = -1;
    int r = vio_net_co_connect(env->loop, &target->address, cancel, &fd, &why);

    if (r == 0)
        return vio_stream_new(env->loop, fd, fd);
    return vd_throw_null(error, dial_code(-r), "%s: cannot connect: %s",
                         target->name, why ? why : g_strerror(-r));
}

NbdConn *
nbd_conn_new(const VdEnv *env, NbdHandshake *h)
{
    NbdConn *conn = g_new0(NbdConn, 1);

    conn->refs = 1;
    conn->env = env;
    conn->target = h->target;
    conn->export = h->export;
    conn->stream = g_steal_pointer(&h->stream);
    vio_stream_set_send_timeout(conn->stream,
                                h->target->request_timeout * SECOND_NS);
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
    h->stream = nbd_conn_co_dial(env, h->target, h->cancel, error);
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

/* -- breaking -------------------------------------------------------------- */

/* Those who wait, up to so many. */
static void
conn_wake(NbdConn *conn, unsigned n)
{
    for (unsigned i = 0; i < NBD_SLOTS && n > 0; i++) {
        NbdJob *job = conn->slots[i].job;

        if (!job || !job->waiter)
            continue;
        vio_co_wake(g_steal_pointer(&job->waiter));
        n--;
    }
}

void
nbd_conn_break(NbdConn *conn, GError *error)
{
    if (conn->broken) {
        g_error_free(error);
        return;
    }
    conn->broken = true;
    conn->error = error;
    vio_stream_reset(conn->stream);
    for (unsigned i = 0; i < NBD_SLOTS; i++) {
        NbdJob *job = conn->slots[i].job;

        if (job && !job->done)
            job->lost = true;
    }
    conn_wake(conn, NBD_SLOTS);
    vio_co_queue_wake_all(&conn->free_slot);
}

void
nbd_conn_break_errno(NbdConn *conn, int errnum, const char *doing)
{
    bool hung_up = errnum == ENODATA || errnum == ECONNRESET || errnum == EPIPE;
    GError *error = NULL;

    if (!conn->broken)
        conn->may_live = !hung_up;
    if (hung_up)
        (void) vd_throw(&error, VD_ERROR_IO,
                        "%s: the server closed the connection",
                        conn->target->name);
    else
        (void) vd_throw_errno(&error, errnum, "%s: %s", conn->target->name,
                              doing);
    nbd_conn_break(conn, error);
}

/* -- slots ----------------------------------------------------------------- */

/* False: broken meanwhile. */
static bool
conn_co_take_slot(NbdConn *conn, NbdJob *job, unsigned *slot)
{
    while (!conn->broken && conn->used == NBD_SLOTS)
        vio_co_queue_wait(&conn->free_slot);
    if (conn->broken)
        return false;
    for (*slot = 0; conn->slots[*slot].job; (*slot)++)
        ;
    conn->slots[*slot].job = job;
    conn->slots[*slot].generation++;
    conn->used++;
    return true;
}

static void
conn_give_slot(NbdConn *conn, unsigned slot)
{
    conn->slots[slot].job = NULL;
    conn->used--;
    (void) vio_co_queue_wake_one(&conn->free_slot);
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
    int r;

    if (writes && headers == NBD_HEADERS_EXTENDED)
        request.flags |= NBD_CMD_FLAG_PAYLOAD_LEN;
    len = nbd_put_request(headers, &request, head);
    r = vio_stream_co_send(conn->stream, head, len, writes ? job->data : NULL,
                           conn->env->cancel);
    if (r < 0)
        nbd_conn_break_errno(conn, -r, "sending a request");
}

/* For all, until @job has its own. */
static void
conn_co_read(NbdConn *conn, NbdJob *job)
{
    conn->reading = true;
    while (!conn->broken && !job->done)
        if (!nbd_reply_co_read(conn))
            break;
    conn->reading = false;
    /* All, who have waited until nobody reads into their memory; or else one,
     * who has to read from now on. */
    conn_wake(conn, conn->broken ? NBD_SLOTS : 1);
}

static void
conn_co_wait(NbdConn *conn, NbdJob *job)
{
    while (!job->done && (!job->lost || conn->reading)) {
        if (!conn->reading) {
            conn_co_read(conn, job);
            continue;
        }
        job->waiter = vio_co_self();
        vio_co_yield();
    }
    if (!job->done)
        job->lost = true;
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
    unsigned slot;

    shorten(conn, job);
    job->done = job->lost = job->sent = false;
    job->error = 0;
    conn->users++;
    if (conn_co_take_slot(conn, job, &slot)) {
        job->sent = true;
        conn_co_send(conn, job, slot);
        conn_co_wait(conn, job);
        conn_give_slot(conn, slot);
    } else {
        job->lost = true;
    }
    if (--conn->users == 0)
        vio_co_queue_wake_all(&conn->idle);
}

/* -- the end --------------------------------------------------------------- */

static void
conn_co_say_goodbye(NbdConn *conn)
{
    g_autoptr(VioCancel) deadline = vio_cancel_new();
    uint8_t head[NBD_EXT_REQUEST_SIZE];
    NbdRequest request = {.command = NBD_CMD_DISC};
    size_t len = nbd_put_request(conn->export.headers, &request, head);

    vio_cancel_set_deadline(deadline, vio_now_ns() + FAREWELL_NS);
    if (vio_stream_co_send(conn->stream, head, len, NULL, deadline) == 0)
        (void) vio_stream_co_end(conn->stream, deadline); /* nobody minds */
}

static void
conn_co_close(NbdConn *conn)
{
    conn->closing = true;
    while (conn->users > 0)
        vio_co_queue_wait(&conn->idle);
    if (!conn->broken)
        conn_co_say_goodbye(conn);
    conn->broken = true;
    vio_stream_co_close(conn->stream);
    conn->stream = NULL;
    vio_co_queue_wake_all(&conn->closed);
}

void
nbd_conn_co_close(NbdConn *conn)
{
    if (!conn->closing)
        conn_co_close(conn);
    while (conn->stream)
        vio_co_queue_wait(&conn->closed);
    nbd_conn_unref(conn);
}

NbdConn *
nbd_conn_ref(NbdConn *conn)
{
    conn->refs++;
    return conn;
}

void
nbd_conn_unref(NbdConn *conn)
{
    if (--conn->refs > 0)
        return;
    g_clear_error(&conn->error);
    g_free(conn);
}
