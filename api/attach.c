/* SPDX-License-Identifier: BSD-3-Clause */
/* api/attach.c - a link on top of a chain.
 *
 * Concurrency: one coroutine a call.
 */
#include "api/chain.h"

#include <inttypes.h>

typedef struct {
    VdDisk *parent, *child;
    unsigned flags;
    bool only_check;
} Attach;

static bool
check_disks(const Attach *a, GError **error)
{
    const VdNode *parent = a->parent->node, *child = a->child->node;
    uint64_t above = vd_node_size(child), below = vd_node_size(parent);

    if (a->parent->ctx != a->child->ctx)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "parent and child belong to different contexts");
    if (vd_node_driver(child)->co_set_parent == NULL)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: images of format '%s' cannot be given a parent",
                        vd_node_name(child), vd_node_driver(child)->name);
    if (vd_node_parent(child) != NULL)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: is attached to %s already", vd_node_name(child),
                        vd_node_name(vd_node_parent(child)));
    if (above != below)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: has %" PRIu64 " bytes, the parent %s %" PRIu64,
                        vd_node_name(child), above, vd_node_name(parent),
                        below);
    if (!a->only_check && !vd_node_is_writable(child))
        return vd_throw(error, VD_ERROR_READ_ONLY, "%s: is open read-only",
                        vd_node_name(child));
    return true;
}

static bool
check_loop(const Attach *a, GError **error)
{
    const VdNode *child = a->child->node;

    if (!vd_node_is_same_file(a->parent->node, child) &&
        vd_chain_find(a->parent->node, child) == 0)
        return true;
    return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "%s: would be its own parent", vd_node_name(child));
}

static bool
has_parent(const VdNode *node)
{
    const VdDriver *drv = vd_node_driver(node);
    VdNodeInfo info = {0};

    if (drv->get_info != NULL)
        drv->get_info((VdNode *) node, &info);
    return info.backing_name != NULL;
}

static bool
attach_co_call(void *arg, GError **error)
{
    const Attach *a = arg;
    VdNode *child = a->child->node, *parent = a->parent->node;
    g_autofree char *name = NULL;
    VdParentRef ref = {
        .parent = parent,
        .take_format = true,
        .must_fit = !(a->flags & VD_ATTACH_UPDATE_ID),
        .only_check = a->only_check,
        .renew = !has_parent(child),
    };
    bool ok;

    if (!check_disks(a, error) || !check_loop(a, error))
        return false;
    name = vd_path_relative(vd_node_name(child), vd_node_name(parent));
    if (name == NULL)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: cannot name %s as its parent", vd_node_name(child),
                        vd_node_name(parent));
    ref.name = name;
    vd_disk_enter(a->child);
    ok = vd_node_driver(child)->co_set_parent(child, &ref, error);
    vd_disk_leave(a->child);
    return ok;
}

bool
vd_is_attach_possible(VdDisk *parent, VdDisk *child, GError **error)
{
    Attach attach = {.parent = parent, .child = child, .only_check = true};

    return vd_context_run(child->ctx, attach_co_call, &attach, error);
}

bool
vd_attach(VdDisk *parent, VdDisk *child, unsigned flags, GError **error)
{
    Attach attach = {.parent = parent, .child = child, .flags = flags};

    return vd_context_run(child->ctx, attach_co_call, &attach, error);
}
