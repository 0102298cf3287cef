/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/name.c - the names of files on VMFS, turned into options and
 * back.
 *
 *   vmfs:EXTENT[,EXTENT]...[#KEY=VALUE[,KEY=VALUE]...][:/PATH]
 *
 * Where the path begins: block/name.h.  An extent whose own name has a comma or
 * '#' in it is given behind '#', as extent.N=NAME; so are options of extents.
 * What an image names beside itself is opened by the same name with another
 * path, which therefore has to say everything.
 *
 * Concurrency: no state.
 */
#include "block/proto/vmfs/state.h"

#include <string.h>

#include "block/error.h"
#include "block/name.h"

#define SCHEME "vmfs:"

/* -- from names ------------------------------------------------------------ */

static void
set_extents(VdOptions *opts, const char *list)
{
    g_auto(GStrv) names = g_strsplit(list, ",", -1);

    for (unsigned i = 0; names[i]; i++) {
        g_autofree char *key = g_strdup_printf("extent.%u", i);

        vd_options_set(opts, key, names[i]);
    }
}

bool
vmfs_parse_name(const char *name, VdOptions *opts, GError **error)
{
    const char *place = strchr(name, ':') + 1;
    size_t inner = vd_name_inner(name);
    size_t len = inner ? (size_t) (name + inner - place) : strlen(place);
    g_autofree char *extents = g_strndup(place, len);
    char *fragment = strchr(extents, '#');

    if (fragment)
        *fragment++ = '\0';
    if (fragment && !vd_options_parse(opts, fragment, error))
        return false;
    if (*extents)
        set_extents(opts, extents);
    vd_options_set(opts, "driver", "vmfs"); /* whatever stands there */
    vd_options_set(opts, "path", inner ? name + inner + 1 : "/");
    return true;
}

/* -- to names -------------------------------------------------------------- */

static void
add_option(GString *fragment, const char *key, const char *value)
{
    g_string_append_printf(fragment, "%c%s=", fragment->len ? ',' : '#', key);
    for (; *value; value++)
        g_string_append_len(fragment, *value == ',' ? ",," : value,
                            *value == ',' ? 2 : 1);
}

/* Everything that was given as "EDGE.KEY", as "AS.KEY"; none = false.  Where it
 * says a name, that of @child stands: what was given may hold what is not for
 * everybody. */
static bool
add_options_of_extent(GString *fragment, const VdOptions *given,
                      const char *edge, const char *as, VdNode *child)
{
    g_autoptr(VdOptions) copy = vd_options_copy(given);
    g_autoptr(VdOptions) sub = vd_options_take_sub(copy, edge);
    bool any = !vd_options_is_empty(sub);

    while (!vd_options_is_empty(sub)) {
        g_autofree char *key = g_strdup(vd_options_first(sub));
        g_autofree char *whole = g_strconcat(as, ".", key, NULL);
        g_autofree char *value = NULL;

        vd_options_take_string(sub, key, &value);
        add_option(fragment, whole,
                   strcmp(key, "filename") == 0 || strcmp(key, "url") == 0
                       ? vd_node_name(child)
                       : value);
    }
    return any;
}

/* Some may have been left out: the others are numbered anew. */
static void
add_extents(GString *fragment, const VdOptions *given, VdNode *node)
{
    const char *edge;
    VdNode *child;

    for (unsigned i = 0; (child = vd_node_nth_child(node, i, &edge)); i++) {
        g_autofree char *as = g_strdup_printf("extent.%u", i);

        if (!add_options_of_extent(fragment, given, edge, as, child))
            add_option(fragment, as, vd_node_name(child));
    }
}

/* NULL if one of them needs more than its name. */
static char *
list_extents(const VdOptions *given, VdNode *node)
{
    g_autoptr(GString) list = g_string_new(NULL), unused = g_string_new(NULL);
    const char *edge;
    VdNode *child;

    for (unsigned i = 0; (child = vd_node_nth_child(node, i, &edge)); i++) {
        const char *name = vd_node_name(child);

        if (strpbrk(name, ",#") ||
            add_options_of_extent(unused, given, edge, edge, child))
            return NULL;
        g_string_append_printf(list, "%s%s", i ? "," : "", name);
    }
    return g_string_free(g_steal_pointer(&list), FALSE);
}

char *
vmfs_make_name(const VdOptions *given, VdNode *node, const char *volume,
               const char *path)
{
    const VmfsState *s = vd_node_state(node);
    g_autoptr(GString) fragment = g_string_new(NULL);
    g_autofree char *list = list_extents(given, node);
    g_autofree char *place = NULL;

    if (!list)
        add_extents(fragment, given, node);
    if (volume)
        add_option(fragment, "volume", volume);
    if (vd_node_flags(node) & VD_OPEN_FORCE_SHARE)
        add_option(fragment, "force-share", "on");
    if (s->in_place)
        add_option(fragment, "write", "in-place");
    place = g_strconcat(SCHEME, list ? list : "", fragment->str, NULL);
    return vd_name_inner_join(place, path);
}
