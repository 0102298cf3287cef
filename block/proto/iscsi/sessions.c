/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/iscsi/sessions.c - which session a request takes; more of them
 * under load.
 *
 * One is enough for a caller who waits for each answer.  Another one is opened
 * in the background once requests pile up; a target that does not let it in has
 * no room for it, and it stays with what there is.
 *
 * Concurrency: one loop; closing waits for the coroutine that opens.
 */
#include "block/proto/iscsi/client.h"

/* Requests in a session before another one is worth it. */
#define PILE 4u
#define GROW_NS (UINT64_C(5) * 1000 * 1000 * 1000)

/* -- growing --------------------------------------------------------------- */

/* A coroutine entry. */
static void
grow_main(void *opaque)
{
    IscsiClient *client = opaque;
    IscsiSlot *slot = &client->slots[client->n_slots];

    iscsi_slot_init(client, client->n_slots);
    if (iscsi_slot_co_connect(slot, client->grow_cancel, GROW_NS, NULL))
        client->n_slots++;
    else
        client->no_growth = true;
    client->growing = false;
    vio_co_queue_wake_all(&client->grown);
}

static void
grow_if_worth(IscsiClient *client, const IscsiSlot *least)
{
    if (least->users < PILE || client->growing || client->no_growth ||
        client->n_slots >= client->target->connections)
        return;
    client->growing = true;
    vio_co_start(vd_node_loop(client->node), grow_main, client);
}

void
iscsi_client_co_end_growth(IscsiClient *client)
{
    client->no_growth = true;
    vio_cancel_fire(client->grow_cancel);
    if (client->growing)
        iscsi_slot_give_up(&client->slots[client->n_slots]);
    while (client->growing)
        vio_co_queue_wait(&client->grown);
}

/* -- choosing -------------------------------------------------------------- */

/* One that is there, if any is. */
static IscsiSlot *
pick(IscsiClient *client)
{
    IscsiSlot *least = &client->slots[0];

    for (unsigned i = 1; i < client->n_slots; i++) {
        IscsiSlot *slot = &client->slots[i];

        if (slot->conn && (!least->conn || slot->users < least->users))
            least = slot;
    }
    grow_if_worth(client, least);
    return least;
}

/* In the session that there is, which is dropped if it is lost. */
static bool
slot_co_try(IscsiSlot *slot, IscsiConn *conn, VioIscsiCommand *command,
            GError **error)
{
    IscsiClient *client = slot->client;
    bool forgetful = false;
    bool ok = iscsi_co_ask(vd_node_env(client->node), client->target,
                           conn->session, command, &forgetful, error);

    if (forgetful)
        iscsi_client_lose(client);
    if (!ok && vio_iscsi_broken(conn->session))
        iscsi_slot_co_drop(slot, conn);
    iscsi_conn_co_unref(conn);
    return ok;
}

static bool
slot_co_run(IscsiSlot *slot, VioIscsiCommand *command, GError **error)
{
    for (unsigned tries = 0;; tries++) {
        g_autoptr(GError) cause = NULL;
        IscsiConn *conn = iscsi_slot_co_get(slot, error);

        if (!conn)
            return false;
        if (slot_co_try(slot, conn, command, &cause))
            return true;
        if (vd_reconnect_may_try(&slot->reconnect, tries, true))
            continue;
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
}

bool
iscsi_client_co_run(IscsiClient *client, VioIscsiCommand *command,
                    GError **error)
{
    IscsiSlot *slot = pick(client);
    bool ok;

    slot->users++;
    ok = slot_co_run(slot, command, error);
    slot->users--;
    return ok;
}
