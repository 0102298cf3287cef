/* SPDX-License-Identifier: BSD-3-Clause */
/* api/nbd/memory.c - who may keep how many bytes of payload in memory.
 *
 * The server has half of the context's buffers.  A quarter of that is divided
 * among the clients: its share is there for a client whatever the others do.
 * The rest is common, first come, first served.  A client that reads no answers
 * or sends half a payload keeps what it has; if others have to wait for common
 * memory and it does not move for some seconds, it is cut off.
 *
 * Concurrency: coroutines of the server's loop.
 */
#include "api/nbd/server.h"

#include "io/buffer.h"
#include "io/op.h"
#include "io/sync.h"

/* Ten seconds. */
#define MEMORY_WATCH_NS (UINT64_C(1) * 1000 * 1000 * 1000)
#define MEMORY_PATIENCE 10u

typedef struct {
    NbdClient *client;
    uint64_t bytes;
    VioCo *co;
    bool granted;
    GList link;
} MemoryWaiter;

void
vd_nbd_memory_init(VdNbdServer *server)
{
    NbdMemory *memory = &server->memory;
    uint64_t all = server->ctx->buffer_limit / 2;

    memory->shared = all / 4 * 3;
    memory->share = (all - memory->shared) / server->params.max_clients;
    memory->watch_ns = MEMORY_WATCH_NS;
    memory->patience = MEMORY_PATIENCE;
}

/* -- taking ---------------------------------------------------------------- */

/* How much of @bytes is common memory, if @client has them, too. */
static uint64_t
memory_common(const NbdClient *client, uint64_t bytes)
{
    uint64_t own = client->held - client->held_shared;
    uint64_t left = client->server->memory.share - own;

    return bytes > left ? bytes - left : 0;
}

static bool
memory_try(NbdClient *client, uint64_t bytes)
{
    NbdMemory *memory = &client->server->memory;
    uint64_t common = memory_common(client, bytes);

    if (common > memory->shared - memory->shared_used)
        return false;
    memory->shared_used += common;
    memory->used += bytes;
    memory->peak = MAX(memory->peak, memory->used);
    client->held_shared += common;
    client->held += bytes;
    return true;
}

/* In order, but that those who can do with their share need not wait for those
 * who cannot. */
static void
memory_grant(NbdMemory *memory)
{
    bool short_of_common = false;
    GList *next;

    for (GList *l = memory->waiters.head; l != NULL; l = next) {
        MemoryWaiter *waiter = l->data;
        bool common = memory_common(waiter->client, waiter->bytes) > 0;

        next = l->next;
        if ((common && short_of_common) ||
            !memory_try(waiter->client, waiter->bytes)) {
            short_of_common = true;
            continue;
        }
        waiter->granted = true;
        g_queue_unlink(&memory->waiters, l);
        vio_co_wake(waiter->co);
    }
}

/* Looks are counted, not time: if it is us who were held up nobody is to blame.
 */
static bool
memory_stands_still(NbdClient *client)
{
    VioStreamStats stats;
    uint64_t moved;

    vio_stream_get_stats(client->stream, &stats);
    moved = stats.bytes_in + stats.bytes_out;
    if (client->held_shared == 0 || client->transfers == 0 ||
        moved != client->moved_bytes)
        client->still = 0;
    else
        client->still++;
    client->moved_bytes = moved;
    return client->still >= client->server->memory.patience;
}

/* Who keeps others waiting and has not moved for long? */
static void
memory_cut_off(VdNbdServer *server)
{
    for (GList *l = server->clients.head; l != NULL; l = l->next) {
        NbdClient *other = l->data;

        if (!memory_stands_still(other))
            continue;
        other->still = 0;
        server->stats.cut_off++;
        vd_context_warn(server->ctx, "NBD: a client that does not move keeps "
                                     "others waiting: disconnected");
        vio_stream_abort(other->stream);
    }
}

/* Coroutine entry: as long as somebody waits. */
static void
memory_co_watch(void *opaque)
{
    VdNbdServer *server = opaque;

    while (!g_queue_is_empty(&server->memory.waiters)) {
        (void) vio_co_sleep(server->loop, server->memory.watch_ns,
                            server->cancel);
        if (server->stopping)
            break;
        memory_cut_off(server);
    }
    server->memory.watched = false;
    server->helpers--;
    vio_co_queue_wake_all(&server->changed);
}

static void
memory_watch(VdNbdServer *server)
{
    if (server->memory.watched || server->stopping)
        return;
    server->memory.watched = true;
    server->helpers++;
    vio_co_start(server->loop, memory_co_watch, server);
}

bool
vd_nbd_memory_co_take(NbdClient *client, uint64_t len)
{
    VdNbdServer *server = client->server;
    NbdMemory *memory = &server->memory;
    MemoryWaiter waiter = {
        .client = client, .bytes = vio_buffer_size(len), .co = vio_co_self()};

    while (client->held > 0 &&
           client->held + waiter.bytes > server->params.max_payload)
        vio_co_queue_wait(&client->less);
    if ((g_queue_is_empty(&memory->waiters) ||
         memory_common(client, waiter.bytes) == 0) &&
        memory_try(client, waiter.bytes))
        return true;
    if (server->stopping)
        return false;
    waiter.link.data = &waiter;
    g_queue_push_tail_link(&memory->waiters, &waiter.link);
    memory_watch(server);
    vio_co_yield();
    return waiter.granted;
}

void
vd_nbd_memory_give(NbdClient *client, uint64_t len)
{
    NbdMemory *memory = &client->server->memory;
    uint64_t bytes = vio_buffer_size(len);
    uint64_t common = MIN(bytes, client->held_shared);

    g_assert(bytes <= client->held);
    client->held -= bytes;
    client->held_shared -= common;
    memory->used -= bytes;
    memory->shared_used -= common;
    if (!g_queue_is_empty(&memory->waiters))
        memory_grant(memory);
}

void
vd_nbd_memory_stop(VdNbdServer *server)
{
    GList *link;

    while ((link = g_queue_pop_head_link(&server->memory.waiters)) != NULL)
        vio_co_wake(((MemoryWaiter *) link->data)->co);
}

/* -- who moves ------------------------------------------------------------- */

void
vd_nbd_transfer_begin(NbdClient *client)
{
    if (client->transfers++ == 0)
        client->still = 0;
}

void
vd_nbd_transfer_end(NbdClient *client)
{
    client->transfers--;
    client->still = 0;
}
