/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/pool.c - which connection a request takes; more of them
 * under load.
 *
 * One connection is enough for a caller who waits for each answer.  Another is
 * opened in the background once requests pile up, if the server says that all
 * of them show the same; a server that does not greet soon has no room for it
 * (qemu-nbd leaves surplus ones in the backlog), and it stays with what there
 * is.
 *
 * Concurrency: one loop; closing waits for the coroutine that opens.
 */
#include "block/proto/nbd/client.h"

/* Requests in flight on a connection before another one is worth it. */
#define PILE 4u
#define GROW_NS (UINT64_C(2) * 1000 * 1000 * 1000)

/* -- growing --------------------------------------------------------------- */

static void
grow_co_main(void *opaque)
{
    NbdClient *client = opaque;
    const VdEnv *env = vd_node_env(client->node);
    bool final, writable = vd_node_is_writable(client->node);
    NbdConn *conn = nbd_conn_co_open(env, client->target, client->grow_cancel,
                                     GROW_NS, &final, NULL);

    if (conn && client->n_conns > 0 && !client->no_growth &&
        client->n_conns < client->target->connections &&
        vio_cancel_check(client->grow_cancel) == 0 &&
        nbd_export_is_same(&client->export, &conn->export, writable)) {
        nbd_client_add(client, conn);
    } else {
        client->no_growth = true;
        if (conn)
            nbd_conn_co_close(conn);
    }
    client->growing = false;
    vio_co_queue_wake_all(&client->grown);
}

static void
grow_if_worth(NbdClient *client, const NbdConn *least)
{
    if (least->peer.used < PILE || client->growing || client->no_growth ||
        client->n_conns >= client->target->connections ||
        !(client->export.flags & NBD_FLAG_CAN_MULTI_CONN))
        return;
    client->growing = true;
    vio_co_start(vd_node_loop(client->node), grow_co_main, client);
}

void
nbd_client_co_end_growth(NbdClient *client)
{
    client->no_growth = true;
    vio_cancel_fire(client->grow_cancel);
    while (client->growing)
        vio_co_queue_wait(&client->grown);
}

/* -- choosing -------------------------------------------------------------- */

/* A flush goes to the oldest: its server has had all changes. */
static NbdConn *
pick(NbdClient *client, const NbdJob *job)
{
    NbdConn *least = client->conns[0];

    if (job->command == NBD_CMD_FLUSH)
        return least;
    for (unsigned i = 1; i < client->n_conns; i++)
        if (client->conns[i]->peer.users < least->peer.users)
            least = client->conns[i];
    grow_if_worth(client, least);
    return least;
}

/* A server that is about to go gets no more requests. */
static void
check_shutdown(NbdConn *conn, NbdJob *job)
{
    GError *error = NULL;

    if (job->await.lost || job->error != NBD_ESHUTDOWN)
        return;
    (void) vd_throw(&error, VD_ERROR_IO, "%s: the server is shutting down",
                    conn->target->name);
    vd_peer_break(&conn->peer, error);
    job->await.lost = true;
}

static bool
is_change(const NbdJob *job)
{
    return job->command == NBD_CMD_WRITE || job->command == NBD_CMD_TRIM ||
           job->command == NBD_CMD_WRITE_ZEROES;
}

/* Reads go on. */
static bool
check_doubt(const NbdClient *client, const NbdJob *job, GError **error)
{
    return (!is_change(job) && job->command != NBD_CMD_FLUSH) ||
           vd_reconnect_check_doubt(&client->reconnect, error);
}

/* Now that its connection is gone.  A read is worth another try in any case:
 * there are servers that drop the connection if they fail in the middle of an
 * answer, and tell the error when they are asked to answer in one piece. */
static bool
may_try_again(NbdClient *client, NbdJob *job, unsigned tries)
{
    const NbdExport *e = &client->export;
    bool read = job->command == NBD_CMD_READ;

    if (!check_doubt(client, job, NULL) ||
        !vd_reconnect_may_try(&client->reconnect, tries, read))
        return false;
    if (read && (e->flags & NBD_FLAG_SEND_DF))
        job->flags |= NBD_CMD_FLAG_DF;
    return true;
}

/* Nothing of an answer that has come in part counts. */
static void
forget_answer(NbdJob *job)
{
    nbd_job_clear(job);
    job->fruitless = 0;
    if (job->extents)
        g_array_set_size(job->extents, 0);
}

bool
nbd_client_co_run(NbdClient *client, NbdJob *job, GError **error)
{
    for (unsigned tries = 0;; tries++) {
        g_autoptr(GError) cause = NULL;
        NbdConn *conn;

        if (!check_doubt(client, job, error) ||
            !nbd_client_co_need_connection(client, error) ||
            !check_doubt(client, job, error))
            return false;
        conn = nbd_conn_ref(pick(client, job));
        nbd_conn_co_run(conn, job);
        check_shutdown(conn, job);
        if (!job->await.lost) {
            job->outlived = conn->peer.relay.broken;
            nbd_conn_unref(conn);
            return true;
        }
        cause = g_error_copy(conn->peer.error);
        if (job->sent && is_change(job))
            vd_reconnect_doubt(&client->reconnect, &conn->peer, VD_ERROR_IO);
        forget_answer(job);
        nbd_client_co_drop(client, conn);
        if (may_try_again(client, job, tries))
            continue;
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
}
