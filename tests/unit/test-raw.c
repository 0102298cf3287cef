/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-raw.c - the raw format. */
#include "block/rw.h"
#include "block/transaction.h"
#include "formats/raw.h"
#include "tests/support/co-test.h"
#include "tests/support/pattern.h"
#include "tests/support/sweep.h"

#include <errno.h>

#define MIB (UINT64_C(1) << 20)

static VdNode *
open_raw(TestCo *t, const char *more, VdOpenFlags flags, GError **error)
{
    g_autofree char *path = test_co_path(t, "f");
    g_autofree char *options =
        g_strdup_printf("driver=raw,file.filename=%s%s", path, more);

    return test_co_try_open(t, options, flags, error);
}

static VdNode *
open_raw_ok(TestCo *t, const char *more, VdOpenFlags flags)
{
    g_autoptr(GError) error = NULL;
    VdNode *node = open_raw(t, more, flags, &error);

    g_assert_no_error(error);
    return node;
}

static void
make(TestCo *t, uint64_t size)
{
    g_autofree char *path = test_co_path(t, "f");

    test_file_make(path, size);
}

static uint64_t
file_size(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");

    return test_file_size(path);
}

static void
test_passes_bytes_through(TestCo *t)
{
    VdNode *node;

    make(t, 4 * MIB);
    node = open_raw_ok(t, "", VD_OPEN_RDWR);
    g_assert_cmpuint(vd_node_size(node), ==, 4 * MIB);
    test_co_write_pattern(node, 1000, MIB, 1);
    test_co_close(node);
    node = test_co_open_file(t, "file", "f", 0);
    test_co_assert_zero(node, 0, 1000);
    test_co_assert_pattern(node, 1000, MIB, 1);
    test_co_close(node);
}

static void
test_map_leads_to_the_file(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    VdNode *node;
    VdRun run;

    make(t, MIB);
    node = open_raw_ok(t, ",offset=4096", 0);
    vd_node_co_map(node, 512, MIB / 2, 0, &run, &error);
    g_assert_no_error(error);
    g_assert_cmpint(run.kind, ==, VD_RUN_DATA);
    g_assert_true(run.child == vd_node_child(node, "file"));
    g_assert_cmpuint(run.child_off, ==, 4096 + 512);
    g_assert_cmpuint(run.len, ==, MIB / 2);
    test_co_close(node);
}

static void
test_odd_size_is_rounded_up_to_sectors(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    VdNode *node;
    VdRun run;

    make(t, 1000);
    node = open_raw_ok(t, "", 0);
    g_assert_cmpuint(vd_node_size(node), ==, 1024);
    test_co_assert_zero(node, 0, 1024);
    vd_node_co_map(node, 1000, 24, 0, &run, &error);
    g_assert_no_error(error);
    g_assert_cmpint(run.kind, ==, VD_RUN_ZERO);
    test_co_close(node);
    g_assert_cmpuint(file_size(t), ==, 1000);
}

static void
test_write_completes_last_sector(TestCo *t)
{
    VdNode *node;

    make(t, 1000);
    node = open_raw_ok(t, "", VD_OPEN_RDWR);
    test_co_write_pattern(node, 512, 488, 1);
    g_assert_cmpuint(file_size(t), ==, 1000);
    test_co_write_pattern(node, 512, 512, 1);
    test_co_assert_pattern(node, 512, 512, 1);
    test_co_close(node);
    g_assert_cmpuint(file_size(t), ==, 1024);
}

static void
test_zeroes_complete_last_sector(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    VdNode *node;

    make(t, 1000);
    node = open_raw_ok(t, "", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 1000, 1);
    vd_node_co_write_zeroes(node, 512, 512, 0, &error);
    g_assert_no_error(error);
    test_co_assert_pattern(node, 0, 512, 1);
    test_co_assert_zero(node, 512, 512);
    test_co_close(node);
}

