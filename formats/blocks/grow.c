/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/blocks/grow.c - what the formats need to make a disk longer.
 *
 *   zero what the last block has behind the end - move the blocks that are in
 *   the way of a longer table to the end - (the format: a longer table, then
 *   the size, in one step) - give new blocks places, where all have them
 *
 * Up to that step the disk is as it was, and behind it all is there; so a crash
 * leaves the old size or the new one.
 *
 * Concurrency: no change of the disk is in flight (block/rw-truncate.c); reads
 * go on.
 */
#include "formats/blocks/grow.h"

#include "io/buffer.h"

#include <inttypes.h>

#define COPY_BYTES (UINT64_C(1) << 20)

bool
vd_blocks_check_resize(const VdNode *node, const VdResize *how, uint32_t unit,
                       uint64_t *size, GError **error)
{
    uint64_t rounded = how->size / unit * unit;

    rounded += how->size % unit ? unit : 0;
    if (rounded < vd_node_size(node))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: images of format '%s' cannot be made shorter",
                        vd_node_name(node), vd_node_driver(node)->name);
    if (rounded > (uint64_t) VD_MAX_SIZE)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: size %" PRIu64 " is above the maximum %" PRIu64,
                        vd_node_name(node), rounded, (uint64_t) VD_MAX_SIZE);
    *size = rounded;
    return true;
}

/* -- the last block -------------------------------------------------------- */

static bool
grow_co_clear_tail(VdBlocks *blocks, GError **error)
{
    uint64_t size = blocks->spec.size, end = blocks->n << blocks->shift;
    uint64_t file_size = vd_node_size(blocks->file);
    VdBlockKind kind;
    VdRun run;

    if (size == end)
        return true;
    if (!vd_blocks_co_lookup(blocks, size, end - size, &run, &kind, error))
        return false;
    if (run.kind != VD_RUN_DATA)
        return true;
    end = run.child_off + run.len;
    /* A file may end inside, where the disk did; others refuse that of blocks
     * that the disk has more of. */
    return (run.child_off >= file_size ||
            vd_node_co_write_zeroes(blocks->file, run.child_off,
                                    MIN(end, file_size) - run.child_off, 0,
                                    error)) &&
           (end <= file_size ||
            vd_node_co_truncate(blocks->file, end, VD_PREALLOC_OFF, error));
}

/* -- moving ---------------------------------------------------------------- */

static bool
copy_co_piece(VdNode *file, uint64_t from, uint64_t to, void *buf, size_t len,
              bool hole, GError **error)
{
    struct iovec iov;
    VioVec vec = vio_vec_from_buf(&iov, buf, len);

    if (!vd_node_co_preadv_eof(file, from, &vec, error))
        return false;
    return (hole && vio_vec_is_zero(&vec)) ||
           vd_node_co_pwritev(file, to, &vec, 0, error);
}

/* A front may come to lie where the end of the file was: always written. */
bool
vd_blocks_co_copy(const VdBlocks *blocks, uint64_t from, uint64_t to, bool hole,
                  GError **error)
{
    VioLoop *loop = vd_node_loop(blocks->file);
    uint64_t front = blocks->spec.front;
    uint64_t len = front + blocks->spec.block_bytes;
    size_t room = (size_t) MIN(len, COPY_BYTES);
    void *buf = vio_co_buffer_get(loop, room);
    bool ok = true;

    for (uint64_t done = 0; ok && done < len; done += room)
        ok = copy_co_piece(blocks->file, from - front + done, to - front + done,
                           buf, (size_t) MIN(room, len - done),
                           hole && (done || !front), error);
    vio_buffer_put(loop, buf, room);
    return ok;
}

bool
vd_blocks_co_move(VdBlocks *blocks, uint64_t index, uint64_t from,
                  GError **error)
{
    uint64_t to;

    return vd_blocks_co_reserve(blocks, &to, error) &&
           vd_blocks_co_copy(blocks, from, to, true, error) &&
           vd_pages_co_set(blocks->pages, vd_blocks_entry_of(blocks, index),
                           blocks->spec.ops->encode(blocks, to), error);
}

