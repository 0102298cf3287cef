/* SPDX-License-Identifier: BSD-3-Clause */
/* api/commit.c - what a link of a chain holds goes into a link below it.
 *
 *   top  ->  between ...  ->  base  ->  ...
 *
 * The order, so that the top shows the same at every moment, whoever fails:
 *
 *   the top notes the content id that its parent will have
 *   the base grows, and takes over what the links above it determine
 *   flush of the base; if asked for, it is read back and compared
 *   if there are links between: the top names the base as its parent
 *   the base gets that content id
 *   the top forgets the old one
 *   the top is emptied (unless it is to be kept)
 *
 * All of it can be done again after an interruption.  What other children of
 * the base and the links between show is no longer what it was; they are named
 * in a warning, and nobody may have them open: they would hold the base.
 *
 * Concurrency: one coroutine; the copy inside is parallel.
 */
#include "api/copy.h"
#include "api/chain.h"

#include "block/name.h"

#include <inttypes.h>

typedef struct {
    VdContext *ctx;
    const VdCommitParams *params;
    VdCommitResult result;
    unsigned depth; /* of the base */
    VdDisk *disk;
    VdNode *top, *base;
    VdCopySums *sums; /* NULL: nothing is verified */
    char *base_name;  /* as the top is to store it; NULL = as it is */
    char *coming;
    bool noted, decided; /* the note is there; the base may have the new id */
} Commit;

/* -- who is who -------------------------------------------------------------
 */

/* What @link calls its parent; NULL = nothing. */
static const char *
stored_parent(VdNode *link)
{
    VdNodeInfo info = {0};

    if (vd_node_driver(link)->get_info != NULL)
        vd_node_driver(link)->get_info(link, &info);
    return info.backing_name;
}

/* @name, which is no path, is what @child calls its parent. */
static bool
is_called_so(VdNode *child, const char *name)
{
    return vd_name_kind(name, NULL) != VD_NAME_PATH &&
           g_strcmp0(stored_parent(child), name) == 0;
}

/* Paths count from here or from where the top is. */
static bool
parent_is_named(const VdNode *top, VdNode *child, const char *name)
{
    const VdNode *link = vd_node_parent(child);
    g_autofree char *beside = vd_path_combine(vd_node_file_name(top), name);

    return is_called_so(child, name) ||
           g_strcmp0(vd_node_name(link), name) == 0 ||
           vd_node_is_file_at(link, name) || vd_node_is_file_at(link, beside);
}

static bool
throw_no_base(const Commit *c, GError **error)
{
    return vd_throw(error, VD_ERROR_NOT_FOUND,
                    "Did not find '%s' in the backing chain of '%s'",
                    c->params->base, c->params->image.name);
}

static bool
throw_unopened(const Commit *c, GError **error)
{
    return vd_prefix(error, "Could not open '%s': ", c->params->image.name);
}

/* How far down the base is, from a look at the chain that changes nothing. */
static bool
commit_co_find_base(Commit *c, GError **error)
{
    const VdCommitParams *p = c->params;
    unsigned depth = 1;
    VdDisk *disk;
    VdNode *child;

    c->depth = 1;
    if (p->base == NULL)
        return true;
    disk = vd_chain_co_open_image(c->ctx, &p->image, 0, 0, error);
    if (disk == NULL)
        return throw_unopened(c, error);
    child = disk->node;
    while (vd_node_parent(child) != NULL &&
           !parent_is_named(disk->node, child, p->base)) {
        child = vd_node_parent(child);
        depth++;
    }
    c->depth = vd_node_parent(child) != NULL ? depth : 0;
    (void) vd_disk_co_close(disk, NULL); /* read-only: nothing to lose */
    return c->depth > 0 || throw_no_base(c, error);
}

/* Of the top; a base need not know of chains. */
static bool
check_driver(const VdNode *link, GError **error)
{
    const VdDriver *drv = vd_node_driver(link);

    if (drv->co_chain_begin != NULL && drv->co_set_parent != NULL)
        return true;
    if (!(drv->caps & VD_CAP_HAS_PARENT))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "Image does not have a backing file");
    return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: images of format '%s' cannot be committed",
                    vd_node_name(link), drv->name);
}

