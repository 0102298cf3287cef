/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/blocks/write.c - writing, and placing new blocks.
 *
 * Blocks that exist are written in place, with no lock at all.  Others:
 *
 *   lock the block - look again - reserve a place behind the end - write front
 *   and data - set the entry - unlock
 *
 * Zeroes over a block that is not there are there already: nothing that can be
 * written has a parent.
 *
 * Concurrency: one loop; requests for different blocks never wait for one
 * another.
 */
#include "formats/blocks/blocks.h"

#include "block/spans.h"

/* More changed pages than this (8 MiB) are written out by who makes them. */
#define DIRTY_PAGES_MAX 2048

/* -- places ---------------------------------------------------------------- */

uint64_t
vd_blocks_place_behind(const VdBlocks *blocks, uint64_t end)
{
    uint64_t unit = blocks->spec.unit, phase = blocks->spec.phase;

    return (end + unit - 1 - phase) / unit * unit + phase;
}

void
vd_blocks_set_end(VdBlocks *blocks, uint64_t end)
{
    uint64_t size = MAX(vd_node_size(blocks->file), blocks->spec.tail);

    end = MAX(end, size - blocks->spec.tail);
    blocks->end = MAX(end, blocks->spec.first);
    blocks->next = vd_blocks_place_behind(blocks, blocks->end);
}

bool
vd_blocks_co_find_end(VdBlocks *blocks, GError **error)
{
    VdBlocksSurvey survey = {0};

    if (blocks->next)
        return true;
    if (!vd_blocks_co_survey(blocks, &survey, NULL, error))
        return false;
    if (survey.bad || survey.shared)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: %" G_GUINT64_FORMAT
                        " entries of the table name no place and "
                        "%" G_GUINT64_FORMAT
                        " the place of another block; writing would damage "
                        "more: check the image",
                        vd_node_name(blocks->file), survey.bad, survey.shared);
    if (blocks->next)
        return true; /* somebody was quicker */
    vd_blocks_set_end(blocks, survey.end);
    return true;
}

bool
vd_blocks_co_reserve(VdBlocks *blocks, uint64_t *off, GError **error)
{
    const VdBlocksOps *ops = blocks->spec.ops;
    uint64_t named = 0;

    if (G_UNLIKELY(!blocks->next) && !vd_blocks_co_find_end(blocks, error))
        return false;
    *off = blocks->next + blocks->spec.front;
    if (*off > (uint64_t) VD_MAX_SIZE - 2 * (uint64_t) blocks->spec.unit -
                   blocks->spec.block_bytes ||
        ops->decode(blocks, ops->encode(blocks, *off), &named) !=
            VD_BLOCK_DATA ||
        named != *off)
        return vd_throw(error, VD_ERROR_NO_SPACE,
                        "%s: no entry of the table can name byte "
                        "%" G_GUINT64_FORMAT " of the file",
                        vd_node_name(blocks->file), *off);
    blocks->end = *off + blocks->spec.block_bytes;
    blocks->next = vd_blocks_place_behind(blocks, blocks->end);
    blocks->grown = true;
    return true;
}

/* The end of the last block may not be in the file yet. */
static bool
place_co_discard(VdNode *file, uint64_t off, uint64_t len, VdReqFlags flags,
                 GError **error)
{
    uint64_t size = vd_node_size(file);

    return off >= size ||
           vd_node_co_discard(file, off, MIN(len, size - off), error);
}

/* The place at @off could not be filled, and no entry names it: its space goes,
 * and if it is the last one it can be had again.  Blocks ended at @end before.
 */
static void
blocks_co_take_back(VdBlocks *blocks, uint64_t off, uint64_t end)
{
    const VdBlocksSpec *spec = &blocks->spec;
    uint64_t behind = off + spec->block_bytes, size = end + spec->tail;

    (void) place_co_discard(blocks->file, off - spec->front,
                            spec->front + (uint64_t) spec->block_bytes, 0,
                            NULL);
    if (blocks->end != behind ||
        (vd_node_size(blocks->file) > size &&
         !vd_node_co_truncate(blocks->file, size, VD_PREALLOC_OFF, NULL)))
        return;           /* a leak */
    blocks->grown = true; /* what marked the end may be cut off */
    if (blocks->end != behind)
        return;
    blocks->end = end;
    blocks->next = vd_blocks_place_behind(blocks, end);
}

/* -- allocating ------------------------------------------------------------ */

/* The blocks of @run, which has places, count as a whole from now on. */
static bool
blocks_co_complete(VdBlocks *blocks, uint64_t off, const VdRun *run,
                   GError **error)
{
    const VdBlocksOps *ops = blocks->spec.ops;
    uint64_t first = off >> blocks->shift;
    uint64_t last = (off + run->len - 1) >> blocks->shift;
    uint64_t place = run->child_off - (off & (blocks->spec.block_bytes - 1));

    for (uint64_t i = first; ops->co_complete && i <= last; i++)
        if (!ops->co_complete(blocks, i, place + ((i - first) << blocks->shift),
                              error))
            return false;
    return true;
}

