/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhd/grow.c - a longer disk.
 *
 * Entries of the table name sectors of the file, so the table grows where it
 * is; blocks in its way, and the footer, move to the end.
 *
 *   room - footer out of the way - more entries - header: so many entries -
 *   footer and its copy: the new size
 *
 * with a barrier between each two.  The header may tell of more entries than
 * the size needs, and the footer at the end decides on the size.
 *
 * A fixed disk has its footer copied to the new end before the old one, which
 * becomes a sector of the disk, is zeroed; then the one at the end changes.
 *
 * Concurrency: no change of the disk is in flight; reads go on.
 */
#include "formats/blocks/grow.h"
#include "formats/blocks/new.h"
#include "formats/vhd/vhd.h"

#include "block/rw.h"

#include <inttypes.h>

typedef struct {
    VhdState *s;
    uint64_t size;    /* bytes of the disk */
    VhdFooter footer; /* as they will be */
    VhdHeader hdr;
    uint64_t footer_off;
} Growth;

static uint64_t
whole_sectors(uint64_t bytes)
{
    return (bytes + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
}

/* -- the footers ----------------------------------------------------------- */

/* As it is, to where the next one will be. */
static bool
grow_co_copy_footer(const Growth *g, GError **error)
{
    return vd_node_co_pwrite(g->s->file, g->footer_off, g->s->raw,
                             sizeof(g->s->raw), error) &&
           vd_node_co_flush(g->s->file, error);
}

static bool
grow_co_write_footers(Growth *g, GError **error)
{
    VhdState *s = g->s;
    uint8_t raw[VHD_FOOTER_BYTES];

    memcpy(raw, s->raw, sizeof(raw));
    vhd_footer_set_size(&g->footer, raw);
    if (!vd_node_co_pwrite(s->file, g->footer_off, raw, sizeof(raw), error) ||
        !vd_node_co_flush(s->file, error))
        return false;
    memcpy(s->raw, raw, sizeof(raw));
    s->footer = g->footer;
    s->footer_bytes = VHD_FOOTER_BYTES;
    if (!s->blocks)
        return true;
    s->footer_differs = true;
    if (!vd_node_co_pwrite(s->file, 0, raw, sizeof(raw), error) ||
        !vd_node_co_flush(s->file, error))
        return false;
    s->footer_differs = false;
    return true;
}

/* -- fixed ----------------------------------------------------------------- */

static bool
grow_co_fixed(Growth *g, VdPrealloc prealloc, GError **error)
{
    VhdState *s = g->s;
    uint64_t from = vd_node_size(s->node), to;
    uint64_t old = vd_node_size(s->file) - s->footer_bytes;

    g->footer_off = MAX(g->size, old);
    to = prealloc == VD_PREALLOC_OFF
             ? MIN(old + VHD_FOOTER_BYTES, g->footer_off)
             : g->footer_off;
    if (!grow_co_copy_footer(g, error) ||
        !vd_node_co_write_zeroes(s->file, from, to - from, 0, error) ||
        !vd_node_co_flush(s->file, error) || !grow_co_write_footers(g, error))
        return false;
    vd_node_set_size(s->node, g->size);
    return true;
}

/* -- dynamic --------------------------------------------------------------- */

static bool
grow_co_move_footer(Growth *g, uint64_t table_end, GError **error)
{
    g->footer_off = whole_sectors(MAX(g->s->blocks->end, table_end));
    return grow_co_copy_footer(g, error);
}

static bool
grow_co_write_table(const Growth *g, GError **error)
{
    uint64_t from = g->s->blocks->n;
    uint64_t end = g->hdr.table_off + g->hdr.n_entries * UINT64_C(4);
    VdPagesLayout added = {.off = g->hdr.table_off + from * 4,
                           .entry_bytes = 4,
                           .big_endian = true};

    added.n = (whole_sectors(end) - added.off) / 4;
    return vd_blocks_co_fill_table(g->s->file, &added, VHD_ABSENT, 0, error) &&
           vd_node_co_flush(g->s->file, error);
}

/* What changes is in its first sector. */
static bool
grow_co_write_header(const Growth *g, GError **error)
{
    VdNode *file = g->s->file;
    uint64_t off = g->footer.header_off;
    g_autofree uint8_t *raw = g_malloc(VHD_HEADER_BYTES);

    if (!vd_node_co_pread(file, off, raw, VHD_HEADER_BYTES, error))
        return false;
    vhd_header_set_entries(raw, g->hdr.n_entries);
    return vd_node_co_pwrite(file, off, raw, VHD_SECTOR, error) &&
           vd_node_co_flush(file, error);
}

static bool
grow_co_switch(Growth *g, GError **error)
{
    VhdState *s = g->s;
    VdBlocks *blocks = vhd_blocks_new(s, &g->hdr, g->size, error);
    VdTable **bitmaps =
        blocks ? vd_bitmaps_directory(s->file, blocks->n, error) : NULL;

    if (!bitmaps || !grow_co_write_table(g, error) ||
        !grow_co_write_header(g, error) || !grow_co_write_footers(g, error)) {
        vd_blocks_free(blocks);
        g_free(bitmaps);
        return false;
    }
    s->hdr.n_entries = g->hdr.n_entries;
    blocks->spec.tail = VHD_FOOTER_BYTES;
    vd_bitmaps_grow(&s->bitmaps, bitmaps, blocks->n);
    vd_blocks_co_swap(&s->blocks, blocks);
    return true;
}

static bool
grow_co_dynamic(Growth *g, VdPrealloc prealloc, GError **error)
{
    VhdState *s = g->s;
    uint64_t before = s->blocks->n, end;
    uint64_t n = (g->size + g->hdr.block_bytes - 1) / g->hdr.block_bytes;

    g->hdr.n_entries = MAX(g->hdr.n_entries, (uint32_t) n);
    end = whole_sectors(g->hdr.table_off + g->hdr.n_entries * UINT64_C(4));
    if (g->footer.header_off + VHD_HEADER_BYTES > g->hdr.table_off &&
        g->footer.header_off < end)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: cannot be resized: its dynamic header at byte "
                        "%" PRIu64 " is behind the table",
                        vd_node_name(s->file), g->footer.header_off);
    return vd_blocks_co_make_room(s->blocks, end, error) &&
           grow_co_move_footer(g, end, error) && grow_co_switch(g, error) &&
           (prealloc == VD_PREALLOC_OFF ||
            vd_blocks_co_fill(s->blocks, before, prealloc, error));
}

