/* SPDX-License-Identifier: BSD-3-Clause */
/* io/uring-op.c - our operations as ring entries.
 *
 * Valgrind does not know that a ring writes to memory, nor that entering one
 * may block, during which it must let other threads run: it is told the one,
 * and the engine avoids the other.
 *
 * Concurrency: pure functions over an operation and an entry.
 */
#include "io/engine-uring.h"

#include <linux/stat.h>
#include <sys/stat.h>

#ifdef VIO_HAVE_VALGRIND
#    include <valgrind/memcheck.h>
#endif

static void
prep_readv(struct io_uring_sqe *sqe, const VioOp *op)
{
    const struct iovec *iov = op->data;

    if (op->pin)
        io_uring_prep_read_fixed(sqe, op->fd, iov->iov_base,
                                 (unsigned) iov->iov_len, op->off, op->pin - 1);
    else if (op->arg == 1)
        io_uring_prep_read(sqe, op->fd, iov->iov_base, (unsigned) iov->iov_len,
                           op->off);
    else
        io_uring_prep_readv(sqe, op->fd, iov, op->arg, op->off);
    sqe->rw_flags = (int) op->flags;
}

static void
prep_writev(struct io_uring_sqe *sqe, const VioOp *op)
{
    const struct iovec *iov = op->data;

    if (op->pin)
        io_uring_prep_write_fixed(sqe, op->fd, iov->iov_base,
                                  (unsigned) iov->iov_len, op->off,
                                  op->pin - 1);
    else if (op->arg == 1)
        io_uring_prep_write(sqe, op->fd, iov->iov_base, (unsigned) iov->iov_len,
                            op->off);
    else
        io_uring_prep_writev(sqe, op->fd, iov, op->arg, op->off);
    sqe->rw_flags = (int) op->flags;
}

void
vio_uring_prep(struct io_uring_sqe *sqe, VioOp *op)
{
    switch (op->code) {
    case VIO_OP_READV:
        prep_readv(sqe, op);
        break;
    case VIO_OP_WRITEV:
        prep_writev(sqe, op);
        break;
    case VIO_OP_FSYNC:
        io_uring_prep_fsync(sqe, op->fd, op->flags ? IORING_FSYNC_DATASYNC : 0);
        break;
    case VIO_OP_FALLOCATE:
        io_uring_prep_fallocate(sqe, op->fd, (int) op->arg, (off_t) op->off,
                                (off_t) op->len);
        break;
    case VIO_OP_OPENAT:
        io_uring_prep_openat(sqe, op->fd, op->data, (int) op->flags, op->arg);
        break;
    case VIO_OP_STATX:
        io_uring_prep_statx(sqe, op->fd, op->data, (int) op->flags, op->arg,
                            op->out);
        break;
    case VIO_OP_POLL:
        io_uring_prep_poll_add(sqe, op->fd, op->flags);
        break;
    case VIO_OP_RECV:
        io_uring_prep_recv(sqe, op->fd, op->out, op->len, (int) op->flags);
        break;
    case VIO_OP_SEND:
        io_uring_prep_send(sqe, op->fd, op->data, op->len, (int) op->flags);
        break;
    case VIO_OP_RECVMSG:
        io_uring_prep_recvmsg(sqe, op->fd, op->out, op->flags);
        break;
    case VIO_OP_SENDMSG:
        io_uring_prep_sendmsg(sqe, op->fd, op->data, op->flags);
        break;
    case VIO_OP_COUNT:
        g_assert_not_reached();
    }
    io_uring_sqe_set_data(sqe, op);
}

#ifdef VIO_HAVE_VALGRIND
bool
vio_uring_under_valgrind(void)
{
    return RUNNING_ON_VALGRIND;
}

void
vio_uring_tell_valgrind(const VioOp *op, int result)
{
    const struct msghdr *msg = op->out;
    const struct iovec *iov =
        op->code == VIO_OP_RECVMSG ? msg->msg_iov : op->data;
    size_t left = result > 0 ? (size_t) result : 0;

    if (op->code == VIO_OP_RECV)
        (void) VALGRIND_MAKE_MEM_DEFINED(op->out, left);
    if (op->code == VIO_OP_STATX && result == 0)
        (void) VALGRIND_MAKE_MEM_DEFINED(op->out, sizeof(struct statx));
    if (op->code != VIO_OP_READV && op->code != VIO_OP_RECVMSG)
        return;
    for (; left > 0; iov++) {
        size_t n = MIN(left, iov->iov_len);

        (void) VALGRIND_MAKE_MEM_DEFINED(iov->iov_base, n);
        left -= n;
    }
}
#else
bool
vio_uring_under_valgrind(void)
{
    return false;
}

void
vio_uring_tell_valgrind(const VioOp *op, int result)
{
}
#endif
