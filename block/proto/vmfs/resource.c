/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/resource.c - files whose pieces addresses name.
 *
 * Concurrency: constant once they are opened.
 */
#include "block/proto/vmfs/resource.h"

#include <inttypes.h>

#include "block/error.h"
#include "block/proto/vmfs/mapping.h"
#include "io/bytes.h"

#define V6_SIGNATURE 0x72666d64u
#define V5_CLUSTER_HEAD 1024u
#define MAX_PER_CLUSTER 65536u
#define MAX_CLUSTERS 65536u

static bool
check(const VmfsResourceHeader *h, const char *name, GError **error)
{
    if (h->per_cluster > 0 && h->per_cluster <= MAX_PER_CLUSTER &&
        h->clusters_per_group > 0 && h->clusters_per_group <= MAX_CLUSTERS &&
        h->first_group > 0)
        return true;
    return vd_throw(
        error, VD_ERROR_CORRUPT,
        "%s: %" PRIu32 " pieces in a cluster, %" PRIu32
        " clusters in a group from byte %" PRIu32 " on: that cannot be right",
        name, h->per_cluster, h->clusters_per_group, h->first_group);
}

bool
vmfs_resource_decode(const VmfsLayout *l,
                     const uint8_t raw[VMFS_RESOURCE_HEADER_BYTES],
                     const char *name, VmfsResourceHeader *header,
                     GError **error)
{
    VmfsResourceHeader h = {
        .per_cluster = vio_get_le32(raw),
        .clusters_per_group = vio_get_le32(raw + 4),
        .first_group = vio_get_le32(raw + 8),
        .bytes = vio_get_le32(raw + 0xc),
        .group_bytes = vio_get_le32(raw + 0x10),
        .child_offset = l->v6 ? vio_get_le32(raw + 0x34) : 0,
    };

    if (l->v6 && vio_get_le32(raw + 0x20) != V6_SIGNATURE)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the header is signed 0x%08" PRIx32 ", not 0x%08x",
                        name, vio_get_le32(raw + 0x20), V6_SIGNATURE);
    if (!check(&h, name, error))
        return false;
    *header = h;
    return true;
}

static uint32_t
cluster_head(const VmfsLayout *l)
{
    return l->v6 ? 2 * l->unit : V5_CLUSTER_HEAD;
}

/* None of this overflows: numbers are below 2^36, 2^16, 2^16 and 2^20. */
bool
vmfs_resource_find(const VmfsLayout *l, const VmfsResource *r,
                   const VmfsAddress *a, uint64_t *off, GError **error)
{
    const VmfsResourceHeader *h = &r->header;
    uint64_t group = a->cluster / h->clusters_per_group;
    uint64_t cluster = a->cluster % h->clusters_per_group;
    uint64_t in_group = (uint64_t) h->clusters_per_group * cluster_head(l) +
                        (cluster * h->per_cluster + a->resource) * h->bytes;
    uint64_t start, place;

    if (a->resource >= h->per_cluster ||
        !g_uint64_checked_mul(&start, group, h->group_bytes) ||
        !g_uint64_checked_add(&place, start, h->first_group + in_group) ||
        place > r->fd->len || r->fd->len - place < h->bytes)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: has no piece %" PRIu32 " in cluster %" PRIu64,
                        r->name, a->resource, a->cluster);
    *off = place;
    return true;
}

static bool
check_bytes(const VmfsLayout *l, const VmfsResource *r, uint32_t wanted,
            GError **error)
{
    const VmfsResourceHeader *h = &r->header;
    uint64_t least = h->clusters_per_group *
                     (cluster_head(l) + (uint64_t) h->per_cluster * h->bytes);

    if (h->bytes != wanted)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: pieces of %" PRIu32 " bytes, expected %" PRIu32,
                        r->name, h->bytes, wanted);
    return h->group_bytes >= least ||
           vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: groups of %" PRIu64 " bytes, which have %" PRIu64
                    " bytes in them",
                    r->name, h->group_bytes, least);
}

VmfsResource *
vmfs_resource_co_open(VmfsFs *fs, const char *name, VmfsFd *fd, uint32_t bytes,
                      GError **error)
{
    g_autoptr(VmfsResource) r = g_new0(VmfsResource, 1);
    uint8_t raw[VMFS_RESOURCE_HEADER_BYTES];

    r->name = name;
    r->fd = fd;
    if (!vmfs_file_co_read(fs, fd, 0, raw, sizeof(raw), error) ||
        !vmfs_resource_decode(&fs->info.layout, raw, name, &r->header, error) ||
        !check_bytes(&fs->info.layout, r, bytes, error))
        return NULL;
    return g_steal_pointer(&r);
}

void
vmfs_resource_free(VmfsResource *r)
{
    if (!r)
        return;
    vmfs_fd_free(r->fd);
    g_free(r);
}
