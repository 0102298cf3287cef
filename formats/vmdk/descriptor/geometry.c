/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/descriptor/geometry.c - geometry of new disks.
 *
 * Figures: VMware's own files and the GSX manual (vmdk: IDE 16/63; SCSI by
 * size).  Concurrency: pure.
 */
#include "formats/vmdk/descriptor/geometry.h"

#include <glib.h>

#define GIB_SECTORS (UINT64_C(1) << 21)

static VmdkGeometry
geometry_shape(const char *adapter, uint64_t sectors, uint64_t *max)
{
    *max = 65535;
    if (!g_ascii_strcasecmp(adapter, "ide")) {
        *max = 16383;
        return (VmdkGeometry){.heads = 16, .sectors = 63};
    }
    if (sectors < GIB_SECTORS)
        return (VmdkGeometry){.heads = 64, .sectors = 32};
    if (sectors < 2 * GIB_SECTORS)
        return (VmdkGeometry){.heads = 128, .sectors = 32};
    return (VmdkGeometry){.heads = 255, .sectors = 63};
}

VmdkGeometry
vmdk_geometry_for(const char *adapter, uint64_t capacity_sectors)
{
    uint64_t max;
    VmdkGeometry geo = geometry_shape(adapter, capacity_sectors, &max);

    geo.cylinders = capacity_sectors / (geo.heads * geo.sectors);
    geo.cylinders = CLAMP(geo.cylinders, 1, max);
    return geo;
}
