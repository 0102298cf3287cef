/* SPDX-License-Identifier: BSD-3-Clause */
/* api/context.c - contexts: one loop, its policy, its messages.
 *
 * Warnings are queued and told outside of coroutines: the user's function may
 * need more stack than a coroutine has.
 *
 * Concurrency: whoever runs the loop owns everything but the cancel token
 * (atomic pointer) and the queue of warnings (its own lock).
 */
#include "api/context.h"

#include "block/registry.h"

#include <stdlib.h>
#include <string.h>

void
vd_context_register_drivers(void)
{
    static gsize once;

    if (g_once_init_enter(&once)) {
        vd_registry_set(vd_drivers);
        g_once_init_leave(&once, 1);
    }
}

static bool
context_parse_engine(const char *name, VioEngineKind *kind, GError **error)
{
    if (name == NULL || strcmp(name, "auto") == 0)
        *kind = VIO_ENGINE_AUTO;
    else if (strcmp(name, "uring") == 0)
        *kind = VIO_ENGINE_URING;
    else if (strcmp(name, "threads") == 0)
        *kind = VIO_ENGINE_THREADS;
    else if (strcmp(name, "aio") == 0)
        *kind = VIO_ENGINE_AIO;
    else
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "unknown engine '%s', known are auto, uring, aio and "
                        "threads",
                        name);
    return true;
}

/* The engine that was asked for, by the caller or by the environment. */
static const char *
context_engine_name(const char *name)
{
    const char *env = getenv("VDISK_ENGINE");

    if (name != NULL && strcmp(name, "auto") != 0)
        return name;
    return env != NULL && *env != '\0' ? env : "auto";
}

static uint64_t
context_buffer_limit(uint64_t asked)
{
    if (asked == 0)
        return VD_DEFAULT_BUFFER_LIMIT;
    return CLAMP(asked, VD_MIN_BUFFER_LIMIT, (uint64_t) SIZE_MAX / 2);
}

static void
context_take_policy(VdContext *ctx, const VdContextParams *params)
{
    ctx->allow_paths = g_strdupv((char **) params->allow_paths);
    ctx->allow_any_path = params->allow_any_path;
    ctx->contain_parents = params->contain_parents;
    ctx->lock_wait_ms = params->lock_wait_ms;
    ctx->warn = params->warn;
    ctx->warn_opaque = params->warn_opaque;
}

VdContext *
vd_context_new(const VdContextParams *params, GError **error)
{
    static const VdContextParams defaults;
    VioLoopParams loop_params = {0};
    VdContext *ctx;
    VioLoop *loop;
    int ret;

    if (params == NULL)
        params = &defaults;
    if (!context_parse_engine(params->engine, &loop_params.engine, error))
        return NULL;
    loop_params.fixed_runner = params->fixed_thread;
    loop_params.workers = params->workers;
    loop_params.buffer_limit = context_buffer_limit(params->buffer_limit);

    vd_context_register_drivers();
    ret = vio_loop_new(&loop_params, &loop);
    if (ret < 0)
        return vd_throw_errno_null(error, -ret, "starting I/O engine '%s'",
                                   context_engine_name(params->engine));

    ctx = g_new0(VdContext, 1);
    ctx->loop = loop;
    ctx->buffer_limit = loop_params.buffer_limit;
    ctx->cancel = vio_cancel_new();
    ctx->spent =
        g_ptr_array_new_with_free_func((GDestroyNotify) vio_cancel_unref);
    ctx->envs = g_ptr_array_new();
    (void) pthread_mutex_init(&ctx->warn_lock, NULL);
    context_take_policy(ctx, params);
    vd_context_observe(ctx, params->observer);
    return ctx;
}

/* -- warnings ------------------------------------------------------------ */

static char *
context_next_warning(VdContext *ctx)
{
    char *message;

    if (g_atomic_int_get(&ctx->n_warnings) == 0)
        return NULL;
    (void) pthread_mutex_lock(&ctx->warn_lock);
    message = g_queue_pop_head(&ctx->warnings);
    g_atomic_int_set(&ctx->n_warnings, (int) ctx->warnings.length);
    (void) pthread_mutex_unlock(&ctx->warn_lock);
    return message;
}

static void
context_tell_warnings(void *opaque)
{
    VdContext *ctx = opaque;
    char *message;

    while ((message = context_next_warning(ctx)) != NULL) {
        ctx->warn(message, ctx->warn_opaque);
        g_free(message);
    }
}

static void
context_queue_warning(const char *message, void *opaque)
{
    VdContext *ctx = opaque;
    unsigned n;

    if (ctx->warn == NULL)
        return;
    (void) pthread_mutex_lock(&ctx->warn_lock);
    g_queue_push_tail(&ctx->warnings, g_strdup(message));
    n = ctx->warnings.length;
    g_atomic_int_set(&ctx->n_warnings, (int) n);
    (void) pthread_mutex_unlock(&ctx->warn_lock);
    if (n == 1) /* others are told along with the first */
        vio_loop_defer(ctx->loop, context_tell_warnings, ctx);
}

void
vd_context_warn(VdContext *ctx, const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list args;

    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    context_queue_warning(message, ctx);
}

