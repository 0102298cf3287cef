/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/blocks/compact.c - giving space back that no block uses.
 *
 *   blocks of zeroes are let go of - barrier - blocks from the end move into
 *   what is free in front of them - barrier - the file is cut behind the last
 *
 * What is written over has been of nobody's, durably, before; so a crash leaves
 * each block with its old place or its new one, both of which hold it.
 *
 * Concurrency: no change of the disk is in flight; reads go on.
 */
#include "formats/blocks/compact.h"

#include "block/open.h"
#include "io/buffer.h"
#include "io/cancel.h"

#define ZERO_BYTES (UINT64_C(1) << 20)
#define FIXED UINT64_MAX

/* What is in the file, front included. */
typedef struct {
    uint64_t off, len;
    uint64_t index; /* of the block; FIXED = no block, and stays */
} Item;

typedef struct {
    VdBlocks *blocks;
    const VdCompactParams *params; /* NULL = nobody wants to hear */
    VdProgress progress;
    uint64_t freed, moved;
    GArray *items;  /* of Item, ascending */
    unsigned first; /* of those behind the free space that is looked at */
    unsigned last;  /* behind the last that may move */
} Compaction;

static bool
step(Compaction *c, uint64_t bytes, GError **error)
{
    int r = vio_cancel_check(vd_node_env(c->blocks->node)->cancel);

    c->progress.done += bytes;
    if (c->params && c->params->progress)
        c->params->progress(&c->progress, c->params->progress_opaque);
    return r == 0 ||
           vd_throw_errno(error, -r, "%s", vd_node_name(c->blocks->node));
}

static uint64_t
place_bytes(const VdBlocks *blocks)
{
    return blocks->spec.front + (uint64_t) blocks->spec.block_bytes;
}

/* -- zeroes ---------------------------------------------------------------- */

static bool
compact_co_is_zero(const VdBlocks *blocks, uint64_t off, bool *zero,
                   GError **error)
{
    VioLoop *loop = vd_node_loop(blocks->file);
    uint64_t len = blocks->spec.block_bytes;
    size_t room = (size_t) MIN(len, ZERO_BYTES);
    void *buf = vio_co_buffer_get(loop, room);
    bool ok = true;

    *zero = true;
    for (uint64_t done = 0; ok && *zero && done < len; done += room) {
        struct iovec iov;
        VioVec vec = vio_vec_from_buf(&iov, buf, room);

        ok = vd_node_co_preadv_eof(blocks->file, off + done, &vec, error);
        *zero = ok && vio_vec_is_zero(&vec);
    }
    vio_buffer_put(loop, buf, room);
    return ok;
}

static bool
compact_co_free_zeroes(Compaction *c, GError **error)
{
    VdBlocks *blocks = c->blocks;

    for (uint64_t i = 0; i < blocks->n; i++) {
        uint64_t entry = vd_blocks_entry_of(blocks, i), value = 0, off = 0;
        bool zero;

        if (!vd_pages_co_get(blocks->pages, entry, &value, error))
            return false;
        if (blocks->spec.ops->decode(blocks, value, &off) != VD_BLOCK_DATA)
            continue;
        if (!step(c, blocks->spec.block_bytes, error) ||
            !compact_co_is_zero(blocks, off, &zero, error))
            return false;
        if (!zero)
            continue;
        if (!vd_pages_co_set(blocks->pages, entry, blocks->spec.absent, error))
            return false;
        c->freed++;
    }
    return true;
}

/* -- what is where --------------------------------------------------------- */

static gint
compare_items(gconstpointer a, gconstpointer b)
{
    const Item *x = a, *y = b;

    return x->off < y->off ? -1 : x->off > y->off;
}

/* Entries behind the end of the disk may mean something to other readers. */
static uint64_t
entries_to_keep(const VdBlocks *blocks)
{
    return blocks->spec.interleave ? blocks->n : blocks->spec.table.n;
}

