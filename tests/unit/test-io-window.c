/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-io-window.c - a window of a copy: what is written of it, and
 * what fails.
 */
#include "tests/unit/io-test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "io/uncached.h"
#include "io/window.h"

#define BLOCK 4096u
#define WINDOW (64 * BLOCK)

typedef struct {
    VioFile *in, *out;
    VioWindow w;
    int result;
} Copy;

static void
copy_main(void *opaque)
{
    Copy *c = opaque;

    c->result = vio_co_copy_window(c->in, c->out, &c->w);
}

static VioFile *
open_file(IoFixture *f, const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    return vio_file_new(f->loop, fd, 0);
}

/* A new one that is a hole of @size bytes. */
static VioFile *
hole_new(IoFixture *f, size_t size)
{
    g_autofree char *path = g_build_filename(f->dir, "out", NULL);
    VioFile *file = open_file(f, path, O_RDWR | O_CREAT | O_TRUNC);

    g_assert_cmpint(ftruncate(vio_file_fd(file), (off_t) size), ==, 0);
    return file;
}

static void
zero_blocks(VioFile *file, unsigned first, unsigned n)
{
    g_autofree uint8_t *zeroes = g_malloc0((size_t) n * BLOCK);

    g_assert_cmpint(pwrite(vio_file_fd(file), zeroes, (size_t) n * BLOCK,
                           (off_t) first * BLOCK),
                    ==, (ssize_t) (n * BLOCK));
}

static Copy
copy_new(IoFixture *f)
{
    Copy c = {.in = io_test_file(f, "in", WINDOW), .out = hole_new(f, WINDOW)};

    c.w = (VioWindow){.buf = g_malloc(WINDOW),
                      .len = WINDOW,
                      .zero_block = BLOCK,
                      .least_zero = BLOCK};
    return c;
}

static void
copy_clear(Copy *c)
{
    g_free(c->w.buf);
    vio_file_free(c->in);
    vio_file_free(c->out);
}

static void
assert_same(const Copy *c)
{
    g_autofree uint8_t *a = g_malloc(WINDOW), *b = g_malloc(WINDOW);

    g_assert_cmpint(pread(vio_file_fd(c->in), a, WINDOW, 0), ==, WINDOW);
    g_assert_cmpint(pread(vio_file_fd(c->out), b, WINDOW, 0), ==, WINDOW);
    g_assert_cmpmem(a, WINDOW, b, WINDOW);
}

static void
test_zeroes_are_left_out(IoFixture *f, gconstpointer engine)
{
    Copy c = copy_new(f);

    zero_blocks(c.in, 0, 3);
    zero_blocks(c.in, 10, 20);
    zero_blocks(c.in, 63, 1);
    c.w.push_out = true;
    io_test_run(f, copy_main, &c);
    g_assert_cmpint(c.result, ==, 0);
    g_assert_cmpuint(c.w.written, ==, WINDOW - 24 * BLOCK);
    g_assert_cmpuint(c.w.writes, ==, 2);
    g_assert_cmpuint(c.w.end, ==, 63 * BLOCK);
    assert_same(&c);
    copy_clear(&c);
}

static void
test_short_runs_of_zeroes_are_data(IoFixture *f, gconstpointer engine)
{
    Copy c = copy_new(f);

    zero_blocks(c.in, 5, 3);
    zero_blocks(c.in, 10, 4);
    c.w.least_zero = 4 * BLOCK;
    io_test_run_busy(f, copy_main, &c);
    g_assert_cmpint(c.result, ==, 0);
    g_assert_cmpuint(c.w.written, ==, WINDOW - 4 * BLOCK);
    assert_same(&c);
    copy_clear(&c);
}