void
vd_context_free(VdContext *ctx)
{
    if (ctx == NULL)
        return;
    while (ctx->n_closing > 0)
        (void) vio_loop_iterate(ctx->loop, -1);
    g_return_if_fail(ctx->envs->len == 0); /* disks must be closed before */

    while (vio_loop_dispatch(ctx->loop)) /* callbacks that are still due */
        ;
    vd_context_end_observing(ctx);
    vio_loop_free(ctx->loop);
    vd_context_free_spare(ctx);
    vio_cancel_unref(ctx->cancel);
    g_ptr_array_unref(ctx->spent);
    g_ptr_array_unref(ctx->envs);
    g_queue_clear_full(&ctx->warnings, g_free);
    (void) pthread_mutex_destroy(&ctx->warn_lock);
    g_strfreev(ctx->allow_paths);
    g_free(ctx);
}

const char *
vd_context_engine(const VdContext *ctx)
{
    return vio_loop_engine_name(ctx->loop);
}

/* -- running ------------------------------------------------------------- */

int
vd_context_fd(VdContext *ctx)
{
    return vio_loop_fd(ctx->loop);
}

int
vd_context_timeout_ms(VdContext *ctx)
{
    return vio_loop_timeout_ms(ctx->loop);
}

bool
vd_context_dispatch(VdContext *ctx)
{
    return vio_loop_dispatch(ctx->loop);
}

bool
vd_context_iterate(VdContext *ctx, int timeout_ms)
{
    return vio_loop_iterate(ctx->loop, timeout_ms);
}

GSource *
vd_context_source_new(VdContext *ctx)
{
    return vio_loop_source_new(ctx->loop);
}

void
vd_context_post(VdContext *ctx, void (*fn)(void *opaque), void *opaque)
{
    vio_loop_post(ctx->loop, fn, opaque);
}

bool
vd_context_try_run(VdContext *ctx, void (*fn)(void *opaque), void *opaque)
{
    return vio_loop_try_run(ctx->loop, fn, opaque);
}

typedef struct {
    VdCallFunc fn;
    void *arg;
    GError *error;
    bool ok;
} ContextCall;

static void
context_call_entry(void *opaque)
{
    ContextCall *call = opaque;

    call->ok = call->fn(call->arg, &call->error);
}

bool
vd_context_run(VdContext *ctx, VdCallFunc fn, void *arg, GError **error)
{
    ContextCall call = {.fn = fn, .arg = arg};

    if (vio_loop_is_runner(ctx->loop))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "a synchronous call from inside a callback of the "
                        "same context");
    vio_loop_run_sync(ctx->loop, context_call_entry, &call);
    context_tell_warnings(ctx); /* the call's, before its result */
    if (call.error != NULL)
        g_propagate_error(error, call.error);
    return call.ok;
}

/* -- environment and cancelling ------------------------------------------ */

void
vd_context_adopt_env(VdContext *ctx, VdEnv *env)
{
    *env = (VdEnv){
        .loop = ctx->loop,
        .cancel = g_atomic_pointer_get(&ctx->cancel),
        .warn = context_queue_warning,
        .warn_opaque = ctx,
        .allow_paths = (const char *const *) ctx->allow_paths,
        .allow_any_path = ctx->allow_any_path,
        .contain_parents = ctx->contain_parents,
        .lock_wait_ms = ctx->lock_wait_ms,
        .observe = ctx->observe,
        .observe_opaque = ctx,
    };
    g_ptr_array_add(ctx->envs, env);
}

void
vd_context_drop_env(VdContext *ctx, VdEnv *env)
{
    g_ptr_array_remove_fast(ctx->envs, env);
}

typedef struct {
    VdContext *ctx;
    VdEnvFunc co_fn;
    void *arg;
} EnvCall;

static bool
context_co_call_in_env(void *arg, GError **error)
{
    const EnvCall *call = arg;
    VdEnv env;
    bool ok;

    vd_context_adopt_env(call->ctx, &env);
    ok = vd_context_check_cancel(call->ctx, error) &&
         call->co_fn(&env, call->arg, error);
    vd_context_drop_env(call->ctx, &env);
    return ok;
}

bool
vd_context_run_in_env(VdContext *ctx, VdEnvFunc co_fn, void *arg,
                      GError **error)
{
    EnvCall call = {ctx, co_fn, arg};

    return vd_context_run(ctx, context_co_call_in_env, &call, error);
}

void
vd_context_cancel(VdContext *ctx)
{
    vio_cancel_fire(g_atomic_pointer_get(&ctx->cancel));
}

static void
context_reset(VdContext *ctx)
{
    VioCancel *old = g_atomic_pointer_get(&ctx->cancel);
    VioCancel *fresh;

    if (vio_cancel_check(old) == 0)
        return;
    fresh = vio_cancel_new();
    g_ptr_array_add(ctx->spent, old);
    g_atomic_pointer_set(&ctx->cancel, fresh);
    for (unsigned i = 0; i < ctx->envs->len; i++)
        ((VdEnv *) g_ptr_array_index(ctx->envs, i))->cancel = fresh;
}

static bool
context_co_reset(void *arg, GError **error)
{
    context_reset(arg);
    return true;
}

void
vd_context_cancel_reset(VdContext *ctx)
{
    if (vio_loop_is_runner(ctx->loop))
        context_reset(ctx);
    else
        (void) vd_context_run(ctx, context_co_reset, ctx, NULL);
}

bool
vd_context_check_cancel(VdContext *ctx, GError **error)
{
    if (vio_cancel_check(g_atomic_pointer_get(&ctx->cancel)) == 0)
        return true;
    return vd_throw(error, VD_ERROR_CANCELLED, "the operation was cancelled");
}
