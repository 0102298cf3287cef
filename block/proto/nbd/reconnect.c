/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/reconnect.c - connecting, losing, trying again.
 *
 *   connected --all lost--> waiting --------success--------> connected
 *                             | reconnect-delay is over         ^
 *                             v                                 |
 *                           failing: each request tries once ---+
 *   anywhere --protocol violated, or another disk there--> quit, for good
 *
 * One request connects, the others wait for it.  Attempts come 1, 2, 4, 8, 16,
 * 16 ... seconds after one another.
 *
 * A server that comes back may be another process: what it had acknowledged
 * and not flushed may be gone.  So when a connection is lost while there are
 * such changes, the next flush fails, unless an older connection is left than
 * the changes: as long as one lives it is the same server that has seen all of
 * them come.  Whether it lives the flush finds out, which goes to the oldest.
 *
 * Concurrency: one loop.
 */
#include "block/proto/nbd/client.h"

#include "io/op.h"

#include <string.h>

#define SECOND UINT64_C(1000000000)
#define MAX_BACKOFF_S 16u

/* -- is it the same disk? -------------------------------------------------- */

bool
nbd_export_is_same(const NbdExport *old, const NbdExport *fresh, bool writable)
{
    const unsigned needed = NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA |
                            NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES |
                            NBD_FLAG_SEND_FAST_ZERO | NBD_FLAG_SEND_DF |
                            NBD_FLAG_CAN_MULTI_CONN;

    return fresh->size >= old->size && fresh->min_block <= old->min_block &&
           fresh->max_payload >= old->max_payload &&
           (old->flags & needed & ~fresh->flags) == 0 &&
           (!writable || !(fresh->flags & NBD_FLAG_READ_ONLY)) &&
           fresh->has_allocation >= old->has_allocation &&
           fresh->has_context >= old->has_context;
}

/* -- losing ---------------------------------------------------------------- */

static void
client_quit(NbdClient *client, const GError *why)
{
    client->quit = true;
    g_clear_error(&client->failure);
    client->failure = g_error_copy(why);
}

static void
all_lost(NbdClient *client)
{
    client->wait_until =
        vio_now_ns() + client->target->reconnect_delay * SECOND;
    client->retry_at = 0;
    client->backoff_s = 0;
}

void
nbd_client_check_loss(NbdClient *client)
{
    if (client->acked != client->flushed &&
        (client->n_conns == 0 || client->conns[0]->born > client->covered))
        client->losses = true;
}

/* Out of the table; false: another of its requests has done that. */
static bool
take_out(NbdClient *client, NbdConn *conn)
{
    unsigned i = 0;

    while (i < client->n_conns && client->conns[i] != conn)
        i++;
    if (i == client->n_conns)
        return false;
    client->n_conns--;
    memmove(&client->conns[i], &client->conns[i + 1],
            (client->n_conns - i) * sizeof(client->conns[0]));
    nbd_conn_unref(conn);
    return true;
}

static void
lose(NbdClient *client, const NbdConn *conn)
{
    /* Perhaps the server is gone, and the others have not heard of it yet: a
     * new one beside them might belong to its successor. */
    client->no_growth = true;
    if (conn->peer.is_violated)
        client_quit(client, conn->peer.error);
    if (client->n_conns == 0)
        all_lost(client);
    nbd_client_check_loss(client);
}

void
nbd_client_co_drop(NbdClient *client, NbdConn *conn)
{
    if (take_out(client, conn))
        lose(client, conn);
    nbd_conn_co_close(conn);
}

/* -- connecting ------------------------------------------------------------ */

void
nbd_client_add(NbdClient *client, NbdConn *conn)
{
    conn->born = client->begun;
    client->conns[client->n_conns++] = conn;
}

static bool
is_acceptable(NbdClient *client, NbdConn *conn, bool first, GError **error)
{
    bool writable = vd_node_is_writable(client->node);

    return first ||
           nbd_export_is_same(&client->export, &conn->export, writable) ||
           vd_throw(error, VD_ERROR_IO,
                    "%s: what is there after reconnecting is another disk, or "
                    "the server does less than before",
                    client->target->name);
}

static void
attempt_failed(NbdClient *client, GError *why, bool final)
{
    client->backoff_s =
        CLAMP(client->backoff_s * 2, 1, (uint64_t) MAX_BACKOFF_S);
    client->retry_at = vio_now_ns() + client->backoff_s * SECOND;
    g_clear_error(&client->failure);
    client->failure = why;
    client->quit |= final;
}

/* An attempt ends with the time for which requests wait, if that is to come;
 * one second is little enough to be begun. */
static uint64_t
attempt_ns(const NbdClient *client)
{
    uint64_t all = client->target->handshake_timeout * SECOND;
    uint64_t now = vio_now_ns();

    if (now >= client->wait_until)
        return all;
    return MIN(all, MAX(client->wait_until - now, SECOND));
}

static void
client_co_attempt(NbdClient *client, bool first)
{
    const VdEnv *env = vd_node_env(client->node);
    GError *why = NULL;
    bool final = false;
    NbdConn *conn;

    client->connecting = true;
    conn = nbd_conn_co_open(env, client->target, env->cancel,
                            attempt_ns(client), &final, &why);
    if (conn && !is_acceptable(client, conn, first, &why)) {
        nbd_conn_co_close(g_steal_pointer(&conn));
        final = true;
    }
    if (conn) {
        if (first)
            client->export = conn->export;
        nbd_client_add(client, conn);
        client->target->agreed = true;
        client->backoff_s = 0;
        client->retry_at = 0;
        client->no_growth = false;
    } else {
        /* Who has cancelled will not mind if it is tried again later. */
        attempt_failed(client, why, final);
    }
    client->connecting = false;
    vio_co_queue_wake_all(&client->connected);
}

static bool
throw_failure(const NbdClient *client, GError **error)
{
    g_propagate_error(error, g_error_copy(client->failure));
    return false;
}

/* The moment for another attempt; false: there is none for this request. */
static bool
client_co_await_turn(NbdClient *client, GError **error)
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
client_co_get_connected(NbdClient *client, bool first, GError **error)
{
    while (client->n_conns == 0) {
        if (client->quit)
            return throw_failure(client, error);
        if (client->connecting) {
            vio_co_queue_wait(&client->connected);
            continue;
        }
        if (!client_co_await_turn(client, error))
            return false;
        if (client->n_conns > 0 || client->connecting || client->quit)
            continue; /* another one was quicker */
        client_co_attempt(client, first);
    }
    return true;
}

bool
nbd_client_co_connect_first(NbdClient *client, GError **error)
{
    client->wait_until = vio_now_ns() + client->target->open_timeout * SECOND;
    return client_co_get_connected(client, true, error);
}

bool
nbd_client_co_need_connection(NbdClient *client, GError **error)
{
    if (G_LIKELY(client->n_conns > 0 && !client->quit))
        return true;
    if (client->quit)
        return throw_failure(client, error);
    return client_co_get_connected(client, false, error);
}
