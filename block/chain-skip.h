/* SPDX-License-Identifier: BSD-3-Clause */
/* block/chain-skip.h - where in a long chain to begin to look.
 *
 * Links below the top do not change while the chain is open, so what they said
 * once about a granule of 64 KiB may be remembered: the first of them that has
 * anything to say.  A small read at any depth then costs the look-ups of two
 * links, not of all.
 */
#pragma once

#include "block/driver.h"

typedef struct VdChainSkip VdChainSkip;

/* Is [off, off+len) of @top for this to answer?  Long chains and requests that
 * stay inside one granule are; everybody else walks. */
bool vd_chain_skip_covers(VdNode *top, uint64_t off, uint64_t len);

/* The first link below @top that may determine bytes of the granule of @off;
 * *@depth is its distance.  Asked of ranges that are covered only.  Yields only
 * for tables that are not cached. */
VdNode *vd_chain_co_skip(VdNode *top, uint64_t off, unsigned *depth);

void vd_chain_skip_free(VdChainSkip *skip); /* NULL is fine */
