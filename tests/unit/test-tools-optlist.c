/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-tools-optlist.c - lists of key=value. */
#include "tools/optlist.h"

#include <string.h>

static void
test_malformed_lists_are_refused(void)
{
    static const char *const texts[] = {"", ",", ",a=1", "a=1,", "a=1,,,"};

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(OptList) list = optlist_new();
        g_assert_false(optlist_add(list, texts[i]));
        g_assert_true(optlist_is_empty(list));
    }
}

static void
test_double_comma_is_a_comma(void)
{
    g_autoptr(OptList) list = optlist_new();

    g_assert_true(
        optlist_add(list, "backing_file=a,,b,size=1,description=x,,"));
    g_assert_cmpstr(optlist_peek(list, "backing_file"), ==, "a,b");
    g_assert_cmpstr(optlist_peek(list, "size"), ==, "1");
    g_assert_cmpstr(optlist_peek(list, "description"), ==, "x,");
}

static void
test_join_gives_back_what_was_added(void)
{
    static const char text[] = "a=1,b=x,,y,help,c=";
    g_autoptr(OptList) list = optlist_new();

    g_assert_true(optlist_add(list, text));
    g_autofree char *joined = optlist_join(list);
    g_assert_cmpstr(joined, ==, text);
}

static void
test_bare_words_are_switches(void)
{
    g_autoptr(OptList) list = optlist_new();

    g_assert_true(optlist_add(list, "compat6,nothing,help"));
    g_autofree char *joined = optlist_join(list);
    g_assert_cmpstr(joined, ==, "compat6=on,thing=off,help");
}

static void
test_what_is_set_is_kept(void)
{
    g_autoptr(OptList) list = optlist_new();
    g_autofree char *set = g_strdup("a"), *unset = NULL;

    g_assert_true(optlist_add(list, "k=b,l=c"));
    optlist_take_unless_set(list, "k", &set);
    optlist_take_unless_set(list, "l", &unset);
    g_assert_cmpstr(set, ==, "a");
    g_assert_cmpstr(unset, ==, "c");
    g_assert_true(optlist_is_empty(list));
}

static void
test_empty_list_joins_to_null(void)
{
    g_autoptr(OptList) list = optlist_new();

    g_assert_null(optlist_join(list));
}

static void
test_last_value_counts(void)
{
    g_autoptr(OptList) list = optlist_new();

    g_assert_true(optlist_add(list, "size=1"));
    g_assert_true(optlist_add(list, "size=2,a=b"));
    g_autofree char *size = optlist_take(list, "size");
    g_assert_cmpstr(size, ==, "2");
    g_assert_null(optlist_peek(list, "size"));
    g_autofree char *joined = optlist_join(list);
    g_assert_cmpstr(joined, ==, "a=b");
}

static void
test_help_is_found_anywhere(void)
{
    static const char *const yes[] = {"help", "?", "a=1,help", "a=1,?,b=2"};
    static const char *const no[] = {"help=1", "a=help", "helpme"};

    for (size_t i = 0; i < G_N_ELEMENTS(yes); i++) {
        g_autoptr(OptList) list = optlist_new();
        g_assert_true(optlist_add(list, yes[i]));
        g_assert_true(optlist_wants_help(list));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(no); i++) {
        g_autoptr(OptList) list = optlist_new();
        g_assert_true(optlist_add(list, no[i]));
        g_assert_false(optlist_wants_help(list));
    }
}

static bool
known_is_a(const char *key, void *opaque)
{
    return !strcmp(key, "a");
}

static void
test_first_unknown_key_is_named(void)
{
    g_autoptr(OptList) list = optlist_new();

    g_assert_true(optlist_add(list, "a=1"));
    g_assert_null(optlist_find_unknown(list, known_is_a, NULL));
    g_assert_true(optlist_add(list, "x=1,y=2"));
    g_assert_cmpstr(optlist_find_unknown(list, known_is_a, NULL), ==, "x");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tools/optlist/malformed-lists-are-refused",
                    test_malformed_lists_are_refused);
    g_test_add_func("/tools/optlist/double-comma-is-a-comma",
                    test_double_comma_is_a_comma);
    g_test_add_func("/tools/optlist/join-gives-back-what-was-added",
                    test_join_gives_back_what_was_added);
    g_test_add_func("/tools/optlist/bare-words-are-switches",
                    test_bare_words_are_switches);
    g_test_add_func("/tools/optlist/what-is-set-is-kept",
                    test_what_is_set_is_kept);
    g_test_add_func("/tools/optlist/empty-list-joins-to-null",
                    test_empty_list_joins_to_null);
    g_test_add_func("/tools/optlist/last-value-counts", test_last_value_counts);
    g_test_add_func("/tools/optlist/help-is-found-anywhere",
                    test_help_is_found_anywhere);
    g_test_add_func("/tools/optlist/first-unknown-key-is-named",
                    test_first_unknown_key_is_named);
    return g_test_run();
}
