/* SPDX-License-Identifier: BSD-3-Clause */
/* io/engine-threads.c - the engine without io_uring.
 *
 * File operations run on worker threads (io/op.c sees to that); this file
 * waits, by epoll, for descriptors and for the waker.  Registrations are
 * one-shot: an event disarms them in the same system call that reports it.
 *
 * The engine "aio" is this one with io/aio.c for direct I/O, from the beginning
 * or since the first file that wants it.
 *
 * Concurrency: everything by the loop's runner.
 */
#include "io/engine.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "io/aio.h"
#include "io/loop-internal.h"

#define EVENTS_MAX 64

/* A descriptor that somebody waits for. */
typedef struct PollFd {
    int fd;
    unsigned armed; /* events that epoll will report; 0 = none */
    VioOp *ops;
} PollFd;

typedef struct Threads {
    int epoll;
    GHashTable *fds; /* fd -> PollFd */
    GArray *changed; /* int: descriptors to look at before the next wait */
    VioAio *aio;     /* or NULL */
} Threads;

static int
threads_open(VioLoop *loop, const VioLoopParams *params, char *why,
             size_t why_size)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = loop->waker->fd};
    int fd = epoll_create1(EPOLL_CLOEXEC);
    Threads *t;
    int ret;

    if (fd < 0)
        return -errno;
    if (epoll_ctl(fd, EPOLL_CTL_ADD, loop->waker->fd, &event) < 0) {
        ret = -errno;
        (void) close(fd);
        return ret;
    }
    t = g_new0(Threads, 1);
    t->epoll = fd;
    t->fds = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    t->changed = g_array_new(FALSE, FALSE, sizeof(int));
    loop->engine_state = t;
    loop->engine_ops = loop->direct_ops = 1u << VIO_OP_POLL;
    return 0;
}

int
vio_threads_add_aio(VioLoop *loop)
{
    Threads *t = loop->engine_state;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    int ret = 0;
    VioAio *aio = vio_aio_new(&ret);

    if (!aio)
        return ret;
    event.data.fd = vio_aio_fd(aio);
    if (epoll_ctl(t->epoll, EPOLL_CTL_ADD, event.data.fd, &event) < 0) {
        ret = -errno;
        vio_aio_free(aio);
        return ret;
    }
    t->aio = aio;
    loop->direct_ops |= 1u << VIO_OP_READV | 1u << VIO_OP_WRITEV;
    __atomic_store_n(&loop->engine, &vio_engine_aio, __ATOMIC_RELAXED);
    return 0;
}

static void
threads_close(VioLoop *loop)
{
    Threads *t = loop->engine_state;

    g_assert(g_hash_table_size(t->fds) == 0);
    vio_aio_free(t->aio);
    g_hash_table_unref(t->fds);
    g_array_unref(t->changed);
    (void) close(t->epoll);
    g_free(t);
}

static int
aio_open(VioLoop *loop, const VioLoopParams *params, char *why, size_t why_size)
{
    int ret = threads_open(loop, params, why, why_size);

    if (ret != 0)
        return ret;
    ret = vio_threads_add_aio(loop);
    if (ret != 0)
        threads_close(loop);
    return ret;
}

static void
threads_start(VioLoop *loop)
{
}

static int
threads_fd(VioLoop *loop)
{
    Threads *t = loop->engine_state;

    return t->epoll;
}

static bool
threads_pending(VioLoop *loop)
{
    Threads *t = loop->engine_state;

    return t->changed->len > 0 || (t->aio && vio_aio_pending(t->aio));
}

/* -- waiting for descriptors ---------------------------------------------- */

static PollFd *
pollfd_find(Threads *t, int fd)
{
    return g_hash_table_lookup(t->fds, GINT_TO_POINTER(fd));
}

static PollFd *
pollfd_get(Threads *t, int fd)
{
    PollFd *p = pollfd_find(t, fd);

    if (!p) {
        p = g_new0(PollFd, 1);
        p->fd = fd;
        g_hash_table_insert(t->fds, GINT_TO_POINTER(fd), p);
    }
    return p;
}

/* Finish the waiters that @revents concerns. */
static void
pollfd_finish(PollFd *p, unsigned revents)
{
    VioOp **link = &p->ops;

    while (*link) {
        VioOp *op = *link;
        unsigned hit = revents & (op->flags | POLLERR | POLLHUP | POLLNVAL);

        if (hit) {
            *link = op->next;
            vio_op_complete(op, hit);
        } else {
            link = &op->next;
        }
    }
}

static void
pollfd_fail(PollFd *p, int err)
{
    while (p->ops) {
        VioOp *op = p->ops;

        p->ops = op->next;
        vio_op_complete(op, -err);
    }
}

static int
pollfd_arm(Threads *t, PollFd *p, unsigned events)
{
    struct epoll_event event = {
        .events = events | EPOLLONESHOT,
        .data.fd = p->fd,
    };
    int ret = epoll_ctl(t->epoll, EPOLL_CTL_MOD, p->fd, &event);

    if (ret < 0 && errno == ENOENT)
        ret = epoll_ctl(t->epoll, EPOLL_CTL_ADD, p->fd, &event);
    return ret < 0 ? errno : 0;
}

