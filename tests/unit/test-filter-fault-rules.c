/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-filter-fault-rules.c - which request is to fail. */
#include "block/error.h"
#include "block/filter/fault-rules.h"

#include <errno.h>

static FaultRules *
rules_from(const char *text)
{
    g_autoptr(VdOptions) opts = vd_options_new();
    g_autoptr(GError) error = NULL;
    FaultRules *rules;

    vd_options_parse(opts, text, &error);
    g_assert_no_error(error);
    rules = fault_rules_new(opts, &error);
    g_assert_no_error(error);
    g_assert_true(vd_options_is_empty(opts));
    return rules;
}

static void
assert_refused(const char *text)
{
    g_autoptr(VdOptions) opts = vd_options_new();
    g_autoptr(GError) error = NULL;

    g_assert_true(vd_options_parse(opts, text, NULL));
    g_assert_null(fault_rules_new(opts, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
}

/* A read with its event, as the filter announces it. */
static int
read_at(FaultRules *rules, uint64_t off, uint64_t len)
{
    fault_rules_event(rules, FAULT_EVENT_READ_AIO);
    return fault_rules_check(rules, FAULT_READ, off, len);
}

static int
write_at(FaultRules *rules, uint64_t off, uint64_t len)
{
    fault_rules_event(rules, FAULT_EVENT_PWRITEV);
    return fault_rules_check(rules, FAULT_WRITE, off, len);
}

static void
test_without_rules_nothing_fails(void)
{
    g_autoptr(FaultRules) rules = rules_from("fail-op=any");

    for (unsigned i = 0; i < 100; i++)
        g_assert_cmpint(read_at(rules, 0, 512), ==, 0);
}

static void
test_nth_fails_and_only_it(void)
{
    g_autoptr(FaultRules) rules =
        rules_from("fail-op=write,fail-nth=2,fail-errno=ENOSPC");

    g_assert_cmpint(write_at(rules, 0, 512), ==, 0);
    g_assert_cmpint(read_at(rules, 0, 512), ==, 0); /* does not count */
    g_assert_cmpint(write_at(rules, 0, 512), ==, 0);
    g_assert_cmpint(write_at(rules, 0, 512), ==, ENOSPC);
    g_assert_cmpint(write_at(rules, 0, 512), ==, 0);
}

static void
test_count_zero_fails_all_from_there(void)
{
    g_autoptr(FaultRules) rules =
        rules_from("fail-op=read,fail-nth=1,fail-count=0");

    g_assert_cmpint(read_at(rules, 0, 512), ==, 0);
    for (unsigned i = 0; i < 10; i++)
        g_assert_cmpint(read_at(rules, 0, 512), ==, EIO);
}

static void
test_any_means_all_but_map(void)
{
    g_autoptr(FaultRules) rules = rules_from("fail-nth=0,fail-count=0");

    g_assert_cmpint(fault_rules_check(rules, FAULT_MAP, 0, 512), ==, 0);
    for (FaultOp op = FAULT_READ; op < FAULT_ANY; op++)
        if (op != FAULT_MAP)
            g_assert_cmpint(fault_rules_check(rules, op, 0, 512), ==, EIO);
}

static void
test_event_arms_its_rule(void)
{
    g_autoptr(FaultRules) rules =
        rules_from("inject-error.0.event=pwritev,inject-error.0.errno=28");

    g_assert_cmpint(read_at(rules, 0, 512), ==, 0);
    g_assert_cmpint(write_at(rules, 0, 512), ==, 28);
    /* Armed, and not bound to a kind: reads fail from now on, too. */
    g_assert_cmpint(read_at(rules, 0, 512), ==, 28);
}

static void
test_iotype_limits_rule(void)
{
    g_autoptr(FaultRules) rules =
        rules_from("inject-error.0.event=none,inject-error.0.iotype=write");

    g_assert_cmpint(read_at(rules, 0, 512), ==, 0);
    g_assert_cmpint(write_at(rules, 0, 512), ==, EIO);
    g_assert_cmpint(fault_rules_check(rules, FAULT_ZEROES, 0, 512), ==, 0);
}

static void
test_once_fires_once(void)
{
    g_autoptr(FaultRules) rules =
        rules_from("inject-error.0.event=none,inject-error.0.once=on");

    g_assert_cmpint(read_at(rules, 0, 512), ==, EIO);
    g_assert_cmpint(read_at(rules, 0, 512), ==, 0);
}

static void
test_sector_must_be_touched(void)
{
    g_autoptr(FaultRules) rules =
        rules_from("inject-error.0.event=none,inject-error.0.sector=3");

    g_assert_cmpint(read_at(rules, 0, 3 * 512), ==, 0);
    g_assert_cmpint(read_at(rules, 4 * 512, 512), ==, 0);
    g_assert_cmpint(read_at(rules, 2 * 512, 512 + 1), ==, EIO);
    g_assert_cmpint(read_at(rules, 4 * 512 - 1, 1), ==, EIO);
    g_assert_cmpint(fault_rules_check(rules, FAULT_FLUSH, 0, 0), ==, 0);
}

static void
test_states_chain_events(void)
{
    g_autoptr(FaultRules) rules =
        rules_from("set-state.0.event=read_aio,set-state.0.state=1,"
                   "set-state.0.new_state=2,inject-error.0.event=flush_to_disk,"
                   "inject-error.0.state=2");

    fault_rules_event(rules, FAULT_EVENT_FLUSH_TO_DISK);
    g_assert_cmpint(fault_rules_check(rules, FAULT_FLUSH, 0, 0), ==, 0);
    g_assert_cmpint(read_at(rules, 0, 512), ==, 0); /* state 1 -> 2 */
    fault_rules_event(rules, FAULT_EVENT_FLUSH_TO_DISK);
    g_assert_cmpint(fault_rules_check(rules, FAULT_FLUSH, 0, 0), ==, EIO);
}

static void
test_bad_options_are_refused(void)
{
    assert_refused("fail-op=paint");
    assert_refused("fail-nth=0,fail-errno=EWHAT");
    assert_refused("fail-nth=0,fail-errno=0");
    assert_refused("inject-error.0.event=l1_update");
    assert_refused("inject-error.0.colour=red");
    assert_refused("inject-error.1.event=read_aio"); /* there is no 0 */
    assert_refused("set-state.0.event=read_aio");    /* to which? */
}

static void
test_config_makes_rules(void)
{
    const char *text = "# two of one kind\n"
                       "[inject-error]\n"
                       "event = \"read_aio\"\n"
                       "errno = \"28\"\n"
                       "once = \"on\"\n"
                       "\n"
                       "[set-state]\n"
                       "event=read_aio\n"
                       "new_state=5\n"
                       "[inject-error]\n"
                       "  state = 5  \n"
                       "event = pwritev\n";
    g_autoptr(VdOptions) opts = vd_options_new();
    g_autoptr(FaultRules) rules = NULL;
    g_autoptr(GError) error = NULL;

    fault_config_parse(text, opts, &error);
    g_assert_no_error(error);
    rules = fault_rules_new(opts, &error);
    g_assert_no_error(error);
    g_assert_cmpint(write_at(rules, 0, 512), ==, 0);
    g_assert_cmpint(read_at(rules, 0, 512), ==, 28);
    g_assert_cmpint(write_at(rules, 0, 512), ==, EIO);
}

static void
test_bad_config_names_line(void)
{
    const char *bad[] = {"[inject-error]\nevent\n", "\nevent = x\n",
                         "# fine\n[nothing]\n"};

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(VdOptions) opts = vd_options_new();
        g_autoptr(GError) error = NULL;

        g_assert_false(fault_config_parse(bad[i], opts, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
        g_assert_true(g_str_has_prefix(error->message, "line 2: "));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fault-rules/without-rules-nothing-fails",
                    test_without_rules_nothing_fails);
    g_test_add_func("/fault-rules/nth-fails-and-only-it",
                    test_nth_fails_and_only_it);
    g_test_add_func("/fault-rules/count-zero-fails-all-from-there",
                    test_count_zero_fails_all_from_there);
    g_test_add_func("/fault-rules/any-means-all-but-map",
                    test_any_means_all_but_map);
    g_test_add_func("/fault-rules/event-arms-its-rule",
                    test_event_arms_its_rule);
    g_test_add_func("/fault-rules/iotype-limits-rule", test_iotype_limits_rule);
    g_test_add_func("/fault-rules/once-fires-once", test_once_fires_once);
    g_test_add_func("/fault-rules/sector-must-be-touched",
                    test_sector_must_be_touched);
    g_test_add_func("/fault-rules/states-chain-events",
                    test_states_chain_events);
    g_test_add_func("/fault-rules/bad-options-are-refused",
                    test_bad_options_are_refused);
    g_test_add_func("/fault-rules/config-makes-rules", test_config_makes_rules);
    g_test_add_func("/fault-rules/bad-config-names-line",
                    test_bad_config_names_line);
    return g_test_run();
}
