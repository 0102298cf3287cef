/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/fill-window.c - the grains of a filling in memory.
 *
 * Concurrency: one loop; nothing here yields.
 */
#include "formats/vmdk/stream/fill.h"

static int
compare_numbers(gconstpointer a, gconstpointer b, gpointer unused)
{
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

    return x < y ? -1 : x > y;
}

static void
grain_free(gpointer opaque)
{
    VmdkFillGrain *grain = opaque;

    g_free(grain->data);
    g_free(grain);
}

/* The key is part of the value. */
GTree *
vmdk_fill_grains_new(void)
{
    return g_tree_new_full(compare_numbers, NULL, NULL, grain_free);
}

VmdkFillGrain *
vmdk_fill_find(GTree *grains, uint64_t number)
{
    return g_tree_lookup(grains, &number);
}

VmdkFillGrain *
vmdk_fill_next(GTree *grains, uint64_t number)
{
    GTreeNode *node = g_tree_lower_bound(grains, &number);

    return node ? g_tree_node_value(node) : NULL;
}

VmdkFillGrain *
vmdk_fill_put(GTree *grains, uint64_t number, uint8_t *data)
{
    VmdkFillGrain *grain = g_new(VmdkFillGrain, 1);

    *grain = (VmdkFillGrain){.number = number, .data = data};
    g_tree_replace(grains, &grain->number, grain);
    return grain;
}

void
vmdk_fill_drop(GTree *grains, uint64_t number)
{
    (void) g_tree_remove(grains, &number);
}

VmdkFillGrain *
vmdk_fill_find_any(const VmdkFill *fill, uint64_t number)
{
    VmdkFillGrain *grain = vmdk_fill_find(fill->window, number);

    return grain ? grain : vmdk_fill_find(fill->leaving, number);
}

static void
move(GTree *from, GTree *to, VmdkFillGrain *grain)
{
    g_tree_steal(from, &grain->number);
    g_tree_replace(to, &grain->number, grain);
}

void
vmdk_fill_take(VmdkFill *fill, int n)
{
    VmdkFillGrain *grain;

    while (n-- > 0 && (grain = vmdk_fill_next(fill->window, 0)))
        move(fill->window, fill->leaving, grain);
}

void
vmdk_fill_give_back(VmdkFill *fill)
{
    VmdkFillGrain *grain;

    while ((grain = vmdk_fill_next(fill->leaving, 0)))
        if (vmdk_fill_find(fill->window, grain->number))
            vmdk_fill_drop(fill->leaving, grain->number);
        else
            move(fill->leaving, fill->window, grain);
}
