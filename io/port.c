/* SPDX-License-Identifier: BSD-3-Clause */
/* io/port.c - one descriptor in one direction.
 *
 * Sockets are read and written through the engine if it takes RECVMSG and
 * SENDMSG.  Everything else waits by POLL and then does what cannot block:
 * pipes know RWF_NOWAIT (Linux 6.4); on older kernels a pipe that polls
 * writable has room for PIPE_BUF bytes, and one that polls readable has
 * something.
 *
 * Concurrency: coroutines of one loop; one transfer at a time.
 */
#include "io/port.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/loop-internal.h"
#include "io/sigpipe.h"

void
vio_port_init(VioPort *port, VioLoop *loop, int fd)
{
    struct stat st;

    *port = (VioPort){.loop = loop, .fd = fd};
    if (fstat(fd, &st) < 0)
        return; /* the first transfer will tell */
    port->socket = S_ISSOCK(st.st_mode);
    port->fifo = S_ISFIFO(st.st_mode);
}

void
vio_port_stop(VioPort *port)
{
    port->stopped = true;
    if (port->op)
        port->loop->engine->cancel(port->loop, port->op);
}

int
vio_port_shut_write(VioPort *port, int other_fd)
{
    int fd = port->fd;

    if (port->socket)
        return shutdown(fd, SHUT_WR) < 0 ? -errno : 0;
    if (fd == other_fd)
        return 0;
    port->fd = -1;
    return close(fd) < 0 ? -errno : 0;
}

/* -- pipes ---------------------------------------------------------------- */

static ssize_t
pipe_write(const VioPort *port, struct iovec *iov, int niov)
{
    struct iovec first = {iov->iov_base, MIN(iov->iov_len, PIPE_BUF)};
    VioSigpipe guard;
    ssize_t n = -1;

    vio_sigpipe_block(&guard);
    errno = EOPNOTSUPP;
    if (port->fifo)
        n = pwritev2(port->fd, iov, niov, -1, RWF_NOWAIT);
    if (n < 0 && errno == EOPNOTSUPP)
        n = writev(port->fd, &first, 1);
    n = n < 0 ? -errno : n;
    vio_sigpipe_unblock(&guard, n == -EPIPE);
    return n;
}

static ssize_t
pipe_read(const VioPort *port, struct iovec *iov, int niov)
{
    ssize_t n = -1;

    errno = EOPNOTSUPP;
    if (port->fifo)
        n = preadv2(port->fd, iov, niov, -1, RWF_NOWAIT);
    if (n < 0 && errno == EOPNOTSUPP)
        n = readv(port->fd, iov, niov);
    return n < 0 ? -errno : n;
}

/* -- without waiting ------------------------------------------------------ */

/* Kernels that do not know RWF_NOWAIT for pipes must not be trusted to come
 * back before poll has said so. */
static bool
port_is_ready(const VioPort *port, short events)
{
    struct pollfd pfd = {.fd = port->fd, .events = events};

    port->loop->stats.syscalls++;
    return poll(&pfd, 1, 0) > 0;
}

static struct msghdr
port_msg(struct iovec *iov, int niov)
{
    return (struct msghdr){.msg_iov = iov, .msg_iovlen = (size_t) niov};
}

