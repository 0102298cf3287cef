/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/grow.c - a longer disk.
 *
 * A table that has room in its region grows there.  Otherwise a copy of it gets
 * a new region at the end of the file.  The size in the metadata and, with a
 * new region, both region tables change together: in one entry of the log.
 *
 * Concurrency: no change of the disk is in flight; reads go on.
 */
#include "formats/blocks/grow.h"
#include "formats/vhdx/vhdx.h"

#include "block/rw.h"
#include "io/buffer.h"

#include <inttypes.h>

#define ENTRY_BYTES 8u
#define COPY_BYTES (1u << 20)

typedef struct {
    VhdxState *s;
    VhdxMetadata meta; /* as it will be; what it points to is the image's */
    VhdxRange table;   /* the region; the same as before = it stays */
    GArray *pages;     /* of VdPageWrite: what changes in one step */
} Growth;

static uint64_t
round_up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static bool
moves(const Growth *g)
{
    return g->table.off != g->s->regions.table.off;
}

/* -- pages of the step ----------------------------------------------------- */

static void
page_clear(gpointer data)
{
    VdPageWrite *write = data;

    g_free((uint8_t *) write->bytes);
}

/* The page at @off as it will be; read once. */
static uint8_t *
grow_co_page(Growth *g, uint64_t off, GError **error)
{
    VdPageWrite write = {.off = off, .len = VHDX_LOG_SECTOR};
    uint8_t *bytes;

    for (unsigned i = 0; i < g->pages->len; i++) {
        write = g_array_index(g->pages, VdPageWrite, i);
        if (write.off == off)
            return (uint8_t *) write.bytes;
    }
    bytes = g_malloc(VHDX_LOG_SECTOR);
    if (!vd_node_co_pread(g->s->file, off, bytes, VHDX_LOG_SECTOR, error)) {
        g_free(bytes);
        return NULL;
    }
    write = (VdPageWrite){.off = off, .bytes = bytes, .len = VHDX_LOG_SECTOR};
    g_array_append_val(g->pages, write);
    return bytes;
}

static bool
grow_co_change(Growth *g, uint64_t off, const uint8_t *bytes, size_t len,
               GError **error)
{
    for (size_t n; len; off += n, bytes += n, len -= n) {
        size_t within = off % VHDX_LOG_SECTOR;
        uint8_t *page = grow_co_page(g, off - within, error);

        if (!page)
            return false;
        n = MIN(len, VHDX_LOG_SECTOR - within);
        memcpy(page + within, bytes, n);
    }
    return true;
}

static bool
grow_co_change_size(Growth *g, GError **error)
{
    uint8_t raw[8];

    vio_put_le64(raw, g->meta.size);
    return grow_co_change(g, g->s->size_off, raw, sizeof(raw), error);
}

/* Both copies, whichever was sound, are alike afterwards. */
static bool
grow_co_change_regions(Growth *g, GError **error)
{
    g_autofree uint8_t *raw = g_malloc(VHDX_REGION_TABLE_BYTES);
    unsigned sound = g->s->regions.sound[0] ? 0 : 1;

    if (!moves(g))
        return true;
    if (!vd_node_co_pread(g->s->file, VHDX_REGION_TABLE_AT(sound), raw,
                          VHDX_REGION_TABLE_BYTES, error))
        return false;
    vhdx_region_table_set(raw, &g->table);
    for (unsigned i = 0; i < 2; i++)
        if (!grow_co_change(g, VHDX_REGION_TABLE_AT(i), raw,
                            VHDX_REGION_TABLE_BYTES, error))
            return false;
    return true;
}

/* -- the table ------------------------------------------------------------- */

static bool
grow_co_copy_table(const Growth *g, GError **error)
{
    VhdxState *s = g->s;
    VioLoop *loop = vd_node_loop(s->file);
    uint64_t len = s->blocks->spec.table.n * ENTRY_BYTES;
    void *buf = vio_co_buffer_get(loop, COPY_BYTES);
    bool ok = true;

    for (uint64_t done = 0, n; ok && done < len; done += n) {
        n = MIN(len - done, COPY_BYTES);
        ok = vd_node_co_pread(s->file, s->regions.table.off + done, buf, n,
                              error) &&
             vd_node_co_pwrite(s->file, g->table.off + done, buf, n, error);
    }
    vio_buffer_put(loop, buf, COPY_BYTES);
    return ok;
}

