/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/san.h - disks read from the LUN that their datastore is on. */
#pragma once

#include "block/node.h"
#include "vsphere/transports.h"

/* Transport "san". */
VdOptions *vs_san_prepare(const VsPrepare *how, VsAttachment *attachment,
                          GError **error);
/* Is what was opened that disk of that volume, and has it the same bytes as for
 * a host? */
bool vs_san_co_check(VdNode *node, const VsPrepare *how,
                     const VsAttachment *attachment, GError **error);
