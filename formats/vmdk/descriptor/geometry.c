/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/descriptor/geometry.c - geometry of new disks.
 *
 * Figures: VMware's own files and the GSX manual (vmdk: IDE 16/63; SCSI by
 * size).  Concurrency: pure.
 */
#include "formats/vmdk/descriptor/geometry.h"

#define GIB_SECTORS (UINT64_C(1) << 21)

#define MAX_CYLINDERS 65535
#define MAX_IDE_CYLINDERS 16383

static bool
is_ide(const char *adapter)
{
    return !g_ascii_strcasecmp(adapter, "ide");
}

static VmdkGeometry
geometry_shape(const char *adapter, uint64_t sectors)
{
    if (is_ide(adapter))
        return (VmdkGeometry){.heads = 16, .sectors = 63};
    if (sectors < GIB_SECTORS)
        return (VmdkGeometry){.heads = 64, .sectors = 32};
    if (sectors < 2 * GIB_SECTORS)
        return (VmdkGeometry){.heads = 128, .sectors = 32};
    return (VmdkGeometry){.heads = 255, .sectors = 63};
}

uint64_t
vmdk_geometry_cylinders(const char *adapter, const VmdkGeometry *geo,
                        uint64_t capacity_sectors)
{
    uint64_t max = is_ide(adapter) ? MAX_IDE_CYLINDERS : MAX_CYLINDERS;

    return CLAMP(capacity_sectors / geo->heads / geo->sectors, 1, max);
}

VmdkGeometry
vmdk_geometry_for(const char *adapter, uint64_t capacity_sectors)
{
    VmdkGeometry geo = geometry_shape(adapter, capacity_sectors);

    geo.cylinders = vmdk_geometry_cylinders(adapter, &geo, capacity_sectors);
    return geo;
}

bool
vmdk_geometry_store(const VmdkGeometry *geo, VmdkDescriptor *desc,
                    GError **error)
{
    return vmdk_descriptor_set_uint(desc, VMDK_KEY_CYLINDERS, geo->cylinders,
                                    error) &&
           vmdk_descriptor_set_uint(desc, VMDK_KEY_HEADS, geo->heads, error) &&
           vmdk_descriptor_set_uint(desc, VMDK_KEY_SECTORS, geo->sectors,
                                    error);
}
