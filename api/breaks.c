/* SPDX-License-Identifier: BSD-3-Clause */
/* api/breaks.c - break points: finding the filter that has them.
 *
 * Concurrency: no state of its own.
 */
#include "api/disk.h"

typedef struct {
    VdDisk *disk;
    VdBreak what;
} BreakCall;

/* The nearest node that can stop requests, from the top down. */
static VdNode *
breaks_node(VdDisk *disk)
{
    VdNode *node = disk->node;

    while (node != NULL && vd_node_driver(node)->on_break == NULL)
        node = vd_node_child(node, "file");
    return node;
}

static bool
breaks_co_call(void *arg, GError **error)
{
    BreakCall *call = arg;
    VdNode *node = breaks_node(call->disk);

    if (node == NULL)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: no fault filter to stop requests",
                        call->disk->name ? call->disk->name : "disk");
    return vd_node_driver(node)->on_break(node, &call->what, error);
}

bool
vd_disk_set_break(VdDisk *disk, const char *event, const char *tag,
                  GError **error)
{
    BreakCall call = {.disk = disk,
                      .what = {VD_BREAK_SET, .event = event, .tag = tag}};

    return vd_context_run(disk->ctx, breaks_co_call, &call, error);
}

bool
vd_disk_remove_breaks(VdDisk *disk, const char *tag, unsigned *resumed,
                      GError **error)
{
    BreakCall call = {.disk = disk, .what = {VD_BREAK_REMOVE, .tag = tag}};
    bool ok = vd_context_run(disk->ctx, breaks_co_call, &call, error);

    if (resumed != NULL)
        *resumed = call.what.n;
    return ok;
}

bool
vd_disk_resume_stopped(VdDisk *disk, const char *tag, GError **error)
{
    BreakCall call = {.disk = disk, .what = {VD_BREAK_RESUME, .tag = tag}};

    return vd_context_run(disk->ctx, breaks_co_call, &call, error);
}

unsigned
vd_disk_count_stopped(VdDisk *disk, const char *tag)
{
    BreakCall call = {.disk = disk, .what = {VD_BREAK_COUNT, .tag = tag}};

    (void) vd_context_run(disk->ctx, breaks_co_call, &call, NULL); /* none: 0 */
    return call.what.n;
}

void
vd_breaks_release(VdDisk *disk)
{
    VdNode *node = breaks_node(disk);
    VdBreak all = {VD_BREAK_REMOVE};

    if (node != NULL)
        (void) vd_node_driver(node)->on_break(node, &all,
                                              NULL); /* cannot fail */
}
