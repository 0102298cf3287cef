/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-compare.c - are two disks the same? */
#include "tests/unit/api-test.h"

#include <string.h>

static void
put(VdDisk *disk, uint64_t off, uint8_t value)
{
    GError *error = NULL;

    vd_disk_pwrite(disk, &value, 1, off, 0, &error);
    g_assert_no_error(error);
}

static VdCompareResult
compare(VdDisk *a, VdDisk *b, bool strict)
{
    VdCompareResult result;
    GError *error = NULL;

    vd_compare(a, b, &(VdCompareParams){.strict = strict}, &result, &error);
    g_assert_no_error(error);
    return result;
}

static void
test_same_content_is_identical(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "a");
    VdDisk *file, *memory = api_test_memory(t, 30 * MIB);
    VdCompareResult result;

    api_test_make_sparse(path, 30 * MIB, 1);
    file = api_test_open(t, path, "raw", 0);
    g_assert_true(vd_copy(&file, 1, memory, NULL, NULL, NULL));
    result = compare(file, memory, false);
    g_assert_true(result.identical);
    g_assert_false(result.sizes_differ);
    g_assert_cmpuint(result.first_difference, ==, UINT64_MAX);
    g_assert_cmpuint(result.bytes_compared, >, 0);
    g_assert_cmpuint(result.bytes_compared, <, 30 * MIB);
    api_test_close(file);
    api_test_close(memory);
}

static void
test_first_difference_is_exact(ApiTest *t, gconstpointer unused)
{
    static const uint64_t offs[] = {0,       1,   4095,        4096,
                                    MIB - 1, MIB, 9 * MIB + 3, 16 * MIB - 1};
    const char *path = api_test_path(t, "a");
    VdDisk *a, *b = api_test_memory(t, 16 * MIB);

    api_test_make_full(path, 16 * MIB, 1);
    a = api_test_open(t, path, "raw", 0);
    for (unsigned i = G_N_ELEMENTS(offs); i-- > 0;) {
        VdCompareResult result;

        g_assert_true(vd_copy(&a, 1, b, NULL, NULL, NULL));
        put(b, offs[i], 0); /* contents are never zero */
        put(b, 16 * MIB - 1, 0);
        result = compare(a, b, false);
        g_assert_false(result.identical);
        g_assert_cmpuint(result.first_difference, ==, offs[i]);
        g_assert_false(result.status_differs);
        result = compare(b, a, false);
        g_assert_cmpuint(result.first_difference, ==, offs[i]);
    }
    api_test_close(a);
    api_test_close(b);
}

static void
test_zeroes_equal_holes(ApiTest *t, gconstpointer unused)
{
    VdDisk *a = api_test_memory(t, 4 * MIB), *b = api_test_memory(t, 4 * MIB);

    put(a, MIB, 0); /* stored, but zero */
    g_assert_true(compare(a, b, false).identical);
    put(a, MIB + 70000, 1);
    g_assert_cmpuint(compare(a, b, false).first_difference, ==, MIB + 70000);
    g_assert_cmpuint(compare(b, a, false).first_difference, ==, MIB + 70000);
    api_test_close(a);
    api_test_close(b);
}

static void
test_longer_disk_may_end_in_zeroes(ApiTest *t, gconstpointer unused)
{
    VdDisk *a = api_test_memory(t, 4 * MIB), *b = api_test_memory(t, 6 * MIB);
    VdCompareResult result;

    put(a, 4 * MIB - 1, 9);
    put(b, 4 * MIB - 1, 9);
    result = compare(a, b, false);
    g_assert_true(result.identical);
    g_assert_true(result.sizes_differ);
    put(b, 5 * MIB, 1);
    result = compare(a, b, false);
    g_assert_false(result.identical);
    g_assert_cmpuint(result.first_difference, ==, 5 * MIB);
    result = compare(b, a, false);
    g_assert_cmpuint(result.first_difference, ==, 5 * MIB);
    api_test_close(a);
    api_test_close(b);
}

static void
test_strict_wants_equal_sizes(ApiTest *t, gconstpointer unused)
{
    VdDisk *a = api_test_memory(t, 4 * MIB), *b = api_test_memory(t, 6 * MIB);
    VdCompareResult result = compare(a, b, true);

    g_assert_false(result.identical);
    g_assert_true(result.sizes_differ);
    api_test_close(a);
    api_test_close(b);
}