/* Entries that are added are zero.  Pages of the table are whole ones: the last
 * one that there was may have more than the disk needed. */
static bool
grow_co_prepare_table(Growth *g, GError **error)
{
    VhdxState *s = g->s;
    VdNode *file = s->file;
    uint64_t from = vhdx_table_entries(&s->meta) * ENTRY_BYTES;
    uint64_t end =
        round_up(vhdx_table_entries(&g->meta) * ENTRY_BYTES, VHDX_LOG_SECTOR);

    if (moves(g) && (!vd_node_co_truncate(file, g->table.off + g->table.len,
                                          VD_PREALLOC_OFF, error) ||
                     !grow_co_copy_table(g, error)))
        return false;
    return vd_node_co_write_zeroes(file, g->table.off + from, end - from, 0,
                                   error) &&
           vd_node_co_flush(file, error);
}

/* -- the step -------------------------------------------------------------- */

static void
take_regions(Growth *g)
{
    VhdxRegions *regions = &g->s->regions;

    if (!moves(g))
        return;
    vhdx_regions_move(regions, &regions->table, &g->table);
    regions->table = g->table;
    regions->sound[0] = regions->sound[1] = true;
}

static bool
grow_co_put(Growth *g, GError **error)
{
    VhdxState *s = g->s;
    bool ok;

    vio_co_mutex_lock(&s->blocks->flush_lock);
    s->log.file_bytes = vd_node_size(s->file);
    ok = vhdx_co_put(s->blocks, (const VdPageWrite *) (void *) g->pages->data,
                     g->pages->len, error) &&
         vd_node_co_flush(s->file, error);
    s->log.stuck |= !ok;
    vio_co_mutex_unlock(&s->blocks->flush_lock);
    return ok;
}

static bool
grow_co_switch(Growth *g, GError **error)
{
    VhdxState *s = g->s;
    VdBlocks *blocks = vhdx_blocks_new(s, &g->meta, &g->table, error);

    if (!blocks)
        return false;
    if (!grow_co_change_size(g, error) || !grow_co_change_regions(g, error) ||
        !grow_co_put(g, error)) {
        vd_blocks_free(blocks);
        return false;
    }
    take_regions(g);
    s->meta.size = g->meta.size;
    vd_blocks_co_swap(&s->blocks, blocks);
    return true;
}

/* -- all of it ------------------------------------------------------------- */

static void
plan_table(Growth *g)
{
    VhdxState *s = g->s;
    uint64_t bytes = vhdx_table_entries(&g->meta) * ENTRY_BYTES;

    g->table = s->regions.table;
    if (bytes <= g->table.len)
        return;
    g->table.off =
        round_up(MAX(vd_node_size(s->file), s->blocks->end), VHDX_MIB);
    g->table.len = round_up(bytes, VHDX_MIB);
}

static bool
grow_co_disk(Growth *g, GError **error)
{
    if (!vd_blocks_co_make_room(g->s->blocks, 0, error))
        return false;
    plan_table(g);
    return grow_co_prepare_table(g, error) && grow_co_switch(g, error);
}

bool
vhdx_co_resize(VdNode *node, const VdResize *how, GError **error)
{
    VhdxState *s = vd_node_state(node);
    Growth g = {.s = s, .meta = s->meta};
    uint64_t before = s->blocks->n;
    bool ok;

    if (!vd_blocks_check_resize(node, how, s->meta.logical, &g.meta.size,
                                error))
        return false;
    if (g.meta.size == vd_node_size(node))
        return true;
    if (!vhdx_metadata_check(&g.meta, vd_node_name(s->file), error))
        return false;
    g.pages = g_array_new(FALSE, FALSE, sizeof(VdPageWrite));
    g_array_set_clear_func(g.pages, page_clear);
    ok = grow_co_disk(&g, error);
    g_array_unref(g.pages);
    if (!ok)
        return false;
    return (!s->meta.leave_allocated && how->prealloc == VD_PREALLOC_OFF) ||
           vd_blocks_co_fill(s->blocks, before, how->prealloc, error);
}
