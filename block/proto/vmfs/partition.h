/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/partition.h - where on a device VMFS may begin. */
#pragma once

#include "block/node.h"

/* From the beginning of a partition to the header of LVM. */
#define VMFS_LVM_OFFSET UINT64_C(0x100000)
#define VMFS_MAX_PARTITIONS 16 /* of one device */

/* Bytes of @device at which VMFS partitions begin (uint64_t), of a device that
 * has a table (GPT or MBR), else 0.  None: there are no such partitions. */
bool vmfs_partition_co_find(VdNode *device, GArray *starts, GError **error);

/* For tests: what a table in memory says. */

/* Beginnings in the sector of an MBR, in sectors; false = it is none. */
bool vmfs_partition_decode_mbr(const uint8_t sector[512], GArray *sectors);

typedef struct VmfsGpt {
    uint64_t entries_sector;
    uint32_t n_entries, entry_bytes;
} VmfsGpt;

/* *@problem NULL = there is none: it is no GPT at all. */
bool vmfs_partition_decode_gpt(const uint8_t sector[512], VmfsGpt *gpt,
                               const char **problem);
/* The first sector if the entry is of a VMFS partition, else 0. */
uint64_t vmfs_partition_decode_gpt_entry(const uint8_t *entry);
