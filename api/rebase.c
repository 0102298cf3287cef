/* SPDX-License-Identifier: BSD-3-Clause */
/* api/rebase.c - a link gets another parent.
 *
 * Safe: the holes of the link are filled with what the old chain shows there,
 * wherever the new one would show something else; flush; then the reference is
 * rewritten in one step.  Nothing that the link shows changes, at no moment.
 * What the link has and the new parent has just so may then go (dedup.h).
 * Unsafe: only the reference is rewritten, whatever that does.
 *
 * Concurrency: one coroutine; the copy inside is parallel.
 */
#include "api/chain.h"
#include "api/copy.h"
#include "api/dedup.h"

#include "block/name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    VdContext *ctx;
    const VdRebaseParams *params;
    VdRebaseResult result;
    char *file;          /* of the link: names in it count from there */
    char *path;          /* of the new parent, from here; NULL = none */
    char *name;          /* the same as it is to be stored */
    VdDisk *disk;        /* the link with its old chain */
    VdDisk *parent;      /* NULL = none, or not needed */
    VdProgress progress; /* of the copy, as it was last told */
    uint64_t to_compare; /* bytes of work that come after it */
} Rebase;

static bool
is_unsafe(const Rebase *r)
{
    return r->params->flags & VD_REBASE_UNSAFE;
}

static bool
is_dedup(const Rebase *r)
{
    return r->params->flags & VD_REBASE_DEDUP;
}

/* -- names ------------------------------------------------------------------
 */

static bool
rebase_name_absolute(Rebase *r, GError **error)
{
    char *real = realpath(vd_name_strip_file(r->path), NULL);

    if (real == NULL)
        return vd_throw(error, VD_ERROR_NOT_FOUND,
                        "%s: has no absolute name: %s", r->path,
                        g_strerror(errno));
    r->name = g_strdup(real);
    free(real);
    return true;
}

/* A name with a scheme means the same from everywhere. */
static bool
rebase_name_as_asked(Rebase *r, GError **error)
{
    unsigned flags = r->params->flags;
    bool is_path =
        vd_name_kind(vd_name_strip_file(r->path), NULL) == VD_NAME_PATH;

    if (is_path && (flags & VD_REBASE_ABSOLUTE))
        return rebase_name_absolute(r, error);
    if (!is_path || !(flags & VD_REBASE_RELATIVE)) {
        r->name = g_strdup(r->params->parent);
        return true;
    }
    r->name = vd_path_relative(r->file, r->path);
    return r->name != NULL ||
           vd_throw(error, VD_ERROR_NOT_FOUND,
                    "%s: cannot be named relative to %s", r->path, r->file);
}

/* What a name means is a matter of the link's format, and of where it is. */
static bool
rebase_set_names(Rebase *r, const VdNode *link, GError **error)
{
    const char *parent = r->params->parent;

    r->file = g_strdup(vd_node_file_name(link));
    if (parent == NULL || parent[0] == '\0') {
        r->name = g_strdup("");
        return true;
    }
    r->path = vd_parent_locate(vd_node_driver(link), r->file, parent, error);
    if (r->path == NULL)
        return vd_prefix(error, "%s: ", r->file);
    return rebase_name_as_asked(r, error);
}

/* -- opening ----------------------------------------------------------------
 */

/* Unsafe: only its header; and not at all if that is not asked for. */
static bool
rebase_co_open_parent(Rebase *r, unsigned flags, GError **error)
{
    flags |= r->params->parent_flags | VD_OPEN_STRICT_LOCK;
    r->parent = vd_disk_co_open_parent(r->ctx, r->file, r->path,
                                       r->params->parent_format,
                                       (VdOpenFlags) flags, error);
    if (r->parent != NULL)
        return true;
    return vd_prefix(
        error, "Could not open new backing file '%s': ", r->params->parent);
}

static bool
rebase_check_loop(const Rebase *r, GError **error)
{
    const char *own = r->file;

    for (const VdNode *n = r->parent != NULL ? r->parent->node : NULL;
         n != NULL; n = vd_node_parent(n)) {
        if (vd_node_is_file_at(n, own))
            return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                            "%s: would be its own parent", own);
    }
    return true;
}

static bool
rebase_co_open_link(Rebase *r, unsigned flags, GError **error)
{
    const VdDriver *drv;

    if (is_dedup(r))
        flags |= VD_OPEN_UNMAP;
    r->disk = vd_chain_co_open_image(r->ctx, &r->params->image,
                                     VD_OPEN_RDWR | flags, 0, error);
    if (r->disk == NULL)
        return vd_prefix(error, "Could not open '%s': ", r->params->image.name);
    drv = vd_node_driver(r->disk->node);
    if (drv->co_chain_begin != NULL && drv->co_set_parent != NULL &&
        (drv->co_uncover != NULL || !is_dedup(r)))
        return true;
    return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "Could not change the backing file to '%s': Operation not "
                    "supported\n%s: images of format '%s' have no parent.",
                    r->params->parent ? r->params->parent : "",
                    vd_node_name(r->disk->node), drv->name);
}

/* -- the steps --------------------------------------------------------------
 */

/* The copy is not all there is to do. */
static void
rebase_tell(const VdProgress *progress, void *opaque)
{
    Rebase *r = opaque;

    r->progress = *progress;
    r->progress.total += r->to_compare;
    r->params->progress(&r->progress, r->params->progress_opaque);
}

