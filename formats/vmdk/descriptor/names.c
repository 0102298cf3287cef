/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/descriptor/names.c - names of the files that belong to one disk.
 *
 * Concurrency: pure functions.
 */
#include "formats/vmdk/descriptor/names.h"

#include <string.h>

/* The dot of the last component's suffix, or the end. */
static size_t
stem_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *last = slash ? slash + 1 : path;
    const char *dot = strrchr(last, '.');

    return dot && dot != last ? (size_t) (dot - path) : strlen(path);
}

char *
vmdk_name_extent(const char *path, VmdkNameKind kind, unsigned index)
{
    static const char *const ends[] = {
        [VMDK_NAME_FLAT] = "flat",
        [VMDK_NAME_SESPARSE] = "sesparse",
        [VMDK_NAME_DELTA] = "delta",
    };
    size_t stem = stem_length(path);
    const char *suffix = path + stem;

    if (ends[kind])
        return g_strdup_printf("%.*s-%s%s", (int) stem, path, ends[kind],
                               suffix);
    return g_strdup_printf("%.*s-%c%03u%s", (int) stem, path,
                           kind == VMDK_NAME_SPLIT_FLAT ? 'f' : 's', index,
                           suffix);
}

char *
vmdk_name_stem(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t start = slash ? (size_t) (slash + 1 - path) : 0;

    return g_strndup(path + start, stem_length(path) - start);
}

/* How much of both is the same, in whole components. */
static size_t
common_length(const char *from, const char *path)
{
    size_t common = 0, i = 0;

    for (; from[i] && from[i] == path[i]; i++)
        if (from[i] == '/')
            common = i;
    return !from[i] && path[i] == '/' ? i : common;
}

char *
vmdk_name_relative(const char *from, const char *path)
{
    size_t common = common_length(from, path);
    const char *rest = from + common;
    GString *name = g_string_new(NULL);

    for (; *rest; rest++)
        if (*rest == '/' && rest[1])
            g_string_append(name, "../");
    g_string_append(name, path + common + (path[common] == '/'));
    return g_string_free(name, FALSE);
}

static bool
is_drive(const char *name)
{
    return g_ascii_isalpha(name[0]) && name[1] == ':';
}

char *
vmdk_name_localise(const char *stored)
{
    if (g_str_has_prefix(stored, "file:"))
        stored += 5;
    if (!*stored || g_str_has_prefix(stored, "json:") || strstr(stored, "://"))
        return NULL;
    return g_strdelimit(g_strdup(stored), "\\", '/');
}

bool
vmdk_name_is_foreign(const char *localised)
{
    return is_drive(localised) || g_str_has_prefix(localised, "//");
}
