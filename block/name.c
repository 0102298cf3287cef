/* SPDX-License-Identifier: BSD-3-Clause */
/* block/name.c - the forms of names, and names relative to images.
 *
 * Concurrency: no state; any thread.
 */
#include "block/name.h"

#include "block/open.h"

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

const char *
vd_name_strip_file(const char *name)
{
    if (g_str_has_prefix(name, FILE_PREFIX))
        return name + strlen(FILE_PREFIX);
    return name;
}

/* What an image stores is a path and nothing else: a relative name with a
 * colon must not turn into a scheme. */
char *
vd_path_combine(const char *base, const char *child)
{
    const char *slash;

    if (*child == '/')
        return g_strdup(child);
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
