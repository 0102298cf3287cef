/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-observe.c - what an observer of a context is told. */
#include "tests/unit/api-test.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

typedef struct {
    VdContext *ctx;
    GArray *requests; /* of VdRequest */
    unsigned n_ends;
    VdContextStats stats;
} Watch;

static void
take_request(const VdRequest *request, void *opaque)
{
    Watch *watch = opaque;

    g_assert_cmpuint(watch->n_ends, ==, 0);
    g_array_append_val(watch->requests, *request);
}

static void
take_end(const VdContextStats *stats, void *opaque)
{
    Watch *watch = opaque;

    watch->n_ends++;
    watch->stats = *stats;
}

static void
watch_begin(Watch *watch)
{
    VdObserver observer = {
        .request = take_request, .end = take_end, .opaque = watch};
    VdContextParams params = {.observer = &observer};
    GError *error = NULL;

    *watch = (Watch){
        .requests = g_array_new(FALSE, FALSE, sizeof(VdRequest)),
    };
    watch->ctx = vd_context_new(&params, &error);
    g_assert_no_error(error);
}

static void
watch_end(Watch *watch)
{
    vd_context_free(watch->ctx);
    g_assert_cmpuint(watch->n_ends, ==, 1);
    g_array_unref(watch->requests);
}

static VdDisk *
open_raw(const Watch *watch, const char *name, unsigned flags)
{
    GError *error = NULL;
    VdDisk *disk =
        vd_disk_open(watch->ctx, name, NULL, NULL, (VdOpenFlags) flags, &error);

    g_assert_no_error(error);
    return disk;
}

static void
close_disk(VdDisk *disk)
{
    GError *error = NULL;

    vd_disk_close(disk, &error);
    g_assert_no_error(error);
}

/* The last one; what is due is told by a turn of the loop. */
static const VdRequest *
last(const Watch *watch)
{
    (void) vd_context_dispatch(watch->ctx);
    g_assert_cmpuint(watch->requests->len, >, 0);
    return &g_array_index(watch->requests, VdRequest, watch->requests->len - 1);
}

static void
test_each_request_is_told(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "a.raw");
    g_autofree uint8_t *buf = g_malloc(64 * KIB);
    GError *error = NULL;
    VdDisk *disk;
    Watch watch;

    api_test_make_full(path, MIB, 1);
    watch_begin(&watch);
    disk = open_raw(&watch, path, VD_OPEN_RDWR);
    vd_disk_pread(disk, buf, 64 * KIB, 4096, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(vd_request_op_name(last(&watch)->op), ==, "read");
    g_assert_cmpstr(last(&watch)->file, ==, path);
    g_assert_cmpuint(last(&watch)->off, ==, 4096);
    g_assert_cmpuint(last(&watch)->len, ==, 64 * KIB);
    g_assert_false(last(&watch)->failed);
    g_assert_cmpuint(last(&watch)->start_ns, >, 0);

    vd_disk_pwrite(disk, buf, 512, 8192, 0, &error);
    g_assert_no_error(error);
    g_assert_cmpint(last(&watch)->op, ==, VD_REQUEST_WRITE);
    g_assert_cmpuint(last(&watch)->off, ==, 8192);
    vd_disk_flush(disk, &error);
    g_assert_no_error(error);
    g_assert_cmpint(last(&watch)->op, ==, VD_REQUEST_FLUSH);
    close_disk(disk);
    watch_end(&watch);
    g_assert_cmpuint(watch.stats.syscalls, >=, 3);
}

static void
test_failures_are_told_as_such(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "a.raw");
    g_autoptr(GError) error = NULL;
    struct rlimit before, none;
    uint8_t buf[512] = {0};
    VdDisk *disk;
    Watch watch;
    bool ok;

    api_test_make_full(path, MIB, 1);
    watch_begin(&watch);
    disk = open_raw(&watch, path, VD_OPEN_RDWR);
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    (void) signal(SIGXFSZ, SIG_IGN);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &none), ==, 0);
    ok = vd_disk_pwrite(disk, buf, 512, 0, 0, &error);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
    g_assert_false(ok);
    g_assert_error(error, VD_ERROR, VD_ERROR_FILE_TOO_BIG);
    g_assert_cmpint(last(&watch)->op, ==, VD_REQUEST_WRITE);
    g_assert_true(last(&watch)->failed);
    (void) vd_disk_close(disk, NULL);
    watch_end(&watch);
}

static void
test_sums_are_those_of_the_disk(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "a.raw");
    g_autofree uint8_t *buf = g_malloc(MIB);
    uint64_t bytes = 0, reads = 0;
    GError *error = NULL;
    VdStats stats;
    VdDisk *disk;
    Watch watch;

    api_test_make_full(path, MIB, 1);
    watch_begin(&watch);
    disk = open_raw(&watch, path, 0);
    vd_disk_pread(disk, buf, MIB, 0, &error);
    g_assert_no_error(error);
    vd_disk_get_stats(disk, &stats);
    (void) last(&watch);
    for (guint i = 0; i < watch.requests->len; i++) {
        const VdRequest *r = &g_array_index(watch.requests, VdRequest, i);
        if (r->op != VD_REQUEST_READ)
            continue;
        bytes += r->len;
        reads++;
    }
    g_assert_cmpuint(reads, ==, stats.leaf_reads);
    g_assert_cmpuint(bytes, ==, stats.leaf_read_bytes);
    close_disk(disk);
    watch_end(&watch);
}

static void
test_own_opens_are_watched(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "a.raw");
    const char *clone = api_test_path(t, "b.vmdk");
    bool read = false, written = false;
    GError *error = NULL;
    Watch watch;

    api_test_make_full(path, MIB, 1);
    watch_begin(&watch);
    vd_clone(watch.ctx, path, clone, NULL, NULL, &error);
    g_assert_no_error(error);
    (void) last(&watch);
    for (guint i = 0; i < watch.requests->len; i++) {
        const VdRequest *r = &g_array_index(watch.requests, VdRequest, i);
        read |= r->op == VD_REQUEST_READ && !strcmp(r->file, path);
        written |= r->op == VD_REQUEST_WRITE && !strcmp(r->file, clone);
    }
    g_assert_true(read);
    g_assert_true(written);
    watch_end(&watch);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    api_test_add("/api/observe/each-request-is-told",
                 test_each_request_is_told);
    api_test_add("/api/observe/failures-are-told-as-such",
                 test_failures_are_told_as_such);
    api_test_add("/api/observe/sums-are-those-of-the-disk",
                 test_sums_are_those_of_the_disk);
    api_test_add("/api/observe/own-opens-are-watched",
                 test_own_opens_are_watched);
    return g_test_run();
}
