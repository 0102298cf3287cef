/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-filter-log.c - the log filter and its binary form. */
#include "block/filter/write-log.h"
#include "block/rw.h"
#include "tests/support/co-test.h"
#include "tests/support/leaf.h"
#include "tests/support/pattern.h"

#include <string.h>

#define ON_MEMORY ",file.driver=memory,file.size=1M"

/* -- records ----------------------------------------------------------------
 */

static void
test_record_survives(void)
{
    const uint8_t data[] = "twelve bytes";
    VdWriteLogRecord in = {
        .type = VD_WRITE_LOG_WRITE,
        .tag = 0xabcd,
        .id = UINT64_C(0x0123456789abcdef),
        .off = UINT64_C(1) << 62,
        .len = sizeof(data),
        .flags = VD_REQ_FUA,
    };
    uint8_t bytes[VD_WRITE_LOG_HEADER + sizeof(data)];
    g_autoptr(GError) error = NULL;
    VdWriteLogRecord out;

    vd_write_log_encode(&in, bytes);
    memcpy(bytes + VD_WRITE_LOG_HEADER, data, sizeof(data));
    g_assert_cmpuint(vd_write_log_decode(bytes, sizeof(bytes), &out, &error),
                     ==, sizeof(bytes));
    g_assert_no_error(error);
    g_assert_cmpint(out.type, ==, in.type);
    g_assert_cmpuint(out.tag, ==, in.tag);
    g_assert_cmpuint(out.id, ==, in.id);
    g_assert_cmpuint(out.off, ==, in.off);
    g_assert_cmpuint(out.len, ==, in.len);
    g_assert_cmpuint(out.flags, ==, in.flags);
    g_assert_cmpmem(out.data, out.len, data, sizeof(data));
}

static void
assert_corrupt(const uint8_t *bytes, size_t size)
{
    g_autoptr(GError) error = NULL;
    VdWriteLogRecord out;

    g_assert_cmpuint(vd_write_log_decode(bytes, size, &out, &error), ==, 0);
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
}

static void
test_damaged_records_are_refused(void)
{
    VdWriteLogRecord in = {.type = VD_WRITE_LOG_WRITE, .len = 8};
    uint8_t good[VD_WRITE_LOG_HEADER + 8] = {0};
    uint8_t bad[sizeof(good)];

    vd_write_log_encode(&in, good);
    for (size_t cut = 0; cut < sizeof(good); cut++)
        assert_corrupt(good, cut);
    memcpy(bad, good, sizeof(bad));
    bad[0] ^= 1; /* magic */
    assert_corrupt(bad, sizeof(bad));
    memcpy(bad, good, sizeof(bad));
    bad[4] = 99; /* type */
    assert_corrupt(bad, sizeof(bad));
    memcpy(bad, good, sizeof(bad));
    bad[24] = 9; /* length that is not the data's */
    assert_corrupt(bad, sizeof(bad));
    memcpy(bad, good, sizeof(bad));
    bad[4] = VD_WRITE_LOG_FLUSH; /* data where none belongs */
    assert_corrupt(bad, sizeof(bad));
}

/* -- the filter -------------------------------------------------------------
 */

static const TestChange *
change(const GPtrArray *changes, guint i)
{
    g_assert_cmpuint(i, <, changes->len);
    return g_ptr_array_index(changes, i);
}

static void
test_changes_are_recorded_around(TestCo *t)
{
    static const char *const files[] = {"a", "b", "c", "d", "disk", NULL};
    static const VdWriteLogType wanted[] = {
        VD_WRITE_LOG_WRITE,    VD_WRITE_LOG_ZEROES, VD_WRITE_LOG_DISCARD,
        VD_WRITE_LOG_TRUNCATE, VD_WRITE_LOG_FLUSH,
    };
    g_autofree char *path = test_co_path(t, "log");
    g_autofree char *options =
        g_strdup_printf("driver=log,tag=4,write-log=%s" ON_MEMORY, path);
    VdNode *node = test_co_open(t, options, VD_OPEN_RDWR | VD_OPEN_UNMAP);
    g_autoptr(GPtrArray) changes = NULL;
    g_autoptr(GError) error = NULL;

    test_co_write_pattern(node, 777, 12345, 3);
    vd_node_co_write_zeroes(node, 65536, 4096, 0, &error);
    g_assert_no_error(error);
    vd_node_co_discard(node, 131072, 8192, &error);
    g_assert_no_error(error);
    vd_node_co_truncate(node, 2 << 20, VD_PREALLOC_OFF, &error);
    g_assert_no_error(error);
    vd_node_co_flush(node, &error);
    g_assert_no_error(error);
    test_co_close(node);

    changes = test_changes_load(path, files);
    g_assert_cmpuint(changes->len, ==, 2 * G_N_ELEMENTS(wanted));
    for (guint i = 0; i < G_N_ELEMENTS(wanted); i++) {
        const TestChange *issued = change(changes, 2 * i);
        const TestChange *done = change(changes, 2 * i + 1);

        g_assert_cmpint(issued->record.type, ==, wanted[i]);
        g_assert_cmpstr(issued->file, ==, "disk");
        g_assert_cmpint(done->record.type, ==, VD_WRITE_LOG_DONE);
        g_assert_cmpuint(done->record.id, ==, issued->record.id);
    }
    g_assert_cmpuint(change(changes, 0)->record.off, ==, 777);
    g_assert_cmpuint(
        test_pattern_differs(change(changes, 0)->record.data, 12345, 777, 3),
        ==, 12345);
    g_assert_cmpuint(change(changes, 6)->record.len, ==, 2 << 20);
}

