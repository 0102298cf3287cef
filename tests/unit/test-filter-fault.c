/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-filter-fault.c - the filters fault and readonly at work. */
#include "block/rw.h"
#include "io/sync.h"
#include "tests/support/co-test.h"
#include "tests/support/pattern.h"

#include <string.h>

#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)
#define ON_MEMORY ",file.driver=memory,file.size=4M"

static void
test_nth_write_fails_and_changes_nothing(TestCo *t)
{
    VdNode *node = test_co_open(
        t, "driver=fault,fail-op=write,fail-nth=1,fail-errno=ENOSPC" ON_MEMORY,
        VD_OPEN_RDWR);
    g_autofree char *buf = g_malloc(4096);
    g_autoptr(GError) error = NULL;

    test_co_write_pattern(node, 0, 4096, 1);
    memset(buf, 'x', 4096);
    g_assert_false(vd_node_co_pwrite(node, 0, buf, 4096, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NO_SPACE);
    g_assert_nonnull(strstr(error->message, "injected"));
    test_co_assert_pattern(node, 0, 4096, 1);
    test_co_write_pattern(node, 0, 4096, 2);
    test_co_assert_pattern(node, 0, 4096, 2);
    test_co_close(node);
}

static void
test_every_kind_of_request_can_fail(TestCo *t)
{
    VdNode *node =
        test_co_open(t, "driver=fault,fail-nth=0,fail-count=0" ON_MEMORY,
                     VD_OPEN_RDWR | VD_OPEN_UNMAP);
    GError *error[5] = {NULL};
    char byte = 0;

    g_assert_false(vd_node_co_pread(node, 0, &byte, 1, &error[0]));
    g_assert_false(vd_node_co_pwrite(node, 0, &byte, 1, &error[1]));
    g_assert_false(vd_node_co_write_zeroes(node, 0, 4096, 0, &error[2]));
    g_assert_false(vd_node_co_discard(node, 0, 4096, &error[3]));
    g_assert_false(
        vd_node_co_truncate(node, 8 * MIB, VD_PREALLOC_OFF, &error[4]));
    for (unsigned i = 0; i < G_N_ELEMENTS(error); i++) {
        g_assert_error(error[i], VD_ERROR, VD_ERROR_IO);
        g_clear_error(&error[i]);
    }
    /* Closing is no request. */
    test_co_close(node);
}

static void
test_flush_fails(TestCo *t)
{
    VdNode *node = test_co_open(
        t, "driver=fault,fail-op=flush,fail-nth=0" ON_MEMORY, VD_OPEN_RDWR);
    g_autoptr(GError) error = NULL;

    test_co_write_pattern(node, 0, 4096, 1);
    g_assert_false(vd_node_co_flush(node, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    (void) vd_node_co_close(node, NULL); /* may complain once more */
}

static void
test_map_fails(TestCo *t)
{
    VdNode *node =
        test_co_open(t, "driver=fault,fail-op=map,fail-nth=1" ON_MEMORY, 0);
    g_autoptr(GError) error = NULL;
    VdRun run;

    vd_node_co_map(node, 0, MIB, 0, &run, &error);
    g_assert_no_error(error);
    g_assert_cmpint(run.kind, ==, VD_RUN_ZERO);
    g_assert_cmpuint(run.len, ==, MIB);
    g_assert_false(vd_node_co_map(node, 0, MIB, 0, &run, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    test_co_close(node);
}

static void
test_blkdebug_rules_work(TestCo *t)
{
    VdNode *node =
        test_co_open(t,
                     "driver=blkdebug,inject-error.0.event=read_aio,"
                     "inject-error.0.sector=4,inject-error.0.once=on" ON_MEMORY,
                     0);
    g_autoptr(GError) error = NULL;
    char buf[512];

    test_co_assert_zero(node, 0, 2048);
    g_assert_false(vd_node_co_pread(node, 2048, buf, 512, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    test_co_close(node);
}

static void
test_config_file_is_read(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "rules");
    g_autofree char *options =
        g_strdup_printf("driver=blkdebug,config=%s" ON_MEMORY, path);
    g_autoptr(GError) missing = NULL;
    g_autoptr(GError) error = NULL;
    char byte;
    VdNode *node;

    g_assert_null(test_co_try_open(t, options, 0, &missing));
    g_assert_error(missing, VD_ERROR, VD_ERROR_NOT_FOUND);
    g_assert_true(g_file_set_contents(
        path, "[inject-error]\nevent = \"read_aio\"\nerrno = 28\n", -1, NULL));
    node = test_co_open(t, options, 0);
    g_assert_false(vd_node_co_pread(node, 0, &byte, 1, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NO_SPACE);
    test_co_close(node);
}

static void
test_limits_are_set_and_hold(TestCo *t)
{
    VdNode *node = test_co_open(
        t,
        "driver=fault,align=4096,max-transfer=64K,opt-write-zero=32K,"
        "max-write-zero=128K,opt-discard=16K,max-discard=64K" ON_MEMORY,
        VD_OPEN_RDWR | VD_OPEN_UNMAP);
    VdNode *child = vd_node_child(node, "file");
    const VdLimits *limits = vd_node_limits(node);
    g_autoptr(GError) error = NULL;
    uint64_t before;

    g_assert_cmpuint(limits->request_align, ==, 4096);
    g_assert_cmpuint(limits->zeroes_align, ==, 32 * KIB);
    g_assert_cmpuint(limits->discard_align, ==, 16 * KIB);
    before = vd_node_stats(child)->writes;
    test_co_write_pattern(node, 0, 256 * KIB, 1);
    g_assert_cmpuint(vd_node_stats(child)->writes - before, ==, 4);
    before = vd_node_stats(child)->zeroes;
    vd_node_co_write_zeroes(node, 0, 256 * KIB, 0, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(vd_node_stats(child)->zeroes - before, ==, 2);
    before = vd_node_stats(child)->discards;
    vd_node_co_discard(node, 0, 256 * KIB, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(vd_node_stats(child)->discards - before, ==, 4);
    test_co_write_pattern(node, 4095, 2, 2); /* read, change, write */
    test_co_assert_pattern(node, 4095, 2, 2);
    test_co_assert_zero(node, 0, 4095);
    test_co_close(node);
}

static void
test_bad_options_are_refused(TestCo *t)
{
    static const char *const bad[] = {
        "driver=fault,align=3" ON_MEMORY,
        "driver=fault,align=2M" ON_MEMORY,
        "driver=fault,align=4096,max-transfer=100" ON_MEMORY,
        "driver=fault,delay-op=nap" ON_MEMORY,
        "driver=fault,fail-ops=read" ON_MEMORY,
        "driver=fault"};

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(test_co_try_open(t, bad[i], 0, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    }
}

/* -- delay ------------------------------------------------------------------
 */

typedef struct {
    VdNode *node;
    bool reads_done, write_done;
} Overlap;

static bool
slow_write(void *arg, GError **error)
{
    Overlap *o = arg;
    char byte = 1;
    bool ok = vd_node_co_pwrite(o->node, 0, &byte, 1, error);

    o->write_done = true;
    g_assert_true(o->reads_done);
    return ok;
}

static bool
quick_reads(void *arg, GError **error)
{
    Overlap *o = arg;
    char byte;

    for (unsigned i = 0; i < 10; i++) {
        if (!vd_node_co_pread(o->node, MIB + i, &byte, 1, error))
            return false;
        g_assert_false(o->write_done);
    }
    o->reads_done = true;
    return true;
}

static void
test_delay_holds_back_one_kind(TestCo *t)
{
    Overlap o = {
        .node = test_co_open(
            t, "driver=fault,delay-op=write,delay-ns=50000000" ON_MEMORY,
            VD_OPEN_RDWR),
    };
    g_autoptr(VioCoGroup) group = vio_co_group_new(2);
    g_autoptr(GError) error = NULL;

    vio_co_group_spawn(group, slow_write, &o, NULL);
    vio_co_group_spawn(group, quick_reads, &o, NULL);
    vio_co_group_join(group, &error);
    g_assert_no_error(error);
    test_co_close(o.node);
}

/* -- readonly ---------------------------------------------------------------
 */

static void
test_readonly_reads(TestCo *t)
{
    VdNode *node = test_co_open(t, "driver=readonly" ON_MEMORY, 0);
    g_autoptr(GError) error = NULL;
    char byte = 0;

    g_assert_cmpuint(vd_node_size(node), ==, 4 * MIB);
    test_co_assert_zero(node, 0, 4096);
    g_assert_false(vd_node_co_pwrite(node, 0, &byte, 1, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_READ_ONLY);
    test_co_close(node);
}

static void
test_readonly_refuses_writers(TestCo *t)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(
        test_co_try_open(t, "driver=readonly" ON_MEMORY, VD_OPEN_RDWR, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_READ_ONLY);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/fault/nth-write-fails-and-changes-nothing",
                test_nth_write_fails_and_changes_nothing);
    test_co_add("/fault/every-kind-of-request-can-fail",
                test_every_kind_of_request_can_fail);
    test_co_add("/fault/flush-fails", test_flush_fails);
    test_co_add("/fault/map-fails", test_map_fails);
    test_co_add("/fault/blkdebug-rules-work", test_blkdebug_rules_work);
    test_co_add("/fault/config-file-is-read", test_config_file_is_read);
    test_co_add("/fault/limits-are-set-and-hold", test_limits_are_set_and_hold);
    test_co_add("/fault/bad-options-are-refused", test_bad_options_are_refused);
    test_co_add("/fault/delay-holds-back-one-kind",
                test_delay_holds_back_one_kind);
    test_co_add("/readonly/reads", test_readonly_reads);
    test_co_add("/readonly/refuses-writers", test_readonly_refuses_writers);
    return g_test_run();
}
