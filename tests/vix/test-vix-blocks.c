/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/vix/test-vix-blocks.c - which sectors are allocated, and what they
 * are. */
#include "tests/vix/vix-test.h"

#include <string.h>
#include <time.h>

#define CHUNK VIXDISKLIB_MIN_CHUNK_SIZE

/* "8+128 256+3": the blocks, or what went wrong. */
static char *
query(VixDiskLibHandle disk, uint64 start, uint64 count, uint64 chunk)
{
    GString *text = g_string_new(NULL);
    VixDiskLibBlockList *list;

    assert_ok(
        VixDiskLib_QueryAllocatedBlocks(disk, start, count, chunk, &list));
    for (uint32 i = 0; i < list->numBlocks; i++)
        g_string_append_printf(
            text, "%s%" G_GUINT64_FORMAT "+%" G_GUINT64_FORMAT, i ? " " : "",
            list->blocks[i].offset, list->blocks[i].length);
    assert_ok(VixDiskLib_FreeBlockList(list));
    return g_string_free(text, FALSE);
}

#define assert_blocks(disk, start, count, chunk, wanted)                       \
    do {                                                                       \
        g_autofree char *found = query(disk, start, count, chunk);             \
        g_assert_cmpstr(found, ==, wanted);                                    \
    } while (0)

static VixDiskLibHandle
open_new(const VixTest *t, VixDiskLibDiskType type, uint64 capacity)
{
    return vix_test_open(t, vix_test_create(t, "b.vmdk", type, capacity), 0);
}

/* -- chunks --------------------------------------------------------------- */

static void
test_chunks(VixTest *t, gconstpointer data)
{
    VixDiskLibHandle disk =
        open_new(t, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 20 * CHUNK);

    assert_blocks(disk, 0, CHUNK, CHUNK, "");
    assert_blocks(disk, 0, 20 * CHUNK, CHUNK, "");
    vix_test_write(disk, 2 * CHUNK + 5, 1, 1);
    vix_test_write(disk, 3 * CHUNK, 1, 1);
    vix_test_write(disk, 9 * CHUNK, 1, 1);
    assert_blocks(disk, 0, 20 * CHUNK, CHUNK, "256+256 1152+128");
    assert_blocks(disk, 0, 3 * CHUNK, CHUNK, "256+128");
    assert_blocks(disk, 3 * CHUNK, CHUNK, CHUNK, "384+128");
    assert_blocks(disk, 4 * CHUNK, 5 * CHUNK, CHUNK, "");
    /* A chunk is allocated as a whole if any of it is. */
    assert_blocks(disk, 0, 20 * CHUNK, 4 * CHUNK, "0+512 1024+512");
    assert_blocks(disk, 0, 18 * CHUNK, 6 * CHUNK, "0+1536");
    assert_blocks(disk, 0, 20 * CHUNK, 192, "192+384 1152+192");
    vix_test_close(disk);
}

static void
test_the_tail(VixTest *t, gconstpointer data)
{
    const uint64 capacity = 4 * CHUNK + 3;
    VixDiskLibHandle disk =
        open_new(t, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, capacity);

    vix_test_write(disk, 0, 1, 1);
    assert_blocks(disk, 0, 5 * CHUNK, CHUNK, "0+128");
    vix_test_write(disk, capacity - 1, 1, 1);
    assert_blocks(disk, 0, 4 * CHUNK, CHUNK, "0+128");
    assert_blocks(disk, 0, 5 * CHUNK, CHUNK, "0+128 512+3");
    assert_blocks(disk, 0, UINT64_MAX, CHUNK, "0+128 512+3");
    assert_blocks(disk, 0, capacity, CHUNK, "0+128 512+3");
    assert_blocks(disk, 4 * CHUNK, 3, CHUNK, "512+3");
    assert_blocks(disk, 4 * CHUNK, CHUNK, CHUNK, "512+3");
    assert_blocks(disk, 0, 100 * CHUNK, 2 * CHUNK, "0+256 512+3");
    assert_blocks(disk, 0, 0, CHUNK, "");
    vix_test_close(disk);
    disk = vix_test_open(
        t,
        vix_test_create(t, "c.vmdk", VIXDISKLIB_DISK_SPLIT_SPARSE, 4 * CHUNK),
        0);
    assert_blocks(disk, 4 * CHUNK, CHUNK, CHUNK, "");
    vix_test_close(disk);
}

