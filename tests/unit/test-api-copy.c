/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-copy.c - copies between raw, memory and faulty disks. */
#include "tests/unit/api-test.h"

#include <string.h>

/* A new raw image for the copy of @size bytes. */
static VdCreation *
begin_raw(const ApiTest *t, const char *path, uint64_t size)
{
    VdCreateParams params = {.filename = path, .format = "raw", .size = size};
    GError *error = NULL;
    VdCreation *creation = vd_create_begin(t->ctx, &params, &error);

    g_assert_no_error(error);
    return creation;
}

static void
copy_to_new(const ApiTest *t, VdDisk *const *sources, unsigned n,
            const char *path, uint64_t size, const VdCopyParams *params,
            VdCopyResult *result)
{
    api_test_copy_and_commit(begin_raw(t, path, size), sources, n, params,
                             result);
}

static void
test_sparse_content_arrives_with_holes(ApiTest *t, gconstpointer unused)
{
    const char *src = api_test_path(t, "src"), *dst = api_test_path(t, "dst");
    VdDisk *disk;
    VdCopyResult result;

    for (uint32_t seed = 1; seed <= 5; seed++) {
        api_test_make_sparse(src, 40 * MIB + seed * 512, seed);
        disk = api_test_open(t, src, "raw", 0);
        copy_to_new(t, &disk, 1, dst, vd_disk_size(disk), &api_test_to_new,
                    &result);
        api_test_close(disk);
        api_test_assert_same_files(src, dst);
        /* A file system's own tables may take a little. */
        g_assert_cmpuint(api_test_allocated(dst), <=,
                         api_test_allocated(src) + (64 << 10));
        g_assert_cmpuint(result.bytes_written, <, result.bytes_read);
        g_assert_cmpuint(result.bytes_written, >, 0);
        g_assert_cmpuint(result.bytes_zero, >, 0);
    }
}

static void
test_any_depth_gives_the_same(ApiTest *t, gconstpointer unused)
{
    static const unsigned depths[] = {1, 2, 7, 256};
    const char *src = api_test_path(t, "src"), *dst = api_test_path(t, "dst");
    VdDisk *disk;

    api_test_make_sparse(src, 20 * MIB, 8);
    disk = api_test_open(t, src, "raw", 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(depths); i++) {
        VdCopyParams params = api_test_to_new;

        params.depth = depths[i];
        copy_to_new(t, &disk, 1, dst, vd_disk_size(disk), &params, NULL);
        api_test_assert_same_files(src, dst);
    }
    api_test_close(disk);
}

static void
test_sparse_sizes_keep_content(ApiTest *t, gconstpointer unused)
{
    static const uint64_t sizes[] = {512, 4096, 64 * KIB, MIB, 16 * MIB};
    const char *src = api_test_path(t, "src"), *dst = api_test_path(t, "dst");
    VdDisk *disk;
    uint64_t before = 0;

    api_test_make_sparse(src, 40 * MIB, 3);
    disk = api_test_open(t, src, "raw", 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        VdCopyParams params = api_test_to_new;
        VdCopyResult result;

        params.sparse_size = sizes[i];
        copy_to_new(t, &disk, 1, dst, vd_disk_size(disk), &params, &result);
        api_test_assert_same_files(src, dst);
        g_assert_cmpuint(result.bytes_written, >=, before);
        before = result.bytes_written;
    }
    api_test_close(disk);
}

static void
test_sparse_size_nought_writes_everything(ApiTest *t, gconstpointer unused)
{
    const char *src = api_test_path(t, "src"), *dst = api_test_path(t, "dst");
    VdCopyParams params = {.sparse_size = 0, .target_is_zero = true};
    VdCopyResult result;
    VdDisk *disk;

    api_test_make_sparse(src, 8 * MIB, 4);
    disk = api_test_open(t, src, "raw", 0);
    copy_to_new(t, &disk, 1, dst, 8 * MIB, &params, &result);
    api_test_close(disk);
    api_test_assert_same_files(src, dst);
    g_assert_cmpuint(result.bytes_written, ==, 8 * MIB);
    g_assert_cmpuint(api_test_allocated(dst), >=, 8 * MIB);
}

static void
test_target_with_old_content_is_overwritten(ApiTest *t, gconstpointer unused)
{
    const char *src = api_test_path(t, "src"), *dst = api_test_path(t, "dst");
    VdCopyParams params = {.sparse_size = UINT64_MAX};
    VdDisk *source, *target;
    GError *error = NULL;

    api_test_make_sparse(src, 20 * MIB, 6);
    api_test_make_full(dst, 20 * MIB, 7);
    source = api_test_open(t, src, "raw", 0);
    target = api_test_open(t, dst, "raw", VD_OPEN_RDWR);
    vd_copy(&source, 1, target, &params, NULL, &error);
    g_assert_no_error(error);
    api_test_close(target);
    api_test_close(source);
    api_test_assert_same_files(src, dst);
}

