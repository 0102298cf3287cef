/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/blocks/compact.h - giving space back that no block uses. */
#pragma once

#include "formats/blocks/blocks.h"

/* For co_compact.  @free_zeroes: blocks that hold nothing else lose their
 * place. */
bool vd_blocks_co_compact(VdBlocks *blocks, const VdCompactParams *params,
                          bool free_zeroes, VdCompactResult *result,
                          GError **error);
/* For checks: only what no entry names. */
bool vd_blocks_co_free_leaks(VdBlocks *blocks, GError **error);
/* The same where a survey tells of leaks; *fixed counts.  A table with faults
 * stays as it is. */
bool vd_blocks_co_mend_leaks(VdBlocks *blocks, uint64_t *fixed, GError **error);
