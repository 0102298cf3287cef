/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/request.c - reads, writes, flush.
 *
 * Bounds, alignment and the length of requests are the door's.
 *
 * What a flush means: among the frames there is none that asks for durability
 * (the old message 48, SYNC, belongs to a dialect without requests in flight).
 * A host acknowledges a write when its storage has it; we make sure that the
 * host which has acknowledged all so far still lives, by a question that it has
 * to answer, and fail if any of them was lost with a connection.
 *
 * Concurrency: changes that overlap wait for each other, because a server may
 * do what it has in any order.
 */
#include "block/proto/nfc/client.h"

#include <inttypes.h>

static bool
throw_refusal(const NfcClient *client, const NfcJob *job, const char *what,
              GError **error)
{
    return vd_throw(
        error, job->read_only ? VD_ERROR_READ_ONLY : VD_ERROR_NO_IO,
        "%s: %s of %zu bytes at offset %" PRIu64 ": the server refuses it: %s",
        client->target->name, what, job->data->len, job->off, job->reason);
}

bool
nfc_co_preadv(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    NfcClient *client = vd_node_state(node);
    NfcJob job = {
        .type = NFC_IO, .direction = NFC_READ, .off = off, .data = dst};
    bool ok = nfc_client_co_run(client, &job, error) &&
              (!job.refused || throw_refusal(client, &job, "read", error));

    nfc_job_clear(&job);
    return ok;
}

bool
nfc_co_pwritev(VdNode *node, uint64_t off, const VioVec *src, VdReqFlags flags,
               GError **error)
{
    NfcClient *client = vd_node_state(node);
    NfcJob job = {
        .type = NFC_IO, .direction = NFC_WRITE, .off = off, .data = src};
    VioRange *range = vio_range_co_lock(client->changes, off, src->len, true);
    bool ok;

    nfc_status_changed(client, off, src->len);
    ok = nfc_client_co_run(client, &job, error);
    nfc_status_changed(client, off, src->len);
    vio_range_unlock(client->changes, range);
    if (ok && job.refused)
        ok = throw_refusal(client, &job, "write", error);
    if (ok)
        nfc_client_count_change(client, &job);
    nfc_job_clear(&job);
    return ok;
}

/* -- flush ----------------------------------------------------------------- */

static bool
check_losses(NfcClient *client, GError **error)
{
    if (!client->losses)
        return true;
    client->losses = false;
    client->flushed = client->acked;
    return vd_throw(error, VD_ERROR_CONNECTION_LOST,
                    "%s: flush: the connection was lost while changes had not "
                    "been flushed; the server may have forgotten them",
                    client->target->name);
}

bool
nfc_co_flush(VdNode *node, GError **error)
{
    NfcClient *client = vd_node_state(node);
    uint64_t acked = client->acked;
    g_autofree uint8_t *sector = g_malloc(client->file.sector_size);
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, sector, client->file.sector_size);

    if (!vd_reconnect_check_doubt(&client->reconnect, error))
        return false;
    if (acked != client->flushed && !client->losses &&
        !nfc_co_preadv(node, 0, &dst, error))
        return false;
    if (!check_losses(client, error) ||
        !vd_reconnect_check_doubt(&client->reconnect, error))
        return false;
    client->flushed = MAX(client->flushed, acked);
    return true;
}
