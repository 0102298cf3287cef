/* SPDX-License-Identifier: BSD-3-Clause */
/* api/meta.c - keys and values that an image carries: look-ups go up the chain,
 * changes concern the link on top.
 *
 * Concurrency: no state of its own.
 */
#include "api/disk.h"

typedef struct {
    VdDisk *disk;
    const char *key, *value;
    char *found;
    GPtrArray *keys;
} MetaCall;

static bool
meta_co_get(void *arg, GError **error)
{
    MetaCall *call = arg;
    const char *value = NULL;

    for (VdNode *link = call->disk->node; link != NULL && value == NULL;
         link = vd_node_parent(link)) {
        const VdDriver *drv = vd_node_driver(link);

        if (drv->get_meta != NULL)
            value = drv->get_meta(link, call->key);
    }
    call->found = g_strdup(value);
    return true;
}

char *
vd_disk_get_meta(VdDisk *disk, const char *key)
{
    MetaCall call = {.disk = disk, .key = key};

    if (!vd_context_run(disk->ctx, meta_co_get, &call, NULL))
        return NULL;
    return call.found;
}

static gboolean
meta_same_key(gconstpointer a, gconstpointer b)
{
    return g_ascii_strcasecmp(a, b) == 0;
}

static void
meta_add_keys(GPtrArray *keys, VdNode *link)
{
    const VdDriver *drv = vd_node_driver(link);
    g_auto(GStrv) own = drv->list_meta ? drv->list_meta(link) : NULL;

    for (unsigned i = 0; own != NULL && own[i] != NULL; i++)
        if (!g_ptr_array_find_with_equal_func(keys, own[i], meta_same_key,
                                              NULL))
            g_ptr_array_add(keys, g_strdup(own[i]));
}

static bool
meta_co_list(void *arg, GError **error)
{
    MetaCall *call = arg;

    for (VdNode *link = call->disk->node; link != NULL;
         link = vd_node_parent(link))
        meta_add_keys(call->keys, link);
    return true;
}

char **
vd_disk_list_meta(VdDisk *disk)
{
    MetaCall call = {.disk = disk, .keys = g_ptr_array_new()};

    (void) vd_context_run(disk->ctx, meta_co_list, &call, NULL);
    g_ptr_array_add(call.keys, NULL);
    return (char **) g_ptr_array_free(call.keys, FALSE);
}

static bool
meta_co_set(void *arg, GError **error)
{
    MetaCall *call = arg;
    VdNode *node = call->disk->node;
    bool ok;

    vd_disk_enter(call->disk);
    ok = vd_node_driver(node)->co_set_meta(node, call->key, call->value, error);
    vd_disk_leave(call->disk);
    return ok;
}

bool
vd_disk_set_meta(VdDisk *disk, const char *key, const char *value,
                 GError **error)
{
    MetaCall call = {.disk = disk, .key = key, .value = value};

    if (vd_node_driver(disk->node)->co_set_meta == NULL)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "image format '%s' has no metadata",
                        vd_disk_format(disk));
    if (!vd_node_is_writable(disk->node))
        return vd_throw(error, VD_ERROR_READ_ONLY, "%s: is open read-only",
                        vd_node_name(disk->node));
    return vd_context_run(disk->ctx, meta_co_set, &call, error);
}

/* -- options, changed later --------------------------------------------------
 */

typedef struct {
    VdDisk *disk;
    VdOptions *options;
} AmendCall;

static bool
meta_co_amend(void *arg, GError **error)
{
    AmendCall *call = arg;
    VdNode *node = call->disk->node;
    bool ok;

    vd_disk_enter(call->disk);
    ok = vd_node_co_amend(node, call->options, error);
    vd_disk_leave(call->disk);
    return ok;
}

bool
vd_disk_amend(VdDisk *disk, const char *options, GError **error)
{
    const VdDriver *drv = vd_node_driver(disk->node);
    g_autoptr(VdOptions) given = vd_options_new();
    AmendCall call = {.disk = disk, .options = given};

    if (drv->co_amend == NULL)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "Format driver '%s' does not support option amendment",
                        vd_disk_format(disk));
    if (!vd_node_is_writable(disk->node))
        return vd_throw(error, VD_ERROR_READ_ONLY, "%s: is open read-only",
                        vd_node_name(disk->node));
    return vd_options_parse(given, options, error) &&
           vd_options_validate(given, drv->amend_options, error) &&
           vd_context_run(disk->ctx, meta_co_amend, &call, error);
}

/* -- keeping it in a copy ----------------------------------------------------
 */

typedef struct {
    VdDisk *to, *from;
    const VdOptions *given;
} KeepCall;

static bool
meta_co_keep(void *arg, GError **error)
{
    KeepCall *call = arg;
    VdNode *to = call->to->node;
    bool ok;

    vd_disk_enter(call->to);
    vd_disk_enter(call->from);
    ok = vd_node_driver(to)->co_keep_meta(to, call->from->node, call->given,
                                          error);
    vd_disk_leave(call->from);
    vd_disk_leave(call->to);
    return ok;
}

bool
vd_disk_keep_meta(VdDisk *to, VdDisk *from, const char *options, GError **error)
{
    g_autoptr(VdOptions) given = vd_options_new();
    KeepCall call = {.to = to, .from = from, .given = given};

    if (options != NULL && *options != '\0' &&
        !vd_options_parse(given, options, error))
        return false;
    if (vd_node_driver(to->node) != vd_node_driver(from->node) ||
        vd_node_driver(to->node)->co_keep_meta == NULL)
        return true;
    if (to->ctx != from->ctx)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "both disks must belong to one context");
    return vd_context_run(to->ctx, meta_co_keep, &call, error);
}
