/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/fs.c - a VMFS file system: its numbers, its own files.
 *
 * Everything in it is a file, the descriptors of files, too: those of its own
 * files lie at places that follow from the numbers, and through them all others
 * are found.
 *
 * Concurrency: constant once it is open, but for pointers.c.
 */
#include "block/proto/vmfs/fs.h"

#include <inttypes.h>
#include <string.h>

#include "block/error.h"
#include "block/proto/vmfs/mapping.h"
#include "block/proto/vmfs/pointers.h"
#include "block/proto/vmfs/resource.h"
#include "io/bytes.h"

#define MAGIC 0x2fabf15eu
#define MAGIC_VMFS_L 0x2fabf15fu
#define FIRST_V6 24u
#define CONFIG_DENSE 4u

#define MIB (UINT64_C(1) << 20)
#define LEAST_BLOCK_SHIFT 20u
#define LARGEST_BLOCK_SHIFT 23u
#define LEAST_SUB_BLOCK 512u
#define LEAST_UNIT 4096u
#define LARGEST_UNIT 65536u
#define LARGEST_LARGE_SHIFT 36u

#define V5_UNIT 512u
#define V5_FD_BYTES 2048u
#define V5_CLUSTER_HEAD 1024u
#define V5_TABLE_BYTES 4096u
#define V5_POINTERS 1024u /* where they are, and how many bytes */
#define V6_TABLE_BYTES 65536u
#define V6_POINTERS_BYTES 2560u
#define V6_MAX_PER_CLUSTER 8192u
#define V6_CLUSTER_BYTES (512 * MIB)

#define FIRST_FDC_BLOCK UINT64_C(0x400000) /* not in front of it */

/* -- numbers --------------------------------------------------------------- */

static bool
is_power_of_two(uint64_t n, uint64_t least, uint64_t most)
{
    return n >= least && n <= most && (n & (n - 1)) == 0;
}

static bool
throw_number(GError **error, const char *what, uint64_t value)
{
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "VMFS descriptor: %s %" PRIu64 " cannot be right", what,
                    value);
}

static void
set_v5(VmfsLayout *l, uint32_t config)
{
    l->dense = config & CONFIG_DENSE;
    l->unit = V5_UNIT;
    l->fd_bytes = V5_FD_BYTES;
    l->pointer_bytes = 4;
    l->pointers_offset = V5_POINTERS;
    l->pointers_bytes = V5_POINTERS;
    l->table_bytes = V5_TABLE_BYTES;
    l->table_shift = 10;
}

static bool
set_v6(VmfsLayout *l, const uint8_t *raw, GError **error)
{
    uint32_t unit = vio_get_le32(raw + 0x134);
    unsigned large = l->block_shift + vio_get_le16(raw + 0x138);

    if (!is_power_of_two(unit, LEAST_UNIT, LARGEST_UNIT))
        return throw_number(error, "alignment of metadata", unit);
    if (large <= l->block_shift || large > LARGEST_LARGE_SHIFT)
        return throw_number(error, "log2 of a large block", large);
    l->v6 = true;
    l->unit = unit;
    l->large_shift = large;
    l->blocks_per_cluster =
        (uint32_t) MIN(V6_MAX_PER_CLUSTER, V6_CLUSTER_BYTES >> l->block_shift);
    l->fd_bytes = 2 * unit;
    l->pointer_bytes = 8;
    l->pointers_bytes = unit > LEAST_UNIT ? unit / 2 : V6_POINTERS_BYTES;
    l->pointers_offset = l->fd_bytes - l->pointers_bytes;
    l->table_bytes = V6_TABLE_BYTES;
    l->table_shift = 13;
    return true;
}

static bool
check_magic(const uint8_t *raw, const VmfsFsInfo *info, GError **error)
{
    uint32_t magic = vio_get_le32(raw);

    if (magic == MAGIC_VMFS_L)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "is VMFS-L, which cannot be read");
    if (magic != MAGIC)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "VMFS descriptor begins with 0x%08" PRIx32
                        ", not with 0x%08x",
                        magic, MAGIC);
    if (info->major < 3 || info->major > FIRST_V6)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "VMFS file system version %" PRIu32 ".%" PRIu32
                        " is not known",
                        info->major, info->minor);
    return true;
}

