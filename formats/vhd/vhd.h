/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhd/vhd.h - an opened VHD image. */
#pragma once

#include "formats/blocks/bitmaps.h"
#include "formats/blocks/blocks.h"
#include "formats/vhd/header.h"

typedef struct VhdState {
    VdBlocks *blocks; /* first: VdBlocksState; NULL = fixed */
    VdNode *node, *file;
    VhdFooter footer;
    uint8_t raw[VHD_FOOTER_BYTES]; /* footer as it is in the file */
    size_t footer_bytes;           /* of the one at the end; 0 = none there */
    bool footer_differs;           /* the two are not alike */
    VhdHeader hdr;                 /* not of fixed disks */
    char *parent_path;             /* where it is, if it was looked for */
    /* bitmap.c */
    VdBitmaps bitmaps;
    VioCoMutex bitmap_lock;
} VhdState;

/* Of Hyper-V: 2040 GiB. */
#define VHD_MAX_SECTORS UINT64_C(0xff000000)
/* Whose geometry nobody looks at (create.c). */
#define VHD_CREATOR "qem2"

extern const VdOptionSpec vhd_create_options[];

bool vhd_co_open(VdNode *node, VdOptions *opts, GError **error);
void vhd_co_close(VdNode *node);
bool vhd_co_create(VdTransaction *tx, const VdCreateSpec *spec, GError **error);
bool vhd_co_measure(const VdMeasureSpec *spec, VdMeasureResult *result,
                    GError **error);
bool vhd_co_check(VdNode *node, const VdCheckParams *params,
                  VdCheckResult *result, GError **error);
bool vhd_co_resize(VdNode *node, const VdResize *how, GError **error);
bool vhd_co_compact(VdNode *node, const VdCompactParams *params,
                    VdCompactResult *result, GError **error);
void vhd_get_info(VdNode *node, VdNodeInfo *info);
GVariant *vhd_describe(VdNode *node);

/* Does the disk have the size of its geometry, by who made it? */
bool vhd_shows_geometry(const VhdFooter *footer);
/* Blocks of a disk of @size as @hdr tells of them. */
VdBlocks *vhd_blocks_new(VhdState *s, const VhdHeader *hdr, uint64_t size,
                         GError **error);
/* Both footers are sound and alike again, at the end of the file and at its
 * beginning.  Not of fixed disks. */
bool vhd_footers_co_mend(VhdState *s, GError **error);
/* The parent of a differencing disk, if the node is to have it. */
bool vhd_parent_co_open(VhdState *s, VdOptions *opts, GError **error);

/* -- sector bitmaps (bitmap.c) --------------------------------------------- */

/* Bytes of the bitmap in front of a block. */
uint32_t vhd_bitmap_bytes(uint32_t block_bytes);
/* Of the run of DATA that lies in one block: the beginning whose sectors are of
 * one kind; *here tells whether the block has them. */
bool vhd_bitmap_co_split(VhdState *s, uint64_t off, VdRun *run, bool *here,
                         GError **error);
/* VdBlocksOps */
bool vhd_bitmap_co_front(VdBlocks *blocks, uint64_t index, uint64_t off,
                         GError **error);
bool vhd_bitmap_co_complete(VdBlocks *blocks, uint64_t index, uint64_t off,
                            GError **error);
