/* SPDX-License-Identifier: BSD-3-Clause */
/* block/open.c - opening an image: a format on the file that holds it.
 *
 * The name becomes options; if they name no driver the file is opened first
 * and its head looked at.  Whatever was opened is closed again on failure.
 *
 * Concurrency: nobody sees the nodes before all are open.
 */
#include "block/open-internal.h"

#include "block/name.h"
#include "block/options-internal.h"
#include "block/overlay.h"
#include "block/registry.h"
#include "block/rw.h"

#include <string.h>

/* -- the name ---------------------------------------------------------------*/

/* "driver=...,..." and json: hold all there is to say.  *@name is then NULL. */
static bool
open_co_unpack_name(const VdOpenImage *how, VdOptions *opts, const char **name,
                    GError **error)
{
    g_autoptr(VdOptions) parsed = NULL;

    if (*name && (how->flags & VD_OPEN_IMAGE_OPTS)) {
        parsed = vd_options_new();
        if (!vd_options_parse(parsed, *name, error))
            return false;
        vd_options_add_missing(opts, parsed);
        *name = NULL;
    } else if (*name && vd_name_kind(*name, NULL) == VD_NAME_JSON) {
        if (!vd_json_co_to_options(how->env, *name, opts, error))
            return false;
        *name = NULL;
    }
    return true;
}

/* The driver that was asked for; *@driver NULL = to be probed. */
static bool
take_driver(const char *format, VdOptions *opts, const VdDriver **driver,
            GError **error)
{
    g_autofree char *named = NULL;

    vd_options_take_string(opts, "driver", &named);
    if (format && named && strcmp(format, named) != 0)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Driver specified twice");
    *driver = NULL;
    if (!format && !named)
        return true;
    *driver = vd_driver_by_name(format ? format : named, error);
    return *driver != NULL;
}

/* The name stands for the child "file". */
static bool
open_co_name_to_file(const VdEnv *env, const char *name, VdOptions *opts,
                     GError **error)
{
    g_autoptr(VdOptions) sub = vd_options_take_sub(opts, "file");

    if (vd_options_peek(sub, "filename"))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Both a name and the option 'file.filename' are given");
    if (!vd_name_co_to_options(env, name, sub, error))
        return false;
    vd_options_put_sub(opts, "file", sub);
    return true;
}

/* The name stands for the leaf itself, whose driver is known. */
static bool
open_co_name_to_leaf(const VdEnv *env, const char *name, const VdDriver *driver,
                     VdOptions *opts, GError **error)
{
    g_autoptr(VdOptions) parsed = vd_options_new();
    g_autofree char *named = NULL;

    if (vd_name_co_to_options(env, name, parsed, NULL))
        vd_options_take_string(parsed, "driver", &named);
    if (g_strcmp0(named, driver->name) == 0)
        vd_options_add_missing(opts, parsed);
    else if (!vd_options_peek(opts, "filename"))
        vd_options_set(opts, "filename", name);
    return true;
}

static bool
open_co_apply_name(const VdOpenImage *how, const char *name,
                   const VdDriver *driver, VdOptions *opts, GError **error)
{
    g_autofree char *filename = NULL;

    if (driver && (driver->kind == VD_DRIVER_PROTOCOL || driver->schemes))
        return !name ||
               open_co_name_to_leaf(how->env, name, driver, opts, error);
    if (name)
        return open_co_name_to_file(how->env, name, opts, error);
    if (vd_options_peek(opts, "filename") &&
        !vd_options_has_sub(opts, "file")) {
        vd_options_take_string(opts, "filename", &filename);
        vd_options_set(opts, "file.filename", filename);
    }
    return true;
}

static void
name_node(VdNode *node, const char *name, const VdOptions *opts)
{
    const char *path = vd_options_peek(opts, "filename");

    if (!path)
        path = vd_options_peek(opts, "file.filename");
    if (path || name)
        vd_node_set_name(node, path ? path : name);
}

/* -- the node -------------------------------------------------------------- */

static void
warn_guessed(const VdNode *node)
{
    vd_node_warn(
        node,
        "Image format was not specified for '%s' and probing guessed raw.\n"
        "Automatically detecting the format is dangerous for raw images, "
        "write operations on block 0 will be restricted.\n"
        "Specify the 'raw' format explicitly to remove the restrictions.",
        vd_node_name(node));
}

static bool
open_co_probed(VdNode *node, VdOptions *opts, GError **error)
{
    VdNode *file = vd_node_co_offer_file(node, opts, error);
    const VdDriver *driver = file ? vd_probe_co_driver(file, error) : NULL;

    if (!driver) {
        vd_node_co_discard_failed(node, false);
        return false;
    }
    /* Formats look everywhere. */
    if (vd_node_limits(file)->open_ended && !(driver->caps & VD_CAP_RAW) &&
        !vd_node_co_find_end(file, error)) {
        vd_node_co_discard_failed(node, false);
        return false;
    }
    if (!vd_node_co_start(node, driver, opts, error))
        return false;
    if ((driver->caps & VD_CAP_RAW) && vd_node_is_writable(node) &&
        !(file->driver->caps & VD_CAP_GUEST_BYTES)) {
        node->raw_guessed = true;
        node->tail_guard = vd_registry_find_tail(vd_node_name(file));
        warn_guessed(node);
    }
    return true;
}

/* A leaf that is opened as a disk: its bytes are the disk's. */
static bool
open_co_bare_leaf(VdNode *node, const VdDriver *driver, VdOptions *opts,
                  GError **error)
{
    if (!vd_node_co_start_leaf(node, driver, opts, true, error))
        return false;
    if (node->lock_conflict)
        vd_node_warn(node, "%s: read although somebody else writes to it",
                     vd_node_name(node));
    g_clear_error(&node->lock_conflict);
    return true;
}

static bool
open_co_start(VdNode *node, const VdDriver *driver, VdOptions *opts,
              GError **error)
{
    if (!driver)
        return open_co_probed(node, opts, error);
    if (driver->kind == VD_DRIVER_PROTOCOL)
        return open_co_bare_leaf(node, driver, opts, error);
    return vd_node_co_start(node, driver, opts, error);
}

VdNode *
vd_image_co_open(const VdOpenImage *how, VdOptions *taken, GError **error)
{
    g_autoptr(VdOptions) opts = taken ? taken : vd_options_new();
    const char *name = how->name;
    const VdDriver *driver = NULL;
    VdNode *node;

    if (!open_co_unpack_name(how, opts, &name, error) ||
        !take_driver(how->format, opts, &driver, error) ||
        !open_co_apply_name(how, name, driver, opts, error))
        return NULL;
    node = vd_node_new(how->env, how->owner, how->flags & ~VD_OPEN_IMAGE_OPTS);
    node->link = how->link;
    name_node(node, name, opts);
    if (!vd_node_take_generic(node, opts, error)) {
        vd_node_free(node);
        return NULL;
    }
    return open_co_start(node, driver, opts, error) ? node : NULL;
}

VdNode *
vd_co_open(const VdEnv *env, const char *name, const char *format,
           VdOptions *opts, VdOpenFlags flags, GError **error)
{
    VdOpenImage how = {
        .env = env,
        .name = name,
        .format = format,
        .flags = flags,
    };

    if (flags & VD_OPEN_TEMPORARY)
        return vd_overlay_co_open(&how, opts, error);
    return vd_image_co_open(&how, opts, error);
}