static void
test_strict_wants_equal_maps(ApiTest *t, gconstpointer unused)
{
    VdDisk *a = api_test_memory(t, 4 * MIB), *b = api_test_memory(t, 4 * MIB);
    VdCompareResult result;

    put(a, MIB, 1);
    put(b, MIB, 1);
    g_assert_true(compare(a, b, true).identical);
    put(b, 3 * MIB, 0);
    result = compare(a, b, true);
    g_assert_false(result.identical);
    g_assert_true(result.status_differs);
    g_assert_cmpuint(result.first_difference, ==, 3 * MIB);

    put(b, MIB, 2); /* in front of it */
    result = compare(a, b, true);
    g_assert_false(result.status_differs);
    g_assert_cmpuint(result.first_difference, ==, MIB);
    api_test_close(a);
    api_test_close(b);
}

static VdDisk *
open_damaged(const ApiTest *t, const char *path, unsigned sector)
{
    return api_test_open_opts(
        t, 0,
        "driver=raw,file.driver=fault,"
        "file.inject-error.0.event=read_aio,file.inject-error.0.sector=%u,"
        "file.file.filename=%s",
        sector, path);
}

static void
test_failure_names_its_side(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "a");
    g_autoptr(GError) error = NULL;
    VdCompareResult result;
    VdDisk *a, *b;

    api_test_make_full(path, 8 * MIB, 1);
    a = api_test_open(t, path, "raw", 0);
    b = open_damaged(t, path, 5 * 2048);
    g_assert_false(vd_compare(a, b, NULL, &result, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    g_assert_cmpuint(result.failed_side, ==, 2);
    g_assert_false(result.identical);
    g_assert_true(g_str_has_prefix(error->message,
                                   "error while reading at byte 5242880: "));
    g_clear_error(&error);
    g_assert_false(vd_compare(b, a, NULL, &result, &error));
    g_assert_cmpuint(result.failed_side, ==, 1);
    api_test_close(a);
    api_test_close(b);
}

static void
test_difference_before_a_failure_is_an_answer(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "a");
    VdDisk *a, *b = api_test_memory(t, 8 * MIB);
    VdCompareResult result;

    api_test_make_full(path, 8 * MIB, 1);
    a = api_test_open(t, path, "raw", 0);
    g_assert_true(vd_copy(&a, 1, b, NULL, NULL, NULL));
    api_test_close(a);
    put(b, MIB, 0);
    a = open_damaged(t, path, 3 * 2048);
    result = compare(a, b, false);
    g_assert_false(result.identical);
    g_assert_cmpuint(result.first_difference, ==, MIB);
    api_test_close(a);
    api_test_close(b);
}

static void
test_progress_reaches_the_end(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "a");
    uint64_t last = 0;
    VdCompareParams params = {.progress = api_test_count_progress,
                              .progress_opaque = &last};
    VdCompareResult result;
    VdDisk *a;

    api_test_make_full(path, 8 * MIB, 1);
    a = api_test_open(t, path, "raw", 0);
    g_assert_true(vd_compare(a, a, &params, &result, NULL));
    g_assert_true(result.identical);
    g_assert_cmpuint(last, ==, 8 * MIB);
    api_test_close(a);
}

