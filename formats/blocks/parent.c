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

typedef enum { MISSING, UNWANTED, WANTED, FAILED } Verdict;

/* By its header alone: a candidate has a chain of its own, and to open that for
 * each one at each level would take for ever where somebody has arranged it. */
static Verdict
candidate_co_judge(VdNode *child, const char *path, const char *format,
                   VdIsParent is_wanted, GError **error)
{
    g_autoptr(GError) failure = NULL;
    VdNode *node = vd_node_co_peek_parent(child, path, format, &failure);
    Verdict verdict;

    if (!node) {
        if (vd_error_is(failure, VD_ERROR_NOT_FOUND))
            return MISSING;
        g_propagate_error(error, g_steal_pointer(&failure));
        return FAILED;
    }
    verdict = is_wanted(child, node) ? WANTED : UNWANTED;
    (void) vd_node_co_close(node, NULL); /* read-only: nothing to lose */
    return verdict;
}

bool
vd_places_co_open_parent(const GPtrArray *places, VdNode *child,
                         const char *format, VdIsParent is_wanted,
                         const char **mismatch, GError **error)
{
    *mismatch = NULL;
    for (unsigned i = 0; i < places->len; i++) {
        const char *path = places->pdata[i];
        Verdict verdict =
            candidate_co_judge(child, path, format, is_wanted, error);

        if (verdict == FAILED)
            return false;
        if (verdict == WANTED)
            return vd_node_co_open_parent(child, path, format, error) != NULL;
        if (verdict == UNWANTED)
            *mismatch = path;
    }
    return true;
}
