/* SPDX-License-Identifier: BSD-3-Clause */
/* io/engine-uring.c - the engine on io_uring.
 *
 * One ring a loop for files, sockets, polls, timeouts and the waker.  Entries
 * gather while coroutines run; one system call submits them and waits.  What
 * does not fit into the ring waits in a queue here.
 *
 * Four things are easy to get wrong and therefore said once:
 *  - With deferred task work a finished request is invisible until the owner
 *    enters the kernel, and one entry may bring only some of them: the
 *    TASKRUN bit tells.
 *  - Nor does a finished request wake who sleeps on such a ring's descriptor
 *    (seen with Linux 6.18), and an eventfd registered with the ring misses
 *    what an eventfd has set off.  A foreign loop needs a ring without that
 *    mode.
 *  - A ring made by one thread and run by another must stay disabled until the
 *    runner is known (fixed_runner), or do without a single issuer.
 *  - When a thread exits the kernel cancels what it left behind.  -ECANCELED
 *    that nobody asked for means: once more.
 *
 * Concurrency: everything by the loop's runner, but for open and close.
 */
#include "io/engine.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <string.h>

#include "io/engine-uring.h"
#include "io/loop-internal.h"

#define URING_ENTRIES 256u
#define URING_CQ_FACTOR 4u
#define URING_UNBOUNDED_WORKERS 16u
#define URING_TRIES 16u
#define URING_PINS 64u

typedef struct Uring {
    struct io_uring ring;
    unsigned entries;
    VioLoopStats *stats;        /* of the loop */
    bool disabled;              /* until the runner is known */
    bool pollable;              /* its descriptor wakes who sleeps on it */
    VioOp *queue, **queue_tail; /* no entry was free */
    VioOp wake;
    bool wake_armed;
    bool by_poll;       /* valgrind is about: see uring_wait() */
    unsigned in_flight; /* seen by the kernel or not; without the waker */
    bool pin_table;     /* the ring has one */
    uint64_t pins;      /* bit per entry that is in use */
} Uring;

/* -- set-up --------------------------------------------------------------- */

/* Tell the kernel how many threads it may start for what cannot be done
 * asynchronously; its own idea grows with the machine. */
static void
uring_limit_workers(struct io_uring *ring)
{
    unsigned max[2] = {
        MAX(4u, 2 * g_get_num_processors()),
        URING_UNBOUNDED_WORKERS,
    };

    (void) io_uring_register_iowq_max_workers(ring, max); /* 5.15 */
}

/* Make the ring anew or for the first time. */
static int
uring_make_ring(VioLoop *loop, Uring *u, bool pollable, const char **why)
{
    VioUringSetup setup = {
        .entries = u->entries,
        .cq_entries = u->entries * URING_CQ_FACTOR,
        .fixed_runner = loop->fixed_runner,
        .pollable = pollable,
    };
    int ret = vio_uring_setup(&u->ring, &setup);

    *why = setup.why;
    if (ret != 0)
        return ret;
    u->disabled = setup.disabled;
    u->pollable = setup.pollable;
    loop->engine_ops = loop->direct_ops = setup.ops;
    (void) io_uring_ring_dontfork(&u->ring);
    uring_limit_workers(&u->ring);
    return 0;
}

static int
uring_open(VioLoop *loop, const VioLoopParams *params, char *why,
           size_t why_size)
{
    Uring *u = g_new0(Uring, 1);
    const char *reason = "";
    int ret;

    u->entries = params->ring_entries ? params->ring_entries : URING_ENTRIES;
    u->queue_tail = &u->queue;
    u->stats = &loop->stats;
    u->by_poll = vio_uring_under_valgrind();
    ret = uring_make_ring(loop, u, u->by_poll, &reason);
    (void) g_strlcpy(why, reason, why_size);
    if (ret != 0) {
        g_free(u);
        return ret;
    }
    loop->engine_state = u;
    return 0;
}

static void
uring_close(VioLoop *loop)
{
    Uring *u = loop->engine_state;

    g_assert(u->in_flight == 0);
    io_uring_queue_exit(&u->ring);
    g_free(u);
}

static void
uring_start(VioLoop *loop)
{
    Uring *u = loop->engine_state;
    int ret;

    if (!u->disabled)
        return;
    u->disabled = false;
    /* io_uring_enable_rings() is not exported by liburing 2.3. */
    ret = io_uring_register(u->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL,
                            0);
    g_assert(ret == 0);
    /* Registered rings belong to a thread: only for the one that stays. */
    (void) io_uring_register_ring_fd(&u->ring); /* 5.18; a small gain */
}

