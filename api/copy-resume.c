/* SPDX-License-Identifier: BSD-3-Clause */
/* api/copy-resume.c - how far a copy is for sure, for one that may have to go
 * on after an interruption.
 *
 * Items end in any order, but are dispatched by offset: in front of the first
 * one in flight everything is done, or needed nothing.  Now and then that
 * watermark is taken, the target flushed, and then whoever asked is told the
 * watermark from before the flush.  An item that failed holds it down for good;
 * so does a flush that failed, because a later one may succeed without having
 * what this one lost.
 *
 * Concurrency: the loop of the copy; the caller's function runs on a worker,
 * one call at a time.
 */
#include "api/copy.h"

#include "io/offload.h"
#include "io/op.h"

#define RESUME_INTERVAL_MS 1000
#define RESUME_NS_PER_MS UINT64_C(1000000)

/* Compressed records have their places in order, and are written once. */
static bool
resume_is_possible(const VdCopy *c)
{
    VdNode *node = c->target->node;
    VdNodeInfo info = {0};

    if (c->target_driver->get_info != NULL)
        c->target_driver->get_info(node, &info);
    return c->records == NULL && !info.compressed &&
           !vd_node_limits(node)->sequential;
}

bool
vd_copy_set_resume(VdCopy *c, GError **error)
{
    const VdCheckpoints *want = c->params.checkpoints;
    VdCopyMarks *marks = &c->marks;

    marks->done = marks->dispatched = c->begin;
    marks->lost = UINT64_MAX;
    if (want == NULL)
        return true;
    if (!resume_is_possible(c))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: a copy to it cannot be resumed: what it takes is "
                        "written once, in order",
                        vd_node_name(c->target->node));
    if (want->resume_at > c->end)
        return vd_throw(error, VD_ERROR_OUT_OF_RANGE,
                        "cannot resume at byte %" G_GUINT64_FORMAT
                        " of a copy that ends at %" G_GUINT64_FORMAT,
                        want->resume_at, c->end);
    marks->done = marks->dispatched = MAX(c->begin, want->resume_at);
    marks->next_ns = vio_now_ns();
    return true;
}

/* -- marks -------------------------------------------------------------------
 */

void
vd_copy_item_starts(VdCopyItem *item)
{
    VdCopyMarks *marks = &item->copy->marks;

    item->link.data = item;
    g_queue_push_tail_link(&marks->running, &item->link);
    marks->dispatched = item->span.off + item->span.len;
}

/* Whole units: they are planned in the same way when the copy goes on. */
static uint64_t
resume_watermark(VdCopy *c)
{
    VdCopyMarks *marks = &c->marks;
    const VdCopyItem *first = g_queue_peek_head(&marks->running);
    uint64_t off = first != NULL ? first->span.off : marks->dispatched;

    off = MIN(off, marks->lost);
    return MAX(off / c->unit * c->unit, marks->done);
}

/* -- telling -----------------------------------------------------------------
 */

typedef struct {
    const VdCheckpoints *want;
    uint64_t done;
    GError *error;
} ResumeCall;

static void
resume_call(void *opaque)
{
    ResumeCall *call = opaque;

    (void) call->want->func(call->done, call->want->opaque, &call->error);
}

static bool
resume_co_save(VdCopy *c, GError **error)
{
    VdCopyMarks *marks = &c->marks;
    ResumeCall call = {.want = c->params.checkpoints,
                       .done = resume_watermark(c)};

    if (call.done == marks->done)
        return true;
    if (!vd_node_co_flush(c->target->node, error)) {
        marks->lost = marks->done;
        return false;
    }
    marks->done = call.done;
    vio_co_offload(c->loop, resume_call, &call);
    if (call.error == NULL)
        return true;
    g_propagate_error(error, call.error);
    return false;
}

static void
resume_co_run(void *opaque)
{
    VdCopy *c = opaque;
    VdCopyMarks *marks = &c->marks;
    unsigned ms = c->params.checkpoints->interval_ms;
    GError *error = NULL;

    /* Whatever else goes wrong, with its offset, is the better report. */
    if (!resume_co_save(c, &error))
        vd_copy_fail(c, UINT64_MAX, NULL, error);
    marks->next_ns =
        vio_now_ns() + (ms > 0 ? ms : RESUME_INTERVAL_MS) * RESUME_NS_PER_MS;
    marks->busy = false;
    vio_co_queue_wake_all(&marks->idle);
}

void
vd_copy_item_ends(VdCopyItem *item, bool ok)
{
    VdCopy *c = item->copy;
    VdCopyMarks *marks = &c->marks;

    g_queue_unlink(&marks->running, &item->link);
    if (!ok)
        marks->lost = MIN(marks->lost, item->span.off);
    if (c->params.checkpoints == NULL || marks->busy || c->error != NULL ||
        vio_now_ns() < marks->next_ns)
        return;
    marks->busy = true;
    vio_co_start(c->loop, resume_co_run, c);
}

void
vd_copy_co_resume_end(VdCopy *c)
{
    while (c->marks.busy)
        vio_co_queue_wait(&c->marks.idle);
    /* What has been done since the last time is worth keeping, too. */
    if (c->params.checkpoints != NULL && c->error != NULL)
        (void) resume_co_save(c, NULL); /* the copy has failed anyway */
}