static void
test_failed_change_is_marked(TestCo *t)
{
    static const char *const files[] = {"disk", NULL};
    g_autofree char *path = test_co_path(t, "log");
    g_autofree char *options = g_strdup_printf(
        "driver=log,write-log=%s,file.driver=fault,file.fail-op=write,"
        "file.fail-nth=0,file.file.driver=memory,file.file.size=1M",
        path);
    VdNode *node = test_co_open(t, options, VD_OPEN_RDWR);
    g_autoptr(GPtrArray) changes = NULL;
    g_autoptr(GError) error = NULL;
    char byte = 1;

    g_assert_false(vd_node_co_pwrite(node, 0, &byte, 1, &error));
    test_co_close(node);
    changes = test_changes_load(path, files);
    g_assert_cmpuint(changes->len, >=, 2);
    g_assert_cmpint(change(changes, 1)->record.type, ==, VD_WRITE_LOG_FAILED);
}

static void
test_text_has_a_line_for_each_request(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "log");
    g_autofree char *options =
        g_strdup_printf("driver=log,log=%s" ON_MEMORY, path);
    VdNode *node = test_co_open(t, options, VD_OPEN_RDWR);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    test_co_write_pattern(node, 512, 1024, 1);
    test_co_assert_pattern(node, 512, 1024, 1);
    test_co_close(node);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), >=, 3);
    g_assert_true(
        g_regex_match_simple("^write 512 1024 [0-9]+ ok$", lines[0], 0, 0));
    g_assert_true(
        g_regex_match_simple("^read 512 1024 [0-9]+ ok$", lines[1], 0, 0));
}

static void
test_unwritable_log_fails_requests(TestCo *t)
{
    VdNode *node;
    g_autoptr(GError) error = NULL;
    char byte = 1;

    if (!g_file_test("/dev/full", G_FILE_TEST_EXISTS)) {
        g_test_skip("no /dev/full");
        return;
    }
    node = test_co_open(t, "driver=log,write-log=/dev/full" ON_MEMORY,
                        VD_OPEN_RDWR);
    g_assert_false(vd_node_co_pwrite(node, 0, &byte, 1, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NO_SPACE);
    test_co_assert_zero(node, 0, 512);   /* logged first, then done */
    (void) vd_node_co_close(node, NULL); /* its flush cannot be logged */
}

static void
test_useless_log_is_refused(TestCo *t)
{
    static const char *const bad[] = {
        "driver=log" ON_MEMORY, "driver=log,log=/" ON_MEMORY,
        "driver=log,log=/dev/null,tag=65536" ON_MEMORY};

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(test_co_try_open(t, bad[i], 0, &error));
        g_assert_nonnull(error);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/write-log/record-survives", test_record_survives);
    g_test_add_func("/write-log/damaged-records-are-refused",
                    test_damaged_records_are_refused);
    test_co_add("/log/changes-are-recorded-around",
                test_changes_are_recorded_around);
    test_co_add("/log/failed-change-is-marked", test_failed_change_is_marked);
    test_co_add("/log/text-has-a-line-for-each-request",
                test_text_has_a_line_for_each_request);
    test_co_add("/log/unwritable-log-fails-requests",
                test_unwritable_log_fails_requests);
    test_co_add("/log/useless-log-is-refused", test_useless_log_is_refused);
    return g_test_run();
}
