/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/nfc.c - protocol driver "nfc": a disk of vSphere, read and
 * written through the host it is on (VMware's transports nbd and nbdssl).
 *
 * This file: opening, closing and the table.  See client.h for the rooms.
 *
 * Concurrency: any number of requests may overlap.
 */
#include "block/proto/nfc/client.h"

#include "block/drivers.h"

#include <inttypes.h>

#define WISHED_TRANSFER (UINT64_C(1) << 20)
#define LONGEST_TRANSFER (UINT64_C(8) << 20)

/* A request takes no more than the buffers that were agreed on.  What comes
 * compressed is kept until all of it is there. */
static void
set_limits(VdNode *node, const NfcClient *client)
{
    VdLimits *limits = vd_node_limits(node);
    uint64_t buffer = client->buffer_size;

    limits->request_align = client->file.sector_size;
    if (client->target->compression == NFC_PLAIN)
        buffer *= client->target->buffer_count;
    limits->max_transfer =
        CLAMP(buffer, (uint64_t) NFC_SMALL_BUFFER, LONGEST_TRANSFER);
    limits->opt_transfer = MIN(limits->max_transfer, WISHED_TRANSFER);
}

static void
nfc_co_close(VdNode *node)
{
    NfcClient *client = vd_node_state(node);

    nfc_alive_co_stop(client);
    if (client->conn)
        nfc_conn_co_close(g_steal_pointer(&client->conn));
    vd_status_clear(&client->status);
    nfc_meta_clear(client);
    g_clear_pointer(&client->rest, vio_cancel_unref);
    g_clear_pointer(&client->changes, vio_range_lock_free);
    g_clear_pointer(&client->target, nfc_target_free);
    vd_reconnect_clear(&client->reconnect);
}

static bool
nfc_co_open_node(VdNode *node, VdOptions *opts, GError **error)
{
    NfcClient *client = vd_node_state(node);

    client->target = nfc_target_new(opts, error);
    if (!client->target)
        return false;
    client->node = node;
    client->rest = vio_cancel_new();
    client->changes = vio_range_lock_new();
    vd_node_set_name(node, client->target->name);
    if ((client->target->session_file &&
         !vd_policy_check_secret(node, client->target->name, error)) ||
        !nfc_client_co_connect_first(client, error) ||
        !nfc_meta_co_load(client, error)) {
        nfc_co_close(node);
        return false;
    }
    vd_node_set_size(node, client->file.capacity);
    set_limits(node, client);
    nfc_alive_start(client);
    return true;
}

/* Like a device: it keeps its size when less is wanted. */
static bool
nfc_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc,
                GError **error)
{
    return size <= vd_node_size(node) ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: a disk of a virtual machine has a fixed size of "
                    "%" PRIu64 " bytes here, not %" PRIu64,
                    vd_node_name(node), vd_node_size(node), size);
}

const VdDriver vd_nfc_driver = {
    VD_DRIVER_HEADER,
    .name = "nfc",
    .kind = VD_DRIVER_PROTOCOL,
    .caps = VD_CAP_FIXED_SIZE,
    .state_size = sizeof(NfcClient),
    .co_open = nfc_co_open_node,
    .co_close = nfc_co_close,
    .co_map = nfc_co_map,
    .co_preadv = nfc_co_preadv,
    .co_pwritev = nfc_co_pwritev,
    .co_flush_to_disk = nfc_co_flush,
    .co_truncate = nfc_co_truncate,
    .get_meta = nfc_get_meta,
    .list_meta = nfc_list_meta,
};
