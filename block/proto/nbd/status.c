/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/status.c - where the export has holes.
 *
 * Concurrency: as the cache says (status-cache.h).
 */
#include "block/proto/nbd/client.h"

#define LONGEST_EXTENDED_ASK (UINT64_C(1) << 36)

void
nbd_status_changed(NbdClient *client, uint64_t off, uint64_t len)
{
    vd_status_changed(&client->status, off, len);
}

/* -- asking ---------------------------------------------------------------- */

/* What it says about @off; *@known is false if it says nothing. */
static bool
status_co_ask(NbdClient *client, uint64_t off, uint64_t len, GArray *extents,
              bool *known, GError **error)
{
    NbdJob job = {
        .command = NBD_CMD_BLOCK_STATUS,
        .off = off,
        .len = len,
        .extents = extents,
    };
    bool ok = nbd_client_co_run(client, &job, error);

    *known = ok && !job.error && extents->len > 0;
    nbd_job_clear(&job);
    return ok;
}

/* A server may find a question too long.  One that does not answer at all
 * is not asked again: all is data then. */
static bool
status_co_ask_shorter(NbdClient *client, uint64_t off, uint64_t len,
                      GArray *extents, bool *known, GError **error)
{
    uint64_t shortest = client->export.max_payload;

    for (;;) {
        if (!status_co_ask(client, off, len, extents, known, error))
            return false;
        if (*known || len <= shortest)
            break;
        len = MAX(len / 2 / NBD_MAX_MIN_BLOCK * NBD_MAX_MIN_BLOCK, shortest);
        client->longest_status = len;
    }
    client->no_status = !*known;
    return true;
}

static void
fill(VdStatusCache *fresh, uint64_t off, const GArray *extents)
{
    g_autoptr(GArray) stretches = g_array_new(FALSE, FALSE, sizeof(VdStretch));
    uint64_t at = off;

    for (guint i = 0; i < extents->len; i++) {
        const NbdExtent *extent = &g_array_index(extents, NbdExtent, i);

        at += extent->len;
        vd_status_append(stretches, at, extent->status & NBD_STATE_HOLE,
                         extent->status & NBD_STATE_ZERO);
    }
    vd_status_fill(fresh, off, stretches);
}

static bool
status_co_fill(void *opaque, uint64_t off, VdStatusCache *fresh, bool *known,
               GError **error)
{
    NbdClient *client = opaque;
    g_autoptr(GArray) extents = g_array_new(FALSE, FALSE, sizeof(NbdExtent));

    if (client->longest_status == 0)
        client->longest_status = client->export.headers == NBD_HEADERS_EXTENDED
                                     ? LONGEST_EXTENDED_ASK
                                     : NBD_LONGEST_ASK;
    fresh->asked = vd_status_next_ask(&client->status, off, NBD_MAX_MIN_BLOCK,
                                      client->longest_status);
    if (!status_co_ask_shorter(client, off,
                               MIN(fresh->asked, client->export.size - off),
                               extents, known, error))
        return false;
    if (*known)
        fill(fresh, off, extents);
    return true;
}

/* -- the map --------------------------------------------------------------- */

bool
nbd_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want, VdRun *run,
           GError **error)
{
    NbdClient *client = vd_node_state(node);

    *run = (VdRun){.kind = VD_RUN_DATA, .len = len, .child_off = off};
    if (!(want & VD_WANT_ZERO) || !client->export.has_allocation ||
        client->no_status || off + len > client->export.size)
        return true;
    return vd_status_co_map(&client->status, off, off + len,
                            client->export.min_block, status_co_fill, client,
                            run, error);
}
