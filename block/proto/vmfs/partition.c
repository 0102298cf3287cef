/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/partition.c - where on a device VMFS may begin.
 *
 * A LUN has a GPT (VMFS 5 and 6) or an MBR (older ones); an image of a
 * partition has neither, and begins at once.
 *
 * Concurrency: no state.
 */
#include "block/proto/vmfs/partition.h"

#include <inttypes.h>
#include <string.h>

#include "block/proto/vmfs/lvm.h"
#include "block/rw.h"
#include "io/bytes.h"

#define SECTOR 512
#define LARGE_SECTOR 4096

#define MBR_SIGNATURE 510
#define MBR_ENTRIES 446
#define MBR_ENTRY 16
#define MBR_N_ENTRIES 4
#define MBR_TYPE_VMFS 0xfb

#define GPT_ENTRIES_SECTOR 72
#define GPT_N_ENTRIES 80
#define GPT_ENTRY_BYTES 84
#define GPT_LEAST_ENTRY 128
#define GPT_MAX_TABLE (UINT64_C(128) << 10)
#define GPT_FIRST_SECTOR 32

static const char gpt_magic[] = "EFI PART";
static const uint8_t gpt_type_vmfs[16] = {
    0x2a, 0xe0, 0x31, 0xaa, 0x0f, 0x40, 0xdb, 0x11,
    0x95, 0x90, 0x00, 0x0c, 0x29, 0x11, 0xd1, 0xb8,
};

/* -- tables ---------------------------------------------------------------- */

bool
vmfs_partition_decode_mbr(const uint8_t sector[512], GArray *sectors)
{
    if (sector[MBR_SIGNATURE] != 0x55 || sector[MBR_SIGNATURE + 1] != 0xaa)
        return false;
    for (unsigned i = 0; i < MBR_N_ENTRIES; i++) {
        const uint8_t *entry = sector + MBR_ENTRIES + i * MBR_ENTRY;
        uint64_t first = vio_get_le32(entry + 8);

        if (entry[4] == MBR_TYPE_VMFS && first > 0)
            g_array_append_val(sectors, first);
    }
    return true;
}

bool
vmfs_partition_decode_gpt(const uint8_t sector[512], VmfsGpt *gpt,
                          const char **problem)
{
    *problem = NULL;
    if (memcmp(sector, gpt_magic, strlen(gpt_magic)) != 0)
        return false;
    *gpt = (VmfsGpt){
        .entries_sector = vio_get_le64(sector + GPT_ENTRIES_SECTOR),
        .n_entries = vio_get_le32(sector + GPT_N_ENTRIES),
        .entry_bytes = vio_get_le32(sector + GPT_ENTRY_BYTES),
    };
    if (gpt->entry_bytes < GPT_LEAST_ENTRY || gpt->entry_bytes > LARGE_SECTOR ||
        gpt->entry_bytes % 8 != 0)
        *problem = "the size of an entry";
    else if ((uint64_t) gpt->n_entries * gpt->entry_bytes > GPT_MAX_TABLE)
        *problem = "the number of entries";
    else if (gpt->entries_sector >= (uint64_t) VD_MAX_SIZE / LARGE_SECTOR)
        *problem = "the place of the entries";
    return !*problem;
}

uint64_t
vmfs_partition_decode_gpt_entry(const uint8_t *entry)
{
    if (memcmp(entry, gpt_type_vmfs, sizeof(gpt_type_vmfs)) != 0)
        return 0;
    return vio_get_le64(entry + GPT_FIRST_SECTOR);
}

/* -- devices --------------------------------------------------------------- */

/* Absent = zeroes: what is read may reach over the end. */
static bool
device_co_read(VdNode *device, uint64_t off, void *buf, size_t len,
               GError **error)
{
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, buf, len);

    return vd_node_co_preadv_eof(device, off, &dst, error);
}

