/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-io-ops.c - file operations, the same for every engine.
 *
 * Each test runs twice: alone, where requests are made inline, and with
 * another coroutine about, where they go through the engine.
 */
#include "tests/unit/io-test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "io/fs-remote.h"
#include "io/pace.h"
#include "io/sync.h"

typedef struct Ops {
    IoFixture *f;
    VioFile *file;
    size_t size;
    unsigned done;
} Ops;

/* Run @fn on a new file of @size bytes, alone and in company. */
static void
ops_run(IoFixture *f, size_t size, VioCoFunc fn)
{
    for (int busy = 0; busy < 2; busy++) {
        Ops o = {.f = f, .size = size};

        o.file = io_test_file(f, busy ? "busy" : "alone", size);
        if (busy)
            io_test_run_busy(f, fn, &o);
        else
            io_test_run(f, fn, &o);
        vio_file_free(o.file);
    }
}

/* -- reading -------------------------------------------------------------- */

static void
read_back_main(void *opaque)
{
    Ops *o = opaque;
    g_autofree uint8_t *buf = g_malloc(o->size);

    g_assert_cmpint(io_test_co_read(o->file, 0, buf, o->size), ==,
                    (ssize_t) o->size);
    io_test_assert_pattern(buf, 0, o->size);
    g_assert_cmpint(io_test_co_read(o->file, 777, buf, 4096), ==, 4096);
    io_test_assert_pattern(buf, 777, 4096);
}

static void
test_read_back(IoFixture *f, gconstpointer engine)
{
    ops_run(f, 100000, read_back_main);
}

static void
read_end_main(void *opaque)
{
    Ops *o = opaque;
    uint8_t buf[2000];

    g_assert_cmpint(io_test_co_read(o->file, 4000, buf, 2000), ==, 1000);
    io_test_assert_pattern(buf, 4000, 1000);
    g_assert_cmpint(io_test_co_read(o->file, 5000, buf, 1), ==, 0);
    g_assert_cmpint(io_test_co_read(o->file, 1 << 20, buf, 1), ==, 0);
    g_assert_cmpint(io_test_co_read(o->file, 0, buf, 0), ==, 0);
}

static void
test_read_ends_with_file(IoFixture *f, gconstpointer engine)
{
    ops_run(f, 5000, read_end_main);
}

/* More pieces than one call takes, some of them empty. */
static void
read_pieces_main(void *opaque)
{
    Ops *o = opaque;
    const int pieces = 5000;
    g_autofree struct iovec *iov = g_new(struct iovec, pieces);
    g_autofree uint8_t *buf = g_malloc0(o->size);
    size_t len = 0;
    VioVec vec;

    for (int i = 0; i < pieces; i++) {
        iov[i] = (struct iovec){buf + len, (size_t) (i % 7)};
        len += iov[i].iov_len;
    }
    vec = vio_vec_from_iov(iov, pieces);
    g_assert_cmpint(vio_co_preadv(o->file, 11, &vec), ==, (ssize_t) len);
    io_test_assert_pattern(buf, 11, len);
}

static void
test_read_many_pieces(IoFixture *f, gconstpointer engine)
{
    ops_run(f, 40000, read_pieces_main);
}

static void
read_cold_main(void *opaque)
{
    Ops *o = opaque;
    g_autofree uint8_t *buf = g_malloc(65536);
    int fd = vio_file_fd(o->file);

    g_assert_cmpint(vio_co_fsync(o->file, false), ==, 0);
    for (uint64_t off = 0; off < o->size; off += 65536) {
        (void) posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        g_assert_cmpint(io_test_co_read(o->file, off, buf, 65536), ==, 65536);
        io_test_assert_pattern(buf, off, 65536);
    }
}

static void
test_read_not_cached(IoFixture *f, gconstpointer engine)
{
    ops_run(f, 40 * 65536, read_cold_main);
}

static void
read_bad_main(void *opaque)
{
    Ops *o = opaque;
    VioFile *dir = vio_file_new(o->f->loop, open("/", O_RDONLY | O_CLOEXEC), 0);
    char buf[16];

    g_assert_cmpint(io_test_co_read(dir, 0, buf, sizeof(buf)), ==, -EISDIR);
    vio_file_free(dir);
}

