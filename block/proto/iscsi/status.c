/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/iscsi/status.c - where the unit has holes.
 *
 * Concurrency: as the cache says (status-cache.h).
 */
#include "block/proto/iscsi/client.h"

#define LONGEST_ASK (UINT64_C(1) << 36)

/* What it says from @off on; *@known is false if it says nothing.  A unit that
 * does not answer is not asked again: all is data then. */
static bool
status_co_ask(IscsiClient *client, uint64_t off, GArray *stretches, bool *known,
              GError **error)
{
    const ScsiUnit *unit = &client->unit;
    g_autofree uint8_t *buf = g_malloc0(SCSI_STATUS_ROOM);
    struct iovec iov;
    VioVec in = vio_vec_from_buf(&iov, buf, SCSI_STATUS_ROOM);
    VioIscsiCommand command = {.in = &in};
    uint64_t block = off / unit->block_size;

    command.cdb_len = scsi_put_status(command.cdb, block);
    if (!iscsi_client_co_run(client, &command, error))
        return false;
    if (command.status == VIO_SCSI_GOOD)
        scsi_take_status(buf, command.got, block, unit, stretches);
    *known = stretches->len > 0;
    client->no_status = !*known;
    return true;
}

static void
fill(VdStatusCache *fresh, uint64_t off, uint64_t block_size,
     const GArray *found)
{
    g_autoptr(GArray) stretches = g_array_new(FALSE, FALSE, sizeof(VdStretch));
    uint64_t at = off;

    for (guint i = 0; i < found->len && at < off + fresh->asked; i++) {
        const ScsiStretch *stretch = &g_array_index(found, ScsiStretch, i);
        uint64_t bytes = stretch->blocks * block_size;

        at += MIN(bytes, off + fresh->asked - at);
        vd_status_append(stretches, at, !stretch->mapped, !stretch->mapped);
    }
    vd_status_fill(fresh, off, stretches);
}

static bool
status_co_fill(void *opaque, uint64_t off, VdStatusCache *fresh, bool *known,
               GError **error)
{
    IscsiClient *client = opaque;
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(ScsiStretch));
    uint32_t block_size = client->unit.block_size;

    fresh->asked =
        vd_status_next_ask(&client->status, off, block_size, LONGEST_ASK);
    if (!status_co_ask(client, off, found, known, error))
        return false;
    if (*known)
        fill(fresh, off, block_size, found);
    return true;
}

/* What is not mapped reads as zeroes only if the unit says so. */
bool
iscsi_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want,
             VdRun *run, GError **error)
{
    IscsiClient *client = vd_node_state(node);

    *run = (VdRun){.kind = VD_RUN_DATA, .len = len, .child_off = off};
    if (!(want & VD_WANT_ZERO) || !client->unit.zeroes || client->no_status ||
        off + len > vd_node_size(node))
        return true;
    return vd_status_co_map(&client->status, off, off + len,
                            client->unit.block_size, status_co_fill, client,
                            run, error);
}
