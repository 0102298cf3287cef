/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/descriptor/geometry.h - the cylinders, heads and sectors that a
 * descriptor tells.  They never limit the capacity. */
#pragma once

#include <stdint.h>

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
