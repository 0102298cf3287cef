/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/lvm.h - what a device says of the volumes that are on it. */
#pragma once

#include "block/node.h"
#include "block/proto/vmfs/uuid.h"

#define VMFS_LVM_MAGIC 0xc001d00du
#define VMFS_LVM_MAX_VOLUMES 512
#define VMFS_LVM_MAX_PIECES 128         /* of all devices together */
#define VMFS_LVM_MAX_ENTRIES (2u << 20) /* of all pieces together: 512 TiB */
#define VMFS_LVM_VOLUME_BYTES 512
#define VMFS_LVM_ENTRY_BYTES 128

typedef struct VmfsLvmHeader {
    uint32_t major, minor;
    uint32_t n_volumes, n_entries, n_tables;
    uint64_t more; /* byte of the partition: of further tables; 0 = none */
    uint32_t unit; /* bytes of what stands in front of the tables */
    VmfsUuid device;
} VmfsLvmHeader;

/* A volume as one of its extents knows it. */
typedef struct VmfsLvmVolume {
    VmfsUuid uuid;
    uint32_t snapshot_id; /* of a copy that an array has made of the device */
    uint32_t id;          /* what entries call it */
    uint64_t first_pe, last_pe;
    uint32_t n_devices; /* extents that it consists of */
} VmfsLvmVolume;

/* Physical extent: a stretch of a volume. */
typedef struct VmfsLvmEntry {
    bool used;
    uint32_t volume_id;
    uint64_t physical; /* byte of the partition */
    uint64_t logical;  /* byte of the volume */
    uint64_t len;
} VmfsLvmEntry;

/* @name: of the device, for messages.  NOT_SUPPORTED of other versions. */
bool vmfs_lvm_decode_header(const uint8_t raw[512], const char *name,
                            VmfsLvmHeader *header, GError **error);
void vmfs_lvm_decode_volume(const uint8_t raw[VMFS_LVM_VOLUME_BYTES],
                            VmfsLvmVolume *volume);
void vmfs_lvm_decode_entry(const uint8_t raw[VMFS_LVM_ENTRY_BYTES],
                           VmfsLvmEntry *entry);

/* Bytes of a device that LVM has for itself. */
typedef struct VmfsLvmTables {
    uint64_t start, end;
} VmfsLvmTables;

/* One extent of one volume, on one partition. */
typedef struct VmfsPiece {
    VdNode *device;
    VmfsUuid device_id;
    VmfsLvmVolume volume;
    GArray *entries; /* of VmfsLvmEntry, used ones of this volume; physical
                        is a byte of the device */
    GArray *tables;  /* of VmfsLvmTables, those of the partition; or NULL */
} VmfsPiece;

void vmfs_piece_free(VmfsPiece *piece);

/* Add to @pieces what is on the partition of @device that begins at @start. */
bool vmfs_lvm_co_load(VdNode *device, uint64_t start, GPtrArray *pieces,
                      GError **error);
