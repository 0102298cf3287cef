/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-tools-progress.c - the texts of progress. */
#include "tools/progress.h"

#define GIB (UINT64_C(1) << 30)

static void
test_mode_names(void)
{
    static const struct {
        const char *text;
        ProgressMode mode;
    } cases[] = {
        {NULL, PROGRESS_PLAIN},  {"plain", PROGRESS_PLAIN},
        {"bar", PROGRESS_BAR},   {"json", PROGRESS_JSON},
        {"none", PROGRESS_NONE},
    };
    ProgressMode mode;

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_true(progress_mode_parse(cases[i].text, &mode));
        g_assert_cmpint(mode, ==, cases[i].mode);
    }
    g_assert_false(progress_mode_parse("fancy", &mode));
}

static void
test_percent_stays_in_range(void)
{
    static const struct {
        uint64_t done, total;
        double percent;
    } cases[] = {{0, 0, 0}, {5, 0, 0}, {1, 4, 25}, {4, 4, 100}, {9, 4, 100}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        VdProgress state = {.done = cases[i].done, .total = cases[i].total};
        g_assert_cmpfloat(progress_percent(&state), ==, cases[i].percent);
    }
}

static void
test_bar_text(void)
{
    VdProgress state = {
        .done = 10 * GIB, .total = 40 * GIB, .zero = 10 * GIB, .phase = "copy"};
    g_autofree char *text = progress_bar_text(&state, 10);

    g_assert_cmpstr(text, ==, "25.0% 10/40 GiB, 1 GiB/s, ETA 0:30, zero 50%");
}

static void
test_bar_text_at_the_start(void)
{
    VdProgress state = {.total = GIB};
    g_autofree char *text = progress_bar_text(&state, 0);

    g_assert_cmpstr(text, ==, "0.0% 0/1 GiB, 0 B/s, ETA 0:00, zero 0%");
}

static void
test_json_text(void)
{
    VdProgress state = {
        .done = 100, .total = 300, .zero = 7, .phase = "tables"};
    g_autofree char *text = progress_json_text(&state, 2);

    g_assert_cmpstr(text, ==,
                    "{\"done\": 100, \"total\": 300, \"zero\": 7, "
                    "\"rate\": 50, \"eta\": 4, \"phase\": \"tables\"}");
}

static void
test_verifying_is_the_second_half(void)
{
    Progress *p = progress_begin(PROGRESS_NONE, 1);
    static const struct {
        VdProgress state;
        double percent;
    } steps[] = {
        {{.done = 0, .total = 400, .phase = "copy"}, 0},
        {{.done = 100, .total = 200, .phase = "copy"}, 25},
        {{.done = 200, .total = 200, .phase = "tables"}, 50},
        {{.done = 0, .total = 900, .phase = "verify"}, 50},
        {{.done = 100, .total = 200, .phase = "verify"}, 75},
        {{.done = 200, .total = 200, .phase = "verify"}, 100},
    };

    progress_expect_verify(p);
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        progress_update(&steps[i].state, p);
        g_assert_cmpfloat(progress_reached(p), ==, steps[i].percent);
    }
    progress_end(p, true);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tools/progress/mode-names", test_mode_names);
    g_test_add_func("/tools/progress/percent-stays-in-range",
                    test_percent_stays_in_range);
    g_test_add_func("/tools/progress/bar-text", test_bar_text);
    g_test_add_func("/tools/progress/bar-text-at-the-start",
                    test_bar_text_at_the_start);
    g_test_add_func("/tools/progress/json-text", test_json_text);
    g_test_add_func("/tools/progress/verifying-is-the-second-half",
                    test_verifying_is_the_second_half);
    return g_test_run();
}