static void
test_cancelled_context_compares_nothing(ApiTest *t, gconstpointer unused)
{
    VdDisk *a = api_test_memory(t, MIB);
    g_autoptr(GError) error = NULL;
    VdCompareResult result;

    put(a, 0, 1);
    vd_context_cancel(t->ctx);
    g_assert_false(vd_compare(a, a, NULL, &result, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CANCELLED);
    g_assert_cmpuint(result.failed_side, ==, 0);
    api_test_close(a);
}

/* -- all differences --------------------------------------------------------
 */

static void
add_difference(const VdDifference *difference, void *opaque)
{
    g_array_append_vals(opaque, difference, 1);
}

static GArray *
differences(VdDisk *a, VdDisk *b, bool strict, VdCompareResult *result)
{
    GArray *found = g_array_new(FALSE, FALSE, sizeof(VdDifference));
    VdCompareParams params = {.strict = strict,
                              .difference = add_difference,
                              .difference_opaque = found};
    GError *error = NULL;

    vd_compare(a, b, &params, result, &error);
    g_assert_no_error(error);
    return found;
}

static void
assert_difference(const GArray *found, unsigned i, uint64_t off, uint64_t len,
                  bool status)
{
    const VdDifference *it = &g_array_index(found, VdDifference, i);

    g_assert_cmpuint(found->len, >, i);
    g_assert_cmpuint(it->off, ==, off);
    g_assert_cmpuint(it->len, ==, len);
    g_assert_cmpint(it->status, ==, status);
}

/* Contents as a whole; zeroes behind the end. */
static uint8_t *
slurp(VdDisk *disk, uint64_t size)
{
    uint8_t *bytes = g_malloc0(size);

    g_assert_true(vd_disk_pread(disk, bytes, vd_disk_size(disk), 0, NULL));
    return bytes;
}

/* The slow way: sector by sector. */
static void
assert_ranges_of(const GArray *found, VdDisk *a, VdDisk *b)
{
    uint64_t size = MAX(vd_disk_size(a), vd_disk_size(b)), end = 0, len;
    g_autofree uint8_t *one = slurp(a, size), *other = slurp(b, size);
    unsigned i = 0;

    for (uint64_t off = 0; off < size; off += len) {
        const VdDifference *it = &g_array_index(found, VdDifference, i);

        len = MIN(512, size - off);
        if (memcmp(one + off, other + off, len) == 0)
            continue;
        if (end == 0 || off >= end) {
            g_assert_cmpuint(i, <, found->len);
            g_assert_cmpuint(it->off, ==, off);
            g_assert_cmpuint(one[it->first], !=, other[it->first]);
            g_assert_true(memcmp(one + off, other + off, it->first - off) == 0);
            end = off + it->len;
            i++;
        }
    }
    g_assert_cmpuint(i, ==, found->len);
    for (i = 0; i < found->len; i++) {
        const VdDifference *it = &g_array_index(found, VdDifference, i);

        for (uint64_t off = it->off; off < it->off + it->len; off += 512)
            g_assert_true(
                memcmp(one + off, other + off, MIN(512, size - off)) != 0);
    }
}

static void
test_all_ranges_are_the_sectors_that_differ(ApiTest *t, gconstpointer unused)
{
    g_autoptr(GRand) dice = g_rand_new_with_seed(7);

    for (unsigned round = 0; round < 12; round++) {
        VdDisk *a = api_test_memory(t, 5 * MIB);
        VdDisk *b = api_test_memory(t, round % 2 ? 5 * MIB : 7 * MIB);
        g_autoptr(GArray) found = NULL;
        VdCompareResult result;

        for (unsigned i = 0; i < 400; i++) {
            /* Some close together, some across pieces of 1 MiB. */
            uint64_t near = MIB - 4096 + g_rand_int_range(dice, 0, 8192);
            uint64_t far = g_rand_int_range(dice, 0, 5 * MIB);
            uint64_t off = i % 2 ? near + (i % 3) * MIB : far;

            put(i % 5 ? a : b, off, 1 + i % 3);
        }
        if (round % 4 == 0)
            put(b, 7 * MIB - 1, 1);
        found =
            differences(round % 3 ? a : b, round % 3 ? b : a, false, &result);
        g_assert_cmpuint(found->len, >, 10);
        assert_ranges_of(found, a, b);
        g_assert_cmpuint(result.first_difference, ==,
                         g_array_index(found, VdDifference, 0).first);
        api_test_close(a);
        api_test_close(b);
    }
}

static void
test_all_joins_across_pieces(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "a");
    VdDisk *a, *b = api_test_memory(t, 40 * MIB);
    g_autoptr(GArray) found = NULL;
    VdCompareResult result;

    api_test_make_full(path, 40 * MIB, 1);
    a = api_test_open(t, path, "raw", 0);
    found = differences(a, b, false, &result);
    g_assert_cmpuint(found->len, ==, 1);
    assert_difference(found, 0, 0, 40 * MIB, false);
    g_assert_false(result.identical);
    api_test_close(a);
    api_test_close(b);
}

