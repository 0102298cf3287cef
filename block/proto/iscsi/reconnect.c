/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/iscsi/reconnect.c - logging in, losing, trying again, as
 * block/proto/reconnect.h has it, for each number of session by itself.
 *
 * A session that is gone may mean that the unit was without power, and what it
 * had acknowledged and not flushed may be gone, too, if it has a cache: then
 * the next flush fails.
 *
 * Concurrency: one loop.
 */
#include "block/proto/iscsi/client.h"

#include <errno.h>

#include "block/proto/dial.h"

#define SECOND UINT64_C(1000000000)

/* -- sessions -------------------------------------------------------------- */

void
iscsi_conn_co_unref(IscsiConn *conn)
{
    if (--conn->refs > 0)
        return;
    vio_iscsi_co_close(conn->session);
    g_free(conn);
}

void
iscsi_client_lose(IscsiClient *client)
{
    if (client->acked != client->flushed && client->unit.write_cache)
        client->losses = true;
}

void
iscsi_slot_co_drop(IscsiSlot *slot, IscsiConn *conn)
{
    if (slot->conn != conn)
        return; /* another of its requests has done that */
    slot->conn = NULL;
    slot->client->no_growth = true; /* perhaps the target is gone */
    vd_reconnect_lost(&slot->reconnect);
    iscsi_client_lose(slot->client);
    iscsi_conn_co_unref(conn);
}

/* -- logging in ------------------------------------------------------------ */

static VdErrorCode
open_code(int errnum)
{
    switch (errnum) {
    case EACCES:
        return VD_ERROR_LOGIN;
    case EOPNOTSUPP:
        return VD_ERROR_NOT_SUPPORTED;
    case EINVAL:
        return VD_ERROR_INVALID_ARGUMENT;
    default:
        return vd_dial_code(errnum);
    }
}

static VioIscsi *
slot_co_login(const IscsiSlot *slot, VioCancel *cancel, uint64_t timeout_ns,
              bool *final, GError **error)
{
    const IscsiClient *client = slot->client;
    const IscsiTarget *t = client->target;
    const VioIscsiParams params = {
        .portal = &t->portal,
        .target = t->target,
        .initiator = t->initiator,
        .user = t->user,
        .password = t->password,
        .header_digest = t->header_digest,
        .session_id = client->session_id,
        .session_number = (uint16_t) slot->number,
        .patience_ns = timeout_ns,
    };
    g_autoptr(VioCancel) until = vio_cancel_new_child(cancel);
    g_autofree char *why = NULL;
    const VdEnv *env = vd_node_env(client->node);
    VioIscsi *session = NULL;
    int ret;

    if (timeout_ns)
        vio_cancel_set_deadline(until, vio_now_ns() + timeout_ns);
    ret = vio_iscsi_co_open(env->loop, &params, env->cancel, until, &session,
                            &why);
    if (ret == 0)
        return session;
    *final = ret == -EACCES || ret == -EINVAL || ret == -EOPNOTSUPP;
    return vd_throw_null(error, open_code(-ret), "%s: cannot log in: %s",
                         t->name, why);
}

static bool
slot_co_accept(const IscsiSlot *slot, VioIscsi *session, bool *final,
               GError **error)
{
    IscsiClient *client = slot->client;
    bool writable = vd_node_is_writable(client->node);
    ScsiUnit unit;

    if (!iscsi_co_look(vd_node_env(client->node), client->target, session,
                       &unit, error))
        return false;
    if (!client->known) {
        client->unit = unit;
        client->known = true;
        return true;
    }
    if (iscsi_unit_is_same(&client->unit, &unit, writable)) {
        client->unit.write_cache |= unit.write_cache; /* it is on by now */
        return true;
    }
    *final = true;
    return vd_throw(error, VD_ERROR_IO,
                    "%s: what is there after logging in again is another "
                    "disk, or can do less than before",
                    client->target->name);
}

static bool
slot_co_attempt(IscsiSlot *slot, VioCancel *cancel, uint64_t timeout_ns,
                bool *final, GError **error)
{
    VioIscsi *session = slot_co_login(slot, cancel, timeout_ns, final, error);
    bool ok;

    if (!session)
        return false;
    slot->opening = session;
    ok = slot_co_accept(slot, session, final, error);
    slot->opening = NULL;
    if (!ok) {
        vio_iscsi_co_close(session);
        return false;
    }
    vio_iscsi_set_patience(session,
                           slot->client->target->request_timeout * SECOND);
    slot->conn = g_new0(IscsiConn, 1);
    slot->conn->session = session;
    slot->conn->refs = 1;
    return true;
}

bool
iscsi_slot_co_connect(IscsiSlot *slot, VioCancel *cancel, uint64_t timeout_ns,
                      GError **error)
{
    bool final;

    return slot_co_attempt(slot, cancel, timeout_ns, &final, error);
}

void
iscsi_slot_give_up(IscsiSlot *slot)
{
    if (slot->opening)
        vio_iscsi_cancel(slot->opening);
}

/* -- again ----------------------------------------------------------------- */

static bool
slot_is_connected(const void *opaque)
{
    return ((const IscsiSlot *) opaque)->conn != NULL;
}

static bool
slot_co_reconnect(void *opaque, uint64_t timeout_ns, bool *final,
                  GError **error)
{
    IscsiSlot *slot = opaque;
    VioCancel *cancel = vd_node_env(slot->client->node)->cancel;

    if (!slot_co_attempt(slot, cancel, timeout_ns, final, error))
        return false;
    slot->client->no_growth = false;
    return true;
}

static const VdReconnectFuncs slot_funcs = {
    .is_connected = slot_is_connected,
    .co_attempt = slot_co_reconnect,
};

void
iscsi_slot_init(IscsiClient *client, unsigned number)
{
    const IscsiTarget *target = client->target;
    IscsiSlot *slot = &client->slots[number];

    slot->client = client;
    slot->number = number;
    slot->reconnect = (VdReconnect){
        .funcs = &slot_funcs,
        .client = slot,
        .env = vd_node_env(client->node),
        .name = target->name,
        .attempt_ns = target->login_timeout * SECOND,
        .delay_s = target->reconnect_delay,
        .wait_until = vio_now_ns() + target->open_timeout * SECOND,
    };
}

IscsiConn *
iscsi_slot_co_get(IscsiSlot *slot, GError **error)
{
    if (!slot->conn && !vd_reconnect_co_get(&slot->reconnect, error))
        return NULL;
    slot->conn->refs++;
    return slot->conn;
}