static void
test_read_error(IoFixture *f, gconstpointer engine)
{
    ops_run(f, 0, read_bad_main);
}

/* -- writing -------------------------------------------------------------- */

static void
write_main(void *opaque)
{
    Ops *o = opaque;
    g_autofree uint8_t *data = g_malloc(o->size);
    g_autofree uint8_t *back = g_malloc(o->size);

    for (size_t i = 0; i < o->size; i++)
        data[i] = (uint8_t) ~io_test_byte(i);
    g_assert_cmpint(io_test_co_write(o->file, 100, data, 5000, 0), ==, 5000);
    g_assert_cmpint(
        io_test_co_write(o->file, 9000, data, o->size, VIO_WRITE_DSYNC), ==,
        (ssize_t) o->size);
    g_assert_cmpint(vio_co_fsync(o->file, true), ==, 0);
    g_assert_cmpint(vio_co_fsync(o->file, false), ==, 0);
    g_assert_cmpint(vio_co_write_behind(o->file, 0, 4096), ==, 0);
    g_assert_cmpint(io_test_co_read(o->file, 0, back, 100), ==, 100);
    io_test_assert_pattern(back, 0, 100);
    g_assert_cmpint(io_test_co_read(o->file, 100, back, 5000), ==, 5000);
    g_assert_cmpmem(back, 5000, data, 5000);
    g_assert_cmpint(io_test_co_read(o->file, 9000, back, o->size), ==,
                    (ssize_t) o->size);
    g_assert_cmpmem(back, o->size, data, o->size);
}

static void
test_write_back(IoFixture *f, gconstpointer engine)
{
    ops_run(f, 60000, write_main);
}

/* -- writing at once ------------------------------------------------------- */

static void
test_pace(IoFixture *f, gconstpointer engine)
{
    const uint64_t slow = VIO_PACE_SLOW_NS, max = VIO_PACE_REST_MAX_NS;
    VioPace pace = {0};

    g_assert_true(vio_pace_allows(&pace, 0));
    vio_pace_took(&pace, 1000, 1000 + slow - 1);
    g_assert_true(vio_pace_allows(&pace, 1000 + slow));
    vio_pace_took(&pace, 1000, 1000 + slow);
    g_assert_false(vio_pace_allows(&pace, 1000 + slow));
    g_assert_false(vio_pace_allows(&pace, 999 + slow * (VIO_PACE_REST + 1)));
    g_assert_true(vio_pace_allows(&pace, 1000 + slow * (VIO_PACE_REST + 1)));
    /* A process that was stopped for a day. */
    vio_pace_took(&pace, 0, max * 8640);
    g_assert_false(vio_pace_allows(&pace, max * 8641 - 1));
    g_assert_true(vio_pace_allows(&pace, max * 8641));
}

static void
test_remote(IoFixture *f, gconstpointer engine)
{
    g_assert_true(vio_fs_magic_is_remote(NFS_SUPER_MAGIC));
    g_assert_true(vio_fs_magic_is_remote(CIFS_SUPER_MAGIC));
    g_assert_false(vio_fs_magic_is_remote(EXT4_SUPER_MAGIC));
    g_assert_false(vio_fs_magic_is_remote(TMPFS_MAGIC));
    g_assert_true(vio_fs_is_remote(-1)); /* nothing is known of it */
}

static void
write_inline_main(void *opaque)
{
    Ops *o = opaque;
    VioLoopStats before, small, large, durable;
    const size_t more = 1 << 20;
    g_autofree uint8_t *data = g_malloc0(more);

    vio_loop_get_stats(o->f->loop, &before);
    g_assert_cmpint(io_test_co_write(o->file, 0, data, 4096, 0), ==, 4096);
    vio_loop_get_stats(o->f->loop, &small);
    g_assert_cmpint(io_test_co_write(o->file, 0, data, more, 0), ==,
                    (ssize_t) more);
    vio_loop_get_stats(o->f->loop, &large);
    g_assert_cmpint(io_test_co_write(o->file, 0, data, 4096, VIO_WRITE_DSYNC),
                    ==, 4096);
    vio_loop_get_stats(o->f->loop, &durable);
    g_assert_cmpuint(large.inline_writes, ==, small.inline_writes);
    g_assert_cmpuint(durable.inline_writes, ==, small.inline_writes);
    o->done = (unsigned) (small.inline_writes - before.inline_writes);
}