static void
test_all_of_equal_disks_is_none(ApiTest *t, gconstpointer unused)
{
    VdDisk *a = api_test_memory(t, 4 * MIB), *b = api_test_memory(t, 6 * MIB);
    g_autoptr(GArray) found = NULL;
    VdCompareResult result;

    put(a, MIB, 1);
    put(b, MIB, 1);
    found = differences(a, b, false, &result);
    g_assert_cmpuint(found->len, ==, 0);
    g_assert_true(result.identical);
    api_test_close(a);
    api_test_close(b);
}

static void
test_all_tells_maps_if_strict(ApiTest *t, gconstpointer unused)
{
    VdDisk *a = api_test_memory(t, 4 * MIB), *b = api_test_memory(t, 6 * MIB);
    g_autoptr(GArray) found = NULL;
    VdCompareResult result;

    put(a, 100, 1);
    put(b, 100, 2);
    put(a, MIB, 1);
    put(b, MIB, 1);
    put(b, 3 * MIB, 0); /* stored, but zero */
    put(b, 5 * MIB, 9); /* where the other is no more */
    found = differences(a, b, true, &result);
    g_assert_false(result.identical);
    g_assert_true(result.sizes_differ);
    g_assert_cmpuint(result.first_difference, ==, 100);
    g_assert_cmpuint(found->len, ==, 3);
    assert_difference(found, 0, 0, 512, false);
    g_assert_true(g_array_index(found, VdDifference, 1).status);
    g_assert_cmpuint(g_array_index(found, VdDifference, 1).off, ==, 3 * MIB);
    assert_difference(found, 2, 4 * MIB, 2 * MIB, true);
    api_test_close(a);
    api_test_close(b);
}

static void
test_all_ends_in_front_of_a_failure(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "a");
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(VdDifference));
    g_autoptr(GError) error = NULL;
    VdCompareParams params = {.difference = add_difference,
                              .difference_opaque = found};
    VdDisk *a, *b = api_test_memory(t, 8 * MIB);
    VdCompareResult result;

    api_test_make_full(path, 8 * MIB, 1);
    a = api_test_open(t, path, "raw", 0);
    g_assert_true(vd_copy(&a, 1, b, NULL, NULL, NULL));
    api_test_close(a);
    put(b, MIB, 0);
    put(b, 7 * MIB, 0); /* behind the failure */
    a = open_damaged(t, path, 3 * 2048);
    g_assert_false(vd_compare(a, b, &params, &result, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    g_assert_cmpuint(result.failed_side, ==, 1);
    g_assert_cmpuint(found->len, ==, 1);
    assert_difference(found, 0, MIB, 512, false);
    api_test_close(a);
    api_test_close(b);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    api_test_add("/api/compare/same-content-is-identical",
                 test_same_content_is_identical);
    api_test_add("/api/compare/first-difference-is-exact",
                 test_first_difference_is_exact);
    api_test_add("/api/compare/zeroes-equal-holes", test_zeroes_equal_holes);
    api_test_add("/api/compare/longer-disk-may-end-in-zeroes",
                 test_longer_disk_may_end_in_zeroes);
    api_test_add("/api/compare/strict-wants-equal-sizes",
                 test_strict_wants_equal_sizes);
    api_test_add("/api/compare/strict-wants-equal-maps",
                 test_strict_wants_equal_maps);
    api_test_add("/api/compare/failure-names-its-side",
                 test_failure_names_its_side);
    api_test_add("/api/compare/difference-before-a-failure-is-an-answer",
                 test_difference_before_a_failure_is_an_answer);
    api_test_add("/api/compare/all/ranges-are-the-sectors-that-differ",
                 test_all_ranges_are_the_sectors_that_differ);
    api_test_add("/api/compare/all/joins-across-pieces",
                 test_all_joins_across_pieces);
    api_test_add("/api/compare/all/of-equal-disks-is-none",
                 test_all_of_equal_disks_is_none);
    api_test_add("/api/compare/all/tells-maps-if-strict",
                 test_all_tells_maps_if_strict);
    api_test_add("/api/compare/all/ends-in-front-of-a-failure",
                 test_all_ends_in_front_of_a_failure);
    api_test_add("/api/compare/progress-reaches-the-end",
                 test_progress_reaches_the_end);
    api_test_add("/api/compare/cancelled-context-compares-nothing",
                 test_cancelled_context_compares_nothing);
    return g_test_run();
}