static bool
decode_layout(const uint8_t *raw, VmfsFsInfo *info, GError **error)
{
    VmfsLayout *l = &info->layout;
    uint64_t block = vio_get_le64(raw + 0xa1);

    if (!is_power_of_two(block, UINT64_C(1) << LEAST_BLOCK_SHIFT,
                         UINT64_C(1) << LARGEST_BLOCK_SHIFT))
        return throw_number(error, "size of a block", block);
    l->block_shift = (unsigned) g_bit_nth_msf(block, -1);
    l->sub_block_bytes = vio_get_le32(raw + 0xd9);
    if (!is_power_of_two(l->sub_block_bytes, LEAST_SUB_BLOCK, block))
        return throw_number(error, "size of a sub-block", l->sub_block_bytes);
    if (info->major >= FIRST_V6)
        return set_v6(l, raw, error);
    set_v5(l, vio_get_le32(raw + 0x19));
    return true;
}

bool
vmfs_fs_decode(const uint8_t raw[VMFS_FS_BYTES], VmfsFsInfo *info,
               GError **error)
{
    VmfsFsInfo found = {
        .major = vio_get_le32(raw + 4),
        .minor = raw[8],
        .uuid = vmfs_uuid_decode(raw + 9),
        .lvm_uuid = vmfs_uuid_decode(raw + 0xb1),
        .fdc_group_offset = vio_get_le32(raw + 0xd1),
        .fdc_group_clusters = vio_get_le32(raw + 0xd5),
    };

    memcpy(found.label, raw + 0x1d, VMFS_LABEL_BYTES);
    if (!check_magic(raw, &found, error) || !decode_layout(raw, &found, error))
        return false;
    if (found.fdc_group_clusters == 0 || found.fdc_group_clusters > 65536)
        return throw_number(error, "clusters in a group of descriptors",
                            found.fdc_group_clusters);
    if (!found.layout.v6 && !found.layout.dense)
        found.pb2_offset = vio_get_le64(raw + 0xe1);
    *info = found;
    return true;
}

bool
vmfs_fs_co_look(const VmfsVolume *volume, VmfsFsInfo *info, GError **error)
{
    uint8_t raw[VMFS_FS_BYTES];

    return vmfs_volume_co_read(volume, VMFS_FS_OFFSET, raw, sizeof(raw),
                               error) &&
           vmfs_fs_decode(raw, info, error);
}

/* -- its own files --------------------------------------------------------- */

uint64_t
vmfs_fs_first_fdc_offset(const VmfsFsInfo *info)
{
    const VmfsLayout *l = &info->layout;
    uint64_t block = UINT64_C(1) << l->block_shift;

    return l->v6 ? (l->unit * UINT64_C(1024) + FIRST_FDC_BLOCK - 1) & ~(MIB - 1)
                 : (FIRST_FDC_BLOCK + block - 1) & ~(block - 1);
}

/* Where the descriptor with that number is, of the first few. */
static uint64_t
first_fd_offset(const VmfsFsInfo *info, uint32_t number)
{
    const VmfsLayout *l = &info->layout;
    uint64_t head = l->v6 ? 2 * l->unit : V5_CLUSTER_HEAD;

    return vmfs_fs_first_fdc_offset(info) + info->fdc_group_offset +
           info->fdc_group_clusters * head + (uint64_t) number * l->fd_bytes;
}

static VmfsFd *
read_co_own_fd(const VmfsFs *fs, uint32_t address, GError **error)
{
    const VmfsLayout *l = &fs->info.layout;
    VmfsAddress a = vmfs_address_decode(l, address);
    uint64_t offset = first_fd_offset(&fs->info, a.resource);
    VmfsFd *fd;

    if (address == VMFS_FD_PB2 && fs->info.pb2_offset)
        offset = fs->info.pb2_offset;
    fd = vmfs_fd_co_read_at(fs->volume, l, address, offset, error);
    if (fd && fd->type == VMFS_TYPE_SYSTEM)
        return fd;
    if (fd)
        (void) vd_throw(error, VD_ERROR_CORRUPT,
                        "descriptor 0x%08" PRIx32 ": is of type %" PRIu32
                        ", not a file of the system",
                        address, fd->type);
    vmfs_fd_free(fd);
    return NULL;
}