/* The first small write is made on the spot, unless the ring (XFS) or the
 * file's only coroutine does it anyway; long ones and durable ones never, nor
 * those of a loop that another one dispatches. */
static void
test_write_inline(IoFixture *f, gconstpointer engine)
{
    Ops o = {.f = f, .file = io_test_file(f, "inline", 4096)};

    io_test_run_busy(f, write_inline_main, &o);
    if (strcmp(vio_loop_engine_name(f->loop), "threads") == 0)
        g_assert_cmpuint(o.done, ==, 1);
    vio_file_free(o.file);
    o.file = io_test_file(f, "embedded", 4096);
    g_assert_cmpint(vio_loop_fd(f->loop), >=, 0);
    io_test_run_busy(f, write_inline_main, &o);
    g_assert_cmpuint(o.done, ==, 0);
    vio_file_free(o.file);
}

static void
write_pieces_main(void *opaque)
{
    Ops *o = opaque;
    const int pieces = 3000;
    g_autofree struct iovec *iov = g_new(struct iovec, pieces);
    g_autofree uint8_t *data = g_malloc(3 * pieces);
    g_autofree uint8_t *back = g_malloc(3 * pieces);
    VioVec vec, slice;

    for (int i = 0; i < 3 * pieces; i++)
        data[i] = io_test_byte((uint64_t) i);
    for (int i = 0; i < pieces; i++)
        iov[i] = (struct iovec){data + 3 * i, 3};
    vec = vio_vec_from_iov(iov, pieces);
    slice = vio_vec_slice(&vec, 10, vec.len - 20);
    g_assert_cmpint(vio_co_pwritev(o->file, 10, &slice, 0), ==,
                    3 * pieces - 20);
    g_assert_cmpint(io_test_co_read(o->file, 10, back, slice.len), ==,
                    (ssize_t) slice.len);
    io_test_assert_pattern(back, 10, slice.len);
}

static void
test_write_many_pieces(IoFixture *f, gconstpointer engine)
{
    ops_run(f, 0, write_pieces_main);
}

static void
write_full_main(void *opaque)
{
    Ops *o = opaque;
    int fd = open("/dev/full", O_RDWR | O_CLOEXEC);
    VioFile *full = vio_file_new(o->f->loop, fd, 0);

    for (int i = 0; i < 3; i++)
        g_assert_cmpint(io_test_co_write(full, 0, "x", 1, 0), ==, -ENOSPC);
    vio_file_free(full);
}

static void
test_write_no_space(IoFixture *f, gconstpointer engine)
{
    ops_run(f, 0, write_full_main);
}

typedef struct Part {
    Ops *o;
    uint64_t off;
    uint8_t buf[512];
} Part;

static bool
part_write(void *arg, GError **error)
{
    Part *part = arg;

    for (size_t i = 0; i < sizeof(part->buf); i++)
        part->buf[i] = io_test_byte(part->off + i);
    g_assert_cmpint(io_test_co_write(part->o->file, part->off, part->buf,
                                     sizeof(part->buf), 0),
                    ==, sizeof(part->buf));
    part->o->done++;
    return true;
}

static bool
part_read(void *arg, GError **error)
{
    Part *part = arg;

    g_assert_cmpint(
        io_test_co_read(part->o->file, part->off, part->buf, sizeof(part->buf)),
        ==, sizeof(part->buf));
    io_test_assert_pattern(part->buf, part->off, sizeof(part->buf));
    part->o->done++;
    return true;
}

static void
parts_run(Ops *o, VioCoGroupFunc fn, unsigned parts)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(parts);

    o->done = 0;
    for (unsigned i = 0; i < parts; i++) {
        Part *part = g_new(Part, 1);

        part->o = o;
        part->off = i * sizeof(part->buf);
        vio_co_group_spawn(group, fn, part, g_free);
    }
    g_assert_true(vio_co_group_join(group, NULL));
    g_assert_cmpuint(o->done, ==, parts);
}

