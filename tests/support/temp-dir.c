/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/temp-dir.c - directories that live as long as a test.
 *
 * Whatever fails here ends the test program: nothing can be tested then.
 */
#include "tests/support/temp-dir.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/fd.h"

#define COPY_CHUNK ((size_t) 1 << 20)

char *
test_dir_new(void)
{
    g_autoptr(GError) error = NULL;
    char *dir = g_dir_make_tmp("vdisk-test-XXXXXX", &error);

    g_assert_no_error(error);
    return dir;
}

void
test_dir_empty(const char *dir)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) handle = g_dir_open(dir, 0, &error);
    const char *name;

    g_assert_no_error(error);
    while ((name = g_dir_read_name(handle))) {
        g_autofree char *path = g_build_filename(dir, name, NULL);

        if (g_file_test(path, G_FILE_TEST_IS_DIR) &&
            !g_file_test(path, G_FILE_TEST_IS_SYMLINK)) {
            test_dir_empty(path);
            g_assert_cmpint(g_rmdir(path), ==, 0);
        } else {
            g_assert_cmpint(g_unlink(path), ==, 0);
        }
    }
}

void
test_dir_remove(char *dir)
{
    test_dir_empty(dir);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
    g_free(dir);
}

static void
copy_range(int in, int out, off_t off, off_t end)
{
    g_autofree char *buf = g_malloc(COPY_CHUNK);

    while (off < end) {
        size_t want = MIN(COPY_CHUNK, (size_t) (end - off));
        ssize_t n = pread(in, buf, want, off);

        g_assert_cmpint(n, >, 0);
        g_assert_cmpint(pwrite(out, buf, (size_t) n, off), ==, n);
        off += n;
    }
}

static void
copy_file(const char *from, const char *to)
{
    VIO_AUTO_FD in = g_open(from, O_RDONLY | O_CLOEXEC, 0);
    VIO_AUTO_FD out =
        g_open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    struct stat st;
    off_t off = 0;

    g_assert_cmpint(in, >=, 0);
    g_assert_cmpint(out, >=, 0);
    g_assert_cmpint(fstat(in, &st), ==, 0);
    g_assert_cmpint(ftruncate(out, st.st_size), ==, 0);
    while (off < st.st_size) {
        off_t data = lseek(in, off, SEEK_DATA);
        off_t hole = data < 0 ? -1 : lseek(in, data, SEEK_HOLE);

        if (hole < 0)
            break; /* ENXIO: a hole up to the end */
        copy_range(in, out, data, hole);
        off = hole;
    }
}

void
test_dir_copy(const char *from, const char *to)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) handle = g_dir_open(from, 0, &error);
    const char *name;

    g_assert_no_error(error);
    test_dir_empty(to);
    while ((name = g_dir_read_name(handle))) {
        g_autofree char *source = g_build_filename(from, name, NULL);
        g_autofree char *target = g_build_filename(to, name, NULL);

        if (g_file_test(source, G_FILE_TEST_IS_REGULAR))
            copy_file(source, target);
    }
}

void
test_file_make(const char *path, uint64_t size)
{
    VIO_AUTO_FD fd =
        g_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, (off_t) size), ==, 0);
}

static struct stat
file_stat(const char *path)
{
    struct stat st;

    g_assert_cmpint(stat(path, &st), ==, 0);
    return st;
}

uint64_t
test_file_size(const char *path)
{
    return (uint64_t) file_stat(path).st_size;
}

uint64_t
test_file_allocated(const char *path)
{
    return (uint64_t) file_stat(path).st_blocks * 512;
}