static bool
device_co_has_lvm(VdNode *device, uint64_t start, bool *found, GError **error)
{
    uint8_t magic[4];

    *found = false;
    if (start > (uint64_t) VD_MAX_SIZE - VMFS_LVM_OFFSET - SECTOR)
        return true;
    if (!device_co_read(device, start + VMFS_LVM_OFFSET, magic, sizeof(magic),
                        error))
        return false;
    *found = vio_get_le32(magic) == VMFS_LVM_MAGIC;
    return true;
}

/* Hostile tables name a place many times. */
static bool
is_known(const GArray *starts, uint64_t start)
{
    for (guint i = 0; i < starts->len; i++)
        if (g_array_index(starts, uint64_t, i) == start)
            return true;
    return false;
}

static bool
starts_co_add(VdNode *device, uint64_t sector, uint64_t sector_bytes,
              GArray *starts, GError **error)
{
    uint64_t start = sector * sector_bytes;
    bool found;

    if (sector >= (uint64_t) VD_MAX_SIZE / sector_bytes ||
        starts->len >= VMFS_MAX_PARTITIONS || is_known(starts, start))
        return true;
    if (!device_co_has_lvm(device, start, &found, error))
        return false;
    if (found)
        g_array_append_val(starts, start);
    return true;
}

static bool
look_co_gpt_entries(VdNode *device, const VmfsGpt *gpt, uint64_t sector_bytes,
                    GArray *starts, GError **error)
{
    size_t len = (size_t) gpt->n_entries * gpt->entry_bytes;
    g_autofree uint8_t *table = g_malloc0(len);

    if (!device_co_read(device, gpt->entries_sector * sector_bytes, table, len,
                        error))
        return false;
    for (uint32_t i = 0; i < gpt->n_entries; i++) {
        uint64_t sector = vmfs_partition_decode_gpt_entry(
            table + (size_t) i * gpt->entry_bytes);

        if (sector > 0 &&
            !starts_co_add(device, sector, sector_bytes, starts, error))
            return false;
    }
    return true;
}

/* *@found: there is such a table for sectors of that size. */
static bool
look_co_gpt(VdNode *device, uint64_t sector_bytes, GArray *starts, bool *found,
            GError **error)
{
    uint8_t sector[SECTOR];
    const char *problem;
    VmfsGpt gpt;

    if (!device_co_read(device, sector_bytes, sector, sizeof(sector), error))
        return false;
    *found = vmfs_partition_decode_gpt(sector, &gpt, &problem);
    if (problem)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the GPT at byte %" PRIu64 " contradicts itself: "
                        "%s cannot be right",
                        vd_node_name(device), sector_bytes, problem);
    return !*found ||
           look_co_gpt_entries(device, &gpt, sector_bytes, starts, error);
}

static bool
look_co_mbr(VdNode *device, GArray *starts, GError **error)
{
    g_autoptr(GArray) sectors = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    uint8_t sector[SECTOR];

    if (!device_co_read(device, 0, sector, sizeof(sector), error))
        return false;
    (void) vmfs_partition_decode_mbr(sector, sectors); /* none is fine, too */
    for (guint i = 0; i < sectors->len; i++)
        if (!starts_co_add(device, g_array_index(sectors, uint64_t, i), SECTOR,
                           starts, error))
            return false;
    return true;
}

bool
vmfs_partition_co_find(VdNode *device, GArray *starts, GError **error)
{
    static const uint64_t sizes[] = {SECTOR, LARGE_SECTOR};
    bool found = false;

    if (!device_co_has_lvm(device, 0, &found, error))
        return false;
    if (found) {
        uint64_t start = 0;

        g_array_append_val(starts, start);
        return true;
    }
    for (size_t i = 0; !found && i < G_N_ELEMENTS(sizes); i++)
        if (!look_co_gpt(device, sizes[i], starts, &found, error))
            return false;
    return found || look_co_mbr(device, starts, error);
}
