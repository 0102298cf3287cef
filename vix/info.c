/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/info.c - what a disk is.
 *
 * Concurrency: any thread.
 */
#include <stdlib.h>
#include <string.h>

#include "vix/disk.h"
#include "vix/error.h"
#include "vix/live.h"

/* The block is one, strings and all, so that it outlives the handle and is
 * freed in one call. */
typedef struct {
    VixDiskLibInfo info;
    char strings[];
} InfoBlock;

static uint32
meta_number(VdDisk *disk, const char *key, uint32 otherwise)
{
    g_autofree char *value = vd_disk_get_meta(disk, key);
    guint64 number;

    if (value &&
        g_ascii_string_to_unsigned(value, 10, 0, G_MAXUINT32, &number, NULL))
        return (uint32) number;
    return otherwise;
}

static VixDiskLibGeometry
meta_geometry(VdDisk *disk, const char *const keys[3])
{
    return (VixDiskLibGeometry){
        .cylinders = meta_number(disk, keys[0], 0),
        .heads = meta_number(disk, keys[1], 0),
        .sectors = meta_number(disk, keys[2], 0),
    };
}

/* pvscsi has no number of its own; what drives a LSI Logic disk drives it. */
static VixDiskLibAdapterType
meta_adapter(VdDisk *disk)
{
    g_autofree char *value = vd_disk_get_meta(disk, "adapterType");

    if (!value)
        return VIXDISKLIB_ADAPTER_UNKNOWN;
    if (!g_ascii_strcasecmp(value, "ide"))
        return VIXDISKLIB_ADAPTER_IDE;
    if (!g_ascii_strcasecmp(value, "buslogic"))
        return VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC;
    if (!g_ascii_strcasecmp(value, "lsilogic") ||
        !g_ascii_strcasecmp(value, "pvscsi"))
        return VIXDISKLIB_ADAPTER_SCSI_LSILOGIC;
    return VIXDISKLIB_ADAPTER_UNKNOWN;
}

/* Programs count on it in steps of sectors: never 0. */
static uint32
meta_sector_size(VdDisk *disk, const char *key)
{
    uint32 size = meta_number(disk, key, VIXDISKLIB_SECTOR_SIZE);

    return size == 4096 ? size : VIXDISKLIB_SECTOR_SIZE;
}

static InfoBlock *
block_new(const char *parent, const char *uuid)
{
    size_t parent_bytes = parent ? strlen(parent) + 1 : 0;
    size_t uuid_bytes = uuid ? strlen(uuid) + 1 : 0;
    InfoBlock *block = calloc(1, sizeof(*block) + parent_bytes + uuid_bytes);

    if (!block)
        return NULL;
    if (parent)
        block->info.parentFileNameHint =
            memcpy(block->strings, parent, parent_bytes);
    if (uuid)
        block->info.uuid =
            memcpy(block->strings + parent_bytes, uuid, uuid_bytes);
    return block;
}

/* A server opens the whole chain, and says how long it is. */
static int
count_links(const VixDisk *handle, const VdInfo *facts)
{
    guint64 links;

    if (handle->transport && facts->specific &&
        g_variant_lookup(facts->specific, "links", "t", &links))
        return (int) MIN(links, G_MAXINT);
    return (int) vd_disk_count_links(handle->disk);
}

static void
info_fill(VixDiskLibInfo *info, const VixDisk *handle, const VdInfo *facts)
{
    static const char *const phys[] = {"geometry.cylinders", "geometry.heads",
                                       "geometry.sectors"};
    static const char *const bios[] = {
        "geometry.biosCylinders", "geometry.biosHeads", "geometry.biosSectors"};
    VdDisk *disk = handle->disk;

    info->physGeo = meta_geometry(disk, phys);
    info->biosGeo = meta_geometry(disk, bios);
    info->capacity = handle->capacity;
    info->adapterType = meta_adapter(disk);
    info->numLinks = count_links(handle, facts);
    info->logicalSectorSize = meta_sector_size(disk, "logicalSectorSize");
    info->physicalSectorSize = MAX(
        info->logicalSectorSize, meta_sector_size(disk, "physicalSectorSize"));
}

static VixError
get_info(VixDisk *handle, VixDiskLibInfo **info)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VdInfo) facts = vd_disk_get_info(handle->disk, &error);
    g_autofree char *uuid = vd_disk_get_meta(handle->disk, "uuid");
    InfoBlock *block;

    if (!facts)
        return vix_fail_disk("VixDiskLib_GetInfo", error);
    block = block_new(facts->backing_filename, uuid);
    if (!block)
        return vix_fail(VIX_E_OUT_OF_MEMORY, "VixDiskLib_GetInfo: no memory");
    info_fill(&block->info, handle, facts);
    *info = &block->info;
    return VIX_OK;
}

VixError
VixDiskLib_GetInfo(VixDiskLibHandle diskHandle, VixDiskLibInfo **info)
{
    const char *function = "VixDiskLib_GetInfo";
    VixError err;

    if (!info)
        return vix_fail(VIX_E_INVALID_ARG, "%s: no place for it", function);
    *info = NULL;
    err = vix_live_enter(function, diskHandle);
    if (err != VIX_OK)
        return err;
    err = get_info(diskHandle, info);
    vix_live_leave(diskHandle);
    return err;
}

void
VixDiskLib_FreeInfo(VixDiskLibInfo *info)
{
    free(info);
}

const char *
VixDiskLib_GetTransportMode(VixDiskLibHandle diskHandle)
{
    const char *transport;

    if (vix_live_enter("VixDiskLib_GetTransportMode", diskHandle) != VIX_OK)
        return NULL;
    transport = diskHandle->transport ? diskHandle->transport : "file";
    vix_live_leave(diskHandle);
    return transport;
}
