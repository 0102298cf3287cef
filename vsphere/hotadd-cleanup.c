/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/hotadd-cleanup.c - detaching what processes have left behind.
 *
 * Concurrency: see vsphere/hotadd.c; what somebody else cleans up at the same
 * time counts as remaining.
 */
#include "vsphere/hotadd-internal.h"

typedef struct {
    const VsHotaddParams *params;
    VsHotadd *h;
    GPtrArray *list; /* of VsHotaddFound */
} Cleanup;

/* In no machine of this server nothing of it can be attached to ours. */
static bool
is_elsewhere(const GError *problem)
{
    return vd_error_is(problem, VD_ERROR_NOT_SUPPORTED) ||
           vd_error_is(problem, VD_ERROR_VM_NOT_FOUND);
}

static bool
look_step(void *arg, GError **error)
{
    Cleanup *c = arg;
    GError *problem = NULL;

    c->h = vs_hotadd_new(c->params, &problem);
    if (c->h) {
        c->list = vs_hotadd_list_ours(c->h, error);
        return c->list != NULL;
    }
    if (!is_elsewhere(problem)) {
        g_propagate_error(error, problem);
        return false;
    }
    g_error_free(problem);
    return true;
}

static void
cleanup_co_one(VioLoop *loop, VsHotadd *h, VsHotaddFound *found,
               VsHotaddCounts *counts)
{
    g_autoptr(GError) problem = NULL;
    bool detached = false;

    if (!found->entry) {
        counts->remaining++;
        return;
    }
    vs_hotadd_adopt(h, found);
    if (vs_hotadd_co_take_off(loop, h, &detached, &problem)) {
        counts->cleaned += detached;
        return;
    }
    counts->remaining++;
    vs_hotadd_add_warning(h, "left attached: %s", problem->message);
    g_clear_pointer(&h->entry, vs_hotadd_entry_leave);
}

bool
vs_hotadd_co_cleanup(VioLoop *loop, const VsHotaddParams *params,
                     VsHotaddCounts *counts, GError **error)
{
    Cleanup c = {.params = params};
    bool ok = vs_co_work(loop, look_step, &c, params->cancel, error);
    int r = 0;

    *counts = (VsHotaddCounts){0};
    for (guint i = 0; c.list && r == 0 && i < c.list->len; i++) {
        cleanup_co_one(loop, c.h, c.list->pdata[i], counts);
        r = vio_cancel_check(params->cancel);
    }
    g_clear_pointer(&c.list, g_ptr_array_unref);
    if (c.h)
        vs_hotadd_warn(c.h);
    vs_hotadd_co_free(loop, c.h);
    return ok && (r == 0 || vd_throw_errno(error, -r, "cleaning up"));
}