/* @offload: of the target's file; "full": the kernel can copy everywhere. */
static void
copy_below(ApiTest *t, const char *offload, bool all)
{
    const char *src = api_test_path(t, "src"), *dst = api_test_path(t, "dst");
    VdCopyParams params = {.sparse_size = UINT64_MAX,
                           .offload = VD_OFFLOAD_WHOLE};
    VdCopyResult result;
    VdDisk *source, *target;
    GError *error = NULL;

    api_test_make_full(src, 9 * MIB + 512, 6);
    api_test_make_full(dst, 9 * MIB + 512, 7);
    source = api_test_open(t, src, "raw", 0);
    target = api_test_open_opts(t, VD_OPEN_RDWR,
                                "driver=raw,file.driver=file,"
                                "file.copy-offload=%s,file.filename=%s",
                                offload, dst);
    vd_copy(&source, 1, target, &params, &result, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(result.bytes_offloaded, ==, all ? 9 * MIB + 512 : 0);
    g_assert_cmpuint(result.bytes_read, ==, all ? 0 : 9 * MIB + 512);
    api_test_close(target);
    api_test_close(source);
    api_test_assert_same_files(src, dst);
}

static void
test_the_file_system_copies_where_it_can(ApiTest *t, gconstpointer unused)
{
    copy_below(t, "full", true);
    copy_below(t, "off", false);
}

static void
test_sources_follow_one_another(ApiTest *t, gconstpointer unused)
{
    const char *a = api_test_path(t, "a"), *b = api_test_path(t, "b");
    const char *dst = api_test_path(t, "dst");
    VdDisk *sources[3];
    uint64_t joint;

    api_test_make_full(a, 3 * MIB + 100, 1); /* ends inside a sector */
    api_test_make_sparse(b, 5 * MIB, 2);
    sources[0] = sources[2] = api_test_open(t, a, "raw", 0);
    sources[1] = api_test_open(t, b, "raw", 0);
    joint = 3 * MIB + 512;
    copy_to_new(t, sources, 3, dst, 2 * joint + 5 * MIB, &api_test_to_new,
                NULL);
    api_test_close(sources[0]);
    api_test_close(sources[1]);

    sources[0] = api_test_open_opts(t, 0,
                                    "driver=raw,offset=%" G_GUINT64_FORMAT
                                    ",size=5M,file.filename=%s",
                                    joint, dst);
    api_test_assert_disk_is_file(sources[0], b);
    api_test_close(sources[0]);
    sources[0] = api_test_open_opts(
        t, 0, "driver=raw,offset=%" G_GUINT64_FORMAT ",file.filename=%s",
        joint + 5 * MIB, dst);
    api_test_assert_disk_is_file(sources[0], a);
    api_test_close(sources[0]);
}

static void
test_huge_hole_costs_nothing(ApiTest *t, gconstpointer unused)
{
    VdDisk *source = api_test_memory(t, 2048 * GIB);
    VdDisk *target = api_test_memory(t, 2048 * GIB);
    uint8_t buf[512], got[512];
    VdCopyResult result;
    VdStats stats;

    api_test_fill(buf, sizeof(buf), 0, 1);
    g_assert_true(
        vd_disk_pwrite(source, buf, sizeof(buf), 2047 * GIB, 0, NULL));
    g_assert_true(vd_copy(&source, 1, target, &api_test_to_new, &result, NULL));
    g_assert_true(vd_disk_pread(target, got, sizeof(got), 2047 * GIB, NULL));
    g_assert_cmpmem(got, sizeof(got), buf, sizeof(buf));
    g_assert_cmpuint(result.bytes_read, <=, MIB);
    vd_disk_get_stats(target, &stats);
    g_assert_cmpuint(stats.zeroes, ==, 0);
    api_test_close(source);
    api_test_close(target);
}

/* -- what is refused --------------------------------------------------------
 */

static void
assert_copy_fails(VdDisk *source, VdDisk *target, const VdCopyParams *params,
                  int code)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(vd_copy(&source, 1, target, params, NULL, &error));
    g_assert_error(error, VD_ERROR, code);
}

