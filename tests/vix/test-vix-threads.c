/* SPDX-License-Identifier: BSD-3-Clause */
/* test-vix-threads - any number of threads on one handle: what they read is
 * what they wrote, and Wait waits for what its thread has submitted. */
#include <string.h>

#include "tests/vix/host.h"

#define THREADS 8
#define AREA 1024 /* sectors, for each thread */
#define DEPTH 256
#define WAITERS 4

static unsigned
effort(unsigned whole)
{
    return g_getenv("VDISK_TEST_SHORT") ? whole / 8 : whole;
}

/* -- against a model ------------------------------------------------------ */

typedef struct {
    VixDiskLibHandle disk;
    uint64 start;
    uint64 random;
    uint32 seeds[AREA]; /* of each sector; 0 = never written */
    uint8 buf[64 * SECTOR];
    HostCount done;
    unsigned submitted;
} Worker;

static uint32
draw(Worker *w, uint32 below)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (uint32) (w->random >> 32) % below;
}

static void
await_done(Worker *w, VixError submitted)
{
    assert_vix(submitted, VIX_ASYNC);
    host_count_await(&w->done, ++w->submitted);
}

static void
write_some(Worker *w, uint32 first, uint32 count, bool async)
{
    uint64 at = w->start + first;
    uint32 seed = draw(w, 1000) + 1;

    host_fill(w->buf, at, count, seed);
    if (async)
        await_done(w, vix(WriteAsync)(w->disk, at, count, w->buf, host_counted,
                                      &w->done));
    else
        assert_ok(vix(Write)(w->disk, at, count, w->buf));
    for (uint32 i = 0; i < count; i++)
        w->seeds[first + i] = seed;
}

static void
zero_some(Worker *w, uint32 first, uint32 count)
{
    assert_ok(vix_ext(WriteZeroes)(w->disk, w->start + first, count,
                                   VIXDISKLIBEXT_ZERO_MAY_UNMAP));
    memset(&w->seeds[first], 0, count * sizeof(w->seeds[0]));
}

static void
read_some(Worker *w, uint32 first, uint32 count, bool async)
{
    uint64 at = w->start + first;

    memset(w->buf, 0xaa, count * SECTOR);
    if (async)
        await_done(w, vix(ReadAsync)(w->disk, at, count, w->buf, host_counted,
                                     &w->done));
    else
        assert_ok(vix(Read)(w->disk, at, count, w->buf));
    for (uint32 i = 0; i < count; i++)
        g_assert_true(host_holds(w->buf + (uint64) i * SECTOR, at + i, 1,
                                 w->seeds[first + i]));
}

static void
other_things(Worker *w, unsigned which)
{
    VixDiskLibBlockList *list;
    VixDiskLibInfo *info;

    switch (which) {
    case 0:
        assert_ok(vix(Flush)(w->disk));
        break;
    case 1:
        assert_ok(vix(Wait)(w->disk));
        break;
    case 2:
        assert_ok(vix(GetInfo)(w->disk, &info));
        vix(FreeInfo)(info);
        break;
    default:
        assert_ok(
            vix(QueryAllocatedBlocks)(w->disk, 0, THREADS * AREA, 128, &list));
        assert_ok(vix(FreeBlockList)(list));
        break;
    }
}

static void *
worker_run(void *opaque)
{
    Worker *w = opaque;
    unsigned rounds = effort(400);

    for (unsigned i = 0; i < rounds; i++) {
        uint32 first = draw(w, AREA - 64), count = 1 + draw(w, 63);

        switch (draw(w, 8)) {
        case 0:
        case 1:
        case 2:
            write_some(w, first, count, i % 2);
            break;
        case 3:
            zero_some(w, first, count);
            break;
        case 4:
            other_things(w, draw(w, 4));
            break;
        default:
            read_some(w, first, count, i % 2);
            break;
        }
    }
    return NULL;
}

static void
check_worker(Worker *w, VixDiskLibHandle disk)
{
    w->disk = disk;
    for (uint32 first = 0; first < AREA; first += 64)
        read_some(w, first, 64, false);
}

static void
run_workers(Worker *workers, VixDiskLibHandle disk)
{
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        workers[i].disk = disk;
        workers[i].start = i * AREA;
        workers[i].random = 0x9e3779b97f4a7c15 * (i + 1);
        host_count_init(&workers[i].done);
        threads[i] = host_thread(worker_run, &workers[i]);
    }
    for (unsigned i = 0; i < THREADS; i++)
        host_join(threads[i]);
}

static void
test_model(gconstpointer flags)
{
    const char *path = host_make_disk("model.vmdk", THREADS * AREA);
    g_autofree Worker *workers = g_new0(Worker, THREADS);
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;

    host_init();
    connection = host_connect();
    disk = host_open(connection, path, GPOINTER_TO_UINT(flags));
    run_workers(workers, disk);
    assert_ok(vix(Close)(disk));
    disk = host_open(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    for (unsigned i = 0; i < THREADS; i++) {
        check_worker(&workers[i], disk);
        host_count_clear(&workers[i].done);
    }
    assert_ok(vix(Close)(disk));
    assert_ok(vix(Disconnect)(connection));
    host_exit();
}

/* -- waiting -------------------------------------------------------------- */

typedef struct {
    VixDiskLibHandle disk;
    uint8 *buf; /* of DEPTH sectors */
    HostCount done;
} Waiter;

static void *
waiter_run(void *opaque)
{
    Waiter *w = opaque;
    unsigned rounds = effort(64);

    for (unsigned round = 1; round <= rounds; round++) {
        for (unsigned i = 0; i < DEPTH; i++)
            assert_vix(vix(ReadAsync)(w->disk, i * 7, 1, w->buf + i * SECTOR,
                                      host_counted, &w->done),
                       VIX_ASYNC);
        assert_ok(vix(Wait)(w->disk));
        g_assert_cmpuint(host_count_get(&w->done), ==, round * DEPTH);
        for (unsigned i = 0; i < DEPTH; i += 16)
            g_assert_true(host_holds(w->buf + i * SECTOR, i * 7, 1, 4));
    }
    return NULL;
}

static void
test_wait(void)
{
    const char *path = host_make_disk("wait.vmdk", 7 * DEPTH);
    Waiter waiters[WAITERS];
    pthread_t threads[WAITERS];
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;

    host_init();
    connection = host_connect();
    disk = host_open(connection, path, 0);
    host_write(disk, 0, 7 * DEPTH, 4);
    for (unsigned i = 0; i < WAITERS; i++) {
        waiters[i] = (Waiter){.disk = disk, .buf = g_malloc(DEPTH * SECTOR)};
        host_count_init(&waiters[i].done);
        threads[i] = host_thread(waiter_run, &waiters[i]);
    }
    for (unsigned i = 0; i < WAITERS; i++) {
        host_join(threads[i]);
        host_count_clear(&waiters[i].done);
        g_free(waiters[i].buf);
    }
    assert_ok(vix(Wait)(disk));
    assert_ok(vix(Close)(disk));
    assert_ok(vix(Disconnect)(connection));
    host_exit();
}

int
main(int argc, char **argv)
{
    host_begin(&argc, &argv);
    g_test_add_data_func("/vix/threads/model", GUINT_TO_POINTER(0), test_model);
    g_test_add_data_func("/vix/threads/model-unbuffered",
                         GUINT_TO_POINTER(VIXDISKLIB_FLAG_OPEN_UNBUFFERED),
                         test_model);
    g_test_add_func("/vix/threads/wait", test_wait);
    return host_run();
}
