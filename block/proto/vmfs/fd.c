/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/fd.c - descriptors of files.
 *
 * A descriptor is a lock, metadata, and pointers to data or the data
 * themselves.
 *
 * Concurrency: descriptors are constant once they are read.
 */
#include "block/proto/vmfs/fd.h"

#include <inttypes.h>
#include <string.h>

#include "block/error.h"
#include "block/proto/vmfs/mapping.h"
#include "io/bytes.h"

/* Of the metadata. */
#define FD_TYPE 0x0c
#define FD_LENGTH 0x14
#define FD_BLOCK_BYTES 0x1c
#define FD_N_BLOCKS 0x24
#define FD_MTIME 0x2c
#define FD_UID 0x38
#define FD_GID 0x3c
#define FD_MODE 0x40
#define FD_MAPPING 0x44
#define FD_N_SHARED 0x4c
#define FD_BLOCK_SHIFT 0x89

#define V6_METADATA_BYTES 512u
#define V5_RESIDENT_BYTES 1024u

#define LEAST_SHIFT 9u
#define LARGEST_SHIFT 32u /* and two tables of 2^13 above it fit into 64 */

/* -- decoding -------------------------------------------------------------- */

void
vmfs_lock_decode(const uint8_t raw[512], VmfsLock *lock)
{
    *lock = (VmfsLock){
        .heartbeat_offset = vio_get_le64(raw + 0x0c),
        .heartbeat_generation = vio_get_le64(raw + 0x14),
        .token = vio_get_le64(raw + 0x1c),
        .mode = vio_get_le32(raw + 0x24),
        .owner = vmfs_uuid_decode(raw + 0x28),
    };
}

static bool
set_shift(VmfsFd *fd, unsigned shift, GError **error)
{
    uint64_t block_bytes = fd->block_bytes;

    if (shift == 0 && block_bytes > 0 && (block_bytes & (block_bytes - 1)) == 0)
        shift = (unsigned) g_bit_nth_msf(block_bytes, -1);
    fd->shift = shift;
    return (shift >= LEAST_SHIFT && shift <= LARGEST_SHIFT) ||
           vd_throw(error, VD_ERROR_CORRUPT,
                    "descriptor 0x%08" PRIx32 ": blocks of %" PRIu64
                    " bytes, shift %u: no power of two that can be right",
                    fd->address, block_bytes, shift);
}

static bool
check(const VmfsLayout *l, const VmfsFd *fd, uint32_t wanted, GError **error)
{
    if (fd->address != wanted)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "byte %" PRIu64
                        " of the volume: descriptor 0x%08" PRIx32
                        " where 0x%08" PRIx32 " should be",
                        fd->offset, fd->address, wanted);
    if (fd->len > (uint64_t) VD_MAX_SIZE)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "descriptor 0x%08" PRIx32 ": length %" PRIu64
                        " is above the maximum %" PRIu64,
                        wanted, fd->len, (uint64_t) VD_MAX_SIZE);
    if (fd->mapping == VMFS_MAP_RESIDENT && fd->len > vmfs_fd_resident_bytes(l))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "descriptor 0x%08" PRIx32 ": has %" PRIu64
                        " bytes in itself, with room for %" PRIu32,
                        wanted, fd->len, vmfs_fd_resident_bytes(l));
    return true;
}

VmfsFd *
vmfs_fd_decode(const VmfsLayout *l, const uint8_t *raw, uint32_t address,
               uint64_t offset, GError **error)
{
    const uint8_t *m = raw + l->unit;
    g_autoptr(VmfsFd) fd = g_new0(VmfsFd, 1);

    fd->address = vio_get_le32(m);
    fd->generation = vio_get_le32(m + 4);
    fd->type = vio_get_le32(m + FD_TYPE);
    fd->len = vio_get_le64(m + FD_LENGTH);
    fd->block_bytes = vio_get_le64(m + FD_BLOCK_BYTES);
    fd->n_blocks = vio_get_le64(m + FD_N_BLOCKS);
    fd->mtime = vio_get_le32(m + FD_MTIME);
    fd->uid = vio_get_le32(m + FD_UID);
    fd->gid = vio_get_le32(m + FD_GID);
    fd->mode = vio_get_le32(m + FD_MODE);
    fd->mapping = vio_get_le32(m + FD_MAPPING);
    fd->n_shared = vio_get_le32(m + FD_N_SHARED);
    fd->offset = offset;
    vmfs_lock_decode(raw, &fd->lock);
    fd->pointers = g_memdup2(raw + l->pointers_offset, l->pointers_bytes);
    if (!check(l, fd, address, error) ||
        !set_shift(fd, m[FD_BLOCK_SHIFT], error))
        return NULL;
    return g_steal_pointer(&fd);
}

void
vmfs_fd_free(VmfsFd *fd)
{
    if (!fd)
        return;
    g_free(fd->pointers);
    g_free(fd);
}

bool
vmfs_fd_is_same(const VmfsLayout *l, const VmfsFd *a, const VmfsFd *b)
{
    return a->lock.token == b->lock.token && a->generation == b->generation &&
           a->len == b->len && a->mtime == b->mtime &&
           a->mapping == b->mapping && a->shift == b->shift &&
           memcmp(a->pointers, b->pointers, l->pointers_bytes) == 0;
}

int64_t
vmfs_fd_allocated(const VmfsFd *fd)
{
    uint64_t bytes;

    if (!g_uint64_checked_mul(&bytes, fd->n_blocks, fd->block_bytes) ||
        bytes > (uint64_t) VD_MAX_SIZE)
        return -1;
    return (int64_t) bytes;
}

uint32_t
vmfs_fd_resident_offset(const VmfsLayout *l)
{
    return l->v6 ? l->unit + V6_METADATA_BYTES : l->pointers_offset;
}

uint32_t
vmfs_fd_resident_bytes(const VmfsLayout *l)
{
    return l->v6 ? l->unit - V6_METADATA_BYTES : V5_RESIDENT_BYTES;
}

/* -- reading --------------------------------------------------------------- */

VmfsFd *
vmfs_fd_co_read_at(const VmfsVolume *volume, const VmfsLayout *l,
                   uint32_t address, uint64_t offset, GError **error)
{
    g_autofree uint8_t *raw = g_malloc(l->fd_bytes);

    if (!vmfs_volume_co_read(volume, offset, raw, l->fd_bytes, error))
        return NULL;
    return vmfs_fd_decode(l, raw, address, offset, error);
}

VmfsFd *
vmfs_fd_co_read(VmfsFs *fs, uint32_t address, GError **error)
{
    const VmfsLayout *l = &fs->info.layout;
    VmfsAddress a = vmfs_address_decode(l, address);
    VmfsPlace place;

    if (a.kind != VMFS_DESCRIPTOR)
        return vd_throw_null(error, VD_ERROR_CORRUPT,
                             "0x%08" PRIx32 " is no address of a descriptor",
                             address);
    if (!vmfs_place_co_find(fs, address, 0, 0, &place, error))
        return NULL;
    if (place.len < l->fd_bytes)
        return vd_throw_null(error, VD_ERROR_CORRUPT,
                             "descriptor 0x%08" PRIx32 " lies in two pieces",
                             address);
    return vmfs_fd_co_read_at(fs->volume, l, address, place.offset, error);
}
