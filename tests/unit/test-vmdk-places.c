/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-places.c - the set of places against an array. */
#include "formats/vmdk/sparse/places.h"

#include <glib.h>
#include <string.h>

#define N 100000u /* some pages */
#define STEPS 20000u

static uint64_t
model_gap(const uint8_t *model, uint64_t from, uint64_t max)
{
    uint64_t n = 0;

    while (n < max && (from + n >= N || !model[from + n]))
        n++;
    return n;
}

static uint64_t
model_run(const uint8_t *model, uint64_t from, uint64_t max)
{
    uint64_t n = 0;

    while (n < max && from + n < N && model[from + n])
        n++;
    return n;
}

static void
assert_next(const VmdkPlaces *places, const uint8_t *model, uint64_t from,
            uint64_t max)
{
    uint64_t first = 0, gap = model_gap(model, from, N - MIN(N, from));
    uint64_t n = vmdk_places_next(places, from, max, &first);

    g_assert_cmpuint(n, ==, model_run(model, from + gap, max));
    if (n)
        g_assert_cmpuint(first, ==, from + gap);
}

static void
assert_previous(const VmdkPlaces *places, const uint8_t *model, uint64_t below)
{
    uint64_t end = MIN(below, N), first = 0, begin;
    uint64_t n = vmdk_places_previous(places, below, &first);

    while (end && !model[end - 1])
        end--;
    begin = end;
    while (begin && model[begin - 1])
        begin--;
    g_assert_cmpuint(n, ==, end - begin);
    if (n)
        g_assert_cmpuint(first, ==, begin);
}

static void
change(VmdkPlaces *places, uint8_t *model, GRand *rand)
{
    uint64_t first = (uint64_t) g_rand_int_range(rand, 0, N);
    uint64_t max = g_rand_boolean(rand) ? 40 : 5000, n;

    if (g_rand_int_range(rand, 0, 20) == 0)
        max = N; /* whole pages */
    n = 1 + g_rand_int(rand) % MIN(max, N - first);
    if (g_rand_int_range(rand, 0, 5) == 0) {
        uint64_t want = 1 + g_rand_int(rand) % 100, taken;

        taken = vmdk_places_take(places, want, &first);
        g_assert_cmpuint(taken, <=, want);
        g_assert_true(taken || !memchr(model, 1, N));
        g_assert_cmpuint(model_run(model, first, taken), ==, taken);
        memset(model + first, 0, taken);
    } else if (g_rand_boolean(rand)) {
        bool fresh = model_gap(model, first, n) == n;

        g_assert_true(vmdk_places_add(places, first, n) == fresh);
        memset(model + first, 1, n);
    } else {
        vmdk_places_remove(places, first, n);
        memset(model + first, 0, n);
    }
}

static void
test_random(void)
{
    g_autofree uint8_t *model = g_malloc0(N);
    VmdkPlaces *places = vmdk_places_new();
    GRand *rand = g_rand_new_with_seed(1);

    for (unsigned i = 0; i < STEPS; i++) {
        uint64_t at = (uint64_t) g_rand_int_range(rand, 0, N + 1000);
        uint64_t n = 1 + g_rand_int(rand) % 3000;

        change(places, model, rand);
        assert_next(places, model, at, n);
        assert_previous(places, model, at);
        g_assert_cmpuint(vmdk_places_gap(places, at, n), ==,
                         model_gap(model, at, n));
        g_assert_cmpuint(vmdk_places_run(places, at, n), ==,
                         model_run(model, at, n));
        g_assert_true(vmdk_places_has(places, at) == (at < N && model[at]));
    }
    for (unsigned i = 0, n = 0; i < N; i++) {
        n += model[i];
        if (i == N - 1)
            g_assert_cmpuint(vmdk_places_count(places), ==, n);
    }
    g_rand_free(rand);
    vmdk_places_free(places);
}

/* Low places first; a run that is long enough rather than a short one. */
static void
test_take(void)
{
    VmdkPlaces *places = vmdk_places_new();
    uint64_t first = 0;

    g_assert_cmpuint(vmdk_places_take(places, 1, &first), ==, 0);
    vmdk_places_add(places, 10, 2);
    vmdk_places_add(places, 40000, 8);
    g_assert_cmpuint(vmdk_places_take(places, 1, &first), ==, 1);
    g_assert_cmpuint(first, ==, 10);
    g_assert_cmpuint(vmdk_places_take(places, 4, &first), ==, 4);
    g_assert_cmpuint(first, ==, 40000);
    g_assert_cmpuint(vmdk_places_take(places, 100, &first), ==, 4);
    g_assert_cmpuint(first, ==, 40004);
    g_assert_cmpuint(vmdk_places_take(places, 100, &first), ==, 1);
    g_assert_cmpuint(first, ==, 11);
    g_assert_cmpuint(vmdk_places_count(places), ==, 0);
    vmdk_places_free(places);
}

/* As many as there can be, but for some. */
static void
test_all_but_some(void)
{
    const uint64_t all = UINT64_C(1) << 32;
    VmdkPlaces *places = vmdk_places_new();
    uint64_t first = 0;

    g_assert_true(vmdk_places_add(places, 3, all - 3));
    g_assert_false(vmdk_places_add(places, all / 4, all / 2));
    vmdk_places_remove(places, all / 2 + 5, 2);
    g_assert_cmpuint(vmdk_places_count(places), ==, all - 5);
    g_assert_cmpuint(vmdk_places_gap(places, 0, all), ==, 3);
    g_assert_cmpuint(vmdk_places_run(places, 3, all), ==, all / 2 + 2);
    g_assert_cmpuint(vmdk_places_gap(places, all / 2 + 5, all), ==, 2);
    g_assert_cmpuint(vmdk_places_previous(places, all, &first), ==,
                     all / 2 - 7);
    g_assert_cmpuint(first, ==, all / 2 + 7);
    g_assert_true(vmdk_places_add(places, all / 2 + 5, 2));
    g_assert_cmpuint(vmdk_places_next(places, 0, all, &first), ==, all - 3);
    g_assert_cmpuint(first, ==, 3);
    vmdk_places_remove(places, 0, all);
    g_assert_cmpuint(vmdk_places_count(places), ==, 0);
    g_assert_cmpuint(vmdk_places_gap(places, 0, all), ==, all);
    vmdk_places_free(places);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmdk/places/random", test_random);
    g_test_add_func("/vmdk/places/take", test_take);
    g_test_add_func("/vmdk/places/all-but-some", test_all_but_some);
    return g_test_run();
}
