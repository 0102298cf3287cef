/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/status.c - where the disk has holes.
 *
 * A host answers with a bit for each chunk of what the whole chain holds.  What
 * was written with the same handle may not show, so our own changes are data
 * from then on.  A host that does not answer is not asked again: all is data.
 *
 * Concurrency: as the cache says (status-cache.h).
 */
#include "block/proto/nfc/client.h"

/* VDDK asks for no smaller ones, and for no more at a time. */
#define CHUNK (UINT64_C(64) << 10)
#define MOST_CHUNKS (UINT64_C(512) << 10)

void
nfc_status_changed(NfcClient *client, uint64_t off, uint64_t len)
{
    bool first = client->dirty_off == client->dirty_end;

    client->dirty_off = first ? off : MIN(client->dirty_off, off);
    client->dirty_end = MAX(client->dirty_end, off + len);
    vd_status_changed(&client->status, off, len);
}

/* -- asking ---------------------------------------------------------------- */

/* The bits of @bitmap, which are about what begins at @off. */
static void
fill(VdStatusCache *fresh, uint64_t off, const uint8_t *bitmap, uint64_t chunks)
{
    g_autoptr(GArray) stretches = g_array_new(FALSE, FALSE, sizeof(VdStretch));

    for (uint64_t i = 0; i < chunks; i++) {
        bool hole = !(bitmap[i / 8] >> (i % 8) & 1);

        vd_status_append(stretches, off + (i + 1) * CHUNK, hole, hole);
    }
    vd_status_fill(fresh, off, stretches);
}

/* What it says about @chunks of them from @off on, the first of which is then
 * known; else nothing is. */
static bool
status_co_ask(NfcClient *client, uint64_t off, uint64_t chunks,
              VdStatusCache *fresh, bool *known, GError **error)
{
    NfcJob job = {
        .type = NFC_QUERY_ALLOCATED,
        .request_len = NFC_QUERY_BYTES,
        .reply_len = NFC_QUERY_BYTES,
        .asked = chunks,
    };
    NfcQuery query = {
        .chunk = CHUNK,
        .start = off,
        .count = chunks,
    };
    bool ok;

    nfc_put_query(&query, job.request);
    ok = nfc_client_co_run(client, &job, error);
    *known = ok && !job.refused && nfc_get_query_count(job.reply) > 0;
    if (*known)
        fill(fresh, off, job.reply_extra, nfc_get_query_count(job.reply));
    nfc_job_clear(&job);
    return ok;
}

static bool
status_co_fill(void *opaque, uint64_t off, VdStatusCache *fresh, bool *known,
               GError **error)
{
    NfcClient *client = opaque;
    uint64_t begin = off / CHUNK * CHUNK;
    uint64_t whole = client->file.capacity / CHUNK * CHUNK;

    fresh->asked =
        vd_status_next_ask(&client->status, begin, CHUNK, MOST_CHUNKS * CHUNK);
    if (!status_co_ask(client, begin, MIN(fresh->asked, whole - begin) / CHUNK,
                       fresh, known, error))
        return false;
    client->no_status = !*known;
    return true;
}

/* -- the map --------------------------------------------------------------- */

/* The end of what can be asked about from @off on; @off itself: nothing can. */
static uint64_t
askable_until(const NfcClient *client, uint64_t off, uint64_t end)
{
    uint64_t whole = client->file.capacity / CHUNK * CHUNK;

    end = MIN(end, whole);
    if (off >= client->dirty_end)
        return MAX(end, off);
    if (off >= client->dirty_off)
        return off;
    return MAX(MIN(end, client->dirty_off / CHUNK * CHUNK), off);
}

/* Before the next place that can be asked about. */
static uint64_t
data_until(const NfcClient *client, uint64_t off, uint64_t end)
{
    return off < client->dirty_end ? MIN(end, client->dirty_end) : end;
}

bool
nfc_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want, VdRun *run,
           GError **error)
{
    NfcClient *client = vd_node_state(node);
    uint64_t end = askable_until(client, off, off + len);

    *run = (VdRun){
        .kind = VD_RUN_DATA,
        .len = data_until(client, off, off + len) - off,
        .child_off = off,
    };
    if (!(want & VD_WANT_ZERO) || client->no_status || end == off)
        return true;
    return vd_status_co_map(&client->status, off, end, client->file.sector_size,
                            status_co_fill, client, run, error);
}
