/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/address.h - what pointers of a VMFS file system say. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The numbers of a file system that its other structures depend on. */
typedef struct VmfsLayout {
    bool v6;                     /* as VMFS 6 has it; else as VMFS 3 and 5 */
    bool dense;                  /* VMFS 5: more sub-blocks in a cluster */
    unsigned block_shift;        /* log2 of the bytes of a file block */
    unsigned large_shift;        /* the same of a large one, VMFS 6 */
    uint32_t sub_block_bytes;    /* power of two */
    uint32_t unit;               /* bytes of a lock or block of metadata */
    uint32_t blocks_per_cluster; /* VMFS 6: file blocks */
    uint32_t fd_bytes;           /* of a file descriptor */
    uint32_t pointer_bytes;      /* of an address */
    uint32_t pointers_offset;    /* in the descriptor */
    uint32_t pointers_bytes;     /* all of them */
    uint32_t table_bytes;        /* of a pointer block */
    unsigned table_shift;        /* log2 of the pointers in one */
} VmfsLayout;

/* The low three bits of an address. */
typedef enum VmfsAddressKind {
    VMFS_NOTHING = 0,
    VMFS_FILE_BLOCK = 1,
    VMFS_SUB_BLOCK = 2,
    VMFS_POINTER_BLOCK = 3,
    VMFS_DESCRIPTOR = 4,
    VMFS_POINTER_BLOCK_2 = 5,
    VMFS_JOURNAL_BLOCK = 6,
    VMFS_LARGE_BLOCK = 7,
} VmfsAddressKind;

typedef struct VmfsAddress {
    VmfsAddressKind kind;
    uint64_t cluster;  /* FILE_BLOCK of VMFS 5, LARGE_BLOCK: the block itself */
    uint32_t resource; /* in the cluster */
    bool to_be_zeroed; /* allocated, but reads as zeroes */
    bool zeroed_in_part; /* LARGE_BLOCK: that is so for some of it */
    bool shared;         /* blocks: copied before they are written to */
} VmfsAddress;

/* @raw is not 0, which stands for a hole. */
VmfsAddress vmfs_address_decode(const VmfsLayout *l, uint64_t raw);
/* Where a block (FILE_BLOCK, LARGE_BLOCK) is in the volume, and how long;
 * offsets that no volume can have come out as UINT64_MAX. */
uint64_t vmfs_address_block_offset(const VmfsLayout *l, const VmfsAddress *a);
uint64_t vmfs_address_block_bytes(const VmfsLayout *l, const VmfsAddress *a);
/* The pointer at index @i of @table. */
uint64_t vmfs_address_get(const VmfsLayout *l, const uint8_t *table,
                          uint32_t i);
