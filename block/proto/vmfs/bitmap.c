/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/bitmap.c - which blocks of the volume are in use.
 *
 * .fbb.sf has a bit for each block.  One that is free and belongs to a file all
 * the same will be given to another file, or has been already: whoever writes
 * there does not know whose bytes these are.
 *
 * Understood are the bitmaps of VMFS 3 and 5: behind the lock of each cluster
 * its number, how many blocks it has, how many of them are free and where to
 * look first, then the bits, set where a block is free.  VMFS 6 has something
 * else in that place.
 *
 * Concurrency: yields for clusters that are not in memory; what has been loaded
 * is looked at without a yield.
 */
#include "block/proto/vmfs/bitmap.h"

#include <inttypes.h>
#include <string.h>

#include "block/error.h"
#include "block/proto/vmfs/mapping.h"
#include "block/proto/vmfs/resource.h"
#include "io/bytes.h"

#define HEAD_BYTES 1024u /* of a cluster: the lock, and behind it ... */
#define PART_BYTES 512u
#define BITS_AT 16u
#define MAX_BLOCKS ((PART_BYTES - BITS_AT) * 8)
#define SLOTS 64u /* clusters that are kept */

typedef struct {
    bool loaded;
    uint64_t cluster;
    uint8_t raw[PART_BYTES];
} Slot;

struct VmfsBitmap {
    VmfsFd *fd;
    VmfsResourceHeader header;
    Slot slots[SLOTS]; /* at the remainder of the cluster */
};

/* -- opening --------------------------------------------------------------- */

static bool
open_co_file(VmfsFs *fs, VmfsBitmap *bitmap, GError **error)
{
    const VmfsLayout *l = &fs->info.layout;
    uint8_t raw[VMFS_RESOURCE_HEADER_BYTES];

    bitmap->fd = vmfs_fd_co_read(fs, VMFS_FD_FBB, error);
    if (!bitmap->fd ||
        !vmfs_file_co_read(fs, bitmap->fd, 0, raw, sizeof(raw), error) ||
        !vmfs_resource_decode(l, raw, ".fbb.sf", &bitmap->header, error))
        return false;
    return bitmap->header.per_cluster <= MAX_BLOCKS ||
           vd_throw(error, VD_ERROR_CORRUPT,
                    ".fbb.sf: %" PRIu32 " blocks in a cluster, with room for "
                    "%u",
                    bitmap->header.per_cluster, MAX_BLOCKS);
}

bool
vmfs_bitmap_co_open(VmfsFs *fs, VmfsBitmap **bitmap, GError **error)
{
    VmfsBitmap *made = NULL;

    if (!fs->info.layout.v6) {
        made = g_new0(VmfsBitmap, 1);
        if (!open_co_file(fs, made, error)) {
            vmfs_bitmap_free(made);
            return false;
        }
    }
    *bitmap = made;
    return true;
}

void
vmfs_bitmap_free(VmfsBitmap *bitmap)
{
    if (!bitmap)
        return;
    vmfs_fd_free(bitmap->fd);
    g_free(bitmap);
}

void
vmfs_bitmap_forget(VmfsBitmap *bitmap)
{
    for (unsigned i = 0; bitmap && i < SLOTS; i++)
        bitmap->slots[i].loaded = false;
}

/* -- clusters -------------------------------------------------------------- */

/* Numbers are below 2^47, 2^32, 2^32. */
static bool
find_head(const VmfsBitmap *bitmap, uint64_t cluster, uint64_t *off)
{
    const VmfsResourceHeader *h = &bitmap->header;
    uint64_t group = cluster / h->clusters_per_group;
    uint64_t in_group = cluster % h->clusters_per_group * HEAD_BYTES;
    uint64_t start;

    if (!g_uint64_checked_mul(&start, group, h->group_bytes) ||
        !g_uint64_checked_add(off, start, h->first_group + in_group))
        return false;
    return *off <= bitmap->fd->len && bitmap->fd->len - *off >= HEAD_BYTES;
}

static bool
load_co_slot(VmfsFs *fs, VmfsBitmap *bitmap, uint64_t cluster, GError **error)
{
    Slot *slot = &bitmap->slots[cluster % SLOTS];
    uint8_t raw[PART_BYTES];
    uint64_t off;

    if (slot->loaded && slot->cluster == cluster)
        return true;
    if (!find_head(bitmap, cluster, &off))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        ".fbb.sf: has no cluster %" PRIu64, cluster);
    if (!vmfs_file_co_read(fs, bitmap->fd, off + PART_BYTES, raw, sizeof(raw),
                           error))
        return false;
    if (vio_get_le32(raw) != cluster)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        ".fbb.sf: cluster %" PRIu32 " where %" PRIu64
                        " should be",
                        vio_get_le32(raw), cluster);
    slot->loaded = true;
    slot->cluster = cluster;
    memcpy(slot->raw, raw, sizeof(raw));
    return true;
}

/* -- blocks ---------------------------------------------------------------- */

static bool
check_co_block(VmfsFs *fs, VmfsBitmap *bitmap, uint64_t block, GError **error)
{
    uint64_t cluster = block / bitmap->header.per_cluster;
    uint32_t i = (uint32_t) (block % bitmap->header.per_cluster);
    const uint8_t *raw = bitmap->slots[cluster % SLOTS].raw;

    if (!load_co_slot(fs, bitmap, cluster, error))
        return false;
    if (i >= vio_get_le32(raw + 4))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        ".fbb.sf: there is no block %" PRIu64 ", it says",
                        block);
    return !(raw[BITS_AT + i / 8] >> i % 8 & 1) ||
           vd_throw(error, VD_ERROR_CORRUPT,
                    "block %" PRIu64 " belongs to the file, but .fbb.sf says "
                    "that it is free: the volume is damaged",
                    block);
}

bool
vmfs_bitmap_co_check(VmfsFs *fs, VmfsBitmap *bitmap, uint64_t off, uint64_t len,
                     GError **error)
{
    unsigned shift = fs->info.layout.block_shift;

    if (!bitmap || len == 0)
        return true;
    for (uint64_t block = off >> shift; block <= (off + len - 1) >> shift;
         block++)
        if (!check_co_block(fs, bitmap, block, error))
            return false;
    return true;
}