typedef struct {
    VmfsResourceKind kind;
    const char *name;
    uint32_t address;
} OwnFile;

/* In this order: the first ones are needed to find what is in the others. */
static const OwnFile own_files[] = {
    {VMFS_PB2, ".pb2.sf", VMFS_FD_PB2},
    {VMFS_SBC, ".sbc.sf", VMFS_FD_SBC},
    {VMFS_PBC, ".pbc.sf", VMFS_FD_PBC},
    {VMFS_FDC, ".fdc.sf", VMFS_FD_FDC},
};

static bool
has_own_file(const VmfsFsInfo *info, VmfsResourceKind kind)
{
    switch (kind) {
    case VMFS_PB2: /* since VMFS 5 */
        return info->layout.v6 || info->layout.dense || info->pb2_offset;
    case VMFS_PBC: /* there in VMFS 6, but empty */
        return !info->layout.v6;
    default:
        return true;
    }
}

static uint32_t
resource_bytes(const VmfsLayout *l, VmfsResourceKind kind)
{
    switch (kind) {
    case VMFS_FDC:
        return l->fd_bytes;
    case VMFS_SBC:
        return l->sub_block_bytes;
    default:
        return l->table_bytes;
    }
}

static bool
open_co_own_file(VmfsFs *fs, const OwnFile *file, GError **error)
{
    const VmfsLayout *l = &fs->info.layout;
    VmfsFd *fd = read_co_own_fd(fs, file->address, error);

    if (!fd)
        return vd_prefix(error, "%s: ", file->name);
    fs->resources[file->kind] = vmfs_resource_co_open(
        fs, file->name, fd, resource_bytes(l, file->kind), error);
    return fs->resources[file->kind] != NULL;
}

/* What addresses of file blocks mean depends on a number in there. */
static bool
check_co_clusters(VmfsFs *fs, GError **error)
{
    const VmfsLayout *l = &fs->info.layout;
    g_autoptr(VmfsFd) fd = read_co_own_fd(fs, VMFS_FD_FBB, error);
    uint8_t raw[VMFS_RESOURCE_HEADER_BYTES];
    VmfsResourceHeader h;

    if (!fd || !vmfs_file_co_read(fs, fd, 0, raw, sizeof(raw), error) ||
        !vmfs_resource_decode(l, raw, ".fbb.sf", &h, error) ||
        !vmfs_file_co_read(fs, fd, h.child_offset, raw, sizeof(raw), error) ||
        !vmfs_resource_decode(l, raw, ".fbb.sf", &h, error))
        return vd_prefix(error, ".fbb.sf: ");
    return h.per_cluster == l->blocks_per_cluster ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    ".fbb.sf: %" PRIu32 " blocks in a cluster, only %" PRIu32
                    " are known",
                    h.per_cluster, l->blocks_per_cluster);
}

static bool
open_co_own_files(VmfsFs *fs, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(own_files); i++)
        if (has_own_file(&fs->info, own_files[i].kind) &&
            !open_co_own_file(fs, &own_files[i], error))
            return false;
    return !fs->info.layout.v6 || check_co_clusters(fs, error);
}

VmfsFs *
vmfs_fs_co_open(const VmfsVolume *volume, GError **error)
{
    g_autoptr(VmfsFs) fs = g_new0(VmfsFs, 1);

    fs->volume = volume;
    fs->pointers = vmfs_pointers_new();
    if (!vmfs_fs_co_look(volume, &fs->info, error))
        return NULL;
    if (!vmfs_uuid_equal(&fs->info.lvm_uuid, &volume->uuid))
        return vd_throw_null(error, VD_ERROR_CORRUPT,
                             "VMFS descriptor: belongs to another volume than "
                             "it is on");
    if (!open_co_own_files(fs, error))
        return NULL;
    return g_steal_pointer(&fs);
}

void
vmfs_fs_free(VmfsFs *fs)
{
    if (!fs)
        return;
    for (unsigned i = 0; i < VMFS_N_RESOURCES; i++)
        vmfs_resource_free(fs->resources[i]);
    vmfs_pointers_free(fs->pointers);
    g_free(fs);
}
