/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/api-test.c - what the tests of libvdisk share. */
#include "tests/unit/api-test.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
api_test_warned(const char *message, void *opaque)
{
    ApiTest *t = opaque;

    g_ptr_array_add(t->warnings, g_strdup(message));
}

void
api_test_set_up(ApiTest *t, gconstpointer params)
{
    VdContextParams p = {0};
    GError *error = NULL;

    if (params != NULL)
        p = *(const VdContextParams *) params;
    p.warn = api_test_warned;
    p.warn_opaque = t;
    t->warnings = g_ptr_array_new_with_free_func(g_free);
    t->dir = g_dir_make_tmp("vdisk-api-XXXXXX", &error);
    g_assert_no_error(error);
    t->ctx = vd_context_new(&p, &error);
    g_assert_no_error(error);
}

static void
remove_directory(const char *dir)
{
    GDir *entries = g_dir_open(dir, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(entries)) != NULL) {
        g_autofree char *path = g_build_filename(dir, name, NULL);

        (void) g_unlink(path);
    }
    g_dir_close(entries);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

void
api_test_tear_down(ApiTest *t, gconstpointer unused)
{
    vd_context_free(t->ctx);
    remove_directory(t->dir);
    g_free(t->dir);
    g_ptr_array_unref(t->warnings);
}

void
api_test_add(const char *path, void (*func)(ApiTest *, gconstpointer))
{
    g_test_add(path, ApiTest, NULL, api_test_set_up, func, api_test_tear_down);
}

const char *
api_test_path(const ApiTest *t, const char *name)
{
    g_autofree char *path = g_build_filename(t->dir, name, NULL);

    return g_intern_string(path);
}

VdDisk *
api_test_open(const ApiTest *t, const char *path, const char *format,
              VdOpenFlags flags)
{
    GError *error = NULL;
    VdDisk *disk = vd_disk_open(t->ctx, path, format, NULL, flags, &error);

    g_assert_no_error(error);
    return disk;
}

VdDisk *
api_test_open_opts(const ApiTest *t, VdOpenFlags flags, const char *format, ...)
{
    g_autofree char *opts = NULL;
    va_list args;

    va_start(args, format);
    opts = g_strdup_vprintf(format, args);
    va_end(args);
    return api_test_open(t, opts, NULL, flags | VD_OPEN_IMAGE_OPTS);
}

VdDisk *
api_test_memory(const ApiTest *t, uint64_t size)
{
    return api_test_open_opts(t, VD_OPEN_RDWR,
                              "driver=raw,file.driver=memory,"
                              "file.size=%" G_GUINT64_FORMAT,
                              size);
}

void
api_test_close(VdDisk *disk)
{
    GError *error = NULL;

    vd_disk_close(disk, &error);
    g_assert_no_error(error);
}

void
api_test_create(const ApiTest *t, const char *path, const ApiTestKind *kind,
                uint64_t size)
{
    VdCreateParams params = {.filename = path,
                             .format = kind->format,
                             .size = size,
                             .options = kind->options};
    GError *error = NULL;

    (void) vd_create(t->ctx, &params, &error);
    g_assert_no_error(error);
}

const VdCopyParams api_test_to_new = {.sparse_size = UINT64_MAX,
                                      .target_is_zero = true};

void
api_test_copy_and_commit(VdCreation *creation, VdDisk *const *sources,
                         unsigned n, const VdCopyParams *params,
                         VdCopyResult *result)
{
    GError *error = NULL;
    VdDisk *target = vd_creation_disk(creation, &error);

    g_assert_no_error(error);
    vd_copy(sources, n, target, params, result, &error);
    g_assert_no_error(error);
    api_test_close(target);
    vd_creation_commit(creation, &error);
    g_assert_no_error(error);
}

/* -- contents ------------------------------------------------------------- */

