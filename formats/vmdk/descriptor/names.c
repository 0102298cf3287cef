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
    size_t stem = stem_length(path);
    const char *suffix = path + stem;

    if (kind == VMDK_NAME_FLAT)
        return g_strdup_printf("%.*s-flat%s", (int) stem, path, suffix);
    if (kind == VMDK_NAME_SESPARSE)
        return g_strdup_printf("%.*s-sesparse%s", (int) stem, path, suffix);
    return g_strdup_printf("%.*s-%c%03u%s", (int) stem, path,
                           kind == VMDK_NAME_SPLIT_FLAT ? 'f' : 's', index,
                           suffix);
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
