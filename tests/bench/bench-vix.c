/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/bench/bench-vix.c - libvixDiskLib, timed.
 *
 *   bench-vix -l LIBRARY [-c COUNT] start IMAGE
 *       InitEx + ConnectEx + Open + Close + Disconnect + Exit, COUNT times.
 *       Prints milliseconds: of the first time in this process, and the median
 *       of the others.
 *   bench-vix -l LIBRARY [-t] [-c COUNT] [-d DEPTH] [-s SIZE]
 *             [-R SEED] read|write IMAGE
 *       Random ReadAsync or WriteAsync.  Buffers return to a pool under a lock
 *       and are used again by the main thread, as programs for this interface
 *       do it; -t: the callback submits the next request itself.  Prints
 *       seconds and requests a second; opening and closing are outside.
 *   bench-vix -l LIBRARY blocks IMAGE
 *       QueryAllocatedBlocks over the whole disk in pieces of a grain.  Prints
 *       seconds and the number of blocks.
 *
 * Offsets are those of bench-io -R with the same seed.
 *
 * Concurrency: the main thread and whatever threads the library calls back on;
 * "lock" guards what both use.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/arguments.h"
#include "tests/support/vix-library.h"

#define GRAIN_SECTORS 128

typedef struct Slot Slot;

typedef struct {
    /* what to do */
    const char *image;
    uint64_t count, size;
    unsigned depth;
    bool write, in_callback;
    /* where we are; all of it under lock */
    GMutex lock;
    GCond returned;
    uint64_t disk_size, random_state, started, finished;
    bool failed;
    Slot *free_slots;
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;
} Bench;

struct Slot {
    Bench *bench;
    Slot *next;
    uint8 *buf;
};

static void
check(VixError err, const char *what)
{
    char *text;

    if (err == VIX_OK)
        return;
    text = vix(GetErrorText)(err, NULL);
    fprintf(stderr, "bench-vix: %s: %s\n", what, text);
    exit(1);
}

static void
bench_open(Bench *b)
{
    uint32 flags = b->write ? 0 : VIXDISKLIB_FLAG_OPEN_READ_ONLY;
    VixDiskLibConnectParams params = {0};

    check(vix(InitEx)(7, 0, NULL, NULL, NULL, NULL, ""), "InitEx");
    check(vix(ConnectEx)(&params, !b->write, NULL, NULL, &b->connection),
          "ConnectEx");
    check(vix(Open)(b->connection, b->image, flags, &b->disk), "Open");
}

static void
bench_close(Bench *b)
{
    check(vix(Close)(b->disk), "Close");
    check(vix(Disconnect)(b->connection), "Disconnect");
    vix(Exit)();
}

/* -- start ---------------------------------------------------------------- */

static double
start_once(Bench *b)
{
    int64_t start = g_get_monotonic_time();

    bench_open(b);
    bench_close(b);
    return (double) (g_get_monotonic_time() - start) / 1e3;
}

static int
compare_doubles(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}

static void
start(Bench *b)
{
    g_autofree double *times = g_new(double, b->count);
    double first = start_once(b);

    for (uint64_t i = 0; i < b->count; i++)
        times[i] = start_once(b);
    qsort(times, b->count, sizeof(*times), compare_doubles);
    printf("{\"first-ms\": %.3f, \"median-ms\": %.3f}\n", first,
           times[b->count / 2]);
}

/* -- requests ------------------------------------------------------------- */

static uint64_t
next_sector(Bench *b)
{
    return bench_random(&b->random_state) % (b->disk_size / b->size) * b->size /
           VIXDISKLIB_SECTOR_SIZE;
}

static void request_done(void *opaque, VixError result);

static void
submit(Slot *slot, uint64_t sector)
{
    Bench *b = slot->bench;
    uint64_t count = b->size / VIXDISKLIB_SECTOR_SIZE;
    VixError err;

    if (b->write)
        err = vix(WriteAsync)(b->disk, sector, count, slot->buf, request_done,
                              slot);
    else
        err = vix(ReadAsync)(b->disk, sector, count, slot->buf, request_done,
                             slot);
    if (err != VIX_ASYNC)
        check(err ? err : VIX_E_FAIL, "submitting");
}

static void
request_done(void *opaque, VixError result)
{
    Slot *slot = opaque;
    Bench *b = slot->bench;
    uint64_t sector = 0;
    bool again;

    g_mutex_lock(&b->lock);
    b->finished++;
    b->failed = b->failed || result != VIX_OK;
    again = b->in_callback && b->started < b->count;
    if (again) {
        b->started++;
        sector = next_sector(b);
    } else {
        if (!b->free_slots)
            g_cond_signal(&b->returned);
        slot->next = b->free_slots;
        b->free_slots = slot;
    }
    g_mutex_unlock(&b->lock);
    if (again)
        submit(slot, sector);
}

