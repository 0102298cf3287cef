/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-io-direct.c - files opened with O_DIRECT, on each engine.
 *
 * On a disk's file system most requests are the kernel's to do asynchronously,
 * and those that have to allocate are not; on tmpfs none is.
 */
#include "tests/unit/io-test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/buffer.h"
#include "io/sync.h"

#define BLOCK 4096u

typedef struct Direct {
    IoFixture *f;
    VioFile *file;
    unsigned n;
    unsigned blocks; /* of a request, 0 = 1 */
    bool writing;
} Direct;

typedef struct Request {
    Direct *d;
    unsigned index;
} Request;

/* A file of @blocks blocks of the pattern; NULL if O_DIRECT is not for it. */
static VioFile *
direct_file(IoFixture *f, unsigned blocks)
{
    VioFile *plain = io_test_file(f, "a", (size_t) blocks * BLOCK);
    g_autofree char *path = g_build_filename(f->dir, "a", NULL);
    int fd;

    g_assert_cmpint(fsync(vio_file_fd(plain)), ==, 0);
    vio_file_free(plain);
    fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
    if (fd < 0) {
        g_assert_cmpint(errno, ==, EINVAL);
        g_test_skip("no O_DIRECT on the file system of TMPDIR");
        return NULL;
    }
    return vio_file_new(f->loop, fd, VIO_FILE_DIRECT);
}

static void *
blocks_new(unsigned n)
{
    void *memory = NULL;

    g_assert_cmpint(posix_memalign(&memory, BLOCK, (size_t) n * BLOCK), ==, 0);
    memset(memory, 0, (size_t) n * BLOCK);
    return memory;
}

static void
pattern_fill(uint8_t *buf, uint64_t off, size_t len)
{
    for (size_t i = 0; i < len; i++)
        buf[i] = io_test_byte(off + i);
}

/* -- many at once --------------------------------------------------------- */

static bool
request_co_main(void *arg, GError **error)
{
    Request *r = arg;
    unsigned blocks = MAX(r->d->blocks, 1);
    size_t len = (size_t) blocks * BLOCK;
    uint64_t off = (uint64_t) r->index * len;
    uint8_t *buf = blocks_new(blocks);

    if (r->d->writing) {
        pattern_fill(buf, off, len);
        g_assert_cmpint(io_test_co_write(r->d->file, off, buf, len, 0), ==,
                        (ssize_t) len);
    } else {
        g_assert_cmpint(io_test_co_read(r->d->file, off, buf, len), ==,
                        (ssize_t) len);
        io_test_assert_pattern(buf, off, len);
    }
    free(buf);
    return true;
}

static void
many_main(void *opaque)
{
    Direct *d = opaque;
    g_autofree Request *requests = g_new(Request, d->n);
    VioCoGroup *group = vio_co_group_new(d->n);

    for (unsigned i = 0; i < d->n; i++) {
        requests[i] = (Request){.d = d, .index = i};
        vio_co_group_spawn(group, request_co_main, &requests[i], NULL);
    }
    g_assert_true(vio_co_group_join(group, NULL));
    vio_co_group_free(group);
}

/* More than Linux AIO lets be in flight. */
static void
test_many(IoFixture *f, gconstpointer engine)
{
    bool threads = *(const VioEngineKind *) engine == VIO_ENGINE_THREADS;
    Direct d = {.f = f, .n = 500, .file = direct_file(f, 500)};
    VioLoopStats stats;

    if (!d.file)
        return;
    io_test_run(f, many_main, &d);
    vio_loop_get_stats(f->loop, &stats);
    /* The file system may refuse each once. */
    g_assert_cmpuint(stats.submits, >=, threads ? 0 : 500);
    g_assert_cmpuint(stats.submits, <=, threads ? 0 : 1000);
    vio_file_free(d.file);
}

/* Blocks are allocated, the file gets longer, from all ends at once. */
static void
test_growing(IoFixture *f, gconstpointer engine)
{
    Direct d = {.f = f, .n = 200, .file = direct_file(f, 1), .writing = true};

    if (!d.file)
        return;
    io_test_run(f, many_main, &d);
    d.writing = false;
    io_test_run(f, many_main, &d);
    vio_file_free(d.file);
}

