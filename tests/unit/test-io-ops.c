/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-io-ops.c - file operations, the same for every engine. */
#include "tests/unit/io-test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

typedef struct Ops {
    IoFixture *f;
    VioFile *file;
    int ret;
} Ops;

static ssize_t
co_read(VioFile *file, uint64_t off, void *buf, size_t len)
{
    struct iovec iov;
    VioVec vec = vio_vec_from_buf(&iov, buf, len);

    return vio_co_preadv(file, off, &vec);
}

static ssize_t
co_write(VioFile *file, uint64_t off, void *buf, size_t len,
         VioWriteFlags flags)
{
    struct iovec iov;
    VioVec vec = vio_vec_from_buf(&iov, buf, len);

    return vio_co_pwritev(file, off, &vec, flags);
}

static void
read_back_main(void *opaque)
{
    Ops *o = opaque;
    g_autofree uint8_t *buf = g_malloc(100000);

    g_assert_cmpint(co_read(o->file, 0, buf, 100000), ==, 100000);
    io_test_assert_pattern(buf, 0, 100000);
    g_assert_cmpint(co_read(o->file, 777, buf, 4096), ==, 4096);
    io_test_assert_pattern(buf, 777, 4096);
}

static void
test_read_back(IoFixture *f, gconstpointer engine)
{
    Ops o = {.file = io_test_file(f, "a", 100000)};

    io_test_run(f, read_back_main, &o);
    vio_file_free(o.file);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    io_test_add("read/back", test_read_back);
    return g_test_run();
}