static bool
compact_co_collect(Compaction *c, GError **error)
{
    VdBlocks *blocks = c->blocks;
    const GArray *others = blocks->spec.others;

    for (unsigned i = 0; others && i < others->len; i++) {
        const VdBlocksRange *range = &g_array_index(others, VdBlocksRange, i);
        Item item = {range->off, range->len, FIXED};

        g_array_append_val(c->items, item);
    }
    for (uint64_t i = 0; i < entries_to_keep(blocks); i++) {
        uint64_t value = 0, off = 0;

        if (!vd_pages_co_get(blocks->pages, vd_blocks_entry_of(blocks, i),
                             &value, error))
            return false;
        if (blocks->spec.ops->decode(blocks, value, &off) == VD_BLOCK_DATA) {
            Item item = {off - blocks->spec.front, place_bytes(blocks),
                         i < blocks->n ? i : FIXED};

            g_array_append_val(c->items, item);
        }
    }
    g_array_sort(c->items, compare_items);
    c->last = c->items->len;
    return true;
}

/* -- moving ---------------------------------------------------------------- */

/* The last block behind @place; NULL = there is none. */
static Item *
last_block(Compaction *c, uint64_t place)
{
    while (c->last > c->first) {
        Item *item = &g_array_index(c->items, Item, c->last - 1);

        if (item->off <= place)
            return NULL;
        if (item->index != FIXED)
            return item;
        c->last--;
    }
    return NULL;
}

static bool
compact_co_move(Compaction *c, Item *item, uint64_t place, GError **error)
{
    VdBlocks *blocks = c->blocks;
    uint64_t front = blocks->spec.front;

    if (!step(c, item->len, error) ||
        !vd_blocks_co_copy(blocks, item->off + front, place + front, false,
                           error) ||
        !vd_pages_co_set(blocks->pages, vd_blocks_entry_of(blocks, item->index),
                         blocks->spec.ops->encode(blocks, place + front),
                         error))
        return false;
    item->off = place; /* no longer in order, but behind c->last */
    c->last--;
    c->moved++;
    return true;
}

/* Where a block goes in the free space [at, end): where new blocks would, else
 * anywhere that an entry can name.  False: it does not fit. */
static bool
find_place(const VdBlocks *blocks, uint64_t at, uint64_t end, uint64_t *place)
{
    const VdBlocksOps *ops = blocks->spec.ops;
    uint64_t len = place_bytes(blocks), front = blocks->spec.front, named = 0;

    *place = vd_blocks_place_behind(blocks, at);
    if (*place <= end && len <= end - *place)
        return true;
    *place = at;
    return at <= end && len <= end - at &&
           ops->decode(blocks, ops->encode(blocks, at + front), &named) ==
               VD_BLOCK_DATA &&
           named == at + front;
}

/* Free space is looked at from the beginning on, blocks from the end on, until
 * the two meet. */
static bool
compact_co_fill_holes(Compaction *c, GError **error)
{
    uint64_t at = c->blocks->spec.first, len = place_bytes(c->blocks);

    while (c->first < c->last) {
        const Item *next = &g_array_index(c->items, Item, c->first);
        uint64_t place;
        Item *item;

        if (!find_place(c->blocks, at, next->off, &place)) {
            at = MAX(at, next->off + next->len);
            c->first++;
            continue;
        }
        item = last_block(c, place);
        if (!item)
            return true;
        if (!compact_co_move(c, item, place, error))
            return false;
        at = place + len;
    }
    return true;
}

/* -- the end --------------------------------------------------------------- */

static uint64_t
end_of_items(const Compaction *c)
{
    uint64_t end = c->blocks->spec.first;

    for (unsigned i = 0; i < c->items->len; i++) {
        const Item *item = &g_array_index(c->items, Item, i);

        end = MAX(end, item->off + item->len);
    }
    return end;
}

