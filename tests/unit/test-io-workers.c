/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-io-workers.c - what waits for long holds up nobody else.
 *
 * This program's fstatfs() says whatever the test wants, and knows who asked.
 */
#include "tests/unit/io-test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/vfs.h>
#include <time.h>

#include "io/loop-internal.h"
#include "io/window.h"

#define PATIENCE_SECONDS 60
#define BUFFERED_WORKERS 4u

static unsigned fs_magic = EXT4_SUPER_MAGIC;
static bool fs_fails;
static unsigned fs_asked;
static pthread_t fs_asker;

int
fstatfs(int fd, struct statfs *fs)
{
    fs_asked++;
    fs_asker = pthread_self();
    memset(fs, 0, sizeof(*fs));
    fs->f_type = fs_magic;
    errno = EIO;
    return fs_fails ? -1 : 0;
}

/* False if nobody posts. */
static bool
wait_patiently(sem_t *sem)
{
    struct timespec until;
    int ret;

    (void) clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_SECONDS;
    do
        ret = sem_timedwait(sem, &until);
    while (ret < 0 && errno == EINTR);
    return ret == 0;
}

/* -- remote files ---------------------------------------------------------- */

typedef struct {
    IoFixture *f;
    VioFile *file;
    VioFileFlags flags;
    VioWriteFlags write;
    sem_t go;
    unsigned stuck, freed; /* workers; those that were not in vain */
} Workers;

static VioFile *
workers_co_open(const Workers *w)
{
    g_autofree char *path = g_build_filename(w->f->dir, "a", NULL);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    return vio_co_file_new(w->f->loop, fd, w->flags);
}

static void
open_main(void *opaque)
{
    Workers *w = opaque;

    fs_asked = 0;
    w->file = workers_co_open(w);
    g_assert_cmpuint(fs_asked, ==, 1);
    g_assert_false(pthread_equal(fs_asker, pthread_self()));
    g_assert_cmpint(io_test_co_write(w->file, 0, "data", 4, 0), ==, 4);
    g_assert_cmpuint(fs_asked, ==, 1); /* never again */
}

static void
open_as(IoFixture *f, unsigned magic, bool fails, VioFileFlags flags,
        bool windows)
{
    Workers w = {.f = f, .flags = flags};
    VioLoopStats before, after;

    fs_magic = magic;
    fs_fails = fails;
    vio_loop_get_stats(f->loop, &before);
    io_test_run_busy(f, open_main, &w);
    vio_loop_get_stats(f->loop, &after);
    g_assert_true(vio_file_has_windows(w.file) == windows);
    if (!windows)
        g_assert_cmpuint(after.inline_writes, ==, before.inline_writes);
    vio_file_free(w.file);
}

/* Asking a server what it is may take as long as anything else it does. */
static void
test_kind_is_asked_by_a_worker(IoFixture *f, gconstpointer engine)
{
    open_as(f, EXT4_SUPER_MAGIC, false, 0, true);
    open_as(f, EXT4_SUPER_MAGIC, false, VIO_FILE_DIRECT, false);
    open_as(f, NFS_SUPER_MAGIC, false, 0, false);
    open_as(f, EXT4_SUPER_MAGIC, true, 0, false); /* not known */
}

static void
stuck_work(void *opaque)
{
    Workers *w = opaque;

    if (wait_patiently(&w->go))
        __atomic_add_fetch(&w->freed, 1, __ATOMIC_RELAXED);
}

static void
stuck_main(void *opaque)
{
    Workers *w = opaque;

    w->stuck++;
    vio_pool_co_run(&w->f->loop->pools[VIO_POOL_BUFFERED], stuck_work, w);
    w->stuck--;
}

/* All that write to local files' pages hang: whoever is queued behind them
 * comes back when their patience is over. */
static void
others_main(void *opaque)
{
    Workers *w = opaque;
    uint8_t block[512] = {1};

    for (unsigned i = 0; i < BUFFERED_WORKERS; i++)
        vio_co_start(w->f->loop, stuck_main, w);
    vio_co_reschedule();
    g_assert_cmpuint(w->stuck, ==, BUFFERED_WORKERS);
    g_assert_cmpint(
        io_test_co_write(w->file, 0, block, sizeof(block), w->write), ==,
        sizeof(block));
    for (unsigned i = 0; i < BUFFERED_WORKERS; i++)
        (void) sem_post(&w->go);
    while (w->stuck > 0)
        (void) vio_co_sleep(w->f->loop, 1000, NULL);
}

static void
pass_by(IoFixture *f, VioFileFlags flags, VioWriteFlags write)
{
    Workers w = {.f = f, .flags = flags, .write = write};
    VioFile *plain = io_test_file(f, "a", 5000);

    w.file = vio_file_new(f->loop, dup(vio_file_fd(plain)), flags);
    (void) sem_init(&w.go, 0, 0);
    io_test_run_busy(f, others_main, &w);
    g_assert_cmpuint(w.freed, ==, BUFFERED_WORKERS);
    (void) sem_destroy(&w.go);
    vio_file_free(w.file);
    vio_file_free(plain);
}

static void
test_remote_writes_have_other_workers(IoFixture *f, gconstpointer engine)
{
    pass_by(f, VIO_FILE_REMOTE, 0);
    pass_by(f, VIO_FILE_REMOTE, VIO_WRITE_DSYNC);
    g_assert_cmpint(vio_loop_fd(f->loop), >=, 0); /* nothing inline */
    pass_by(f, VIO_FILE_REMOTE, 0);
}

static void
test_durable_writes_have_other_workers(IoFixture *f, gconstpointer engine)
{
    pass_by(f, 0, VIO_WRITE_DSYNC);
}

/* -- quick jobs ------------------------------------------------------------ */

typedef struct {
    VioLoop *loop;
    sem_t first_is_known;
    bool in_time;
} Chunk;

static void
slow_work(void *opaque)
{
    const struct timespec slow = {.tv_nsec = 3000000};

    (void) clock_nanosleep(CLOCK_MONOTONIC, 0, &slow, NULL);
}

static void
last_work(void *opaque)
{
    Chunk *c = opaque;

    c->in_time = wait_patiently(&c->first_is_known);
}

static void
slow_main(void *opaque)
{
    Chunk *c = opaque;

    vio_pool_co_run_quick(&c->loop->pools[VIO_POOL_BUFFERED], slow_work, c);
    (void) sem_post(&c->first_is_known);
}

static void
chunk_main(void *opaque)
{
    Chunk *c = opaque;

    vio_co_start(c->loop, slow_main, c);
    vio_co_reschedule();
    vio_pool_co_run_quick(&c->loop->pools[VIO_POOL_BUFFERED], last_work, c);
}

/* Two jobs of one worker: the first one's end is told of before the second has
 * ended, since it was a slow one. */
static void
test_slow_job_is_told_of(IoFixture *f, gconstpointer engine)
{
    Chunk c = {.loop = f->loop};

    (void) sem_init(&c.first_is_known, 0, 0);
    io_test_run(f, chunk_main, &c);
    g_assert_true(c.in_time);
    (void) sem_destroy(&c.first_is_known);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    io_test_add("workers/kind-is-asked-by-a-worker",
                test_kind_is_asked_by_a_worker);
    io_test_add("workers/remote-writes-have-others",
                test_remote_writes_have_other_workers);
    io_test_add("workers/durable-writes-have-others",
                test_durable_writes_have_other_workers);
    io_test_add("workers/slow-job-is-told-of", test_slow_job_is_told_of);
    return g_test_run();
}
