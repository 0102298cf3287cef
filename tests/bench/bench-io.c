/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/bench/bench-io.c - many small requests on one image, timed.
 *
 * Walks as "qemu-img bench" does (fixed step, wrapping at the end; a flush
 * waits for the writes before it), so that the two can be compared; -R takes
 * random offsets instead.  Opening and closing are outside of the time.
 *
 *   bench-io [-w] [-f FORMAT] [-c COUNT] [-d DEPTH] [-s SIZE] [-S STEP]
 *            [-F FLUSH_INTERVAL] [-R SEED] [-1] [-n] IMAGE...
 *
 * -n: past the page cache (O_DIRECT).
 * -1: all requests use one buffer, as qemu-img's do: it stays in the
 * processor's cache, which no program's would that looks at what it reads.
 * Of several images (of one size, only read) each request takes the next.
 * Prints seconds, requests a second, and requests to the files per request.
 *
 * Concurrency: one thread; callbacks run inside vd_context_iterate().
 */
#include "include/vdisk.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/arguments.h"

typedef struct Slot Slot;

typedef struct {
    /* what to do */
    char **images;
    const char *format;
    uint64_t count, size, step, flush_interval;
    unsigned depth;
    bool write, random, one_buffer, direct;
    /* where we are */
    VdDisk **disks;
    unsigned n_disks;
    uint64_t disk_size, offset, random_state;
    uint64_t started, finished, since_flush;
    unsigned in_flight;
    bool flushing, failed;
    Slot *free_slots;
    char *memory; /* of all buffers */
} Bench;

struct Slot {
    Bench *bench;
    Slot *next;
    struct iovec iov;
};

static uint64_t
next_offset(Bench *b)
{
    uint64_t off = b->offset;

    if (b->random)
        return bench_random(&b->random_state) % (b->disk_size / b->size) *
               b->size;
    b->offset = (b->offset + b->step) % b->disk_size;
    if (b->offset + b->size > b->disk_size)
        b->offset = 0;
    return off;
}

static void
fail(Bench *b, const GError *error)
{
    if (!b->failed)
        fprintf(stderr, "bench-io: %s\n", error->message);
    b->failed = true;
}

static void
request_done(void *opaque, const GError *error)
{
    Slot *slot = opaque;
    Bench *b = slot->bench;

    if (error)
        fail(b, error);
    slot->next = b->free_slots;
    b->free_slots = slot;
    b->in_flight--;
    b->finished++;
}

static void
flush_done(void *opaque, const GError *error)
{
    Bench *b = opaque;

    if (error)
        fail(b, error);
    b->flushing = false;
    b->since_flush = 0;
}

static void
submit_request(Bench *b)
{
    Slot *slot = b->free_slots;
    VdDisk *disk = b->disks[b->started % b->n_disks];
    uint64_t off = next_offset(b);

    b->free_slots = slot->next;
    b->in_flight++;
    b->started++;
    b->since_flush++;
    if (b->write)
        vd_disk_pwritev_async(disk, &slot->iov, 1, off, 0, request_done, slot);
    else
        vd_disk_preadv_async(disk, &slot->iov, 1, off, request_done, slot);
}

static bool
flush_is_due(const Bench *b)
{
    return b->flush_interval && b->since_flush >= b->flush_interval;
}

static void
submit_all(Bench *b)
{
    while (b->started < b->count && b->free_slots && !flush_is_due(b) &&
           !b->flushing)
        submit_request(b);
    if (flush_is_due(b) && !b->flushing && !b->in_flight) {
        b->flushing = true;
        vd_disk_flush_async(b->disks[0], flush_done, b);
    }
}

static void
run(Bench *b, VdContext *ctx)
{
    while (!b->failed && (b->finished < b->count || b->flushing)) {
        submit_all(b);
        vd_context_iterate(ctx, -1);
    }
    while (b->in_flight || b->flushing)
        vd_context_iterate(ctx, -1);
}

