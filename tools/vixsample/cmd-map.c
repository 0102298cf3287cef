/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/cmd-map.c - where a disk has data: blocks and extents.
 *
 * Concurrency: main thread only.
 */
#include <inttypes.h>
#include <stdio.h>

#include "tools/vixsample/commands.h"
#include "tools/vixsample/interrupt.h"

#define EXTENTS_A_CALL 65536

typedef struct BlockSum {
    uint64_t blocks, sectors;
} BlockSum;

static void
block_print(BlockSum *sum, uint64_t offset, uint64_t length)
{
    printf("0x%010" PRIx64 "  0x%010" PRIx64 "\n", offset, length);
    sum->blocks++;
    sum->sectors += length;
}

static bool
blocks_query(VixDiskLibHandle disk, uint64_t start, uint64_t count,
             uint64_t chunk, BlockSum *sum)
{
    VixDiskLibBlockList *list = NULL;

    if (!CALL(VixDiskLib_QueryAllocatedBlocks, disk, start, count, chunk,
              &list))
        return false;
    for (uint32 i = 0; i < list->numBlocks; i++)
        block_print(sum, list->blocks[i].offset, list->blocks[i].length);
    return CALL(VixDiskLib_FreeBlockList, list) && !ferror(stdout);
}

/* Whole chunks are asked about; what is left at the end counts as allocated,
 * because VMware's library does not answer for it. */
static bool
blocks_print(VixDiskLibHandle disk, uint64_t chunk, uint64_t start,
             uint64_t count, BlockSum *sum)
{
    uint64_t whole = count - count % chunk;
    uint64_t step = chunk * VIXDISKLIB_MAX_CHUNK_NUMBER;
    bool ok = true;

    for (uint64_t done = 0; ok && done < whole; done += step)
        ok = !interrupt_pending() &&
             blocks_query(disk, start + done, MIN(step, whole - done), chunk,
                          sum);
    if (ok && count > whole)
        block_print(sum, start + whole, count - whole);
    return ok;
}

/* Refused chunk sizes are the library's to refuse, but must not overflow
 * here. */
static uint64_t
chunk_size(const Options *opts)
{
    return MIN(opts->chunk, UINT64_MAX / VIXDISKLIB_MAX_CHUNK_NUMBER);
}

bool
cmd_getallocatedblocks(Session *session, const Options *opts)
{
    VixDiskLibHandle disk =
        session_open_disk(session, opts, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    uint64_t start, count;
    BlockSum sum = {0};

    if (!disk || !session_range(disk, opts, &start, &count))
        return false;
    printf("offset        length (sectors)\n");
    interrupt_begin();
    bool ok = blocks_print(disk, chunk_size(opts), start, count, &sum);
    interrupt_end();
    if (!ok)
        return false;
    printf("%" PRIu64 " blocks, %" PRIu64 " of %" PRIu64
           " sectors allocated (%.1f %%)\n",
           sum.blocks, sum.sectors, count,
           count ? 100.0 * (double) sum.sectors / (double) count : 0.0);
    return session_close(session, disk);
}

static void
extent_print(const VixDiskLibExtExtent *extent)
{
    static const struct {
        uint32 flag;
        const char *word;
    } words[] = {
        {VIXDISKLIBEXT_EXTENT_HOLE, "hole"},
        {VIXDISKLIBEXT_EXTENT_ZERO, "zero"},
        {VIXDISKLIBEXT_EXTENT_COMPRESSED, "compressed"},
        {VIXDISKLIBEXT_EXTENT_PARENT, "parent"},
    };
    const char *comma = "";

    printf("0x%010" PRIx64 "  0x%010" PRIx64 "  %5u  ", extent->offset,
           extent->length, extent->depth);
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        if (!(extent->flags & words[i].flag))
            continue;
        printf("%s%s", comma, words[i].word);
        comma = ",";
    }
    printf("%s\n", *comma ? "" : "data");
}

/* Prints some and goes on behind them. */
static bool
extents_print(VixDiskLibHandle disk, uint64_t *start, uint64_t *count)
{
    VixDiskLibExtExtentList *list = NULL;
    uint64_t covered = 0;

    if (!CALL(VixDiskLibExt_GetExtents, disk, *start, *count, EXTENTS_A_CALL,
              &list))
        return false;
    for (uint64_t i = 0; i < list->numExtents; i++) {
        extent_print(&list->extents[i]);
        covered += list->extents[i].length;
    }
    VIX(VixDiskLibExt_FreeExtents)(list);
    *start += covered;
    *count -= MIN(covered, *count);
    return covered > 0 && !ferror(stdout);
}

bool
cmd_extents(Session *session, const Options *opts)
{
    VixDiskLibHandle disk =
        session_open_disk(session, opts, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    uint64_t start, count;

    if (!disk || !session_range(disk, opts, &start, &count))
        return false;
    printf("offset        length        depth  flags (sectors)\n");
    interrupt_begin();
    bool ok = true;
    while (ok && count > 0)
        ok = !interrupt_pending() && extents_print(disk, &start, &count);
    interrupt_end();
    return ok && session_close(session, disk);
}