static void
test_nothing_but_zeroes(IoFixture *f, gconstpointer engine)
{
    Copy c = copy_new(f);

    zero_blocks(c.in, 0, 64);
    c.w.least_zero = 1000 * BLOCK; /* it is all there is */
    c.w.push_out = true;
    io_test_run(f, copy_main, &c);
    g_assert_cmpint(c.result, ==, 0);
    g_assert_cmpuint(c.w.written, ==, 0);
    g_assert_cmpuint(c.w.end, ==, 0);

    c.w.zero_block = 0; /* nobody looks */
    io_test_run(f, copy_main, &c);
    g_assert_cmpuint(c.w.written, ==, WINDOW);
    assert_same(&c);
    copy_clear(&c);
}

static void
test_source_that_is_too_short(IoFixture *f, gconstpointer engine)
{
    Copy c = copy_new(f);

    g_assert_cmpint(ftruncate(vio_file_fd(c.in), WINDOW - 1), ==, 0);
    io_test_run(f, copy_main, &c);
    g_assert_cmpint(c.result, ==, -EIO);
    g_assert_cmpuint(c.w.written, ==, 0);
    copy_clear(&c);
}

static void
test_target_without_room(IoFixture *f, gconstpointer engine)
{
    Copy c = copy_new(f);

    vio_file_free(c.out);
    c.out = open_file(f, "/dev/full", O_RDWR);
    io_test_run_busy(f, copy_main, &c);
    g_assert_cmpint(c.result, ==, -ENOSPC);
    copy_clear(&c);
}

/* -- uncached --------------------------------------------------------------
 */

static void
read_and_write_main(void *opaque)
{
    Copy *c = opaque;

    g_assert_cmpint(io_test_co_read(c->in, 0, c->w.buf, WINDOW), ==, WINDOW);
    g_assert_cmpint(io_test_co_write(c->out, 0, c->w.buf, WINDOW, 0), ==,
                    WINDOW);
}

static bool
knows_uncached(VioFile *file)
{
    struct iovec iov = {(char[]){"x"}, 1};

    return pwritev2(vio_file_fd(file), &iov, 1, 0, 0x80) == 1;
}

static void
assert_uncached(IoFixture *f, VioFile *out, VioCoFunc fn)
{
    Copy c = copy_new(f);
    bool knows = knows_uncached(out);

    vio_file_free(c.out);
    c.out = out;
    g_assert_cmpuint(vio_file_cache_flag(out, WINDOW), ==, 0);
    vio_file_set_uncached(c.in, true);
    vio_file_set_uncached(out, true);
    g_assert_cmpuint(vio_file_cache_flag(out, BLOCK), ==, 0);
    g_assert_cmpuint(vio_file_cache_flag(out, WINDOW), ==, 0x80);
    for (unsigned i = 0; i < 3; i++) {
        io_test_run_busy(f, fn, &c);
        g_assert_cmpint(c.result, ==, 0);
        assert_same(&c);
    }
    g_assert_cmpuint(vio_file_cache_flag(out, WINDOW), ==, knows ? 0x80 : 0);
    copy_clear(&c);
}

static void
test_uncached(IoFixture *f, gconstpointer engine)
{
    static const VioCoFunc ways[] = {copy_main, read_and_write_main};

    for (unsigned i = 0; i < 2; i++) {
        /* Where tests lie, and in memory, which has no such thing. */
        VioFile *shm = open_file(f, "/dev/shm", O_RDWR | O_TMPFILE);

        assert_uncached(f, hole_new(f, WINDOW), ways[i]);
        assert_uncached(f, shm, ways[i]);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    io_test_add("window/zeroes-are-left-out", test_zeroes_are_left_out);
    io_test_add("window/short-runs-of-zeroes-are-data",
                test_short_runs_of_zeroes_are_data);
    io_test_add("window/nothing-but-zeroes", test_nothing_but_zeroes);
    io_test_add("window/source-that-is-too-short",
                test_source_that_is_too_short);
    io_test_add("window/target-without-room", test_target_without_room);
    io_test_add("window/uncached", test_uncached);
    return g_test_run();
}
