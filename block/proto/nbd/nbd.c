/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/nbd.c - protocol driver "nbd": a disk behind a server of the
 * Network Block Device protocol.
 *
 * This file: opening, closing and the table.  See client.h for the rooms.
 *
 * Concurrency: any number of requests may overlap.
 */
#include "block/proto/nbd/client.h"

#include "block/drivers.h"

#include <inttypes.h>

#define SMALLEST_TRANSFER (UINT64_C(1) << 20)

static void
set_limits(VdNode *node, const NbdExport *e)
{
    VdLimits *limits = vd_node_limits(node);

    limits->request_align = e->min_block;
    limits->max_transfer = e->max_payload;
    limits->opt_transfer =
        MIN(MAX(e->pref_block, SMALLEST_TRANSFER), (uint64_t) e->max_payload);
    limits->zeroes_align = e->min_block;
    limits->discard_align = e->min_block;
}

static bool
check_export(VdNode *node, const NbdClient *client, GError **error)
{
    const NbdExport *e = &client->export;

    if (vd_node_is_writable(node) && (e->flags & NBD_FLAG_READ_ONLY))
        return vd_throw(error, VD_ERROR_READ_ONLY,
                        "%s: the export is read-only", client->target->name);
    if (client->target->context && !e->has_context)
        return vd_throw(error, VD_ERROR_NOT_FOUND,
                        "%s: the server has no context '%s' for this export",
                        client->target->name, client->target->context);
    return true;
}

static void
nbd_co_close(VdNode *node)
{
    NbdClient *client = vd_node_state(node);

    nbd_client_co_end_growth(client);
    while (client->n_conns > 0)
        nbd_conn_co_close(client->conns[--client->n_conns]);
    vd_status_clear(&client->status);
    g_clear_pointer(&client->grow_cancel, vio_cancel_unref);
    g_clear_pointer(&client->changes, vio_range_lock_free);
    g_clear_pointer(&client->target, nbd_target_free);
    vd_reconnect_clear(&client->reconnect);
}

static bool
nbd_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    NbdClient *client = vd_node_state(node);
    VdReqFlags fua;

    client->target = nbd_target_new(opts, error);
    if (!client->target)
        return false;
    client->node = node;
    client->grow_cancel = vio_cancel_new();
    client->changes = vio_range_lock_new();
    vd_node_set_name(node, client->target->name);
    if (!nbd_target_co_load_creds(client->target, vd_node_loop(node), error) ||
        !nbd_client_co_connect_first(client, error) ||
        !check_export(node, client, error)) {
        nbd_co_close(node);
        return false;
    }
    vd_node_set_size(node, client->export.size);
    set_limits(node, &client->export);
    fua = client->export.flags & NBD_FLAG_SEND_FUA ? VD_REQ_FUA : 0;
    vd_node_set_write_flags(node, fua,
                            fua | VD_REQ_MAY_UNMAP | VD_REQ_NO_FALLBACK);
    return true;
}

/* Like a device: it keeps its size when less is wanted. */
static bool
nbd_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc,
                GError **error)
{
    return size <= vd_node_size(node) ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: an export has a fixed size of %" PRIu64
                    " bytes, not %" PRIu64,
                    vd_node_name(node), vd_node_size(node), size);
}

static const char *const nbd_schemes[] = {
    "nbd",       "nbds",      "nbd+tcp",    "nbds+tcp", "nbd+unix",
    "nbds+unix", "nbd+vsock", "nbds+vsock", NULL,
};

const VdDriver vd_nbd_driver = {
    VD_DRIVER_HEADER,
    .name = "nbd",
    .kind = VD_DRIVER_PROTOCOL,
    .caps = VD_CAP_FIXED_SIZE,
    .state_size = sizeof(NbdClient),
    .schemes = nbd_schemes,
    .parse_name = nbd_parse_name,
    .co_open = nbd_co_open,
    .co_close = nbd_co_close,
    .co_map = nbd_co_map,
    .co_preadv = nbd_co_preadv,
    .co_pwritev = nbd_co_pwritev,
    .co_write_zeroes = nbd_co_write_zeroes,
    .co_discard = nbd_co_discard,
    .co_flush_to_disk = nbd_co_flush,
    .co_truncate = nbd_co_truncate,
    .co_list_bitmaps = nbd_co_list_bitmaps,
    .co_read_bitmap = nbd_co_read_bitmap,
    .co_list_exports = nbd_co_list_exports,
};