static bool
commit_co_open(Commit *c, GError **error)
{
    const VdCommitParams *p = c->params;

    c->disk = vd_chain_co_open_image(c->ctx, &p->image, VD_OPEN_RDWR, c->depth,
                                     error);
    if (c->disk == NULL)
        return throw_unopened(c, error);
    c->top = c->base = c->disk->node;
    if (!check_driver(c->top, error))
        return false;
    if (vd_node_parent(c->top) == NULL)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Image does not have a backing file");
    for (unsigned i = 0; i < c->depth; i++) {
        c->base = vd_node_parent(c->base);
        if (c->base == NULL)
            return throw_no_base(c, error);
    }
    return true;
}

/* -- who suffers ------------------------------------------------------------
 */

static VdNode *
link_above_base(const Commit *c)
{
    VdNode *link = c->top;

    while (vd_node_parent(link) != c->base)
        link = vd_node_parent(link);
    return link;
}

static void
warn_between(const Commit *c)
{
    for (const VdNode *n = vd_node_parent(c->top); n != c->base;
         n = vd_node_parent(n))
        vd_context_warn(c->ctx,
                        "%s: lies between the image and the base, and will not "
                        "be valid any more",
                        vd_node_name(n));
}

static bool
commit_co_warn_children(const Commit *c, GError **error)
{
    const VdDriver *drv = vd_node_driver(c->base);
    const VdNode *above = link_above_base(c);
    g_autoptr(GPtrArray) paths = NULL;

    if (drv->co_find_children == NULL)
        return true;
    if (!drv->co_find_children(c->base, &paths, error))
        return false;
    for (unsigned i = 0; i < paths->len; i++) {
        const char *path = g_ptr_array_index(paths, i);

        if (!vd_node_is_file_at(above, path) &&
            !vd_node_is_file_at(c->top, path))
            vd_context_warn(c->ctx,
                            "%s: is another child of %s, and will not be valid "
                            "any more",
                            path, vd_node_name(c->base));
    }
    return true;
}

/* -- the steps --------------------------------------------------------------
 */

static bool
commit_co_set_parent(Commit *c, const VdParentRef *ref, GError **error)
{
    return vd_node_driver(c->top)->co_set_parent(c->top, ref, error);
}

/* The present parent was accepted at open, by this id or by that of an earlier
 * commit; so this is a good moment to have it clear. */
static bool
commit_co_note(Commit *c, GError **error)
{
    VdParentRef ref = {.parent = vd_node_parent(c->top), .coming = c->coming};

    c->noted = commit_co_set_parent(c, &ref, error);
    return c->noted;
}

/* Bytes behind the end of the base are zero for the links above; what is below
 * the base must not shine through when it is longer. */
static bool
commit_co_grow(Commit *c, GError **error)
{
    uint64_t now = vd_node_size(c->base), wanted = vd_node_size(c->top);
    const VdNode *below = vd_node_parent(c->base);

    if (now >= wanted)
        return true;
    if (below != NULL && vd_node_size(below) > now)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: has %" PRIu64 " bytes and would have to grow to "
                        "%" PRIu64 ", where the longer parent %s would show",
                        vd_node_name(c->base), now, wanted,
                        vd_node_name(below));
    if (!vd_node_co_truncate(c->base, wanted, VD_PREALLOC_OFF, error))
        return vd_prefix(error, "growing the base: ");
    c->result.grown_from = now;
    return true;
}

/* The base as somebody else would find it, from its files. */
static bool
commit_co_verify(Commit *c, GError **error)
{
    const VdCommitParams *p = c->params;
    VdDisk *base;
    bool ok;

    if (c->sums == NULL)
        return true;
    base = vd_disk_co_open(c->ctx, vd_node_name(c->base),
                           vd_node_driver(c->base)->name, NULL,
                           VD_OPEN_TRY_DIRECT | VD_OPEN_NO_LOCK, NULL, error);
    if (base == NULL)
        return vd_prefix(error, "reading the base back: ");
    ok = vd_copy_co_verify(base, c->sums, p->progress, p->progress_opaque,
                           &c->result.verified, error);
    (void) vd_disk_co_close(base, NULL); /* read-only: nothing to lose */
    return ok;
}

static bool
commit_co_copy(Commit *c, GError **error)
{
    VdCopyParams params = {
        .sparse_size = UINT64_MAX,
        .skip_depth = c->depth,
        .rate_limit = c->params->rate_limit,
        .depth = c->params->depth,
        .sums = c->sums,
        .progress = c->params->progress,
        .progress_opaque = c->params->progress_opaque,
    };
    VdCopyResult copied;
    VdDisk base = {.ctx = c->ctx, .node = c->base, .env = c->disk->env};
    bool ok;

    vd_chain_forget(c->top);
    ok = vd_copy_co_disks(&c->disk, 1, &base, &params, NULL, &copied, error);
    vd_chain_forget(c->top);
    if (!ok || !vd_node_co_flush(c->base, error))
        return false;
    c->result.bytes_written = copied.bytes_written;
    c->result.bytes_zero = copied.bytes_zero;
    return true;
}

