/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/life/rename.c - another name, or another directory, for one
 * link.
 *
 *   1. the data files get their new names as further ones (hard links)
 *   2. the descriptor: a new text under the new name, or, embedded, a further
 *      name too, and the text in it adjusted; durable.  Two names of one text
 *      in two directories find the parent by its whole path meanwhile.
 *   3. children that shall follow name the new one
 *   4. the old descriptor is put aside, the old names go, durable
 *
 * Up to 4 the disk works under its old name, from 2 on under its new one; so at
 * each moment there is a whole disk, and children find one.  A step that fails
 * takes back those before it.  What the new texts shall say: rename-plan.c.
 *
 * Concurrency: nobody else uses the disk: its files are held.
 */
#include "formats/vmdk/life/rename.h"

#include "formats/vmdk/chain/children.h"
#include "formats/vmdk/descriptor/names.h"

#include "block/open.h"
#include "io/offload.h"

#include <string.h>

#define DESCRIPTOR_ONLY (VD_OPEN_NO_IO | VD_OPEN_NO_EXTENTS | VD_OPEN_NO_PARENT)

typedef struct {
    VdNode *node; /* open for writing */
    VmdkDescriptor *old;
    bool changed;
} Child;

/* -- work that blocks
 * ------------------------------------------------------------------ */

typedef struct {
    VmdkRename *r;
    bool (*func)(VmdkRename *r, GError **error);
    GError *error;
    bool ok;
} Work;

static void
work_main(void *opaque)
{
    Work *work = opaque;

    work->ok = work->func(work->r, &work->error);
}

static bool
rename_co_work(VmdkRename *r, bool (*func)(VmdkRename *r, GError **error),
               GError **error)
{
    Work work = {.r = r, .func = func};

    vio_co_offload(vd_node_loop(r->s->node), work_main, &work);
    if (work.error)
        g_propagate_error(error, work.error);
    return work.ok;
}

static bool
link_data_files(VmdkRename *r, GError **error)
{
    for (unsigned i = 0; i < r->from->len; i++)
        if (!vd_moves_hold(r->moves, r->from->pdata[i], error))
            return false;
    for (unsigned i = 0; i < r->from->len; i++)
        if (!vd_moves_link(r->moves, r->from->pdata[i], r->to->pdata[i], error))
            return false;
    return true;
}

/* A disk of one file whose text may lag behind needs no second name, if the
 * file system cannot give it one. */
static bool
name_one_file(VmdkRename *r, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (vd_moves_link(r->moves, r->old_path, r->new_path, &failure))
        return true;
    if (vd_error_is(failure, VD_ERROR_NOT_SUPPORTED) && !r->from->len &&
        !r->hint_changes && !r->children->len) {
        r->moved = true;
        return vd_moves_rename(r->moves, r->old_path, r->new_path, error);
    }
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

static bool
name_descriptor(VmdkRename *r, GError **error)
{
    g_autofree char *text = NULL;
    size_t len;

    if (r->s->has_header)
        return name_one_file(r, error);
    text = vmdk_descriptor_text(r->desc, &len);
    return vd_moves_create(r->moves, r->new_path, text, len, r->old_path,
                           error);
}

static bool
make_new_names(VmdkRename *r, GError **error)
{
    return link_data_files(r, error) && name_descriptor(r, error) &&
           vd_moves_sync(r->moves, error);
}

/* Aside rather than away, so that this can be undone until all is durable. */
static bool
remove_text(VmdkRename *r, const char *aside, GError **error)
{
    return vd_moves_rename(r->moves, r->old_path, aside, error);
}

static bool
remove_data_names(VmdkRename *r, GError **error)
{
    for (unsigned i = 0; i < r->from->len; i++)
        if (!vd_moves_unlink(r->moves, r->from->pdata[i], r->to->pdata[i],
                             error))
            return false;
    return true;
}

static char *
aside_name(const char *path)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *name =
        g_strdup_printf(".vdisk-%08x", (unsigned) g_random_int());

    return g_build_filename(dir, name, NULL);
}

