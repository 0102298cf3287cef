/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/fs.h - a VMFS file system.
 *
 *   name.c          the names of files in there, turned into options
 *   partition.c     where on a device VMFS may begin
 *   lvm.c           what a device says of the volumes on it
 *   volume.c        a volume, put together from its extents
 *   fs.c            the file system in it: its numbers, its own files
 *   address.c       pointers, decoded
 *   fd.c            descriptors of files
 *   resource.c      files whose pieces addresses name
 *   mapping.c       which byte of the volume a byte of a file is
 *   pointers.c      blocks of pointers, kept in memory
 *   dir.c           entries of directories; dir-v6.c: those of VMFS 6
 *   path.c          paths and symbolic links
 *   locks.c         is a host using it?
 *   state.h         an opened node; choose.c, open.c, vmfs.c
 *   list.c          what is in a directory, for people
 *   own.c           which bytes of the volume are the file system's own
 *   bitmap.c        which blocks of the volume are in use
 *   write.c         the bytes of a file, where it has blocks: all that ever
 *                   writes
 */
#pragma once

#include "block/proto/vmfs/address.h"
#include "block/proto/vmfs/volume.h"

/* The first byte of the volume that VMFS describes itself at, and how much it
 * says. */
#define VMFS_FS_OFFSET UINT64_C(0x200000)
#define VMFS_FS_BYTES 512
#define VMFS_LABEL_BYTES 128

typedef struct VmfsFd VmfsFd;
typedef struct VmfsResource VmfsResource;
typedef struct VmfsPointers VmfsPointers;

typedef struct VmfsFsInfo {
    uint32_t major, minor;
    VmfsUuid uuid;     /* what people and hosts call it by */
    VmfsUuid lvm_uuid; /* of the volume that it is on */
    char label[VMFS_LABEL_BYTES + 1];
    VmfsLayout layout;
    uint32_t fdc_group_offset, fdc_group_clusters; /* where the first
                                                      descriptors are */
    uint64_t pb2_offset; /* of the descriptor of .pb2.sf, old file systems; 0 =
                            they have no such file */
} VmfsFsInfo;

/* Files that addresses are looked up in. */
typedef enum VmfsResourceKind {
    VMFS_FDC, /* descriptors */
    VMFS_PBC, /* pointer blocks */
    VMFS_SBC, /* sub-blocks */
    VMFS_PB2, /* pointer blocks of the second kind */
    VMFS_N_RESOURCES,
} VmfsResourceKind;

typedef struct VmfsFs {
    const VmfsVolume *volume; /* the caller's */
    VmfsFsInfo info;
    VmfsResource *resources[VMFS_N_RESOURCES]; /* NULL = it has none */
    VmfsPointers *pointers;
} VmfsFs;

/* Messages do not say which volume it is. */
bool vmfs_fs_decode(const uint8_t raw[VMFS_FS_BYTES], VmfsFsInfo *info,
                    GError **error);

/* Only what it says of itself. */
bool vmfs_fs_co_look(const VmfsVolume *volume, VmfsFsInfo *info,
                     GError **error);
VmfsFs *vmfs_fs_co_open(const VmfsVolume *volume, GError **error);
/* In front of this byte there are no blocks of files. */
uint64_t vmfs_fs_first_fdc_offset(const VmfsFsInfo *info);
void vmfs_fs_free(VmfsFs *fs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmfsFs, vmfs_fs_free)

/* Addresses of descriptors that are the same everywhere. */
#define VMFS_FD_ROOT 0x00000004u
#define VMFS_FD_FDC 0x00800004u
#define VMFS_FD_FBB 0x00400004u
#define VMFS_FD_PBC 0x00c00004u
#define VMFS_FD_SBC 0x01000004u
#define VMFS_FD_PB2 0x01800004u
/* And some that not all volumes have. */
#define VMFS_FD_SDD 0x01c00004u
#define VMFS_FD_JBC 0x02000004u
#define VMFS_FD_UNMAP 0x02400004u
#define VMFS_FD_DFD 0x02800004u

/* Heartbeats of hosts. */
#define VMFS_HEARTBEATS_OFFSET UINT64_C(0x300000)
#define VMFS_HEARTBEATS_V5 2048u
#define VMFS_HEARTBEATS_V6 1024u
