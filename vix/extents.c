/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/extents.c - what the sectors of a disk are: the map, in sectors.
 *
 * Concurrency: any thread.
 */
#include "vix/extents.h"

#include <stdlib.h>

#include "vix/error.h"

#define FIRST_ROOM 64 /* extents */

/* -- one extent ----------------------------------------------------------- */

static uint32
extent_flags(unsigned map)
{
    uint32 flags = 0;

    if (map == 0)
        return VIXDISKLIBEXT_EXTENT_PARENT;
    if (!(map & VD_MAP_PRESENT))
        flags |= VIXDISKLIBEXT_EXTENT_HOLE;
    if (map & VD_MAP_ZERO)
        flags |= VIXDISKLIBEXT_EXTENT_ZERO;
    if (map & VD_MAP_COMPRESSED)
        flags |= VIXDISKLIBEXT_EXTENT_COMPRESSED;
    return flags;
}

/* Files end and have holes at any byte.  A sector that is partly data is
 * data. */
static uint64_t
whole_sectors(const VdMapEntry *entry, uint32 *flags)
{
    uint64_t sectors = entry->len / VIXDISKLIB_SECTOR_SIZE;

    if (entry->len % VIXDISKLIB_SECTOR_SIZE == 0)
        return sectors;
    if (sectors > 0 && (*flags & VIXDISKLIBEXT_EXTENT_ZERO))
        return sectors;
    *flags &= ~(unsigned) VIXDISKLIBEXT_EXTENT_ZERO;
    return sectors + 1;
}

bool
vix_extent_at(const char *function, VixDisk *disk, VixDiskLibSectorType start,
              VixDiskLibSectorType count, VixDiskLibExtExtent *extent,
              VixError *err)
{
    g_autoptr(GError) error = NULL;
    VdMapEntry entry;

    if (!vd_disk_map(disk->disk, vix_bytes(start), vix_bytes(count), &entry,
                     &error)) {
        *err = vix_fail_probe(function, error);
        return false;
    }
    extent->offset = start;
    extent->flags = extent_flags(entry.flags);
    extent->depth = entry.depth;
    extent->length = whole_sectors(&entry, &extent->flags);
    return true;
}

/* -- lists ---------------------------------------------------------------- */

/* One block of malloc(), which grows. */
typedef struct {
    VixDiskLibExtExtentList *list;
    uint64 room;
} Builder;

static bool
builder_make_room(Builder *b)
{
    uint64 room = b->room ? 2 * b->room : FIRST_ROOM;
    VixDiskLibExtExtentList *list =
        realloc(b->list, offsetof(VixDiskLibExtExtentList, extents) +
                             room * sizeof(VixDiskLibExtExtent));

    if (!list)
        return false;
    if (!b->list)
        list->numExtents = 0;
    b->list = list;
    b->room = room;
    return true;
}

static VixDiskLibExtExtent *
builder_last(const Builder *b)
{
    uint64 n = b->list->numExtents;

    return n > 0 ? &b->list->extents[n - 1] : NULL;
}

/* Is @extent more of the same? */
static bool
builder_extend(const Builder *b, const VixDiskLibExtExtent *extent)
{
    VixDiskLibExtExtent *last = builder_last(b);

    if (!last || last->flags != extent->flags || last->depth != extent->depth)
        return false;
    last->length += extent->length;
    return true;
}

static bool
builder_add(Builder *b, const VixDiskLibExtExtent *extent)
{
    if (b->list->numExtents == b->room && !builder_make_room(b))
        return false;
    b->list->extents[b->list->numExtents++] = *extent;
    return true;
}

static VixError
fail_memory(const char *function)
{
    return vix_fail(VIX_E_OUT_OF_MEMORY, "%s: no memory for the extents",
                    function);
}

static VixError
collect(const char *function, VixDisk *disk, VixDiskLibSectorType start,
        VixDiskLibSectorType count, uint64 max, Builder *b)
{
    VixDiskLibExtExtent extent;
    VixError err;

    if (!builder_make_room(b))
        return fail_memory(function);
    for (; count > 0; start += extent.length, count -= extent.length) {
        if (!vix_extent_at(function, disk, start, count, &extent, &err))
            return err;
        if (builder_extend(b, &extent))
            continue;
        if (max > 0 && b->list->numExtents == max)
            break;
        if (!builder_add(b, &extent))
            return fail_memory(function);
    }
    return VIX_OK;
}

static VixError
get_extents(const char *function, VixDisk *disk, VixDiskLibSectorType start,
            VixDiskLibSectorType count, uint64 max,
            VixDiskLibExtExtentList **list)
{
    Builder b = {0};
    VixError err =
        vix_disk_check_request(function, disk, start, count, true, false);

    if (err == VIX_OK)
        err = collect(function, disk, start, count, max, &b);
    if (err == VIX_OK)
        *list = b.list;
    else
        free(b.list);
    return err;
}

VixError
VixDiskLibExt_GetExtents(VixDiskLibHandle diskHandle,
                         VixDiskLibSectorType startSector,
                         VixDiskLibSectorType numSectors, uint64 maxExtents,
                         VixDiskLibExtExtentList **extentList)
{
    const char *function = "VixDiskLibExt_GetExtents";
    VixError err;

    if (!extentList)
        return vix_fail(VIX_E_INVALID_ARG, "%s: no place for the list",
                        function);
    *extentList = NULL;
    err = vix_live_enter(function, diskHandle);
    if (err != VIX_OK)
        return err;
    err = get_extents(function, diskHandle, startSector, numSectors, maxExtents,
                      extentList);
    vix_live_leave(diskHandle);
    return err;
}

void
VixDiskLibExt_FreeExtents(VixDiskLibExtExtentList *extentList)
{
    free(extentList);
}