/* Of a socket, or of anything else that is known to be ready. */
static ssize_t
port_transfer(VioPort *port, struct iovec *iov, int niov, bool reading)
{
    struct msghdr msg = port_msg(iov, niov);
    ssize_t n;

    port->loop->stats.syscalls++;
    if (!port->socket)
        return reading ? pipe_read(port, iov, niov)
                       : pipe_write(port, iov, niov);
    n = reading ? recvmsg(port->fd, &msg, MSG_DONTWAIT)
                : sendmsg(port->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

static ssize_t
port_now(VioPort *port, struct iovec *iov, int niov, bool reading)
{
    ssize_t n;

    if (port->stopped)
        return -ESHUTDOWN;
    if (!port->socket && !port_is_ready(port, reading ? POLLIN : POLLOUT))
        return -EAGAIN;
    do
        n = port_transfer(port, iov, niov, reading);
    while (n == -EINTR);
    return n;
}

ssize_t
vio_port_read_now(VioPort *port, struct iovec *iov, int niov)
{
    return port_now(port, iov, niov, true);
}

ssize_t
vio_port_write_now(VioPort *port, struct iovec *iov, int niov)
{
    return port_now(port, iov, niov, false);
}

/* -- waiting -------------------------------------------------------------- */

static int64_t
port_co_submit(VioPort *port, VioOp *op, VioCancel *cancel)
{
    int64_t ret;

    if (port->stopped)
        return -ESHUTDOWN;
    port->op = op;
    ret = vio_op_co_submit_until(port->loop, op, cancel);
    port->op = NULL;
    return ret < 0 && port->stopped ? -ESHUTDOWN : ret;
}

static int64_t
port_co_poll(VioPort *port, short events, VioCancel *cancel)
{
    VioOp op = {
        .code = VIO_OP_POLL,
        .fd = port->fd,
        .flags = (unsigned short) events,
    };
    int64_t ret;

    do
        ret = port_co_submit(port, &op, cancel);
    while (ret == -EINTR || ret == -EAGAIN);
    return ret;
}

/* Whoever wants to know whether the other end moves looks at what has been
 * transferred: the kernel is not given more than a piece of it at a time. */
#define PORT_PIECE (512u << 10)

/* The first PORT_PIECE bytes of @iov: how many elements, of which the last is
 * cut; *@cut: by so much. */
static int
port_cut(struct iovec *iov, int niov, size_t *cut)
{
    size_t bytes = 0;

    *cut = 0;
    for (int i = 0; i < niov; i++) {
        bytes += iov[i].iov_len;
        if (bytes < PORT_PIECE)
            continue;
        *cut = bytes - PORT_PIECE;
        iov[i].iov_len -= *cut;
        return i + 1;
    }
    return niov;
}

/* Through the engine: the kernel waits and transfers in one. */
static int64_t
port_co_engine(VioPort *port, VioOpCode code, struct iovec *iov, int niov,
               bool all, VioCancel *cancel)
{
    size_t cut;
    int used = port_cut(iov, niov, &cut);
    struct msghdr msg = port_msg(iov, used);
    VioOp op = {
        .code = code,
        .fd = port->fd,
        .flags = MSG_NOSIGNAL | (all ? MSG_WAITALL : 0),
        .data = &msg,
        .out = &msg,
    };
    int64_t n;

    do
        n = port_co_submit(port, &op, cancel);
    while (n == -EINTR);
    if (used > 0)
        iov[used - 1].iov_len += cut;
    return n;
}

static ssize_t
port_co_transfer(VioPort *port, VioOpCode code, struct iovec *iov, int niov,
                 bool all, VioCancel *cancel)
{
    bool reading = code == VIO_OP_RECVMSG;
    bool engine = port->socket && vio_op_in(port->loop->engine_ops, code);
    int64_t n = vio_cancel_check(cancel);

    if (n == 0 && engine)
        n = port_co_engine(port, code, iov, niov, all, cancel);
    else if (n == 0)
        n = -EAGAIN;
    /* Also after the ring: it does not wait for non-blocking sockets. */
    while (n == -EAGAIN || n == -EINTR) {
        n = port_co_poll(port, reading ? POLLIN : POLLOUT, cancel);
        if (n >= 0)
            n = port_transfer(port, iov, niov, reading);
    }
    return (ssize_t) n;
}

ssize_t
vio_port_co_read(VioPort *port, struct iovec *iov, int niov, bool all,
                 VioCancel *cancel)
{
    return port_co_transfer(port, VIO_OP_RECVMSG, iov, niov, all, cancel);
}

ssize_t
vio_port_co_write(VioPort *port, struct iovec *iov, int niov, VioCancel *cancel)
{
    return port_co_transfer(port, VIO_OP_SENDMSG, iov, niov, true, cancel);
}