static void
test_impossible_copies_are_refused(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "a");
    VdCopyParams odd = {.sparse_size = 1000}, vast = {.sparse_size = 32 * MIB};
    VdCopyParams compress = {.sparse_size = 4096, .compress = true};
    VdDisk *small = api_test_memory(t, MIB), *big = api_test_memory(t, 2 * MIB);
    VdDisk *fixed, *elsewhere;
    ApiTest other;

    api_test_make_full(path, 4 * MIB, 1);
    fixed = api_test_open(t, path, "raw", 0);
    api_test_set_up(&other, NULL);
    elsewhere = api_test_memory(&other, 4 * MIB);

    assert_copy_fails(big, small, NULL, VD_ERROR_INVALID_ARGUMENT);
    assert_copy_fails(big, big, NULL, VD_ERROR_INVALID_ARGUMENT);
    assert_copy_fails(big, elsewhere, NULL, VD_ERROR_INVALID_ARGUMENT);
    assert_copy_fails(small, big, &odd, VD_ERROR_INVALID_ARGUMENT);
    assert_copy_fails(small, big, &vast, VD_ERROR_INVALID_ARGUMENT);
    assert_copy_fails(small, big, &compress, VD_ERROR_NOT_SUPPORTED);
    assert_copy_fails(big, fixed, NULL, VD_ERROR_READ_ONLY);

    api_test_close(small);
    api_test_close(big);
    api_test_close(fixed);
    api_test_close(elsewhere);
    api_test_tear_down(&other, NULL);
}

/* -- failures ----------------------------------------------------------------
 */

/* The file @path, of which sectors @first and @second cannot be read. */
static VdDisk *
open_damaged(const ApiTest *t, const char *path, unsigned first,
             unsigned second)
{
    return api_test_open_opts(
        t, 0,
        "driver=raw,file.driver=fault,"
        "file.inject-error.0.event=read_aio,file.inject-error.0.sector=%u,"
        "file.inject-error.1.event=read_aio,file.inject-error.1.sector=%u,"
        "file.file.filename=%s",
        first, second, path);
}

static void
test_lowest_failing_read_is_reported(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "src");
    VdDisk *target = api_test_memory(t, 16 * MIB), *source;
    g_autoptr(GError) error = NULL;

    api_test_make_full(path, 16 * MIB, 1);
    source = open_damaged(t, path, 5 * 2048 + 100, 3 * 2048 + 17);
    g_assert_false(vd_copy(&source, 1, target, &api_test_to_new, NULL, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    g_assert_true(g_str_has_prefix(error->message,
                                   "error while reading at byte 3145728: "));
    api_test_close(source);
    api_test_close(target);
}

static void
test_failing_write_is_reported(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "src");
    VdDisk *source, *target;
    g_autoptr(GError) error = NULL;

    api_test_make_full(path, 16 * MIB, 1);
    source = api_test_open(t, path, "raw", 0);
    target = api_test_open_opts(t, VD_OPEN_RDWR,
                                "driver=raw,file.driver=fault,"
                                "file.inject-error.0.event=write_aio,"
                                "file.inject-error.0.errno=28,"
                                "file.inject-error.0.sector=8192,"
                                "file.file.driver=memory,file.file.size=16M");
    g_assert_false(vd_copy(&source, 1, target, &api_test_to_new, NULL, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NO_SPACE);
    g_assert_true(g_str_has_prefix(error->message,
                                   "error while writing at byte 4194304: "));
    api_test_close(source);
    api_test_close(target);
}

static void
test_salvage_loses_only_bad_sectors(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "src");
    const char *want = api_test_path(t, "want");
    VdDisk *target = api_test_memory(t, 4 * MIB), *source;
    VdCopyParams params = api_test_to_new;
    VdCopyResult result;
    g_autofree char *text = NULL;
    gsize len;

    api_test_make_full(path, 4 * MIB, 1);
    g_assert_true(g_file_get_contents(path, &text, &len, NULL));
    memset(text + 17 * 512, 0, 512);
    memset(text + 5000 * 512, 0, 512);
    g_assert_true(g_file_set_contents(want, text, (gssize) len, NULL));

    source = open_damaged(t, path, 17, 5000);
    params.salvage = true;
    g_assert_true(vd_copy(&source, 1, target, &params, &result, NULL));
    g_assert_cmpuint(result.salvaged, ==, 1024);
    g_assert_cmpuint(t->warnings->len, ==, 2);
    g_assert_true(g_str_has_prefix(g_ptr_array_index(t->warnings, 0),
                                   "error while reading offset "));
    api_test_assert_disk_is_file(target, want);
    api_test_close(source);
    api_test_close(target);
}