static void
slots_init(Bench *b, Slot *slots)
{
    size_t stride = b->one_buffer ? 0 : (b->size + 4095) / 4096 * 4096;
    size_t bytes = stride * (b->depth - 1) + b->size;
    void *memory;

    if (posix_memalign(&memory, 4096, bytes) != 0)
        abort();
    memset(memory, 0xa5, bytes);
    b->memory = memory;
    for (unsigned i = 0; i < b->depth; i++) {
        Slot *slot = &slots[i];
        char *buf = b->memory + stride * i;

        *slot = (Slot){.bench = b,
                       .next = b->free_slots,
                       .iov = {.iov_base = buf, .iov_len = b->size}};
        b->free_slots = slot;
    }
}

static void
report(const Bench *b, double seconds, const char *engine)
{
    uint64_t reads = 0, writes = 0;

    for (unsigned i = 0; i < b->n_disks; i++) {
        VdStats stats;

        vd_disk_get_stats(b->disks[i], &stats);
        reads += stats.leaf_reads;
        writes += stats.leaf_writes;
    }
    printf("{\"seconds\": %.6f, \"iops\": %.0f, \"leaf-reads\": %.3f, "
           "\"leaf-writes\": %.3f, \"engine\": \"%s\"}\n",
           seconds, (double) b->finished / seconds,
           (double) reads / (double) b->finished,
           (double) writes / (double) b->finished, engine);
}

static bool
bench_open_one(Bench *b, VdContext *ctx, const char *image, GError **error)
{
    VdOpenFlags flags =
        (b->write ? VD_OPEN_RDWR : 0) | (b->direct ? VD_OPEN_DIRECT : 0);
    VdDisk *disk = vd_disk_open(ctx, image, b->format, NULL, flags, error);

    if (!disk)
        return false;
    b->disks[b->n_disks++] = disk;
    if (b->n_disks == 1)
        b->disk_size = vd_disk_size(disk);
    if (b->disk_size <= b->size || vd_disk_size(disk) != b->disk_size) {
        g_set_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT,
                    "%s: smaller than a request, or not as large as the first",
                    image);
        return false;
    }
    return true;
}

static bool
bench_open(Bench *b, VdContext *ctx, GError **error)
{
    bool ok = true;

    b->disks = g_new0(VdDisk *, g_strv_length(b->images));
    for (char **image = b->images; ok && *image; image++)
        ok = bench_open_one(b, ctx, *image, error);
    return ok;
}

static bool
bench_close(Bench *b, bool ok, GError **error)
{
    for (unsigned i = 0; i < b->n_disks; i++)
        ok = vd_disk_close(b->disks[i], ok ? error : NULL) && ok;
    g_free(b->disks);
    return ok;
}

static bool
bench(Bench *b, GError **error)
{
    VdContextParams params = {.fixed_thread = true};
    g_autoptr(VdContext) ctx = vd_context_new(&params, error);
    g_autofree Slot *slots = g_new0(Slot, b->depth);
    bool ok = ctx && bench_open(b, ctx, error);

    if (ok) {
        slots_init(b, slots);
        int64_t start = g_get_monotonic_time();
        run(b, ctx);
        report(b, (double) (g_get_monotonic_time() - start) / 1e6,
               vd_context_engine(ctx));
    }
    ok = bench_close(b, ok, error);
    free(b->memory);
    return ok && !b->failed;
}

static void
parse(Bench *b, int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "wf:c:d:s:S:F:R:1n")) != -1) {
        switch (option) {
        case 'w':
            b->write = true;
            break;
        case '1':
            b->one_buffer = true;
            break;
        case 'n':
            b->direct = true;
            break;
        case 'f':
            b->format = optarg;
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
        case 'S':
            b->step = bench_number(optarg);
            break;
        case 'F':
            b->flush_interval = bench_number(optarg);
            break;
        case 'R':
            b->random = true;
            b->random_state = bench_number(optarg) | 1;
            break;
        default:
            exit(2);
        }
    }
    b->images = argv + optind;
    if (!*b->images || (b->write && b->images[1]) || !b->count || !b->depth ||
        !b->size)
        exit(2);
}

int
main(int argc, char **argv)
{
    Bench b = {.count = 75000, .depth = 64, .size = 4096};
    g_autoptr(GError) error = NULL;

    parse(&b, argc, argv);
    if (!b.step)
        b.step = b.size;
    if (bench(&b, &error))
        return 0;
    if (error)
        fprintf(stderr, "bench-io: %s\n", error->message);
    return 1;
}
