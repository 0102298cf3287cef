/* SPDX-License-Identifier: BSD-3-Clause */
/* api/observe.c - telling the user of the context what leaves were asked.
 *
 * Requests end in coroutines, on small stacks: they are gathered, and told once
 * a turn on the runner's own.
 *
 * Concurrency: the runner of the context.
 */
#include "api/context.h"

const char *
vd_request_op_name(VdRequestOp op)
{
    static const char *const names[VD_REQUEST_OPS] = {
        [VD_REQUEST_READ] = "read",         [VD_REQUEST_WRITE] = "write",
        [VD_REQUEST_ZEROES] = "zeroes",     [VD_REQUEST_DISCARD] = "discard",
        [VD_REQUEST_FLUSH] = "flush",       [VD_REQUEST_COPY] = "copy",
        [VD_REQUEST_TRUNCATE] = "truncate", [VD_REQUEST_MAP] = "map",
    };

    return names[op];
}

static void
observe_tell(void *opaque)
{
    VdContext *ctx = opaque;
    GArray *due = ctx->requests;

    if (due == NULL || due->len == 0)
        return;
    ctx->requests = g_array_new(FALSE, FALSE, sizeof(VdRequest));
    for (guint i = 0; i < due->len; i++)
        ctx->observer.request(&g_array_index(due, VdRequest, i),
                              ctx->observer.opaque);
    g_array_unref(due);
}

static void
observe_request(const VdRequest *request, void *opaque)
{
    VdContext *ctx = opaque;

    g_array_append_val(ctx->requests, *request);
    if (ctx->requests->len == 1)
        vio_loop_defer(ctx->loop, observe_tell, ctx);
}

void
vd_context_observe(VdContext *ctx, const VdObserver *observer)
{
    if (observer == NULL)
        return;
    ctx->observer = *observer;
    if (observer->request == NULL)
        return;
    ctx->observe = observe_request;
    ctx->requests = g_array_new(FALSE, FALSE, sizeof(VdRequest));
}

void
vd_context_end_observing(VdContext *ctx)
{
    VdContextStats stats = {0};
    VioLoopStats loop;

    observe_tell(ctx);
    g_clear_pointer(&ctx->requests, g_array_unref);
    if (ctx->observer.end == NULL)
        return;
    vio_loop_get_stats(ctx->loop, &loop);
    stats.syscalls = loop.syscalls;
    stats.offloads = loop.offloads;
    stats.buffer_bytes_peak = loop.buffer_bytes_peak;
    ctx->observer.end(&stats, ctx->observer.opaque);
}