/* Long ones, into a hole: workers that write do not wait for each other. */
static void
test_long(IoFixture *f, gconstpointer engine)
{
    Direct d = {.f = f,
                .n = 64,
                .blocks = 32,
                .file = direct_file(f, 1),
                .writing = true};

    if (!d.file)
        return;
    g_assert_cmpint(
        ftruncate(vio_file_fd(d.file), (off_t) d.n * d.blocks * BLOCK), ==, 0);
    io_test_run(f, many_main, &d);
    d.writing = false;
    io_test_run(f, many_main, &d);
    vio_file_free(d.file);
}

/* -- one at a time -------------------------------------------------------- */

static void
pieces_main(void *opaque)
{
    Direct *d = opaque;
    uint8_t *a = blocks_new(1), *b = blocks_new(2);
    struct iovec iov[] = {{a, BLOCK}, {b, 2 * (size_t) BLOCK}};
    VioVec vec = vio_vec_from_iov(iov, 2);

    g_assert_cmpint(vio_co_preadv(d->file, BLOCK, &vec), ==, 3 * BLOCK);
    io_test_assert_pattern(a, BLOCK, BLOCK);
    io_test_assert_pattern(b, 2 * BLOCK, 2 * BLOCK);
    g_assert_cmpint(vio_co_pwritev(d->file, 0, &vec, VIO_WRITE_DSYNC), ==,
                    3 * BLOCK);
    memset(a, 0, BLOCK);
    memset(b, 0, 2 * BLOCK);
    g_assert_cmpint(vio_co_preadv(d->file, 0, &vec), ==, 3 * BLOCK);
    io_test_assert_pattern(a, BLOCK, BLOCK);
    io_test_assert_pattern(b, 2 * BLOCK, 2 * BLOCK);
    /* Behind the end there is nothing. */
    g_assert_cmpint(vio_co_preadv(d->file, 100 * BLOCK, &vec), ==, 0);
    free(a);
    free(b);
}

static void
test_pieces(IoFixture *f, gconstpointer engine)
{
    Direct d = {.f = f, .file = direct_file(f, 8)};

    if (!d.file)
        return;
    io_test_run_busy(f, pieces_main, &d);
    vio_file_free(d.file);
}

/* What is refused, at once or later, is an error of that request alone. */
static void
refused_main(void *opaque)
{
    Direct *d = opaque;
    g_autofree char *path = g_build_filename(d->f->dir, "a", NULL);
    int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
    VioFile *file = vio_file_new(d->f->loop, fd, VIO_FILE_DIRECT);
    uint8_t *buf = blocks_new(32);

    g_assert_cmpint(io_test_co_write(file, 0, buf, BLOCK, 0), ==, -EBADF);
    g_assert_cmpint(io_test_co_write(file, 0, buf, 32 * BLOCK, 0), ==, -EBADF);
    g_assert_cmpint(io_test_co_read(file, BLOCK, buf, BLOCK), ==, BLOCK);
    io_test_assert_pattern(buf, BLOCK, BLOCK);
    vio_file_free(file);
    free(buf);
}

static void
test_refused(IoFixture *f, gconstpointer engine)
{
    Direct d = {.f = f, .file = direct_file(f, 2)};

    if (!d.file)
        return;
    io_test_run_busy(f, refused_main, &d);
    vio_file_free(d.file);
}

/* Where the kernel cannot tell if submitting would block a request is refused
 * once, then Linux AIO is not for that file. */
static void
no_nowait_main(void *opaque)
{
    Direct *d = opaque;
    g_autofree uint8_t *buf = g_malloc(BLOCK);

    for (unsigned i = 0; i < d->n; i++)
        g_assert_cmpint(io_test_co_read(d->file, 0, buf, BLOCK), ==, BLOCK);
}

static bool
can_tell(int fd)
{
    char byte;
    struct iovec iov = {&byte, 1};

    return preadv2(fd, &iov, 1, 0, RWF_NOWAIT) == 1;
}

static void
test_no_nowait(IoFixture *f, gconstpointer engine)
{
    const VioEngineKind kind = *(const VioEngineKind *) engine;
    int fd = open("/dev/full", O_RDWR | O_CLOEXEC);
    unsigned aio = can_tell(fd) ? 10 : 1;
    Direct d = {
        .f = f, .n = 10, .file = vio_file_new(f->loop, fd, VIO_FILE_DIRECT)};
    VioLoopStats before, after;

    vio_loop_get_stats(f->loop, &before);
    io_test_run_busy(f, no_nowait_main, &d);
    vio_loop_get_stats(f->loop, &after);
    if (kind != VIO_ENGINE_URING)
        g_assert_cmpuint(after.submits - before.submits, ==,
                         kind == VIO_ENGINE_AIO ? aio : 0);
    vio_file_free(d.file);
}