static bool
rebase_co_fill(Rebase *r, GError **error)
{
    VdCopyParams params = {
        .sparse_size = UINT64_MAX,
        .rate_limit = r->params->rate_limit,
        .depth = r->params->depth,
        .progress = r->params->progress != NULL ? rebase_tell : NULL,
        .progress_opaque = r,
    };
    VdCopyChoice choice = {.fill_holes = true, .against = r->parent};
    VdNode *node = r->disk->node;
    VdCopyResult copied;

    r->to_compare = is_dedup(r) ? vd_node_size(node) : 0;
    if (r->parent != NULL)
        choice.common_depth = vd_chain_find(node, r->parent->node);
    if (!vd_node_driver(node)->co_chain_begin(node, VD_CHAIN_TOP, NULL,
                                              error) ||
        !vd_copy_co_disks(&r->disk, 1, r->disk, &params, &choice, &copied,
                          error) ||
        !vd_node_co_flush(node, error))
        return false;
    r->result.bytes_written = copied.bytes_written;
    r->result.bytes_zero = copied.bytes_zero;
    return true;
}

static bool
rebase_co_switch(Rebase *r, GError **error)
{
    VdNode *node = r->disk->node;
    VdParentRef ref = {
        .name = r->name,
        .format = r->params->parent_format,
        .parent = r->parent != NULL ? r->parent->node : NULL,
    };

    return vd_node_driver(node)->co_set_parent(node, &ref, error) ||
           vd_prefix(error,
                     "Could not change the backing file to '%s': ", r->name);
}

static bool
rebase_co_dedup(Rebase *r, GError **error)
{
    VdMeter meter;
    bool ok;

    if (!is_dedup(r))
        return true;
    vd_meter_init(&meter, r->ctx->loop, r->params->progress,
                  r->params->progress_opaque);
    meter.now = r->progress;
    meter.now.done = r->progress.total - r->to_compare;
    meter.now.phase = "compare";
    ok = vd_dedup_co_run(r->ctx, r->disk->node,
                         r->parent != NULL ? r->parent->node : NULL, &meter,
                         &r->result.bytes_dropped, error);
    vd_meter_co_finish(&meter);
    return ok || vd_prefix(error,
                           "The backing file is '%s' now, but what equals it "
                           "could not be dropped: ",
                           r->name);
}

/* A look at the link, which is not held yet. */
static bool
rebase_co_look(Rebase *r, GError **error)
{
    VdDisk *disk =
        vd_chain_co_open_image(r->ctx, &r->params->image,
                               VD_OPEN_NO_IO | VD_OPEN_NO_PARENT |
                                   VD_OPEN_NO_EXTENTS | VD_OPEN_NO_LOCK,
                               0, NULL);
    bool ok;

    /* Whoever is to write to it has the better reasons why not. */
    if (disk == NULL)
        return rebase_co_open_link(r, 0, error) &&
               rebase_set_names(r, r->disk->node, error);
    ok = rebase_set_names(r, disk->node, error);
    (void) vd_disk_co_close(disk, NULL); /* was only looked at */
    return ok;
}

static bool
rebase_co_safely(Rebase *r, GError **error)
{
    return rebase_co_look(r, error) &&
           (r->path == NULL || rebase_co_open_parent(r, 0, error)) &&
           rebase_check_loop(r, error) &&
           (r->disk != NULL || rebase_co_open_link(r, 0, error)) &&
           rebase_co_fill(r, error) && rebase_co_switch(r, error) &&
           rebase_co_dedup(r, error);
}

/* A link that had no parent has no content id to go on with. */
static bool
needs_id(const Rebase *r)
{
    VdNodeInfo info = {0};
    const VdDriver *drv = vd_node_driver(r->disk->node);

    if (r->path == NULL)
        return false;
    if (drv->get_info != NULL)
        drv->get_info(r->disk->node, &info);
    return (r->params->flags & VD_REBASE_UPDATE_ID) ||
           info.backing_name == NULL;
}

static bool
rebase_co_unsafely(Rebase *r, GError **error)
{
    if (!rebase_co_open_link(r, VD_OPEN_NO_PARENT, error) ||
        !rebase_set_names(r, r->disk->node, error))
        return false;
    if (r->path != NULL && vd_node_is_file_at(r->disk->node, r->path))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: would be its own parent", r->path);
    return (!needs_id(r) || rebase_co_open_parent(
                                r, VD_OPEN_NO_PARENT | VD_OPEN_NO_IO, error)) &&
           rebase_co_switch(r, error);
}

static bool
rebase_co_run(void *arg, GError **error)
{
    Rebase *r = arg;
    bool ok = is_unsafe(r) ? rebase_co_unsafely(r, error)
                           : rebase_co_safely(r, error);

    if (r->disk != NULL)
        ok = vd_disk_co_close(r->disk, ok ? error : NULL) && ok;
    if (r->parent != NULL)
        (void) vd_disk_co_close(r->parent, NULL); /* only read */
    g_free(r->file);
    g_free(r->path);
    g_free(r->name);
    return ok;
}

static bool
rebase_check_params(const VdRebaseParams *params, GError **error)
{
    const unsigned names = VD_REBASE_RELATIVE | VD_REBASE_ABSOLUTE;

    if ((params->flags & names) == names)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "a name cannot be relative and absolute");
    if ((params->flags & VD_REBASE_DEDUP) && (params->flags & VD_REBASE_UNSAFE))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "nothing is compared when only the reference is "
                        "rewritten");
    return true;
}

bool
vd_rebase(VdContext *ctx, const VdRebaseParams *params, VdRebaseResult *result,
          GError **error)
{
    Rebase rebase = {.ctx = ctx, .params = params};
    bool ok = rebase_check_params(params, error) &&
              vd_context_run(ctx, rebase_co_run, &rebase, error);

    if (ok && result != NULL)
        *result = rebase.result;
    return ok;
}
