/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/life/rename-plan.c - what a renamed link shall look like.
 *
 * Data files that are called after the descriptor ("x-flat.vmdk" of "x.vmdk")
 * are called after the new one; others keep their names, and come along if the
 * directory is another one.  What lies elsewhere stays there, as long as the
 * descriptor still says where.
 *
 * Concurrency: on a worker; the state does not change meanwhile.
 */
#include "formats/vmdk/life/rename.h"

#include "formats/vmdk/descriptor/names.h"

#include "block/open.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char *
real_directory(const char *path)
{
    g_autofree char *dir = g_path_get_dirname(path);
    char *real = realpath(dir, NULL);
    char *copy = g_strdup(real);

    free(real);
    return copy;
}

static bool
find_directories(VmdkRename *r, GError **error)
{
    r->old_dir = real_directory(r->old_path);
    if (!r->old_dir)
        return vd_throw_errno(error, errno, "%s", r->old_path);
    r->new_dir = real_directory(r->new_path);
    return r->new_dir || vd_throw_errno(error, errno, "%s", r->new_path);
}

static bool
stays_in_directory(const VmdkRename *r)
{
    return !strcmp(r->old_dir, r->new_dir);
}

/* -- data files
 * ------------------------------------------------------------------------- */

/* "OLD-rest" or "OLD.rest" becomes "NEW-rest"; NULL if it is not called after
 * the descriptor. */
static char *
follow_name(const VmdkRename *r, const char *name)
{
    g_autofree char *old_stem = vmdk_name_stem(r->old_path);
    g_autofree char *new_stem = vmdk_name_stem(r->new_path);
    size_t len = strlen(old_stem);

    if (strncmp(name, old_stem, len) || (name[len] != '-' && name[len] != '.'))
        return NULL;
    return g_strconcat(new_stem, name + len, NULL);
}

static bool
rewrite_reference(VmdkRename *r, const VmdkFile *file, const char *name,
                  GError **error)
{
    VmdkExtentLine line;

    if (!strcmp(file->name, name))
        return true;
    if (!g_utf8_validate(name, -1, NULL))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: a descriptor cannot name a file whose name is "
                        "not UTF-8",
                        r->new_path);
    r->text_changes = true;
    if (file->extent < 0)
        return vmdk_descriptor_set(r->desc, file->key, name, error);
    line = *vmdk_descriptor_extent(r->desc, (unsigned) file->extent);
    line.file = (char *) name;
    return vmdk_descriptor_set_extent(r->desc, (unsigned) file->extent, &line,
                                      error);
}

/* Two lines may name one file. */
static void
add_move(VmdkRename *r, const char *from, char *to)
{
    if (g_ptr_array_find_with_equal_func(r->from, from, g_str_equal, NULL)) {
        g_free(to);
        return;
    }
    g_ptr_array_add(r->from, g_strdup(from));
    g_ptr_array_add(r->to, to);
}

static bool
check_data_file(const VmdkRename *r, const VmdkFile *file, bool *missing,
                GError **error)
{
    struct stat st;

    *missing = lstat(file->path, &st) != 0;
    if (*missing && errno != ENOENT)
        return vd_throw_errno(error, errno, "%s", file->path);
    if (*missing)
        return file->extent < 0 || (r->flags & VD_RENAME_FORCE) ||
               vd_throw(error, VD_ERROR_NOT_FOUND,
                        "%s: its extent %s is missing", r->old_path,
                        file->path);
    if (S_ISREG(st.st_mode) || (S_ISLNK(st.st_mode) && stays_in_directory(r)))
        return true;
    return vd_throw(error, VD_ERROR_REFUSED,
                    "%s: its extent %s is no regular file and cannot be moved",
                    r->old_path, file->path);
}

