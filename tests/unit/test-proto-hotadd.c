/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-proto-hotadd.c - the driver of attached disks, on files that
 * stand for devices; on a loop device where there is one to be had. */
#include "block/rw.h"
#include "tests/support/co-test.h"
#include "tests/support/loop-device.h"
#include "tests/support/pattern.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define MIB (UINT64_C(1) << 20)

static VdNode *
try_open(TestCo *t, const char *path, const char *how, VdOpenFlags flags,
         GError **error)
{
    g_autofree char *options =
        g_strdup_printf("driver=hotadd,file.filename=%s%s", path, how);

    return test_co_try_open(t, options, flags, error);
}

static VdNode *
open_device(TestCo *t, const char *path, VdOpenFlags flags)
{
    g_autoptr(GError) error = NULL;
    VdNode *node = try_open(t, path, ",size=1M", flags, &error);

    g_assert_no_error(error);
    g_assert_nonnull(node);
    return node;
}

static void
assert_refused(TestCo *t, const char *path, const char *how, VdErrorCode code)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(try_open(t, path, how, 0, &error));
    g_assert_error(error, VD_ERROR, (int) code);
}

static void
test_reads_and_writes(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "sdb");
    VdNode *node;

    test_file_make(path, MIB);
    node = open_device(t, path, VD_OPEN_RDWR);
    g_assert_cmpuint(vd_node_size(node), ==, MIB);
    test_co_write_pattern(node, 0, MIB, 1);
    test_co_write_pattern(node, 777, 3, 2);
    g_assert_true(vd_node_co_write_zeroes(node, 4096, 8192, 0, NULL));
    g_assert_true(vd_node_co_flush(node, NULL));
    test_co_close(node);
    node = open_device(t, path, 0);
    g_assert_false(vd_node_is_writable(node));
    test_co_assert_pattern(node, 0, 777, 1);
    test_co_assert_pattern(node, 777, 3, 2);
    test_co_assert_zero(node, 4096, 8192);
    test_co_assert_pattern(node, 12288, MIB - 12288, 1);
    test_co_close(node);
}

/* A guest may have written anything there: it is never looked at for a
 * format. */
static void
test_shows_the_bytes_as_they_are(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "sdb");
    g_autofree char *image = g_malloc0(MIB);
    uint8_t head[4];
    VdNode *node;

    memcpy(image, "QFI\xfb\0\0\0\2", 8);
    g_assert_true(g_file_set_contents(path, image, MIB, NULL));
    node = open_device(t, path, 0);
    g_assert_cmpuint(vd_node_size(node), ==, MIB);
    g_assert_true(vd_node_co_pread(node, 0, head, sizeof(head), NULL));
    g_assert_cmpmem(head, 4, "QFI\xfb", 4);
    test_co_close(node);
}

static void
test_another_size_is_another_disk(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "sdb");

    test_file_make(path, MIB + 512);
    assert_refused(t, path, ",size=1M", VD_ERROR_REFUSED);
    test_file_make(path, MIB - 512);
    assert_refused(t, path, ",size=1M", VD_ERROR_REFUSED);
}

static void
test_bad_options(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "sdb");

    assert_refused(t, path, ",size=1M", VD_ERROR_NOT_FOUND);
    test_file_make(path, MIB);
    assert_refused(t, path, "", VD_ERROR_INVALID_ARGUMENT);
    assert_refused(t, path, ",size=0", VD_ERROR_INVALID_ARGUMENT);
    assert_refused(t, path, ",size=x", VD_ERROR_INVALID_ARGUMENT);
    assert_refused(t, path, ",size=1M,exclusive=x", VD_ERROR_INVALID_ARGUMENT);
    assert_refused(t, path, ",size=1M,else=1", VD_ERROR_INVALID_ARGUMENT);
}

static void
test_what_is_no_device_is_refused(TestCo *t)
{
    g_autofree char *fifo = test_co_path(t, "fifo");

    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    assert_refused(t, fifo, ",size=1M", VD_ERROR_INVALID_ARGUMENT);
    assert_refused(t, t->dir, ",size=1M", VD_ERROR_INVALID_ARGUMENT);
}

/* -- devices --------------------------------------------------------------- */

static void
test_a_device_is_ours_alone(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "image");
    char *device;
    VdNode *node;

    test_file_make(path, MIB);
    device = test_loop_new(path);
    if (!device)
        return;
    node = open_device(t, device, VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, MIB, 1);
    g_assert_cmpint(open(device, O_RDONLY | O_EXCL | O_CLOEXEC), <, 0);
    g_assert_cmpint(errno, ==, EBUSY);
    assert_refused(t, device, ",size=1M", VD_ERROR_IN_USE);
    assert_refused(t, device, ",size=2M,exclusive=off", VD_ERROR_REFUSED);
    test_co_close(node);
    node = open_device(t, device, 0);
    test_co_assert_pattern(node, 0, MIB, 1);
    test_co_close(node);
    test_loop_free(device);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/hotadd/reads-and-writes", test_reads_and_writes);
    test_co_add("/hotadd/bytes-as-they-are", test_shows_the_bytes_as_they_are);
    test_co_add("/hotadd/another-size", test_another_size_is_another_disk);
    test_co_add("/hotadd/bad-options", test_bad_options);
    test_co_add("/hotadd/no-device", test_what_is_no_device_is_refused);
    test_co_add("/hotadd/exclusive", test_a_device_is_ours_alone);
    return g_test_run();
}
