/* SPDX-License-Identifier: BSD-3-Clause */
/* block/chain.h - redo-log chains: which link provides a byte.
 *
 * The only place that walks from a link to its parent.  A read at depth N is N
 * cached lookups and one device read.  A link that ends before its child reads
 * as zeroes behind its end.
 */
#pragma once

#include "block/driver.h"

typedef struct VdChainRun {
    VdRun run;      /* never PARENT: ZERO with link NULL if nobody has it */
    VdNode *link;   /* who determines it; NULL = no link does */
    unsigned depth; /* of the link, 0 = top; that of the last if nobody */
    bool parent_missing;  /* ZERO only because a parent was not to be opened:
                             reading it is an error */
    bool missing_is_zero; /* and yet not: VD_OPEN_HOLES_ZERO */
    /* For vd_chain_co_read_run(): what DATA is read from.  Stays when
     * vd_chain_co_resolve_leaf() moves run.child down. */
    VdNode *via;
    uint64_t via_off;
} VdChainRun;

/* Resolve a prefix of [off, off+len) of @top.  Yields only for tables that are
 * not cached. */
bool vd_chain_co_map(VdNode *top, uint64_t off, uint64_t len, unsigned want,
                     VdChainRun *run, GError **error);

/* Follow a DATA run down through nodes that pass bytes through (raw, filters,
 * flat extents) to the leaf that stores them; holes of the leaf become ZERO
 * when @want asks for them (run.child and child_off then still tell where).
 * Moves run.child and child_off; may shorten the run. */
bool vd_chain_co_resolve_leaf(VdChainRun *run, unsigned want, GError **error);

/* Read what one already mapped run covers: all of it or its beginning. */
bool vd_chain_co_read_run(const VdChainRun *run, uint64_t off,
                          const VioVec *dst, GError **error);

/* What was remembered about the links below @top no longer holds: data moves
 * between them. */
void vd_chain_forget(VdNode *top);

/* Links below @node, itself included. */
unsigned vd_chain_depth(const VdNode *node);