/* Every read that a copy makes fails once. */
static void
test_no_failing_read_goes_unnoticed(ApiTest *t, gconstpointer unused)
{
    const char *src = api_test_path(t, "src");
    bool failed = true;
    unsigned nth;

    api_test_make_sparse(src, 6 * MIB, 2);
    for (nth = 0; failed; nth++) {
        VdDisk *source =
            api_test_open_opts(t, 0,
                               "driver=raw,file.driver=fault,file.fail-op=read,"
                               "file.fail-nth=%u,file.file.filename=%s",
                               nth, src);
        VdDisk *target = api_test_memory(t, 6 * MIB);
        g_autoptr(GError) error = NULL;

        failed = !vd_copy(&source, 1, target, &api_test_to_new, NULL, &error);
        if (failed)
            g_assert_error(error, VD_ERROR, VD_ERROR_IO);
        else
            api_test_assert_disk_is_file(target, src);
        api_test_close(source);
        api_test_close(target);
    }
    g_assert_cmpuint(nth, >, 2);
}

/* Every write of data or zeroes, too; the target has old content. */
static void
test_no_failing_write_goes_unnoticed(ApiTest *t, gconstpointer unused)
{
    const char *src = api_test_path(t, "src"), *dst = api_test_path(t, "dst");
    const VdCopyParams params = {.sparse_size = UINT64_MAX};
    bool failed = true;
    VdDisk *source;
    unsigned nth;

    api_test_make_sparse(src, 6 * MIB, 2);
    source = api_test_open(t, src, "raw", 0);
    for (nth = 0; failed; nth++) {
        g_autoptr(GError) error = NULL;
        VdDisk *target;

        api_test_make_full(dst, 6 * MIB, 9);
        target = api_test_open_opts(t, VD_OPEN_RDWR,
                                    "driver=raw,file.driver=fault,"
                                    "file.fail-nth=%u,file.fail-errno=ENOSPC,"
                                    "file.file.filename=%s",
                                    nth, dst);
        failed = !vd_copy(&source, 1, target, &params, NULL, &error) ||
                 !vd_disk_flush(target, &error);
        if (failed)
            g_assert_error(error, VD_ERROR, VD_ERROR_NO_SPACE);
        (void) vd_disk_close(target, NULL); /* the fault may hit its flush */
    }
    api_test_close(source);
    api_test_assert_same_files(src, dst);
    g_assert_cmpuint(nth, >, 4);
}

/* -- progress, cancel, pace
 * ---------------------------------------------------- */

typedef struct {
    VdContext *cancel; /* to be cancelled on the way */
    VdProgress last;
    unsigned calls;
} Watch;

static void
watch_progress(const VdProgress *progress, void *opaque)
{
    Watch *watch = opaque;

    if (watch->calls++ > 0) {
        g_assert_cmpuint(progress->done, >=, watch->last.done);
        g_assert_cmpuint(progress->total, <=, watch->last.total);
    }
    g_assert_cmpuint(progress->done, <=, progress->total);
    g_assert_nonnull(progress->phase);
    watch->last = *progress;
    if (watch->cancel != NULL && progress->done > 0)
        vd_context_cancel(watch->cancel);
}

static void
test_progress_only_goes_forward(ApiTest *t, gconstpointer unused)
{
    const char *src = api_test_path(t, "src"), *dst = api_test_path(t, "dst");
    VdCopyParams params = api_test_to_new;
    Watch watch = {0};
    VdDisk *disk;

    api_test_make_sparse(src, 64 * MIB, 5);
    disk = api_test_open(t, src, "raw", 0);
    params.progress = watch_progress;
    params.progress_opaque = &watch;
    copy_to_new(t, &disk, 1, dst, 64 * MIB, &params, NULL);
    api_test_close(disk);
    g_assert_cmpuint(watch.calls, >, 1);
    g_assert_cmpuint(watch.last.done, ==, watch.last.total);
    g_assert_cmpuint(watch.last.zero, >, 0);
    g_assert_cmpuint(watch.last.total, <, 64 * MIB);
}

