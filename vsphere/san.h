/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/san.h - disks read from the LUN that their datastore is on. */
#pragma once

#include "block/node.h"
#include "vsphere/transports.h"

/* Transport "san". */
VdOptions *vs_san_prepare(const VsPrepare *how, VsAttachment *attachment,
                          GError **error);
/* Is what was opened, @disk, that disk of that volume? */
bool vs_san_check(VdNode *disk, const VsTarget *target,
                  const VsAttachment *attachment, GError **error);
