/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/fuzz-nbd-client.c - whatever a server says to the NBD client.
 *
 * The first byte of the input says where it begins: with the greeting, or with
 * the replies of a server that has agreed on simple replies, chunks or extended
 * headers.  The rest is what the server sends before it hangs up; it does not
 * listen.  Reads, writes, questions about extents and a flush are in flight
 * together.  A read that succeeds has got all of its bytes.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "block/proto/nbd/conn.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/co-test.h"

#define LONGEST_INPUT (64u << 10)
#define DISK_SIZE (UINT64_C(1) << 20)
#define BYTES 4096u
#define JOBS 6u

typedef struct {
    const uint8_t *data;
    size_t size;
} Case;

/* What runs next: test_co_run() has no argument. */
static Case *current;

typedef struct {
    NbdConn *conn;
    NbdJob job;
    struct iovec iov;
    VioVec vec;
    uint8_t bytes[BYTES];
} Request;

/* -- the server ------------------------------------------------------------ */

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

static bool
agree(NbdHandshake *h, Case *c)
{
    unsigned start = c->data[0] % 4;

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

static bool
request_co_run(void *arg, GError **error)
{
    Request *r = arg;
    NbdJob *job = &r->job;

    nbd_conn_co_run(r->conn, job);
    g_assert_true(job->await.done || job->await.lost);
    if (job->await.done && !job->error && job->command == NBD_CMD_READ &&
        r->conn->export.headers != NBD_HEADERS_SIMPLE)
        g_assert_cmpuint(job->cover.bytes, ==, job->len);
    nbd_job_clear(job);
    if (job->extents)
        g_array_unref(job->extents);
    return true;
}

static void
request_co_start(NbdConn *conn, VioCoGroup *group, unsigned i)
{
    static const NbdCommand commands[JOBS] = {
        NBD_CMD_READ,  NBD_CMD_WRITE, NBD_CMD_BLOCK_STATUS,
        NBD_CMD_FLUSH, NBD_CMD_READ,  NBD_CMD_WRITE_ZEROES,
    };
    Request *r = g_new0(Request, 1);

    r->conn = conn;
    r->vec = vio_vec_from_buf(&r->iov, r->bytes, BYTES);
    r->job.command = commands[i];
    r->job.off = i * BYTES;
    r->job.len = BYTES;
    if (commands[i] == NBD_CMD_FLUSH)
        r->job.off = r->job.len = 0;
    if (commands[i] == NBD_CMD_READ || commands[i] == NBD_CMD_WRITE)
        r->job.data = &r->vec;
    if (commands[i] == NBD_CMD_BLOCK_STATUS)
        r->job.extents = g_array_new(FALSE, FALSE, sizeof(NbdExtent));
    vio_co_group_spawn(group, request_co_run, r, g_free);
}

static void
case_co_transmit(NbdConn *conn)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(JOBS);

    for (unsigned i = 0; i < JOBS; i++)
        request_co_start(conn, group, i);
    (void) vio_co_group_join(group, NULL); /* members do not fail */
    nbd_conn_co_close(conn);
}

static void
case_co_run(TestCo *t)
{
    Case c = {current->data + 1, current->size - 1};
    g_autofree NbdHandshake *h = g_new0(NbdHandshake, 1);
    g_autoptr(VdOptions) opts = vd_options_new();
    g_autoptr(NbdTarget) target = NULL;
    g_autoptr(GError) error = NULL;
    int other;

    vd_options_set(opts, "path", "/fuzz");
    vd_options_set(opts, "export", "a");
    target = nbd_target_new(opts, NULL);
    h->target = target;
    h->stream = stream_new(t, &c, &other);
    if (agree(h, current) || nbd_shake_co_go(h, &error)) {
        g_assert_no_error(error);
        case_co_transmit(nbd_conn_new(&t->env, h));
    } else {
        g_assert_nonnull(error);
        vio_stream_co_close(h->stream);
    }
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