static void
test_cancel_stops_a_copy_and_reset_allows_the_next(ApiTest *t,
                                                   gconstpointer unused)
{
    const char *src = api_test_path(t, "src");
    VdDisk *source, *target = api_test_memory(t, 256 * MIB);
    Watch watch = {.cancel = t->ctx};
    VdCopyParams params = api_test_to_new;
    g_autoptr(GError) error = NULL;

    api_test_make_full(src, 256 * MIB, 5);
    source = api_test_open(t, src, "raw", 0);
    params.progress = watch_progress;
    params.progress_opaque = &watch;
    g_assert_false(vd_copy(&source, 1, target, &params, NULL, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CANCELLED);
    g_assert_cmpuint(watch.last.done, <, 256 * MIB);
    g_clear_error(&error);

    assert_copy_fails(source, target, &api_test_to_new, VD_ERROR_CANCELLED);
    vd_context_cancel_reset(t->ctx);
    g_assert_true(vd_copy(&source, 1, target, &api_test_to_new, NULL, &error));
    api_test_close(source);
    api_test_close(target);
}

static gpointer
cancel_soon(gpointer data)
{
    g_usleep(30000);
    vd_context_cancel(data);
    return NULL;
}

/* At one byte a second the copy could not end before the next century. */
static void
test_cancel_wakes_a_paced_copy(ApiTest *t, gconstpointer unused)
{
    const char *src = api_test_path(t, "src");
    VdDisk *source, *target = api_test_memory(t, 16 * MIB);
    VdCopyParams params = api_test_to_new;
    GThread *thread;

    api_test_make_full(src, 16 * MIB, 5);
    source = api_test_open(t, src, "raw", 0);
    params.rate_limit = 1;
    thread = g_thread_new("cancel", cancel_soon, t->ctx);
    assert_copy_fails(source, target, &params, VD_ERROR_CANCELLED);
    g_thread_join(thread);
    api_test_close(source);
    api_test_close(target);
}

static void
test_pace_does_not_change_content(ApiTest *t, gconstpointer unused)
{
    const char *src = api_test_path(t, "src"), *dst = api_test_path(t, "dst");
    VdCopyParams params = api_test_to_new;
    VdDisk *disk;

    api_test_make_full(src, 4 * MIB, 5);
    disk = api_test_open(t, src, "raw", 0);
    params.rate_limit = 400 * MIB;
    copy_to_new(t, &disk, 1, dst, 4 * MIB, &params, NULL);
    api_test_close(disk);
    api_test_assert_same_files(src, dst);
}

/* A small pool must not make a copy wait for itself. */
static void
test_small_buffer_pool_suffices(void)
{
    VdContextParams params = {.buffer_limit = 1};
    ApiTest t;

    api_test_set_up(&t, &params);
    test_sparse_content_arrives_with_holes(&t, NULL);
    test_sparse_sizes_keep_content(&t, NULL);
    api_test_tear_down(&t, NULL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    api_test_add("/api/copy/sparse-content-arrives-with-holes",
                 test_sparse_content_arrives_with_holes);
    api_test_add("/api/copy/any-depth-gives-the-same",
                 test_any_depth_gives_the_same);
    api_test_add("/api/copy/sparse-sizes-keep-content",
                 test_sparse_sizes_keep_content);
    api_test_add("/api/copy/sparse-size-nought-writes-everything",
                 test_sparse_size_nought_writes_everything);
    api_test_add("/api/copy/target-with-old-content-is-overwritten",
                 test_target_with_old_content_is_overwritten);
    api_test_add("/api/copy/the-file-system-copies-where-it-can",
                 test_the_file_system_copies_where_it_can);
    api_test_add("/api/copy/sources-follow-one-another",
                 test_sources_follow_one_another);
    api_test_add("/api/copy/huge-hole-costs-nothing",
                 test_huge_hole_costs_nothing);
    api_test_add("/api/copy/impossible-copies-are-refused",
                 test_impossible_copies_are_refused);
    api_test_add("/api/copy/lowest-failing-read-is-reported",
                 test_lowest_failing_read_is_reported);
    api_test_add("/api/copy/failing-write-is-reported",
                 test_failing_write_is_reported);
    api_test_add("/api/copy/salvage-loses-only-bad-sectors",
                 test_salvage_loses_only_bad_sectors);
    api_test_add("/api/copy/no-failing-read-goes-unnoticed",
                 test_no_failing_read_goes_unnoticed);
    api_test_add("/api/copy/no-failing-write-goes-unnoticed",
                 test_no_failing_write_goes_unnoticed);
    api_test_add("/api/copy/progress-only-goes-forward",
                 test_progress_only_goes_forward);
    api_test_add("/api/copy/cancel-stops-a-copy-and-reset-allows-the-next",
                 test_cancel_stops_a_copy_and_reset_allows_the_next);
    api_test_add("/api/copy/cancel-wakes-a-paced-copy",
                 test_cancel_wakes_a_paced_copy);
    api_test_add("/api/copy/pace-does-not-change-content",
                 test_pace_does_not_change_content);
    g_test_add_func("/api/copy/small-buffer-pool-suffices",
                    test_small_buffer_pool_suffices);
    return g_test_run();
}
