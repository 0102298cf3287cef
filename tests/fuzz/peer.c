/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/peer.c - a server that says what the input says and hangs up.
 *
 * Concurrency: one input at a time.
 */
#include "tests/fuzz/peer.h"

#include <sys/socket.h>
#include <unistd.h>

#define LONGEST_INPUT (64u << 10)

/* What runs: test_co_run() has no argument. */
static struct {
    const uint8_t *data;
    size_t size;
    void (*co_talk)(FuzzPeer *peer);
} current;

static VioStream *
stream_new(const TestCo *t, int *other)
{
    const uint8_t *said = current.data + 1;
    size_t len = current.size - 1;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    g_assert_cmpint(send(fds[1], said, len, 0), ==, (ssize_t) len);
    g_assert_cmpint(shutdown(fds[1], SHUT_WR), ==, 0);
    *other = fds[1];
    return vio_stream_new(t->loop, fds[0], fds[0]);
}

static void
peer_co_main(TestCo *t)
{
    FuzzPeer peer = {.t = t, .how = current.data[0]};
    int other;

    peer.stream = stream_new(t, &other);
    current.co_talk(&peer);
    (void) close(other);
}

int
fuzz_peer_run(const uint8_t *data, size_t size, void (*co_talk)(FuzzPeer *peer))
{
    if (size < 1 || size > LONGEST_INPUT)
        return 0;
    current.data = data;
    current.size = size;
    current.co_talk = co_talk;
    g_assert_true(test_co_run(VIO_ENGINE_THREADS, peer_co_main));
    return 0;
}

/* -- requests -------------------------------------------------------------- */

typedef struct {
    FuzzRequest request;
    void (*co_request)(FuzzRequest *request);
} Member;

static bool
member_co_run(void *arg, GError **error)
{
    Member *member = arg;

    member->co_request(&member->request);
    return true;
}

void
fuzz_peer_co_ask(void *conn, void (*co_request)(FuzzRequest *request))
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(FUZZ_REQUESTS);

    for (unsigned i = 0; i < FUZZ_REQUESTS; i++) {
        Member *member = g_new0(Member, 1);
        FuzzRequest *r = &member->request;

        member->co_request = co_request;
        r->conn = conn;
        r->i = i;
        r->vec = vio_vec_from_buf(&r->iov, r->bytes, FUZZ_BYTES);
        vio_co_group_spawn(group, member_co_run, member, g_free);
    }
    (void) vio_co_group_join(group, NULL); /* members do not fail */
}
