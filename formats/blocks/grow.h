/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/blocks/grow.h - what the formats need to make a disk longer (grow.c
 * tells the order). */
#pragma once

#include "formats/blocks/blocks.h"

/* The size to be: @how's, rounded up to @unit.  NOT_SUPPORTED if the disk would
 * become shorter. */
bool vd_blocks_check_resize(const VdNode *node, const VdResize *how,
                            uint32_t unit, uint64_t *size, GError **error);

/* Nothing of the disk is in the file between blocks->spec.first and @end any
 * more, durably, and nothing behind the disk's end in its last block. */
bool vd_blocks_co_make_room(VdBlocks *blocks, uint64_t end, GError **error);

/* @blocks, whose table is the node's from now on, replaces those at *place,
 * which are freed when nobody reads by them any more. */
void vd_blocks_co_swap(VdBlocks **place, VdBlocks *blocks);

/* Blocks from @first on that have no place get one; the file is longer then,
 * with its new part as @prealloc says. */
bool vd_blocks_co_fill(VdBlocks *blocks, uint64_t first, VdPrealloc prealloc,
                       GError **error);