/* @src to its block, whose bytes begin at @place from now on. */
static bool
blocks_co_fill_place(VdBlocks *blocks, uint64_t off, const VioVec *src,
                     uint64_t place, GError **error)
{
    const VdBlocksOps *ops = blocks->spec.ops;
    uint64_t index = off >> blocks->shift;
    uint64_t within = off & (blocks->spec.block_bytes - 1);

    return (!ops->co_front || ops->co_front(blocks, index, place, error)) &&
           vd_node_co_pwritev(blocks->file, place + within, src, 0, error) &&
           vd_pages_co_set(blocks->pages, vd_blocks_entry_of(blocks, index),
                           ops->encode(blocks, place), error);
}

/* @src lies in one block, which is locked and has no place. */
static bool
blocks_co_allocate(VdBlocks *blocks, uint64_t off, const VioVec *src,
                   GError **error)
{
    uint64_t place = 0, end;

    if (!vd_blocks_co_find_end(blocks, error))
        return false;
    end = blocks->end;
    if (!vd_blocks_co_reserve(blocks, &place, error))
        return false;
    if (blocks_co_fill_place(blocks, off, src, place, error))
        return true;
    blocks_co_take_back(blocks, place, end);
    return false;
}

/* Unless another request has just given the block a place. */
static bool
blocks_co_allocate_or_find(VdBlocks *blocks, uint64_t off, const VioVec *src,
                           GError **error)
{
    VioRange *range =
        vio_range_co_lock(blocks->allocating, off >> blocks->shift, 1, true);
    VdBlockKind kind;
    VdRun run;
    bool ok = vd_blocks_co_lookup(blocks, off, src->len, &run, &kind, error);

    if (ok && run.kind == VD_RUN_DATA)
        ok = blocks_co_complete(blocks, off, &run, error) &&
             vd_node_co_pwritev(blocks->file, run.child_off, src, 0, error);
    else if (ok)
        ok = blocks_co_allocate(blocks, off, src, error);
    vio_range_unlock(blocks->allocating, range);
    return ok;
}

/* -- writing --------------------------------------------------------------- */

/* span->place: of its bytes; 0 = they have none yet. */
static bool
span_co_write(const VdSpan *span, GError **error)
{
    VdBlocks *blocks = span->format;

    if (span->place)
        return vd_node_co_pwritev(blocks->file, span->place, &span->src, 0,
                                  error);
    return blocks_co_allocate_or_find(blocks, span->off, &span->src, error);
}

static bool
span_co_cut(VdSpan *span, GError **error)
{
    VdBlocks *blocks = span->format;
    uint64_t rest =
        blocks->spec.block_bytes - (span->off & (blocks->spec.block_bytes - 1));
    VdBlockKind kind;
    VdRun run;

    if (!vd_blocks_co_lookup(blocks, span->off, span->src.len, &run, &kind,
                             error))
        return false;
    if (run.kind != VD_RUN_DATA)
        run.len = MIN(run.len, rest);
    else if (!blocks_co_complete(blocks, span->off, &run, error))
        return false;
    else
        span->place = run.child_off;
    span->src = vio_vec_slice(&span->src, 0, (size_t) run.len);
    return true;
}

static const VdSpanFuncs span_funcs = {span_co_cut, span_co_write};

static bool
blocks_co_relieve(VdBlocks *blocks, GError **error)
{
    return blocks->pages->dirty->len <= DIRTY_PAGES_MAX ||
           vd_blocks_co_flush(blocks, error);
}

bool
vd_blocks_node_co_pwritev(VdNode *node, uint64_t off, const VioVec *src,
                          VdReqFlags flags, GError **error)
{
    const VdBlocksState *s = vd_node_state(node);
    VdBlocks *blocks = s->blocks;

    return vd_blocks_co_begin(blocks, error) &&
           vd_spans_co_write(&span_funcs, blocks, off, src, error) &&
           blocks_co_relieve(blocks, error);
}

/* -- zeroes and discards --------------------------------------------------- */

typedef bool (*PlaceFunc)(VdNode *file, uint64_t off, uint64_t len,
                          VdReqFlags flags, GError **error);

/* Call @fn for what [off, off + len) has in the file. */
static bool
blocks_co_each_place(VdBlocks *blocks, uint64_t off, uint64_t len, PlaceFunc fn,
                     VdReqFlags flags, GError **error)
{
    VdBlockKind kind;
    VdRun run;

    for (; len; off += run.len, len -= run.len)
        if (!vd_blocks_co_lookup(blocks, off, len, &run, &kind, error) ||
            (run.kind == VD_RUN_DATA &&
             (!blocks_co_complete(blocks, off, &run, error) ||
              !fn(blocks->file, run.child_off, run.len, flags, error))))
            return false;
    return true;
}

bool
vd_blocks_node_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len,
                               VdReqFlags flags, GError **error)
{
    const VdBlocksState *s = vd_node_state(node);

    return vd_blocks_co_begin(s->blocks, error) &&
           blocks_co_each_place(s->blocks, off, len, vd_node_co_write_zeroes,
                                flags, error);
}

/* The place stays the block's own, as a hole of the file. */
bool
vd_blocks_node_co_discard(VdNode *node, uint64_t off, uint64_t len,
                          GError **error)
{
    const VdBlocksState *s = vd_node_state(node);

    return vd_blocks_co_begin(s->blocks, error) &&
           blocks_co_each_place(s->blocks, off, len, place_co_discard, 0,
                                error);
}
