/* SPDX-License-Identifier: BSD-3-Clause */
/* io/aio.c - Linux AIO by its system calls.
 *
 * Requests gather while coroutines run; one io_submit() takes them at the end
 * of a turn.  An eventfd tells of completions.  Epoll watches it for edges,
 * each completion is one, so a loop that waits by itself never reads it.
 *
 * io_submit() blocks where the file system has to allocate or to wait for
 * another writer, and so would the loop.  With RWF_NOWAIT it does not: such a
 * request completes with -EAGAIN, and io/op.c gives it to a worker.
 *
 * Concurrency: everything by the loop's runner.
 */
#include "io/aio.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define AIO_IN_FLIGHT 128u
#define AIO_BATCH 32u
/* How a ring that can be looked at without a system call begins. */
#define AIO_RING_MAGIC 0xa10a10a1u

/* What the kernel maps at the address that names the context. */
typedef struct AioRing {
    unsigned id, entries, head, tail;
    unsigned magic;
} AioRing;

struct VioAio {
    aio_context_t context;
    int eventfd;
    unsigned in_flight;
    uint64_t untaken; /* completions reaped whose tokens were not read */
    VioOp *queue, **tail;
    struct iocb blocks[AIO_BATCH]; /* of the call that is being made */
    struct iocb *list[AIO_BATCH];
};

VioAio *
vio_aio_new(int *err)
{
    aio_context_t context = 0;
    VioAio *aio;
    int fd;

    if (syscall(SYS_io_setup, AIO_IN_FLIGHT, &context) < 0) {
        *err = -errno;
        return NULL;
    }
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) {
        *err = -errno;
        (void) syscall(SYS_io_destroy, context);
        return NULL;
    }
    aio = g_new0(VioAio, 1);
    aio->context = context;
    aio->eventfd = fd;
    aio->tail = &aio->queue;
    for (unsigned i = 0; i < AIO_BATCH; i++)
        aio->list[i] = &aio->blocks[i];
    return aio;
}

void
vio_aio_free(VioAio *aio)
{
    if (!aio)
        return;
    g_assert(aio->in_flight == 0 && !aio->queue);
    (void) syscall(SYS_io_destroy, aio->context);
    (void) close(aio->eventfd);
    g_free(aio);
}

int
vio_aio_fd(const VioAio *aio)
{
    return aio->eventfd;
}

/* -- submission ----------------------------------------------------------- */

void
vio_aio_submit(VioAio *aio, VioOp *op)
{
    op->next = NULL;
    *aio->tail = op;
    aio->tail = &op->next;
}

bool
vio_aio_pending(const VioAio *aio)
{
    return aio->queue && aio->in_flight < AIO_IN_FLIGHT;
}

void
vio_aio_describe(struct iocb *block, const VioOp *op)
{
    const struct iovec *iov = op->data;
    bool reading = op->code == VIO_OP_READV, single = op->arg == 1;

    *block = (struct iocb){
        .aio_fildes = (unsigned) op->fd,
        .aio_buf = (uintptr_t) (single ? iov->iov_base : iov),
        .aio_nbytes = single ? iov->iov_len : op->arg,
        .aio_offset = (int64_t) op->off,
        .aio_rw_flags = (int) op->flags,
    };
    if (single)
        block->aio_lio_opcode = reading ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE;
    else
        block->aio_lio_opcode = reading ? IOCB_CMD_PREADV : IOCB_CMD_PWRITEV;
}

/* The loop shall not be blocked, and be told. */
static void
aio_describe(const VioAio *aio, struct iocb *block, VioOp *op)
{
    vio_aio_describe(block, op);
    block->aio_data = (uintptr_t) op;
    block->aio_flags = IOCB_FLAG_RESFD;
    block->aio_resfd = (unsigned) aio->eventfd;
    if (op->nowait)
        block->aio_rw_flags |= RWF_NOWAIT;
}

static VioOp *
aio_pop(VioAio *aio)
{
    VioOp *op = aio->queue;

    aio->queue = op->next;
    if (!aio->queue)
        aio->tail = &aio->queue;
    return op;
}

/* Hand over some.  False if the kernel takes no more for now. */
static bool
aio_flush_some(VioAio *aio, VioLoopStats *stats)
{
    unsigned max = MIN(AIO_BATCH, AIO_IN_FLIGHT - aio->in_flight), n = 0;
    long ret;

    for (VioOp *op = aio->queue; op && n < max; op = op->next)
        aio_describe(aio, &aio->blocks[n++], op);
    stats->syscalls++;
    ret = syscall(SYS_io_submit, aio->context, (long) n, aio->list);
    if (ret > 0) {
        aio->in_flight += (unsigned) ret;
        while (ret-- > 0)
            (void) aio_pop(aio);
        return true;
    }
    if (ret < 0 && errno == EAGAIN && aio->in_flight > 0)
        return false; /* what is in flight makes room */
    /* The error is the first one's, which the kernel has not taken. */
    vio_op_complete(aio_pop(aio), ret < 0 ? -errno : -EIO);
    return true;
}

void
vio_aio_flush(VioAio *aio, VioLoopStats *stats)
{
    while (vio_aio_pending(aio) && aio_flush_some(aio, stats))
        ;
}

/* -- completion ----------------------------------------------------------- */

static bool
aio_has_none(const VioAio *aio)
{
    const AioRing *ring = (const AioRing *) (uintptr_t) aio->context;

    return aio->in_flight == 0 ||
           (ring->magic == AIO_RING_MAGIC &&
            __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) ==
                __atomic_load_n(&ring->head, __ATOMIC_RELAXED));
}

static long
aio_get_events(const VioAio *aio, struct io_event *events)
{
    struct timespec now = {0};
    long n;

    do
        n = syscall(SYS_io_getevents, aio->context, 0L, (long) AIO_BATCH,
                    events, &now);
    while (n < 0 && errno == EINTR);
    return n;
}

/* The kernel shows a completion first and writes its token then: where there
 * are neither there is nothing to read, and what comes later makes the
 * descriptor readable anew. */
void
vio_aio_take_tokens(VioAio *aio, VioLoopStats *stats)
{
    uint64_t tokens;

    if (aio->untaken == 0 && aio_has_none(aio))
        return;
    stats->syscalls++;
    if (read(aio->eventfd, &tokens, sizeof(tokens)) == sizeof(tokens))
        aio->untaken -= tokens; /* may be ahead of what was reaped */
}

bool
vio_aio_reap(VioAio *aio, VioLoopStats *stats)
{
    struct io_event events[AIO_BATCH];
    bool did = false;

    while (!aio_has_none(aio)) {
        long n = aio_get_events(aio, events);

        stats->syscalls++;
        if (n <= 0)
            break;
        did = true;
        aio->in_flight -= (unsigned) n;
        aio->untaken += (uint64_t) n;
        for (long i = 0; i < n; i++)
            vio_op_complete((VioOp *) (uintptr_t) events[i].data,
                            events[i].res);
    }
    return did;
}
