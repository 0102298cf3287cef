/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/iscsi/iscsi.c - protocol driver "iscsi": a disk of an iSCSI
 * target.
 *
 * This file: opening, closing and the table.  See client.h for the rooms.
 *
 * Concurrency: any number of requests may overlap.
 */
#include "block/proto/iscsi/client.h"

#include "block/drivers.h"
#include "block/scsi-id.h"
#include "io/claim.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#define LARGEST_TRANSFER (UINT64_C(16) << 20)
#define SMALLEST_OPTIMUM (UINT64_C(1) << 20)
#define SESSION_ID_MASK 0xffffffu

static void
set_limits(VdNode *node, const ScsiUnit *unit)
{
    VdLimits *limits = vd_node_limits(node);
    uint64_t max = unit->max_transfer * unit->block_size;
    uint64_t opt = unit->opt_transfer * unit->block_size;

    max = max ? MIN(max, LARGEST_TRANSFER) : LARGEST_TRANSFER;
    limits->request_align = unit->block_size;
    limits->max_transfer = max;
    limits->opt_transfer = MIN(MAX(opt, SMALLEST_OPTIMUM), max);
    limits->zeroes_align = unit->block_size;
    limits->discard_align = unit->block_size;
}

static void
iscsi_co_close(VdNode *node)
{
    IscsiClient *client = vd_node_state(node);

    iscsi_client_co_end_growth(client);
    for (unsigned i = 0; i < client->n_slots; i++) {
        IscsiConn *conn = g_steal_pointer(&client->slots[i].conn);

        if (conn)
            iscsi_conn_co_unref(conn);
        vd_reconnect_clear(&client->slots[i].reconnect);
    }
    vd_status_clear(&client->status);
    g_clear_pointer(&client->grow_cancel, vio_cancel_unref);
    g_clear_pointer(&client->changes, vio_range_lock_free);
    g_clear_pointer(&client->target, iscsi_target_free);
    if (client->claim >= 0)
        (void) close(client->claim); /* nothing was written through it */
}

static bool
connect_co_first(IscsiClient *client, GError **error)
{
    IscsiConn *conn;

    iscsi_slot_init(client, 0);
    client->n_slots = 1;
    conn = iscsi_slot_co_get(&client->slots[0], error);
    if (!conn)
        return false;
    iscsi_conn_co_unref(conn);
    return true;
}

/* libiscsi trusts targets: one that says that it takes 0 bytes at a time keeps
 * it busy for ever.  So whoever has made an image may not choose one, and even
 * less to whom we prove who we are. */
static bool
check_named(const VdNode *node, const IscsiTarget *t, GError **error)
{
    if (vd_policy_is_chosen(node) && !vd_node_env(node)->allow_any_path)
        return vd_throw(error, VD_ERROR_REFUSED,
                        "%s: an image may not name an iSCSI target", t->name);
    return !t->password_file || vd_policy_check_secret(node, t->name, error);
}

/* Two writers of our own would not notice each other: a unit has no locks but
 * reservations, which shut out others of this machine that are to have it. */
static bool
claim(VdNode *node, GError **error)
{
    IscsiClient *client = vd_node_state(node);
    const IscsiTarget *t = client->target;
    g_autofree char *place = NULL, *name = NULL;

    if (!vd_node_is_writable(node) || !t->locking ||
        (vd_node_flags(node) & VD_OPEN_NO_LOCK))
        return true;
    place = vio_net_name(&t->portal);
    name = g_strdup_printf("iscsi %s %s %u", place, t->target, t->lun);
    client->claim = vio_claim_take(name);
    return client->claim != -EADDRINUSE ||
           vd_throw(error, VD_ERROR_IN_USE,
                    "%s: something else on this machine writes to the unit "
                    "(locking=off, if that is meant)",
                    t->name);
}

static bool
client_co_open(VdNode *node, GError **error)
{
    IscsiClient *client = vd_node_state(node);
    IscsiTarget *t = client->target;

    if (!check_named(node, t, error) || !claim(node, error) ||
        !iscsi_target_co_load(t, vd_node_loop(node), error) ||
        !connect_co_first(client, error))
        return false;
    return !vd_node_is_writable(node) || !client->unit.write_protected ||
           vd_throw(error, VD_ERROR_READ_ONLY,
                    "%s: the unit is write-protected", t->name);
}

static bool
iscsi_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    IscsiClient *client = vd_node_state(node);
    const ScsiUnit *unit = &client->unit;

    client->target = iscsi_target_new(opts, error);
    if (!client->target)
        return false;
    client->claim = -1;
    client->node = node;
    client->session_id = g_random_int() & SESSION_ID_MASK;
    client->mark = (uint64_t) g_random_int() << 32 | g_random_int();
    client->grow_cancel = vio_cancel_new_child(vd_node_env(node)->cancel);
    client->changes = vio_range_lock_new();
    vd_node_set_name(node, client->target->name);
    if (!client_co_open(node, error)) {
        iscsi_co_close(node);
        return false;
    }
    vd_node_set_size(node, unit->blocks * unit->block_size);
    set_limits(node, unit);
    vd_node_set_write_flags(node, unit->fua ? VD_REQ_FUA : 0,
                            VD_REQ_MAY_UNMAP | VD_REQ_NO_FALLBACK);
    return true;
}

/* Like a device: it keeps its size when less is wanted. */
static bool
iscsi_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc,
                  GError **error)
{
    return size <= vd_node_size(node) ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: the unit has a fixed size of %" PRIu64
                    " bytes, not %" PRIu64,
                    vd_node_name(node), vd_node_size(node), size);
}

/* What the unit is called all over the world. */
static GVariant *
iscsi_describe(VdNode *node)
{
    const IscsiClient *client = vd_node_state(node);
    const ScsiUnit *unit = &client->unit;
    g_autoptr(GPtrArray) names =
        vd_scsi_names_decode(unit->names, unit->names_len);
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&dict, "{sv}", "names",
                          g_variant_new_strv((const char *const *) names->pdata,
                                             (gssize) names->len));
    return g_variant_builder_end(&dict);
}

static const char *const iscsi_schemes[] = {"iscsi", NULL};

const VdDriver vd_iscsi_driver = {
    VD_DRIVER_HEADER,
    .name = "iscsi",
    .kind = VD_DRIVER_PROTOCOL,
    .caps = VD_CAP_FIXED_SIZE,
    .state_size = sizeof(IscsiClient),
    .schemes = iscsi_schemes,
    .parse_name = iscsi_parse_name,
    .co_open = iscsi_co_open,
    .co_close = iscsi_co_close,
    .co_map = iscsi_co_map,
    .co_preadv = iscsi_co_preadv,
    .co_pwritev = iscsi_co_pwritev,
    .co_write_zeroes = iscsi_co_write_zeroes,
    .co_discard = iscsi_co_discard,
    .co_flush_to_disk = iscsi_co_flush,
    .co_truncate = iscsi_co_truncate,
    .describe = iscsi_describe,
};
