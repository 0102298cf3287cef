/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-sync.c - contexts, opening, synchronous requests. */
#include "tests/unit/api-test.h"

#include <errno.h>
#include <string.h>

static void
test_read_gives_what_was_written(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = api_test_memory(t, MIB);
    uint8_t out[5000], in[5000];

    api_test_fill(out, sizeof(out), 0, 1);
    g_assert_true(vd_disk_pwrite(disk, out, sizeof(out), 777, 0, NULL));
    g_assert_true(vd_disk_pread(disk, in, sizeof(in), 777, NULL));
    g_assert_cmpmem(in, sizeof(in), out, sizeof(out));
    api_test_close(disk);
}

static void
test_vectors_scatter_and_gather(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = api_test_memory(t, MIB);
    uint8_t out[100], in[100];
    struct iovec wv[] = {{out, 33}, {out + 33, 0}, {out + 33, 67}};
    struct iovec rv[] = {{in, 90}, {in + 90, 10}};

    api_test_fill(out, sizeof(out), 0, 2);
    g_assert_true(vd_disk_pwritev(disk, wv, 3, 512, 0, NULL));
    g_assert_true(vd_disk_preadv(disk, rv, 2, 512, NULL));
    g_assert_cmpmem(in, sizeof(in), out, sizeof(out));
    api_test_close(disk);
}

static void
test_file_keeps_what_was_flushed(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "a.raw");
    uint8_t buf[4096], want[4096];
    VdDisk *disk;

    api_test_make_full(path, 64 * KIB, 1);
    disk = api_test_open(t, path, "raw", VD_OPEN_RDWR);
    api_test_fill(want, sizeof(want), 0, 9);
    g_assert_true(
        vd_disk_pwrite(disk, want, sizeof(want), 8192, VD_REQ_FUA, NULL));
    g_assert_true(vd_disk_flush(disk, NULL));
    api_test_close(disk);

    disk = api_test_open(t, path, "raw", 0);
    g_assert_true(vd_disk_pread(disk, buf, sizeof(buf), 8192, NULL));
    g_assert_cmpmem(buf, sizeof(buf), want, sizeof(want));
    api_test_close(disk);
}

static void
test_zeroes_and_discard_read_as_zeroes(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = api_test_memory(t, MIB);
    uint8_t buf[3 * 4096], zeroes[4096] = {0};

    api_test_fill(buf, sizeof(buf), 0, 3);
    g_assert_true(vd_disk_pwrite(disk, buf, sizeof(buf), 0, 0, NULL));
    g_assert_true(
        vd_disk_write_zeroes(disk, 4096, 4096, VD_REQ_MAY_UNMAP, NULL));
    g_assert_true(vd_disk_pread(disk, buf, 4096, 4096, NULL));
    g_assert_cmpmem(buf, 4096, zeroes, 4096);
    g_assert_true(vd_disk_pread(disk, buf, 1, 4095, NULL));
    g_assert_cmpuint(buf[0], !=, 0);
    g_assert_true(vd_disk_discard(disk, 0, MIB, NULL));
    api_test_close(disk);
}

