/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/parent.c - finding the parent of a redo log.
 *
 * The hint in the descriptor may come from another machine, so several places
 * are tried; what counts is that the candidate's content id is the one that
 * the child remembers.  Order (options first):
 *
 *   parent=PATH
 *   the hint, if absolute
 *   the hint, from the child's directory
 *   its base name, in the child's directory
 *   ../LAST-DIRECTORY/BASE (linked clones copied as a tree)
 *   its base name in each of parent-dirs=DIR[:DIR...]
 *
 * Concurrency: open only.
 */
#include "formats/vmdk/driver.h"
#include "formats/vmdk/names.h"
#include "formats/vmdk/state.h"

#include "block/open.h"
#include "io/op.h"

#include <fcntl.h>
#include <string.h>

typedef struct {
    VmdkState *s;
    GHashTable *tried;
    char *mismatch; /* candidate whose content id differs */
    uint32_t mismatch_cid;
} Search;

typedef enum {
    TRY_FITS,
    TRY_NEXT,
    TRY_FAILED, /* exists, but cannot be used: error is set */
} TryResult;

/* The content id of what was opened as the parent. */
static bool
parent_cid(VdNode *parent, uint32_t *cid)
{
    const VmdkState *ps;

    if (vd_node_driver(parent) != &vd_vmdk_driver)
        return false;
    ps = vd_node_state(parent);
    *cid = ps->cid;
    return true;
}

static TryResult
parent_co_accept_or_drop(Search *search, VdNode *parent, const char *path)
{
    VmdkState *s = search->s;
    uint32_t cid = 0;

    if (parent_cid(parent, &cid) && cid == s->parent_cid)
        return TRY_FITS;
    if ((vd_node_flags(s->node) & VD_OPEN_IGNORE_CID) &&
        !vd_node_is_writable(s->node)) {
        vd_node_warn(s->node,
                     "%s: parent %s has content id %08x, the child was made "
                     "for %08x; its contents may be wrong",
                     vd_node_name(s->file), path, cid, s->parent_cid);
        return TRY_FITS;
    }
    if (!search->mismatch) {
        search->mismatch = g_strdup(path);
        search->mismatch_cid = cid;
    }
    vd_node_co_close_parent(s->node);
    return TRY_NEXT;
}

/* NOT_FOUND of a file that is there concerns something below it. */
static bool
parent_co_is_there(const VmdkState *s, const char *path)
{
    struct statx stx;

    return vio_co_statx(vd_node_loop(s->node), AT_FDCWD, path, 0, STATX_TYPE,
                        &stx) == 0;
}

static TryResult
parent_co_try_path(Search *search, const char *path, GError **error)
{
    VmdkState *s = search->s;
    g_autoptr(GError) failure = NULL;
    VdNode *parent;

    if (!g_hash_table_add(search->tried, g_strdup(path)))
        return TRY_NEXT;
    parent = vd_node_co_open_parent(s->node, path, "vmdk", &failure);
    if (parent)
        return parent_co_accept_or_drop(search, parent, path);
    if (vd_error_is(failure, VD_ERROR_NOT_FOUND) &&
        !parent_co_is_there(s, path))
        return TRY_NEXT;
    g_propagate_prefixed_error(error, g_steal_pointer(&failure),
                               "%s: parent: ", vd_node_name(s->file));
    return TRY_FAILED;
}

static TryResult
parent_co_try_beside(Search *search, const char *name, GError **error)
{
    g_autofree char *path =
        vd_path_combine(vd_node_name(search->s->file), name);

    return parent_co_try_path(search, path, error);
}

static TryResult
parent_co_try_clone_tree(Search *search, const char *hint, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(hint);
    g_autofree char *last = g_path_get_basename(dir);
    g_autofree char *base = g_path_get_basename(hint);
    g_autofree char *name = g_build_filename("..", last, base, NULL);

    if (!strcmp(last, ".") || !strcmp(last, "/") || !strcmp(last, ".."))
        return TRY_NEXT;
    return parent_co_try_beside(search, name, error);
}

static TryResult
parent_co_try_hint(Search *search, const char *hint, GError **error)
{
    g_autofree char *base = g_path_get_basename(hint);
    TryResult result = TRY_NEXT;

    if (!vmdk_name_is_foreign(hint))
        result = g_path_is_absolute(hint)
                     ? parent_co_try_path(search, hint, error)
                     : parent_co_try_beside(search, hint, error);
    if (result == TRY_NEXT)
        result = parent_co_try_beside(search, base, error);
    if (result == TRY_NEXT)
        result = parent_co_try_clone_tree(search, hint, error);
    return result;
}

static TryResult
parent_co_try_dirs(Search *search, const char *hint, const char *dirs,
                   GError **error)
{
    g_auto(GStrv) list = g_strsplit(dirs, ":", -1);
    g_autofree char *base = g_path_get_basename(hint);
    TryResult result = TRY_NEXT;

    for (unsigned i = 0; list[i] && result == TRY_NEXT; i++) {
        g_autofree char *path = g_build_filename(list[i], base, NULL);

        result = parent_co_try_path(search, path, error);
    }
    return result;
}

static bool
refuse(const Search *search, const char *hint, GError **error)
{
    const VmdkState *s = search->s;

    if (search->mismatch)
        return vd_throw(
            error, VD_ERROR_PARENT_MISMATCH,
            "%s: the parent %s was modified since this child was created: its "
            "content id is %08x, the child remembers %08x (to accept it as it "
            "is: vdisk-img repair --cid)",
            vd_node_name(s->file), search->mismatch, search->mismatch_cid,
            s->parent_cid);
    return vd_throw(error, VD_ERROR_NOT_FOUND,
                    "%s: parent \"%s\" (content id %08x) not found",
                    vd_node_name(s->file), hint, s->parent_cid);
}

static bool
parent_co_search_parent(VmdkState *s, const char *override, const char *dirs,
                        GError **error)
{
    const char *stored = vmdk_descriptor_get(s->desc, "parentFileNameHint");
    g_autofree char *hint = stored ? vmdk_name_localise(stored) : NULL;
    g_autoptr(GHashTable) tried =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Search search = {.s = s, .tried = tried};
    TryResult result = TRY_NEXT;
    bool ok;

    if (override)
        result = parent_co_try_path(&search, override, error);
    else if (hint)
        result = parent_co_try_hint(&search, hint, error);
    if (result == TRY_NEXT && !override && hint && dirs)
        result = parent_co_try_dirs(&search, hint, dirs, error);
    ok = result == TRY_FITS ||
         (result == TRY_NEXT &&
          refuse(&search, override ? override : (stored ? stored : ""), error));
    g_free(search.mismatch);
    return ok;
}

bool
vmdk_parent_co_open(VmdkState *s, VdOptions *opts, GError **error)
{
    g_autofree char *override = NULL, *dirs = NULL;

    vd_options_take_string(opts, "parent", &override);
    vd_options_take_string(opts, "parent-dirs", &dirs);
    if (!s->desc || !vmdk_has_parent(s) ||
        (vd_node_flags(s->node) & (VD_OPEN_NO_PARENT | VD_OPEN_NO_IO)))
        return true;
    return parent_co_search_parent(s, override, dirs, error);
}
