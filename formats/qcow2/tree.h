/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/tree.h - all clusters that one L1 table leads to: L2 tables,
 * data, compressed data; not the L1 table itself.
 *
 * Each state of the disk, the present one and each snapshot, is such a tree,
 * and a cluster has as many users as there are paths to it.
 */
#pragma once

#include "formats/qcow2/qcow2.h"

/* Every place is one that may be, and has a user; CORRUPT. */
bool qcow2_tree_co_check(Qcow2State *s, Qcow2Tables *tables, GError **error);
/* All have one user more; after a failure none has.  LIMIT if a count cannot
 * be so high. */
bool qcow2_tree_co_use(Qcow2State *s, Qcow2Tables *tables, GError **error);
/* All have one user less, and what has none is free. */
bool qcow2_tree_co_drop(Qcow2State *s, Qcow2Tables *tables, GError **error);
/* COPIED says of each of them whether it has one user. */
bool qcow2_tree_co_mark(Qcow2State *s, Qcow2Tables *tables, GError **error);
