/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/cmd-zero.c - zeroes and discards, which are extensions; with
 * -async as requests that call back, and a flush behind them.
 *
 * Concurrency: main thread; callbacks come on any thread, maybe before the
 * submitting call returns.
 */
#include "tools/vixsample/commands.h"
#include "tools/vixsample/report.h"

/* One request, and who waits for it. */
typedef struct Pending {
    GMutex lock; /* for all below */
    GCond changed;
    bool done;
    VixError result;
    char *text; /* the library's, if it failed */
} Pending;

/* A VixDiskLibCompletionCB. */
static void
pending_done(void *data, VixError result)
{
    Pending *pending = data;
    char *text = VIX_FAILED(result) ? report_text(result) : NULL;

    g_mutex_lock(&pending->lock);
    pending->done = true;
    pending->result = result;
    pending->text = text;
    g_cond_signal(&pending->changed);
    g_mutex_unlock(&pending->lock);
}

/* What became of a request that was answered with @submitted. */
static bool
pending_wait(Pending *pending, const char *function, VixError submitted)
{
    if (submitted != VIX_ASYNC)
        return report_async_refused(function, submitted);
    g_mutex_lock(&pending->lock);
    while (!pending->done)
        g_cond_wait(&pending->changed, &pending->lock);
    g_mutex_unlock(&pending->lock);
    if (!pending->text)
        return true;
    report_failure(function, pending->result, pending->text);
    g_free(pending->text);
    return false;
}

#define CALL_ASYNC(name, ...)                                                  \
    pending_wait(&pending, #name,                                              \
                 VIX(name)(__VA_ARGS__, pending_done, &pending))

static bool
zero_async(VixDiskLibHandle disk, const Options *opts)
{
    Pending pending = {.done = false};

    return CALL_ASYNC(VixDiskLibExt_WriteZeroesAsync, disk, opts->start,
                      session_count_or_one(opts), VIXDISKLIBEXT_ZERO_MAY_UNMAP);
}

static bool
discard_async(VixDiskLibHandle disk, const Options *opts)
{
    Pending pending = {.done = false};

    return CALL_ASYNC(VixDiskLibExt_DiscardAsync, disk, opts->start,
                      session_count_or_one(opts));
}

static bool
flush_async(VixDiskLibHandle disk)
{
    Pending pending = {.done = false};

    return CALL_ASYNC(VixDiskLibExt_FlushAsync, disk);
}

static bool
zero(VixDiskLibHandle disk, const Options *opts)
{
    return CALL(VixDiskLibExt_WriteZeroes, disk, opts->start,
                session_count_or_one(opts), VIXDISKLIBEXT_ZERO_MAY_UNMAP);
}

static bool
discard(VixDiskLibHandle disk, const Options *opts)
{
    return CALL(VixDiskLibExt_Discard, disk, opts->start,
                session_count_or_one(opts));
}

bool
cmd_zero(Session *session, const Options *opts)
{
    VixDiskLibHandle disk = session_open_disk(session, opts, 0);
    bool ok = disk && (opts->async ? zero_async(disk, opts) && flush_async(disk)
                                   : zero(disk, opts));

    return ok && session_close(session, disk);
}

bool
cmd_discard(Session *session, const Options *opts)
{
    VixDiskLibHandle disk = session_open_disk(session, opts, 0);
    bool ok =
        disk && (opts->async ? discard_async(disk, opts) && flush_async(disk)
                             : discard(disk, opts));

    return ok && session_close(session, disk);
}
