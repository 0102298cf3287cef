/* SPDX-License-Identifier: BSD-3-Clause */
/* block/open-node.c - opening one node by its driver.
 *
 * Concurrency: the node is visible to nobody else yet.
 */
#include "block/open-internal.h"

#include "block/options-internal.h"
#include "block/transaction.h"
#include "io/op.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

/* -- options of every node ------------------------------------------------- */

static void
set_flag(VdNode *node, VdOpenFlags flag, bool on)
{
    if (on)
        node->flags |= flag;
    else
        node->flags &= ~flag;
}

static bool
take_flag(VdNode *node, VdOptions *opts, const char *key, VdOpenFlags flag,
          GError **error)
{
    bool on = node->flags & flag;

    if (!vd_options_take_bool(opts, key, &on, error))
        return false;
    set_flag(node, flag, on);
    return true;
}

static bool
take_discard(VdNode *node, VdOptions *opts, GError **error)
{
    static const char *const names[] = {"ignore", "off", "unmap", "on", NULL};
    unsigned mode = node->flags & VD_OPEN_UNMAP ? 2 : 0;

    if (!vd_options_take_enum(opts, "discard", names, &mode, error))
        return false;
    set_flag(node, VD_OPEN_UNMAP, mode >= 2);
    return true;
}

static bool
take_detect_zeroes(VdNode *node, VdOptions *opts, GError **error)
{
    static const char *const names[] = {"off", "on", "unmap", NULL};
    unsigned mode = node->flags & VD_OPEN_DETECT_ZEROES ? 1 : 0;

    if (!vd_options_take_enum(opts, "detect-zeroes", names, &mode, error))
        return false;
    if (mode == 2 && !(node->flags & VD_OPEN_UNMAP))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "setting detect-zeroes to unmap is not allowed "
                        "without setting discard operation to unmap");
    set_flag(node, VD_OPEN_DETECT_ZEROES, mode > 0);
    return true;
}

/* "backing": null means that the parent is not to be opened. */
static void
take_no_parent(VdNode *node, VdOptions *opts)
{
    const char *value = vd_options_peek(opts, "backing");
    g_autofree char *taken = NULL;

    if (!value || *value != '\0')
        return;
    vd_options_take_string(opts, "backing", &taken);
    node->flags |= VD_OPEN_NO_PARENT;
}

bool
vd_node_take_generic(VdNode *node, VdOptions *opts, GError **error)
{
    bool read_only = !vd_node_is_writable(node);
    bool unused = false;
    g_autofree char *node_name = NULL;

    take_no_parent(node, opts);
    vd_options_take_string(opts, "node-name", &node_name);
    if (!vd_options_take_bool(opts, "read-only", &read_only, error) ||
        !vd_options_take_bool(opts, "auto-read-only", &unused, error) ||
        !take_flag(node, opts, "force-share", VD_OPEN_FORCE_SHARE, error) ||
        !take_flag(node, opts, "cache.direct", VD_OPEN_DIRECT, error) ||
        !take_flag(node, opts, "cache.no-flush", VD_OPEN_NO_FLUSH, error) ||
        !take_discard(node, opts, error) ||
        !take_detect_zeroes(node, opts, error))
        return false;
    if (read_only)
        node->flags &= ~VD_OPEN_RDWR;
    return true;
}

/* -- after the driver ------------------------------------------------------ */

static void
merge_limits(VdNode *node)
{
    VdLimits *limits = &node->limits;

    for (guint i = 0; i < node->edges->len; i++) {
        const VdEdge *edge = g_ptr_array_index(node->edges, i);

        limits->opt_transfer =
            MAX(limits->opt_transfer, edge->node->limits.opt_transfer);
    }
    g_assert(limits->request_align > 0 && limits->mem_align > 0);
    g_assert((limits->request_align & (limits->request_align - 1)) == 0);
    g_assert((limits->mem_align & (limits->mem_align - 1)) == 0);
}

/* Somebody writes to the file below.  Raw readers do not mind, those of a
 * format would see tables and data that do not fit. */
static bool
settle_conflict(VdNode *node, GError **error)
{
    VdNode *file = vd_node_file(node);
    bool minds = !(node->driver->caps & VD_CAP_RAW) ||
                 (node->flags & VD_OPEN_STRICT_LOCK);

    if (!file || !file->lock_conflict)
        return true;
    if (node->driver->kind == VD_DRIVER_FILTER) {
        node->lock_conflict = g_steal_pointer(&file->lock_conflict);
        return true;
    }
    if (minds) {
        g_propagate_error(error, g_steal_pointer(&file->lock_conflict));
        return false;
    }
    vd_node_warn(node, "%s: read although somebody else writes to it",
                 vd_node_name(node));
    g_clear_error(&file->lock_conflict);
    return true;
}

