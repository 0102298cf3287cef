/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/fuzz-nfc.c - whatever a host says to the NFC client.
 *
 * The first byte of the input says where it begins: with authd's greeting, its
 * answers inside TLS, the session that is agreed on, or frames; and which
 * compression is asked for.  The rest is what the host sends before it hangs
 * up; it does not listen.  Reads, a write and questions are in flight together.
 * A read that succeeds has got all of its bytes.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "block/proto/nfc/conn.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/co-test.h"

#define LONGEST_INPUT (64u << 10)
#define BYTES 4096u
#define JOBS 6u

typedef struct {
    const uint8_t *data;
    size_t size;
} Case;

/* What runs next: test_co_run() has no argument. */
static Case *current;

typedef struct {
    NfcConn *conn;
    NfcJob job;
    struct iovec iov;
    VioVec vec;
    uint8_t bytes[BYTES];
} Request;

static VioStream *
stream_new(TestCo *t, const Case *c, int *other)
{
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    g_assert_cmpint(send(fds[1], c->data, c->size, 0), ==, (ssize_t) c->size);
    g_assert_cmpint(shutdown(fds[1], SHUT_WR), ==, 0);
    *other = fds[1];
    return vio_stream_new(t->loop, fds[0], fds[0]);
}

/* -- requests -------------------------------------------------------------- */

static bool
request_co_run(void *arg, GError **error)
{
    Request *r = arg;
    NfcJob *job = &r->job;

    nfc_conn_co_run(r->conn, job);
    g_assert_true(job->await.done || job->await.lost);
    if (job->await.done && !job->refused && job->type == NFC_IO &&
        job->direction == NFC_READ)
        g_assert_cmpuint(job->cover.bytes, ==, job->data->len);
    nfc_job_clear(job);
    return true;
}

static void
request_fill(NfcJob *job, unsigned i)
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
        job->off = i * BYTES;
    }
}

static void
case_co_transmit(NfcConn *conn)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(JOBS);

    for (unsigned i = 0; i < JOBS; i++) {
        Request *r = g_new0(Request, 1);

        r->conn = conn;
        r->vec = vio_vec_from_buf(&r->iov, r->bytes, BYTES);
        request_fill(&r->job, i);
        r->job.data = &r->vec;
        vio_co_group_spawn(group, request_co_run, r, g_free);
    }
    (void) vio_co_group_join(group, NULL); /* members do not fail */
    nfc_conn_co_close(conn);
}

/* -- the host -------------------------------------------------------------- */

/* Up to where frames begin. */
static bool
case_co_begin(NfcOpening *o, unsigned start, GError **error)
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
case_co_run(TestCo *t)
{
    Case c = {current->data + 1, current->size - 1};
    char path[] = "[ds] a/a.vmdk", service[] = "nfc", name[] = "fuzz";
    char session[] = "52cdebc5-b7ee";
    NfcTarget target = {.path = path, .name = name, .buffer_count = 4};
    NfcOpening o = {
        .env = &t->env,
        .target = &target,
        .buffer_size = BYTES / 2,
        .name = name,
        .ticket = {.service = service, .session_id = session},
    };
    g_autoptr(GError) error = NULL;
    int other;

    target.compression = (NfcCompression) (current->data[0] / 4 % 4);
    target.tls = current->data[0] & 16;
    o.stream = stream_new(t, &c, &other);
    if (case_co_begin(&o, current->data[0] % 4, &error)) {
        g_assert_no_error(error);
        case_co_transmit(nfc_conn_new(&o));
    } else {
        g_assert_nonnull(error);
        vio_stream_co_close(o.stream);
    }
    g_free(o.digest);
    (void) close(other);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Case c = {.data = data, .size = size};

    if (size < 1 || size > LONGEST_INPUT)
        return 0;
    current = &c;
    g_assert_true(test_co_run(VIO_ENGINE_THREADS, case_co_run));
    return 0;
}
