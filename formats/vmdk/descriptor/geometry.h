/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/descriptor/geometry.h - the cylinders, heads and sectors that a
 * descriptor tells.  They never limit the capacity. */
#pragma once

#include "formats/vmdk/descriptor/descriptor.h"

#define VMDK_KEY_CYLINDERS "ddb.geometry.cylinders"
#define VMDK_KEY_HEADS "ddb.geometry.heads"
#define VMDK_KEY_SECTORS "ddb.geometry.sectors"

typedef struct VmdkGeometry {
    uint64_t cylinders;
    unsigned heads, sectors;
} VmdkGeometry;

/* As VMware's products do for @adapter ("ide", "lsilogic", ...); rounded down,
 * at least one cylinder. */
VmdkGeometry vmdk_geometry_for(const char *adapter, uint64_t capacity_sectors);

/* The cylinders of a disk that keeps its @geo->heads and @geo->sectors, both
 * > 0. */
uint64_t vmdk_geometry_cylinders(const char *adapter, const VmdkGeometry *geo,
                                 uint64_t capacity_sectors);

/* @desc tells @geo. */
bool vmdk_geometry_store(const VmdkGeometry *geo, VmdkDescriptor *desc,
                         GError **error);
