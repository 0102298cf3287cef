/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/blocks/blocks.h - disks that are stored in large blocks, found
 * through one flat table: what VDI, VHD and VHDX have in common.
 *
 * A new block goes behind the end of the file, where everything is a hole, and
 * its entry is set after its data; entries reach the file behind a barrier
 * (design.md 3.7).  So a crash leaks blocks, but never shows one that was not
 * written.
 *
 * Formats with parents are for reading only.
 */
#pragma once

#include "block/finding.h"
#include "formats/blocks/pages.h"

typedef struct VdBlocks VdBlocks;

typedef enum VdBlockKind {
    VD_BLOCK_ABSENT, /* the parent's, or zeroes */
    VD_BLOCK_ZERO,
    VD_BLOCK_DATA,
    VD_BLOCK_PARTLY, /* data, of which some sectors are the parent's */
    VD_BLOCK_BAD,    /* the entry says what it must not */
} VdBlockKind;

typedef struct VdBlocksOps {
    /* What table entry @value means; DATA, PARTLY: *off is where the block's
     * first byte is in the file. */
    VdBlockKind (*decode)(const VdBlocks *blocks, uint64_t value,
                          uint64_t *off);
    /* The entry of a block whose bytes begin at @off. */
    uint64_t (*encode)(const VdBlocks *blocks, uint64_t off);
    /* Before the first change of the image, and before the first one of what it
     * shows (then not blocks->same); may be NULL. */
    bool (*co_begin)(VdBlocks *blocks, GError **error);
    /* Write what stands in front of the bytes of new block @index, which begin
     * at @off; may be NULL. */
    bool (*co_front)(VdBlocks *blocks, uint64_t index, uint64_t off,
                     GError **error);
    /* All of block @index, whose bytes begin at @off, is to count from now on;
     * called before any change of a part.  May be NULL. */
    bool (*co_complete)(VdBlocks *blocks, uint64_t index, uint64_t off,
                        GError **error);
    /* Called in front of the barrier between data and table, if new blocks
     * have been placed, the last of which ends at blocks->end: write how far
     * they reach.  May be NULL. */
    bool (*co_note_end)(VdBlocks *blocks, GError **error);
    /* Before the file becomes shorter; all is durable.  May be NULL. */
    bool (*co_before_cut)(VdBlocks *blocks, GError **error);
    /* Put pages into the file, whose data are durable; NULL = as they are. */
    VdPagesPut co_put;
} VdBlocksOps;

typedef struct VdBlocksRange {
    uint64_t off, len;
} VdBlocksRange;

/* What a format knows about its image. */
typedef struct VdBlocksSpec {
    const VdBlocksOps *ops;
    void *format;         /* for ops */
    VdPagesLayout table;  /* n: all entries */
    uint64_t size;        /* bytes of the disk */
    uint32_t block_bytes; /* power of two */
    uint64_t first;       /* where the first block may begin, front included */
    uint32_t front;       /* bytes in front of the data of each block */
    uint32_t tail;        /* bytes at the end of the file that a new block
                             may take the place of */
    uint32_t unit, phase; /* new blocks begin, front included, at a multiple of
                             unit, plus phase */
    uint64_t absent;      /* entry of a block without a place */
    const GArray *others; /* of VdBlocksRange, ascending: what is in the file
                             behind first and no block; NULL = nothing */
    uint32_t interleave;  /* after so many entries comes one of another kind;
                             0 = never */
    bool spare_front;     /* room in front of the first block is no leak */
} VdBlocksSpec;

struct VdBlocks {
    VdNode *node, *file;
    VdBlocksSpec spec;
    unsigned shift; /* of block_bytes */
    uint64_t n;     /* blocks of the disk */
    VdPages *pages;
    uint64_t next; /* where the next new block begins; 0 = not looked for yet */
    uint64_t end;  /* of the last block, if next is known */
    bool begun;    /* co_begin has been called */
    bool same;     /* what changes is not what the disk shows: for co_begin */
    bool grown;    /* blocks were placed since the end was noted */
    VioRangeLock *allocating;
    VioCoMutex flush_lock;
};

/* CORRUPT if the table is not inside the file. */
VdBlocks *vd_blocks_new(VdNode *node, VdNode *file, const VdBlocksSpec *spec,
                        GError **error);