static bool
plan_file(VmdkRename *r, const VmdkFile *file, GError **error)
{
    g_autofree char *name = NULL;
    bool missing;

    if (g_path_is_absolute(file->name) || vmdk_name_is_foreign(file->name))
        return true;
    if (strchr(file->name, '/'))
        return stays_in_directory(r) ||
               vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: its file %s lies in a directory of its own; only "
                        "the name can be changed, not the directory",
                        r->old_path, file->name);
    if (!check_data_file(r, file, &missing, error))
        return false;
    name = follow_name(r, file->name);
    if (!name)
        name = g_strdup(file->name);
    if (!rewrite_reference(r, file, name, error))
        return false;
    if (!missing && !(stays_in_directory(r) && !strcmp(name, file->name)))
        add_move(r, file->path, vd_path_combine(r->new_path, name));
    return true;
}

static bool
plan_files(VmdkRename *r, GError **error)
{
    g_autoptr(GPtrArray) files = vmdk_files(r->s);

    for (unsigned i = 0; i < files->len; i++)
        if (!plan_file(r, files->pdata[i], error))
            return false;
    return true;
}

/* The name in the line that describes the file it stands in: of no weight, so
 * one that a descriptor cannot hold is left as it was. */
static void
plan_embedded_name(VmdkRename *r)
{
    g_autofree char *old_base = g_path_get_basename(r->old_path);
    g_autofree char *new_base = g_path_get_basename(r->new_path);

    if (!g_utf8_validate(new_base, -1, NULL))
        return;
    for (unsigned i = 0; i < r->s->n_extents; i++) {
        VmdkExtentLine line = *vmdk_descriptor_extent(r->desc, i);

        if (r->s->extents[i].file != r->s->file ||
            g_strcmp0(line.file, old_base))
            continue;
        line.file = new_base;
        if (vmdk_descriptor_set_extent(r->desc, i, &line, NULL))
            r->text_changes = true;
    }
}

/* -- the parent
 * ------------------------------------------------------------------------- */

static bool
is_there(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

/* Where the hint leads now: as it stands, or its last name here. */
static char *
parent_place(const VmdkRename *r, const char *hint)
{
    g_autofree char *base = g_path_get_basename(hint);
    g_autofree char *beside = g_build_filename(r->old_dir, base, NULL);
    g_autofree char *as_named = g_canonicalize_filename(hint, r->old_dir);

    if (!is_there(as_named) && is_there(beside))
        return g_steal_pointer(&beside);
    return g_steal_pointer(&as_named);
}

static bool
plan_hint(VmdkRename *r, GError **error)
{
    const char *stored = vmdk_descriptor_get(r->desc, VMDK_HINT_KEY);
    g_autofree char *hint = stored ? vmdk_name_localise(stored) : NULL;
    g_autofree char *relative = NULL;

    if (!hint || stays_in_directory(r) || !vmdk_has_parent(r->s) ||
        g_path_is_absolute(hint) || vmdk_name_is_foreign(hint))
        return true;
    r->parent = parent_place(r, hint);
    relative = vmdk_name_relative(r->new_dir, r->parent);
    if (!strcmp(relative, hint))
        return true;
    r->text_changes = r->hint_changes = true;
    return vmdk_descriptor_set(r->desc, VMDK_HINT_KEY, relative, error);
}

char *
vmdk_rename_child_hint(const VmdkRename *r, const char *stored)
{
    g_autofree char *hint = stored ? vmdk_name_localise(stored) : NULL;
    g_autofree char *base = g_path_get_basename(r->new_path);
    g_autofree char *place = g_build_filename(r->new_dir, base, NULL);

    if (hint && g_path_is_absolute(hint) && !vmdk_name_is_foreign(hint))
        return g_steal_pointer(&place);
    return vmdk_name_relative(r->old_dir, place);
}

/* -- all of it
 * ------------------------------------------------------------------------- */

bool
vmdk_rename_plan(VmdkRename *r, GError **error)
{
    if (!r->s->desc)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: is one extent of a disk; rename the disk",
                        r->old_path);
    r->desc = vmdk_descriptor_copy(r->s->desc);
    if (!find_directories(r, error) || !plan_files(r, error) ||
        !plan_hint(r, error))
        return false;
    plan_embedded_name(r);
    return true;
}
