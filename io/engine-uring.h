/* SPDX-License-Identifier: BSD-3-Clause */
/* io/engine-uring.h - between the files of the io_uring engine. */
#pragma once

#include <liburing.h>
#include <stdbool.h>

#include "io/engine.h"

typedef struct VioUringSetup {
    unsigned entries, cq_entries;
    bool fixed_runner;
    bool pollable; /* in: must be; out: is */
    /* results */
    bool disabled;   /* io_uring_enable_rings() is due in the runner */
    unsigned ops;    /* bit per VioOpCode that the kernel takes */
    const char *why; /* what was chosen, or what failed */
} VioUringSetup;

/* Make @ring with the best flags that work here.  Returns 0 or -errno. */
int vio_uring_setup(struct io_uring *ring, VioUringSetup *setup);

/* Describe @op in @sqe. */
void vio_uring_prep(struct io_uring_sqe *sqe, VioOp *op);

bool vio_uring_under_valgrind(void);
/* @op has completed with @result: what did the kernel write? */
void vio_uring_tell_valgrind(const VioOp *op, int result);
