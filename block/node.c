/* SPDX-License-Identifier: BSD-3-Clause */
/* block/node.c - the node as an object: fields, edges, nothing that yields.
 *
 * Concurrency: one loop.
 */
#include "block/node-internal.h"

#include "block/chain-skip.h"

#include "block/name.h"
#include "block/open.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static void
edge_free(gpointer data)
{
    VdEdge *edge = data;

    g_free(edge->name);
    g_free(edge);
}

VdNode *
vd_node_new(const VdEnv *env, VdNode *owner, VdOpenFlags flags)
{
    VdNode *node = g_new0(VdNode, 1);

    node->env = env;
    node->owner = owner;
    node->flags = flags;
    node->limits.request_align = 1;
    node->limits.mem_align = 1;
    node->edges = g_ptr_array_new_with_free_func(edge_free);
    node->leaf_stats = owner ? owner->leaf_stats : &node->stats;
    node->epochs = owner ? owner->epochs : &node->own_epochs;
    return node;
}

void
vd_node_set_driver(VdNode *node, const VdDriver *driver)
{
    node->driver = driver;
    node->state = g_malloc0(MAX(driver->state_size, 1));
    if (!node->name)
        node->name = g_strdup(driver->name);
}

void
vd_node_free(VdNode *node)
{
    g_assert(!node->writes.first && !node->flushing && !node->parent);
    g_ptr_array_unref(node->edges);
    g_clear_error(&node->flush_error);
    g_clear_error(&node->lock_conflict);
    vd_chain_skip_free(node->skip);
    g_free(node->name);
    g_free(node->state);
    g_free(node);
}

VdEdge *
vd_node_find_edge(const VdNode *node, const char *name)
{
    for (guint i = 0; i < node->edges->len; i++) {
        VdEdge *edge = g_ptr_array_index(node->edges, i);

        if (strcmp(edge->name, name) == 0)
            return edge;
    }
    return NULL;
}

void
vd_node_add_edge(VdNode *node, const char *name, VdNode *child, bool offered)
{
    VdEdge *edge = g_new0(VdEdge, 1);

    edge->name = g_strdup(name);
    edge->node = child;
    edge->offered = offered;
    g_ptr_array_add(node->edges, edge);
    if (!node->file && strcmp(name, "file") == 0)
        node->file = child;
}

VdNode *
vd_node_file(const VdNode *node)
{
    return node->file;
}

/* -- what drivers see ------------------------------------------------------ */

void *
vd_node_state(const VdNode *node)
{
    return node->state;
}

VioLoop *
vd_node_loop(const VdNode *node)
{
    return node->env->loop;
}

const VdDriver *
vd_node_driver(const VdNode *node)
{
    return node->driver;
}

const char *
vd_node_name(const VdNode *node)
{
    return node->name;
}

void
vd_node_set_name(VdNode *node, const char *name)
{
    char *copy = g_strdup(name); /* @name may be the present one */

    g_free(node->name);
    node->name = copy;
}

uint64_t
vd_node_size(const VdNode *node)
{
    return node->size;
}

void
vd_node_set_size(VdNode *node, uint64_t size)
{
    node->size = node->padded_size ? MIN(size, node->padded_size) : size;
}

VdOpenFlags
vd_node_flags(const VdNode *node)
{
    return node->flags;
}

bool
vd_node_is_writable(const VdNode *node)
{
    return node->flags & VD_OPEN_RDWR;
}

VdLimits *
vd_node_limits(VdNode *node)
{
    return &node->limits;
}

uint64_t
vd_node_max_transfer(const VdNode *node)
{
    return vd_max_transfer(node);
}

void
vd_node_set_write_flags(VdNode *node, VdReqFlags data, VdReqFlags zeroes)
{
    node->data_flags = data;
    node->zero_flags = zeroes;
}

void
vd_node_warn(const VdNode *node, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    if (!node->env->warn)
        return;
    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    node->env->warn(text, node->env->warn_opaque);
}

VdNode *
vd_node_child(const VdNode *node, const char *edge)
{
    VdEdge *found = vd_node_find_edge(node, edge);

    return found ? found->node : NULL;
}

VdNode *
vd_node_nth_child(const VdNode *node, unsigned n, const char **edge)
{
    const VdEdge *found;

    if (n >= node->edges->len)
        return NULL;
    found = g_ptr_array_index(node->edges, n);
    *edge = found->name;
    return found->node;
}

VdNode *
vd_node_parent(const VdNode *node)
{
    return node->parent;
}

const char *
vd_node_file_name(const VdNode *node)
{
    return node->file ? node->file->name : node->name;
}

const char *
vd_node_named_by(const VdNode *node)
{
    const VdNode *child = node->owner;

    while (child && child->link == node->link)
        child = child->owner;
    return child ? vd_node_file_name(child) : node->env->named_by;
}

GVariant *
vd_node_describe(VdNode *node)
{
    return node->driver && node->driver->describe
               ? g_variant_ref_sink(node->driver->describe(node))
               : NULL;
}

const VdEnv *
vd_node_env(const VdNode *node)
{
    return node->env;
}

bool
vd_node_is_file_at(const VdNode *node, const char *path)
{
    const VdFileId *id = &node->file_id;
    struct stat st;

    return id->known && stat(vd_name_strip_file(path), &st) == 0 &&
           st.st_ino == id->ino &&
           ((uint64_t) major(st.st_dev) << 32 | minor(st.st_dev)) == id->dev;
}

bool
vd_node_is_same_file(const VdNode *a, const VdNode *b)
{
    return a->file_id.known && b->file_id.known &&
           a->file_id.dev == b->file_id.dev && a->file_id.ino == b->file_id.ino;
}

const VdStats *
vd_node_stats(const VdNode *node)
{
    return &node->stats;
}
