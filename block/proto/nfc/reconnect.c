/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/reconnect.c - connecting, losing, trying again.
 *
 *   connected --lost--> waiting --------success--------> connected
 *                         | reconnect-delay is over         ^
 *                         v                                 |
 *                       failing: each request tries once ---+
 *   anywhere --protocol violated, or another disk there--> quit, for good
 *
 * One request connects, with a fresh ticket, which may name another host; the
 * others wait for it.  Attempts come 1, 2, 4, 8, 16, 16 ... seconds after one
 * another.
 *
 * What a host had acknowledged and not flushed may be gone with it, so the next
 * flush fails if the connection is lost while there are such changes.  What was
 * in flight is sent again, but for changes to a host that was given up because
 * it was silent: it may do them yet, over what comes after them.  So these fail
 * and nothing is changed or flushed any more; reads go on.
 *
 * Concurrency: one loop.
 */
#include "block/proto/nfc/client.h"

#include "io/op.h"

#include <inttypes.h>

#define SECOND UINT64_C(1000000000)
#define MAX_BACKOFF_S 16u
/* A host may have much to write before it has closed a file. */
#define FAREWELL_S 10u
/* A request that has killed so many connections is not sent again. */
#define MAX_RESENDS 16u

/* -- connecting ------------------------------------------------------------ */

static bool
is_same_disk(const NfcClient *client, const NfcConn *conn, GError **error)
{
    const NfcFile *old = &client->file, *fresh = &conn->file;

    return (fresh->capacity >= old->capacity &&
            fresh->sector_size == old->sector_size) ||
           vd_throw(error, VD_ERROR_IO,
                    "%s: what is there after reconnecting is another disk, of "
                    "%" PRIu64 " bytes in sectors of %u, not %" PRIu64
                    " in sectors of %u",
                    conn->name, fresh->capacity, fresh->sector_size,
                    old->capacity, old->sector_size);
}

static void
attempt_failed(NfcClient *client, GError *why, bool final)
{
    client->backoff_s =
        CLAMP(client->backoff_s * 2, 1, (uint64_t) MAX_BACKOFF_S);
    client->retry_at = vio_now_ns() + client->backoff_s * SECOND;
    g_clear_error(&client->failure);
    client->failure = why;
    client->quit |= final;
}

static void
attempt_succeeded(NfcClient *client, NfcConn *conn, bool first)
{
    if (first)
        client->file = conn->file;
    client->conn = conn;
    client->backoff_s = client->retry_at = 0;
}

static void
client_co_attempt(NfcClient *client, bool first)
{
    const VdEnv *env = vd_node_env(client->node);
    g_autoptr(VioCancel) deadline = vio_cancel_new_child(env->cancel);
    NfcOpening o = {
        .env = env,
        .target = client->target,
        .cancel = deadline,
        .writable = vd_node_is_writable(client->node),
        .buffer_size = client->buffer_size,
        .low_security = client->low_security,
    };
    GError *why = NULL;
    NfcConn *conn;

    if (client->target->handshake_timeout > 0)
        vio_cancel_set_deadline(deadline,
                                vio_now_ns() +
                                    client->target->handshake_timeout * SECOND);
    client->connecting = true;
    conn = nfc_co_open(&o, &why);
    if (conn && !first && !is_same_disk(client, conn, &why)) {
        nfc_conn_co_close(g_steal_pointer(&conn));
        o.final = true;
    }
    if (conn) {
        client->buffer_size = o.buffer_size;
        client->low_security = o.low_security;
        attempt_succeeded(client, conn, first);
    } else { /* who has cancelled will not mind if it is tried again later */
        attempt_failed(client, why, o.final);
    }
    client->connecting = false;
    vio_co_queue_wake_all(&client->connected);
}

static bool
throw_failure(const NfcClient *client, GError **error)
{
    g_propagate_error(error, g_error_copy(client->failure));
    return false;
}

/* The moment for another attempt; false: there is none for this request. */
static bool
client_co_await_turn(NfcClient *client, GError **error)
{
    const VdEnv *env = vd_node_env(client->node);
    uint64_t now = vio_now_ns();
    int r = vio_cancel_check(env->cancel);

    if (r == 0 && now < client->retry_at) {
        if (client->retry_at > client->wait_until)
            return throw_failure(client, error);
        r = vio_co_sleep(env->loop, client->retry_at - now, env->cancel);
    }
    return r == 0 ||
           vd_throw_errno(error, -r, "%s: connecting", client->target->name);
}

static bool
client_co_get_connected(NfcClient *client, bool first, GError **error)
{
    while (!client->conn) {
        if (client->quit)
            return throw_failure(client, error);
        if (client->connecting) {
            vio_co_queue_wait(&client->connected);
            continue;
        }
        if (!client_co_await_turn(client, error))
            return false;
        if (client->conn || client->connecting || client->quit)
            continue; /* another one was quicker */
        client_co_attempt(client, first);
    }
    return !client->quit || throw_failure(client, error);
}

bool
nfc_client_co_connect_first(NfcClient *client, GError **error)
{
    return client_co_get_connected(client, true, error);
}