/* -- buffers of the pool -------------------------------------------------- */

#define COPY_BLOCKS 256u /* 1 MiB */

static void
buffers_once(Direct *d, unsigned round)
{
    size_t len = COPY_BLOCKS * (size_t) BLOCK << round % 3;
    uint8_t *buf = vio_co_buffer_get(d->f->loop, len);

    memset(buf, 0xee, len);
    g_assert_cmpint(io_test_co_read(d->file, 0, buf, len), ==, (ssize_t) len);
    io_test_assert_pattern(buf, 0, len);
    g_assert_cmpint(io_test_co_write(d->file, 0, buf, len, VIO_WRITE_DSYNC), ==,
                    (ssize_t) len);
    vio_buffer_put(d->f->loop, buf, len);
}

static void
buffers_main(void *opaque)
{
    Direct *d = opaque;

    for (unsigned i = 0; i < 9; i++)
        buffers_once(d, i);
}

/* Sizes that change, with room for one at a time: memory comes and goes, and
 * nothing may be read into what was there before. */
static void
test_buffers(IoFixture *f, gconstpointer engine)
{
    VioLoopParams params = {.engine = *(const VioEngineKind *) engine,
                            .buffer_limit = 4u << 20};
    Direct d = {.f = f};
    VioLoopStats stats;

    vio_loop_free(f->loop);
    g_assert_cmpint(vio_loop_new(&params, &f->loop), ==, 0);
    d.file = direct_file(f, 4 * COPY_BLOCKS);
    if (!d.file)
        return;
    io_test_run_busy(f, buffers_main, &d);
    vio_loop_get_stats(f->loop, &stats);
    g_assert_cmpuint(stats.buffer_bytes, ==, 0);
    /* It may be refused; that there is none is all that can be sure. */
    if (*(const VioEngineKind *) engine != VIO_ENGINE_URING)
        g_assert_cmpuint(stats.buffer_bytes_pinned, ==, 0);
    g_test_message("%" G_GUINT64_FORMAT " bytes held by the kernel",
                   stats.buffer_bytes_pinned);
    vio_file_free(d.file);
}

/* A foreign loop's ring is another one, made when some memory was held. */
static void
test_buffers_then_foreign(IoFixture *f, gconstpointer engine)
{
    Direct d = {.f = f, .file = direct_file(f, 4 * COPY_BLOCKS)};

    if (!d.file)
        return;
    io_test_run_busy(f, buffers_main, &d);
    g_assert_cmpint(vio_loop_fd(f->loop), >=, 0);
    io_test_run_busy(f, buffers_main, &d);
    vio_file_free(d.file);
}

/* -- a loop inside another ------------------------------------------------ */

typedef struct Foreign {
    Direct d;
    int loop_fd;
    bool over;
} Foreign;

static void
foreign_run(Foreign *foreign, unsigned n, VioCoFunc fn)
{
    VioLoop *loop = foreign->d.f->loop;

    foreign->over = false;
    foreign->d.n = n;
    vio_loop_post_co(loop, fn, foreign);
    while (!foreign->over)
        (void) g_main_context_iteration(NULL, TRUE);
    io_test_comes_to_rest(loop, foreign->loop_fd);
}

static void
foreign_main(void *opaque)
{
    Foreign *foreign = opaque;

    many_main(&foreign->d);
    foreign->over = true;
}

static void
test_foreign_loop(IoFixture *f, gconstpointer engine)
{
    Foreign foreign = {.d = {.f = f}, .loop_fd = vio_loop_fd(f->loop)};
    GSource *source = vio_loop_source_new(f->loop);

    foreign.d.file = direct_file(f, 300);
    if (foreign.d.file) {
        (void) g_source_attach(source, NULL);
        foreign_run(&foreign, 300, foreign_main);
        foreign_run(&foreign, 1, foreign_main);
        vio_file_free(foreign.d.file);
    }
    g_source_destroy(source);
    g_source_unref(source);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    io_test_add("direct/many", test_many);
    io_test_add("direct/growing", test_growing);
    io_test_add("direct/long", test_long);
    io_test_add("direct/pieces", test_pieces);
    io_test_add("direct/refused", test_refused);
    io_test_add("direct/no-nowait", test_no_nowait);
    io_test_add("direct/buffers", test_buffers);
    io_test_add("direct/buffers-then-foreign", test_buffers_then_foreign);
    io_test_add("direct/foreign-loop", test_foreign_loop);
    return g_test_run();
}
