/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/blocks/survey.c - a look at every entry of the table.
 *
 * Concurrency: one loop; yields to load pages.
 */
#include "formats/blocks/blocks.h"

typedef struct {
    uint64_t off; /* of the block's first byte in the file */
    uint64_t index;
} Place;

typedef struct {
    VdBlocks *blocks;
    VdBlocksSurvey *survey;
    VdCheckResult *result; /* NULL = nobody wants to hear */
    GArray *places;        /* of Place */
} Walk;

static void
tell(const Walk *walk, uint64_t index, const char *what)
{
    const VdBlocks *blocks = walk->blocks;
    const VdPagesLayout *table = &blocks->spec.table;

    if (walk->result)
        vd_finding_add(
            walk->result, VD_FINDING_CORRUPTION, vd_node_name(blocks->file),
            table->off + vd_blocks_entry_of(blocks, index) * table->entry_bytes,
            "the entry of block %" G_GUINT64_FORMAT " names %s", index, what);
}

static void
note_wrong(Walk *walk, uint64_t index, bool shared)
{
    VdBlocksSurvey *survey = walk->survey;
    VdBlocksWrong wrong = {index, shared};

    survey->bad += !shared;
    survey->shared += shared;
    if (survey->wrong)
        g_array_append_val(survey->wrong, wrong);
}

static void
note_place(Walk *walk, uint64_t index, uint64_t off)
{
    const VdBlocks *blocks = walk->blocks;
    VdBlocksSurvey *survey = walk->survey;
    Place place = {off, index};
    uint64_t far = blocks->spec.front + (uint64_t) blocks->spec.block_bytes +
                   blocks->spec.unit - 1;

    if (off < blocks->spec.first + blocks->spec.front ||
        off >= vd_pages_file_bytes(&blocks->spec.table, blocks->file)) {
        tell(walk, index, "no place in the file");
        note_wrong(walk, index, false);
        return;
    }
    if (walk->places->len) {
        const Place *before =
            &g_array_index(walk->places, Place, walk->places->len - 1);

        survey->fragmented += off < before->off || off - before->off > far;
    }
    survey->allocated++;
    survey->end = MAX(survey->end, off + blocks->spec.block_bytes);
    g_array_append_val(walk->places, place);
}

static void
look_at(Walk *walk, uint64_t index, uint64_t value)
{
    uint64_t off = 0;

    switch (walk->blocks->spec.ops->decode(walk->blocks, value, &off)) {
    case VD_BLOCK_DATA:
    case VD_BLOCK_PARTLY:
        note_place(walk, index, off);
        break;
    case VD_BLOCK_BAD:
        tell(walk, index, "nothing that there can be");
        note_wrong(walk, index, false);
        break;
    case VD_BLOCK_ABSENT:
    case VD_BLOCK_ZERO:
        break;
    }
}

/* -- overlaps -------------------------------------------------------------- */

static gint
compare_places(gconstpointer a, gconstpointer b)
{
    const Place *x = a, *y = b;

    if (x->off != y->off)
        return x->off < y->off ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* What is in front of a block is its own, too. */
static void
find_shared(Walk *walk)
{
    uint64_t whole = walk->blocks->spec.front + walk->blocks->spec.block_bytes;

    g_array_sort(walk->places, compare_places);
    for (unsigned i = 1; i < walk->places->len; i++) {
        const Place *place = &g_array_index(walk->places, Place, i);

        if (place->off >= place[-1].off + whole)
            continue;
        tell(walk, place->index, "the place of another block");
        note_wrong(walk, place->index, true);
    }
}

/* -- gaps ------------------------------------------------------------------ */

static uint64_t
blocks_in_gap(const VdBlocks *blocks, uint64_t from, uint64_t to)
{
    uint64_t len = blocks->spec.front + (uint64_t) blocks->spec.block_bytes;

    return to > from ? (to - from) / len : 0;
}

/* Places are ascending by now, here and below. */
static uint64_t
count_from(const Walk *walk)
{
    const VdBlocks *blocks = walk->blocks;

    if (!blocks->spec.spare_front)
        return blocks->spec.first;
    return walk->places->len
               ? g_array_index(walk->places, Place, 0).off - blocks->spec.front
               : vd_node_size(blocks->file);
}

static void
count_leaked(Walk *walk)
{
    const VdBlocks *blocks = walk->blocks;
    const GArray *others = blocks->spec.others;
    uint64_t at = count_from(walk), size = vd_node_size(blocks->file);
    unsigned i = 0, k = 0, n = others ? others->len : 0;

    while (i < walk->places->len || k < n) {
        VdBlocksRange next = {UINT64_MAX, 0};

        if (i < walk->places->len)
            next = (VdBlocksRange){
                g_array_index(walk->places, Place, i).off - blocks->spec.front,
                blocks->spec.front + (uint64_t) blocks->spec.block_bytes};
        if (k < n && g_array_index(others, VdBlocksRange, k).off < next.off)
            next = g_array_index(others, VdBlocksRange, k++);
        else
            i++;
        walk->survey->leaked += blocks_in_gap(blocks, at, next.off);
        at = MAX(at, next.off + next.len);
    }
    walk->survey->leaked +=
        blocks_in_gap(blocks, at, size - MIN(size, blocks->spec.tail));
}

bool
vd_blocks_co_survey(VdBlocks *blocks, VdBlocksSurvey *survey,
                    VdCheckResult *result, GError **error)
{
    g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(Place));
    Walk walk = {blocks, survey, result, places};

    *survey = (VdBlocksSurvey){.wrong = survey->wrong};
    for (uint64_t i = 0; i < blocks->n; i++) {
        uint64_t value = 0;

        if (!vd_pages_co_get(blocks->pages, vd_blocks_entry_of(blocks, i),
                             &value, error))
            return false;
        look_at(&walk, i, value);
    }
    find_shared(&walk);
    count_leaked(&walk);
    return true;
}
