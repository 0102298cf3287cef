/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vdi/vdi.h - an opened VDI image. */
#pragma once

#include "formats/blocks/blocks.h"
#include "formats/vdi/header.h"

typedef struct VdiState {
    VdBlocks *blocks; /* first: VdBlocksState */
    VdNode *node, *file;
    VdiHeader hdr;
    uint8_t raw[VDI_HEADER_BYTES]; /* as it is in the file */
    char *parent_path;             /* where it was found; NULL = nowhere */
    bool parent_is_named;          /* by the user */
    char parent_uuid[VD_UUID_CHARS + 1]; /* the one that it was made with */
} VdiState;

extern const VdBlocksOps vdi_blocks_ops;
extern const VdOptionSpec vdi_create_options[];

bool vdi_co_open(VdNode *node, VdOptions *opts, GError **error);
void vdi_co_close(VdNode *node);
bool vdi_co_create(VdTransaction *tx, const VdCreateSpec *spec, GError **error);
bool vdi_co_measure(const VdMeasureSpec *spec, VdMeasureResult *result,
                    GError **error);
bool vdi_co_check(VdNode *node, const VdCheckParams *params,
                  VdCheckResult *result, GError **error);
bool vdi_co_resize(VdNode *node, const VdResize *how, GError **error);
bool vdi_co_compact(VdNode *node, const VdCompactParams *params,
                    VdCompactResult *result, GError **error);
void vdi_get_info(VdNode *node, VdNodeInfo *info);
GVariant *vdi_describe(VdNode *node);

/* @raw is the header from now on.  That of version 0 ends within the sector,
 * and what follows there is the table. */
bool vdi_co_put_header(VdiState *s, const uint8_t raw[VDI_HEADER_BYTES],
                       GError **error);
/* The count of places in the header. */
bool vdi_co_store_count(VdiState *s, uint32_t n, GError **error);
/* Blocks as @hdr tells of them. */
VdBlocks *vdi_blocks_new(VdiState *s, const VdiHeader *hdr, GError **error);
/* The parent of a differencing disk, if the node is to have it. */
bool vdi_parent_co_open(VdiState *s, VdOptions *opts, GError **error);
