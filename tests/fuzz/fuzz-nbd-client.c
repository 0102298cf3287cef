/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/fuzz-nbd-client.c - whatever a server says to the NBD client.
 *
 * The first byte of the input says where it begins: with the greeting, or with
 * the replies of a server that has agreed on simple replies, chunks or extended
 * headers.  The rest is what the server sends.  Reads, writes, questions about
 * extents and a flush are in flight together.  A read that succeeds has got all
 * of its bytes.
 */
#include "block/proto/nbd/conn.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/peer.h"

#define DISK_SIZE (UINT64_C(1) << 20)

static bool
agree(NbdHandshake *h, unsigned start)
{
    h->export = (NbdExport){
        .headers = start == 1   ? NBD_HEADERS_SIMPLE
                   : start == 2 ? NBD_HEADERS_STRUCTURED
                                : NBD_HEADERS_EXTENDED,
        .size = DISK_SIZE,
        .flags = 0xfff,
        .min_block = 1,
        .max_payload = NBD_MAX_PAYLOAD,
        .has_allocation = start > 1,
        .allocation_id = 1,
    };
    return start > 0;
}

/* -- requests -------------------------------------------------------------- */

static void
job_fill(NbdJob *job, FuzzRequest *r)
{
    static const NbdCommand commands[FUZZ_REQUESTS] = {
        NBD_CMD_READ,  NBD_CMD_WRITE, NBD_CMD_BLOCK_STATUS,
        NBD_CMD_FLUSH, NBD_CMD_READ,  NBD_CMD_WRITE_ZEROES,
    };

    job->command = commands[r->i];
    if (job->command != NBD_CMD_FLUSH) {
        job->off = r->i * FUZZ_BYTES;
        job->len = FUZZ_BYTES;
    }
    if (job->command == NBD_CMD_READ || job->command == NBD_CMD_WRITE)
        job->data = &r->vec;
    if (job->command == NBD_CMD_BLOCK_STATUS)
        job->extents = g_array_new(FALSE, FALSE, sizeof(NbdExtent));
}

static void
request_co_run(FuzzRequest *r)
{
    NbdConn *conn = r->conn;
    NbdJob job = {0};

    job_fill(&job, r);
    nbd_conn_co_run(conn, &job);
    g_assert_true(job.await.done || job.await.lost);
    if (job.await.done && !job.error && job.command == NBD_CMD_READ &&
        conn->export.headers != NBD_HEADERS_SIMPLE)
        g_assert_cmpuint(job.cover.bytes, ==, job.len);
    nbd_job_clear(&job);
    if (job.extents)
        g_array_unref(job.extents);
}

static void
peer_co_talk(FuzzPeer *peer)
{
    g_autofree NbdHandshake *h = g_new0(NbdHandshake, 1);
    g_autoptr(VdOptions) opts = vd_options_new();
    g_autoptr(NbdTarget) target = NULL;
    g_autoptr(GError) error = NULL;

    vd_options_set(opts, "path", "/fuzz");
    vd_options_set(opts, "export", "a");
    target = nbd_target_new(opts, NULL);
    h->target = target;
    h->stream = peer->stream;
    if (agree(h, peer->how % 4) || nbd_shake_co_go(h, &error)) {
        NbdConn *conn = nbd_conn_new(&peer->t->env, h);

        g_assert_no_error(error);
        fuzz_peer_co_ask(conn, request_co_run);
        nbd_conn_co_close(conn);
    } else {
        g_assert_nonnull(error);
        vio_stream_co_close(h->stream);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_peer_run(data, size, peer_co_talk);
}