static void
test_window_shows_its_part_only(TestCo *t)
{
    VdNode *whole, *window;
    g_autoptr(GError) error = NULL;

    make(t, 4 * MIB);
    whole = open_raw_ok(t, "", VD_OPEN_RDWR);
    test_co_write_pattern(whole, 0, 4 * MIB, 1);
    test_co_close(whole);
    window = open_raw_ok(t, ",offset=1M,size=1M", VD_OPEN_RDWR);
    g_assert_cmpuint(vd_node_size(window), ==, MIB);
    test_co_write_pattern(window, 0, MIB, 2);
    g_assert_false(
        vd_node_co_truncate(window, 2 * MIB, VD_PREALLOC_OFF, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
    test_co_close(window);
    whole = open_raw_ok(t, "", 0);
    test_co_assert_pattern(whole, 0, MIB, 1);
    test_co_assert_pattern(whole, 2 * MIB, 2 * MIB, 1);
    test_co_close(whole);
    window = open_raw_ok(t, ",offset=1M", 0);
    g_assert_cmpuint(vd_node_size(window), ==, 3 * MIB);
    test_co_assert_pattern(window, 0, MIB, 2);
    test_co_close(window);
}

static void
test_bad_windows_are_refused(TestCo *t)
{
    static const char *const bad[] = {
        ",offset=2M", ",size=2M",   ",offset=512K,size=1M",
        ",size=1000", ",offset=-1", ",offset=7E,size=7E"};

    make(t, MIB);
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(open_raw(t, bad[i], 0, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    }
}

static void
test_resize_follows_the_file(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    VdNode *node;

    make(t, MIB);
    node = open_raw_ok(t, ",offset=4096", VD_OPEN_RDWR);
    vd_node_co_truncate(node, 3 * MIB, VD_PREALLOC_OFF, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(vd_node_size(node), ==, 3 * MIB);
    test_co_write_pattern(node, 3 * MIB - 512, 512, 1);
    vd_node_co_truncate(node, 5000, VD_PREALLOC_OFF, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(vd_node_size(node), ==, 5120);
    test_co_close(node);
    g_assert_cmpuint(file_size(t), ==, 4096 + 5000);
}

static void
test_stands_on_other_drivers(TestCo *t)
{
    VdNode *node =
        test_co_open(t, "driver=raw,offset=1M,file.driver=memory,file.size=3M",
                     VD_OPEN_RDWR);

    g_assert_cmpuint(vd_node_size(node), ==, 2 * MIB);
    test_co_write_pattern(node, MIB + 3, 1000, 1);
    test_co_assert_pattern(node, MIB + 3, 1000, 1);
    test_co_close(node);
}

static void
test_anything_is_probed_as_raw(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");
    g_autoptr(GError) error = NULL;
    VdNode *node;

    make(t, MIB);
    node = vd_co_open(&t->env, path, NULL, NULL, VD_OPEN_RDWR, &error);
    g_assert_no_error(error);
    g_assert_true(vd_node_driver(node) == &vd_raw_driver);
    g_assert_cmpuint(t->warnings->len, ==, 1);
    test_co_close(node);
}

static void
test_reader_is_warned_of_a_writer(TestCo *t)
{
    VdNode *writer, *reader;

    make(t, MIB);
    writer = open_raw_ok(t, "", VD_OPEN_RDWR);
    reader = open_raw_ok(t, "", 0);
    g_assert_cmpuint(t->warnings->len, ==, 1);
    test_co_close(reader);
    test_co_close(writer);
}

static void
test_strict_reader_is_refused_beside_a_writer(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    VdNode *writer;

    make(t, MIB);
    writer = open_raw_ok(t, "", VD_OPEN_RDWR);
    g_assert_null(open_raw(t, "", VD_OPEN_STRICT_LOCK, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IN_USE);
    test_co_close(writer);
}

/* -- creating ---------------------------------------------------------------
 */

static bool
create(TestCo *t, uint64_t size, const char *options, GError **error)
{
    g_autofree char *path = test_co_path(t, "new");
    g_autoptr(VdOptions) opts = vd_options_new();
    VdTransaction *tx = vd_tx_new(t->loop, false, false);
    VdEnv env = t->env;
    VdCreateSpec spec = {
        .env = &env,
        .filename = path,
        .size = size,
        .options = opts,
    };
    bool ok;

    env.tx = tx;
    g_assert_true(!*options || vd_options_parse(opts, options, NULL));
    ok = vd_raw_driver.co_create(tx, &spec, error);
    if (ok)
        ok = vd_tx_co_commit(tx, error);
    else
        vd_tx_co_abort(tx);
    vd_tx_free(tx);
    return ok;
}

static void
test_create_makes_a_hole(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "new");
    g_autoptr(GError) error = NULL;

    create(t, 64 * MIB + 1, "preallocation=off", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(test_file_size(path), ==, 64 * MIB + 512);
    g_assert_cmpuint(test_file_allocated(path), <, MIB);
}

static void
test_create_reserves_space(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "new");
    static const char *const modes[] = {"preallocation=falloc",
                                        "preallocation=full"};

    for (unsigned i = 0; i < G_N_ELEMENTS(modes); i++) {
        g_autoptr(GError) error = NULL;

        create(t, 3 * MIB, modes[i], &error);
        g_assert_no_error(error);
        g_assert_cmpuint(test_file_size(path), ==, 3 * MIB);
        g_assert_cmpuint(test_file_allocated(path), >=, 3 * MIB);
    }
}

static void
test_failed_create_leaves_nothing(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "new");
    static const char *const bad[] = {"preallocation=some"};
    g_autoptr(GError) too_large = NULL;

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(create(t, MIB, bad[i], &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    }
    g_assert_false(create(t, UINT64_MAX, "", &too_large));
    g_assert_error(too_large, VD_ERROR, VD_ERROR_LIMIT);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

/* Replacing an image: every request fails once. */

static void
replace_prepare(void *arg)
{
    TestCo *t = arg;
    g_autofree char *path = test_co_path(t, "new");

    test_dir_empty(t->dir);
    g_assert_true(g_file_set_contents(path, "old", -1, NULL));
}

static bool
replace_act(void *arg, GError **error)
{
    return create(arg, 3 * MIB, "preallocation=full", error);
}

static void
replace_check(void *arg, bool ok)
{
    TestCo *t = arg;
    g_autofree char *path = test_co_path(t, "new");
    g_autoptr(GDir) dir = g_dir_open(t->dir, 0, NULL);

    g_assert_cmpuint(test_file_size(path), ==, ok ? 3 * MIB : 3);
    g_assert_cmpstr(g_dir_read_name(dir), ==, "new");
    g_assert_null(g_dir_read_name(dir)); /* and nothing besides */
}

static void
test_failed_replacement_keeps_the_old(TestCo *t)
{
    TestSweep sweep = {
        .op = TEST_OP_ANY,
        .errnum = ENOSPC,
        .prepare = replace_prepare,
        .act = replace_act,
        .check = replace_check,
    };

    test_leaf_install();
    g_assert_cmpuint(test_fault_sweep(&sweep, t), >=, 2); /* open, resize */
    test_leaf_remove();
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/raw/passes-bytes-through", test_passes_bytes_through);
    test_co_add("/raw/map-leads-to-the-file", test_map_leads_to_the_file);
    test_co_add("/raw/odd-size-is-rounded-up-to-sectors",
                test_odd_size_is_rounded_up_to_sectors);
    test_co_add("/raw/write-completes-last-sector",
                test_write_completes_last_sector);
    test_co_add("/raw/zeroes-complete-last-sector",
                test_zeroes_complete_last_sector);
    test_co_add("/raw/window-shows-its-part-only",
                test_window_shows_its_part_only);
    test_co_add("/raw/bad-windows-are-refused", test_bad_windows_are_refused);
    test_co_add("/raw/resize-follows-the-file", test_resize_follows_the_file);
    test_co_add("/raw/stands-on-other-drivers", test_stands_on_other_drivers);
    test_co_add("/raw/anything-is-probed-as-raw",
                test_anything_is_probed_as_raw);
    test_co_add("/raw/reader-is-warned-of-a-writer",
                test_reader_is_warned_of_a_writer);
    test_co_add("/raw/strict-reader-is-refused-beside-a-writer",
                test_strict_reader_is_refused_beside_a_writer);
    test_co_add("/raw/create/makes-a-hole", test_create_makes_a_hole);
    test_co_add("/raw/create/reserves-space", test_create_reserves_space);
    test_co_add("/raw/create/failed-create-leaves-nothing",
                test_failed_create_leaves_nothing);
    test_co_add("/raw/create/failed-replacement-keeps-the-old",
                test_failed_replacement_keeps_the_old);
    return g_test_run();
}
