/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/new-file.h - the metadata of an extent as a header lays
 * them out. */
#pragma once

#include "block/rw.h"
#include "formats/vmdk/sparse/header.h"

/* Both directories of @hdr, whose tables lie behind them. */
bool vmdk_layout_co_write_directories(VdNode *file, const VmdkHeader *hdr,
                                      GError **error);

/* A new extent in the empty @file, but for a descriptor inside; with grains for
 * all of it as @prealloc says. */
bool vmdk_layout_co_write_new(VdNode *file, const VmdkHeader *hdr,
                              VdPrealloc prealloc, GError **error);
