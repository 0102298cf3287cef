/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/san-verify.h - does a LUN hold what a host has of a disk? */
#pragma once

#include "vsphere/transports.h"

/* Compares some sectors of the child "file" of @node with what a host gives;
 * REFUSED if they differ.  A warning if there is no host to ask. */
bool vs_san_co_verify(VdNode *node, const VsPrepare *how, GError **error);