void vd_blocks_free(VdBlocks *blocks);

/* Number of the entry for block @index. */
static inline uint64_t
vd_blocks_entry_of(const VdBlocks *blocks, uint64_t index)
{
    uint32_t every = blocks->spec.interleave;

    return every ? index + index / every : index;
}

/* -- driver operations ----------------------------------------------------- */

/* What the state of a node of such a format begins with. */
typedef struct VdBlocksState {
    VdBlocks *blocks;
} VdBlocksState;

bool vd_blocks_node_co_map(VdNode *node, uint64_t off, uint64_t len,
                           unsigned want, VdRun *run, GError **error);
bool vd_blocks_node_co_pwritev(VdNode *node, uint64_t off, const VioVec *src,
                               VdReqFlags flags, GError **error);
bool vd_blocks_node_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len,
                                    VdReqFlags flags, GError **error);
bool vd_blocks_node_co_discard(VdNode *node, uint64_t off, uint64_t len,
                               GError **error);
bool vd_blocks_node_co_flush(VdNode *node, GError **error); /* co_flush_to_os */
/* co_finish, where nothing else is to be done. */
bool vd_blocks_node_co_finish(VdNode *node, GError **error);

/* -- the same, inside ------------------------------------------------------ */

/* PARTLY comes as DATA that ends with the block: *kind tells. */
bool vd_blocks_co_lookup(VdBlocks *blocks, uint64_t off, uint64_t len,
                         VdRun *run, VdBlockKind *kind, GError **error);
/* What a run of DATA has behind the end of the file is zeroes. */
void vd_blocks_clamp_to_file(VdRun *run);
bool vd_blocks_co_flush(VdBlocks *blocks, GError **error);

/* The next place that a block may begin at. */
uint64_t vd_blocks_place_behind(const VdBlocks *blocks, uint64_t end);
/* Blocks end at @end; but nothing is placed inside the file. */
void vd_blocks_set_end(VdBlocks *blocks, uint64_t end);
/* blocks->end and next are known then. */
bool vd_blocks_co_find_end(VdBlocks *blocks, GError **error);
/* Front and data of the block whose bytes are at @from to @to; @hole: there is
 * a hole, so zeroes need not be written. */
bool vd_blocks_co_copy(const VdBlocks *blocks, uint64_t from, uint64_t to,
                       bool hole, GError **error);
/* A place for block @i, whose bytes are at @from: they are there, too. */
bool vd_blocks_co_move(VdBlocks *blocks, uint64_t index, uint64_t from,
                       GError **error);
/* The first byte of the data of a new block; all around it is a hole. */
bool vd_blocks_co_reserve(VdBlocks *blocks, uint64_t *off, GError **error);

/* Before anything of the image is changed. */
bool vd_blocks_co_begin(VdBlocks *blocks, GError **error);

/* -- all blocks at once ---------------------------------------------------- */

typedef struct VdBlocksSurvey {
    uint64_t allocated;  /* blocks that have a place of their own */
    uint64_t fragmented; /* of these: not behind the one before */
    uint64_t end;        /* of the last one in the file */
    uint64_t bad;        /* entries that name no place */
    uint64_t shared;     /* entries that name the place of another */
    uint64_t leaked;     /* blocks that would fit between those that there are,
                            and behind them */
    GArray *wrong;       /* in: takes the VdBlocksWrong; NULL = not wanted */
} VdBlocksSurvey;

typedef struct VdBlocksWrong {
    uint64_t index; /* of the block */
    bool shared;    /* else bad */
} VdBlocksWrong;

/* Look at every entry.  @result may be NULL, else what is wrong is told. */
bool vd_blocks_co_survey(VdBlocks *blocks, VdBlocksSurvey *survey,
                         VdCheckResult *result, GError **error);

/* NOT_SUPPORTED for repairs and profiles that no such format has. */
bool vd_blocks_check_params(const VdNode *node, const VdCheckParams *params,
                            GError **error);
/* What every check tells. */
void vd_blocks_fill_result(const VdBlocks *blocks, const VdBlocksSurvey *survey,
                           VdCheckResult *result);

/* Mend what a survey finds wrong: a bad entry has lost its block and becomes
 * absent, a shared place is copied for each.  *fixed counts. */
bool vd_blocks_co_mend(VdBlocks *blocks, uint64_t *fixed, GError **error);
