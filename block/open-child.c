/* SPDX-License-Identifier: BSD-3-Clause */
/* block/open-child.c - opening what a node stands on.
 *
 * Children are opened at protocol level: nothing is probed, unless the options
 * ask for a driver that is itself a format or a filter.
 *
 * Concurrency: the edges of a node change only while it is being opened.
 */
#include "block/open-internal.h"

#include "block/name.h"
#include "block/options-internal.h"

#include <string.h>

static bool
check_nesting(const VdNode *owner, GError **error)
{
    if (owner->nesting < VD_MAX_NESTING)
        return true;
    return vd_throw(error, VD_ERROR_LIMIT,
                    "%s: more than %d drivers on top of one another",
                    owner->name ? owner->name : "image", VD_MAX_NESTING);
}

/* The file that an image is called by stands for those that it names, as long
 * as nobody writes to them. */
static VdOpenFlags
child_flags(const char *edge, VdOpenFlags flags)
{
    if (strcmp(edge, "file") != 0 && !(flags & VD_OPEN_RDWR))
        flags &= ~VD_OPEN_VMWARE_LOCK;
    return flags & ~VD_OPEN_TOP_ONLY;
}

static VdNode *
child_new(VdNode *owner, const char *edge, const char *name, VdOpenFlags flags)
{
    VdNode *child = vd_node_new(owner->env, owner, child_flags(edge, flags));

    child->link = owner->link;
    child->nesting = owner->nesting + 1;
    if (name)
        vd_node_set_name(child, name);
    return child;
}

/* A format in the place of a protocol: its file name is its child's. */
static void
pass_filename_down(VdOptions *opts)
{
    g_autofree char *filename = NULL;

    if (vd_options_peek(opts, "file.filename") ||
        !vd_options_peek(opts, "filename"))
        return;
    vd_options_take_string(opts, "filename", &filename);
    vd_options_set(opts, "file.filename", filename);
}

/* Whoever asks for "file" before its format is known, or passes the bytes on,
 * can be content with a file that somebody writes to. */
static bool
may_share(const VdNode *owner, const char *edge)
{
    if (strcmp(edge, "file") != 0)
        return false;
    return !owner->driver || (owner->driver->caps & VD_CAP_RAW) ||
           owner->driver->kind == VD_DRIVER_FILTER;
}

static bool
child_co_start(VdNode *child, const VdDriver *driver, VdOptions *opts,
               bool share, GError **error)
{
    child->growable = driver->kind != VD_DRIVER_FORMAT && driver->co_truncate &&
                      !(driver->caps & VD_CAP_FIXED_SIZE) &&
                      vd_node_is_writable(child);
    if (driver->kind != VD_DRIVER_PROTOCOL) {
        pass_filename_down(opts);
        return vd_node_co_start(child, driver, opts, error);
    }
    return vd_node_co_start_leaf(child, driver, opts, share, error);
}

static VdNode *
child_co_open(VdNode *owner, const char *edge, const char *name,
              VdOptions *opts, VdOpenFlags flags, GError **error)
{
    const VdDriver *driver;
    const char *label;
    VdNode *child;

    if (!check_nesting(owner, error))
        return NULL;
    if (!name && vd_options_is_empty(opts))
        return vd_throw_null(error, VD_ERROR_INVALID_ARGUMENT,
                             "A block device must be specified for \"%s\"",
                             edge);
    driver = vd_protocol_co_driver(owner->env, name, opts, error);
    if (!driver)
        return NULL;
    label = vd_options_peek(opts, "filename");
    child = child_new(owner, edge, label ? label : name, flags);
    if (!vd_node_take_generic(child, opts, error)) {
        vd_node_free(child);
        return NULL;
    }
    if (!child_co_start(child, driver, opts, may_share(owner, edge), error))
        return NULL;
    /* A format that was told of by what is below it is called as that is. */
    if (!child->name)
        vd_node_set_name(child, vd_node_file_name(child));
    return child;
}

static void
attach(VdNode *node, const char *edge, VdNode *child, bool offered)
{
    vd_node_add_edge(node, edge, child, offered);
    if (strcmp(edge, "file") == 0)
        node->file_id = child->file_id;
}

VdNode *
vd_node_co_open_child(VdNode *node, const char *edge, const char *name,
                      VdOptions *opts, VdOpenFlags flags, GError **error)
{
    VdEdge *known = vd_node_find_edge(node, edge);
    g_autoptr(VdOptions) sub = NULL;
    VdNode *child;

    if (known) {
        g_assert(known->offered);
        known->offered = false;
        return known->node;
    }
    sub = opts ? vd_options_take_sub(opts, edge) : vd_options_new();
    child = child_co_open(node, edge, name, sub, flags, error);
    if (child)
        attach(node, edge, child, false);
    return child;
}

VdNode *
vd_node_co_offer_file(VdNode *node, VdOptions *opts, GError **error)
{
    g_autoptr(VdOptions) sub = vd_options_take_sub(opts, "file");
    VdNode *child = child_co_open(node, "file", NULL, sub, node->flags, error);

    if (child)
        attach(node, "file", child, true);
    return child;
}
