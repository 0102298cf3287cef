/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sesparse/new.c - an empty seSparse extent.
 *
 * Regions as ESXi lays them out; journal, free bitmap and backmap stay zero, as
 * nobody has published what stands in them.
 *
 * Concurrency: create only.
 */
#include "formats/vmdk/sesparse/sesparse.h"

bool
vmdk_sesparse_co_create(VdNode *file, uint64_t capacity_sectors, GError **error)
{
    uint8_t raw[2 * VMDK_SE_HEADER_BYTES];
    VmdkSeVolatile vol = {0};
    VmdkSeHeader hdr;

    vmdk_se_header_layout(&hdr, capacity_sectors);
    vmdk_se_header_encode(&hdr, raw);
    vmdk_se_volatile_encode(&vol, raw + VMDK_SE_HEADER_BYTES);
    return vd_node_co_truncate(file,
                               hdr.part[VMDK_SE_GRAINS].start * VMDK_SECTOR,
                               VD_PREALLOC_OFF, error) &&
           vd_node_co_pwrite(file, 0, raw, sizeof(raw), error);
}
