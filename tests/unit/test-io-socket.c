/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-io-socket.c - sockets, polling, sleeping, cancelling. */
#include "tests/unit/io-test.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/un.h>

#include "io/sync.h"

#define MS UINT64_C(1000000)
#define FAR_AWAY (UINT64_C(3600000) * MS) /* no machine is as slow as that */

typedef struct Net {
    IoFixture *f;
    VioLoop *loop;
    int fd[2];
    VioCancel *cancel;
    uint8_t *data;
    size_t len, done;
    int result;
    bool over;
} Net;

/* Run @fn with a connected pair, once blocking and once not. */
static void
net_run(IoFixture *f, VioCoFunc fn)
{
    for (int flags = 0; flags <= SOCK_NONBLOCK; flags += SOCK_NONBLOCK) {
        Net n = {.f = f, .loop = f->loop, .cancel = vio_cancel_new()};

        g_assert_cmpint(
            socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0, n.fd),
            ==, 0);
        io_test_run(f, fn, &n);
        g_assert_cmpint(fcntl(n.fd[0], F_GETFL) & O_NONBLOCK, ==,
                        flags ? O_NONBLOCK : 0);
        (void) close(n.fd[0]);
        if (n.fd[1] >= 0)
            (void) close(n.fd[1]);
        vio_cancel_unref(n.cancel);
    }
}

/* -- data ----------------------------------------------------------------- */

static void
sender_main(void *opaque)
{
    Net *n = opaque;

    while (n->done < n->len) {
        ssize_t sent = vio_co_send(n->loop, n->fd[1], n->data + n->done,
                                   n->len - n->done, 0, NULL);

        g_assert_cmpint(sent, >, 0);
        n->done += (size_t) sent;
    }
    (void) close(n->fd[1]);
    n->fd[1] = -1;
    n->over = true;
}

static void
stream_main(void *opaque)
{
    Net *n = opaque;
    g_autofree uint8_t *back = NULL;

    n->len = 3000000; /* more than the buffers hold */
    n->data = g_malloc(n->len);
    back = g_malloc(n->len + 1);
    for (size_t i = 0; i < n->len; i++)
        n->data[i] = io_test_byte(i);
    vio_co_start(n->loop, sender_main, n);
    g_assert_cmpint(
        vio_co_recv(n->loop, n->fd[0], back, 1000, MSG_WAITALL, NULL), ==,
        1000);
    g_assert_cmpint(vio_co_recv(n->loop, n->fd[0], back + 1000, n->len - 999,
                                MSG_WAITALL, n->cancel),
                    ==, (ssize_t) n->len - 1000); /* then the end */
    g_assert_true(n->over);
    io_test_assert_pattern(back, 0, n->len);
    g_assert_cmpint(vio_co_recv(n->loop, n->fd[0], back, 1, 0, NULL), ==, 0);
    g_free(n->data);
}

static void
test_stream(IoFixture *f, gconstpointer engine)
{
    net_run(f, stream_main);
}

static void
broken_main(void *opaque)
{
    Net *n = opaque;
    char buf[1];

    (void) close(n->fd[1]);
    n->fd[1] = -1;
    g_assert_cmpint(vio_co_send(n->loop, n->fd[0], "x", 1, 0, NULL), ==,
                    -EPIPE); /* and no SIGPIPE */
    g_assert_cmpint(vio_co_recv(n->loop, -1, buf, 1, 0, NULL), ==, -EBADF);
}

static void
test_broken_pipe(IoFixture *f, gconstpointer engine)
{
    net_run(f, broken_main);
}

/* -- polling -------------------------------------------------------------- */

static void
poll_reader(void *opaque)
{
    Net *n = opaque;

    n->result = vio_co_poll(n->loop, n->fd[0], POLLIN, NULL);
    n->over = true;
}

static void
poll_main(void *opaque)
{
    Net *n = opaque;

    vio_co_start(n->loop, poll_reader, n);
    g_assert_cmpint(vio_co_poll(n->loop, n->fd[0], POLLOUT, NULL), ==, POLLOUT);
    g_assert_cmpint(vio_co_sleep(n->loop, MS, NULL), ==, 0);
    g_assert_false(n->over);
    g_assert_cmpint(write(n->fd[1], "x", 1), ==, 1);
    while (!n->over)
        (void) vio_co_sleep(n->loop, MS / 10, NULL);
    g_assert_cmpint(n->result, ==, POLLIN);
    (void) close(n->fd[1]);
    n->fd[1] = -1;
    g_assert_cmpint(vio_co_poll(n->loop, n->fd[0], POLLOUT, NULL) & POLLHUP, ==,
                    POLLHUP);
}

