/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/blocks/blocks.c - a disk in blocks: its life, and where its bytes
 * are.
 *
 * Concurrency: one loop; looking up yields only to load a page of the table.
 */
#include "formats/blocks/blocks.h"

VdBlocks *
vd_blocks_new(VdNode *node, VdNode *file, const VdBlocksSpec *spec,
              GError **error)
{
    VdPages *pages = vd_pages_new(file, &spec->table, error);
    VdBlocks *blocks;

    if (!pages)
        return NULL;
    blocks = g_new0(VdBlocks, 1);
    blocks->node = node;
    blocks->file = file;
    blocks->spec = *spec;
    blocks->shift = (unsigned) g_bit_storage(spec->block_bytes) - 1;
    blocks->n = (spec->size + spec->block_bytes - 1) >> blocks->shift;
    blocks->pages = pages;
    blocks->allocating = vio_range_lock_new();
    return blocks;
}

void
vd_blocks_free(VdBlocks *blocks)
{
    if (!blocks)
        return;
    vio_range_lock_free(blocks->allocating);
    vd_pages_free(blocks->pages);
    g_free(blocks);
}

/* -- looking up ------------------------------------------------------------ */

static bool
refuse_entry(const VdBlocks *blocks, uint64_t index, uint64_t value,
             GError **error)
{
    const VdPagesLayout *table = &blocks->spec.table;

    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the entry of block %" G_GUINT64_FORMAT
                    " at byte %" G_GUINT64_FORMAT " is 0x%" G_GINT64_MODIFIER
                    "x, which names no place in the file",
                    vd_node_name(blocks->file), index,
                    table->off +
                        vd_blocks_entry_of(blocks, index) * table->entry_bytes,
                    value);
}

/* A place must at least begin inside the file. */
static VdBlockKind
decode(const VdBlocks *blocks, uint64_t value, uint64_t *off)
{
    VdBlockKind kind = blocks->spec.ops->decode(blocks, value, off);

    if (kind != VD_BLOCK_DATA && kind != VD_BLOCK_PARTLY)
        return kind;
    return *off < blocks->spec.first + blocks->spec.front ||
                   *off >=
                       vd_pages_file_bytes(&blocks->spec.table, blocks->file)
               ? VD_BLOCK_BAD
               : kind;
}

/* How far the run that has reached block @index goes on below @end: blocks of
 * the same kind, data behind one another, as far as memory proves it. */
static uint64_t
extend(const VdBlocks *blocks, uint64_t index, uint64_t end, VdBlockKind kind,
       uint64_t place)
{
    uint64_t value, off = 0;

    while (index < end &&
           vd_pages_peek(blocks->pages, vd_blocks_entry_of(blocks, index),
                         &value)) {
        VdBlockKind next = decode(blocks, value, &off);

        place += blocks->spec.block_bytes;
        if (next != kind || (kind == VD_BLOCK_DATA && off != place))
            break;
        index++;
    }
    return index;
}

static VdRunKind
run_kind(VdBlockKind kind)
{
    if (kind == VD_BLOCK_DATA || kind == VD_BLOCK_PARTLY)
        return VD_RUN_DATA;
    return kind == VD_BLOCK_ZERO ? VD_RUN_ZERO : VD_RUN_PARENT;
}

bool
vd_blocks_co_lookup(VdBlocks *blocks, uint64_t off, uint64_t len, VdRun *run,
                    VdBlockKind *kind, GError **error)
{
    uint64_t index = off >> blocks->shift, value = 0, place = 0, end;
    uint64_t within = off & (blocks->spec.block_bytes - 1);

    if (!vd_pages_co_get(blocks->pages, vd_blocks_entry_of(blocks, index),
                         &value, error))
        return false;
    *kind = decode(blocks, value, &place);
    if (*kind == VD_BLOCK_BAD)
        return refuse_entry(blocks, index, value, error);
    end = index + 1;
    if (*kind != VD_BLOCK_PARTLY)
        end = extend(blocks, end, ((off + len - 1) >> blocks->shift) + 1, *kind,
                     place);
    *run = (VdRun){.kind = run_kind(*kind),
                   .len = MIN(len, (end << blocks->shift) - off)};
    if (run->kind == VD_RUN_DATA) {
        run->child = blocks->file;
        run->child_off = place + within;
    }
    return true;
}

/* The last block of the file may be short, and what it lacks is zero. */
void
vd_blocks_clamp_to_file(VdRun *run)
{
    uint64_t size = vd_node_size(run->child);

    if (run->child_off >= size) {
        run->kind = VD_RUN_ZERO;
        run->allocated = true;
    } else {
        run->len = MIN(run->len, size - run->child_off);
    }
}

bool
vd_blocks_node_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want,
                      VdRun *run, GError **error)
{
    const VdBlocksState *s = vd_node_state(node);
    VdBlockKind kind;

    if (!vd_blocks_co_lookup(s->blocks, off, len, run, &kind, error))
        return false;
    if (run->kind == VD_RUN_DATA)
        vd_blocks_clamp_to_file(run);
    return true;
}
