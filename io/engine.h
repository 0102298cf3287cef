/* SPDX-License-Identifier: BSD-3-Clause */
/* io/engine.h - what a loop needs from the machinery below it.
 *
 * An engine takes some operations, waits for the kernel, and hands results
 * back by vio_op_complete().  Operations it does not take are run on worker
 * threads by io/op.c, so the engines differ in nothing but speed.
 */
#pragma once

#include "io/cancel.h"
#include "io/loop.h"

#include <sys/uio.h>

typedef enum VioOpCode {
    VIO_OP_READV,
    VIO_OP_WRITEV,
    VIO_OP_FSYNC,
    VIO_OP_FALLOCATE,
    VIO_OP_OPENAT,
    VIO_OP_STATX,
    VIO_OP_POLL,
    VIO_OP_RECV,
    VIO_OP_SEND,
    VIO_OP_RECVMSG,
    VIO_OP_SENDMSG,
    VIO_OP_COUNT,
} VioOpCode;

/* One system call to be.  Lives on the stack of the coroutine that waits. */
typedef struct VioOp {
    struct VioOp *next; /* in a queue of the engine */
    VioCo *co;          /* who waits; NULL once completed */
    VioOpCode code;
    bool direct;  /* of a file that was opened with O_DIRECT */
    bool nowait;  /* -EAGAIN is welcome where submitting would block */
    uint16_t pin; /* the one iovec is in memory that the kernel holds on to: its
                     number there, from 1 on; 0 = it is not */
    int fd;
    unsigned flags; /* RWF_*, MSG_*, O_*, AT_*, poll events, sync mode */
    unsigned arg;   /* number of iovecs, mode, statx mask */
    uint64_t off, len;
    const void *data; /* iovecs, buffer, path, msghdr of SENDMSG */
    void *out;        /* buffer, statx, msghdr of RECVMSG */
    int64_t result;
} VioOp;

typedef struct VioEngine {
    const char *name;
    /* How often what the kernel had no means for is submitted before a worker
     * does it. */
    unsigned tries;
    /* Returns 0 or -errno and may tell more in @why. */
    int (*open)(VioLoop *loop, const VioLoopParams *params, char *why,
                size_t why_size);
    void (*close)(VioLoop *loop);
    /* The runner of a fixed_runner loop is known from now on. */
    void (*start)(VioLoop *loop);
    /* The descriptor for a foreign loop, or -errno. */
    int (*fd)(VioLoop *loop);
    /* Queue @op, whose code is in loop->engine_ops, or in loop->direct_ops if
     * it is direct. */
    void (*submit)(VioLoop *loop, VioOp *op);
    /* Make @op end soon if it has not ended yet. */
    void (*cancel)(VioLoop *loop, VioOp *op);
    /* True if operations are queued that the kernel has not seen. */
    bool (*pending)(VioLoop *loop);
    /* Submit what is queued, wait up to @wait_ns (-1: for ever), hand over
     * what has completed.  True if that was anything. */
    bool (*turn)(VioLoop *loop, int64_t wait_ns);
    /* Have the kernel hold on to @len bytes at @base, so that it need not look
     * up their pages for each request: a number from 1 on, or -errno.  NULL:
     * there is no such thing. */
    int (*pin)(VioLoop *loop, void *base, size_t len);
    void (*unpin)(VioLoop *loop, int number);
} VioEngine;

extern const VioEngine vio_engine_threads, vio_engine_aio;
#ifdef VIO_HAVE_URING
extern const VioEngine vio_engine_uring;
#endif

/* Choose and open; sets loop->engine and loop->engine_reason. */
int vio_engine_open(VioLoop *loop, const VioLoopParams *params);

/* The runner, or nobody runs: a file with O_DIRECT will be used.  Where the
 * loop has threads for want of something better it gets Linux AIO for it. */
void vio_engine_expect_direct(VioLoop *loop);

/* io/engine-threads.c: the engine "threads" becomes "aio".  0 or -errno. */
int vio_threads_add_aio(VioLoop *loop);

static inline bool
vio_op_in(unsigned ops, VioOpCode code)
{
    return ops >> code & 1u;
}

/* The runner: store the result and make the waiting coroutine ready. */
static inline void
vio_op_complete(VioOp *op, int64_t result)
{
    VioCo *co = op->co;

    op->result = result;
    op->co = NULL;
    vio_co_wake(co);
}

/* Hand @op to the engine, which must take it, and wait for its end. */
int64_t vio_op_co_submit(VioLoop *loop, VioOp *op);

/* The same, ending early with -ECANCELED or -ETIMEDOUT when @cancel (may be
 * NULL) fires.  -EINTR: cancelled by something else; once more. */
int64_t vio_op_co_submit_until(VioLoop *loop, VioOp *op, VioCancel *cancel);

/* Run @op by the best way: inline if nobody else could use the time, else the
 * engine, else a worker.  Not for sockets.  EINTR, EAGAIN are handled. */
int64_t vio_op_co_run(VioLoop *loop, VioOp *op);

/* The same for a call that has no operation code. */
void vio_op_co_call(VioLoop *loop, VioFunc fn, void *opaque);

/* Make the system call of a file operation, right here. */
int64_t vio_op_execute(const VioOp *op);

/* Run @op on a worker that may be kept by it for long. */
int64_t vio_op_co_work(VioLoop *loop, VioOp *op);
/* ... a write into the page cache of a local file system. */
int64_t vio_op_co_work_buffered(VioLoop *loop, VioOp *op);

/* True if a blocking call would hold up nobody: the caller is the only
 * coroutine of a loop that exists for this moment's synchronous call. */
bool vio_op_may_block(const VioLoop *loop);
