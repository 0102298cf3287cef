/* SPDX-License-Identifier: BSD-3-Clause */
/* block/open-parent.c - the next link of a chain.
 *
 * A parent opens its own parent while it is being opened, so a chain of 256
 * links nests 256 opens.  Each runs in a coroutine of its own: stacks are
 * small.
 *
 * Concurrency: the opener waits for the whole chain below.
 */
#include "block/open-internal.h"

#include "block/chain-skip.h"

#include <string.h>

/* A parent is read by its child and written by nobody, but for the one link
 * that takes over what others hold (vd_commit); a check is of one image. */
#define NOT_FOR_PARENTS                                                        \
    (VD_OPEN_RDWR | VD_OPEN_TOP_ONLY | VD_OPEN_UNMAP | VD_OPEN_CHECK)

typedef struct {
    VdOpenImage how;
    VdNode *result;
} ParentOpen;

static bool
parent_co_main(void *arg, GError **error)
{
    ParentOpen *open = arg;

    open->result = vd_image_co_open(&open->how, NULL, error);
    return open->result != NULL;
}

static bool
check_parent(const VdNode *node, const char *name, GError **error)
{
    if (node->link + 1 >= VD_MAX_CHAIN)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: the chain has more than %d links",
                        vd_node_name(node), VD_MAX_CHAIN);
    return vd_policy_check_parent(node->env, vd_node_file_name(node), name,
                                  error);
}

static VdOpenFlags
parent_flags(const VdNode *node)
{
    VdOpenFlags flags = (node->flags & ~NOT_FOR_PARENTS) | VD_OPEN_STRICT_LOCK;

    if (node->link + 1 == node->env->writable_link)
        flags |= VD_OPEN_RDWR | VD_OPEN_UNMAP;
    return flags;
}

char *
vd_parent_locate(const VdDriver *driver, const char *base, const char *stored,
                 GError **error)
{
    char *name = driver->locate_parent ? driver->locate_parent(base, stored)
                                       : vd_path_combine(base, stored);

    return name ? name
                : vd_throw_null(error, VD_ERROR_INVALID_ARGUMENT,
                                "images of format '%s' name their parents by "
                                "path, and '%s' is none",
                                driver->name, stored);
}

VdNode *
vd_node_co_open_parent(VdNode *node, const char *name, const char *format,
                       GError **error)
{
    g_autoptr(VioCoGroup) group = NULL;
    ParentOpen open = {
        .how =
            {
                .env = node->env,
                .owner = node,
                .link = node->link + 1,
                .name = name,
                .format = format,
                .flags = parent_flags(node),
            },
    };

    g_assert(!node->parent);
    if (!check_parent(node, name, error))
        return NULL;
    group = vio_co_group_new(1);
    vio_co_group_spawn(group, parent_co_main, &open, NULL);
    /* Said once, however deep in the chain the failure is. */
    if (!vio_co_group_join(group, error))
        return node->link > 0
                   ? NULL
                   : vd_prefix_null(error, "Could not open backing file: ");
    node->parent = open.result;
    return node->parent;
}

VdNode *
vd_node_co_peek_parent(VdNode *node, const char *name, const char *format,
                       GError **error)
{
    if (!check_parent(node, name, error))
        return NULL;
    return vd_co_open(node->env, name, format, NULL,
                      VD_OPEN_NO_PARENT | VD_OPEN_NO_IO, error);
}

void
vd_node_co_close_parent(VdNode *node)
{
    VdNode *parent = node->parent;

    node->parent = NULL;
    vd_chain_skip_free(g_steal_pointer(&node->skip));
    if (parent)
        (void) vd_node_co_close(parent, NULL); /* only read: nothing to lose */
}