static void
test_poll_two_waiters(IoFixture *f, gconstpointer engine)
{
    net_run(f, poll_main);
}

static void
poll_file_main(void *opaque)
{
    Net *n = opaque;
    VioFile *file = io_test_file(n->f, "a", 10);

    g_assert_cmpint(vio_co_poll(n->loop, vio_file_fd(file), POLLIN, NULL), ==,
                    POLLIN);
    g_assert_cmpint(vio_co_poll(n->loop, 9999, POLLIN, NULL), ==, -EBADF);
    vio_file_free(file);
}

static void
test_poll_file(IoFixture *f, gconstpointer engine)
{
    net_run(f, poll_file_main);
}

/* -- connections ---------------------------------------------------------- */

typedef struct Conn {
    VioLoop *loop;
    int listener, flags;
    unsigned accepted, wanted;
} Conn;

static void
accept_main(void *opaque)
{
    Conn *c = opaque;

    while (c->accepted < c->wanted) {
        int fd = vio_co_accept(c->loop, c->listener, NULL);

        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(fcntl(fd, F_GETFD), ==, FD_CLOEXEC);
        g_assert_cmpint(vio_co_send(c->loop, fd, "hi", 2, 0, NULL), ==, 2);
        (void) close(fd);
        c->accepted++;
    }
}

static void
connect_once(Conn *c, const struct sockaddr *addr, socklen_t len)
{
    VIO_AUTO_FD fd =
        socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | c->flags, 0);
    char buf[2];

    g_assert_cmpint(vio_co_connect(c->loop, fd, addr, len, NULL), ==, 0);
    g_assert_cmpint(vio_co_recv(c->loop, fd, buf, 2, MSG_WAITALL, NULL), ==, 2);
}

static void
connect_to(Conn *c, struct sockaddr *addr, socklen_t len, unsigned times)
{
    c->listener =
        socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | c->flags, 0);
    c->wanted = times;
    c->accepted = 0;
    g_assert_cmpint(bind(c->listener, addr, len), ==, 0);
    g_assert_cmpint(listen(c->listener, 1), ==, 0);
    g_assert_cmpint(getsockname(c->listener, addr, &len), ==, 0);
    vio_co_start(c->loop, accept_main, c);
    for (unsigned i = 0; i < times; i++)
        connect_once(c, addr, len);
    (void) close(c->listener);
}

static void
connect_main(void *opaque)
{
    Net *n = opaque;
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    Conn c = {.loop = n->loop};
    int fd;

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c.flags = fcntl(n->fd[0], F_GETFL) & O_NONBLOCK;
    connect_to(&c, (struct sockaddr *) &in, sizeof(in), 5);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(
        vio_co_connect(n->loop, fd, (struct sockaddr *) &in, sizeof(in), NULL),
        ==, -ECONNREFUSED);
    (void) close(fd);
    (void) g_snprintf(un.sun_path, sizeof(un.sun_path), "%s/s%d", n->f->dir,
                      c.flags);
    connect_to(&c, (struct sockaddr *) &un, sizeof(un), 5);
}

static void
test_connect_and_accept(IoFixture *f, gconstpointer engine)
{
    net_run(f, connect_main);
}

/* -- cancelling ----------------------------------------------------------- */

static void
fire_soon(void *opaque)
{
    Net *n = opaque;

    (void) vio_co_sleep(n->loop, 2 * MS, NULL);
    vio_cancel_fire(n->cancel);
    n->over = true;
}

static void
fire_wait(Net *n)
{
    while (!n->over)
        (void) vio_co_sleep(n->loop, MS, NULL);
    n->over = false;
}