/* -- losing ---------------------------------------------------------------- */

static void
check_loss(NfcClient *client)
{
    if (client->acked != client->flushed)
        client->losses = true;
}

void
nfc_client_count_change(NfcClient *client, const NfcJob *job)
{
    client->acked++;
    if (job->outlived)
        check_loss(client);
}

static void
client_quit(NfcClient *client, const GError *why)
{
    client->quit = true;
    g_clear_error(&client->failure);
    client->failure = g_error_copy(why);
}

/* False: another of its requests has done that. */
static bool
take_out(NfcClient *client, NfcConn *conn)
{
    if (client->conn != conn)
        return false;
    client->conn = NULL;
    nfc_conn_unref(conn);
    client->wait_until =
        vio_now_ns() + client->target->reconnect_delay * SECOND;
    client->retry_at = client->backoff_s = 0;
    return true;
}

/* @conn, which is broken, is not used any more; waits until it is closed, so
 * that what is sent again does not meet what was sent before.  Takes a
 * reference. */
static void
client_co_drop(NfcClient *client, NfcConn *conn)
{
    if (take_out(client, conn)) {
        if (conn->peer.is_violated)
            client_quit(client, conn->peer.error);
        check_loss(client);
    }
    nfc_conn_co_close(conn);
}

/* @conn, which was retired, is closed.  It may have been lost over that. */
static void
check_retired(NfcClient *client, const NfcConn *conn)
{
    if (conn->peer.is_violated)
        client_quit(client, conn->peer.error);
    if (!conn->left_well)
        check_loss(client);
}

/* @conn is well, but another one is wanted: what is in flight is answered, the
 * file closed, so that nothing is lost.  Until it is known how that went there
 * is no other one, by which a flush would find a host that lives.  Takes a
 * reference. */
static void
client_co_retire(NfcClient *client, NfcConn *conn)
{
    if (!take_out(client, conn)) { /* another one has wanted that, too */
        nfc_conn_co_close(conn);
        return;
    }
    client->connecting = true;
    conn->farewell_s = FAREWELL_S;
    nfc_conn_co_close(nfc_conn_ref(conn));
    check_retired(client, conn);
    nfc_conn_unref(conn);
    client->connecting = false;
    vio_co_queue_wake_all(&client->connected);
}

/* -- running --------------------------------------------------------------- */

static bool
is_change(const NfcJob *job)
{
    return job->type == NFC_IO && job->direction == NFC_WRITE;
}

static void
note_doubt(NfcClient *client, const NfcJob *job, const NfcConn *conn)
{
    if (!client->doubt && conn->peer.may_live && job->sent && is_change(job))
        (void) vd_throw(&client->doubt, VD_ERROR_DISCONNECTED,
                        "%s: no more changes: the server was given up while it "
                        "had some to do, and may do them yet (%s)",
                        conn->name, conn->peer.error->message);
}

bool
nfc_client_check_doubt(const NfcClient *client, GError **error)
{
    if (client->doubt)
        g_propagate_error(error, g_error_copy(client->doubt));
    return !client->doubt;
}

static bool
check_doubt(const NfcClient *client, const NfcJob *job, GError **error)
{
    return !is_change(job) || nfc_client_check_doubt(client, error);
}

/* A host may have no memory for what large buffers take any more. */
static bool
refuses_size(const NfcConn *conn, const NfcJob *job)
{
    return job->refused && !job->read_only && job->type == NFC_IO &&
           conn->buffer_size > NFC_SMALL_BUFFER;
}

static bool
may_try_again(const NfcClient *client, const NfcJob *job, unsigned tries)
{
    return !client->quit && check_doubt(client, job, NULL) &&
           tries < MAX_RESENDS &&
           vio_cancel_check(vd_node_env(client->node)->cancel) == 0 &&
           (client->conn || client->target->reconnect_delay > 0 ||
            (!is_change(job) && tries == 0));
}

/* True: it is to be tried again. */
static bool
client_co_recover(NfcClient *client, NfcConn *conn, const NfcJob *job,
                  unsigned tries, GError **error)
{
    g_autoptr(GError) cause = g_error_copy(conn->peer.error);

    note_doubt(client, job, conn);
    client_co_drop(client, conn);
    if (may_try_again(client, job, tries))
        return true;
    g_propagate_error(error, g_steal_pointer(&cause));
    return false;
}

bool
nfc_client_co_run(NfcClient *client, NfcJob *job, GError **error)
{
    for (unsigned tries = 0;; tries++) {
        NfcConn *conn;

        if (!check_doubt(client, job, error) ||
            !client_co_get_connected(client, false, error) ||
            !check_doubt(client, job, error))
            return false;
        conn = nfc_conn_ref(client->conn);
        nfc_conn_co_run(conn, job);
        if (job->await.lost) {
            if (!client_co_recover(client, conn, job, tries, error))
                return false;
        } else if (refuses_size(conn, job)) {
            client->buffer_size = NFC_SMALL_BUFFER;
            client_co_retire(client, conn);
        } else {
            nfc_conn_unref(conn);
            return true;
        }
    }
}