static bool
lacks_parent(VdNode *node)
{
    VdNodeInfo info = {0};

    if (node->parent || !(node->driver->caps & VD_CAP_HAS_PARENT) ||
        !node->driver->get_info)
        return false;
    node->driver->get_info(node, &info);
    return info.backing_name != NULL;
}

/* In QEMU's words, which tell who does not know the option. */
static bool
check_leftover(const VdNode *node, const VdOptions *opts, GError **error)
{
    const char *key = vd_options_first(opts);
    bool leaf = node->driver->kind == VD_DRIVER_PROTOCOL;

    return !key || vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                            "Block %s '%s' %s support the option '%s'",
                            leaf ? "protocol" : "format", node->driver->name,
                            leaf ? "doesn't" : "does not", key);
}

static bool
after_open(VdNode *node, const VdOptions *opts, GError **error)
{
    VdNode *file = vd_node_file(node);

    if (node->size > (uint64_t) VD_MAX_SIZE)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: size %" PRIu64 " is above the maximum %" PRIu64,
                        vd_node_name(node), node->size, (uint64_t) VD_MAX_SIZE);
    if (!check_leftover(node, opts, error) || !settle_conflict(node, error))
        return false;
    merge_limits(node);
    if (file && strcmp(node->name, node->driver->name) == 0)
        vd_node_set_name(node, vd_node_name(file));
    node->parent_missing = lacks_parent(node);
    return true;
}

bool
vd_node_co_start(VdNode *node, const VdDriver *driver, VdOptions *opts,
                 GError **error)
{
    bool opened;

    vd_node_set_driver(node, driver);
    opened = driver->co_open(node, opts, error);
    if (opened && after_open(node, opts, error))
        return true;
    vd_node_co_discard_failed(node, opened);
    return false;
}

/* -- leaves ---------------------------------------------------------------- */

bool
vd_driver_is_file(const VdDriver *driver)
{
    return driver->schemes && g_strv_contains(driver->schemes, "file");
}

/* Which file it will be, to notice chains that bite their tail. */
static void
identify_co_file(VdNode *node, const VdDriver *driver, const VdOptions *opts)
{
    const char *path = vd_options_peek(opts, "filename");
    struct statx stx;

    if (!path || !vd_driver_is_file(driver))
        return;
    if (node->env->tx)
        path = vd_tx_translate(node->env->tx, path);
    if (vio_co_statx(vd_node_loop(node), AT_FDCWD, path, 0, STATX_INO, &stx) <
        0)
        return; /* opening will say why */
    node->file_id = (VdFileId){
        .known = true,
        .dev = (uint64_t) stx.stx_dev_major << 32 | stx.stx_dev_minor,
        .ino = stx.stx_ino,
    };
}

static bool
check_loop(const VdNode *node, GError **error)
{
    const VdFileId *id = &node->file_id;

    if (!id->known || !node->owner)
        return true;
    for (const VdNode *n = node->owner->owner; n; n = n->owner) {
        if (n->link < node->link && n->file_id.known &&
            n->file_id.dev == id->dev && n->file_id.ino == id->ino)
            return vd_throw(error, VD_ERROR_CORRUPT,
                            "%s: is its own parent: the chain comes back to "
                            "this file",
                            node->name);
    }
    return true;
}

/* The second try, with the first one's reason kept. */
static bool
start_co_shared(VdNode *node, const VdDriver *driver, VdOptions *opts,
                GError *conflict, GError **error)
{
    node->flags |= VD_OPEN_FORCE_SHARE;
    if (!vd_node_co_start(node, driver, opts, error)) {
        g_error_free(conflict);
        return false;
    }
    node->lock_conflict = conflict;
    return true;
}

/* Forget a first try: the driver has undone its own. */
static void
reset_for_retry(VdNode *node)
{
    g_clear_pointer(&node->state, g_free);
    node->driver = NULL;
    node->size = 0;
    node->limits = (VdLimits){.request_align = 1, .mem_align = 1};
}

bool
vd_node_co_start_leaf(VdNode *node, const VdDriver *driver, VdOptions *opts,
                      bool may_share, GError **error)
{
    g_autoptr(VdOptions) again = vd_options_copy(opts);
    GError *conflict = NULL;
    bool opened;

    identify_co_file(node, driver, opts);
    if (!check_loop(node, error)) {
        vd_node_free(node);
        return false;
    }
    if (!may_share || vd_node_is_writable(node) ||
        (node->flags & (VD_OPEN_FORCE_SHARE | VD_OPEN_STRICT_LOCK)))
        return vd_node_co_start(node, driver, opts, error);

    vd_node_set_driver(node, driver);
    opened = driver->co_open(node, opts, &conflict);
    if (opened && after_open(node, opts, &conflict))
        return true;
    if (!opened && vd_error_is(conflict, VD_ERROR_IN_USE)) {
        reset_for_retry(node);
        return start_co_shared(node, driver, again, conflict, error);
    }
    g_propagate_error(error, conflict);
    vd_node_co_discard_failed(node, opened);
    return false;
}