static bool
compact_co_cut(Compaction *c, GError **error)
{
    VdBlocks *blocks = c->blocks;
    const VdBlocksOps *ops = blocks->spec.ops;
    uint64_t end = end_of_items(c);

    if (blocks->spec.others) /* there regions are whole units */
        end = vd_blocks_place_behind(blocks, end);
    blocks->end = end;
    blocks->next = vd_blocks_place_behind(blocks, end);
    if (ops->co_before_cut && !ops->co_before_cut(blocks, error))
        return false;
    if (ops->co_note_end && !ops->co_note_end(blocks, error))
        return false;
    end += blocks->spec.tail;
    if (!vd_node_co_flush(blocks->file, error))
        return false;
    vd_node_co_settle(blocks->node); /* reads of the old places */
    return vd_node_size(blocks->file) <= end ||
           vd_node_co_truncate(blocks->file, end, VD_PREALLOC_OFF, error);
}

static bool
compact_co_settled(VdBlocks *blocks, GError **error)
{
    if (!vd_blocks_co_flush(blocks, error) ||
        !vd_node_co_flush(blocks->file, error))
        return false;
    vd_node_co_settle(blocks->node);
    return true;
}

static bool
compact_co_main(Compaction *c, bool free_zeroes, GError **error)
{
    VdBlocks *blocks = c->blocks;

    return vd_blocks_co_begin(blocks, error) &&
           vd_blocks_co_find_end(blocks, error) &&
           (!free_zeroes || compact_co_free_zeroes(c, error)) &&
           compact_co_settled(blocks, error) && compact_co_collect(c, error) &&
           compact_co_fill_holes(c, error) &&
           compact_co_settled(blocks, error) && compact_co_cut(c, error);
}

/* Who has this disk as a parent does not mind. */
static bool
compact_co_run(Compaction *c, bool free_zeroes, GError **error)
{
    bool begun = c->blocks->begun, ok;

    c->items = g_array_new(FALSE, FALSE, sizeof(Item));
    c->progress = (VdProgress){.phase = "move",
                               .total = 2 * vd_node_size(c->blocks->file)};
    c->blocks->same = true;
    ok = compact_co_main(c, free_zeroes, error);
    c->blocks->same = false;
    c->blocks->begun = begun;
    c->blocks->next = 0; /* to be looked for again */
    g_array_unref(c->items);
    return ok;
}

bool
vd_blocks_co_compact(VdBlocks *blocks, const VdCompactParams *params,
                     bool free_zeroes, VdCompactResult *result, GError **error)
{
    Compaction c = {.blocks = blocks, .params = params};
    bool ok;

    if (params->what & VD_COMPACT_DEFRAGMENT)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: images of format '%s' cannot be defragmented",
                        vd_node_name(blocks->node),
                        vd_node_driver(blocks->node)->name);
    result->file_bytes_before = vd_node_size(blocks->file);
    ok = compact_co_run(&c, free_zeroes, error);
    result->file_bytes_after = vd_node_size(blocks->file);
    result->freed_clusters = c.freed;
    result->moved_clusters = c.moved;
    return ok;
}

bool
vd_blocks_co_free_leaks(VdBlocks *blocks, GError **error)
{
    Compaction c = {.blocks = blocks};

    return compact_co_run(&c, false, error);
}

bool
vd_blocks_co_mend_leaks(VdBlocks *blocks, uint64_t *fixed, GError **error)
{
    VdBlocksSurvey before = {0}, after = {0};

    if (!vd_blocks_co_survey(blocks, &before, NULL, error))
        return false;
    if (!before.leaked || before.bad || before.shared)
        return true;
    if (!vd_blocks_co_free_leaks(blocks, error) ||
        !vd_blocks_co_survey(blocks, &after, NULL, error))
        return false;
    *fixed += before.leaked - MIN(before.leaked, after.leaked);
    return true;
}