static bool
remove_old_names(VmdkRename *r, GError **error)
{
    g_autofree char *aside = aside_name(r->old_path);
    bool ok = true;

    if (!r->s->has_header)
        ok = remove_text(r, aside, error);
    else if (!r->moved)
        ok = vd_moves_unlink(r->moves, r->old_path, r->new_path, error);
    ok = ok && remove_data_names(r, error) && vd_moves_sync(r->moves, error);
    if (ok && !r->s->has_header &&
        !vd_moves_unlink(r->moves, aside, NULL, NULL))
        vd_node_warn(r->s->node, "%s: may be removed, it is left over", aside);
    return ok;
}

static bool
take_back(VmdkRename *r, GError **error)
{
    vd_moves_undo(r->moves);
    return true;
}

/* -- texts in place
 * -------------------------------------------------------------------- */

static bool
rename_co_embedded(VmdkRename *r, const char *path, const VmdkDescriptor *desc,
                   GError **error)
{
    VdNode *node =
        vd_co_open(vd_node_env(r->s->node), path, "vmdk", NULL,
                   VD_OPEN_RDWR | VD_OPEN_NO_LOCK | DESCRIPTOR_ONLY, error);
    bool ok;

    if (!node)
        return false;
    ok = vmdk_co_replace_descriptor(vd_node_state(node),
                                    vmdk_descriptor_copy(desc), error);
    return vd_node_co_close(node, ok ? error : NULL) && ok;
}

/* The one text of both names: its parent must be found from either. */
static bool
rename_co_hint_for_both(VmdkRename *r, const char *path,
                        const VmdkDescriptor *desc, GError **error)
{
    g_autoptr(VmdkDescriptor) both = vmdk_descriptor_copy(desc);

    if (r->hint_changes &&
        !vmdk_descriptor_set(both, VMDK_HINT_KEY, r->parent, error))
        return false;
    r->text_changed = true;
    return rename_co_embedded(r, path, both, error);
}

static bool
rename_co_prepare_text(VmdkRename *r, GError **error)
{
    return !r->s->has_header || !r->hint_changes ||
           rename_co_hint_for_both(r, r->old_path, r->s->desc, error);
}

/* If only the name of the file in its own text would be another one, readers
 * do not miss that. */
static bool
rename_co_adjust_text(VmdkRename *r, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (!r->s->has_header || !r->text_changes ||
        rename_co_hint_for_both(r, r->new_path, r->desc, &failure))
        return true;
    if (!r->hint_changes && !r->from->len &&
        (vd_error_is(failure, VD_ERROR_NO_SPACE) ||
         vd_error_is(failure, VD_ERROR_PERMISSION)))
        return true;
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

static bool
rename_co_finish_text(VmdkRename *r, GError **error)
{
    return !r->s->has_header || !r->hint_changes ||
           rename_co_embedded(r, r->new_path, r->desc, error);
}

/* -- children
 * --------------------------------------------------------------------------
 */

/* coroutine entry: closing yields */
static void
rename_co_close_children(VmdkRename *r)
{
    for (unsigned i = 0; i < r->children->len; i++) {
        Child *child = r->children->pdata[i];

        (void) vd_node_co_close(child->node, NULL); /* stored and synced */
        vmdk_descriptor_free(child->old);
        g_free(child);
    }
    g_ptr_array_set_size(r->children, 0);
}

static bool
rename_co_open_child(VmdkRename *r, const char *path, GError **error)
{
    VdNode *node = vd_co_open(vd_node_env(r->s->node), path, "vmdk", NULL,
                              VD_OPEN_RDWR | DESCRIPTOR_ONLY, error);
    const VmdkState *s = node ? vd_node_state(node) : NULL;
    Child *child;

    if (!node)
        return vd_prefix(error, "child %s: ", path);
    child = g_new0(Child, 1);
    child->node = node;
    child->old = vmdk_descriptor_copy(s->desc);
    g_ptr_array_add(r->children, child);
    return true;
}

static bool
refuse_children(const VmdkRename *r, const GPtrArray *paths, GError **error)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (unsigned i = 0; i < paths->len; i++)
        g_string_append_printf(names, "%s%s", i ? ", " : "",
                               (const char *) paths->pdata[i]);
    return vd_throw(error, VD_ERROR_REFUSED,
                    "%s: is the parent of %s, which would no longer find it; "
                    "have children follow, or force it",
                    r->old_path, names->str);
}