static void
test_zeroes_and_flat_holes(VixTest *t, gconstpointer data)
{
    VixDiskLibHandle disk = open_new(t, VIXDISKLIB_DISK_VMFS_FLAT, 64 * CHUNK);

    assert_blocks(disk, 0, 64 * CHUNK, CHUNK, "");
    vix_test_write(disk, 32 * CHUNK, CHUNK, 1);
    assert_blocks(disk, 0, 64 * CHUNK, CHUNK, "4096+128");
    vix_test_close(disk);
}

/* -- chains --------------------------------------------------------------- */

static void
test_chains(VixTest *t, gconstpointer data)
{
    const char *child = vix_test_path(t, "c.vmdk");
    VixDiskLibHandle disk =
        open_new(t, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 10 * CHUNK);

    vix_test_write(disk, 0, 2 * CHUNK, 1);
    assert_ok(VixDiskLib_CreateChild(
        disk, child, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, NULL, NULL));
    vix_test_close(disk);
    disk = vix_test_open(t, child, 0);
    assert_blocks(disk, 0, 10 * CHUNK, CHUNK, "0+256");
    vix_test_write(disk, CHUNK, CHUNK, 2);
    vix_test_write(disk, 5 * CHUNK, CHUNK, 2);
    assert_blocks(disk, 0, 10 * CHUNK, CHUNK, "0+256 640+128");
    vix_test_close(disk);
    disk = vix_test_open(t, child, VIXDISKLIB_FLAG_OPEN_SINGLE_LINK);
    assert_blocks(disk, 0, 10 * CHUNK, CHUNK, "128+128 640+128");
    vix_test_close(disk);
}

/* Zeroes in a link hide what its parent has: of the link alone they count. */
static void
test_zeroes_over_a_parent(VixTest *t, gconstpointer data)
{
    const char *child = vix_test_path(t, "c.vmdk");
    VixDiskLibHandle disk =
        open_new(t, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 10 * CHUNK);

    vix_test_write(disk, 0, 10 * CHUNK, 1);
    assert_ok(VixDiskLib_CreateChild(
        disk, child, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, NULL, NULL));
    vix_test_close(disk);
    disk = vix_test_open(t, child, 0);
    assert_ok(VixDiskLibExt_WriteZeroes(disk, 2 * CHUNK, CHUNK,
                                        VIXDISKLIBEXT_ZERO_MAY_UNMAP));
    vix_test_assert_reads(disk, 2 * CHUNK, CHUNK, 0);
    vix_test_close(disk);
    disk = vix_test_open(t, child, VIXDISKLIB_FLAG_OPEN_SINGLE_LINK);
    assert_blocks(disk, 0, 10 * CHUNK, CHUNK, "256+128");
    vix_test_close(disk);
}

/* -- limits --------------------------------------------------------------- */

static void
assert_refused(VixDiskLibHandle disk, uint64 start, uint64 count, uint64 chunk,
               VixError code, const char *says)
{
    VixDiskLibBlockList *list = (void *) &list;

    assert_mistake(
        VixDiskLib_QueryAllocatedBlocks(disk, start, count, chunk, &list), code,
        says);
    g_assert_null(list);
}

