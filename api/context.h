/* SPDX-License-Identifier: BSD-3-Clause */
/* api/context.h - the inside of a VdContext, for api/ only. */
#pragma once

#include "block/open.h"
#include "io/loop.h"

#include <pthread.h>

/* Smallest pool a context takes: a copy keeps to one half of the pool, so that
 * the drivers below it always find room for one buffer of their own. */
#define VD_MIN_BUFFER_LIMIT (UINT64_C(8) << 20)
#define VD_DEFAULT_BUFFER_LIMIT (UINT64_C(64) << 20)

struct VdContext {
    VioLoop *loop;
    uint64_t buffer_limit;

    /* Read by signal handlers; replaced by reset, and the old ones are kept
     * until the end because somebody may still hold them. */
    VioCancel *cancel;
    GPtrArray *spent;
    GPtrArray *envs; /* of VdEnv: everything that carries the token */

    char **allow_paths;
    bool allow_any_path, contain_parents;
    unsigned lock_wait_ms;

    VdWarnFunc warn;
    void *warn_opaque;
    pthread_mutex_t warn_lock; /* guards the queue; never held in call-outs */
    GQueue warnings;           /* of char */
    int n_warnings;            /* atomic: saves callers the lock */

    VdObserver observer;
    void (*observe)(const VdRequest *request, void *opaque); /* NULL = no */
    GArray *requests; /* of VdRequest: answered, to be told */

    GQueue spare;       /* of requests' memory */
    GQueue done;        /* of finished requests whose callbacks are due */
    unsigned n_closing; /* disks whose asynchronous close is not answered */
};

/* A piece of library work: runs in a coroutine of the context. */
typedef bool (*VdCallFunc)(void *arg, GError **error);

/* Run fn(arg) as a coroutine and wait for it; the caller becomes the runner if
 * nobody else is.  Not from inside dispatch: that is INVALID_ARGUMENT, since
 * the runner would wait for itself. */
bool vd_context_run(VdContext *ctx, VdCallFunc fn, void *arg, GError **error);

/* Fill @env with what the context says, and keep its cancel token current
 * until drop.  Runner only. */
void vd_context_adopt_env(VdContext *ctx, VdEnv *env);
void vd_context_drop_env(VdContext *ctx, VdEnv *env);

/* The same as vd_context_run() for what opens no disk of its own. */
typedef bool (*VdEnvFunc)(const VdEnv *env, void *arg, GError **error);
bool vd_context_run_in_env(VdContext *ctx, VdEnvFunc co_fn, void *arg,
                           GError **error);

/* Nothing, or CANCELLED. */
bool vd_context_check_cancel(VdContext *ctx, GError **error);

/* Hand a message to the user of the context, outside of any coroutine. */
void vd_context_warn(VdContext *ctx, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

/* observe.c: from the beginning of the context to its end. */
void vd_context_observe(VdContext *ctx, const VdObserver *observer);
void vd_context_end_observing(VdContext *ctx);

/* Memory of asynchronous requests that is kept for the next ones. */
void vd_context_free_spare(VdContext *ctx);

/* The driver table of api/drivers.c, and handing it to the registry (once). */
void vd_context_register_drivers(void);
extern const VdDriver *const vd_drivers[];
