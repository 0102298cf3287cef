/* SPDX-License-Identifier: BSD-3-Clause */
/* api/graph.c - the nodes that an opened image consists of.
 *
 * Concurrency: no state of its own; edges do not change while a disk is open.
 */
#include "api/disk.h"

typedef struct {
    VdDisk *disk;
    VdGraphNode *graph;
} GraphCall;

void
vd_graph_node_free(VdGraphNode *node)
{
    if (node == NULL)
        return;
    g_free(node->edge);
    vd_info_free(node->info);
    g_ptr_array_unref(node->children);
    g_free(node);
}

static VdNodeLimits
graph_limits(VdNode *node)
{
    const VdLimits *limits = vd_node_limits(node);
    uint64_t unit = limits->request_align;

    return (VdNodeLimits){
        .request_align = limits->request_align,
        .mem_align = limits->mem_align,
        .max_transfer = vd_node_max_transfer(node),
        .opt_transfer = limits->opt_transfer,
        .zeroes_align = MAX(limits->zeroes_align, unit),
        .discard_align = MAX(limits->discard_align, unit),
        .sequential = limits->sequential,
    };
}

/* The depth is that of the options that the disk was opened with, which is
 * limited. */
static VdGraphNode *
graph_co_node(VdDisk *disk, VdNode *node, const char *edge)
{
    VdGraphNode *out = g_new0(VdGraphNode, 1);
    const char *name;
    VdNode *child;

    out->edge = g_strdup(edge);
    out->info = vd_info_co_new(disk, node);
    out->limits = graph_limits(node);
    out->children =
        g_ptr_array_new_with_free_func((GDestroyNotify) vd_graph_node_free);
    for (unsigned i = 0; (child = vd_node_nth_child(node, i, &name)); i++)
        g_ptr_array_add(out->children, graph_co_node(disk, child, name));
    return out;
}

static bool
graph_co_call(void *arg, GError **error)
{
    GraphCall *call = arg;

    vd_disk_enter(call->disk);
    call->graph = graph_co_node(call->disk, call->disk->node, "");
    vd_disk_leave(call->disk);
    return true;
}

VdGraphNode *
vd_disk_get_graph(VdDisk *disk, GError **error)
{
    GraphCall call = {.disk = disk};

    if (!vd_context_run(disk->ctx, graph_co_call, &call, error))
        return NULL;
    return call.graph;
}
