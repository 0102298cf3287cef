/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/blocks.c - which chunks of a disk are allocated.
 *
 * With the whole chain open, a chunk is allocated if there is anything in it
 * that is not known to be zero: a program that leaves out the others has the
 * contents all the same.  Of a single link whose parent is not open, it is what
 * this link has, zeroes included: the others are to be looked for in the
 * parent.
 *
 * The last chunk may end with the disk.
 *
 * Concurrency: any thread.
 */
#include <stdlib.h>

#include "vix/error.h"
#include "vix/extents.h"

#define FIRST_ROOM 64 /* blocks */

/* One block of malloc(), which grows: programs take the address of its first
 * entry for an array. */
typedef struct {
    VixDiskLibBlockList *list;
    uint32 room;
} Builder;

typedef struct {
    const char *function;
    VixDisk *disk;
    VixDiskLibSectorType start, end; /* not behind the end of the disk */
    VixDiskLibSectorType chunk;
} Query;

/* -- what is asked for ---------------------------------------------------- */

static VixError
check_chunk(const Query *q)
{
    if (q->chunk >= VIXDISKLIB_MIN_CHUNK_SIZE &&
        q->chunk <= VIXDISKLIB_MAX_CHUNK_SIZE)
        return VIX_OK;
    return vix_fail(VIX_E_INVALID_ARG,
                    "%s: %s: chunks of %" G_GUINT64_FORMAT
                    " sectors, must be from %d to %d",
                    q->function, q->disk->path, q->chunk,
                    VIXDISKLIB_MIN_CHUNK_SIZE, VIXDISKLIB_MAX_CHUNK_SIZE);
}

/* Up to the end of the disk any number will do. */
static VixError
check_multiple(const Query *q, VixDiskLibSectorType count)
{
    if (q->start % q->chunk == 0 &&
        (count % q->chunk == 0 || q->end == q->disk->capacity))
        return VIX_OK;
    return vix_fail(VIX_E_INVALID_ARG,
                    "%s: %s: %" G_GUINT64_FORMAT
                    " sectors at sector %" G_GUINT64_FORMAT
                    " are no whole chunks of %" G_GUINT64_FORMAT,
                    q->function, q->disk->path, count, q->start, q->chunk);
}

static VixError
check_number(const Query *q)
{
    if ((q->end - q->start) / q->chunk <= VIXDISKLIB_MAX_CHUNK_NUMBER)
        return VIX_OK;
    return vix_fail(VIX_E_INVALID_ARG,
                    "%s: %s: %" G_GUINT64_FORMAT
                    " sectors are more than %d chunks of %" G_GUINT64_FORMAT,
                    q->function, q->disk->path, q->end - q->start,
                    VIXDISKLIB_MAX_CHUNK_NUMBER, q->chunk);
}

static VixError
query_init(Query *q, VixDiskLibSectorType count)
{
    VixError err =
        vix_disk_check_request(q->function, q->disk, q->start, 0, true, false);

    if (err != VIX_OK)
        return err;
    q->end = q->start + MIN(count, q->disk->capacity - q->start);
    err = check_chunk(q);
    if (err == VIX_OK)
        err = check_multiple(q, count);
    return err == VIX_OK ? check_number(q) : err;
}

/* -- the list ------------------------------------------------------------- */

static bool
builder_make_room(Builder *b)
{
    uint32 room = b->room ? 2 * b->room : FIRST_ROOM;
    VixDiskLibBlockList *list =
        realloc(b->list, offsetof(VixDiskLibBlockList, blocks) +
                             room * sizeof(VixDiskLibBlock));

    if (!list)
        return false;
    if (!b->list)
        list->numBlocks = 0;
    b->list = list;
    b->room = room;
    return true;
}

static bool
builder_add(Builder *b, VixDiskLibSectorType offset, VixDiskLibSectorType end)
{
    uint32 n = b->list->numBlocks;
    VixDiskLibBlock *last = n > 0 ? &b->list->blocks[n - 1] : NULL;

    if (last && last->offset + last->length == offset) {
        last->length = end - last->offset;
        return true;
    }
    if (n == b->room && !builder_make_room(b))
        return false;
    b->list->blocks[b->list->numBlocks++] =
        (VixDiskLibBlock){.offset = offset, .length = end - offset};
    return true;
}

/* -- the answer ----------------------------------------------------------- */

static bool
is_allocated(const VixDisk *disk, const VixDiskLibExtExtent *extent)
{
    const uint32 elsewhere =
        VIXDISKLIBEXT_EXTENT_HOLE | VIXDISKLIBEXT_EXTENT_PARENT;

    if (disk->flags & VIXDISKLIB_FLAG_OPEN_SINGLE_LINK)
        return !(extent->flags & elsewhere);
    return !(extent->flags & VIXDISKLIBEXT_EXTENT_ZERO);
}

/* What is allocated makes its chunks so, whatever else is in the last of
 * them. */
static VixError
collect(const Query *q, Builder *b)
{
    VixDiskLibSectorType at = q->start;
    VixDiskLibExtExtent extent;
    VixError err;

    while (at < q->end) {
        VixDiskLibSectorType next;

        if (!vix_extent_at(q->function, q->disk, at, q->end - at, &extent,
                           &err))
            return err;
        next = at + extent.length;
        if (is_allocated(q->disk, &extent)) {
            next = MIN(q->end, (next + q->chunk - 1) / q->chunk * q->chunk);
            if (!builder_add(b, at / q->chunk * q->chunk, next))
                return vix_fail(VIX_E_OUT_OF_MEMORY,
                                "%s: no memory for the blocks", q->function);
        }
        at = next;
    }
    return VIX_OK;
}

static VixError
query_run(Query *q, VixDiskLibSectorType count, VixDiskLibBlockList **list)
{
    Builder b = {0};
    VixError err = query_init(q, count);

    if (err != VIX_OK)
        return err;
    if (!builder_make_room(&b))
        return vix_fail(VIX_E_OUT_OF_MEMORY, "%s: no memory for the blocks",
                        q->function);
    err = collect(q, &b);
    if (err == VIX_OK)
        *list = b.list;
    else
        free(b.list);
    return err;
}

VixError
VixDiskLib_QueryAllocatedBlocks(VixDiskLibHandle diskHandle,
                                VixDiskLibSectorType startSector,
                                VixDiskLibSectorType numSectors,
                                VixDiskLibSectorType chunkSize,
                                VixDiskLibBlockList **blockList)
{
    Query q = {.function = "VixDiskLib_QueryAllocatedBlocks",
               .disk = diskHandle,
               .start = startSector,
               .chunk = chunkSize};
    VixError err;

    if (!blockList)
        return vix_fail(VIX_E_INVALID_ARG, "%s: no place for the list",
                        q.function);
    *blockList = NULL;
    err = vix_live_enter(q.function, diskHandle);
    if (err != VIX_OK)
        return err;
    err = query_run(&q, numSectors, blockList);
    vix_live_leave(diskHandle);
    return err;
}

VixError
VixDiskLib_FreeBlockList(VixDiskLibBlockList *blockList)
{
    free(blockList);
    return VIX_OK;
}