static void
cancel_recv_main(void *opaque)
{
    Net *n = opaque;
    char buf[10];

    vio_co_start(n->loop, fire_soon, n);
    g_assert_cmpint(vio_co_recv(n->loop, n->fd[0], buf, 10, 0, n->cancel), ==,
                    -ECANCELED);
    /* Sticky, even if there is something to read; and nothing was lost. */
    g_assert_cmpint(write(n->fd[1], "abc", 3), ==, 3);
    g_assert_cmpint(vio_co_recv(n->loop, n->fd[0], buf, 10, 0, n->cancel), ==,
                    -ECANCELED);
    g_assert_cmpint(vio_co_recv(n->loop, n->fd[0], buf, 10, 0, NULL), ==, 3);
    fire_wait(n);
}

static void
test_cancel_recv(IoFixture *f, gconstpointer engine)
{
    net_run(f, cancel_recv_main);
}

static void
cancel_others_main(void *opaque)
{
    Net *n = opaque;
    struct sockaddr_in in = {.sin_family = AF_INET};
    g_autofree char *much = g_malloc0(1 << 20);
    VIO_AUTO_FD fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ssize_t ret;

    g_assert_cmpint(bind(fd, (struct sockaddr *) &in, sizeof(in)), ==, 0);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    vio_co_start(n->loop, fire_soon, n);
    g_assert_cmpint(vio_co_accept(n->loop, fd, n->cancel), ==, -ECANCELED);
    fire_wait(n);
    vio_cancel_unref(n->cancel);
    n->cancel = vio_cancel_new();
    vio_co_start(n->loop, fire_soon, n);
    do
        ret = vio_co_send(n->loop, n->fd[0], much, 1 << 20, 0, n->cancel);
    while (ret > 0);
    g_assert_cmpint(ret, ==, -ECANCELED);
    fire_wait(n);
    g_assert_cmpint(vio_co_poll(n->loop, fd, POLLIN, n->cancel), ==,
                    -ECANCELED);
}

static void
test_cancel_accept_and_send(IoFixture *f, gconstpointer engine)
{
    net_run(f, cancel_others_main);
}

static void
cancel_sleep_main(void *opaque)
{
    Net *n = opaque;

    vio_co_start(n->loop, fire_soon, n);
    g_assert_cmpint(vio_co_sleep(n->loop, UINT64_MAX, n->cancel), ==,
                    -ECANCELED);
    g_assert_cmpint(vio_co_sleep(n->loop, UINT64_MAX, n->cancel), ==,
                    -ECANCELED);
    fire_wait(n);
}

static void
test_cancel_sleep(IoFixture *f, gconstpointer engine)
{
    net_run(f, cancel_sleep_main);
}

static void
deadline_main(void *opaque)
{
    Net *n = opaque;
    char buf[1];

    g_assert_cmpint(vio_cancel_check(NULL), ==, 0);
    g_assert_cmpint(vio_cancel_check(n->cancel), ==, 0);
    vio_cancel_set_deadline(n->cancel, vio_now_ns() + FAR_AWAY);
    g_assert_cmpint(vio_co_sleep(n->loop, MS, n->cancel), ==, 0);
    vio_cancel_set_deadline(n->cancel, vio_now_ns() + 2 * MS);
    g_assert_cmpint(vio_co_recv(n->loop, n->fd[0], buf, 1, 0, n->cancel), ==,
                    -ETIMEDOUT);
    g_assert_cmpint(vio_cancel_check(n->cancel), ==, -ETIMEDOUT);
    g_assert_cmpint(vio_co_sleep(n->loop, MS, n->cancel), ==, -ETIMEDOUT);
    vio_cancel_set_deadline(n->cancel, 0);
    g_assert_cmpint(vio_co_sleep(n->loop, MS, n->cancel), ==, 0);
    vio_cancel_fire(n->cancel);
    g_assert_cmpint(vio_cancel_check(n->cancel), ==, -ECANCELED);
}

static void
test_deadline(IoFixture *f, gconstpointer engine)
{
    net_run(f, deadline_main);
}

static void *
fire_thread(void *opaque)
{
    Net *n = opaque;

    g_usleep(3000);
    vio_cancel_fire(n->cancel);
    return NULL;
}

static void
cancel_wait_main(void *opaque)
{
    Net *n = opaque;
    char buf[1];

    g_assert_cmpint(vio_co_recv(n->loop, n->fd[0], buf, 1, 0, n->cancel), ==,
                    -ECANCELED);
}

