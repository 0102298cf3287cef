/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/resize.h - steps of a resize. */
#pragma once

#include "formats/qcow2/qcow2.h"

/* The L1 table gets @n entries, more than it has, in a new place. */
bool qcow2_co_move_l1(Qcow2State *s, uint32_t n, GError **error);
/* What @how asks for: places of zeroes for the clusters in [off, end), of which
 * nothing is determined but that some read as zeroes. */
bool qcow2_co_preallocate(Qcow2State *s, uint64_t off, uint64_t end,
                          const VdResize *how, GError **error);
