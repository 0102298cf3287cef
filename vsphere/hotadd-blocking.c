/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/hotadd-blocking.c - attaching and detaching for threads that wait.
 *
 * Concurrency: each call has a loop of its own; any thread outside of a
 * coroutine.
 */
#include "vsphere/hotadd-internal.h"

#include "block/error.h"
#include "io/loop.h"

typedef struct {
    VioLoop *loop;
    const VsHotaddParams *params;
    const VsTarget *target;
    bool writable;
    VsHotadd *hotadd;
    VsHotaddCounts *counts;
    bool ok;
    GError *error;
} Call;

static bool
run(Call *call, VioCoFunc co, GError **error)
{
    const VioLoopParams params = {.workers = 1};
    int r = vio_loop_new(&params, &call->loop);

    if (r < 0)
        return vd_throw_errno(error, -r, "making a loop to wait in");
    vio_loop_run_sync(call->loop, co, call);
    vio_loop_free(call->loop);
    if (!call->ok)
        g_propagate_error(error, call->error);
    return call->ok;
}

static void
attach_co_call(void *opaque)
{
    Call *call = opaque;

    call->hotadd = vs_hotadd_co_attach(call->loop, call->params, call->target,
                                       call->writable, &call->error);
    call->ok = call->hotadd != NULL;
}

VsHotadd *
vs_hotadd_attach(const VsHotaddParams *params, const VsTarget *target,
                 bool writable, GError **error)
{
    Call call = {.params = params, .target = target, .writable = writable};

    return run(&call, attach_co_call, error) ? call.hotadd : NULL;
}

static void
detach_co_call(void *opaque)
{
    Call *call = opaque;

    call->ok = vs_hotadd_co_detach(call->loop, call->hotadd, &call->error);
}

bool
vs_hotadd_detach(VsHotadd *hotadd, GError **error)
{
    Call call = {.hotadd = hotadd};
    bool ok = run(&call, detach_co_call, error);

    if (!call.loop)
        vs_hotadd_free(hotadd); /* which leaves it to Cleanup */
    return ok;
}

static void
cleanup_co_call(void *opaque)
{
    Call *call = opaque;

    call->ok = vs_hotadd_co_cleanup(call->loop, call->params, call->counts,
                                    &call->error);
}

bool
vs_hotadd_cleanup(const VsHotaddParams *params, VsHotaddCounts *counts,
                  GError **error)
{
    Call call = {.params = params, .counts = counts};

    return run(&call, cleanup_co_call, error);
}
