/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-filter-bucket.c - the token bucket, on a clock of the test's.
 */
#include "block/filter/bucket.h"

#include <glib.h>

#define SECOND UINT64_C(1000000000)

static void
test_no_rate_never_waits(void)
{
    VdBucket bucket = {0};

    for (unsigned i = 0; i < 100; i++)
        g_assert_cmpuint(vd_bucket_reserve(&bucket, UINT64_MAX, 5), ==, 0);
}

static void
test_first_request_goes_at_once(void)
{
    VdBucket bucket = {.rate = 1000};

    g_assert_cmpuint(vd_bucket_reserve(&bucket, 5000, 7 * SECOND), ==, 0);
}

static void
test_later_requests_wait_for_what_went_before(void)
{
    VdBucket bucket = {.rate = 1000};

    (void) vd_bucket_reserve(&bucket, 500, SECOND); /* lasts half a second */
    g_assert_cmpuint(vd_bucket_reserve(&bucket, 1000, SECOND), ==, SECOND / 2);
    /* 0.1 s later: 1.4 s of the 1.5 s are left. */
    g_assert_cmpuint(vd_bucket_reserve(&bucket, 1, SECOND + SECOND / 10), ==,
                     SECOND + SECOND / 10 * 4);
}

static void
test_rate_is_kept_over_many_requests(void)
{
    VdBucket bucket = {.rate = 3000};
    uint64_t now = SECOND;

    for (unsigned i = 0; i < 3000; i++)
        now += vd_bucket_reserve(&bucket, 10, now);
    /* The last of 30000 units starts when 29990 are paid for; a third of a
     * nanosecond is lost at each. */
    g_assert_cmpuint(now, <=, SECOND + 29990 * SECOND / 3000);
    g_assert_cmpuint(now, >=, SECOND + 29990 * SECOND / 3000 - 3000);
}

static void
test_idle_time_is_saved_up_to_the_burst(void)
{
    VdBucket bucket = {.rate = 1000, .burst_ns = SECOND / 10};

    /* 100 units of credit however long nothing came. */
    g_assert_cmpuint(vd_bucket_reserve(&bucket, 100, 1000 * SECOND), ==, 0);
    g_assert_cmpuint(vd_bucket_reserve(&bucket, 100, 1000 * SECOND), ==, 0);
    g_assert_cmpuint(vd_bucket_reserve(&bucket, 1, 1000 * SECOND), ==,
                     SECOND / 10);
}

static void
test_absurd_requests_do_not_overflow(void)
{
    VdBucket bucket = {.rate = 1};
    uint64_t wait;

    g_assert_cmpuint(vd_bucket_reserve(&bucket, UINT64_MAX, SECOND), ==, 0);
    (void) vd_bucket_reserve(&bucket, UINT64_MAX, SECOND);
    wait = vd_bucket_reserve(&bucket, 1, SECOND);
    g_assert_cmpuint(wait, >, 3600 * SECOND);
    g_assert_cmpuint(wait, <=, UINT64_C(1) << 60);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bucket/no-rate-never-waits", test_no_rate_never_waits);
    g_test_add_func("/bucket/first-request-goes-at-once",
                    test_first_request_goes_at_once);
    g_test_add_func("/bucket/later-requests-wait-for-what-went-before",
                    test_later_requests_wait_for_what_went_before);
    g_test_add_func("/bucket/rate-is-kept-over-many-requests",
                    test_rate_is_kept_over_many_requests);
    g_test_add_func("/bucket/idle-time-is-saved-up-to-the-burst",
                    test_idle_time_is_saved_up_to_the_burst);
    g_test_add_func("/bucket/absurd-requests-do-not-overflow",
                    test_absurd_requests_do_not_overflow);
    return g_test_run();
}
