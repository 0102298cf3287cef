/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/chain/parent.c - finding the parent of a redo log.
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
#include "formats/vmdk/chain/chain.h"
#include "formats/vmdk/driver.h"
#include "formats/vmdk/descriptor/names.h"
#include "formats/vmdk/state.h"

#include "block/open.h"
#include "io/op.h"

#include <fcntl.h>
#include <string.h>

typedef struct {
    VmdkState *s;
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

/* While a commit's note stands, its parent may be on either side of it. */
static bool
is_wanted(const VmdkState *s, uint32_t cid)
{
    return cid == s->parent_cid ||
           (s->coming_cid != VMDK_CID_NONE && cid == s->coming_cid);
}

static TryResult
parent_co_accept_or_drop(Search *search, VdNode *parent, const char *path)
{
    VmdkState *s = search->s;
    uint32_t cid = 0;

    if (parent_cid(parent, &cid) && is_wanted(s, cid))
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

    parent = vd_node_co_open_parent(s->node, path, "vmdk", &failure);
    if (parent)
        return parent_co_accept_or_drop(search, parent, path);
    if (vd_error_is(failure, VD_ERROR_NOT_FOUND) &&
        !parent_co_is_there(s, path))
        return TRY_NEXT;
    g_propagate_error(error, g_steal_pointer(&failure));
    return TRY_FAILED;
}

/* -- places ---------------------------------------------------------------- */

static void
places_take(GPtrArray *places, char *path)
{
    if (g_ptr_array_find_with_equal_func(places, path, g_str_equal, NULL))
        g_free(path);
    else
        g_ptr_array_add(places, path);
}

static void
places_add_beside(GPtrArray *places, const VmdkState *s, const char *name)
{
    places_take(places, vd_path_combine(vd_node_name(s->file), name));
}

char *
vmdk_locate_parent(const char *child, const char *stored)
{
    g_autofree char *hint = vmdk_name_localise(stored);
    g_autofree char *base = NULL;

    if (!hint)
        return NULL;
    base = g_path_get_basename(hint);
    return vd_path_combine(child, vmdk_name_is_foreign(hint) ? base : hint);
}

static void
places_add_clone_tree(GPtrArray *places, const VmdkState *s, const char *hint)
{
    g_autofree char *dir = g_path_get_dirname(hint);
    g_autofree char *last = g_path_get_basename(dir);
    g_autofree char *base = g_path_get_basename(hint);
    g_autofree char *name = g_build_filename("..", last, base, NULL);

    if (strcmp(last, ".") && strcmp(last, "/") && strcmp(last, ".."))
        places_add_beside(places, s, name);
}

static void
places_add_dirs(GPtrArray *places, const char *hint, const char *dirs)
{
    g_auto(GStrv) list = g_strsplit(dirs, ":", -1);
    g_autofree char *base = g_path_get_basename(hint);

    for (unsigned i = 0; list[i]; i++)
        places_take(places, g_build_filename(list[i], base, NULL));
}

/* Where the parent may be, the likeliest first. */
static GPtrArray *
places_new(const VmdkState *s, const char *override, const char *dirs)
{
    const char *stored = vmdk_descriptor_get(s->desc, "parentFileNameHint");
    g_autofree char *hint = stored ? vmdk_name_localise(stored) : NULL;
    GPtrArray *places = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *base = NULL;

    if (override)
        places_take(places, g_strdup(override));
    if (override || !hint)
        return places;
    base = g_path_get_basename(hint);
    places_take(places, vmdk_locate_parent(vd_node_name(s->file), stored));
    places_add_beside(places, s, base);
    places_add_clone_tree(places, s, hint);
    if (dirs)
        places_add_dirs(places, hint, dirs);
    return places;
}

/* -- the search ------------------------------------------------------------ */

static bool
refuse(const Search *search, const char *hint, GError **error)
{
    const VmdkState *s = search->s;

    if (search->mismatch)
        return vd_throw(
            error, VD_ERROR_PARENT_MISMATCH,
            "%s: the parent %s was modified since this child was created: its "
            "content id is %08x, the child remembers %08x",
            vd_node_name(s->file), search->mismatch, search->mismatch_cid,
            s->parent_cid);
    return vd_throw(error, VD_ERROR_NOT_FOUND,
                    "%s: parent \"%s\" (content id %08x) not found",
                    vd_node_name(s->file), hint ? hint : "", s->parent_cid);
}

static bool
parent_co_search(VmdkState *s, const char *override, const char *dirs,
                 GError **error)
{
    g_autoptr(GPtrArray) places = places_new(s, override, dirs);
    Search search = {.s = s};
    TryResult result = TRY_NEXT;
    bool ok;

    for (guint i = 0; i < places->len && result == TRY_NEXT; i++)
        result = parent_co_try_path(&search, places->pdata[i], error);
    if (result == TRY_NEXT && !override)
        override = vmdk_descriptor_get(s->desc, "parentFileNameHint");
    ok = result == TRY_FITS ||
         (result == TRY_NEXT && refuse(&search, override, error));
    g_free(search.mismatch);
    return ok;
}

/* For those who ask where it is and do not want it opened. */
static void
parent_co_locate(VmdkState *s, const char *override, const char *dirs)
{
    g_autoptr(GPtrArray) places = places_new(s, override, dirs);

    for (guint i = 0; i < places->len && !s->parent_path; i++)
        if (parent_co_is_there(s, places->pdata[i]))
            s->parent_path = g_strdup(places->pdata[i]);
}

/* What a check reports rather than stumbles over. */
static bool
parent_keep_problem(VmdkState *s, GError *problem, GError **error)
{
    if ((vd_node_flags(s->node) & VD_OPEN_CHECK) &&
        (vd_error_is(problem, VD_ERROR_NOT_FOUND) ||
         vd_error_is(problem, VD_ERROR_PARENT_MISMATCH) ||
         vd_error_is(problem, VD_ERROR_CORRUPT))) {
        s->parent_problem = g_strdup(problem->message);
        g_error_free(problem);
        return true;
    }
    g_propagate_error(error, problem);
    return false;
}

bool
vmdk_parent_co_open(VmdkState *s, VdOptions *opts, GError **error)
{
    g_autofree char *override = NULL, *dirs = NULL;
    GError *problem = NULL;

    vd_options_take_string(opts, "parent", &override);
    vd_options_take_string(opts, "parent-dirs", &dirs);
    if (!s->desc || !vmdk_has_parent(s))
        return true;
    if (vd_node_flags(s->node) & (VD_OPEN_NO_PARENT | VD_OPEN_NO_IO)) {
        parent_co_locate(s, override, dirs);
        return true;
    }
    return parent_co_search(s, override, dirs, &problem) ||
           parent_keep_problem(s, problem, error);
}

/* -- repair -----------------------------------------------------------------
 */

/* The content id of the image at @path; false: that is no VMDK with one. */
static bool
parent_co_peek(const VmdkState *s, const char *path, uint32_t *cid)
{
    VdNode *node = vd_co_open(vd_node_env(s->node), path, "vmdk", NULL,
                              VD_OPEN_NO_PARENT | VD_OPEN_NO_IO, NULL);
    bool ok = node && parent_cid(node, cid) && *cid != VMDK_CID_NONE;

    if (node)
        (void) vd_node_co_close(node, NULL); /* read-only: nothing to lose */
    return ok;
}

bool
vmdk_parent_co_take_cid(VmdkState *s, uint32_t *old, uint32_t *now,
                        GError **error)
{
    g_autoptr(GPtrArray) places = places_new(s, NULL, NULL);
    uint32_t cid = s->parent_cid, before = s->parent_cid;
    bool found = false, ok = true;

    for (guint i = 0; i < places->len && !found; i++)
        found = parent_co_peek(s, places->pdata[i], &cid);
    if (!found)
        return vd_throw(error, VD_ERROR_NOT_FOUND,
                        "%s: no parent whose content id could be taken over",
                        vd_node_name(s->file));
    if (cid != before || s->coming_cid != VMDK_CID_NONE) {
        vio_co_mutex_lock(&s->desc_lock);
        s->parent_cid = cid;
        s->coming_cid = VMDK_CID_NONE;
        vmdk_descriptor_set_cid(s->desc, "parentCID", cid);
        vmdk_descriptor_remove(s->desc, VMDK_KEY_COMING);
        ok = vmdk_descriptor_co_store(s, error);
        vio_co_mutex_unlock(&s->desc_lock);
    }
    if (ok && old)
        *old = before;
    if (ok && now)
        *now = cid;
    return ok;
}