/* Children are opened before anything is changed: one in use stops it all. */
static bool
rename_co_find_children(VmdkRename *r, GError **error)
{
    g_autoptr(GPtrArray) paths = NULL;
    bool ok = true;

    if (!vmdk_children_co_find(r->s, &paths, error))
        return false;
    if (!(r->flags & VD_RENAME_CHILDREN)) {
        if (!paths->len)
            return true;
        if (!(r->flags & VD_RENAME_FORCE))
            return refuse_children(r, paths, error);
        vd_node_warn(r->s->node, "%s: %s will not find its parent any more",
                     r->old_path, (const char *) paths->pdata[0]);
        return true;
    }
    for (unsigned i = 0; ok && i < paths->len; i++)
        ok = rename_co_open_child(r, paths->pdata[i], error);
    return ok;
}

static bool
rename_co_adjust_child(VmdkRename *r, Child *child, GError **error)
{
    VmdkState *s = vd_node_state(child->node);
    g_autofree char *hint =
        vmdk_rename_child_hint(r, vmdk_descriptor_get(s->desc, VMDK_HINT_KEY));
    VmdkDescriptor *desc = vmdk_descriptor_copy(s->desc);

    if (!vmdk_descriptor_set(desc, VMDK_HINT_KEY, hint, error)) {
        vmdk_descriptor_free(desc);
        return false;
    }
    child->changed = true; /* even a failure may have written it */
    return vmdk_co_replace_descriptor(s, desc, error);
}

static bool
rename_co_adjust_children(VmdkRename *r, GError **error)
{
    for (unsigned i = 0; i < r->children->len; i++)
        if (!rename_co_adjust_child(r, r->children->pdata[i], error))
            return false;
    return true;
}

/* -- all of it
 * -------------------------------------------------------------------------
 */

/* As far as it goes: a child that cannot be written again names a disk that is
 * there no more, which its error message will say. */
static void
rename_co_undo(VmdkRename *r)
{
    for (unsigned i = 0; i < r->children->len; i++) {
        Child *child = r->children->pdata[i];

        if (child->changed)
            (void) vmdk_co_replace_descriptor(vd_node_state(child->node),
                                              vmdk_descriptor_copy(child->old),
                                              NULL);
    }
    (void) rename_co_work(r, take_back, NULL);
    if (r->text_changed)
        (void) rename_co_embedded(r, r->old_path, r->s->desc, NULL);
}

static bool
rename_co_do(VmdkRename *r, GError **error)
{
    bool ok = rename_co_prepare_text(r, error) &&
              rename_co_work(r, make_new_names, error) &&
              rename_co_adjust_text(r, error) &&
              rename_co_adjust_children(r, error) &&
              rename_co_work(r, remove_old_names, error) &&
              rename_co_finish_text(r, error);

    if (!ok)
        rename_co_undo(r);
    return ok;
}

bool
vmdk_co_rename(VdNode *node, const char *new_path, unsigned flags,
               VdMoves *moves, GError **error)
{
    VmdkState *s = vd_node_state(node);
    VmdkRename r = {
        .s = s,
        .old_path = vd_node_name(s->file),
        .new_path = new_path,
        .flags = flags,
        .moves = moves,
        .from = g_ptr_array_new_with_free_func(g_free),
        .to = g_ptr_array_new_with_free_func(g_free),
        .children = g_ptr_array_new(),
    };
    bool ok = rename_co_work(&r, vmdk_rename_plan, error) &&
              rename_co_find_children(&r, error) && rename_co_do(&r, error);

    rename_co_close_children(&r);
    g_ptr_array_unref(r.children);
    g_ptr_array_unref(r.from);
    g_ptr_array_unref(r.to);
    vmdk_descriptor_free(r.desc);
    g_free(r.parent);
    g_free(r.old_dir);
    g_free(r.new_dir);
    return ok;
}
