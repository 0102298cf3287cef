/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/fd.h - descriptors of files. */
#pragma once

#include "block/proto/vmfs/fs.h"

typedef enum VmfsFileType {
    VMFS_TYPE_DIRECTORY = 2,
    VMFS_TYPE_FILE = 3,
    VMFS_TYPE_SYMLINK = 4,
    VMFS_TYPE_SYSTEM = 5,
    VMFS_TYPE_RDM = 6, /* stands for a LUN */
} VmfsFileType;

/* How the bytes of a file are found ("zla"). */
typedef enum VmfsMapping {
    VMFS_MAP_BLOCKS = 1,
    VMFS_MAP_SUB_BLOCKS = 2,
    VMFS_MAP_POINTERS = 3,
    VMFS_MAP_POINTERS_2 = 5,
    VMFS_MAP_DOUBLE = 4304,
    VMFS_MAP_RESIDENT = 4305, /* in the descriptor itself */
} VmfsMapping;

typedef enum VmfsLockMode {
    VMFS_LOCK_FREE,
    VMFS_LOCK_EXCLUSIVE,
    VMFS_LOCK_READ_ONLY,
    VMFS_LOCK_MULTI_WRITER,
} VmfsLockMode;

typedef struct VmfsLock {
    uint64_t heartbeat_offset, heartbeat_generation;
    uint64_t token; /* rises with each change of what is locked */
    uint32_t mode;  /* VmfsLockMode */
    VmfsUuid owner;
} VmfsLock;

struct VmfsFd {
    uint32_t address, generation;
    uint32_t type; /* VmfsFileType */
    uint64_t len, n_blocks, block_bytes;
    uint32_t mtime, uid, gid, mode;
    uint32_t mapping;  /* VmfsMapping */
    uint32_t n_shared; /* blocks that it has together with others */
    unsigned shift;    /* log2 of the bytes that a pointer stands for */
    VmfsLock lock;
    uint64_t offset;   /* in the volume */
    uint8_t *pointers; /* layout.pointers_bytes */
};

void vmfs_lock_decode(const uint8_t raw[512], VmfsLock *lock);

/* @raw: layout.fd_bytes, from byte @offset of the volume; @address: what it
 * must be the descriptor of. */
VmfsFd *vmfs_fd_decode(const VmfsLayout *l, const uint8_t *raw,
                       uint32_t address, uint64_t offset, GError **error);
void vmfs_fd_free(VmfsFd *fd);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmfsFd, vmfs_fd_free)

/* Has something that @a was opened with changed? */
bool vmfs_fd_is_same(const VmfsLayout *l, const VmfsFd *a, const VmfsFd *b);

/* Bytes that its blocks have; -1 = that makes no sense. */
int64_t vmfs_fd_allocated(const VmfsFd *fd);

/* Resident data: where in the descriptor, and how many there may be. */
uint32_t vmfs_fd_resident_offset(const VmfsLayout *l);
uint32_t vmfs_fd_resident_bytes(const VmfsLayout *l);

/* The descriptor at a known place. */
VmfsFd *vmfs_fd_co_read_at(const VmfsVolume *volume, const VmfsLayout *l,
                           uint32_t address, uint64_t offset, GError **error);
/* By .fdc.sf. */
VmfsFd *vmfs_fd_co_read(VmfsFs *fs, uint32_t address, GError **error);
