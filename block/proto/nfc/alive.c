/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/alive.c - a sector now and then, so that a host does not take
 * an idle disk for one that nobody needs.
 *
 * It happens while somebody runs the loop; if nobody does and the host hangs
 * up, the next request connects again.
 *
 * Concurrency: a coroutine of the disk's loop, which closing waits for.
 */
#include "block/proto/nfc/client.h"

#include "io/op.h"

#define SECOND UINT64_C(1000000000)

static uint64_t
bytes_sent(const NfcConn *conn)
{
    VioStreamStats stats;

    vio_stream_get_stats(conn->peer.stream, &stats);
    return stats.bytes_out;
}

/* Not worth another connection. */
static void
alive_co_ask(NfcConn *conn)
{
    g_autofree uint8_t *sector = g_malloc(conn->file.sector_size);
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, sector, conn->file.sector_size);
    NfcJob job = {.type = NFC_IO, .direction = NFC_READ, .data = &dst};

    nfc_conn_co_run(conn, &job);
    nfc_job_clear(&job);
}

/* The coroutine entry. */
static void
alive_main(void *opaque)
{
    NfcClient *client = opaque;
    uint64_t ns = client->target->keep_alive * SECOND, last = 0;
    const NfcConn *before = NULL;

    while (vio_co_sleep(vd_node_loop(client->node), ns, client->rest) == 0) {
        NfcConn *conn = client->conn;

        /* Who waits for an answer must not take ours for a sign that it will
         * come: his has a limit, too. */
        if (conn && conn == before && conn->peer.users == 0 &&
            bytes_sent(conn) == last)
            alive_co_ask(conn);
        before = client->conn;
        last = before && before->peer.stream ? bytes_sent(before) : 0;
    }
    client->keeping_alive = false;
    vio_co_queue_wake_all(&client->rested);
}

void
nfc_alive_start(NfcClient *client)
{
    if (client->target->keep_alive == 0)
        return;
    client->keeping_alive = true;
    vio_co_start(vd_node_loop(client->node), alive_main, client);
}

void
nfc_alive_co_stop(NfcClient *client)
{
    vio_cancel_fire(client->rest);
    while (client->keeping_alive)
        vio_co_queue_wait(&client->rested);
}