static void
parallel_main(void *opaque)
{
    /* A coroutine costs some 10 ms there. */
    const unsigned parts = io_test_under_tsan() ? 100 : 500;

    parts_run(opaque, part_write, parts);
    parts_run(opaque, part_read, parts);
}

static void
test_many_at_once(IoFixture *f, gconstpointer engine)
{
    ops_run(f, 0, parallel_main);
}

/* Up to 1000 requests through a ring of 2 entries and 8 completions. */
static void
test_small_ring(IoFixture *f, gconstpointer engine)
{
    VioLoopParams params = {
        .engine = *(const VioEngineKind *) engine,
        .ring_entries = 2,
    };

    vio_loop_free(f->loop);
    for (int fixed = 0; fixed < 2; fixed++) {
        params.fixed_runner = fixed;
        g_assert_cmpint(vio_loop_new(&params, &f->loop), ==, 0);
        ops_run(f, 0, parallel_main);
        if (!fixed)
            vio_loop_free(f->loop);
    }
}

/* Direct reads go through the engine in any case where the file system takes
 * O_DIRECT; the odd end of the file is a short count, not an error. */
static void
direct_main(void *opaque)
{
    Ops *o = opaque;
    g_autofree char *link =
        g_strdup_printf("/proc/self/fd/%d", vio_file_fd(o->file));
    g_autofree uint8_t *raw = g_malloc(3 * 4096);
    uint8_t *buf = (uint8_t *) (((uintptr_t) raw + 4095) & ~(uintptr_t) 4095);
    VioFile *file;
    int fd = open(link, O_RDWR | O_DIRECT | O_CLOEXEC);

    if (fd < 0)
        return;
    g_assert_cmpint(vio_co_fsync(o->file, false), ==, 0);
    file = vio_file_new(o->f->loop, fd, VIO_FILE_DIRECT);
    g_assert_cmpint(io_test_co_read(file, 4096, buf, 8192), ==,
                    (ssize_t) (o->size - 4096));
    io_test_assert_pattern(buf, 4096, o->size - 4096);
    g_assert_cmpint(io_test_co_write(file, 4096, buf, 4096, 0), ==, 4096);
    g_assert_cmpint(io_test_co_read(file, 0, buf, 8192), ==, 8192);
    io_test_assert_pattern(buf, 0, 8192);
    vio_file_free(file);
}

static void
test_direct(IoFixture *f, gconstpointer engine)
{
    ops_run(f, 10000, direct_main);
}

/* -- the other calls ------------------------------------------------------ */

static void
space_main(void *opaque)
{
    Ops *o = opaque;
    const uint64_t mib = 1 << 20;
    int ret;

    g_assert_cmpint(vio_co_ftruncate(o->file, 0), ==, 0);
    g_assert_cmpint(vio_co_ftruncate(o->file, 4 * mib), ==, 0);
    g_assert_cmpint(lseek(vio_file_fd(o->file), 0, SEEK_END), ==, 4 * mib);
    g_assert_cmpint(io_test_co_write(o->file, mib, "data", 4, 0), ==, 4);
    g_assert_cmpint(vio_co_seek(o->file, 0, SEEK_DATA), <=, (int64_t) mib);
    g_assert_cmpint(vio_co_seek(o->file, mib, SEEK_HOLE), >, (int64_t) mib);
    g_assert_cmpint(vio_co_seek(o->file, 5 * mib, SEEK_DATA), ==, -ENXIO);
    ret = vio_co_fallocate(o->file, 0, 4 * mib, mib);
    g_assert_true(ret == 0 || ret == -EOPNOTSUPP);
    ret = vio_co_fallocate(o->file, FALLOC_FL_PUNCH_HOLE, 0, mib);
    g_assert_cmpint(ret, ==, -EOPNOTSUPP); /* it lacks KEEP_SIZE */
}

static void
test_space(IoFixture *f, gconstpointer engine)
{
    ops_run(f, 100, space_main);
}

