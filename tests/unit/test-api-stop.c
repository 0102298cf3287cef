/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-stop.c - what a copy still asks for once it is to stop.
 *
 * The driver "file" counts its requests; with one of them the copy is
 * cancelled, or fails.  What was in flight may end, and nothing else may begin.
 */
#include "tests/unit/api-test.h"

#include "block/drivers.h"
#include "block/registry.h"
#include "formats/raw.h"
#include "formats/vmdk/driver.h"

#include <glib/gstdio.h>
#include <string.h>

#define SIZE (64 * MIB)
#define DEPTH 4
/* A read and some writes each, and what closes the target. */
#define MOST_AFTER (4 * DEPTH + 16)

static struct {
    VdContext *cancel;
    int stop_at; /* the request that cancels; 0 = none */
    int requests, after;
} below; /* one a test; numbers are atomic */

static void
below_count(void)
{
    int n = g_atomic_int_add(&below.requests, 1) + 1;

    if (below.stop_at == 0 || n < below.stop_at)
        return;
    if (n == below.stop_at)
        vd_context_cancel(below.cancel);
    else
        (void) g_atomic_int_add(&below.after, 1);
}

static bool
below_co_preadv(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    below_count();
    return vd_file_driver.co_preadv(node, off, dst, error);
}

static bool
below_co_pwritev(VdNode *node, uint64_t off, const VioVec *src,
                 VdReqFlags flags, GError **error)
{
    below_count();
    return vd_file_driver.co_pwritev(node, off, src, flags, error);
}

static bool
below_co_copy_window(VdNode *src, VdNode *dst, VioWindow *w)
{
    below_count();
    return vd_file_driver.co_copy_window(src, dst, w);
}

static VdDriver counting_driver;

static const VdDriver *const drivers[] = {&counting_driver, &vd_raw_driver,
                                          &vd_vmdk_driver, NULL};

static void
stop_set_up(ApiTest *t, gconstpointer windows)
{
    api_test_set_up(t, NULL);
    counting_driver = vd_file_driver;
    counting_driver.co_preadv = below_co_preadv;
    counting_driver.co_pwritev = below_co_pwritev;
    counting_driver.co_copy_window = windows ? below_co_copy_window : NULL;
    vd_registry_set(drivers);
    memset(&below, 0, sizeof(below));
}

typedef struct {
    const char *format, *options;
} Kind;

static const Kind raw = {"raw", NULL};
static const Kind sparse = {"vmdk", "subformat=monolithicSparse"};
static const Kind stream = {"vmdk", "subformat=streamOptimized"};

static bool
convert(const ApiTest *t, const char *from, const char *to, const Kind *kind,
        int stop_after, GError **error)
{
    VdDisk *source = api_test_open(t, api_test_path(t, from), NULL, 0);
    VdCreateParams create = {.filename = api_test_path(t, to),
                             .format = kind->format,
                             .options = kind->options,
                             .size = vd_disk_size(source)};
    VdCopyParams params = api_test_to_new;
    VdCreation *creation = vd_create_begin(t->ctx, &create, NULL);
    VdDisk *target;
    bool ok;

    g_assert_nonnull(creation);
    target = vd_creation_disk(creation, NULL);
    g_assert_nonnull(target);
    params.depth = DEPTH;
    g_atomic_int_set(&below.requests, 0);
    g_atomic_int_set(&below.after, 0);
    below.stop_at = stop_after;
    ok = vd_copy(&source, 1, target, &params, NULL, error);
    below.stop_at = 0;
    vd_context_cancel_reset(t->ctx);
    vd_disk_close(target, NULL);
    if (ok)
        g_assert_true(vd_creation_commit(creation, NULL));
    else
        vd_creation_abort(creation);
    api_test_close(source);
    return ok;
}

static void
assert_stops(const ApiTest *t, const char *from, const Kind *to)
{
    bool done = false;

    for (int at = 1; !done; at = at * 2 + 1) {
        g_autoptr(GError) error = NULL;

        done = convert(t, from, "out", to, at, &error);
        g_assert_true(done ||
                      g_error_matches(error, VD_ERROR, VD_ERROR_CANCELLED));
        g_assert_false(
            g_file_test(api_test_path(t, "out"), G_FILE_TEST_EXISTS) && !done);
        g_test_message("%s to %s %s: stopped at %d, %d after, done %d", from,
                       to->format, to->options, at, below.after, done);
        g_assert_cmpint(below.after, <=, MOST_AFTER);
        if (done)
            g_assert_cmpint(at, >, DEPTH);
    }
    g_assert_cmpint(g_unlink(api_test_path(t, "out")), ==, 0);
}

static void
test_cancel(ApiTest *t, gconstpointer windows)
{
    g_autoptr(GError) error = NULL;

    below.cancel = t->ctx;
    api_test_make_full(api_test_path(t, "raw"), SIZE, 5);
    g_assert_true(convert(t, "raw", "sparse", &sparse, 0, &error));
    g_assert_true(convert(t, "raw", "stream", &stream, 0, &error));
    assert_stops(t, "raw", &raw);
    assert_stops(t, "raw", &sparse);
    assert_stops(t, "sparse", &raw);
    assert_stops(t, "raw", &stream);
    assert_stops(t, "stream", &raw);
    assert_stops(t, "stream", &stream);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/api/stop/cancel", ApiTest, NULL, stop_set_up, test_cancel,
               api_test_tear_down);
    g_test_add("/api/stop/cancel-windows", ApiTest, GINT_TO_POINTER(1),
               stop_set_up, test_cancel, api_test_tear_down);
    return g_test_run();
}
