/* SPDX-License-Identifier: BSD-3-Clause */
/* block/leaves.h - everything that a disk is stored in. */
#pragma once

#include "block/node.h"

typedef void (*VdLeafFunc)(VdNode *leaf, void *opaque);

/* Call @fn for each leaf of @top's graph, parents' too.  It must not yield. */
void vd_node_each_leaf(VdNode *top, VdLeafFunc fn, void *opaque);
