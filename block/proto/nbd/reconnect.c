/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/reconnect.c - connecting, losing, trying again, as
 * block/proto/reconnect.h has it: once all connections are lost, and until the
 * protocol is violated or another disk is there.
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

#include <string.h>

#define SECOND UINT64_C(1000000000)

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
        vd_reconnect_quit(&client->reconnect, conn->peer.error);
    if (client->n_conns == 0)
        vd_reconnect_lost(&client->reconnect);
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

static bool
client_is_connected(const void *opaque)
{
    return ((const NbdClient *) opaque)->n_conns > 0;
}

static bool
client_co_attempt(void *opaque, uint64_t timeout_ns, bool *final,
                  GError **error)
{
    NbdClient *client = opaque;
    const VdEnv *env = vd_node_env(client->node);
    bool first = !client->target->agreed;
    NbdConn *conn = nbd_conn_co_open(env, client->target, env->cancel,
                                     timeout_ns, final, error);

    if (!conn)
        return false;
    if (!is_acceptable(client, conn, first, error)) {
        nbd_conn_co_close(conn);
        *final = true;
        return false;
    }
    if (first)
        client->export = conn->export;
    nbd_client_add(client, conn);
    client->target->agreed = true;
    client->no_growth = false;
    return true;
}

static const VdReconnectFuncs client_funcs = {
    .is_connected = client_is_connected,
    .co_attempt = client_co_attempt,
};

bool
nbd_client_co_connect_first(NbdClient *client, GError **error)
{
    const NbdTarget *target = client->target;

    client->reconnect = (VdReconnect){
        .funcs = &client_funcs,
        .client = client,
        .env = vd_node_env(client->node),
        .name = target->name,
        .attempt_ns = target->handshake_timeout * SECOND,
        .delay_s = target->reconnect_delay,
        .wait_until = vio_now_ns() + target->open_timeout * SECOND,
    };
    return vd_reconnect_co_get(&client->reconnect, error);
}

bool
nbd_client_co_need_connection(NbdClient *client, GError **error)
{
    if (G_LIKELY(client->n_conns > 0 && !client->reconnect.quit))
        return true;
    return vd_reconnect_co_get(&client->reconnect, error);
}