static void
copy_main(void *opaque)
{
    Ops *o = opaque;
    VioFile *out = io_test_file(o->f, "copy", 0);
    uint8_t buf[3000];

    g_assert_cmpint(vio_co_copy_file_range(o->file, 500, out, 0, 3000), ==,
                    3000);
    g_assert_cmpint(io_test_co_read(out, 0, buf, 3000), ==, 3000);
    io_test_assert_pattern(buf, 500, 3000);
    vio_file_free(out);
}

static void
test_copy_file_range(IoFixture *f, gconstpointer engine)
{
    ops_run(f, 5000, copy_main);
}

static void
open_main(void *opaque)
{
    Ops *o = opaque;
    VioLoop *loop = o->f->loop;
    g_autofree char *path = g_build_filename(o->f->dir, "new", NULL);
    struct statx stx;
    int fd = vio_co_openat(loop, AT_FDCWD, path, O_RDWR | O_CREAT, 0640);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(fcntl(fd, F_GETFD), ==, FD_CLOEXEC);
    g_assert_cmpint(ftruncate(fd, 12345), ==, 0);
    g_assert_cmpint(vio_co_statx(loop, AT_FDCWD, path, 0, STATX_SIZE, &stx), ==,
                    0);
    g_assert_cmpuint(stx.stx_size, ==, 12345);
    g_assert_cmpint(vio_co_statx(loop, fd, "", AT_EMPTY_PATH, STATX_MODE, &stx),
                    ==, 0);
    g_assert_cmpuint(stx.stx_mode & 07777, ==, 0640);
    (void) close(fd);
    (void) g_unlink(path);
    g_assert_cmpint(vio_co_openat(loop, AT_FDCWD, path, O_RDONLY, 0), ==,
                    -ENOENT);
    g_assert_cmpint(vio_co_statx(loop, AT_FDCWD, path, 0, 0, &stx), ==,
                    -ENOENT);
}

static void
test_open_and_stat(IoFixture *f, gconstpointer engine)
{
    (void) umask(022);
    ops_run(f, 0, open_main);
}

/* -- signals -------------------------------------------------------------- */

static void
storm_signal(int number)
{
}

static void
storm_main(void *opaque)
{
    for (int i = 0; i < 5; i++)
        parallel_main(opaque);
}

static void
test_signal_storm(IoFixture *f, gconstpointer engine)
{
    struct sigaction action = {.sa_handler = storm_signal}, before;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    const int us = io_test_is_slow() ? 5000 : 200;
    struct itimerval every = {{0, us}, {0, us}}, never = {{0, 0}, {0, 0}};

    g_assert_cmpint(sigaction(SIGALRM, &action, &before), ==, 0);
    g_assert_cmpint(setitimer(ITIMER_REAL, &every, NULL), ==, 0);
    ops_run(f, 0, storm_main);
    g_assert_cmpint(setitimer(ITIMER_REAL, &never, NULL), ==, 0);
    g_assert_cmpint(sigaction(SIGALRM, &ignore, NULL), ==, 0);
    g_assert_cmpint(sigaction(SIGALRM, &before, NULL), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    io_test_add("read/back", test_read_back);
    io_test_add("read/ends-with-file", test_read_ends_with_file);
    io_test_add("read/many-pieces", test_read_many_pieces);
    io_test_add("read/not-cached", test_read_not_cached);
    io_test_add("read/error", test_read_error);
    io_test_add("write/back", test_write_back);
    io_test_add("write/pace", test_pace);
    io_test_add("write/remote", test_remote);
    io_test_add("write/inline", test_write_inline);
    io_test_add("write/many-pieces", test_write_many_pieces);
    io_test_add("write/no-space", test_write_no_space);
    io_test_add("many-at-once", test_many_at_once);
    io_test_add("small-ring", test_small_ring);
    io_test_add("direct", test_direct);
    io_test_add("space", test_space);
    io_test_add("copy-file-range", test_copy_file_range);
    io_test_add("open-and-stat", test_open_and_stat);
    io_test_add("signal-storm", test_signal_storm);
    return g_test_run();
}