/* A foreign loop will sleep on the ring's descriptor. */
static int
uring_fd(VioLoop *loop)
{
    Uring *u = loop->engine_state;
    struct io_uring old = u->ring;
    const char *why;

    if (u->pollable)
        return old.ring_fd;
    g_assert(u->in_flight == 0); /* see vio_loop_fd() */
    if (uring_make_ring(loop, u, true, &why) == 0) {
        io_uring_queue_exit(&old);
        u->wake_armed = false;
        u->pin_table = false;
        u->pins = 0;
        vio_buffer_pool_unpinned(&loop->buffers);
        uring_start(loop);
    } else {
        u->ring = old;
    }
    return u->ring.ring_fd;
}

/* -- submission ----------------------------------------------------------- */

static void
uring_enter(Uring *u)
{
    u->stats->syscalls++;
    (void) io_uring_submit(&u->ring);
}

/* A free entry; makes room by submitting if it must.  NULL if that failed. */
static struct io_uring_sqe *
uring_sqe(Uring *u)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

    if (sqe)
        return sqe;
    uring_enter(u); /* full completion ring: seen by turn */
    return io_uring_get_sqe(&u->ring);
}

static void
uring_submit(VioLoop *loop, VioOp *op)
{
    Uring *u = loop->engine_state;
    struct io_uring_sqe *sqe = u->queue ? NULL : uring_sqe(u);

    u->in_flight++;
    if (!sqe) {
        op->next = NULL;
        *u->queue_tail = op;
        u->queue_tail = &op->next;
        return;
    }
    vio_uring_prep(sqe, op);
    /* Do not let the device idle while a long ready list is worked off. */
    if (io_uring_sq_ready(&u->ring) >= u->entries / 2)
        uring_enter(u);
}

static void
uring_submit_queue(Uring *u)
{
    while (u->queue) {
        struct io_uring_sqe *sqe = uring_sqe(u);
        VioOp *op = u->queue;

        if (!sqe)
            return;
        u->queue = op->next;
        if (!u->queue)
            u->queue_tail = &u->queue;
        vio_uring_prep(sqe, op);
    }
}

static bool
uring_pending(VioLoop *loop)
{
    Uring *u = loop->engine_state;

    return !u->wake_armed || u->queue || io_uring_sq_ready(&u->ring) > 0;
}

/* -- completion ----------------------------------------------------------- */

/* The ring polls the waker's eventfd: a token ends any wait, ours or a foreign
 * loop's on the ring's descriptor.  It does not read it, because a read in
 * flight would be a write to memory of ours that may outlast the loop. */
static void
uring_arm_wake(VioLoop *loop, Uring *u)
{
    struct io_uring_sqe *sqe;

    if (u->wake_armed)
        return;
    sqe = uring_sqe(u);
    if (!sqe)
        return;
    u->wake.code = VIO_OP_POLL;
    u->wake.fd = loop->waker->fd;
    u->wake.flags = POLLIN;
    vio_uring_prep(sqe, &u->wake);
    u->wake_armed = true;
}

static void
uring_complete(VioLoop *loop, Uring *u, const struct io_uring_cqe *cqe)
{
    VioOp *op = io_uring_cqe_get_data(cqe);

    if (op == &u->wake) {
        u->wake_armed = false;
        if (cqe->res > 0)
            loop->tokens_due -= vio_waker_take(loop->waker);
    } else if (op) { /* a cancellation has none */
        u->in_flight--;
        if (u->by_poll)
            vio_uring_tell_valgrind(op, cqe->res);
        vio_op_complete(op, cqe->res);
    }
}

/* True if the kernel holds back completions until it is entered. */
static bool
uring_holds_back(const struct io_uring *ring)
{
    return IO_URING_READ_ONCE(*ring->sq.kflags) &
           (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN);
}

static unsigned
uring_reap_once(VioLoop *loop, Uring *u)
{
    struct io_uring_cqe *cqe;
    unsigned head, n = 0;

    io_uring_for_each_cqe(&u->ring, head, cqe)
    {
        uring_complete(loop, u, cqe);
        n++;
    }
    io_uring_cq_advance(&u->ring, n);
    return n;
}

/* The TASKRUN bit may be stale: the kernel sets it after it has queued the
 * work, which may have been done by then.  So an entry that brings nothing is
 * the last one. */
