/* SPDX-License-Identifier: BSD-3-Clause */
/* block/chain-internal.h - what the two files about chains share. */
#pragma once

#include "block/chain.h"

/* What @link alone says; PARENT included.  @off lies inside it.  Fills all of
 * @out but its depth, which becomes 0. */
bool vd_chain_co_map_link(VdNode *link, uint64_t off, uint64_t len,
                          unsigned want, VdChainRun *out, GError **error);
