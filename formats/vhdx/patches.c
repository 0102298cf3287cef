/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/patches.c - what a file would be if its log were replayed.
 *
 * Pieces that do not overlap, in a tree by their offsets.  They come in from
 * the newest to the oldest, and of each what is not covered yet.
 *
 * Concurrency: immutable once made; never yields.
 */
#include "formats/vhdx/patches.h"

struct VhdxPatches {
    GTree *tree; /* of VhdxPatch by itself */
    void *keep;
    GDestroyNotify free_keep;
};

static gint
compare_patches(gconstpointer a, gconstpointer b, gpointer unused)
{
    const VhdxPatch *x = a, *y = b;

    return x->off < y->off ? -1 : x->off > y->off;
}

/* The first that ends behind @off. */
static const VhdxPatch *
find_behind(const VhdxPatches *patches, uint64_t off)
{
    const VhdxPatch key = {.off = off};
    GTreeNode *node = g_tree_upper_bound(patches->tree, &key);
    GTreeNode *before =
        node ? g_tree_node_previous(node) : g_tree_node_last(patches->tree);
    const VhdxPatch *patch = before ? g_tree_node_key(before) : NULL;

    if (patch && patch->off + patch->len > off)
        return patch;
    return node ? g_tree_node_key(node) : NULL;
}

bool
vhdx_patches_find(const VhdxPatches *patches, uint64_t off, uint64_t len,
                  uint64_t *n, VhdxPatch *patch)
{
    const VhdxPatch *found = find_behind(patches, off);
    uint64_t within;

    if (!found || found->off > off) {
        *n = found ? MIN(len, found->off - off) : len;
        return false;
    }
    within = off - found->off;
    *patch = (VhdxPatch){.off = off,
                         .len = found->len - within,
                         .bytes = found->bytes ? found->bytes + within : NULL};
    *n = MIN(len, patch->len);
    return true;
}

static void
add_piece(VhdxPatches *patches, const VhdxPatch *patch, uint64_t off,
          uint64_t len)
{
    VhdxPatch *piece = g_new(VhdxPatch, 1);
    uint64_t within = off - patch->off;

    *piece = (VhdxPatch){.off = off,
                         .len = len,
                         .bytes = patch->bytes ? patch->bytes + within : NULL};
    g_tree_insert(patches->tree, piece, NULL);
}

static void
add_uncovered(VhdxPatches *patches, const VhdxPatch *patch)
{
    uint64_t off = patch->off, end = off + patch->len, n;
    VhdxPatch newer;

    for (; off < end; off += n)
        if (!vhdx_patches_find(patches, off, end - off, &n, &newer))
            add_piece(patches, patch, off, n);
}

VhdxPatches *
vhdx_patches_new(const GArray *list, void *keep, GDestroyNotify free_keep)
{
    VhdxPatches *patches = g_new(VhdxPatches, 1);

    patches->tree = g_tree_new_full(compare_patches, NULL, g_free, NULL);
    patches->keep = keep;
    patches->free_keep = free_keep;
    for (unsigned i = list->len; i-- > 0;)
        add_uncovered(patches, &g_array_index(list, VhdxPatch, i));
    return patches;
}

void
vhdx_patches_free(VhdxPatches *patches)
{
    if (!patches)
        return;
    g_tree_unref(patches->tree);
    patches->free_keep(patches->keep);
    g_free(patches);
}

bool
vhdx_patches_each(const VhdxPatches *patches, VhdxPatchFunc fn, void *arg,
                  GError **error)
{
    for (GTreeNode *node = g_tree_node_first(patches->tree); node;
         node = g_tree_node_next(node))
        if (!fn(g_tree_node_key(node), arg, error))
            return false;
    return true;
}