/* -- both ------------------------------------------------------------------ */

static bool
plan_footer(Growth *g, GError **error)
{
    uint64_t sectors = g->size / VHD_SECTOR;

    if (sectors > VHD_MAX_SECTORS)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: a VHD of %" PRIu64 " bytes is above the maximum "
                        "of %" PRIu64,
                        vd_node_name(g->s->file), g->size,
                        VHD_MAX_SECTORS * VHD_SECTOR);
    g->footer.current_size = g->size;
    g->footer.geometry = vhd_geometry_of(sectors);
    if (vhd_shows_geometry(&g->footer))
        memcpy(g->footer.creator, VHD_CREATOR, sizeof(VHD_CREATOR));
    return true;
}

bool
vhd_co_resize(VdNode *node, const VdResize *how, GError **error)
{
    VhdState *s = vd_node_state(node);
    Growth g = {.s = s, .hdr = s->hdr};

    if (!vd_blocks_check_resize(node, how, VHD_SECTOR, &g.size, error))
        return false;
    if (g.size == vd_node_size(node))
        return true;
    /* That may mend footers. */
    if (s->blocks && !vd_blocks_co_begin(s->blocks, error))
        return false;
    g.footer = s->footer;
    return plan_footer(&g, error) &&
           (s->blocks ? grow_co_dynamic(&g, how->prealloc, error)
                      : grow_co_fixed(&g, how->prealloc, error));
}