static void
test_limits(VixTest *t, gconstpointer data)
{
    const uint64 most = (uint64) VIXDISKLIB_MAX_CHUNK_NUMBER * CHUNK;
    VixDiskLibHandle disk =
        open_new(t, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 2 * most);
    VixDiskLibBlockList *list;

    assert_refused(disk, 0, CHUNK, CHUNK - 1, VIX_E_INVALID_ARG, "chunks of");
    assert_refused(disk, 0, CHUNK, 0, VIX_E_INVALID_ARG, "chunks of");
    assert_refused(disk, 0, 1 << 20, VIXDISKLIB_MAX_CHUNK_SIZE + 1,
                   VIX_E_INVALID_ARG, "chunks of");
    assert_refused(disk, 1, CHUNK, CHUNK, VIX_E_INVALID_ARG, "whole chunks");
    assert_refused(disk, 0, CHUNK + 1, CHUNK, VIX_E_INVALID_ARG,
                   "whole chunks");
    assert_refused(disk, 0, most + CHUNK, CHUNK, VIX_E_INVALID_ARG,
                   "more than 524288");
    assert_refused(disk, 0, UINT64_MAX, CHUNK, VIX_E_INVALID_ARG, "more than");
    assert_refused(disk, 2 * most + CHUNK, CHUNK, CHUNK, VIX_E_DISK_OUTOFRANGE,
                   "the disk has");
    assert_refused(disk, UINT64_MAX / CHUNK * CHUNK, CHUNK, CHUNK,
                   VIX_E_DISK_OUTOFRANGE, "the disk has");
    assert_blocks(disk, 0, most, CHUNK, "");
    assert_blocks(disk, 0, 2 * most, VIXDISKLIB_MAX_CHUNK_SIZE, "");
    assert_mistake(VixDiskLib_QueryAllocatedBlocks(disk, 0, CHUNK, CHUNK, NULL),
                   VIX_E_INVALID_ARG, "no place");
    vix_test_close(disk);
    assert_refused(disk, 0, CHUNK, CHUNK, VIX_E_INVALID_HANDLE, "no handle");
    assert_refused(NULL, 0, CHUNK, CHUNK, VIX_E_INVALID_HANDLE, "no handle");
    assert_ok(VixDiskLib_FreeBlockList(NULL));
    VixDiskLib_Exit();
    assert_vix(VixDiskLib_QueryAllocatedBlocks(disk, 0, CHUNK, CHUNK, &list),
               VIX_E_DISK_NOINIT);
    g_assert_null(list);
    t->connection = NULL;
}

/* Every second chunk, so that nothing can be merged. */
static void
test_many_blocks(VixTest *t, gconstpointer data)
{
    const unsigned n = 1000;
    VixDiskLibHandle disk =
        open_new(t, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 2 * n * CHUNK);
    VixDiskLibBlockList *list;

    for (unsigned i = 0; i < n; i++)
        vix_test_write(disk, 2 * i * CHUNK, 1, 1);
    assert_ok(
        VixDiskLib_QueryAllocatedBlocks(disk, 0, 2 * n * CHUNK, CHUNK, &list));
    vix_test_close(disk); /* lists outlive their disks */
    g_assert_cmpuint(list->numBlocks, ==, n);
    for (unsigned i = 0; i < n; i++) {
        g_assert_cmpuint(list->blocks[i].offset, ==, 2 * i * CHUNK);
        g_assert_cmpuint(list->blocks[i].length, ==, CHUNK);
    }
    assert_ok(VixDiskLib_FreeBlockList(list));
}

/* What this process has had of the processors. */
static int64_t
cpu_us(void)
{
    struct timespec ts;

    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return ts.tv_sec * G_USEC_PER_SEC + ts.tv_nsec / 1000;
}

static int64_t
reading_us(VixDiskLibHandle disk, uint64 mib)
{
    const uint64 piece = (1u << 20) / SECTOR;
    g_autofree uint8 *buf = g_malloc(piece * SECTOR);
    int64_t begin = cpu_us();

    for (uint64 i = 0; i < mib; i++)
        assert_ok(VixDiskLib_Read(disk, i * piece, piece, buf));
    return cpu_us() - begin;
}

/* A sparse disk of 100 GiB: a walk over metadata takes little of what reading a
 * quarter of one of them does, however slow the machine is. */
static void
test_speed(VixTest *t, gconstpointer data)
{
    const uint64 gib = (UINT64_C(1) << 30) / SECTOR;
    VixDiskLibHandle disk =
        open_new(t, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 100 * gib);
    int64_t reading, walking;

    vix_test_write(disk, 50 * gib, 1, 1);
    reading = reading_us(disk, 256);
    walking = cpu_us();
    assert_blocks(disk, 0, 32 * gib, CHUNK, "");
    assert_blocks(disk, 32 * gib, 32 * gib, CHUNK, "104857600+128");
    assert_blocks(disk, 64 * gib, 36 * gib, 2 * CHUNK, "");
    walking = cpu_us() - walking;
    g_test_message("100 GiB: %d us, reading 256 MiB: %d us", (int) walking,
                   (int) reading);
    g_assert_cmpint(walking, <, 10 * reading); /* a walk over data: 400 */
    vix_test_close(disk);
}

/* -- extents -------------------------------------------------------------- */