/* What is no path means the same from everywhere: as the link above names it.
 * NULL = it is one. */
static char *
name_elsewhere(const Commit *c)
{
    VdNode *link = link_above_base(c);
    const char *stored = stored_parent(link);
    g_autofree char *name = NULL;

    if (stored != NULL)
        name = vd_parent_locate(vd_node_driver(link), vd_node_file_name(link),
                                stored, NULL);
    return name != NULL &&
                   vd_name_kind(vd_name_strip_file(name), NULL) != VD_NAME_PATH
               ? g_steal_pointer(&name)
               : NULL;
}

/* What the top is to call the base, before anything is changed. */
static bool
find_base_name(Commit *c, GError **error)
{
    if (c->depth == 1)
        return true;
    c->base_name = name_elsewhere(c);
    if (c->base_name == NULL)
        c->base_name =
            vd_path_relative(vd_node_name(c->top), vd_node_name(c->base));
    return c->base_name != NULL ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: cannot name %s as its parent", vd_node_name(c->top),
                    vd_node_name(c->base));
}

/* From now on the links between are not needed. */
static bool
commit_co_step_over(Commit *c, GError **error)
{
    VdParentRef ref = {.name = c->base_name,
                       .parent = c->base,
                       .take_format = true,
                       .coming = c->coming};

    return c->depth == 1 || commit_co_set_parent(c, &ref, error);
}

static bool
commit_co_decide(Commit *c, GError **error)
{
    const VdDriver *base = vd_node_driver(c->base);
    VdParentRef ref = {.parent = c->base};

    c->decided = true;
    return (base->co_chain_end == NULL ||
            base->co_chain_end(c->base, c->coming, error)) &&
           commit_co_set_parent(c, &ref, error);
}

static bool
commit_co_empty(Commit *c, GError **error)
{
    const VdDriver *drv = vd_node_driver(c->top);

    if (c->params->keep_top || c->params->base != NULL ||
        drv->co_make_empty == NULL)
        return true;
    return drv->co_make_empty(c->top, error) ||
           vd_prefix(error, "committed, but the image is not emptied: ");
}

static bool
commit_co_steps(Commit *c, GError **error)
{
    const VdDriver *top = vd_node_driver(c->top);
    const VdDriver *base = vd_node_driver(c->base);

    return find_base_name(c, error) && commit_co_warn_children(c, error) &&
           (base->co_chain_begin == NULL ||
            base->co_chain_begin(c->base, VD_CHAIN_BASE, &c->coming, error)) &&
           top->co_chain_begin(c->top, VD_CHAIN_TOP, NULL, error) &&
           commit_co_note(c, error) && commit_co_grow(c, error) &&
           commit_co_copy(c, error) && commit_co_verify(c, error) &&
           commit_co_step_over(c, error) && commit_co_decide(c, error) &&
           commit_co_empty(c, error);
}

/* Before the base has a new content id the note can go again; if not it does no
 * harm. */
static void
commit_co_take_back(Commit *c)
{
    VdParentRef ref = {.parent = vd_node_parent(c->top)};

    if (c->noted && !c->decided)
        (void) commit_co_set_parent(c, &ref,
                                    NULL); /* the first failure counts */
}

static bool
commit_co_run(void *arg, GError **error)
{
    Commit *c = arg;
    bool ok = commit_co_find_base(c, error) && commit_co_open(c, error);

    if (ok) {
        warn_between(c);
        ok = commit_co_steps(c, error);
        if (!ok)
            commit_co_take_back(c);
    }
    if (c->disk != NULL)
        ok = vd_disk_co_close(c->disk, ok ? error : NULL) && ok;
    g_free(c->base_name);
    g_free(c->coming);
    return ok;
}

bool
vd_commit(VdContext *ctx, const VdCommitParams *params, VdCommitResult *result,
          GError **error)
{
    Commit commit = {.ctx = ctx, .params = params};
    bool ok;

    commit.sums = params->verify ? vd_copy_sums_new() : NULL;
    ok = vd_context_run(ctx, commit_co_run, &commit, error);
    vd_copy_sums_free(commit.sums);
    if (ok && result != NULL)
        *result = commit.result;
    return ok;
}
