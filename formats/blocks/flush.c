/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/blocks/flush.c - the table of blocks to the file, in order.
 *
 *   the file gets its full length - how far blocks reach is noted - barrier -
 *   pages of the table
 *
 * The barrier after them is the caller's: vd_node_co_flush() of the disk goes
 * on to the file.
 *
 * Concurrency: one at a time, under flush_lock; data go on meanwhile.
 */
#include "formats/blocks/blocks.h"

#define PAGES_IN_FLIGHT 8

bool
vd_blocks_co_begin(VdBlocks *blocks, GError **error)
{
    const VdBlocksOps *ops = blocks->spec.ops;
    bool ok;

    if (G_LIKELY(blocks->begun))
        return true;
    vio_co_mutex_lock(&blocks->flush_lock);
    ok = blocks->begun || !ops->co_begin || ops->co_begin(blocks, error);
    blocks->begun |= ok;
    vio_co_mutex_unlock(&blocks->flush_lock);
    return ok;
}

/* The last block is a whole one, though its end may never have been written;
 * reads of what lacks give zeroes meanwhile. */
static bool
blocks_co_note_end(VdBlocks *blocks, GError **error)
{
    const VdBlocksOps *ops = blocks->spec.ops;

    if (!blocks->grown)
        return true;
    blocks->grown = false;
    if ((vd_node_size(blocks->file) >= blocks->end ||
         vd_node_co_truncate(blocks->file, blocks->end, VD_PREALLOC_OFF,
                             error)) &&
        (!ops->co_note_end || ops->co_note_end(blocks, error)))
        return true;
    blocks->grown = true;
    return false;
}

/* -- pages ----------------------------------------------------------------- */

typedef struct {
    VdNode *file;
    VdPageWrite write;
} Piece;

static bool
piece_co_write(void *arg, GError **error)
{
    const Piece *piece = arg;

    return vd_node_co_pwrite(piece->file, piece->write.off, piece->write.bytes,
                             piece->write.len, error);
}

static bool
blocks_co_put_plain(const VdBlocks *blocks, const VdPageWrite *writes,
                    unsigned n, GError **error)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(PAGES_IN_FLIGHT);

    for (unsigned i = 0; i < n && !vio_co_group_failed(group); i++) {
        Piece *piece = g_new(Piece, 1);

        *piece = (Piece){.file = blocks->file, .write = writes[i]};
        vio_co_group_spawn(group, piece_co_write, piece, g_free);
    }
    return vio_co_group_join(group, error);
}

static bool
blocks_co_put(void *arg, const VdPageWrite *writes, unsigned n, GError **error)
{
    VdBlocks *blocks = arg;

    if (!blocks_co_note_end(blocks, error) ||
        !vd_node_co_flush(blocks->file, error))
        return false;
    if (blocks->spec.ops->co_put)
        return blocks->spec.ops->co_put(blocks, writes, n, error);
    return blocks_co_put_plain(blocks, writes, n, error);
}

bool
vd_blocks_co_flush(VdBlocks *blocks, GError **error)
{
    bool ok = true;

    vio_co_mutex_lock(&blocks->flush_lock);
    if (vd_pages_is_dirty(blocks->pages))
        ok = vd_pages_co_write(blocks->pages, blocks_co_put, blocks, error);
    vio_co_mutex_unlock(&blocks->flush_lock);
    return ok;
}

/* What was placed counts even if no entry names it, since writing it has
 * failed: it may have been written over what marks the end. */
static bool
blocks_co_finish(VdBlocks *blocks, GError **error)
{
    bool ok;

    if (!vd_blocks_co_flush(blocks, error))
        return false;
    vio_co_mutex_lock(&blocks->flush_lock);
    ok = blocks_co_note_end(blocks, error);
    vio_co_mutex_unlock(&blocks->flush_lock);
    return ok;
}

bool
vd_blocks_node_co_finish(VdNode *node, GError **error)
{
    const VdBlocksState *s = vd_node_state(node);

    return blocks_co_finish(s->blocks, error);
}

bool
vd_blocks_node_co_flush(VdNode *node, GError **error)
{
    const VdBlocksState *s = vd_node_state(node);

    return vd_blocks_co_flush(s->blocks, error);
}
