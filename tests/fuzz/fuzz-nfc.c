/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/fuzz-nfc.c - whatever a host says to the NFC client.
 *
 * The first byte of the input says where it begins: with authd's greeting, its
 * answers inside TLS, the session that is agreed on, or frames; and which
 * compression is asked for.  The rest is what the host sends.  Reads, a write
 * and questions are in flight together.  A read that succeeds has got all of
 * its bytes.
 */
#include "block/proto/nfc/conn.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/peer.h"

static void
job_fill(NfcJob *job, unsigned i)
{
    switch (i) {
    case 2:
        job->type = NFC_DDB_GET;
        job->request_len = job->reply_len = NFC_DDB_GET_BYTES;
        job->extra = "uuid";
        break;
    case 3:
        job->type = NFC_QUERY_ALLOCATED;
        job->request_len = job->reply_len = NFC_QUERY_BYTES;
        job->asked = 64;
        break;
    case 4:
        job->type = NFC_OPEN_FILE;
        job->request_len = job->reply_len = NFC_OPEN_FILE_BYTES;
        break;
    default:
        job->type = NFC_IO;
        job->direction = i == 1 ? NFC_WRITE : NFC_READ;
        job->off = i * FUZZ_BYTES;
    }
}

static void
request_co_run(FuzzRequest *r)
{
    NfcJob job = {.data = &r->vec};

    job_fill(&job, r->i);
    nfc_conn_co_run(r->conn, &job);
    g_assert_true(job.await.done || job.await.lost);
    if (job.await.done && !job.refused && job.type == NFC_IO &&
        job.direction == NFC_READ)
        g_assert_cmpuint(job.cover.bytes, ==, job.data->len);
    nfc_job_clear(&job);
}

/* Up to where frames begin. */
static bool
peer_co_begin(NfcOpening *o, unsigned start, GError **error)
{
    bool sha256;

    switch (start) {
    case 0:
        return nfc_authd_co_greet(o, &sha256, error) &&
               nfc_authd_co_login(o, sha256, error);
    case 1:
        return nfc_authd_co_login(o, true, error);
    case 2:
        return nfc_classic_co_agree(o, error);
    default:
        return true;
    }
}

static void
peer_co_talk(FuzzPeer *peer)
{
    char path[] = "[ds] a/a.vmdk", service[] = "nfc", name[] = "fuzz";
    char session[] = "52cdebc5-b7ee";
    NfcTarget target = {
        .path = path,
        .name = name,
        .buffer_count = 4,
        .compression = (NfcCompression) (peer->how / 4 % 4),
        .tls = peer->how & 16,
    };
    NfcOpening o = {
        .env = &peer->t->env,
        .target = &target,
        .buffer_size = FUZZ_BYTES / 2,
        .name = name,
        .ticket = {.service = service, .session_id = session},
        .stream = peer->stream,
    };
    g_autoptr(GError) error = NULL;

    if (peer_co_begin(&o, peer->how % 4, &error)) {
        NfcConn *conn = nfc_conn_new(&o);

        g_assert_no_error(error);
        fuzz_peer_co_ask(conn, request_co_run);
        nfc_conn_co_close(conn);
    } else {
        g_assert_nonnull(error);
        vio_stream_co_close(o.stream);
    }
    g_free(o.digest);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_peer_run(data, size, peer_co_talk);
}