static void
test_range_beyond_end_is_refused(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = api_test_memory(t, MIB);
    g_autoptr(GError) error = NULL;
    uint8_t buf[1024] = {0};

    g_assert_false(vd_disk_pread(disk, buf, 1024, MIB - 512, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_OUT_OF_RANGE);
    g_clear_error(&error);
    g_assert_false(vd_disk_pwrite(disk, buf, 1024, MIB - 512, 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_OUT_OF_RANGE);
    g_clear_error(&error);
    g_assert_false(vd_disk_pread(disk, buf, UINT64_MAX, 0, &error));
    g_assert_nonnull(error);
    api_test_close(disk);
}

static void
test_write_to_read_only_disk_is_refused(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "a.raw");
    g_autoptr(GError) error = NULL;
    uint8_t buf[512] = {0};
    VdDisk *disk;

    api_test_make_full(path, 64 * KIB, 1);
    disk = api_test_open(t, path, "raw", 0);
    g_assert_false(vd_disk_pwrite(disk, buf, 512, 0, 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_READ_ONLY);
    api_test_close(disk);
}

static void
test_missing_file_is_not_found(ApiTest *t, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(
        vd_disk_open(t->ctx, api_test_path(t, "none"), "raw", NULL, 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_FOUND);
    g_assert_cmpint(vd_error_to_errno(error), ==, ENOENT);
    g_assert_nonnull(strstr(error->message, "none"));
}

static void
test_unknown_option_is_refused(ApiTest *t, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    const char *path = api_test_path(t, "a.raw");

    api_test_make_full(path, 64 * KIB, 1);
    g_assert_null(vd_disk_open(t->ctx, path, "raw", "no-such=1", 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    g_assert_nonnull(strstr(error->message, "no-such"));
}

static void
test_unknown_engine_is_refused(void)
{
    VdContextParams params = {.engine = "steam"};
    g_autoptr(GError) error = NULL;

    g_assert_null(vd_context_new(&params, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
}

static void
test_disk_tells_size_and_format(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = api_test_memory(t, 3 * MIB);

    g_assert_cmpuint(vd_disk_size(disk), ==, 3 * MIB);
    g_assert_cmpstr(vd_disk_format(disk), ==, "raw");
    g_assert_true(vd_disk_context(disk) == t->ctx);
    api_test_close(disk);
}

static void
test_info_tells_file_facts(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "a.raw");
    VdDisk *disk;
    g_autoptr(VdInfo) info = NULL;

    api_test_make_full(path, 64 * KIB, 1);
    disk = api_test_open(t, path, "raw", 0);
    info = vd_disk_get_info(disk, NULL);
    g_assert_cmpstr(info->filename, ==, path);
    g_assert_cmpstr(info->format, ==, "raw");
    g_assert_cmpuint(info->virtual_size, ==, 64 * KIB);
    g_assert_cmpint(info->actual_size, ==, (gint64) api_test_allocated(path));
    g_assert_null(info->backing_filename);
    api_test_close(disk);
}

static void
test_stats_count_door_and_leaf(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = api_test_memory(t, MIB);
    uint8_t buf[4096] = {1};
    VdStats stats;

    g_assert_true(vd_disk_pwrite(disk, buf, 4096, 0, 0, NULL));
    g_assert_true(vd_disk_pread(disk, buf, 512, 0, NULL));
    g_assert_true(vd_disk_flush(disk, NULL));
    vd_disk_get_stats(disk, &stats);
    g_assert_cmpuint(stats.writes, ==, 1);
    g_assert_cmpuint(stats.written_bytes, ==, 4096);
    g_assert_cmpuint(stats.reads, ==, 1);
    g_assert_cmpuint(stats.read_bytes, ==, 512);
    g_assert_cmpuint(stats.flushes, ==, 1);
    g_assert_cmpuint(stats.leaf_writes, ==, 1);
    g_assert_cmpuint(stats.leaf_written_bytes, ==, 4096);
    g_assert_cmpuint(stats.leaf_read_bytes, >=, 512);
    api_test_close(disk);
}

static void
test_raw_has_no_check(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = api_test_memory(t, MIB);
    g_autoptr(GError) error = NULL;
    VdCheckResult result = {0};

    g_assert_false(vd_disk_check(disk, NULL, &result, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
    vd_check_result_clear(&result);
    api_test_close(disk);
}

/* -- many threads ---------------------------------------------------------- */

#define N_THREADS 8
#define N_ROUNDS 200
#define SHARE (64 * KIB)

typedef struct {
    VdDisk *disk;
    uint64_t base;
    uint32_t seed;
} ThreadWork;

static gpointer
write_and_verify(gpointer data)
{
    const ThreadWork *work = data;
    uint8_t out[2048], in[2048];

    for (unsigned i = 0; i < N_ROUNDS; i++) {
        uint64_t off = work->base + i * 512 % (SHARE - sizeof(out));

        api_test_fill(out, sizeof(out), off, work->seed + i);
        g_assert_true(
            vd_disk_pwrite(work->disk, out, sizeof(out), off, 0, NULL));
        g_assert_true(vd_disk_pread(work->disk, in, sizeof(in), off, NULL));
        g_assert_cmpmem(in, sizeof(in), out, sizeof(out));
    }
    return NULL;
}

static void
run_threads(VdDisk *disk)
{
    ThreadWork work[N_THREADS];
    GThread *threads[N_THREADS];

    for (unsigned i = 0; i < N_THREADS; i++) {
        work[i] = (ThreadWork){disk, i * SHARE, i * 1000};
        threads[i] = g_thread_new("sync", write_and_verify, &work[i]);
    }
    for (unsigned i = 0; i < N_THREADS; i++)
        g_thread_join(threads[i]);
}

static void
test_threads_share_a_memory_disk(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = api_test_memory(t, N_THREADS * SHARE);

    run_threads(disk);
    api_test_close(disk);
}

static void
test_threads_share_a_file(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "a.raw");
    VdDisk *disk;

    api_test_make_full(path, N_THREADS * SHARE, 1);
    disk = api_test_open(t, path, "raw", VD_OPEN_RDWR);
    run_threads(disk);
    api_test_close(disk);
}

/* -- warnings and versions ------------------------------------------------ */

static void
test_writable_guess_warns_before_open_returns(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "a.raw");

    api_test_make_full(path, 64 * KIB, 1);
    api_test_close(api_test_open(t, path, NULL, VD_OPEN_RDWR));
    g_assert_cmpuint(t->warnings->len, ==, 1);
    g_assert_nonnull(strstr(g_ptr_array_index(t->warnings, 0), "raw"));
}

static void
test_version_names_engines_and_codecs(void)
{
    g_assert_true(g_ascii_isdigit(vd_version()[0]));
    g_assert_nonnull(strstr(vd_build_info(), "threads"));
    g_assert_nonnull(strstr(vd_build_info(), "zlib"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    api_test_add("/api/sync/read-gives-what-was-written",
                 test_read_gives_what_was_written);
    api_test_add("/api/sync/vectors-scatter-and-gather",
                 test_vectors_scatter_and_gather);
    api_test_add("/api/sync/file-keeps-what-was-flushed",
                 test_file_keeps_what_was_flushed);
    api_test_add("/api/sync/zeroes-and-discard-read-as-zeroes",
                 test_zeroes_and_discard_read_as_zeroes);
    api_test_add("/api/sync/range-beyond-end-is-refused",
                 test_range_beyond_end_is_refused);
    api_test_add("/api/sync/write-to-read-only-disk-is-refused",
                 test_write_to_read_only_disk_is_refused);
    api_test_add("/api/sync/missing-file-is-not-found",
                 test_missing_file_is_not_found);
    api_test_add("/api/sync/unknown-option-is-refused",
                 test_unknown_option_is_refused);
    g_test_add_func("/api/sync/unknown-engine-is-refused",
                    test_unknown_engine_is_refused);
    api_test_add("/api/sync/disk-tells-size-and-format",
                 test_disk_tells_size_and_format);
    api_test_add("/api/sync/info-tells-file-facts", test_info_tells_file_facts);
    api_test_add("/api/sync/stats-count-door-and-leaf",
                 test_stats_count_door_and_leaf);
    api_test_add("/api/sync/raw-has-no-check", test_raw_has_no_check);
    api_test_add("/api/sync/threads-share-a-memory-disk",
                 test_threads_share_a_memory_disk);
    api_test_add("/api/sync/threads-share-a-file", test_threads_share_a_file);
    api_test_add("/api/sync/writable-guess-warns-before-open-returns",
                 test_writable_guess_warns_before_open_returns);
    g_test_add_func("/api/sync/version-names-engines-and-codecs",
                    test_version_names_engines_and_codecs);
    return g_test_run();
}
