/* SPDX-License-Identifier: BSD-3-Clause */
/* api/chain.h - what commit, rebase and attach share. */
#pragma once

#include "api/disk.h"

/* Open what @image describes with these flags added, and link @writable (0 =
 * none, 1 = the first parent) of its chain for writing, too. */
VdDisk *vd_chain_co_open_image(VdContext *ctx, const VdImageRef *image,
                               unsigned flags, unsigned writable,
                               GError **error);

/* Distance of the link below @top that is the file of @node; 0 = none is. */
unsigned vd_chain_find(const VdNode *top, const VdNode *node);
