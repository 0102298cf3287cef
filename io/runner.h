/* SPDX-License-Identifier: BSD-3-Clause */
/* io/runner.h - who runs a loop now. */
#pragma once

#include <pthread.h>

#include "io/loop.h"

typedef struct VioSyncCall VioSyncCall;

typedef struct VioRunner {
    pthread_mutex_t lock; /* guards all below */
    bool busy;            /* somebody runs the loop */
    VioSyncCall *first;   /* threads that wait, in order of arrival */
    VioSyncCall **last;
    unsigned waiting;
    bool embedded; /* the loop's descriptor has been handed out */
    bool sync;     /* the runner is a synchronous caller */
    bool beside;   /* the runner is not the foreign loop's dispatch call */
} VioRunner;

/* The loops that the calling thread is running, innermost first. */
typedef struct VioRunFrame {
    VioLoop *loop;
    struct VioRunFrame *outer;
} VioRunFrame;

void vio_runner_init(VioRunner *runner);
void vio_runner_clear(VioRunner *runner);

/* Become the runner.  False if another thread is and @timeout_ns (0: do not
 * wait, -1: for ever) passed. */
bool vio_runner_enter(VioLoop *loop, VioRunFrame *frame, int64_t timeout_ns);
void vio_runner_leave(VioLoop *loop, VioRunFrame *frame);

/* Innermost loop of this thread or NULL. */
VioLoop *vio_runner_current(void);