static void
submit_next(Bench *b)
{
    Slot *slot;
    uint64_t sector;

    g_mutex_lock(&b->lock);
    while (!b->free_slots)
        g_cond_wait(&b->returned, &b->lock);
    slot = b->free_slots;
    b->free_slots = slot->next;
    sector = next_sector(b);
    b->started++;
    g_mutex_unlock(&b->lock);
    submit(slot, sector);
}

static void
run(Bench *b)
{
    uint64_t by_main = b->in_callback ? MIN(b->depth, b->count) : b->count;

    for (uint64_t i = 0; i < by_main; i++)
        submit_next(b);
    g_mutex_lock(&b->lock);
    while (b->finished < b->count)
        g_cond_wait_until(&b->returned, &b->lock, g_get_monotonic_time() + 100);
    g_mutex_unlock(&b->lock);
    check(vix(Wait)(b->disk), "Wait");
    if (b->failed)
        check(VIX_E_FAIL, "a request");
}

static void
slots_init(Bench *b, Slot *slots)
{
    for (unsigned i = 0; i < b->depth; i++) {
        void *buf;

        if (posix_memalign(&buf, 4096, b->size) != 0)
            abort();
        memset(buf, 0xa5, b->size);
        slots[i] = (Slot){.bench = b, .next = b->free_slots, .buf = buf};
        b->free_slots = &slots[i];
    }
}

static void
requests(Bench *b)
{
    g_autofree Slot *slots = g_new0(Slot, b->depth);
    VixDiskLibInfo *info;
    double seconds;
    int64_t begin;

    bench_open(b);
    check(vix(GetInfo)(b->disk, &info), "GetInfo");
    b->disk_size = info->capacity * VIXDISKLIB_SECTOR_SIZE;
    vix(FreeInfo)(info);
    slots_init(b, slots);
    begin = g_get_monotonic_time();
    run(b);
    seconds = (double) (g_get_monotonic_time() - begin) / 1e6;
    printf("{\"seconds\": %.6f, \"iops\": %.0f}\n", seconds,
           (double) b->count / seconds);
    bench_close(b);
    for (unsigned i = 0; i < b->depth; i++)
        free(slots[i].buf);
}

/* -- blocks --------------------------------------------------------------- */

static uint64_t
query(Bench *b, uint64_t sector, uint64_t sectors)
{
    VixDiskLibBlockList *list;
    uint64_t blocks;

    check(vix(QueryAllocatedBlocks)(b->disk, sector, sectors, GRAIN_SECTORS,
                                    &list),
          "QueryAllocatedBlocks");
    blocks = list->numBlocks;
    check(vix(FreeBlockList)(list), "FreeBlockList");
    return blocks;
}

static void
blocks(Bench *b)
{
    const uint64_t step = GRAIN_SECTORS * VIXDISKLIB_MAX_CHUNK_NUMBER;
    uint64_t found = 0, capacity;
    VixDiskLibInfo *info;
    int64_t begin;

    bench_open(b);
    check(vix(GetInfo)(b->disk, &info), "GetInfo");
    capacity = info->capacity;
    vix(FreeInfo)(info);
    begin = g_get_monotonic_time();
    for (uint64_t at = 0; at < capacity; at += step)
        found += query(b, at, MIN(step, capacity - at));
    printf("{\"seconds\": %.6f, \"blocks\": %" PRIu64 "}\n",
           (double) (g_get_monotonic_time() - begin) / 1e6, found);
    bench_close(b);
}

/* -- command line --------------------------------------------------------- */

static void
parse(Bench *b, int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "l:tc:d:s:R:")) != -1) {
        switch (option) {
        case 'l':
            vix_library_load(optarg);
            break;
        case 't':
            b->in_callback = true;
            break;
        case 'c':
            b->count = bench_number(optarg);
            break;
        case 'd':
            b->depth = (unsigned) bench_number(optarg);
            break;
        case 's':
            b->size = bench_number(optarg);
            break;
        case 'R':
            b->random_state = bench_number(optarg) | 1;
            break;
        default:
            exit(2);
        }
    }
    if (optind != argc - 2 || !vix(InitEx) || !b->count || !b->size ||
        b->size % VIXDISKLIB_SECTOR_SIZE != 0)
        exit(2);
    b->image = argv[optind + 1];
}

int
main(int argc, char **argv)
{
    Bench b = {.count = 100, .depth = 32, .size = 4096, .random_state = 1};
    const char *what;

    parse(&b, argc, argv);
    what = argv[optind];
    b.write = !strcmp(what, "write");
    if (!strcmp(what, "start"))
        start(&b);
    else if (!strcmp(what, "blocks"))
        blocks(&b);
    else if (b.write || !strcmp(what, "read"))
        requests(&b);
    else
        exit(2);
    return 0;
}
