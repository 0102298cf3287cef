/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/resource.h - files whose pieces addresses name. */
#pragma once

#include "block/proto/vmfs/fd.h"

#define VMFS_RESOURCE_HEADER_BYTES 512

/* In clusters, and these in groups; in front of each group's are their locks
 * and bitmaps. */
typedef struct VmfsResourceHeader {
    uint32_t per_cluster, clusters_per_group;
    uint32_t first_group; /* byte of the file */
    uint32_t bytes;       /* of a resource; 0 = there is only the bitmap */
    uint64_t group_bytes;
    uint32_t child_offset; /* VMFS 6: a header of smaller pieces; 0 = none */
} VmfsResourceHeader;

struct VmfsResource {
    const char *name;
    VmfsResourceHeader header;
    VmfsFd *fd;
};

bool vmfs_resource_decode(const VmfsLayout *l,
                          const uint8_t raw[VMFS_RESOURCE_HEADER_BYTES],
                          const char *name, VmfsResourceHeader *header,
                          GError **error);
/* The byte of the file at which the resource of address @a begins. */
bool vmfs_resource_find(const VmfsLayout *l, const VmfsResource *r,
                        const VmfsAddress *a, uint64_t *off, GError **error);

/* @bytes: that a resource must have.  Takes @fd over. */
VmfsResource *vmfs_resource_co_open(VmfsFs *fs, const char *name, VmfsFd *fd,
                                    uint32_t bytes, GError **error);
void vmfs_resource_free(VmfsResource *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmfsResource, vmfs_resource_free)
