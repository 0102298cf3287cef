/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/volume.h - a volume, put together from its extents. */
#pragma once

#include "block/proto/vmfs/lvm.h"

#define VMFS_MAX_EXTENTS 32

typedef struct VmfsVolumeRun {
    uint64_t logical, len;
    VdNode *device;
    uint64_t physical;
} VmfsVolumeRun;

typedef struct VmfsVolume {
    VmfsUuid uuid;
    uint32_t snapshot_id;
    unsigned n_devices;
    char *problem; /* why it cannot be read; NULL = it is whole */
    VdErrorCode problem_code;
    char *danger; /* why it must not be written; NULL = nothing that is known */
    GArray *runs; /* of VmfsVolumeRun, in order, without holes */
    uint64_t size;
} VmfsVolume;

void vmfs_volume_free(VmfsVolume *volume);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmfsVolume, vmfs_volume_free)

/* All volumes that @pieces are of, whole or not: of VmfsVolume, owned. */
GPtrArray *vmfs_volumes_assemble(const GPtrArray *pieces);

/* Where byte @off is: run->logical is @off, and run->len at most @len. */
bool vmfs_volume_locate(const VmfsVolume *volume, uint64_t off, uint64_t len,
                        VmfsVolumeRun *run, GError **error);
bool vmfs_volume_co_read(const VmfsVolume *volume, uint64_t off, void *buf,
                         size_t len, GError **error);
