/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-block-size.c - sizes as people write them; error codes. */
#include <errno.h>
#include <string.h>

#include "block/error.h"
#include "block/options.h"

#define K UINT64_C(1024)

static void
test_accepts(void)
{
    static const struct {
        const char *text;
        uint64_t size;
    } cases[] = {
        {"0", 0},
        {"512", 512},
        {"010", 10},
        {"12b", 12},
        {"12B", 12},
        {"1k", K},
        {"1K", K},
        {"10M", 10 * K * K},
        {"3g", 3 * K * K * K},
        {"2T", 2 * K * K * K * K},
        {"1P", K * K * K * K * K},
        {"7E", 7 * K * K * K * K * K * K},
        {"1.5G", 3 * K * K * K / 2},
        {".5k", 512},
        {"1.k", 1024},
        {"0.1k", 102},
        {"1.99999999999999999999k", 2047},
        {"0x200", 512},
        {"0XfF", 255},
        {"10KiB", 10 * K},
        {"10MiB", 10 * K * K},
        {"1.5GiB", 3 * K * K * K / 2},
        {"1TiB", K * K * K * K},
        {"8s", 4096},
        {"1.5s", 768},
        {"1_000", 1000},
        {"1_000_000k", 1000000 * K},
        {"9223372036854775807", INT64_MAX},
        {"0x7fffffffffffffff", INT64_MAX},
        {" 1k", K},
        {"\t+1k", K},
        {"+0x10", 16},
        {"7.999E", 0x7ffbe76c8b439581},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        uint64_t size = 1;

        g_test_message("%s", cases[i].text);
        g_assert_true(vd_parse_size(cases[i].text, &size, &error));
        g_assert_no_error(error);
        g_assert_cmpuint(size, ==, cases[i].size);
    }
}

static void
test_refuses(void)
{
    static const char *const texts[] = {
        "",     " ",    "++1", "1 ",   "-1",   "+-1", "1e3",    "0x",
        "0x1k", "0x_1", "1.5", "1.5b", ".",    ".k",  "k",      "1kk",
        "1Q",   "12z",  "_1",  "1_",   "1__0", "1_k", "1._5k",  "nan",
        "1,5k", "1M5",  "1iB", "1Ki",  "1sb",  "0b1", "1.5.5k",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        uint64_t size = 77;
        g_autofree char *start = g_strdup_printf(
            "Invalid image size specified: '%s'.\nYou may use k, M, G, T, P "
            "or E suffixes for ",
            texts[i]);

        g_test_message("'%s'", texts[i]);
        g_assert_false(vd_parse_size(texts[i], &size, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
        g_assert_true(g_str_has_prefix(error->message, start));
        g_assert_cmpuint(size, ==, 77);
    }
}

static void
test_refuses_too_large(void)
{
    static const char *const texts[] = {
        "8E",
        "9223372036854775808",
        "0x8000000000000000",
        "99999999999999999999999999999999999999999999",
        "0xffffffffffffffffffffff",
        "9007199254740992k",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        uint64_t size;

        g_assert_false(vd_parse_size(texts[i], &size, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_OUT_OF_RANGE);
        g_assert_cmpstr(error->message, ==,
                        "Invalid image size specified. Must be between 0 and "
                        "9223372036854775807.");
    }
}

static void
test_hints_at_binary_units(void)
{
    static const char *const texts[] = {"10KB", "10Mb", "1.5GB"};

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        uint64_t size;

        g_assert_false(vd_parse_size(texts[i], &size, &error));
        g_assert_nonnull(strstr(error->message, "iB for powers of 1024"));
    }
}

/* -- errors ---------------------------------------------------------------- */

static void
test_throw_sets_code_and_text(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(vd_throw(&error, VD_ERROR_LIMIT, "%s: %d", "x", 3));
    g_assert_error(error, VD_ERROR, VD_ERROR_LIMIT);
    g_assert_cmpstr(error->message, ==, "x: 3");
    g_assert_null(vd_throw_null(NULL, VD_ERROR_LIMIT, "ignored"));
}

static void
test_errno_becomes_code_and_back(void)
{
    static const int same[] = {ENOENT,    EEXIST,    EACCES, EROFS, EBUSY,
                               EIO,       ENOSPC,    ENOMEM, EFBIG, ENOTSUP,
                               ECANCELED, ETIMEDOUT, EUCLEAN};

    for (size_t i = 0; i < G_N_ELEMENTS(same); i++) {
        g_autoptr(GError) error = NULL;

        vd_throw_errno(&error, same[i], "f");
        g_assert_cmpint(vd_error_to_errno(error), ==, same[i]);
        g_assert_true(g_str_has_suffix(error->message, g_strerror(same[i])));
    }
}

static void
test_every_code_has_an_errno(void)
{
    for (int code = VD_ERROR_FAILED; code <= VD_ERROR_FILE_TOO_BIG; code++) {
        GError error = {VD_ERROR, code, NULL};

        g_assert_cmpint(vd_error_to_errno(&error), >, 0);
    }
}

static void
test_foreign_errors_are_eio(void)
{
    g_autoptr(GError) error =
        g_error_new_literal(G_FILE_ERROR, G_FILE_ERROR_NOENT, "not ours");

    g_assert_cmpint(vd_error_to_errno(error), ==, EIO);
    g_assert_cmpint(vd_error_to_errno(NULL), ==, 0);
}

static void
test_prefix_goes_in_front(void)
{
    g_autoptr(GError) error = NULL;

    vd_throw(&error, VD_ERROR_IO, "inner");
    g_assert_false(vd_prefix(&error, "%s %d: ", "at", 5));
    g_assert_cmpstr(error->message, ==, "at 5: inner");
    g_assert_null(vd_prefix_null(NULL, "nobody asks: "));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) g_test_add_func("/block/size/" #name, test_##name)
    TEST(accepts);
    TEST(refuses);
    TEST(refuses_too_large);
    TEST(hints_at_binary_units);
#undef TEST
#define TEST(name) g_test_add_func("/block/error/" #name, test_##name)
    TEST(throw_sets_code_and_text);
    TEST(errno_becomes_code_and_back);
    TEST(every_code_has_an_errno);
    TEST(foreign_errors_are_eio);
    TEST(prefix_goes_in_front);
    return g_test_run();
}
