/* SPDX-License-Identifier: BSD-3-Clause */
/* io/op.c - where an operation runs: right here, in the engine, on a worker.
 *
 * Concurrency: operations are started by coroutines of the loop.
 * vio_op_execute() runs on any thread.
 */
#include "io/op.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "io/aio-wait.h"
#include "io/loop-internal.h"

#define WORKER_TRIES 1000
/* Copying as many bytes takes less time than handing them over alone. */
#define QUICK_WRITE (16u << 10)

/* -- plain system calls --------------------------------------------------- */

static int64_t
exec_readv(const VioOp *op)
{
    return preadv2(op->fd, op->data, (int) op->arg, (off_t) op->off,
                   (int) op->flags);
}

static int64_t
exec_writev(const VioOp *op)
{
    return pwritev2(op->fd, op->data, (int) op->arg, (off_t) op->off,
                    (int) op->flags);
}

static int64_t
exec_fsync(const VioOp *op)
{
    return op->flags ? fdatasync(op->fd) : fsync(op->fd);
}

static int64_t
exec_fallocate(const VioOp *op)
{
    return fallocate(op->fd, (int) op->arg, (off_t) op->off, (off_t) op->len);
}

static int64_t
exec_openat(const VioOp *op)
{
    return openat(op->fd, op->data, (int) op->flags, (mode_t) op->arg);
}

static int64_t
exec_statx(const VioOp *op)
{
    return statx(op->fd, op->data, (int) op->flags, op->arg, op->out);
}

static int64_t (*const op_exec[VIO_OP_COUNT])(const VioOp *op) = {
    [VIO_OP_READV] = exec_readv,         [VIO_OP_WRITEV] = exec_writev,
    [VIO_OP_FSYNC] = exec_fsync,         [VIO_OP_OPENAT] = exec_openat,
    [VIO_OP_FALLOCATE] = exec_fallocate, [VIO_OP_STATX] = exec_statx,
};

int64_t
vio_op_execute(const VioOp *op)
{
    int64_t ret;

    do
        ret = op_exec[op->code](op);
    while (ret < 0 && errno == EINTR);
    return ret < 0 ? -errno : ret;
}

/* -- workers -------------------------------------------------------------- */

/* EAGAIN on a file means short of memory or a descriptor that should not be
 * non-blocking: give it time, but not for ever. */
static void
op_work(void *opaque)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    VioOp *op = opaque;

    for (int i = 0; i < WORKER_TRIES; i++) {
        if (!vio_aio_wait_write(op, &op->result))
            op->result = vio_op_execute(op);
        if (op->result != -EAGAIN)
            return;
        (void) nanosleep(&pause, NULL);
    }
}

int64_t
vio_op_co_work(VioLoop *loop, VioOp *op)
{
    loop->stats.syscalls++;
    vio_pool_co_run(&loop->pools[VIO_POOL_BLOCKING], op_work, op);
    return op->result;
}

int64_t
vio_op_co_work_buffered(VioLoop *loop, VioOp *op)
{
    VioPool *pool = &loop->pools[VIO_POOL_BUFFERED];

    loop->stats.syscalls++;
    if (op->len <= QUICK_WRITE && op->flags == 0)
        vio_pool_co_run_quick(pool, op_work, op);
    else
        vio_pool_co_run(pool, op_work, op);
    return op->result;
}

/* -- choice --------------------------------------------------------------- */

bool
vio_op_may_block(const VioLoop *loop)
{
    return loop->runner.sync && loop->stats.coroutines_alive == 1 &&
           __atomic_load_n(&loop->runner.waiting, __ATOMIC_RELAXED) == 0 &&
           vio_inbox_is_empty(&loop->inbox);
}

int64_t
vio_op_co_submit(VioLoop *loop, VioOp *op)
{
    op->co = vio_co_self();
    loop->stats.submits++;
    loop->engine->submit(loop, op);
    vio_co_yield();
    loop->stats.completions++;
    return op->result;
}

/* The kernel cancels what a thread left behind that has exited; ours was not
 * meant. */
static bool
op_again(int64_t ret)
{
    return ret == -EINTR || ret == -EAGAIN || ret == -ECANCELED;
}

int64_t
vio_op_co_run(VioLoop *loop, VioOp *op)
{
    int64_t ret = -EAGAIN;

    if (vio_op_may_block(loop)) {
        loop->stats.syscalls++;
        ret = vio_op_execute(op);
    } else if (vio_op_in(op->direct ? loop->direct_ops : loop->engine_ops,
                         op->code))
        for (unsigned i = 0; i < loop->engine->tries && op_again(ret); i++)
            ret = vio_op_co_submit(loop, op);
    return op_again(ret) ? vio_op_co_work(loop, op) : ret;
}

void
vio_op_co_call(VioLoop *loop, VioFunc fn, void *opaque)
{
    loop->stats.syscalls++;
    if (vio_op_may_block(loop))
        fn(opaque);
    else
        vio_pool_co_run(&loop->pools[VIO_POOL_BLOCKING], fn, opaque);
}
