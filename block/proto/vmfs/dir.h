/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/dir.h - entries of directories. */
#pragma once

#include "block/proto/vmfs/fd.h"

#define VMFS_NAME_BYTES 256

typedef struct VmfsDirEntry {
    uint32_t type;    /* VmfsFileType */
    uint32_t address; /* of the descriptor */
    char name[VMFS_NAME_BYTES + 1];
} VmfsDirEntry;

/* False: do not go on. */
typedef bool (*VmfsDirFunc)(const VmfsDirEntry *entry, void *arg);

/* Every entry in the order in which they are stored, "." and ".." too where a
 * directory has them. */
bool vmfs_dir_co_read(VmfsFs *fs, const VmfsFd *dir, VmfsDirFunc fn, void *arg,
                      GError **error);
/* dir-v6.c */
bool vmfs_dir_co_read_v6(VmfsFs *fs, const VmfsFd *dir, VmfsDirFunc fn,
                         void *arg, GError **error);

/* Decoders, false = the slot is free. */
#define VMFS_DIR_V5_ENTRY_BYTES 140u
#define VMFS_DIR_V6_ENTRY_BYTES 288u
bool vmfs_dir_decode_v5(const uint8_t raw[VMFS_DIR_V5_ENTRY_BYTES],
                        VmfsDirEntry *entry);
bool vmfs_dir_decode_v6(const uint8_t raw[VMFS_DIR_V6_ENTRY_BYTES],
                        VmfsDirEntry *entry);
