/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/vhdx.h - an opened VHDX image. */
#pragma once

#include "formats/blocks/bitmaps.h"
#include "formats/blocks/blocks.h"
#include "formats/vhdx/log.h"
#include "formats/vhdx/metadata.h"

/* Entries of the table of blocks: state, place in MiB. */
#define VHDX_STATE_MASK UINT64_C(7)
#define VHDX_PLACE_MASK UINT64_C(0xfffffffffff00000)

typedef enum VhdxBlockState {
    VHDX_NOT_PRESENT = 0,
    VHDX_UNDEFINED = 1,
    VHDX_ZERO = 2,
    VHDX_UNMAPPED = 3,
    VHDX_UNMAPPED_DRAFT = 5, /* of version 0.95 */
    VHDX_PRESENT = 6,
    VHDX_PARTLY_PRESENT = 7,
} VhdxBlockState;

typedef struct VhdxState {
    VdBlocks *blocks; /* first: VdBlocksState */
    VdNode *node, *file;
    char *creator; /* UTF-8 */
    VhdxHeaders headers;
    VhdxReplay replay; /* what a reader must know beside the file */
    bool replayed;     /* by this opening, into the file */
    VhdxRegions regions;
    VhdxMetadata meta;
    VhdxLogWriter log;
    uint64_t size_off; /* of the disk's size in the file */
    char *parent_path; /* where it is, if it was looked for */
    /* bitmap.c */
    VdBitmaps bitmaps;
} VhdxState;

extern const VdOptionSpec vhdx_create_options[];

bool vhdx_co_open(VdNode *node, VdOptions *opts, GError **error);
void vhdx_co_close(VdNode *node);
bool vhdx_co_create(VdTransaction *tx, const VdCreateSpec *spec,
                    GError **error);
bool vhdx_co_measure(const VdMeasureSpec *spec, VdMeasureResult *result,
                     GError **error);
bool vhdx_co_check(VdNode *node, const VdCheckParams *params,
                   VdCheckResult *result, GError **error);
bool vhdx_co_resize(VdNode *node, const VdResize *how, GError **error);
bool vhdx_co_compact(VdNode *node, const VdCompactParams *params,
                     VdCompactResult *result, GError **error);
void vhdx_get_info(VdNode *node, VdNodeInfo *info);
GVariant *vhdx_describe(VdNode *node);

/* The file as it is with its log replayed (@arg: VhdxState). */
bool vhdx_co_read(void *arg, uint64_t off, void *buf, size_t len,
                  GError **error);

/* Blocks that one MiB of sector bitmap is for. */
uint32_t vhdx_chunk_ratio(const VhdxMetadata *meta);
/* Entries of the table of blocks. */
uint64_t vhdx_table_entries(const VhdxMetadata *meta);

/* Blocks as these tell of them. */
VdBlocks *vhdx_blocks_new(VhdxState *s, const VhdxMetadata *meta,
                          const VhdxRange *table, GError **error);
/* The parent of a differencing disk, if the node is to have it. */
bool vhdx_parent_co_open(VhdxState *s, VdOptions *opts, GError **error);

/* -- log-write.c ----------------------------------------------------------- */

/* VdBlocksOps. */
bool vhdx_co_begin(VdBlocks *blocks, GError **error);
bool vhdx_co_note_end(VdBlocks *blocks, GError **error);
bool vhdx_co_put(void *arg, const VdPageWrite *writes, unsigned n,
                 GError **error);
/* The log is empty; all that was in it is in its place, durably. */
bool vhdx_co_empty_log(VdBlocks *blocks, GError **error);
/* Everything in its place, the log empty. */
bool vhdx_co_finish(VdNode *node, GError **error);

/* -- sector bitmaps (bitmap.c) --------------------------------------------- */

bool vhdx_bitmaps_open(VhdxState *s, GError **error);
/* Of the run of DATA that lies in one block: the beginning whose sectors are of
 * one kind; *here tells whether the block has them. */
bool vhdx_bitmap_co_split(VhdxState *s, uint64_t off, VdRun *run, bool *here,
                          GError **error);
