/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/resize/grow.c - a longer disk.
 *
 * The last extent grows; that of a split disk up to the size of the others, and
 * more extents follow.
 *
 * Concurrency: as resize.c says.
 */
#include "formats/vmdk/resize/resize.h"

#include <inttypes.h>

typedef struct {
    VmdkState *s;
    const VdResize *how;
    uint64_t size;
    uint64_t last_len; /* of the last extent when all is done */
    uint64_t piece;    /* bytes of a full extent; 0 = no more extents */
    VmdkPieces pieces;
    VmdkDescriptor *next;
} Growth;

static VmdkExtent *
last_extent(const VmdkState *s)
{
    return &s->extents[s->n_extents - 1];
}

static void
plan(Growth *g)
{
    const VmdkExtent *last = last_extent(g->s);

    g->piece = vmdk_pieces_size(g->s);
    g->last_len = g->size - last->start;
    if (g->piece)
        g->last_len = MIN(g->last_len, MAX(last->len, g->piece));
}

static bool
check_plan(const Growth *g, GError **error)
{
    const VmdkState *s = g->s;
    const VmdkExtent *last = last_extent(s);
    uint64_t rest = g->size - last->start - g->last_len;

    if (last->access != VMDK_ACCESS_RW || !last->ops->co_grow)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: the last extent, %s %s, cannot grow",
                        vd_node_name(s->file), vmdk_access_name(last->access),
                        vmdk_extent_type_name(last->type));
    if (rest && rest / g->piece >= VMDK_MAX_EXTENTS - s->n_extents)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: size of %" PRIu64
                        " bytes would need more than %d extents",
                        vd_node_name(s->file), g->size, VMDK_MAX_EXTENTS);
    return true;
}

static bool
grow_co_last(const Growth *g, GError **error)
{
    VmdkExtent *last = last_extent(g->s);

    return g->last_len == last->len ||
           (last->ops->co_grow(last, g->last_len, g->how->prealloc, error) &&
            vmdk_resize_text_set_len(g->next, g->s->n_extents - 1, g->last_len,
                                     error));
}

static bool
grow_co_pieces(Growth *g, GError **error)
{
    uint64_t off = last_extent(g->s)->start + g->last_len;

    for (uint64_t len; off < g->size; off += len) {
        len = MIN(g->piece, g->size - off);
        if (!vmdk_pieces_co_add(&g->pieces, g->next, len, g->how->prealloc,
                                error))
            return false;
    }
    return vmdk_pieces_co_sync(&g->pieces, error);
}

static void
grow_co_accept(Growth *g)
{
    last_extent(g->s)->len = g->last_len;
    vmdk_pieces_co_accept(&g->pieces);
    vd_node_set_size(g->s->node, g->size);
}

static bool
grow_co_run(Growth *g, GError **error)
{
    bool on_disk = false, ok;

    g->next = vmdk_resize_text(g->s, g->size, g->how->keep_geometry, error);
    ok =
        g->next && grow_co_last(g, error) && grow_co_pieces(g, error) &&
        vmdk_resize_co_switch(g->s, g_steal_pointer(&g->next), &on_disk, error);
    g_clear_pointer(&g->next, vmdk_descriptor_free);
    if (ok)
        grow_co_accept(g);
    else
        vmdk_pieces_co_drop(&g->pieces, on_disk);
    return ok;
}

bool
vmdk_resize_co_grow(VmdkState *s, uint64_t size, const VdResize *how,
                    GError **error)
{
    Growth g = {.s = s, .how = how, .size = size};

    plan(&g);
    if (!check_plan(&g, error) || !vmdk_co_note_resize(s, error))
        return false;
    vmdk_pieces_init(&g.pieces, s);
    return grow_co_run(&g, error);
}
