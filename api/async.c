/* SPDX-License-Identifier: BSD-3-Clause */
/* api/async.c - asynchronous requests: one coroutine each, then a callback.
 *
 * A submitted request becomes a coroutine that starts in a later dispatch, so
 * its callback cannot run before the submitting call has returned.  Finished
 * requests gather in the context; one deferred call per turn tells them all,
 * outside of coroutines, because callbacks may need any amount of stack.
 *
 * Concurrency: thread of the context only.
 */
#include "api/disk.h"

/* Some are kept for the next requests. */
#define ASYNC_SPARE 256

typedef struct AsyncReq {
    VdReq req;
    VdCallback cb;
    void *opaque;
    GError *error;
    GList link; /* in VdContext.done or .spare */
} AsyncReq;

static AsyncReq *
async_req_new(VdContext *ctx, const VdReq *req, VdCallback cb, void *opaque)
{
    GList *link = g_queue_pop_head_link(&ctx->spare);
    AsyncReq *areq = link ? link->data : g_new(AsyncReq, 1);

    *areq = (AsyncReq){.req = *req, .cb = cb, .opaque = opaque};
    areq->link.data = areq;
    return areq;
}

static void
async_req_free(VdContext *ctx, AsyncReq *areq)
{
    g_clear_error(&areq->error);
    if (ctx->spare.length < ASYNC_SPARE)
        g_queue_push_head_link(&ctx->spare, &areq->link);
    else
        g_free(areq);
}

void
vd_context_free_spare(VdContext *ctx)
{
    GList *link;

    while ((link = g_queue_pop_head_link(&ctx->spare)) != NULL)
        g_free(link->data);
}

static void
async_tell(VdContext *ctx, AsyncReq *areq)
{
    areq->cb(areq->opaque, areq->error);
    if (areq->req.disk != NULL)
        vd_disk_leave(areq->req.disk);
    else
        ctx->n_closing--;
    async_req_free(ctx, areq);
}

static void
async_tell_all(void *opaque)
{
    VdContext *ctx = opaque;
    GQueue due = ctx->done; /* what callbacks add comes in the next turn */
    GList *link;

    g_queue_init(&ctx->done);
    while ((link = g_queue_pop_head_link(&due)) != NULL)
        async_tell(ctx, link->data);
}

static void
async_done(VdContext *ctx, AsyncReq *areq)
{
    if (g_queue_is_empty(&ctx->done))
        vio_loop_defer(ctx->loop, async_tell_all, ctx);
    g_queue_push_tail_link(&ctx->done, &areq->link);
}

static void
async_co_run(void *opaque)
{
    AsyncReq *areq = opaque;

    (void) vd_req_co_run(&areq->req, &areq->error); /* told by the callback */
    async_done(areq->req.disk->ctx, areq);
}

static void
async_submit(const VdReq *req, VdCallback cb, void *opaque)
{
    VdContext *ctx = req->disk->ctx;

    vd_disk_enter(req->disk);
    vio_co_start(ctx->loop, async_co_run, async_req_new(ctx, req, cb, opaque));
}

void
vd_disk_preadv_async(VdDisk *disk, const struct iovec *iov, int niov,
                     uint64_t off, VdCallback cb, void *opaque)
{
    VdReq req = {.disk = disk,
                 .op = VD_OP_READ,
                 .off = off,
                 .vec = vio_vec_from_iov(iov, niov)};

    async_submit(&req, cb, opaque);
}

void
vd_disk_pwritev_async(VdDisk *disk, const struct iovec *iov, int niov,
                      uint64_t off, VdReqFlags flags, VdCallback cb,
                      void *opaque)
{
    VdReq req = {.disk = disk,
                 .op = VD_OP_WRITE,
                 .flags = flags,
                 .off = off,
                 .vec = vio_vec_from_iov(iov, niov)};

    async_submit(&req, cb, opaque);
}

void
vd_disk_write_zeroes_async(VdDisk *disk, uint64_t off, uint64_t len,
                           VdReqFlags flags, VdCallback cb, void *opaque)
{
    VdReq req = {.disk = disk,
                 .op = VD_OP_ZEROES,
                 .flags = flags,
                 .off = off,
                 .len = len};

    async_submit(&req, cb, opaque);
}

void
vd_disk_discard_async(VdDisk *disk, uint64_t off, uint64_t len, VdCallback cb,
                      void *opaque)
{
    VdReq req = {.disk = disk, .op = VD_OP_DISCARD, .off = off, .len = len};

    async_submit(&req, cb, opaque);
}

void
vd_disk_flush_async(VdDisk *disk, VdCallback cb, void *opaque)
{
    VdReq req = {.disk = disk, .op = VD_OP_FLUSH};

    async_submit(&req, cb, opaque);
}

/* -- closing -------------------------------------------------------------- */

static void
async_co_close(void *opaque)
{
    AsyncReq *areq = opaque;
    VdDisk *disk = g_steal_pointer(&areq->req.disk);
    VdContext *ctx = disk->ctx;

    (void) vd_disk_co_close(disk, &areq->error); /* told by the callback */
    async_done(ctx, areq);
}

void
vd_disk_close_async(VdDisk *disk, VdCallback cb, void *opaque)
{
    VdContext *ctx = disk->ctx;
    VdReq req = {.disk = disk};

    ctx->n_closing++;
    vio_co_start(ctx->loop, async_co_close,
                 async_req_new(ctx, &req, cb, opaque));
}
