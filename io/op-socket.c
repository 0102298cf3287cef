/* SPDX-License-Identifier: BSD-3-Clause */
/* io/op-socket.c - sockets, readiness, sleep.
 *
 * Data goes through the engine if it takes RECV and SEND, else by
 * non-blocking calls and POLL, which every engine takes.  Connecting and
 * accepting are rare and always go the second way.  Descriptors may be
 * blocking or not; they are left as they were.
 *
 * Concurrency: called by coroutines of the loop.
 */
#include "io/op.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "io/loop-internal.h"

#define CONNECT_RETRY_NS UINT64_C(10000000)

/* -- waiting that can be cancelled ---------------------------------------- */

typedef struct SocketWait {
    VioWatch watch; /* first */
    VioOp *op;
} SocketWait;

static void
socket_cancelled(VioWatch *watch)
{
    SocketWait *wait = (SocketWait *) watch;

    watch->loop->engine->cancel(watch->loop, wait->op);
}

int64_t
vio_op_co_submit_until(VioLoop *loop, VioOp *op, VioCancel *cancel)
{
    SocketWait wait = {.op = op};
    int ret = vio_watch_add(&wait.watch, loop, cancel, socket_cancelled);
    int64_t n;

    if (ret != 0)
        return ret;
    n = vio_op_co_submit(loop, op);
    vio_watch_remove(&wait.watch);
    if (n != -ECANCELED)
        return n;
    ret = vio_cancel_check(cancel);
    return ret != 0 ? ret : -EINTR;
}

int
vio_co_poll(VioLoop *loop, int fd, short events, VioCancel *cancel)
{
    VioOp op = {
        .code = VIO_OP_POLL,
        .fd = fd,
        .flags = (unsigned short) events,
    };
    int64_t ret;

    do
        ret = vio_op_co_submit_until(loop, &op, cancel);
    while (ret == -EINTR || ret == -EAGAIN);
    return (int) ret;
}

/* -- data ----------------------------------------------------------------- */

static ssize_t
socket_now(const VioOp *op)
{
    int flags = (int) op->flags | MSG_DONTWAIT;
    ssize_t n = op->code == VIO_OP_RECV
                    ? recv(op->fd, op->out, op->len, flags)
                    : send(op->fd, op->data, op->len, flags);

    return n < 0 ? -errno : n;
}

/* One transfer, waiting as long as it takes. */
static ssize_t
socket_co_transfer(VioLoop *loop, VioOp *op, VioCancel *cancel)
{
    bool engine = vio_op_in(loop->engine_ops, op->code);
    short events = op->code == VIO_OP_RECV ? POLLIN : POLLOUT;
    int64_t n;
    int ret;

    for (;;) {
        ret = vio_cancel_check(cancel);
        if (ret != 0)
            return ret;
        n = engine ? vio_op_co_submit_until(loop, op, cancel) : socket_now(op);
        if (n != -EAGAIN && n != -EINTR)
            return (ssize_t) n;
        /* Also after the ring: it does not wait for non-blocking sockets. */
        if (n == -EAGAIN) {
            ret = vio_co_poll(loop, op->fd, events, cancel);
            if (ret < 0)
                return ret;
        }
    }
}

ssize_t
vio_co_recv(VioLoop *loop, int fd, void *buf, size_t len, int flags,
            VioCancel *cancel)
{
    bool all = flags & MSG_WAITALL;
    size_t done = 0;
    ssize_t n;

    do {
        VioOp op = {
            .code = VIO_OP_RECV,
            .fd = fd,
            .flags = (unsigned) (flags & ~(MSG_WAITALL | MSG_DONTWAIT)),
            .out = (char *) buf + done,
            .len = len - done,
        };

        n = socket_co_transfer(loop, &op, cancel);
        if (n > 0)
            done += (size_t) n;
    } while (all && n > 0 && done < len);
    return n < 0 ? n : (ssize_t) done;
}

ssize_t
vio_co_send(VioLoop *loop, int fd, const void *buf, size_t len, int flags,
            VioCancel *cancel)
{
    VioOp op = {
        .code = VIO_OP_SEND,
        .fd = fd,
        .flags = (unsigned) ((flags & ~MSG_DONTWAIT) | MSG_NOSIGNAL),
        .data = buf,
        .len = len,
    };

    return socket_co_transfer(loop, &op, cancel);
}

/* -- connections ---------------------------------------------------------- */

/* Make @fd non-blocking; returns the flags to restore, or -errno. */
static int
nonblock_begin(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 ||
        (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0))
        return -errno;
    return flags;
}

static void
nonblock_end(int fd, int flags)
{
    if (!(flags & O_NONBLOCK))
        (void) fcntl(fd, F_SETFL, flags);
}

static int
connect_now(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
    int flags = nonblock_begin(fd);
    int ret;

    if (flags < 0)
        return flags;
    ret = connect(fd, addr, addrlen) < 0 ? -errno : 0;
    nonblock_end(fd, flags);
    return ret;
}

int
vio_co_connect(VioLoop *loop, int fd, const struct sockaddr *addr,
               socklen_t addrlen, VioCancel *cancel)
{
    socklen_t size = sizeof(int);
    int ret, err = 0;

    /* A unix socket with a full backlog says EAGAIN and cannot be polled. */
    while ((ret = vio_cancel_check(cancel)) == 0 &&
           (ret = connect_now(fd, addr, addrlen)) == -EAGAIN)
        (void) vio_co_sleep(loop, CONNECT_RETRY_NS, cancel);
    if (ret != -EINPROGRESS && ret != -EINTR)
        return ret;
    ret = vio_co_poll(loop, fd, POLLOUT, cancel);
    if (ret < 0)
        return ret;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size) < 0)
        return -errno;
    return -err;
}

static int
accept_now(int fd)
{
    int flags = nonblock_begin(fd);
    int ret;

    if (flags < 0)
        return flags;
    ret = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    if (ret < 0)
        ret = -errno;
    nonblock_end(fd, flags);
    return ret;
}

int
vio_co_accept(VioLoop *loop, int fd, VioCancel *cancel)
{
    int ret;

    do {
        ret = vio_co_poll(loop, fd, POLLIN, cancel);
        if (ret >= 0)
            ret = accept_now(fd);
    } while (ret == -EAGAIN || ret == -EINTR || ret == -ECONNABORTED);
    return ret;
}