static bool
uring_reap(VioLoop *loop, Uring *u)
{
    unsigned n = uring_reap_once(loop, u);
    unsigned more = 1;

    while (more > 0 && uring_holds_back(&u->ring)) {
        (void) io_uring_get_events(&u->ring); /* failing, it brings nothing */
        more = uring_reap_once(loop, u);
        n += more;
    }
    return n > 0;
}

/* -- memory that the kernel holds on to ----------------------------------- */

/* -ENOMEM is usual: it counts as locked memory. */
static int
uring_pin(VioLoop *loop, void *base, size_t len)
{
    Uring *u = loop->engine_state;
    struct iovec iov = {base, len};
    __u64 tag = 0;
    int ret, slot = ffsll((long long) ~u->pins) - 1;

    if (slot < 0)
        return -ENOSPC;
    if (!u->pin_table) {
        ret = io_uring_register_buffers_sparse(&u->ring, URING_PINS); /* 5.19 */
        if (ret < 0)
            return ret;
        u->pin_table = true;
    }
    ret = io_uring_register_buffers_update_tag(&u->ring, (unsigned) slot, &iov,
                                               &tag, 1);
    if (ret < 0)
        return ret;
    u->pins |= UINT64_C(1) << slot;
    return slot + 1;
}

static void
uring_unpin(VioLoop *loop, int number)
{
    Uring *u = loop->engine_state;
    struct iovec none = {NULL, 0};
    __u64 tag = 0;
    unsigned slot = (unsigned) number - 1;

    (void) io_uring_register_buffers_update_tag(&u->ring, slot, &none, &tag, 1);
    u->pins &= ~(UINT64_C(1) << slot);
}

/* -- cancelling and turning ----------------------------------------------- */

static bool
uring_unqueue(Uring *u, VioOp *op)
{
    VioOp **link = &u->queue;

    while (*link && *link != op)
        link = &(*link)->next;
    if (!*link)
        return false;
    *link = op->next;
    if (!*link)
        u->queue_tail = link;
    return true;
}

static void
uring_cancel(VioLoop *loop, VioOp *op)
{
    Uring *u = loop->engine_state;
    struct io_uring_sqe *sqe;

    if (!op->co)
        return; /* has just completed */
    if (uring_unqueue(u, op)) {
        u->in_flight--;
        vio_op_complete(op, -ECANCELED);
        return;
    }
    /* Completions that are taken make room; @op may be among them. */
    while ((sqe = uring_sqe(u)) == NULL) {
        (void) uring_reap(loop, u);
        if (!op->co)
            return;
    }
    io_uring_prep_cancel(sqe, op, 0);
    io_uring_sqe_set_data(sqe, NULL);
}

static void
uring_wait(Uring *u, int64_t wait_ns)
{
    struct __kernel_timespec ts = {
        .tv_sec = wait_ns / 1000000000,
        .tv_nsec = wait_ns % 1000000000,
    };
    struct timespec poll_ts = {ts.tv_sec, (long) ts.tv_nsec};
    struct pollfd pfd = {.fd = u->ring.ring_fd, .events = POLLIN};
    struct io_uring_cqe *cqe;

    if (u->by_poll) {
        uring_enter(u);
        u->stats->syscalls++;
        if (io_uring_cq_ready(&u->ring) == 0)
            (void) ppoll(&pfd, 1, wait_ns < 0 ? NULL : &poll_ts, NULL);
        return;
    }
    u->stats->syscalls++;
    /* Time-out, signal, full completion ring: all end in reaping. */
    (void) io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1,
                                            wait_ns < 0 ? NULL : &ts, NULL);
}

static bool
uring_turn(VioLoop *loop, int64_t wait_ns)
{
    Uring *u = loop->engine_state;

    uring_arm_wake(loop, u);
    uring_submit_queue(u);
    if (wait_ns != 0 && u->wake_armed)
        uring_wait(u, wait_ns);
    else if (io_uring_sq_ready(&u->ring) > 0)
        uring_enter(u);
    return uring_reap(loop, u);
}

const VioEngine vio_engine_uring = {
    .name = "uring",
    .tries = URING_TRIES,
    .open = uring_open,
    .close = uring_close,
    .start = uring_start,
    .fd = uring_fd,
    .submit = uring_submit,
    .cancel = uring_cancel,
    .pending = uring_pending,
    .turn = uring_turn,
    .pin = uring_pin,
    .unpin = uring_unpin,
};
