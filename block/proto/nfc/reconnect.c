/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/reconnect.c - connecting, losing, trying again, as
 * block/proto/reconnect.h has it, until the protocol is violated or another
 * disk is there.  Each connection takes a fresh ticket, which may name another
 * host.
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

#include <inttypes.h>

#define SECOND UINT64_C(1000000000)
/* A host may have much to write before it has closed a file. */
#define FAREWELL_S 10u

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

static bool
client_is_connected(const void *opaque)
{
    return ((const NfcClient *) opaque)->conn;
}

/* What turns out on the way is for the next one, too, if it has helped. */
static bool
attempt_co_run(NfcClient *client, NfcOpening *o, GError **error)
{
    bool first = client->file.capacity == 0;
    NfcConn *conn = nfc_co_open(o, error);

    if (!conn)
        return false;
    if (!first && !is_same_disk(client, conn, error)) {
        nfc_conn_co_close(conn);
        o->final = true;
        return false;
    }
    if (first)
        client->file = conn->file;
    client->conn = conn;
    client->buffer_size = o->buffer_size;
    client->low_security = o->low_security;
    return true;
}

static bool
client_co_attempt(void *opaque, uint64_t timeout_ns, bool *final,
                  GError **error)
{
    NfcClient *client = opaque;
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
    bool ok;

    if (timeout_ns > 0)
        vio_cancel_set_deadline(deadline, vio_now_ns() + timeout_ns);
    ok = attempt_co_run(client, &o, error);
    *final = o.final;
    return ok;
}

static const VdReconnectFuncs client_funcs = {
    .is_connected = client_is_connected,
    .co_attempt = client_co_attempt,
};

bool
nfc_client_co_connect_first(NfcClient *client, GError **error)
{
    const NfcTarget *target = client->target;

    client->reconnect = (VdReconnect){
        .funcs = &client_funcs,
        .client = client,
        .env = vd_node_env(client->node),
        .name = target->name,
        .attempt_ns = target->handshake_timeout * SECOND,
        .delay_s = target->reconnect_delay,
    };
    return vd_reconnect_co_get(&client->reconnect, error);
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

/* False: another of its requests has done that. */
static bool
take_out(NfcClient *client, NfcConn *conn)
{
    if (client->conn != conn)
        return false;
    client->conn = NULL;
    nfc_conn_unref(conn);
    vd_reconnect_lost(&client->reconnect);
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
            vd_reconnect_quit(&client->reconnect, conn->peer.error);
        check_loss(client);
    }
    nfc_conn_co_close(conn);
}

/* @conn, which was retired, is closed.  It may have been lost over that. */
static void
check_retired(NfcClient *client, const NfcConn *conn)
{
    if (conn->peer.is_violated)
        vd_reconnect_quit(&client->reconnect, conn->peer.error);
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
    vd_reconnect_hold(&client->reconnect);
    conn->farewell_s = FAREWELL_S;
    nfc_conn_co_close(nfc_conn_ref(conn));
    check_retired(client, conn);
    nfc_conn_unref(conn);
    vd_reconnect_lost(&client->reconnect); /* only now does anybody wait */
    vd_reconnect_release(&client->reconnect);
}

/* -- running --------------------------------------------------------------- */

static bool
is_change(const NfcJob *job)
{
    return job->type == NFC_IO && job->direction == NFC_WRITE;
}

static bool
check_doubt(const NfcClient *client, const NfcJob *job, GError **error)
{
    return !is_change(job) ||
           vd_reconnect_check_doubt(&client->reconnect, error);
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
    return check_doubt(client, job, NULL) &&
           vd_reconnect_may_try(&client->reconnect, tries, !is_change(job));
}

/* True: it is to be tried again. */
static bool
client_co_recover(NfcClient *client, NfcConn *conn, const NfcJob *job,
                  unsigned tries, GError **error)
{
    g_autoptr(GError) cause = g_error_copy(conn->peer.error);

    if (job->sent && is_change(job))
        vd_reconnect_doubt(&client->reconnect, &conn->peer,
                           VD_ERROR_DISCONNECTED);
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
            !vd_reconnect_co_get(&client->reconnect, error) ||
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
