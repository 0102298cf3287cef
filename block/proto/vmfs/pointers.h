/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/pointers.h - blocks of pointers, kept in memory. */
#pragma once

#include "block/proto/vmfs/fs.h"

VmfsPointers *vmfs_pointers_new(void);
void vmfs_pointers_free(VmfsPointers *pointers);
/* What has been read may not hold any more. */
void vmfs_pointers_forget(VmfsPointers *pointers);

/* The pointer at index @i of the block that address @table names. */
bool vmfs_pointers_co_get(VmfsFs *fs, uint64_t table, uint32_t i,
                          unsigned depth, uint64_t *value, GError **error);