/* Blocks that have something in [from, end) move. */
static bool
grow_co_vacate(VdBlocks *blocks, uint64_t from, uint64_t end, GError **error)
{
    bool moved = false;

    for (uint64_t i = 0; from < end && i < blocks->n; i++) {
        uint64_t value = 0, off = 0;

        if (!vd_pages_co_get(blocks->pages, vd_blocks_entry_of(blocks, i),
                             &value, error))
            return false;
        if (blocks->spec.ops->decode(blocks, value, &off) != VD_BLOCK_DATA ||
            off - blocks->spec.front >= end)
            continue;
        if (!vd_blocks_co_move(blocks, i, off, error))
            return false;
        moved = true;
    }
    if (!moved)
        return true;
    if (!vd_blocks_co_flush(blocks, error))
        return false;
    vd_node_co_settle(blocks->node); /* reads of the old places */
    return true;
}

bool
vd_blocks_co_make_room(VdBlocks *blocks, uint64_t end, GError **error)
{
    if (!vd_blocks_co_begin(blocks, error) ||
        !vd_blocks_co_find_end(blocks, error))
        return false;
    /* Behind this nothing else is placed where the table is to be. */
    if (blocks->next < end) {
        blocks->end = MAX(blocks->end, end);
        blocks->next = vd_blocks_place_behind(blocks, end);
    }
    return grow_co_clear_tail(blocks, error) &&
           grow_co_vacate(blocks, blocks->spec.first, end, error) &&
           vd_blocks_co_flush(blocks, error) &&
           vd_node_co_flush(blocks->file, error);
}

/* -- the new table --------------------------------------------------------- */

void
vd_blocks_co_swap(VdBlocks **place, VdBlocks *blocks)
{
    VdBlocks *old = *place;

    blocks->begun = old->begun;
    *place = blocks;
    vd_node_set_size(blocks->node, blocks->spec.size);
    vd_node_co_settle(blocks->node);
    vd_blocks_free(old);
}

/* -- places for all -------------------------------------------------------- */

static bool
give_co_place(VdBlocks *blocks, uint64_t index, GError **error)
{
    const VdBlocksOps *ops = blocks->spec.ops;
    uint64_t entry = vd_blocks_entry_of(blocks, index), value = 0, off = 0;
    VdBlockKind kind;

    if (!vd_pages_co_get(blocks->pages, entry, &value, error))
        return false;
    kind = ops->decode(blocks, value, &off);
    if (kind != VD_BLOCK_ABSENT && kind != VD_BLOCK_ZERO)
        return true;
    return vd_blocks_co_reserve(blocks, &off, error) &&
           (!ops->co_front || ops->co_front(blocks, index, off, error)) &&
           vd_pages_co_set(blocks->pages, entry, ops->encode(blocks, off),
                           error);
}

static bool
fill_co_places(VdBlocks *blocks, uint64_t first, VdPrealloc prealloc,
               GError **error)
{
    for (uint64_t i = first; i < blocks->n; i++)
        if (!give_co_place(blocks, i, error))
            return false;
    if (!blocks->grown)
        return true;
    if (prealloc == VD_PREALLOC_METADATA)
        prealloc = VD_PREALLOC_OFF;
    return (vd_node_size(blocks->file) >= blocks->end ||
            vd_node_co_truncate(blocks->file, blocks->end, prealloc, error)) &&
           vd_blocks_co_flush(blocks, error);
}

bool
vd_blocks_co_fill(VdBlocks *blocks, uint64_t first, VdPrealloc prealloc,
                  GError **error)
{
    return fill_co_places(blocks, first, prealloc, error) ||
           vd_prefix(error, "the disk has its new size, but there is not space "
                            "for all of it: ");
}
