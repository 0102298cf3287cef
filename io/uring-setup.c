/* SPDX-License-Identifier: BSD-3-Clause */
/* io/uring-setup.c - setting up a ring on whatever kernel this is.
 *
 * Kernels are asked, never compared by version: set-up flags by trying sets of
 * them from the best downwards, operations by the probe call, and the way
 * through io_uring_enter() by one request that does nothing, as a seccomp
 * profile may allow to make a ring and forbid to use it.
 *
 * A loop whose runner may change gets no COOP_TASKRUN either: without the
 * interrupt that it saves, completions of a former runner would wait until
 * that thread happens to enter the kernel.
 *
 * Concurrency: any thread.
 */
#include "io/engine-uring.h"

#include <errno.h>
#include <string.h>

#include "io/engine.h"

#define SETUP_BASE (IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE)
#define SETUP_SINGLE (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_R_DISABLED)

/* All are there since Linux 5.12. */
#define FEATURES_NEEDED                                                        \
    (IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP |                            \
     IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_RW_CUR_POS |                      \
     IORING_FEAT_EXT_ARG | IORING_FEAT_NATIVE_WORKERS)

typedef struct SetupStep {
    unsigned flags;
    bool fixed_runner; /* only for loops that have one */
    const char *name;
} SetupStep;

static const SetupStep setup_ladder[] = {
    {SETUP_BASE | IORING_SETUP_SUBMIT_ALL | SETUP_SINGLE |
         IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
     true, "deferred task work"},
    {SETUP_BASE | IORING_SETUP_SUBMIT_ALL | SETUP_SINGLE |
         IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
     true, "single issuer"},
    {SETUP_BASE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN |
         IORING_SETUP_TASKRUN_FLAG,
     true, "cooperative task work"},
    {SETUP_BASE | IORING_SETUP_SUBMIT_ALL, false, "any runner"},
    {SETUP_BASE, false, "basic"},
};

/* Our operations and what they need of the kernel. */
static const struct {
    VioOpCode code;
    int needs[2];
} setup_ops[] = {
    {VIO_OP_READV, {IORING_OP_READ, IORING_OP_READV}},
    {VIO_OP_WRITEV, {IORING_OP_WRITE, IORING_OP_WRITEV}},
    {VIO_OP_FSYNC, {IORING_OP_FSYNC, IORING_OP_FSYNC}},
    {VIO_OP_FALLOCATE, {IORING_OP_FALLOCATE, IORING_OP_FALLOCATE}},
    {VIO_OP_OPENAT, {IORING_OP_OPENAT, IORING_OP_OPENAT}},
    {VIO_OP_STATX, {IORING_OP_STATX, IORING_OP_STATX}},
    {VIO_OP_POLL, {IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL}},
    {VIO_OP_RECV, {IORING_OP_RECV, IORING_OP_ASYNC_CANCEL}},
    {VIO_OP_SEND, {IORING_OP_SEND, IORING_OP_ASYNC_CANCEL}},
    {VIO_OP_RECVMSG, {IORING_OP_RECVMSG, IORING_OP_ASYNC_CANCEL}},
    {VIO_OP_SENDMSG, {IORING_OP_SENDMSG, IORING_OP_ASYNC_CANCEL}},
};

#define OPS_NEEDED                                                             \
    (1u << VIO_OP_READV | 1u << VIO_OP_WRITEV | 1u << VIO_OP_POLL)

static int
setup_init(struct io_uring *ring, VioUringSetup *setup)
{
    bool pollable = false;
    int ret = -EINVAL;

    for (size_t i = 0; i < G_N_ELEMENTS(setup_ladder) && ret == -EINVAL; i++) {
        const SetupStep *step = &setup_ladder[i];
        struct io_uring_params params = {
            .flags = step->flags,
            .cq_entries = setup->cq_entries,
        };

        if (step->fixed_runner && !setup->fixed_runner)
            continue;
        if (setup->pollable && step->flags & IORING_SETUP_DEFER_TASKRUN)
            continue;
        ret = io_uring_queue_init_params(setup->entries, ring, &params);
        setup->why = step->name;
        pollable = !(params.flags & IORING_SETUP_DEFER_TASKRUN);
        setup->disabled = params.flags & IORING_SETUP_R_DISABLED;
    }
    setup->pollable = pollable;
    return ret;
}

static unsigned
setup_probe_ops(struct io_uring *ring)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    unsigned ops = 0;

    if (!probe)
        return 0;
    for (size_t i = 0; i < G_N_ELEMENTS(setup_ops); i++)
        if (io_uring_opcode_supported(probe, setup_ops[i].needs[0]) &&
            io_uring_opcode_supported(probe, setup_ops[i].needs[1]))
            ops |= 1u << setup_ops[i].code;
    io_uring_free_probe(probe);
    return ops;
}

/* One request there and back. */
static int
setup_round_trip(struct io_uring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    struct io_uring_cqe *cqe;
    int ret;

    io_uring_prep_nop(sqe);
    do
        ret = io_uring_submit_and_wait(ring, 1);
    while (ret == -EINTR);
    if (ret < 0)
        return ret;
    ret = io_uring_peek_cqe(ring, &cqe);
    if (ret == 0)
        io_uring_cqe_seen(ring, cqe);
    return ret;
}

/* A ring that is still disabled takes no request, and says so if it can be
 * entered at all. */
static int
setup_enter_disabled(const struct io_uring *ring)
{
    int ret = io_uring_enter((unsigned) ring->ring_fd, 0, 0, 0, NULL);

    return ret == -EBADFD ? 0 : ret;
}

static int
setup_check(struct io_uring *ring, VioUringSetup *setup)
{
    int ret;

    if ((ring->features & FEATURES_NEEDED) != FEATURES_NEEDED) {
        setup->why = "kernel too old";
        return -ENOSYS;
    }
    setup->ops = setup_probe_ops(ring);
    if ((setup->ops & OPS_NEEDED) != OPS_NEEDED) {
        setup->why = "operations missing";
        return -ENOSYS;
    }
    ret = setup->disabled ? setup_enter_disabled(ring) : setup_round_trip(ring);
    if (ret != 0)
        setup->why = "requests do not work";
    return ret;
}

int
vio_uring_setup(struct io_uring *ring, VioUringSetup *setup)
{
    int ret = setup_init(ring, setup);

    if (ret != 0) {
        setup->why = "set-up failed";
        return ret;
    }
    ret = setup_check(ring, setup);
    if (ret != 0)
        io_uring_queue_exit(ring);
    return ret;
}
