/* SPDX-License-Identifier: BSD-3-Clause */
/* block/policy.c - which files may an image make us open?
 *
 * An image is hostile until shown otherwise: a descriptor that names
 * /etc/shadow as an extent must not be followed.  Names are compared after
 * all symbolic links are resolved.
 *
 * Concurrency: no state; any thread.  Does file system look-ups.
 */
#include "block/open.h"

#include "block/name.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* @path with all links resolved; a last component that does not exist is
 * kept as it is.  NULL if its directory does not exist.  Free with free(). */
static char *
resolve(const char *path)
{
    g_autofree char *dir = NULL, *base = NULL, *joined = NULL;
    char *real = realpath(path, NULL);
    char *real_dir;

    if (real)
        return real;
    dir = g_path_get_dirname(path);
    base = g_path_get_basename(path);
    if (strcmp(base, "..") == 0)
        return NULL;
    real_dir = realpath(dir, NULL);
    if (!real_dir)
        return NULL;
    joined = g_build_filename(real_dir, base, NULL);
    free(real_dir);
    return strdup(joined);
}

/* Both resolved. */
static bool
is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);

    if (strcmp(dir, "/") == 0)
        return true;
    return strncmp(path, dir, len) == 0 && path[len] == '/';
}

static bool
is_in_directory(const char *real_path, const char *dir)
{
    char *real_dir = realpath(dir, NULL);
    bool inside = real_dir && is_below(real_path, real_dir);

    free(real_dir);
    return inside;
}

/* Beside the image as it was named, or beside what that links to. */
static bool
is_beside(const char *real_path, const char *base)
{
    g_autofree char *dir = g_path_get_dirname(base);
    g_autofree char *real_dir = NULL;
    char *real_base;

    if (is_in_directory(real_path, dir))
        return true;
    real_base = realpath(base, NULL);
    if (!real_base)
        return false;
    real_dir = g_path_get_dirname(real_base);
    free(real_base);
    return is_in_directory(real_path, real_dir);
}

/* No device, pipe or socket: what does more than hold bytes of its own is never
 * allowed just for where its name is. */
static bool
is_plain(const char *real_path)
{
    struct stat st;

    return stat(real_path, &st) != 0 || S_ISREG(st.st_mode) ||
           S_ISDIR(st.st_mode);
}

static bool
is_allowed(const VdEnv *env, const char *real_path, const char *base)
{
    if (base && vd_name_kind(base, NULL) == VD_NAME_PATH &&
        is_plain(real_path) && is_beside(real_path, base))
        return true;
    for (unsigned i = 0; env->allow_paths && env->allow_paths[i]; i++) {
        if (is_in_directory(real_path, env->allow_paths[i]))
            return true;
    }
    return false;
}

/* Below the folder of @base on the same server, with nothing that leads out
 * again, whatever the server takes for a slash. */
static bool
is_url_beside(const char *base, const char *path)
{
    size_t folder = base ? vd_name_url_folder(base) : 0;
    g_autofree char *rest = NULL;
    g_auto(GStrv) parts = NULL;

    if (folder == 0 || strncmp(base, path, folder) != 0)
        return false;
    rest = g_uri_unescape_segment(
        path + folder, path + folder + strcspn(path + folder, "?#"), NULL);
    parts = g_strsplit_set(rest ? rest : "..", "/\\", -1);
    return !g_strv_contains((const char *const *) parts, "..");
}

/* The same inside of a place: paths there are plain. */
static bool
is_inner_beside(const char *base, const char *path)
{
    size_t folder = base ? vd_name_inner_folder(base) : 0;
    g_auto(GStrv) parts = NULL;

    if (folder == 0 || strncmp(base, path, folder) != 0 ||
        vd_name_inner(path) != vd_name_inner(base))
        return false;
    parts = g_strsplit(path + folder, "/", -1);
    return !g_strv_contains((const char *const *) parts, "..");
}

/* Somewhere at the place that @base is at. */
static bool
is_inner_same_place(const char *base, const char *path)
{
    size_t inner = vd_name_inner(base);

    return inner > 0 && vd_name_inner(path) == inner &&
           strncmp(base, path, inner) == 0;
}

/* Whatever env->allow_any_path says. */
static bool
check_contained(const VdEnv *env, const char *base, const char *path,
                GError **error)
{
    char *real_path;
    bool allowed, plain;

    if (is_url_beside(base, path) || is_inner_beside(base, path))
        return true;
    path = vd_name_strip_file(path);
    if (vd_name_kind(path, NULL) != VD_NAME_PATH)
        return vd_throw(error, VD_ERROR_REFUSED,
                        "%s: may not refer to '%s': not a path",
                        base ? base : "image", path);
    real_path = resolve(path);
    allowed = real_path && is_allowed(env, real_path,
                                      base ? vd_name_strip_file(base) : NULL);
    plain = !real_path || is_plain(real_path);
    free(real_path);
    if (allowed)
        return true;
    return vd_throw(error, VD_ERROR_REFUSED, "%s: may not refer to '%s': %s",
                    base ? base : "image", path,
                    plain ? "outside the directory of the image"
                          : "no plain file, and devices have to be allowed "
                            "explicitly");
}

/* An image on a server, or at a place of its own, knows nothing of the files
 * here, nor of other servers that may be reached from here. */
bool
vd_policy_check_parent(const VdEnv *env, const char *base, const char *path,
                       GError **error)
{
    bool elsewhere = vd_name_url_folder(base) > 0 || vd_name_inner(base) > 0;
    bool contain = env->contain_parents || (!env->allow_any_path && elsewhere);

    if (contain && !env->contain_parents && is_inner_same_place(base, path))
        return true;
    return !contain || check_contained(env, base, path, error);
}

bool
vd_policy_check(const VdEnv *env, const char *base, const char *path,
                GError **error)
{
    if (env->allow_any_path)
        return true;
    return check_contained(env, base, path, error);
}

/* Names in an image at a place of its own lead to that place only. */
bool
vd_policy_is_chosen(const VdNode *node)
{
    const char *image = vd_node_named_by(node);

    return image &&
           (vd_node_env(node)->allow_any_path || vd_name_inner(image) == 0);
}

bool
vd_policy_check_secret(const VdNode *node, const char *name, GError **error)
{
    return !vd_policy_is_chosen(node) ||
           vd_throw(error, VD_ERROR_REFUSED,
                    "%s: the name of a parent may not say how to be let in",
                    name);
}