static void
cancel_thread_main(void *opaque)
{
    pthread_t thread;

    g_assert_cmpint(pthread_create(&thread, NULL, fire_thread, opaque), ==, 0);
    cancel_wait_main(opaque);
    pthread_join(thread, NULL);
}

static void
test_cancel_from_thread(IoFixture *f, gconstpointer engine)
{
    net_run(f, cancel_thread_main);
}

static VioCancel *signal_cancel;

static void
fire_signal(int number)
{
    vio_cancel_fire(signal_cancel);
}

static void
cancel_signal_main(void *opaque)
{
    Net *n = opaque;
    struct sigaction action = {.sa_handler = fire_signal}, before;
    struct itimerval once = {{0, 0}, {0, 3000}};

    signal_cancel = n->cancel;
    g_assert_cmpint(sigaction(SIGALRM, &action, &before), ==, 0);
    g_assert_cmpint(setitimer(ITIMER_REAL, &once, NULL), ==, 0);
    cancel_wait_main(n);
    g_assert_cmpint(sigaction(SIGALRM, &before, NULL), ==, 0);
}

static void
test_cancel_from_signal_handler(IoFixture *f, gconstpointer engine)
{
    /* It holds signals back until a call it knows; waiting in a ring is none.
     */
    if (io_test_under_tsan())
        g_test_skip("not with the thread sanitizer");
    else
        net_run(f, cancel_signal_main);
}

/* The token outlives the loop it was used with. */
static void
test_cancel_outlives_loop(IoFixture *f, gconstpointer engine)
{
    VioLoopParams params = {.engine = *(const VioEngineKind *) engine};
    Net n = {.f = f, .cancel = vio_cancel_new()};

    g_assert_cmpint(vio_loop_new(&params, &n.loop), ==, 0);
    vio_cancel_set_deadline(n.cancel, vio_now_ns() + MS);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, n.fd), ==, 0);
    vio_cancel_set_deadline(n.cancel, 0);
    vio_loop_run_sync(n.loop, cancel_thread_main, &n);
    vio_loop_free(n.loop);
    vio_cancel_fire(n.cancel);
    vio_cancel_unref(n.cancel);
    (void) close(n.fd[0]);
    (void) close(n.fd[1]);
}

/* -- timers --------------------------------------------------------------- */

typedef struct Nap {
    VioLoop *loop;
    uint64_t ns;
    unsigned *awake;
} Nap;

static bool
nap_main(void *arg, GError **error)
{
    Nap *nap = arg;
    uint64_t start = vio_now_ns();

    g_assert_cmpint(vio_co_sleep(nap->loop, nap->ns, NULL), ==, 0);
    g_assert_cmpuint(vio_now_ns() - start, >=, nap->ns);
    ++*nap->awake;
    return true;
}

static void
naps_main(void *opaque)
{
    Net *n = opaque;
    g_autoptr(VioCoGroup) group = vio_co_group_new(300);
    unsigned awake = 0;

    for (int i = 0; i < 300; i++) {
        Nap *nap = g_new(Nap, 1);

        *nap = (Nap){n->loop, (uint64_t) (i * 7919 % 300) * 20000, &awake};
        vio_co_group_spawn(group, nap_main, nap, g_free);
    }
    g_assert_true(vio_co_group_join(group, NULL));
    g_assert_cmpuint(awake, ==, 300);
}

static void
test_many_sleepers(IoFixture *f, gconstpointer engine)
{
    net_run(f, naps_main);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    io_test_add("socket/stream", test_stream);
    io_test_add("socket/broken-pipe", test_broken_pipe);
    io_test_add("socket/connect-and-accept", test_connect_and_accept);
    io_test_add("poll/two-waiters", test_poll_two_waiters);
    io_test_add("poll/file", test_poll_file);
    io_test_add("cancel/recv", test_cancel_recv);
    io_test_add("cancel/accept-and-send", test_cancel_accept_and_send);
    io_test_add("cancel/sleep", test_cancel_sleep);
    io_test_add("cancel/deadline", test_deadline);
    io_test_add("cancel/from-thread", test_cancel_from_thread);
    io_test_add("cancel/from-signal-handler", test_cancel_from_signal_handler);
    io_test_add("cancel/outlives-loop", test_cancel_outlives_loop);
    io_test_add("sleep/many", test_many_sleepers);
    return g_test_run();
}
