/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/address.c - what pointers of a VMFS file system say.
 *
 * 32 bits in VMFS 3 and 5, 64 in VMFS 6; those of descriptors are 32 in both.
 *
 *   VMFS 5   file block     block << 6 | zero << 5 | shared << 4 | 1
 *            sub-block      resource << 28 | cluster << 6 | resource_high | 2
 *            pointer block  resource << 28 | cluster << 6 | 3 or 5
 *   VMFS 6   file block     resource << 51 | cluster << 15 | zero << 7 |
 *                           shared << 5 | 1
 *            large block    block << 15 | zero << 7 | shared << 5 | 7
 *            the others     resource << 56 | cluster << 6 | kind
 *   both     descriptor     resource << 22 | cluster << 6 | 4
 *
 * In VMFS 6 "zero" are eight bits.  What hosts zero at a time is a file block,
 * so for one of these any bit stands for all of it.
 *
 * Concurrency: no state; any thread.
 */
#include "block/proto/vmfs/address.h"

#include "io/bytes.h"

#define KIND 7u
/* No volume is that long. */
#define LARGEST_OFFSET (UINT64_C(1) << 62)

static void
decode_v5(const VmfsLayout *l, uint64_t raw, VmfsAddress *a)
{
    switch (a->kind) {
    case VMFS_FILE_BLOCK:
        a->cluster = raw >> 6 & 0x3ffffff;
        a->to_be_zeroed = raw & 0x20;
        a->shared = raw & 0x10;
        break;
    case VMFS_SUB_BLOCK:
        a->cluster = raw >> 6 & 0x3fffff;
        a->resource = (uint32_t) (raw >> 28 & 0xf);
        if (l->dense)
            a->resource |= (uint32_t) (raw & 0x18) << 1;
        break;
    case VMFS_POINTER_BLOCK:
    case VMFS_POINTER_BLOCK_2:
        a->cluster = raw >> 6 & 0x3fffff;
        a->resource = (uint32_t) (raw >> 28 & 0xf);
        break;
    default:
        break;
    }
}

static void
decode_v6(uint64_t raw, VmfsAddress *a)
{
    switch (a->kind) {
    case VMFS_FILE_BLOCK:
        a->cluster = raw >> 15 & 0x7fffffff;
        a->resource = (uint32_t) (raw >> 51);
        a->to_be_zeroed = raw >> 7 & 0xff;
        a->shared = raw & 0x20;
        break;
    case VMFS_LARGE_BLOCK:
        a->cluster = raw >> 15 & 0x7fffffff;
        a->to_be_zeroed = raw >> 7 & 0xff;
        a->zeroed_in_part = a->to_be_zeroed && (raw >> 7 & 0xff) != 0xff;
        a->shared = raw & 0x20;
        break;
    case VMFS_SUB_BLOCK:
    case VMFS_POINTER_BLOCK:
    case VMFS_POINTER_BLOCK_2:
        a->cluster = raw >> 6 & 0xfffffffff;
        a->resource = (uint32_t) (raw >> 56);
        break;
    default:
        break;
    }
}

VmfsAddress
vmfs_address_decode(const VmfsLayout *l, uint64_t raw)
{
    VmfsAddress a = {.kind = (VmfsAddressKind) (raw & KIND)};

    if (a.kind == VMFS_DESCRIPTOR) {
        a.cluster = raw >> 6 & 0xffff;
        a.resource = (uint32_t) (raw >> 22 & 0x3ff);
    } else if (l->v6) {
        decode_v6(raw, &a);
    } else {
        decode_v5(l, raw, &a);
    }
    return a;
}

uint64_t
vmfs_address_block_offset(const VmfsLayout *l, const VmfsAddress *a)
{
    unsigned shift = l->block_shift;
    uint64_t block = a->cluster;

    if (a->kind == VMFS_LARGE_BLOCK)
        shift = l->large_shift;
    else if (l->v6) /* 31 bits times 13 */
        block = block * l->blocks_per_cluster + a->resource;
    return block < LARGEST_OFFSET >> shift ? block << shift : UINT64_MAX;
}

uint64_t
vmfs_address_block_bytes(const VmfsLayout *l, const VmfsAddress *a)
{
    return UINT64_C(1) << (a->kind == VMFS_LARGE_BLOCK ? l->large_shift
                                                       : l->block_shift);
}

uint64_t
vmfs_address_get(const VmfsLayout *l, const uint8_t *table, uint32_t i)
{
    return l->pointer_bytes == 8 ? vio_get_le64(table + (size_t) i * 8)
                                 : vio_get_le32(table + (size_t) i * 4);
}