/* Make epoll wait for what the waiters want; forget @p if there is none. */
static void
pollfd_update(Threads *t, PollFd *p)
{
    unsigned want = 0;
    int err;

    for (VioOp *op = p->ops; op; op = op->next)
        want |= op->flags | POLLERR | POLLHUP;
    if (want & ~p->armed) {
        err = pollfd_arm(t, p, want);
        p->armed = err ? 0 : want;
        if (err == EPERM) /* a regular file: always ready */
            pollfd_finish(p, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
        if (err)
            pollfd_fail(p, err);
    }
    if (p->ops)
        return;
    if (p->armed)
        (void) epoll_ctl(t->epoll, EPOLL_CTL_DEL, p->fd, NULL);
    (void) g_hash_table_remove(t->fds, GINT_TO_POINTER(p->fd));
}

static void
threads_submit(VioLoop *loop, VioOp *op)
{
    Threads *t = loop->engine_state;
    PollFd *p;

    if (op->code != VIO_OP_POLL) {
        vio_aio_submit(t->aio, op);
        return;
    }
    p = pollfd_get(t, op->fd);
    op->next = p->ops;
    p->ops = op;
    /* Not now: it might complete at once, and @op's coroutine still runs. */
    g_array_append_val(t->changed, p->fd);
}

static void
threads_arm_changed(Threads *t)
{
    for (guint i = 0; i < t->changed->len; i++) {
        PollFd *p = pollfd_find(t, g_array_index(t->changed, int, i));

        if (p)
            pollfd_update(t, p);
    }
    g_array_set_size(t->changed, 0);
}

static void
threads_cancel(VioLoop *loop, VioOp *op)
{
    Threads *t = loop->engine_state;
    PollFd *p = pollfd_find(t, op->fd);
    VioOp **link;

    if (!op->co)
        return;                        /* has just completed */
    g_assert(op->code == VIO_OP_POLL); /* nobody cancels a transfer */
    link = &p->ops;
    while (*link != op)
        link = &(*link)->next;
    *link = op->next;
    vio_op_complete(op, -ECANCELED);
    pollfd_update(t, p);
}

/* -- turning -------------------------------------------------------------- */

/* Waits finer than epoll_wait() can go through ppoll() on the epoll itself. */
static int
threads_wait(Threads *t, struct epoll_event *events, int64_t wait_ns)
{
    struct pollfd pfd = {.fd = t->epoll, .events = POLLIN};
    struct timespec ts = {
        .tv_sec = (time_t) (wait_ns / 1000000000),
        .tv_nsec = (long) (wait_ns % 1000000000),
    };

    if (wait_ns <= 0)
        return epoll_wait(t->epoll, events, EVENTS_MAX, wait_ns < 0 ? -1 : 0);
    if (ppoll(&pfd, 1, &ts, NULL) <= 0)
        return 0;
    return epoll_wait(t->epoll, events, EVENTS_MAX, 0);
}

/* Wait, and finish what descriptors and the waker tell.  What Linux AIO tells
 * is looked for in any case. */
static bool
threads_take_events(VioLoop *loop, Threads *t, int64_t wait_ns)
{
    struct epoll_event events[EVENTS_MAX];
    int n;

    loop->stats.syscalls++;
    n = threads_wait(t, events, wait_ns);
    for (int i = 0; i < n; i++) {
        PollFd *p;

        if (events[i].data.fd == loop->waker->fd) {
            loop->tokens_due -= vio_waker_take(loop->waker);
            continue;
        }
        p = pollfd_find(t, events[i].data.fd);
        if (!p)
            continue;
        p->armed = 0;
        pollfd_finish(p, events[i].events);
        pollfd_update(t, p);
    }
    return n > 0;
}

static bool
threads_turn(VioLoop *loop, int64_t wait_ns)
{
    Threads *t = loop->engine_state;
    bool did = false;

    threads_arm_changed(t);
    if (t->aio)
        vio_aio_flush(t->aio, &loop->stats);
    if (loop->ready.head)
        wait_ns = 0;
    if (wait_ns != 0 || loop->tokens_due != 0 || g_hash_table_size(t->fds) != 0)
        did = threads_take_events(loop, t, wait_ns);
    if (!t->aio)
        return did;
    /* After waiting, which goes by tokens, too. */
    if (loop->runner.embedded)
        vio_aio_take_tokens(t->aio, &loop->stats);
    return vio_aio_reap(t->aio, &loop->stats) || did;
}

const VioEngine vio_engine_threads = {
    .name = "threads",
    .tries = 1,
    .open = threads_open,
    .close = threads_close,
    .start = threads_start,
    .fd = threads_fd,
    .submit = threads_submit,
    .cancel = threads_cancel,
    .pending = threads_pending,
    .turn = threads_turn,
};

const VioEngine vio_engine_aio = {
    .name = "aio",
    .tries = 1,
    .open = aio_open,
    .close = threads_close,
    .start = threads_start,
    .fd = threads_fd,
    .submit = threads_submit,
    .cancel = threads_cancel,
    .pending = threads_pending,
    .turn = threads_turn,
};
