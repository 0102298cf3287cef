/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-filter-throttle.c - the throttle filter.
 *
 * Only lower bounds of time are looked at: a slow machine cannot break them.
 */
#include "block/rw.h"
#include "io/cancel.h"
#include "tests/support/co-test.h"
#include "tests/support/pattern.h"

#define KIB UINT64_C(1024)
#define MS UINT64_C(1000000)
#define ON_MEMORY ",file.driver=memory,file.size=4M"

static void
test_bytes_are_limited(TestCo *t)
{
    VdNode *node = test_co_open(
        t, "driver=throttle,bps-write=1M,burst-ms=0" ON_MEMORY, VD_OPEN_RDWR);
    uint64_t start = vio_now_ns();

    for (unsigned i = 0; i < 4; i++)
        test_co_write_pattern(node, i * 16 * KIB, 16 * KIB, 1);
    /* The fourth starts when 48 KiB are paid for: 46.9 ms. */
    g_assert_cmpuint(vio_now_ns() - start, >=, 46 * MS);
    test_co_assert_pattern(node, 0, 64 * KIB, 1);
    test_co_close(node);
}

static void
test_requests_are_limited(TestCo *t)
{
    VdNode *node = test_co_open(
        t, "driver=throttle,iops=100,burst-ms=0" ON_MEMORY, VD_OPEN_RDWR);
    g_autoptr(GError) error = NULL;
    uint64_t start = vio_now_ns();
    char byte = 0;

    for (unsigned i = 0; i < 2; i++) {
        vd_node_co_pread(node, 0, &byte, 1, &error);
        g_assert_no_error(error);
        vd_node_co_pwrite(node, 0, &byte, 1, &error);
        g_assert_no_error(error);
    }
    g_assert_cmpuint(vio_now_ns() - start, >=, 30 * MS);
    test_co_close(node);
}

static void
test_other_direction_is_free(TestCo *t)
{
    /* At one byte a second the test would not end. */
    VdNode *node =
        test_co_open(t, "driver=throttle,bps-write=1" ON_MEMORY, VD_OPEN_RDWR);

    test_co_assert_zero(node, 0, 1024 * KIB);
    test_co_assert_zero(node, 0, 1024 * KIB);
    test_co_close(node);
}

static void
test_cancel_wakes_up(TestCo *t)
{
    g_autoptr(VioCancel) cancel = vio_cancel_new();
    g_autoptr(GError) error = NULL;
    char byte = 0;
    VdNode *node;

    t->env.cancel = cancel;
    node = test_co_open(t, "driver=throttle,iops=1,burst-ms=0" ON_MEMORY,
                        VD_OPEN_RDWR);
    vd_node_co_pread(node, 0, &byte, 1, &error);
    g_assert_no_error(error);
    vio_cancel_fire(cancel);
    g_assert_false(vd_node_co_pread(node, 0, &byte, 1, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CANCELLED);
    test_co_close(node);
}

static void
test_bad_burst_is_refused(TestCo *t)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(test_co_try_open(
        t, "driver=throttle,burst-ms=99999999999" ON_MEMORY, 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/throttle/bytes-are-limited", test_bytes_are_limited);
    test_co_add("/throttle/requests-are-limited", test_requests_are_limited);
    test_co_add("/throttle/other-direction-is-free",
                test_other_direction_is_free);
    test_co_add("/throttle/cancel-wakes-up", test_cancel_wakes_up);
    test_co_add("/throttle/bad-burst-is-refused", test_bad_burst_is_refused);
    return g_test_run();
}
