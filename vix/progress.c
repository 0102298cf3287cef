/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/progress.c - telling programs how far an operation is.
 *
 * On the thread that called, in whole percent that only grow; 100 comes once,
 * and only when all is done.  What the function returns means nothing to the
 * original library, so it does only for threads that have said so.
 *
 * Concurrency: the calling thread, which alone runs the context meanwhile.
 */
#include "vix/progress.h"

#include "vix/error.h"

#define ALL 100

static _Thread_local bool cancels;

Bool
VixDiskLibExt_SetProgressCancels(Bool enable)
{
    bool before = cancels;

    cancels = enable;
    return before;
}

static void
tell(VixProgress *p, int percent)
{
    if (percent <= p->percent)
        return;
    p->percent = percent;
    if (!p->func || p->func(p->data, percent) || !p->cancels)
        return;
    p->stopped = true;
    if (p->ctx)
        vd_context_cancel(p->ctx);
}

VixError
vix_progress_begin(VixProgress *p, const char *function, VdContext *ctx,
                   VixDiskLibProgressFunc func, void *data)
{
    *p = (VixProgress){.function = function,
                       .func = func,
                       .data = data,
                       .ctx = ctx,
                       .cancels = cancels};
    if (func && !func(data, 0) && p->cancels)
        return vix_fail(VIX_E_CANCELLED,
                        "%s: by the progress function, before anything was "
                        "done",
                        function);
    return VIX_OK;
}

void
vix_progress_update(const VdProgress *now, void *progress)
{
    int percent = 0;

    if (now->total > 0)
        percent = (int) ((double) now->done / (double) now->total * ALL);
    tell(progress, MIN(percent, ALL - 1));
}

bool
vix_progress_percent(unsigned percent, void *progress)
{
    VixProgress *p = progress;

    tell(p, (int) MIN(percent, ALL - 1));
    return !p->stopped;
}

void
vix_progress_end(VixProgress *p, bool ok)
{
    if (ok)
        tell(p, ALL);
    if (p->cancels && p->ctx)
        vd_context_cancel_reset(p->ctx);
}