/* "0+5 hole zero; ...", the depth in front of data. */
static char *
extents(VixDiskLibHandle disk, uint64 start, uint64 count, uint64 max)
{
    GString *text = g_string_new(NULL);
    VixDiskLibExtExtentList *list;

    assert_ok(VixDiskLibExt_GetExtents(disk, start, count, max, &list));
    for (uint64 i = 0; i < list->numExtents; i++) {
        const VixDiskLibExtExtent *e = &list->extents[i];

        g_string_append_printf(
            text, "%s%" G_GUINT64_FORMAT "+%" G_GUINT64_FORMAT "@%u%s%s%s%s",
            i ? " " : "", e->offset, e->length, e->depth,
            e->flags & VIXDISKLIBEXT_EXTENT_HOLE ? "h" : "",
            e->flags & VIXDISKLIBEXT_EXTENT_ZERO ? "z" : "",
            e->flags & VIXDISKLIBEXT_EXTENT_COMPRESSED ? "c" : "",
            e->flags & VIXDISKLIBEXT_EXTENT_PARENT ? "p" : "");
    }
    VixDiskLibExt_FreeExtents(list);
    return g_string_free(text, FALSE);
}

#define assert_extents(disk, start, count, max, wanted)                        \
    do {                                                                       \
        g_autofree char *found = extents(disk, start, count, max);             \
        g_assert_cmpstr(found, ==, wanted);                                    \
    } while (0)

static void
test_extents(VixTest *t, gconstpointer data)
{
    const char *child = vix_test_path(t, "c.vmdk");
    VixDiskLibHandle disk =
        open_new(t, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1283);

    vix_test_write(disk, 0, 3 * GRAIN, 1);
    assert_extents(disk, 0, 1283, 0, "0+384@0 384+899@0hz");
    assert_ok(VixDiskLib_CreateChild(
        disk, child, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, NULL, NULL));
    vix_test_close(disk);
    disk = vix_test_open(t, child, 0);
    vix_test_write(disk, GRAIN, GRAIN, 2);
    assert_extents(disk, 0, 1283, 0, "0+128@1 128+128@0 256+128@1 384+899@1hz");
    assert_extents(disk, 0, 1283, 2, "0+128@1 128+128@0");
    assert_extents(disk, 0, 1283, 4, "0+128@1 128+128@0 256+128@1 384+899@1hz");
    assert_extents(disk, 100, 30, 0, "100+28@1 128+2@0");
    assert_extents(disk, 1282, 1, 0, "1282+1@1hz");
    assert_extents(disk, 1283, 0, 0, "");
    vix_test_close(disk);
    disk = vix_test_open(t, child, VIXDISKLIB_FLAG_OPEN_SINGLE_LINK);
    assert_extents(disk, 0, 1283, 0, "0+128@0p 128+128@0 256+1027@0p");
    vix_test_close(disk);
}

static void
test_extents_refused(VixTest *t, gconstpointer data)
{
    VixDiskLibHandle disk =
        open_new(t, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, GRAIN);
    VixDiskLibExtExtentList *list = (void *) &list;

    assert_mistake(VixDiskLibExt_GetExtents(disk, 0, GRAIN, 0, NULL),
                   VIX_E_INVALID_ARG, "no place");
    assert_mistake(VixDiskLibExt_GetExtents(disk, 1, GRAIN, 0, &list),
                   VIX_E_DISK_OUTOFRANGE, "the disk has");
    g_assert_null(list);
    vix_test_close(disk);
    list = (void *) &list;
    assert_mistake(VixDiskLibExt_GetExtents(disk, 0, 1, 0, &list),
                   VIX_E_INVALID_HANDLE, "no handle");
    g_assert_null(list);
    VixDiskLibExt_FreeExtents(NULL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    vix_test_add("/vix/blocks/chunks", test_chunks);
    vix_test_add("/vix/blocks/the-tail", test_the_tail);
    vix_test_add("/vix/blocks/zeroes-and-flat-holes",
                 test_zeroes_and_flat_holes);
    vix_test_add("/vix/blocks/chains", test_chains);
    vix_test_add("/vix/blocks/zeroes-over-a-parent", test_zeroes_over_a_parent);
    vix_test_add("/vix/blocks/limits", test_limits);
    vix_test_add("/vix/blocks/many", test_many_blocks);
    vix_test_add("/vix/blocks/speed", test_speed);
    vix_test_add("/vix/blocks/extents", test_extents);
    vix_test_add("/vix/blocks/extents-refused", test_extents_refused);
    return g_test_run();
}