void
api_test_fill(uint8_t *buf, uint64_t len, uint64_t off, uint32_t seed)
{
    for (uint64_t i = 0; i < len; i++) {
        uint64_t x = (off + i) / 8 * UINT64_C(0x9e3779b97f4a7c15) + seed;

        x ^= x >> 29;
        buf[i] = (uint8_t) ((x >> ((off + i) % 8 * 8)) | 1);
    }
}

static void
write_at(int fd, const uint8_t *buf, uint64_t len, uint64_t off)
{
    g_assert_cmpint(pwrite(fd, buf, len, (off_t) off), ==, (gssize) len);
}

static int
make_file(const char *path, uint64_t size)
{
    int fd = g_open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, (off_t) size), ==, 0);
    return fd;
}

void
api_test_make_sparse(const char *path, uint64_t size, uint32_t seed)
{
    const uint64_t longest = 3 * MIB;
    g_autofree uint8_t *buf = g_malloc(longest);
    GRand *rand = g_rand_new_with_seed(seed);
    int fd = make_file(path, size);
    unsigned kind = 0;

    for (uint64_t off = 0, len; off < size; off += len) {
        bool small = g_rand_boolean(rand);

        len = 1 + (uint64_t) g_rand_int_range(
                      rand, 0, (gint32) (small ? 20000 : longest - 1));
        len = MIN(len, size - off);
        if (kind % 3 == 0)
            api_test_fill(buf, len, off, seed);
        else
            memset(buf, 0, len);
        if (kind++ % 3 != 2)
            write_at(fd, buf, len, off);
    }
    g_rand_free(rand);
    (void) close(fd);
}

void
api_test_make_full(const char *path, uint64_t size, uint32_t seed)
{
    g_autofree uint8_t *buf = g_malloc(size);
    int fd = make_file(path, size);

    api_test_fill(buf, size, 0, seed);
    write_at(fd, buf, size, 0);
    (void) close(fd);
}

void
api_test_count_progress(const VdProgress *progress, void *opaque)
{
    uint64_t *last = opaque;

    g_assert_cmpuint(progress->done, >=, *last);
    g_assert_cmpuint(progress->done, <=, progress->total);
    *last = progress->done;
}

uint64_t
api_test_allocated(const char *path)
{
    struct stat st;

    g_assert_cmpint(stat(path, &st), ==, 0);
    return (uint64_t) st.st_blocks * 512;
}

uint64_t
api_test_file_size(const char *path)
{
    struct stat st;

    g_assert_cmpint(stat(path, &st), ==, 0);
    return (uint64_t) st.st_size;
}

static GMappedFile *
map_file(const char *path)
{
    GError *error = NULL;
    GMappedFile *file = g_mapped_file_new(path, FALSE, &error);

    g_assert_no_error(error);
    return file;
}

void
api_test_assert_same_files(const char *a, const char *b)
{
    GMappedFile *fa = map_file(a), *fb = map_file(b);

    g_assert_cmpuint(g_mapped_file_get_length(fa), ==,
                     g_mapped_file_get_length(fb));
    g_assert_cmpint(memcmp(g_mapped_file_get_contents(fa),
                           g_mapped_file_get_contents(fb),
                           g_mapped_file_get_length(fa)),
                    ==, 0);
    g_mapped_file_unref(fa);
    g_mapped_file_unref(fb);
}

void
api_test_assert_disk_is_file(VdDisk *disk, const char *path)
{
    uint64_t size = vd_disk_size(disk);
    g_autofree uint8_t *got = g_malloc(MIB);
    g_autofree uint8_t *want = g_malloc(MIB);
    int fd = g_open(path, O_RDONLY | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    for (uint64_t off = 0, len; off < size; off += len) {
        GError *error = NULL;

        len = MIN(MIB, size - off);
        memset(want, 0, len);
        g_assert_cmpint(pread(fd, want, len, (off_t) off), >=, 0);
        vd_disk_pread(disk, got, len, off, &error);
        g_assert_no_error(error);
        g_assert_cmpint(memcmp(got, want, len), ==, 0);
    }
    (void) close(fd);
}
