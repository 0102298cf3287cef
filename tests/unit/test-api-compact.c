/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-compact.c - compacting through the public interface:
 * progress, an end at any time, reads meanwhile, what the result says. */
#include "tests/unit/api-test.h"

#include <string.h>

#define SIZE (32 * MIB)
#define GRAIN (64 * KIB)

/* Every other grain of the front half is zeroes, written from behind. */
static void
fill(VdDisk *disk)
{
    g_autofree uint8_t *buf = g_malloc(GRAIN);
    g_autoptr(GError) error = NULL;

    for (uint64_t off = SIZE / 2; off > 0;) {
        off -= GRAIN;
        api_test_fill(buf, GRAIN, off, 1);
        if (off / GRAIN % 2)
            memset(buf, 0, GRAIN);
        vd_disk_pwrite(disk, buf, GRAIN, off, 0, &error);
        g_assert_no_error(error);
    }
}

static void
assert_contents(VdDisk *disk)
{
    g_autofree uint8_t *buf = g_malloc(GRAIN);
    g_autofree uint8_t *wanted = g_malloc0(GRAIN);
    g_autoptr(GError) error = NULL;

    for (uint64_t off = 0; off < SIZE; off += GRAIN) {
        if (off < SIZE / 2 && off / GRAIN % 2 == 0)
            api_test_fill(wanted, GRAIN, off, 1);
        else
            memset(wanted, 0, GRAIN);
        vd_disk_pread(disk, buf, GRAIN, off, &error);
        g_assert_no_error(error);
        g_assert_cmpmem(buf, GRAIN, wanted, GRAIN);
    }
}

static VdDisk *
open_filled(ApiTest *t)
{
    const char *path = api_test_path(t, "d.vmdk");
    VdCreateParams params = {.filename = path, .format = "vmdk", .size = SIZE};
    g_autoptr(GError) error = NULL;
    VdDisk *disk;

    vd_create(t->ctx, &params, &error);
    g_assert_no_error(error);
    disk = api_test_open(t, path, "vmdk", VD_OPEN_RDWR | VD_OPEN_UNMAP);
    fill(disk);
    return disk;
}

typedef struct {
    VdContext *ctx;
    unsigned calls, cancel_at;
    VdProgress last;
} Watcher;

static void
watch(const VdProgress *progress, void *opaque)
{
    Watcher *w = opaque;

    if (w->calls++) {
        g_assert_cmpuint(progress->done, >=, w->last.done);
        g_assert_cmpuint(progress->total, <=, w->last.total);
    }
    g_assert_cmpuint(progress->done, <=, progress->total);
    w->last = *progress;
    if (w->calls == w->cancel_at)
        vd_context_cancel(w->ctx);
}

static void
test_result_and_progress(ApiTest *t, gconstpointer data)
{
    VdDisk *disk = open_filled(t);
    Watcher w = {.ctx = t->ctx};
    VdCompactParams params = {.what = VD_COMPACT_SHRINK | VD_COMPACT_DEFRAGMENT,
                              .progress = watch,
                              .progress_opaque = &w};
    const char *path = api_test_path(t, "d.vmdk");
    g_autoptr(GError) error = NULL;
    VdCompactResult result;

    g_assert_true(vd_disk_compact(disk, &params, &result, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(result.freed_clusters, ==, 128);
    g_assert_cmpuint(result.moved_clusters, >, 0);
    g_assert_cmpuint(result.file_bytes_before - result.file_bytes_after, ==,
                     128 * GRAIN);
    g_assert_cmpuint(result.file_bytes_after, ==, api_test_file_size(path));
    g_assert_cmpuint((uint64_t) result.allocated_after, ==,
                     api_test_allocated(path));
    g_assert_cmpint(result.allocated_after, <, result.allocated_before);
    g_assert_cmpuint(w.calls, >, 1);
    g_assert_cmpuint(w.last.done, ==, w.last.total);
    assert_contents(disk);
    /* Parameters and result may be left out. */
    g_assert_true(vd_disk_compact(disk, NULL, NULL, &error));
    g_assert_no_error(error);
    assert_contents(disk);
    api_test_close(disk);
}

static void
test_cancelling(ApiTest *t, gconstpointer data)
{
    VdDisk *disk = open_filled(t);
    Watcher w = {.ctx = t->ctx, .cancel_at = 1};
    VdCompactParams params = {.progress = watch, .progress_opaque = &w};
    g_autoptr(GError) error = NULL;

    g_assert_false(vd_disk_compact(disk, &params, NULL, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CANCELLED);
    vd_context_cancel_reset(t->ctx);
    g_clear_error(&error);
    assert_contents(disk);
    g_assert_true(vd_disk_compact(disk, NULL, NULL, &error));
    g_assert_no_error(error);
    assert_contents(disk);
    api_test_close(disk);
}

static void
test_formats_without_it(ApiTest *t, gconstpointer data)
{
    VdDisk *disk = api_test_memory(t, MIB);
    g_autoptr(GError) error = NULL;

    g_assert_false(vd_disk_compact(disk, NULL, NULL, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
    api_test_close(disk);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    api_test_add("/api/compact/result", test_result_and_progress);
    api_test_add("/api/compact/cancel", test_cancelling);
    api_test_add("/api/compact/other-formats", test_formats_without_it);
    return g_test_run();
}
