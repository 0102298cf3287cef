/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vdi/grow.c - a longer disk.
 *
 * A table that has room in front of the blocks grows where it is.  Otherwise
 * the first places are vacated, and a longer table goes there; in it all places
 * count from where the blocks now begin.  The step from one table to the other
 * is one write of the header, which is a sector.
 *
 * Concurrency: no change of the disk is in flight; reads go on.
 */
#include "formats/blocks/grow.h"
#include "formats/blocks/new.h"
#include "formats/vdi/vdi.h"

#include "block/rw.h"

#include <inttypes.h>

#define ENTRY_BYTES 4u
#define ENTRIES_AT_ONCE (VD_PAGE_BYTES / ENTRY_BYTES)

typedef struct {
    VdiState *s;
    VdiHeader hdr;  /* as it will be */
    uint32_t moved; /* places that the table takes; 0 = it stays */
} Growth;

/* -- planning -------------------------------------------------------------- */

static bool
refuse_size(const VdiState *s, uint64_t size, GError **error)
{
    return vd_throw(error, VD_ERROR_LIMIT,
                    "%s: %" PRIu64 " bytes are above what a VDI image with its "
                    "blocks of %u bytes can have",
                    vd_node_name(s->file), size, s->hdr.block_bytes);
}

static bool
plan_move(Growth *g, uint64_t table_bytes, GError **error)
{
    uint64_t unit = g->s->blocks->spec.unit;
    uint64_t places = (table_bytes + unit - 1) / unit;
    uint64_t data = g->s->hdr.data_off + places * unit;

    if (g->s->hdr.old)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: VDI images of version 0 cannot be resized",
                        vd_node_name(g->s->file));
    if (data > UINT32_MAX)
        return refuse_size(g->s, g->hdr.size, error);
    g->moved = (uint32_t) places;
    g->hdr.table_off = g->s->hdr.data_off;
    g->hdr.data_off = (uint32_t) data;
    return true;
}

static bool
plan(Growth *g, uint64_t size, GError **error)
{
    uint64_t n = (size + g->hdr.block_bytes - 1) / g->hdr.block_bytes;

    if (n >= VDI_ZERO)
        return refuse_size(g->s, size, error);
    g->hdr.size = size;
    g->hdr.n_blocks = MAX(g->hdr.n_blocks, (uint32_t) n);
    if (g->hdr.table_off + g->hdr.n_blocks * (uint64_t) ENTRY_BYTES <=
        g->hdr.data_off)
        return true;
    return plan_move(g, g->hdr.n_blocks * (uint64_t) ENTRY_BYTES, error);
}

/* -- the table ------------------------------------------------------------- */

/* The entries of blocks that there are, with other numbers for their places. */
static bool
grow_co_copy_entries(const Growth *g, GError **error)
{
    const VdBlocks *blocks = g->s->blocks;
    g_autofree uint8_t *piece = g_malloc(VD_PAGE_BYTES);

    for (uint64_t i = 0; i < blocks->n; i += ENTRIES_AT_ONCE) {
        uint64_t n = MIN(ENTRIES_AT_ONCE, blocks->n - i);

        for (uint64_t k = 0; k < n; k++) {
            uint64_t value = 0;

            if (!vd_pages_co_get(blocks->pages, i + k, &value, error))
                return false;
            if (value < VDI_ZERO)
                value -= g->moved;
            vio_put_le32(piece + k * ENTRY_BYTES, (uint32_t) value);
        }
        if (!vd_node_co_pwrite(g->s->file, g->hdr.table_off + i * ENTRY_BYTES,
                               piece, n * ENTRY_BYTES, error))
            return false;
    }
    return true;
}

static bool
grow_co_write_table(const Growth *g, GError **error)
{
    uint64_t from = g->s->blocks->n;
    VdPagesLayout added = {.off = g->hdr.table_off + from * ENTRY_BYTES,
                           .n = g->hdr.n_blocks - from,
                           .entry_bytes = ENTRY_BYTES};
    VdNode *file = g->s->file;

    if (vd_node_size(file) < g->hdr.data_off &&
        !vd_node_co_truncate(file, g->hdr.data_off, VD_PREALLOC_OFF, error))
        return false;
    return (!g->moved || grow_co_copy_entries(g, error)) &&
           vd_blocks_co_fill_table(file, &added, VDI_ABSENT, 0, error) &&
           vd_node_co_flush(file, error);
}

/* -- the step -------------------------------------------------------------- */

/* The count of places goes from where blocks begin to behind the last one. */
static void
count_places(Growth *g)
{
    const VdBlocks *blocks = g->s->blocks;

    if (g->moved)
        g->hdr.n_allocated =
            (uint32_t) ((blocks->next - g->hdr.data_off) / blocks->spec.unit);
}

static bool
grow_co_switch(Growth *g, GError **error)
{
    VdiState *s = g->s;
    VdBlocks *blocks = vdi_blocks_new(s, &g->hdr, error);
    uint8_t raw[VDI_HEADER_BYTES];

    if (!blocks)
        return false;
    count_places(g);
    memcpy(raw, s->raw, sizeof(raw));
    vdi_header_set_layout(&g->hdr, raw);
    if (!vdi_co_put_header(s, raw, error) ||
        !vd_node_co_flush(s->file, error)) {
        vd_blocks_free(blocks);
        return false;
    }
    memcpy(s->raw, raw, sizeof(raw));
    s->hdr = g->hdr;
    vd_blocks_co_swap(&s->blocks, blocks);
    return true;
}

bool
vdi_co_resize(VdNode *node, const VdResize *how, GError **error)
{
    VdiState *s = vd_node_state(node);
    Growth g = {.s = s};
    uint64_t size, before = s->blocks->n;

    if (!vd_blocks_check_resize(node, how, VDI_SECTOR, &size, error))
        return false;
    if (size == vd_node_size(node))
        return true;
    /* The header changes with that: copied behind it. */
    if (!vd_blocks_co_begin(s->blocks, error))
        return false;
    g.hdr = s->hdr;
    if (!plan(&g, size, error) ||
        !vd_blocks_co_make_room(s->blocks, g.moved ? g.hdr.data_off : 0,
                                error) ||
        !grow_co_write_table(&g, error))
        return false;
    if (!g.moved)
        g.hdr.n_allocated = s->hdr.n_allocated;
    if (!grow_co_switch(&g, error))
        return false;
    return (s->hdr.type != VDI_STATIC && how->prealloc == VD_PREALLOC_OFF) ||
           vd_blocks_co_fill(s->blocks, before, how->prealloc, error);
}
