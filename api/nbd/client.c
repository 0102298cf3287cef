/* SPDX-License-Identifier: BSD-3-Clause */
/* api/nbd/client.c - one client from its greeting to its end.
 *
 * Concurrency: a coroutine of its own, which reads; those of its requests end
 * before it does.
 */
#include "api/nbd/server.h"

#include "io/op.h"

#include <string.h>
#include <unistd.h>

#define CLIENT_MS UINT64_C(1000000)
/* For the last bytes to go out. */
#define CLIENT_END_NS (5000 * CLIENT_MS)
/* When the server stops: for the next request, if it is there already, and then
 * for the client to close. */
#define CLIENT_QUIET_NS (250 * CLIENT_MS)
#define CLIENT_LEAVE_NS (1000 * CLIENT_MS)

VioCancel *
vd_nbd_client_reading(NbdClient *client)
{
    if (!client->server->stopping)
        return client->cancel;
    vio_cancel_set_deadline(client->quiet, vio_now_ns() + CLIENT_QUIET_NS);
    return client->quiet;
}

/* Closing a connection with bytes that nobody has read may destroy answers that
 * are on their way, so a client that was not asked has the time to leave. */
static void
client_co_end(NbdClient *client)
{
    g_autoptr(VioCancel) patience = vio_cancel_new();
    int ret;

    while (client->in_flight > 0)
        vio_co_queue_wait(&client->less);
    vio_cancel_set_deadline(patience, vio_now_ns() + CLIENT_END_NS);
    ret = vio_stream_co_end(client->stream, patience);
    vio_cancel_set_deadline(patience, vio_now_ns() + CLIENT_LEAVE_NS);
    if (ret == 0 && client->server->stopping && !client->gone)
        (void) vio_stream_co_skip(client->stream, UINT64_MAX, patience);
    vio_stream_co_close(client->stream);
}

static void
client_free(NbdClient *client, bool chosen)
{
    VdNbdServer *server = client->server;

    g_queue_unlink(&server->clients, &client->link);
    g_array_unref(client->contexts);
    vio_cancel_unref(client->cancel);
    vio_cancel_unref(client->quiet);
    g_free(client);
    server->stats.clients--;
    vio_co_queue_wake_all(&server->changed);
    vd_nbd_server_client_left(server, chosen);
}

/* Coroutine entry. */
static void
client_co_run(void *opaque)
{
    NbdClient *client = opaque;
    VdNbdServer *server = client->server;
    uint64_t patience = server->params.handshake_ms * CLIENT_MS;
    bool chosen;

    vio_cancel_set_deadline(client->cancel, vio_now_ns() + patience);
    chosen = vd_nbd_handshake_co_run(client);
    if (chosen) {
        server->chosen++;
        vio_cancel_set_deadline(client->cancel, 0);
        client->gone = !vd_nbd_requests_co_run(client);
    }
    client_co_end(client);
    client_free(client, chosen);
}

void
vd_nbd_client_start(VdNbdServer *server, int in_fd, int out_fd)
{
    NbdClient *client = g_new0(NbdClient, 1);

    client->server = server;
    client->stream = vio_stream_new(server->loop, in_fd, out_fd);
    client->cancel = vio_cancel_new();
    client->quiet = vio_cancel_new();
    client->contexts = g_array_new(FALSE, FALSE, sizeof(unsigned));
    client->link.data = client;
    g_queue_push_tail_link(&server->clients, &client->link);
    server->stats.clients++;
    server->stats.accepted++;
    vio_co_start(server->loop, client_co_run, client);
}
