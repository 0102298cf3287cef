/* SPDX-License-Identifier: BSD-3-Clause */
/* block/name.c - the forms of names, and names relative to images.
 *
 * Concurrency: no state; any thread.
 */
#include "block/name.h"

#include "block/open.h"
#include "block/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FILE_PREFIX "file:"

VdNameKind
vd_name_kind(const char *name, char **scheme)
{
    size_t len = strcspn(name, ":/");

    if (g_str_has_prefix(name, VD_JSON_PREFIX))
        return VD_NAME_JSON;
    if (name[len] != ':')
        return VD_NAME_PATH;
    if (scheme)
        *scheme = g_strndup(name, len);
    return VD_NAME_SCHEME;
}

const VdDriver *
vd_name_driver(const char *name)
{
    g_autoptr(VdOptions) said = vd_options_new();
    g_autofree char *scheme = NULL;
    g_autofree char *other = NULL;
    const VdDriver *driver = NULL;

    if (vd_name_kind(name, &scheme) == VD_NAME_SCHEME)
        driver = vd_registry_find_scheme(scheme);
    if (driver && driver->parse_name && driver->parse_name(name, said, NULL))
        vd_options_take_string(said, "driver", &other);
    return other ? vd_registry_find(other) : driver;
}

const char *
vd_name_strip_file(const char *name)
{
    if (g_str_has_prefix(name, FILE_PREFIX))
        return name + strlen(FILE_PREFIX);
    return name;
}

size_t
vd_name_url_folder(const char *name)
{
    g_autofree char *scheme = NULL;
    const VdDriver *driver = NULL;
    const char *host = strstr(name, "://");
    size_t len = strcspn(name, "?#");

    if (host && vd_name_kind(name, &scheme) == VD_NAME_SCHEME)
        driver = vd_registry_find_scheme(scheme);
    if (!driver || !(driver->caps & VD_CAP_FOLDERS))
        return 0;
    host += strlen("://");
    while (len > (size_t) (host - name) && name[len - 1] != '/')
        len--;
    return len > (size_t) (host - name) ? len : 0;
}

/* -- paths inside of places ------------------------------------------------ */

static bool
has_inner_paths(const char *name)
{
    g_autofree char *scheme = NULL;
    const VdDriver *driver = NULL;

    if (vd_name_kind(name, &scheme) == VD_NAME_SCHEME)
        driver = vd_registry_find_scheme(scheme);
    return driver && (driver->caps & VD_CAP_INNER_PATHS);
}

size_t
vd_name_inner(const char *name)
{
    const char *place, *found = NULL;

    if (!has_inner_paths(name))
        return 0;
    place = strchr(name, ':') + 1;
    for (const char *p = place; (p = strstr(p, ":/")); p++)
        if (p[2] != '/')
            found = p;
    return found ? (size_t) (found - name) : 0;
}

char *
vd_name_inner_join(const char *place, const char *path)
{
    GString *name = g_string_new(place);

    g_string_append(name, *path == '/' ? ":" : ":/");
    for (; *path; path++) {
        g_string_append_c(name, *path);
        if (path[0] == ':' && path[1] == '/' && path[2] != '/')
            g_string_append_c(name, '/');
    }
    return g_string_free(name, FALSE);
}

size_t
vd_name_inner_folder(const char *name)
{
    return vd_name_inner(name) ? (size_t) (strrchr(name, '/') - name) + 1 : 0;
}

/* What an image there calls absolute is so at its place, too. */
static char *
inner_combine(const char *base, size_t inner, const char *child)
{
    g_autofree char *place = g_strndup(base, inner);
    const char *path = base + inner + 1;
    g_autofree char *beside = NULL;

    if (*child == '/')
        return vd_name_inner_join(place, child);
    beside = g_strdup_printf("%.*s%s", (int) (strrchr(path, '/') - path + 1),
                             path, child);
    return vd_name_inner_join(place, beside);
}

/* -- neighbours ------------------------------------------------------------ */

/* The neighbour @child of the URL @base, asked for in the same way: what stands
 * behind the path stays. */
static char *
url_combine(const char *base, size_t folder, const char *child)
{
    g_autofree char *encoded = g_uri_escape_string(child, "/", FALSE);

    return g_strdup_printf("%.*s%s%s", (int) folder, base, encoded,
                           base + strcspn(base, "?#"));
}

/* What an image stores is a path and nothing else: a relative name with a
 * colon must not turn into a scheme. */
char *
vd_path_combine(const char *base, const char *child)
{
    const char *slash;
    size_t folder = base ? vd_name_url_folder(base) : 0;
    size_t inner = base ? vd_name_inner(base) : 0;

    if (inner > 0)
        return inner_combine(base, inner, child);
    if (*child == '/')
        return g_strdup(child);
    if (folder > 0)
        return url_combine(base, folder, child);
    base = base ? vd_name_strip_file(base) : "";
    if (vd_name_kind(base, NULL) == VD_NAME_JSON)
        base = "";
    slash = strrchr(base, '/');
    if (slash)
        return g_strdup_printf("%.*s%s", (int) (slash - base + 1), base, child);
    if (vd_name_kind(child, NULL) != VD_NAME_PATH)
        return g_strconcat("./", child, NULL);
    return g_strdup(child);
}

/* "json:{...}" and "file:x" mean the same from everywhere. */
char *
vd_parent_combine(const char *base, const char *stored)
{
    return stored[strcspn(stored, ":/")] == ':' ? g_strdup(stored)
                                                : vd_path_combine(base, stored);
}

/* The same for a file that is not there (yet). */
static char *
resolve_new_place(const char *path, char **name)
{
    g_autofree char *dir = g_path_get_dirname(path);
    char *real = realpath(dir, NULL), *copy = g_strdup(real);

    free(real);
    if (copy)
        *name = g_path_get_basename(path);
    return copy;
}

/* The directory of @path and the name in it; the directory with all links
 * resolved, also those of the file itself. */
static char *
resolve_place(const char *path, char **name)
{
    char *real, *dir;

    path = vd_name_strip_file(path);
    if (vd_name_kind(path, NULL) != VD_NAME_PATH)
        return NULL;
    real = realpath(path, NULL);
    if (!real)
        return errno == ENOENT ? resolve_new_place(path, name) : NULL;
    dir = g_path_get_dirname(real);
    *name = g_path_get_basename(real);
    free(real);
    return dir;
}

/* Length of the directory that @a and @b lie in together, without a slash at
 * its end: 0 is the root. */
static size_t
common_length(const char *a, const char *b)
{
    size_t i = 0, common = 0;

    for (;; i++) {
        bool end_a = a[i] == '\0' || a[i] == '/';
        bool end_b = b[i] == '\0' || b[i] == '/';

        if (end_a && end_b)
            common = i;
        if (a[i] != b[i] || !a[i])
            return common;
    }
}

char *
vd_path_relative(const char *base, const char *path)
{
    g_autofree char *base_name = NULL, *name = NULL;
    g_autofree char *from = resolve_place(base, &base_name);
    g_autofree char *to = from ? resolve_place(path, &name) : NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    size_t common;

    if (!to)
        return NULL;
    common = common_length(from, to);
    if (common == 0 && strcmp(from, to) != 0)
        return g_build_filename(to, name, NULL);
    for (const char *p = from + common; *p; p++)
        if (*p == '/')
            g_string_append(text, "../");
    if (to[common] == '/' && to[common + 1])
        g_string_append_printf(text, "%s/", to + common + 1);
    g_string_append(text, name);
    return g_string_free(g_steal_pointer(&text), FALSE);
}
