/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/io-test.c - fixture of the tests of io/. */
#include "tests/unit/io-test.h"

#include <fcntl.h>
#include <poll.h>

#include "io/fiber.h"

static const VioEngineKind engine_uring = VIO_ENGINE_URING;
static const VioEngineKind engine_threads = VIO_ENGINE_THREADS;
static const VioEngineKind engine_aio = VIO_ENGINE_AIO;

static void
io_setup(IoFixture *f, gconstpointer engine)
{
    VioLoopParams params = {.engine = *(const VioEngineKind *) engine};
    int ret = vio_loop_new(&params, &f->loop);

    if (ret != 0) {
        g_assert_cmpint(params.engine, !=, VIO_ENGINE_THREADS);
        g_assert_null(f->loop);
    }
    f->dir = g_dir_make_tmp("vdisk-io-XXXXXX", NULL);
    g_assert_nonnull(f->dir);
}

static void
io_remove_files(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *file = g_build_filename(path, name, NULL);

        if (g_unlink(file) != 0)
            io_remove_files(file); /* a folder */
    }
    (void) g_rmdir(path);
}

static void
io_teardown(IoFixture *f, gconstpointer engine)
{
    if (f->loop)
        vio_loop_free(f->loop);
    io_remove_files(f->dir);
    g_free(f->dir);
}

/* g_test_add() has no room for a second pointer: find the function by name. */
static GHashTable *io_tests;

static void
io_call(IoFixture *f, gconstpointer engine)
{
    IoTestFunc func = g_hash_table_lookup(io_tests, g_test_get_path());

    if (!f->loop) {
        g_test_skip(*(const VioEngineKind *) engine == VIO_ENGINE_AIO
                        ? "no Linux AIO here"
                        : "no io_uring here");
        return;
    }
    func(f, engine);
}

static void
io_add_for(const char *name, const VioEngineKind *engine, const char *path,
           IoTestFunc func)
{
    char *full = g_strdup_printf("/io/%s/%s", name, path);

    g_hash_table_insert(io_tests, full, (gpointer) func);
    g_test_add(full, IoFixture, engine, io_setup, io_call, io_teardown);
}

void
io_test_add(const char *path, IoTestFunc func)
{
    if (!io_tests)
        io_tests = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    io_add_for("uring", &engine_uring, path, func);
    io_add_for("threads", &engine_threads, path, func);
    io_add_for("aio", &engine_aio, path, func);
}

void
io_test_run(IoFixture *f, VioCoFunc fn, void *opaque)
{
    vio_loop_run_sync(f->loop, fn, opaque);
}

typedef struct BusyRun {
    VioLoop *loop;
    VioCoFunc fn;
    void *opaque;
    VioCancel *done;
    bool over;
} BusyRun;

static void
busy_companion(void *opaque)
{
    BusyRun *run = opaque;

    (void) vio_co_sleep(run->loop, UINT64_MAX, run->done);
    run->over = true;
}

static void
busy_main(void *opaque)
{
    BusyRun *run = opaque;

    run->done = vio_cancel_new();
    vio_co_start(run->loop, busy_companion, run);
    run->fn(run->opaque);
    vio_cancel_fire(run->done);
    /* The companion still uses @run. */
    while (!run->over)
        (void) vio_co_sleep(run->loop, 1000, NULL);
    vio_cancel_unref(run->done);
}

void
io_test_run_busy(IoFixture *f, VioCoFunc fn, void *opaque)
{
    BusyRun run = {.loop = f->loop, .fn = fn, .opaque = opaque};

    vio_loop_run_sync(f->loop, busy_main, &run);
}

void
io_test_comes_to_rest(VioLoop *loop, int fd)
{
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    int spins = 0;

    while (poll(&pfd, 1, 0) != 0) {
        (void) vio_loop_dispatch(loop);
        g_assert_cmpint(spins++, <, 100);
    }
    g_assert_cmpint(vio_loop_timeout_ms(loop), !=, 0);
}

ssize_t
io_test_co_read(VioFile *file, uint64_t off, void *buf, size_t len)
{
    struct iovec iov;
    VioVec vec = vio_vec_from_buf(&iov, buf, len);

    return vio_co_preadv(file, off, &vec);
}

ssize_t
io_test_co_write(VioFile *file, uint64_t off, const void *buf, size_t len,
                 VioWriteFlags flags)
{
    struct iovec iov;
    VioVec vec = vio_vec_from_buf(&iov, (void *) buf, len);

    return vio_co_pwritev(file, off, &vec, flags);
}

uint8_t
io_test_byte(uint64_t off)
{
    return (uint8_t) (off * 31 + (off >> 8) * 7 + (off >> 16));
}

VioFile *
io_test_file(IoFixture *f, const char *name, size_t size)
{
    g_autofree char *path = g_build_filename(f->dir, name, NULL);
    g_autofree uint8_t *data = g_malloc(size + 1);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    for (size_t i = 0; i < size; i++)
        data[i] = io_test_byte(i);
    g_assert_cmpint(write(fd, data, size), ==, (ssize_t) size);
    return vio_file_new(f->loop, fd, 0);
}

void
io_test_assert_pattern(const void *buf, uint64_t off, size_t len)
{
    const uint8_t *p = buf;

    for (size_t i = 0; i < len; i++)
        if (p[i] != io_test_byte(off + i))
            g_error("byte %zu of %zu (offset %" G_GUINT64_FORMAT ") is 0x%02x",
                    i, len, off + i, p[i]);
}

bool
io_test_under_tsan(void)
{
#ifdef VIO_TSAN
    return true;
#else
    return false;
#endif
}

bool
io_test_under_valgrind(void)
{
#ifdef VIO_HAVE_VALGRIND
    return RUNNING_ON_VALGRIND;
#else
    return false;
#endif
}

bool
io_test_is_slow(void)
{
#ifdef VIO_ASAN
    return true;
#else
    return io_test_under_tsan() || io_test_under_valgrind();
#endif
}
