/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/blocks/parent.c - looking for the parent of a differencing disk.
 *
 * Concurrency: open only.
 */
#include "formats/blocks/parent.h"

#include "block/open.h"

#include <string.h>

GPtrArray *
vd_places_new(void)
{
    return g_ptr_array_new_with_free_func(g_free);
}

void
vd_places_add(GPtrArray *places, const char *path)
{
    if (!g_ptr_array_find_with_equal_func(places, path, g_str_equal, NULL))
        g_ptr_array_add(places, g_strdup(path));
}

static void
add_beside(GPtrArray *places, VdNode *child, const char *name)
{
    g_autofree char *path = vd_path_combine(vd_node_name(child), name);

    if (*name)
        vd_places_add(places, path);
}

void
vd_places_add_windows(GPtrArray *places, VdNode *child, const char *name,
                      bool relative)
{
    g_autofree char *slashed = g_strdelimit(g_strdup(name), "\\", '/');
    const char *last = strrchr(slashed, '/');

    if (relative)
        add_beside(places, child,
                   g_str_has_prefix(slashed, "./") ? slashed + 2 : slashed);
    add_beside(places, child, last ? last + 1 : slashed);
}

bool
vd_places_co_open_parent(const GPtrArray *places, VdNode *child,
                         const char *format, VdIsParent is_wanted,
                         const char **mismatch, GError **error)
{
    *mismatch = NULL;
    for (unsigned i = 0; i < places->len; i++) {
        g_autoptr(GError) failure = NULL;
        VdNode *parent =
            vd_node_co_open_parent(child, places->pdata[i], format, &failure);

        if (parent && is_wanted(child, parent))
            return true;
        if (parent) {
            *mismatch = places->pdata[i];
            vd_node_co_close_parent(child);
        } else if (!vd_error_is(failure, VD_ERROR_NOT_FOUND)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return false;
        }
    }
    return true;
}
